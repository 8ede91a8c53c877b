"""Who cosigned what was published: how many met the auditor's quorum of witnesses; the newest must.

A log that is rolled back or forked finds no witness for its newest head, so a
quorum under older ones alone proves nothing of today. The time of a
cosignature is the witness's word, and may not lie in the future.
"""

from datetime import UTC, datetime
from typing import Final

from dataspace.audit.past import Past
from dataspace.audit.report import Notebook, Stage
from dataspace.errors import NotFound, Unauthenticated, VerificationError
from dataspace.proof.witnesses import WitnessPolicy

LONGEST_WAIT: Final = 24 * 3600  # seconds that an entry may wait for its witnesses


class Quorum:
    """Counts the published checkpoints that met the quorum of the auditor's `policy`, if there is one."""

    def __init__(self, policy: WitnessPolicy | None, notebook: Notebook, now: datetime | None) -> None:
        self._policy, self._notebook = policy, notebook
        self._now = None if now is None else int(now.timestamp())
        self._met = self._seen = 0
        self._covered: int | None = None  # the largest size that met the quorum
        self._newest: tuple[int, bool, dict[str, int]] | None = None

    def take(self, size: int, note: str) -> None:
        """Look who cosigned one."""
        if self._policy is None:
            return
        self._seen += 1
        try:
            judgement = self._policy.judge(note)
        except VerificationError as error:
            self._notebook.wrong(Stage.COSIGNATURES, f"size {size}", str(error))
            return
        for name, time in judgement.signed.items():
            if self._now is not None and time > self._now:
                problem = f"{name} cosigned it at {_told(time)}, which lies in the future"
                self._notebook.wrong(Stage.COSIGNATURES, f"size {size}", problem)
        self._met += judgement.met
        self._covered = size if judgement.met else self._covered
        self._newest = (size, judgement.met, dict(judgement.signed))

    def finish(self, head: int, past: Past | None, *, live: bool) -> None:
        """Close the step, for a log of `head` entries; `past` proves their records, if they are shown.

        An entry that waits for its witnesses is measured by the clock in a
        `live` log, and by the log's last entry in a copy, which may be old.
        """
        if self._policy is None or self._newest is None:
            return
        size, met, signed = self._newest
        names = ", ".join(f"{name} at {_told(time)}" for name, time in sorted(signed.items())) or "nobody"
        if not met:
            problem = f"the newest published checkpoint lacks the quorum of witnesses: cosigned by {names}"
            self._notebook.wrong(Stage.COSIGNATURES, f"size {size}", problem)
        told = f"{self._met} of {self._seen} met the quorum; the newest, of size {size}, cosigned by {names}"
        if self._covered is not None and self._covered < head:
            told += f"; entries from {self._covered} on are covered by no witness yet"
            if past is not None:
                self._check_waiting(self._covered, head, past, live=live)
        self._notebook.right(Stage.COSIGNATURES, told)

    def _check_waiting(self, first: int, head: int, past: Past, *, live: bool) -> None:
        """Report the first entry that no witness covers, once it has waited too long."""
        try:
            since = _time_of(past, first)
            until = self._now if live else _time_of(past, head - 1)
        except VerificationError as error:
            self._notebook.wrong(Stage.COSIGNATURES, f"entry {first}", str(error))
            return
        if since is not None and until is not None and until - since > LONGEST_WAIT:
            problem = f"it is of {_told(since)}, and covered by no witness after {LONGEST_WAIT // 3600} hours"
            self._notebook.wrong(Stage.COSIGNATURES, f"entry {first}", problem)


def _time_of(past: Past, index: int) -> int | None:
    """Return the POSIX seconds that an entry states; None when nobody can tell."""
    try:
        fields = past.look(index)
        return None if fields is None else int(datetime.fromisoformat(fields["time"]).timestamp())
    except (NotFound, Unauthenticated, LookupError, TypeError, ValueError, OverflowError):
        return None  # What is wrong with it was told when it was read.


def _told(seconds: int) -> str:
    try:
        return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")
    except (OverflowError, ValueError, OSError):
        return f"{seconds} seconds after 1970"
