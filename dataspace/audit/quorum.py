"""Who cosigned what was published: how many met the auditor's quorum of witnesses; the newest must.

A log that is rolled back or forked finds no witness for its newest head, so a
quorum under older ones alone proves nothing of today. The time of a
cosignature is the witness's word, and may not lie in the future.
"""

from datetime import UTC, datetime

from dataspace.audit.report import Notebook, Stage
from dataspace.errors import VerificationError
from dataspace.proof.witnesses import WitnessPolicy


class Quorum:
    """Counts the published checkpoints that met the quorum of the auditor's `policy`, if there is one."""

    def __init__(self, policy: WitnessPolicy | None, notebook: Notebook, now: datetime | None) -> None:
        self._policy, self._notebook = policy, notebook
        self._now = None if now is None else int(now.timestamp())
        self._met = self._seen = 0
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
        self._newest = (size, judgement.met, dict(judgement.signed))

    def finish(self) -> None:
        """Close the step."""
        if self._policy is None or self._newest is None:
            return
        size, met, signed = self._newest
        names = ", ".join(f"{name} at {_told(time)}" for name, time in sorted(signed.items())) or "nobody"
        if not met:
            problem = f"the newest published checkpoint lacks the quorum of witnesses: cosigned by {names}"
            self._notebook.wrong(Stage.COSIGNATURES, f"size {size}", problem)
        told = f"{self._met} of {self._seen} met the quorum; the newest, of size {size}, cosigned by {names}"
        self._notebook.right(Stage.COSIGNATURES, told)


def _told(seconds: int) -> str:
    try:
        return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")
    except (OverflowError, ValueError, OSError):
        return f"{seconds} seconds after 1970"
