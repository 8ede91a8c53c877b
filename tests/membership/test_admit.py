"""Participants: admitted, changed, suspended; each an entry."""

import pytest

from dataspace.errors import Conflict, NotFound, PolicyDenied, Refused, Unauthenticated, Unprocessable
from dataspace.participants.access import Caller, caller_of_cookie, caller_of_token
from dataspace.participants.models import Role, Status
from tests.simulator import PASSWORD, Simulator


def _by_token(space: Simulator, participant: str) -> Caller:
    with space.service.space.database.reading() as session:
        return caller_of_token(session, space.tokens[participant])


def test_admission_is_an_entry_without_the_name(space: Simulator) -> None:
    member = space.member(Role.PROVIDER, login="city-hospital")
    entry = space.service.receipts.entries(space.operator, 0, 1000)[-1]["record"]
    assert (entry["kind"], entry["participant"], entry["roles"]) == (
        "participant.admitted",
        member.id,
        ["provider"],
    )
    assert "city-hospital" not in str(entry)
    space.audit()


def test_only_an_operator_admits(space: Simulator) -> None:
    with pytest.raises(PolicyDenied, match="role-missing"):
        space.service.membership.admit(space.provider(), "x", "x", [Role.OPERATOR])
    space.audit()


def test_a_space_has_one_first_operator(space: Simulator) -> None:
    assert space.service.membership.found("second", "second") is None


def test_a_login_is_taken_once(space: Simulator) -> None:
    space.member(Role.CONSUMER, login="taken")
    with pytest.raises(Conflict, match="'taken'"):
        space.member(Role.CONSUMER, login="taken")
    space.audit()


@pytest.mark.parametrize(("roles", "password"), [((), PASSWORD), ((Role.CONSUMER,), "short")])
def test_a_participant_needs_a_role_and_a_long_password(
    space: Simulator, roles: tuple[Role, ...], password: str
) -> None:
    with pytest.raises(Unprocessable):
        space.service.membership.admit(space.operator, "x", "needs", roles, password)


def test_au_03_a_suspended_participants_token_and_session_stop_at_once(space: Simulator) -> None:
    member = space.member(Role.CONSUMER, login="to-suspend")
    _, cookie = space.service.membership.log_in("to-suspend", PASSWORD)
    space.service.membership.change(space.operator, member.id, status=Status.SUSPENDED)
    with pytest.raises(Unauthenticated):
        _by_token(space, member.id)
    with space.service.space.database.reading() as session, pytest.raises(Unauthenticated):
        caller_of_cookie(session, cookie, space.clock())
    with pytest.raises(Unauthenticated):
        space.service.membership.log_in("to-suspend", PASSWORD)
    space.service.membership.change(space.operator, member.id, status=Status.ACTIVE)
    assert _by_token(space, member.id).id == member.id
    space.audit()


def test_au_03_a_role_change_is_seen_by_the_next_request(space: Simulator) -> None:
    member = space.member(Role.CONSUMER)
    space.service.membership.change(space.operator, member.id, roles=[Role.AUDITOR])
    assert _by_token(space, member.id).roles == {Role.AUDITOR}
    space.audit()


def test_au_13_a_login_makes_a_new_session_each_time(space: Simulator) -> None:
    space.member(Role.CONSUMER, login="twice")
    cookies = {space.service.membership.log_in("twice", PASSWORD)[1] for _ in range(2)}
    assert len(cookies) == 2
    space.service.membership.log_out(cookies.pop())
    with space.service.space.database.reading() as session:
        assert caller_of_cookie(session, cookies.pop(), space.clock())


def test_au_08_an_unknown_name_is_refused_like_a_wrong_password(space: Simulator) -> None:
    space.member(Role.CONSUMER, login="known")
    texts = set()
    for login, password in (("known", "wrong password!"), ("nobody", PASSWORD)):
        with pytest.raises(Unauthenticated) as refused:
            space.service.membership.log_in(login, password)
        texts.add(str(refused.value))
    assert len(texts) == 1


def test_a_revoked_token_is_worth_nothing(space: Simulator) -> None:
    member = space.member(Role.CONSUMER)
    second = space.service.membership.issue_token(member, member.id)
    space.service.membership.revoke_token(member, second)
    with space.service.space.database.reading() as session, pytest.raises(Unauthenticated):
        caller_of_token(session, second)
    assert _by_token(space, member.id)


def test_only_the_operator_sees_the_others(space: Simulator) -> None:
    member, other = space.consumer(), space.consumer()
    assert [one.id for one in space.service.membership.members(member)] == [member.id]
    with pytest.raises(NotFound):
        space.service.membership.member(member, other.id)
    with pytest.raises(NotFound):
        space.service.membership.issue_token(member, other.id)
    assert space.service.membership.member(space.operator, other.id).id == other.id


def test_an_operator_cannot_lock_itself_out(space: Simulator) -> None:
    with pytest.raises(Refused, match="another operator"):
        space.service.membership.change(space.operator, space.operator.id, status=Status.SUSPENDED)


def test_whoever_has_a_token_issued_for_another_is_in_the_ledger(space: Simulator) -> None:
    member = space.consumer()
    space.service.membership.issue_token(space.operator, member.id)
    entry = space.service.receipts.entries(member, 0, 1000)[-1]["record"]
    assert (entry["kind"], entry["participant"], entry["by"]) == (
        "credential.issued",
        member.id,
        space.operator.id,
    )
    space.audit()


@pytest.mark.parametrize(
    ("name", "login"), [("", "fine"), ("a\u202eb", "fine"), ("a", "a b"), ("a", '"><script>')]
)
def test_a_name_that_would_mislead_is_refused(space: Simulator, name: str, login: str) -> None:
    with pytest.raises(Unprocessable, match="is not one"):
        space.service.membership.admit(space.operator, name, login, [Role.CONSUMER])
