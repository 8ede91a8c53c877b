"""The record of a data product in a form: from its fields to what is registered, and back."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from dataspace.table import Column
from dataspace.web.portal.forms import Form

TEXTS: Final = (
    "title_en",
    "subtitle",
    "industry",
    "provenance",
    "compliance",
    "updated",
    "restrictions",
    "contact",
)
COVERAGE: Final = ("start", "end", "region", "granularity")
MEANING: Final = ("zh", "en", "unit", "description")
_LISTS: Final = ("needs", "keywords")
_EXAMPLES: Final = 10


def read_product(form: Form, columns: Sequence[Column]) -> dict[str, Any]:
    """Return the record that a form's fields say; what is left blank is left out."""
    found: dict[str, Any] = {name: form.text(f"listing.{name}") for name in (*TEXTS, "frequency")}
    found["coverage"] = _filled({name: form.text(f"coverage.{name}") for name in COVERAGE})
    found |= {name: form.lines(f"listing.{name}") for name in _LISTS}
    found["examples"] = _examples(form)
    meanings = {
        column.name: _filled({name: form.text(f"meaning.{place}.{name}") for name in MEANING})
        for place, column in enumerate(columns)
    }
    found["dictionary"] = _filled(meanings)
    return _filled(found)


def write_product(product: Mapping[str, Any], columns: Sequence[Column]) -> dict[str, list[str]]:
    """Return the fields of a form that say a record."""
    fields = {f"listing.{name}": [str(product.get(name, ""))] for name in (*TEXTS, "frequency")}
    fields |= {f"coverage.{name}": [str(product.get("coverage", {}).get(name, ""))] for name in COVERAGE}
    fields |= {f"listing.{name}": ["\n".join(product.get(name, []))] for name in _LISTS}
    for place, example in enumerate(product.get("examples", [])):
        fields |= {f"example.{place}.{name}": [example[name]] for name in ("title", "sql")}
    for place, column in enumerate(columns):
        meaning = product.get("dictionary", {}).get(column.name, {})
        fields |= {f"meaning.{place}.{name}": [meaning.get(name, "")] for name in MEANING}
    return fields


def examples_shown(form: Form) -> int:
    """Return for how many example queries a form has room: all that there are, and one more."""
    return min(len(_examples(form)) + 1, _EXAMPLES)


def _examples(form: Form) -> list[dict[str, str]]:
    pairs = [
        {name: form.text(f"example.{place}.{name}") for name in ("title", "sql")}
        for place in range(_EXAMPLES)
    ]
    return [pair for pair in pairs if any(pair.values())]


def _filled(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value}
