"""Many answers at once, for tests and benchmarks of what comes after an answer."""

import hashlib

from sqlmodel import Session

from dataspace.negotiation.models import Agreement
from dataspace.participants.access import Caller
from dataspace.transfer.models import Budget
from tests.simulator import Simulator


def answered(
    space: Simulator, consumer: Caller, agreement: Agreement, count: int, *, charged: bool = True
) -> list[tuple[int, str]]:
    """Ask once, then append entries of answers to the same question under the same decision.

    Each is charged; if not, as units soon run out, no audit calls the ledger right.

    Returns the index and the digest of each of the latter; nobody computed them.
    """
    log = space.service.space.log
    first = space.query(consumer, agreement.id, "SELECT COUNT(*) FROM data")
    with space.service.space.database.reading() as session:
        record = log.record(session, first.entry)
    assert record
    fields = {name: value for name, value in record.fields.items() if name not in ("kind", "time")}

    def act(session: Session) -> list[tuple[int, str]]:
        made = []
        for number in range(count):
            digest = hashlib.sha256(f"answer {number}".encode()).hexdigest()
            told = {**fields, "answer_sha256": digest}
            made.append((log.append(session, "query.answered", **told), digest))
        if charged:
            session.get_one(Budget, agreement.id).units_spent += count * fields["units"]
        return made

    return space.service.space.database.commit(act)
