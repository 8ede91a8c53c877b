"""The state machine of contract negotiations, as one table (DSP 2025-1, contract negotiation, 1.2).

A state is entered when its message is acknowledged. FINALIZED and TERMINATED
end a negotiation. SUSPENDED is of agreements alone, as DSP has it of transfers
(transfer process, 1.1): what was granted is used up, and no message leads there.
"""

from enum import StrEnum

from dataspace.errors import IllegalTransition


class State(StrEnum):
    """Where a negotiation stands; the words of the protocol."""

    REQUESTED = "REQUESTED"
    OFFERED = "OFFERED"
    ACCEPTED = "ACCEPTED"
    AGREED = "AGREED"
    VERIFIED = "VERIFIED"
    FINALIZED = "FINALIZED"
    TERMINATED = "TERMINATED"
    SUSPENDED = "SUSPENDED"


class Message(StrEnum):
    """What one side says to the other."""

    REQUEST = "ContractRequestMessage"
    OFFER = "ContractOfferMessage"
    ACCEPT = "ContractNegotiationEventMessage:ACCEPTED"
    AGREE = "ContractAgreementMessage"
    VERIFY = "ContractAgreementVerificationMessage"
    FINALIZE = "ContractNegotiationEventMessage:FINALIZED"
    TERMINATE = "ContractNegotiationTerminationMessage"


class Side(StrEnum):
    """Who speaks."""

    CONSUMER = "consumer"
    PROVIDER = "provider"


_C, _P = Side.CONSUMER, Side.PROVIDER

TRANSITIONS: dict[tuple[State | None, Message, Side], State] = {
    (None, Message.REQUEST, _C): State.REQUESTED,
    (None, Message.OFFER, _P): State.OFFERED,
    (State.REQUESTED, Message.OFFER, _P): State.OFFERED,
    (State.REQUESTED, Message.AGREE, _P): State.AGREED,
    (State.OFFERED, Message.REQUEST, _C): State.REQUESTED,
    (State.OFFERED, Message.ACCEPT, _C): State.ACCEPTED,
    (State.ACCEPTED, Message.AGREE, _P): State.AGREED,
    (State.AGREED, Message.VERIFY, _C): State.VERIFIED,
    (State.VERIFIED, Message.FINALIZE, _P): State.FINALIZED,
} | {
    (state, Message.TERMINATE, side): State.TERMINATED
    for state in (State.REQUESTED, State.OFFERED, State.ACCEPTED, State.AGREED, State.VERIFIED)
    for side in Side
}


def after(state: State | None, message: Message, side: Side) -> State:
    """Return the state a message leads to; `None` is the state before the first message.

    Raises:
        IllegalTransition: the table does not allow this message, in this state, from this side.

    """
    entered = TRANSITIONS.get((state, message, side))
    if entered is None:
        where = f"in state {state}" if state else "to begin with"
        raise IllegalTransition(f"the {side} cannot send {message} {where}", state=state)
    return entered
