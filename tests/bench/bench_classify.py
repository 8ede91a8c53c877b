"""Classification: check digits a second, and a sample's proposals beside counting its distinct values."""

import time
from functools import partial
from pathlib import Path
from random import Random

import pyarrow as pa
import pyarrow.compute as pc

from dataspace.zones.classify import classify
from dataspace.zones.pack import load_packs
from dataspace.zones.schema import Check
from dataspace.zones.validators import test
from tests.bench.timing import Rows, in_turn
from tests.zones import drawn, labelled

_PACKS = Path(__file__).parents[2] / "zones"
_DISTINCT = 20_000
_VALUES = 1_000_000
_SAMPLE = 10_000  # rows of an intake's sample


def run() -> Rows:
    """Yield what was measured, our seconds, the bare seconds, and a note."""
    random = Random(1)
    for check, draw in (
        (Check.RESIDENT_ID, drawn.resident_id),
        (Check.USCC, drawn.uscc),
        (Check.BANK_CARD, drawn.bank_card),
    ):
        values = pa.array([draw(random) for _ in range(_DISTINCT)] * (_VALUES // _DISTINCT))
        # Bare: one regular expression over the same values, for their shape alone.
        shape = partial(pc.match_substring_regex, values, r"^[0-9A-Z]{16,19}$")
        ours, bare = in_turn(partial(test, check, values), shape)
        yield (
            f"check digits, {check}",
            ours,
            bare,
            f"{_VALUES / ours / 1e6:.1f} M values/s; bare = RE2 of the shape",
        )
    yield _proposals(random)


def _proposals(random: Random) -> tuple[str, float, float, str]:
    draws = (
        drawn.resident_id, drawn.person_name, drawn.mobile, drawn.address, drawn.company_name,
        drawn.amount, drawn.iso(2020, 2025), drawn.county_code, drawn.email, drawn.diagnosis_code,
    )  # fmt: skip
    columns = [
        labelled.column(f"c{number}", [draw(random) for _ in range(_SAMPLE)], "").sampled
        for number, draw in enumerate(draws)
    ]
    names = [column.name for column in columns]
    fields = load_packs(_PACKS)["healthcare"].fields
    ours, bare = in_turn(
        lambda: classify(columns, names, fields),
        lambda: [pc.value_counts(column.values) for column in columns],
    )
    cells = _SAMPLE * len(columns)
    note = f"{_SAMPLE:,} rows, {len(columns)} columns without names: {cells / ours / 1e6:.2f} M values/s"
    return "proposals of a sample", ours, bare, note


if __name__ == "__main__":
    for row in run():
        print(*row, time.strftime("%H:%M"))  # noqa: T201
