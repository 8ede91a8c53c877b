"""A workbook's archive, looked through before anything parses it.

The parser gets the bytes only when every entry is what an office program
writes: stored or deflated, of the size it claims and within the limits, under
a plain name, without macros, objects, links to other files, or document type
declarations. Every entry is unpacked once for that, a piece at a time.
"""

import io
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator
from typing import BinaryIO

from dataspace.catalog.limits import Limits
from dataspace.catalog.readers.compressed import Allowance
from dataspace.errors import TooLarge, Unprocessable, Unsupported

_ENTRIES = 2000
_PIECE = 1 << 20
_OVERLAP = 64  # bytes of a piece that are seen again with the next, so that nothing hides at the edge
_LOCAL = struct.Struct("<4s5H3L2H")  # APPNOTE.TXT 4.3.7
_STORED, _DEFLATED = 0, 8
_SYMLINK = 0o120000
_ENCRYPTED = 0x1 | 0x40 | 0x2000
_FORBIDDEN = (
    (re.compile(r"vbaproject|macrosheets/|\.bin\.exe$"), "macros"),
    (
        re.compile(r"embeddings/|activex/|\.(zip|xlsx|xlsm|xlsb|docx|pptx|jar|7z|rar|gz|ole)$"),
        "files inside it",
    ),
    (re.compile(r"externallinks/"), "links to other files"),
)
_DECLARATION = re.compile(rb"<![A-Za-z]")  # a document type or an entity; CDATA and comments go on otherwise
_EXTERNAL = re.compile(rb"<Relationship\b[^>]{0,2000}?TargetMode\s*=\s*[\"']External[\"'][^>]{0,2000}>")
_HYPERLINK = re.compile(rb"/relationships/hyperlink[\"']")
_ERROR = re.compile(rb"\bt\s*=\s*[\"']e[\"']")
# A formula whose result nobody wrote down; that of one that is an empty text is an empty text.
_UNSOLVED = re.compile(
    rb"<(?:\w+:)?c\b(?![^>]*\bt\s*=\s*[\"']str[\"'])[^>]*>\s*"
    rb"<(?:\w+:)?f\b(?:[^>]*/>|[^>]*>[^<]*</(?:\w+:)?f>)\s*"
    rb"(?:<(?:\w+:)?v\s*(?:/>|>\s*</(?:\w+:)?v>)\s*)?</(?:\w+:)?c>"
)
_ANY = 1 << 64  # cells: more than any limit
_FORMULA = 1 << 15  # bytes that a cell with a formula may have (8,192 characters, and its markup)
# A cell beyond column Z, or a row beyond 99,999.
_FAR = re.compile(rb"=\s*[\"'](?:[A-Za-z]{2,6}[0-9]|[A-Za-z]?[0-9]{6}|[A-Za-z]{7,}[0-9])")
_REFERENCE = re.compile(rb"\br\s*=\s*[\"']([A-Za-z]{0,6})([0-9]{1,10})[\"']")
# So long that what the parser counts in passes 32 bits, and is anywhere.
_NOWHERE = re.compile(rb"\br\s*=\s*[\"'](?:[A-Za-z]{7,}[0-9]|[A-Za-z]*[0-9]{11})")


class Archive:
    """Checks one; then `errors` and `unsolved` tell how many cells hold an error, or a formula alone."""

    def __init__(self, file: BinaryIO, size: int, limits: Limits) -> None:
        self._file, self._size, self._limits = file, size, limits
        self._allowance = Allowance(limits)
        self.errors = 0
        self.unsolved = 0

    def check(self) -> None:
        """Let a workbook pass.

        Raises:
            Unsupported: it is another kind of archive.
            TooLarge: it unpacks to more than the limits.
            Unprocessable: it is damaged, encrypted, or holds what no table does.

        """
        entries = self._entries()
        names = {entry.filename for entry in entries}
        if not {"[Content_Types].xml", "xl/workbook.xml"} <= names:
            raise Unsupported(
                "the file is a ZIP archive, want an Excel workbook (xlsx), CSV, JSON Lines or Parquet",
                kind="a ZIP archive",
            )
        for entry in entries:
            self._check_name(entry)
        self._check_places(entries)
        for entry in entries:
            self._check_content(entry)

    def _entries(self) -> list[zipfile.ZipInfo]:
        try:
            with zipfile.ZipFile(self._file) as archive:
                entries = archive.infolist()
        # NotImplementedError is what zipfile raises at a compression or a version it does not know.
        except (zipfile.BadZipFile, NotImplementedError, ValueError, OSError, struct.error) as error:
            raise Unprocessable("the workbook's archive is damaged") from error
        if len(entries) > _ENTRIES:
            raise Unprocessable(f"the workbook has {len(entries)} parts, want at most {_ENTRIES}")
        names = [entry.filename.casefold() for entry in entries]
        if len(set(names)) < len(names):
            raise Unprocessable("the workbook has two parts of one name")
        return entries

    def _check_name(self, entry: zipfile.ZipInfo) -> None:
        name = entry.orig_filename
        if entry.flag_bits & _ENCRYPTED:
            raise Unprocessable("the workbook is encrypted: save it without a password")
        if name.startswith("/") or re.search(r"\\|\0|:|(^|/)\.\.?(/|$)", name):
            raise Unprocessable("the workbook has a part that names a place outside of it")
        if (entry.external_attr >> 16) & 0o170000 == _SYMLINK:
            raise Unprocessable("the workbook has a part that is a link")
        if entry.compress_type not in (_STORED, _DEFLATED):
            raise Unprocessable("the workbook has a part that is compressed in an unusual way")
        for pattern, what in _FORBIDDEN:
            if pattern.search(name.lower()):
                raise Unprocessable(f"the workbook has {what}: save its values alone")

    def _check_places(self, entries: list[zipfile.ZipInfo]) -> None:
        """Check that entries follow one another and do not share bytes."""
        ordered = sorted(entries, key=lambda entry: entry.header_offset)
        ends = [entry.header_offset for entry in ordered[1:]] + [self._size]
        for entry, end in zip(ordered, ends, strict=True):
            if entry.header_offset + _LOCAL.size + entry.compress_size > end:
                raise Unprocessable("the workbook's archive has parts that overlap")
        if not ordered or ordered[0].header_offset:
            raise Unprocessable("the workbook's archive begins with something else")

    def _check_content(self, entry: zipfile.ZipInfo) -> None:
        cells = _Cells()
        start, rest, size = b"", b"", 0
        for piece in self._unpacked(entry):
            start = start or piece[:_OVERLAP]
            size += len(piece)
            seen = rest + piece
            if _DECLARATION.search(seen):
                raise Unprocessable("the workbook has a part with a document type or entities")
            if entry.filename.endswith(".rels"):
                _refuse_external(seen)
            cells.look(seen)
            old = len(rest)
            self.errors += sum(found.end() > old for found in _ERROR.finditer(seen))
            if b"<f" in seen or b":f" in seen:
                self.unsolved += sum(found.end() > old for found in _UNSOLVED.finditer(seen))
            rest = seen[-_FORMULA:] if not entry.filename.endswith(".rels") else seen[-_PIECE:]
        if size != entry.file_size:
            raise Unprocessable("the workbook's archive has a part of another size than it claims")
        if entry.filename.endswith((".xml", ".rels")) and size:
            self._check_markup(start)
        limit = self._limits.cells
        if cells.may_pass(limit) and cells.exact(self._unpacked(entry)) > limit:
            raise TooLarge(f"a worksheet spans more than {limit} cells", limit=limit)

    def _check_markup(self, start: bytes) -> None:
        # In UTF-16 and the like, what was searched for would look otherwise.
        if not start.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"<") or b"\0" in start:
            raise Unprocessable("the workbook has a part that is no XML in UTF-8")

    def _unpacked(self, entry: zipfile.ZipInfo) -> Iterator[bytes]:
        """Yield an entry's content, as it is and not as the archive claims."""
        self._file.seek(entry.header_offset)
        local = self._file.read(_LOCAL.size)
        if len(local) < _LOCAL.size or local[:4] != b"PK\x03\x04":
            raise Unprocessable("the workbook's archive is damaged")
        _, _, flags, method, *_, name_length, extra_length = _LOCAL.unpack(local)
        name = self._file.read(name_length)
        if method != entry.compress_type or flags & _ENCRYPTED or not _same(name, entry.orig_filename):
            raise Unprocessable("the workbook's archive says two things of one part")
        self._file.seek(extra_length, io.SEEK_CUR)
        inflate = zlib.decompressobj(-zlib.MAX_WBITS) if method == _DEFLATED else None
        left = entry.compress_size
        while left > 0 and (packed := self._file.read(min(left, _PIECE))):
            left -= len(packed)
            self._allowance.taken += len(packed)
            position = self._file.tell()
            yield from self._inflated(inflate, packed)
            self._file.seek(position)
        if left or (inflate and not inflate.eof):
            raise Unprocessable("the workbook's archive is damaged")

    def _inflated(self, inflate: "zlib._Decompress | None", packed: bytes) -> Iterator[bytes]:
        if inflate is None:
            self._allowance.count(len(packed))
            yield packed
            return
        rest = packed
        while rest:
            try:
                piece = inflate.decompress(rest, _PIECE)
            except zlib.error as error:
                raise Unprocessable("the workbook's archive is damaged") from error
            self._allowance.count(len(piece))
            if inflate.unused_data:
                raise Unprocessable("the workbook's archive is damaged")
            rest = inflate.unconsumed_tail
            yield piece


class _Cells:
    """How far the cells of a worksheet reach: a parser takes memory for the whole rectangle, be it empty."""

    def __init__(self) -> None:
        self._far = False

    def look(self, piece: bytes) -> None:
        """Note columns beyond Z and rows beyond 99,999."""
        self._far = self._far or _FAR.search(piece) is not None

    def may_pass(self, limit: int) -> bool:
        """Tell whether the rectangle may have more cells, from what was noted."""
        return self._far or limit < 26 * 99_999

    def exact(self, pieces: Iterator[bytes]) -> int:
        """Return how many cells the rectangle of all references has."""
        letters: set[bytes] = set()
        numbers: set[bytes] = set()
        rest = b""
        for piece in pieces:
            seen = rest + piece
            if _NOWHERE.search(seen):
                return _ANY
            found = _REFERENCE.findall(seen)
            letters.update(name for name, _ in found)
            numbers.update(number for _, number in found)
            rest = seen[-_FORMULA:]
        return max(map(int, numbers), default=0) * max(map(_column, letters), default=0)


def _column(letters: bytes) -> int:
    number = 0
    for letter in letters.upper():
        number = number * 26 + letter - 64
    return number


def _refuse_external(relations: bytes) -> None:
    """Refuse relations to what lies elsewhere; a hyperlink is only text, and nobody follows it."""
    for found in _EXTERNAL.findall(relations):
        if not _HYPERLINK.search(found):
            raise Unprocessable("the workbook has links to other files: save its values alone")


def _same(name: bytes, wanted: str) -> bool:
    return wanted in (name.decode("utf-8", "replace"), name.decode("cp437"))
