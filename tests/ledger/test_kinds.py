"""The table of kinds in the README is the table in the code."""

from pathlib import Path

import pytest

from dataspace.errors import Malformed
from dataspace.ledger import kinds
from dataspace.ledger.kinds import ADDED, KINDS, check_fields


def test_the_readme_lists_every_kind_and_its_fields_in_order() -> None:
    text = Path(kinds.__file__).with_name("README.md").read_text()
    table: dict[str, list[str]] = {}
    kind = ""
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.split("|")[1:-1]]
        if len(cells) != 3 or cells[0] == "kind" or set(cells[0]) == {"-"}:
            continue
        kind = cells[0] or kind
        table.setdefault(kind, []).append(cells[1])
        assert cells[2]
    assert {kind: tuple(fields) for kind, fields in table.items()} == dict(KINDS)


def test_no_kind_has_a_field_that_the_log_adds() -> None:
    assert not [kind for kind, fields in KINDS.items() if set(fields) & set(ADDED)]


def test_the_message_names_what_is_missing_and_what_is_unknown() -> None:
    with pytest.raises(Malformed, match=r"missing fields \['basis'\], unknown fields \['base'\]"):
        check_fields("entry.erased", {"entry": 1, "base": ""})
    with pytest.raises(Malformed, match="unknown kind 'x'"):
        check_fields("x", {})
