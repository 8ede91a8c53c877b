"""Zone packs: what a zone knows, read strictly from four TOML files of one folder.

    zones/<name>/zone.toml     levels, purposes, limits, defaults, and the documents they come from
    zones/<name>/fields.toml   the kinds of column: how to know one, its level, how its values may leave
    zones/<name>/grading.toml  what raises levels: combination, scale, precision (see `grading.py`)
    zones/<name>/sample.toml   the columns of the zone's synthetic sample (see `samples.py`)

An unknown or missing key, or a value that contradicts another, is an error
that names the file and the key: a pack is policy, and a typing error in it must
not weaken a zone silently.
"""

import hashlib
import tomllib
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from dataspace.errors import Malformed
from dataspace.table import Column, Type
from dataspace.zones.grading import Rules
from dataspace.zones.parameters import check_parameters
from dataspace.zones.patterns import check_pattern
from dataspace.zones.schema import (
    FREE_TEXT,
    GENERAL,
    UNKNOWN_IDENTIFIER,
    Document,
    Field,
    Fields,
    Form,
    Level,
    Purpose,
    Risk,
    Sample,
    Title,
    Zone,
    ruled,
)


@dataclass(frozen=True)
class Pack:
    """A zone as its files say.

    `listed` is the zone's closed list of purposes; those of `refused_purposes`
    are on it so that a refusal can name them. `forms` are an offer's defaults.
    Rows leave up to `max_rows_level`, aggregates up to `max_aggregate_level`.
    `epsilon` is what one cube spends, in millionths; `price` is the default, in
    fen for one unit. `risk` is what a release as rows must not pass, `grading`
    what raises levels. `digest` is the SHA-256 over the bytes of the four files.
    """

    name: str
    title: Title
    documents: tuple[Document, ...]
    levels: tuple[Level, ...]
    listed: tuple[Purpose, ...]
    refused_purposes: tuple[str, ...]
    forms: tuple[Form, ...]
    min_group: int
    max_rows_level: int
    max_aggregate_level: int
    row_limit: int
    epsilon: int
    price: int
    risk: Risk
    fields: tuple[Field, ...]
    grading: Rules
    sample: Sample
    digest: str

    @property
    def purposes(self) -> tuple[str, ...]:
        """The names of the purposes that the zone does not refuse."""
        return tuple(purpose.name for purpose in self.listed if purpose.name not in self.refused_purposes)

    def facts(self) -> dict[str, Any]:
        """Return the zone as the policy's input has it."""
        return {
            "name": self.name,
            "purposes": list(self.purposes),
            "min_group": self.min_group,
            "max_rows_level": self.max_rows_level,
            "max_aggregate_level": self.max_aggregate_level,
        }

    def rules(self) -> list[dict[str, Any]]:
        """Return the fields as plain data, for a worker process; `read_fields` reads them."""
        return [msgspec.to_builtins(field) for field in self.fields]

    def column(self, name: str, kind: Type, category: str) -> Column:
        """Return a column as the zone's rule for its category has it: the least that must be kept.

        Raises:
            Malformed: the zone has no such category.

        """
        for field in self.fields:
            if field.category == category:
                return ruled(field, name, kind)
        raise Malformed(f"the zone has no category {category!r}")

    def extended(self, fields: Iterable[Field]) -> "Pack":
        """Return the pack with a provider's recognisers; the first field of a category is its rule."""
        return replace(self, fields=(*self.fields, *fields))


def read_fields(data: object) -> list[Field]:
    """Read what `Pack.rules` wrote.

    Raises:
        Malformed: it is something else.

    """
    read: list[Field] = _convert(data, list[Field], "fields")
    return read


def load_packs(folder: Path, hosts: Collection[str] = ()) -> dict[str, Pack]:
    """Read the packs of a folder, by name; `hosts` picks some of them, none picks all.

    Raises:
        Malformed: a file breaks its format, or there is no pack of a name in `hosts`.

    """
    found = sorted(path.parent for path in folder.glob("*/zone.toml"))
    names = [path.name for path in found]
    if missing := sorted(set(hosts) - set(names)):
        raise Malformed(f"there is no zone pack {missing[0]!r} in {folder}: want one of {', '.join(names)}")
    if not found:
        raise Malformed(f"there is no zone pack in {folder}: want folders with a zone.toml")
    return {path.name: load_pack(path) for path in found if not hosts or path.name in hosts}


def load_pack(folder: Path) -> Pack:
    """Read one pack.

    Raises:
        Malformed: a file is missing or breaks its format; the message names file and key.

    """
    digest = hashlib.sha256()
    zone = _read(folder / "zone.toml", Zone, digest)
    fields = _read(folder / "fields.toml", Fields, digest).fields
    grading = _read(folder / "grading.toml", Rules, digest)
    sample = _read(folder / "sample.toml", Sample, digest)
    if zone.name != folder.name:
        raise Malformed(f"{folder / 'zone.toml'}: name is {zone.name!r}, want the folder's {folder.name!r}")
    _check_zone(zone, folder / "zone.toml")
    _check_fields(fields, zone, folder / "fields.toml")
    _check_grading(grading, zone, fields, folder / "grading.toml")
    _check_sample(sample, folder / "sample.toml")
    return Pack(
        name=zone.name,
        title=zone.title,
        documents=tuple(zone.documents),
        levels=tuple(zone.levels),
        listed=tuple(zone.purposes),
        refused_purposes=tuple(zone.refused_purposes),
        forms=tuple(zone.forms),
        min_group=zone.min_group,
        max_rows_level=zone.max_rows_level,
        max_aggregate_level=zone.max_aggregate_level,
        row_limit=zone.row_limit,
        epsilon=zone.epsilon_micro,
        price=zone.price,
        risk=zone.risk,
        fields=tuple(fields),
        grading=grading,
        sample=sample,
        digest=digest.hexdigest(),
    )


_T = TypeVar("_T")


def _read(path: Path, kind: type[_T], digest: Any) -> _T:
    try:
        content = path.read_bytes()
        data = tomllib.loads(content.decode())
    except OSError as error:
        raise Malformed(f"{path}: cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise Malformed(f"{path}: not TOML in UTF-8: {error}") from error
    # The length keeps the bytes of one file from passing for another's.
    digest.update(f"{path.name} {len(content)}\n".encode() + content)
    read: _T = _convert(data, kind, str(path))
    return read


def _convert(data: object, kind: Any, place: str) -> Any:
    try:
        return msgspec.convert(data, kind)
    except (msgspec.ValidationError, RecursionError) as error:
        raise Malformed(f"{place}: {error}") from error


def _check_zone(zone: Zone, path: Path) -> None:
    numbers = [level.number for level in zone.levels]
    if numbers != list(range(1, len(numbers) + 1)):
        raise Malformed(f"{path}: levels are numbered {numbers}, want 1, 2, 3 and so on")
    for key in ("max_rows_level", "max_aggregate_level"):
        if getattr(zone, key) > len(numbers):
            raise Malformed(f"{path}: {key} is {getattr(zone, key)}, want at most {len(numbers)}")
    _unique([document.id for document in zone.documents], f"{path}: documents")
    names = _unique([purpose.name for purpose in zone.purposes], f"{path}: purposes")
    if unknown := set(zone.refused_purposes) - names:
        raise Malformed(f"{path}: refused_purposes names {min(unknown)!r}, which is not in purposes")


def _check_fields(fields: list[Field], zone: Zone, path: Path) -> None:
    categories = _unique([field.category for field in fields], f"{path}: fields")
    if missing := {GENERAL, FREE_TEXT, UNKNOWN_IDENTIFIER} - categories:
        raise Malformed(f"{path}: fields has no category {min(missing)!r}")
    documents = {document.id for document in zone.documents}
    for field in fields:
        place = f"{path}: fields {field.category}"
        if field.level > len(zone.levels):
            raise Malformed(f"{place}: level is {field.level}, want at most {len(zone.levels)}")
        if field.clause.document not in documents:
            raise Malformed(
                f"{place}: clause.document {field.clause.document!r} is not in the zone's documents"
            )
        if field.by_value and not field.tests:
            raise Malformed(f"{place}: by_value needs a check or a pattern")
        check_parameters(field.method, field.parameters, place)
        if field.pattern:
            check_pattern(field.pattern, place)


def _check_grading(grading: Rules, zone: Zone, fields: list[Field], path: Path) -> None:
    documents = {document.id for document in zone.documents}
    for rule in grading.all():
        if rule.level > len(zone.levels):
            raise Malformed(f"{path}: level is {rule.level}, want at most {len(zone.levels)}")
        if rule.clause.document not in documents:
            raise Malformed(
                f"{path}: clause.document {rule.clause.document!r} is not in the zone's documents"
            )
    if unknown := set(grading.categories()) - {field.category for field in fields}:
        raise Malformed(f"{path}: categories has {min(unknown)!r}, which fields.toml has not")


def _check_sample(sample: Sample, path: Path) -> None:
    names = _unique([column.name for column in sample.columns], f"{path}: columns")
    if unknown := set(sample.examples.subjects) - names:
        raise Malformed(f"{path}: examples.subjects names {min(unknown)!r}, which is not in columns")
    if sample.first_day > sample.last_day:
        raise Malformed(f"{path}: first_day is after last_day")
    for column in sample.columns:
        if column.weights and len(column.weights) != len(column.choices):
            raise Malformed(f"{path}: columns {column.name}: want as many weights as choices")
        if column.least > column.most:
            raise Malformed(f"{path}: columns {column.name}: least is more than most")


def _unique(names: list[str], place: str) -> set[str]:
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise Malformed(f"{place} has {min(twice)!r} twice")
    return set(names)
