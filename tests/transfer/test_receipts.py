"""How much of an entry who sees: receipts field by field, and auditors that are bound to zones."""

import json
from dataclasses import dataclass

import pytest

from dataspace.errors import Malformed, NotFound, Unprocessable
from dataspace.participants.access import Caller
from dataspace.participants.models import Role
from dataspace.proof.disclosure import Disclosure
from dataspace.proof.record import Record
from dataspace.proof.verify import verify_receipt
from dataspace.transfer.acknowledge import Received
from tests.simulator import Simulator, people

COUNT = "SELECT COUNT(*) FROM data"
SPACES_OWN = {"log.created", "policy.adopted", "key.adopted"}


@dataclass(frozen=True)
class Story:
    """What happened in one zone, and what its entries name."""

    provider: Caller
    consumer: Caller
    agreement: str
    names: frozenset[str]
    entries: frozenset[int]


@pytest.fixture(scope="module")
def stories(space: Simulator) -> dict[str, Story]:
    """The same story in two zones: registered, agreed, asked, acknowledged, ended."""
    return {zone: _played(space, zone, rows) for zone, rows in (("government", 160), ("finance", 161))}


def _played(space: Simulator, zone: str, rows: int) -> Story:
    provider, consumer = space.provider(), space.consumer()
    start = _size(space)
    registered = space.registered(provider, people(rows), zone=zone, subjects=["number"])
    agreement = space.agreed(consumer, registered.offer)
    answer = space.query(consumer, agreement.id, COUNT)
    space.service.acknowledgements.acknowledge(consumer, [Received(answer.entry, answer.sha256)])
    space.service.negotiator.end(consumer, agreement.id)
    names = {provider.id, consumer.id, registered.dataset, registered.offer, agreement.id}
    names.add(agreement.negotiation)
    return Story(provider, consumer, agreement.id, frozenset(names), frozenset(range(start, _size(space))))


def _size(space: Simulator) -> int:
    with space.service.space.database.reading() as session:
        return space.service.space.log.size(session)


def _auditor(space: Simulator, *zones: str) -> Caller:
    name = f"auditor-{len(space.tokens)}"
    admitted = space.service.membership.admit(space.operator, name, name, [Role.AUDITOR], zones=zones)
    space.tokens[admitted.member.id] = admitted.token
    return Caller(admitted.member.id, frozenset({Role.AUDITOR}), frozenset(admitted.member.zones))


def _shown(space: Simulator, caller: Caller) -> dict[int, Record | Disclosure]:
    return dict(space.service.receipts.records(caller, 0, 1000))


def test_a_story_has_every_kind_of_entry_that_leads_to_a_zone(
    space: Simulator, stories: dict[str, Story]
) -> None:
    shown = _shown(space, space.operator)
    for story in stories.values():
        assert {shown[index].fields["kind"] for index in story.entries} == {
            "dataset.registered",
            "negotiation.changed",
            "agreement.concluded",
            "query.answered",
            "answer.acknowledged",
            "agreement.terminated",
        }


def test_an_auditor_of_a_zone_sees_its_entries_whole_and_kind_and_time_of_the_others(
    space: Simulator, stories: dict[str, Story]
) -> None:
    auditor = _auditor(space, "finance")
    shown, log = _shown(space, auditor), space.service.space.log
    assert sorted(shown) == list(range(_size(space)))
    own = {index for index, one in shown.items() if one.fields.get("participant") == auditor.id}
    whole = {index for index, one in shown.items() if isinstance(one, Record)}
    space_wide = {index for index, one in shown.items() if one.fields["kind"] in SPACES_OWN}
    assert whole == stories["finance"].entries | own | space_wide
    assert all(set(shown[index].fields) == {"kind", "time"} for index in shown.keys() - whole)
    with space.service.space.database.reading() as session:
        for index, one in shown.items():
            record = log.record(session, index)
            assert record
            assert one.entry() == record.entry()
            assert one.fields.items() <= record.fields.items()


def test_an_auditor_of_a_zone_reads_no_name_of_another(space: Simulator, stories: dict[str, Story]) -> None:
    text = json.dumps(space.service.receipts.entries(_auditor(space, "finance"), 0, 1000))
    assert stories["finance"].agreement in text
    assert not [name for name in stories["government"].names if name in text]


def test_an_auditor_of_two_zones_sees_both(space: Simulator, stories: dict[str, Story]) -> None:
    shown = _shown(space, _auditor(space, "finance", "government"))
    both = stories["finance"].entries | stories["government"].entries
    assert all(isinstance(shown[index], Record) for index in both)


def test_without_zones_an_auditor_sees_everything(space: Simulator) -> None:
    assert all(isinstance(one, Record) for one in _shown(space, _auditor(space)).values())


def test_an_operator_is_bound_by_no_zones(space: Simulator) -> None:
    both = Caller(space.operator.id, frozenset({Role.OPERATOR, Role.AUDITOR}), frozenset({"finance"}))
    assert all(isinstance(one, Record) for one in _shown(space, both).values())


def test_zones_give_nothing_to_who_is_no_auditor(space: Simulator, stories: dict[str, Story]) -> None:
    consumer = stories["government"].consumer
    bound = Caller(consumer.id, consumer.roles, frozenset({"finance"}))
    assert _shown(space, bound).keys() == _shown(space, consumer).keys()


def test_an_auditor_that_takes_part_sees_its_own_entries_of_other_zones(
    space: Simulator, stories: dict[str, Story]
) -> None:
    provider = stories["government"].provider
    both = Caller(provider.id, provider.roles | {Role.AUDITOR}, frozenset({"finance"}))
    shown = _shown(space, both)
    assert all(isinstance(one, Record) for index, one in shown.items() if index in _shown(space, provider))


def test_an_auditor_of_a_zone_gets_receipts_of_all_entries_with_as_much_as_it_sees(
    space: Simulator, stories: dict[str, Story]
) -> None:
    auditor, key = _auditor(space, "finance"), space.service.space.log.vkey()
    for zone, kind in (("finance", Record), ("government", Disclosure)):
        receipt = space.service.receipts.receipt(auditor, max(stories[zone].entries))
        assert isinstance(receipt.record, kind)
        assert verify_receipt(receipt.to_bytes(), key).ok


def test_of_an_erasure_an_auditor_of_a_zone_learns_the_index_and_not_the_basis(space: Simulator) -> None:
    consumer = space.consumer()
    offer = space.registered(space.provider(), people(162), subjects=["number"]).offer
    answer = space.query(consumer, space.agreed(consumer, offer).id, COUNT)
    said = space.service.erasure.erase(space.operator, answer.entry, "somebody's words")
    shown = _shown(space, _auditor(space, "finance"))
    assert answer.entry not in shown
    assert shown[said].fields.keys() == {"kind", "time", "entry"}
    space.audit()


def test_assigning_zones_is_an_entry_and_the_same_zones_are_none(space: Simulator) -> None:
    auditor = _auditor(space)
    member = space.service.membership.change(space.operator, auditor.id, zones=["finance"])
    assert member.zones == ("finance",)
    entry = _shown(space, space.operator)[_size(space) - 1].fields
    told = {name: entry[name] for name in ("kind", "participant", "zones", "by")}
    assert told == {
        "kind": "auditor.assigned",
        "participant": auditor.id,
        "zones": ["finance"],
        "by": space.operator.id,
    }
    space.service.membership.change(space.operator, auditor.id, zones=["finance"])
    assert _shown(space, space.operator)[_size(space) - 1].fields["kind"] == "participant.changed"
    assert space.service.membership.change(space.operator, auditor.id, zones=[]).zones == ()
    space.audit()


def test_zones_are_for_auditors_and_must_be_there(space: Simulator) -> None:
    membership = space.service.membership
    with pytest.raises(Unprocessable, match="want the role auditor"):
        membership.admit(space.operator, "x", "no-auditor", [Role.CONSUMER], zones=["finance"])
    with pytest.raises(NotFound, match="there is no zone 'moon'"):
        membership.admit(space.operator, "x", "of-the-moon", [Role.AUDITOR], zones=["moon"])
    with pytest.raises(Unprocessable, match="want the role auditor"):
        membership.change(space.operator, space.consumer().id, zones=["finance"])


def test_a_receipt_shows_the_fields_it_is_asked_for(space: Simulator, stories: dict[str, Story]) -> None:
    entry = min(stories["government"].entries)
    receipt = space.service.receipts.receipt(stories["government"].provider, entry, ["kind", "zone"])
    assert receipt.record.fields == {"kind": "dataset.registered", "zone": "government"}
    data = receipt.to_bytes()
    assert verify_receipt(data, space.service.space.log.vkey()).ok
    assert not [name for name in stories["government"].names if name.encode() in data]


def test_a_field_that_is_not_there_is_named(space: Simulator, stories: dict[str, Story]) -> None:
    entry = min(stories["government"].entries)
    with pytest.raises(Malformed, match="no field colour, size to show, want one of approval, dataset, "):
        space.service.receipts.receipt(space.operator, entry, ["kind", "size", "colour"])


def test_au_09_a_field_that_is_not_the_auditors_to_see_is_like_one_that_is_not_there(
    space: Simulator, stories: dict[str, Story]
) -> None:
    auditor, entry = _auditor(space, "finance"), min(stories["government"].entries)
    texts = set()
    for name in ("dataset", "colour"):
        with pytest.raises(Malformed) as refused:
            space.service.receipts.receipt(auditor, entry, [name])
        texts.add(str(refused.value).replace(name, "X"))
    assert texts == {"no field X to show, want one of kind, time"}
    receipt = space.service.receipts.receipt(auditor, entry, ["kind"])
    assert receipt.record.fields == {"kind": "dataset.registered"}


def test_the_space_is_as_its_entries_tell(space: Simulator, stories: dict[str, Story]) -> None:
    assert stories
    space.audit()
