"""The state table against the protocol's, written down a second time from DSP 2025-1."""

import itertools

import pytest

from dataspace.errors import IllegalTransition
from dataspace.negotiation.states import Message, Side, State, after

_ALLOWED = {
    ("", "ContractRequestMessage", "consumer"): "REQUESTED",
    ("", "ContractOfferMessage", "provider"): "OFFERED",
    ("REQUESTED", "ContractOfferMessage", "provider"): "OFFERED",
    ("REQUESTED", "ContractAgreementMessage", "provider"): "AGREED",
    ("OFFERED", "ContractRequestMessage", "consumer"): "REQUESTED",
    ("OFFERED", "ContractNegotiationEventMessage:ACCEPTED", "consumer"): "ACCEPTED",
    ("ACCEPTED", "ContractAgreementMessage", "provider"): "AGREED",
    ("AGREED", "ContractAgreementVerificationMessage", "consumer"): "VERIFIED",
    ("VERIFIED", "ContractNegotiationEventMessage:FINALIZED", "provider"): "FINALIZED",
}
_OPEN = ("REQUESTED", "OFFERED", "ACCEPTED", "AGREED", "VERIFIED")


@pytest.mark.parametrize(("state", "message", "side"), list(itertools.product([None, *State], Message, Side)))
def test_every_message_does_what_the_protocol_says(state: State | None, message: Message, side: Side) -> None:
    wanted = _ALLOWED.get((state or "", message, side))
    if message is Message.TERMINATE and state in _OPEN:
        wanted = "TERMINATED"
    if wanted:
        assert after(state, message, side) == wanted
    else:
        with pytest.raises(IllegalTransition, match=f"the {side} cannot send"):
            after(state, message, side)
