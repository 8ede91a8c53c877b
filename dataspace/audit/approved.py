"""Approvals by a second person, by the entries: who gave them, to whom, and for which registration.

A registration that lifts reasons names the approval that does: of another
person, for the same provider, zone and bytes, of at least these reasons, once.
"""

from collections.abc import Mapping
from typing import Any, Final

from dataspace.audit.members import Members
from dataspace.audit.told import Approved, Verdicts
from dataspace.participants.models import Role

_OPERATOR: Final = Role.OPERATOR.value


class Approvals:
    """The approvals so far, in the order of the entries."""

    def __init__(self, verdicts: Verdicts, members: Members) -> None:
        self.known: dict[str, Approved] = {}
        self.takers = {"approval.granted": self._granted, "approval.rejected": self._rejected}
        self._verdicts, self._members = verdicts, members

    def hold(self, index: int, fields: Mapping[str, Any]) -> None:
        """Hold a registration against the approval that it names, if it lifts anything."""
        # Entries from before there were approvals lift nothing: their policies knew nothing to lift.
        name, lifted = fields.get("approval", ""), fields.get("lifted", [])
        if not name:
            if lifted:
                self._verdicts.wrong(index, f"it lifts {', '.join(lifted)}, and names no approval")
            return
        found = self.known.get(name)
        if found is None:
            self._verdicts.unknown(index, f"{name} was not granted before", name)
            return
        problem = _problem(fields, lifted, found)
        if problem:
            self._verdicts.wrong(index, f"{name} {problem}")
        found.used = index if found.used is None else found.used

    def _granted(self, index: int, fields: dict[str, Any]) -> None:
        self._answered(index, fields, granted=True)

    def _rejected(self, index: int, fields: dict[str, Any]) -> None:
        self._answered(index, fields, granted=False)

    def _answered(self, index: int, fields: dict[str, Any], *, granted: bool) -> None:
        name = fields["approval"]
        self._members.act(index, fields["by"], fields["time"], _OPERATOR, "who answered it")
        if fields["by"] == fields["provider"]:
            self._verdicts.wrong(index, f"{name} was answered by its provider, who is no second person")
        if name in self.known:
            self._verdicts.wrong(index, f"{name} was answered before, by entry {self.known[name].entry}")
            return
        said = {part: fields[part] for part in ("provider", "zone", "source_sha256", "by")}
        self.known[name] = Approved(
            **said,
            registration_sha256=fields["registration_sha256"],
            codes=list(fields["codes"]),
            granted=granted,
            entry=index,
        )


def _problem(fields: Mapping[str, Any], lifted: list[str], found: Approved) -> str | None:
    """Return why an approval is not one of this registration, or None."""
    if not found.granted:
        return f"was rejected by entry {found.entry}"
    if found.used is not None:
        return f"was used before, by entry {found.used}"
    for part in ("provider", "zone", "source_sha256"):
        if fields[part] != getattr(found, part):
            return f"is of another {part}"
    missing = sorted(set(lifted) - set(found.codes))
    return f"does not lift {', '.join(missing)}" if missing else None
