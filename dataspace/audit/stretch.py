"""A stretch of a log, read on its own: what can be checked of it without what lies before or behind.

A stretch is so many bundles of entries, the same ones however many processes
read: each reads whole stretches, and their readings are put together in the
order of the log. So the findings do not depend on who read what, or how fast.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

import msgspec

from dataspace.audit.records import Fact, FormCheck, mismatch
from dataspace.audit.replay import Replay
from dataspace.audit.report import Notebook, Stage
from dataspace.audit.source import Records, Source
from dataspace.audit.tree import Bundle, Leaves, peaks_of, tile_root
from dataspace.errors import NotFound, Unauthenticated, VerificationError
from dataspace.proof.disclosure import Disclosure
from dataspace.proof.tiles import WIDTH, split_entries, width_at

BUNDLES: Final = 64  # of one stretch: 16,384 entries, which is a second's work at most, and 20 MB

# What nobody asks of the many entries of these kinds; all others are told whole.
_SILENT: Final[Mapping[str, tuple[str, ...]]] = {
    "query.answered": ("query_sha256", "input"),
    "query.refused": ("query_sha256", "input"),
    "negotiation.refused": ("input",),
    "cube.granted": ("input",),
}


class Stretch(NamedTuple):
    """What is to be read: bundles `first` to before `end`, and records from entry `start` on, if at all."""

    first: int
    end: int
    watched: list[int]  # sizes at which the root of the tree is wanted
    start: int
    records: bool


class Told(msgspec.Struct, array_like=True):
    """What the records of a stretch tell. `gap` is the first entry whose record does not speak."""

    held: int = 0
    missing: list[int] = []
    gap: int | None = None
    facts: bytes = b""  # MessagePack of a list of `Fact`: it lies in memory until its turn comes
    problems: list[tuple[int, str, str]] = []
    counts: dict[int, int] = {}
    denied: tuple[str, bool] | None = None  # why the source shows no more, and whether it refused a token
    broken: str | None = None  # what is wrong with the source from there on
    undecided: str | None = None  # why decisions were not made again
    decisions: dict[str, int] = {}
    part: int = 0  # records that were shown in part
    lost: int = 0  # entries of bundles that cannot be read


class Reading(msgspec.Struct, array_like=True):
    """What was read of a stretch: the roots of full bundles, watched peaks, findings, what records tell."""

    roots: list[bytes]
    peaks: dict[int, list[bytes]]
    tiles: int
    problems: list[tuple[int, str, str]]
    counts: dict[int, int]
    told: Told

    @property
    def facts(self) -> list[Fact]:
        """The entries whose records hold, in order."""
        return _facts.decode(self.told.facts) if self.told.facts else []


_facts = msgspec.msgpack.Decoder(list[Fact])
_encoder = msgspec.msgpack.Encoder()


class Reader:
    """Reads stretches of an open source; `size` is that of the signed checkpoint."""

    def __init__(self, source: Source, size: int) -> None:
        self._source, self._size = source, size
        self._replay = Replay(source)

    def read(self, stretch: Stretch) -> Reading:
        """Read one stretch.

        Raises:
            Unavailable, Malformed: the source cannot be read.

        """
        tree, notebook = Notebook(), Notebook()
        leaves = Leaves(self._source.tile, self._size, tree)
        reading = Reading([], {}, 0, [], {}, Told())
        teller = _Teller(self._source, self._replay, notebook, reading.told, active=stretch.records)
        for number in range(stretch.first, stretch.end):
            bundle = leaves.take(number)
            _take_leaves(reading, number, bundle, stretch.watched)
            teller.take(number, bundle.content, width_at(self._size, 0, number), stretch.start)
        teller.close()
        reading.tiles = leaves.count
        reading.problems, reading.counts = tree.told()
        return reading


def _take_leaves(reading: Reading, number: int, bundle: Bundle, watched: list[int]) -> None:
    start = number * WIDTH
    if len(bundle.leaves) == WIDTH:
        reading.roots.append(tile_root(bundle.leaves))
    for at in watched:
        if start < at < start + WIDTH:
            reading.peaks[at] = peaks_of(bundle.leaves[: at - start])


class _Teller:
    """Takes the records of a stretch, bundle by bundle."""

    def __init__(
        self, source: Source, replay: Replay, notebook: Notebook, told: Told, *, active: bool
    ) -> None:
        self._source, self._replay, self._notebook, self._told = source, replay, notebook, told
        self._active, self._before = active, self._replay.counts.copy()
        self._form = FormCheck(notebook)
        self._facts: list[Fact] = []

    def take(self, number: int, content: bytes | None, width: int, begin: int) -> None:
        start, end = number * WIDTH, number * WIDTH + width
        if not self._active or begin >= end:
            return
        if content is None:
            self._told.lost += end - max(start, begin)
            self._gap(max(start, begin))
            return
        try:
            records = self._source.records(max(start, begin), end)
        except (NotFound, Unauthenticated) as reason:
            self._active, self._told.denied = False, (str(reason), isinstance(reason, Unauthenticated))
        except VerificationError as error:
            self._active, self._told.broken = False, f"records from {max(start, begin)} on: {error}"
        else:
            entries = split_entries(content, width)[max(0, begin - start) :]
            held = list(self._hold(max(start, begin), entries, records))
            self._decide(max(start, begin), end, held)
            for _, fields in held:
                _hush(fields)
            self._facts += held

    def close(self) -> None:
        told = self._told
        told.problems, told.counts = self._notebook.told()
        told.decisions = dict(self._replay.counts - self._before)
        told.facts = _encoder.encode(self._facts) if self._facts else b""

    def _hold(self, start: int, entries: list[bytes], records: Records) -> Iterator[Fact]:
        """Yield the entries whose records are there, hash to them and have the fields of their kind."""
        for index, entry in enumerate(entries, start=start):
            record = records.get(index)
            if record is None:
                self._told.missing.append(index)
                self._gap(index)
                continue
            problem = mismatch(record, entry)
            if problem or isinstance(record, VerificationError):
                self._notebook.wrong(Stage.RECORDS, f"entry {index}", str(problem))
                self._gap(index)
                continue
            if isinstance(record, Disclosure):
                yield from self._in_part(index, record.fields)
                continue
            self._told.held += 1
            if self._form.holds(index, record.fields):
                yield index, record.fields
            else:
                self._gap(index)

    def _in_part(self, index: int, fields: dict[str, Any]) -> Iterator[Fact]:
        """Yield of a record of other zones what explains a missing one; the rest cannot be judged."""
        self._told.part += 1
        self._gap(index)
        erased, time = fields.get("entry"), fields.get("time")
        if fields.get("kind") == "entry.erased" and type(erased) is int and isinstance(time, str):
            yield index, {"kind": "entry.erased", "time": time, "entry": erased}

    def _decide(self, start: int, end: int, held: list[Fact]) -> None:
        """Make the decisions of these entries again, on the inputs that the source shows."""
        if self._told.undecided is not None:
            return
        try:
            inputs = self._source.decision_inputs(start, end)
            for index, fields in held:
                problem = self._replay.take(index, fields, inputs.get(index))
                if problem:
                    self._notebook.wrong(Stage.DECISIONS, f"entry {index}", problem)
        except (NotFound, Unauthenticated) as reason:
            self._told.undecided = str(reason)
        except VerificationError as error:
            self._notebook.wrong(Stage.DECISIONS, f"inputs from {start} on", str(error))
            self._told.undecided = "the inputs of decisions cannot be read"

    def _gap(self, index: int) -> None:
        self._told.gap = index if self._told.gap is None else min(index, self._told.gap)


def _hush(fields: dict[str, Any]) -> None:
    for name in _SILENT.get(fields["kind"], ()):
        del fields[name]
