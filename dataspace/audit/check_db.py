"""`dataspace check-db`: the state that the ledger implies, rebuilt and compared with the tables row by row.

A row that was changed, added or taken away behind the service's back is named:
table, key, column, what was found, what the entries imply. The ledger is
audited on the way, in the same snapshot, under the service's own key: a state
is only implied by entries that hold. Whoever can change the database *and*
signs with the log's key is found by auditors who keep checkpoints, not here.

Nothing is locked or written, so the service may be running: the database is
read in one snapshot, a SQLite file beside its writer, PostgreSQL by its URL.
"""

import json as jsonlib
from datetime import UTC, datetime, timedelta
from typing import Final

from dataspace.audit.audit import audit
from dataspace.audit.home import Home
from dataspace.audit.report import MARKS, Report, Stage, as_json, printable
from dataspace.errors import Unavailable
from dataspace.keys import open_keys
from dataspace.proof.key import Verifier
from dataspace.proof.verify import Outcome
from dataspace.settings import Settings

SKEW: Final = timedelta(minutes=5)  # how far an entry's time may be ahead of this machine's clock
KEY: Final = "log"  # the first key of the log, from which rotations lead on


def check_db(settings: Settings) -> Report:
    """Return the report on the database of a space, in use or not.

    Raises:
        Unavailable: the key store lacks the key of the log.

    """
    verifier = Verifier(settings.origin, open_keys(settings.keys).public_key(KEY))
    if settings.database.startswith("sqlite:") and not settings.home.is_dir():
        raise Unavailable(f"{settings.home} is no home of a space: set DATASPACE_HOME")
    source = Home.at(settings.database, settings.home)
    return audit(
        source, str(verifier), now=datetime.now(UTC) + SKEW, target=f"the database of {settings.origin}"
    )


def check_db_command(settings: Settings, *, json: bool = False) -> int:
    """Check the database, print what was found, return the exit code.

    0 the tables are what the entries imply, 1 they are not, or the ledger
    itself is wrong, 2 it could not be checked.
    """
    report = check_db(settings)
    text = jsonlib.dumps(as_json(report), indent=2) + "\n" if json else as_lines(report)
    print(text, end="")  # noqa: T201 - the command's own output
    return exit_code(report)


def exit_code(report: Report) -> int:
    """Return the exit code: of the audit, and 2 when the state was not compared."""
    state = report.steps[Stage.STATE - 1]
    return report.exit_code or (2 if state.outcome is Outcome.NOT_CHECKED else 0)


def as_lines(report: Report) -> str:
    """Return the report as plain text: every difference, what of the ledger is wrong, the verdict."""
    lines = [report.target, ""]
    lines += [f"{MARKS[Outcome.FAILED]} {finding}" for finding in report.findings]
    if report.findings:
        lines += [""]
    return "\n".join(printable(line) for line in [*lines, _verdict(report)]) + "\n"


def _verdict(report: Report) -> str:
    state = report.steps[Stage.STATE - 1]
    wrong = sum(finding.step == Stage.STATE for finding in report.findings)
    match exit_code(report):
        case 0:
            return f"RIGHT: {state.detail} are what {report.size} entries imply"
        case 1 if wrong:
            return f"WRONG: {wrong} differences between the tables and what {report.size} entries imply"
        case 1:
            return f"WRONG: the ledger itself does not hold: {report.findings[0]}"
        case _:
            return f"NOT CHECKED: {report.interrupted or state.detail}"
