"""Who takes part, by the entries, and whether it had the right to do what an entry says it did."""

from dataclasses import replace
from typing import Any, Final

from dataspace.audit.told import Member, Verdicts, later
from dataspace.participants.models import Role, Status

_OPERATOR: Final = Role.OPERATOR.value


class Members:
    """The participants and their rights, in the order of the entries."""

    def __init__(self, verdicts: Verdicts) -> None:
        self.known: dict[str, Member] = {}
        self.takers = {
            "participant.admitted": self._admitted,
            "participant.changed": self._changed,
            "participant.entity": self._belongs,
            "auditor.assigned": self._assigned,
            "credential.issued": self._issued,
            "credential.revoked": self._revoked,
        }
        self._verdicts = verdicts
        self._entities: dict[str, list[str]] | None = None  # the accounts of each, when they were asked for

    def accounts(self, name: str) -> list[str]:
        """Return the participants of the same legal entity as `name`, which is alone if none is named."""
        if self._entities is None:
            self._entities = {}
            for account, known in self.known.items():
                self._entities.setdefault(known.entity, []).append(account)
        member = self.known.get(name)
        return self._entities[member.entity] if member and member.entity else [name]

    def act(
        self, index: int, name: str, time: str, role: str | None = None, who: str = "who did it"
    ) -> Member | None:
        """Hold an act against the rights of the participant `name`, which is `who`; return the participant.

        Without a `role` any active participant may act so.
        """
        member = self.known.get(name)
        if member is None:
            self._verdicts.unknown(index, f"{who} {name} was not admitted before", name)
            return None
        if member.status == Status.ACTIVE and (role is None or role in member.roles):
            return member
        if member.lately(role, time):
            return member
        if member.status != Status.ACTIVE:
            problem = f"{who} {name} was {member.status} by entry {member.entry}"
        else:
            problem = f"{who} {name} is no {role}: its roles are {', '.join(member.roles) or 'none'}"
        self._verdicts.stale(index, problem, name, member.missing)
        return member

    def _admitted(self, index: int, fields: dict[str, Any]) -> None:
        name, founder = fields["participant"], not self.known
        if not (founder and fields["by"] == name):
            self.act(index, fields["by"], fields["time"], _OPERATOR, "who admitted it")
        if name in self.known:
            self._verdicts.wrong(index, f"{name} was admitted before")
        self._check_roles(index, fields["roles"])
        missing = self._verdicts.missing
        self.known[name] = Member(sorted(fields["roles"]), Status.ACTIVE.value, index, missing=missing)

    def _changed(self, index: int, fields: dict[str, Any]) -> None:
        name, before = fields["participant"], self.known.get(fields["participant"])
        self.act(index, fields["by"], fields["time"], _OPERATOR, "who changed it")
        if before is None:
            self._verdicts.unknown(index, f"{name} was not admitted before", name)
            before = Member([], Status.ACTIVE.value, index)
        self._check_roles(index, fields["roles"])
        if fields["status"] not in set(Status):
            self._verdicts.wrong(index, f"its status {fields['status']} is none")
        # What was lost before keeps its time: to change a suspended participant again gives it none.
        lost = before.roles if before.status == Status.ACTIVE else []
        self.known[name] = replace(
            before,
            roles=sorted(fields["roles"]),
            status=fields["status"],
            entry=index,
            former={**before.former, **dict.fromkeys(lost, later(fields["time"]))},
            missing=self._verdicts.missing,
        )

    def _belongs(self, index: int, fields: dict[str, Any]) -> None:
        self.act(index, fields["by"], fields["time"], _OPERATOR, "who named its entity")
        member = self.known.get(fields["participant"])
        if member is None:
            name = fields["participant"]
            self._verdicts.unknown(index, f"{name} was not admitted before", name)
        else:
            member.entity, self._entities = fields["entity_sha256"], None
            member.named_until, member.named_missing = later(fields["time"]), self._verdicts.missing

    def _assigned(self, index: int, fields: dict[str, Any]) -> None:
        self.act(index, fields["by"], fields["time"], _OPERATOR, "who assigned it")
        member = self.known.get(fields["participant"])
        if member is None:
            name = fields["participant"]
            self._verdicts.unknown(index, f"{name} was not admitted before", name)
        else:
            member.zones = sorted(fields["zones"])

    def _issued(self, index: int, fields: dict[str, Any]) -> None:
        role = None if fields["by"] == fields["participant"] else _OPERATOR
        self.act(index, fields["by"], fields["time"], role, "who had it issued")

    def _revoked(self, index: int, fields: dict[str, Any]) -> None:
        role = None if fields["by"] == fields["participant"] else _OPERATOR
        self.act(index, fields["by"], fields["time"], role, "who revoked it")

    def _check_roles(self, index: int, roles: list[str]) -> None:
        unknown = sorted(set(roles) - set(Role))
        if unknown or not roles:
            self._verdicts.wrong(
                index, f"its roles are {', '.join(roles) or 'none'}, want of {', '.join(Role)}"
            )
