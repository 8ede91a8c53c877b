"""From bytes of unknown kind to UTF-8: what is no text is refused, and nothing is ever decoded to nonsense.

Text stays undecided while it is ASCII. The first bytes beyond it settle the
encoding: UTF-8 if they are that; else GB18030 (which holds GBK and GB 2312) if
nearly all of its characters are the common ones; else what charset-normalizer
says of them, with a warning. From then on every byte must agree, or the error
names its line. UTF-16 is known by its mark, or by its zeros.
"""

import codecs
import re
from collections.abc import Iterable, Iterator

from dataspace.errors import Unprocessable, Unsupported

_WINDOW = 1 << 20  # bytes that settle the encoding
_CLEAR = 50  # characters that are no coincidence
_FALLBACKS = frozenset({"big5", "cp950", "big5hkscs", "shift_jis", "cp932", "euc_jp", "euc_kr", "cp949",
                        "cp1250", "cp1251", "cp1252", "latin_1", "iso8859_1", "koi8_r"})  # fmt: skip
_DECLARED = _FALLBACKS | {"utf-8", "utf_8", "utf-8-sig", "gb18030", "gbk", "gb2312", "utf-16", "utf-16-le",
                          "utf-16-be", "ascii"}  # fmt: skip
_WANTED = "want CSV, JSON Lines, an Excel workbook (xlsx) or Parquet"
# Magic numbers of what people upload for a table of text; none of them can start one.
_MAGIC: tuple[tuple[bytes, str], ...] = (
    (b"\x7fELF", "a program (ELF)"),
    (b"%PDF-", "a PDF document"),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"PK\x05\x06", "an empty ZIP archive"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"BZh", "a bzip2 archive"),
    (b"\xfd7zXZ\x00", "an xz archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"\x28\xb5\x2f\xfd", "a zstd archive"),
    (b"Rar!\x1a\x07", "a RAR archive"),
    (b"\xd0\xcf\x11\xe0", "an old or an encrypted Office document"),
    (b"PAR1", "a Parquet file"),
    (b"ARROW1\x00\x00", "an Arrow file"),
    (b"SQLite format 3\x00", "an SQLite database"),
    (b"\x89PNG", "a picture (PNG)"),
    (b"\xff\xd8\xff", "a picture (JPEG)"),
    (b"GIF8", "a picture (GIF)"),
    (b"{\\rtf", "an RTF document"),
    (b"\xca\xfe\xba\xbe", "a program (Mach-O or Java)"),
    (b"\xcf\xfa\xed\xfe", "a program (Mach-O)"),
    (b"DSPAYLD", "a sealed payload"),
)
_BOMS = (
    (codecs.BOM_UTF8, "utf-8", "UTF-8 with a byte order mark"),
    (codecs.BOM_UTF16_LE, "utf-16-le", "UTF-16 LE"),
    (codecs.BOM_UTF16_BE, "utf-16-be", "UTF-16 BE"),
)
# Two or more Chinese characters as UTF-8, then ASCII: in GB18030 these bytes would be rare characters.
_UTF8_RUN = re.compile(rb"[\xe4-\xe9][\x80-\xbf]{2}(?:[\xe4-\xe9][\x80-\xbf]{2})+(?=[\x00-\x7f]|\Z)")
_UTF8_CHARACTER = re.compile(rb"[\xe3-\xe9][\x80-\xbf]{2}")


class Transcoder:
    """Turns the chunks of one file into chunks of UTF-8; then `encoding` and `warnings` tell what it was."""

    def __init__(self, declared: str = "") -> None:
        if declared and declared.lower() not in _DECLARED:
            raise Unsupported("the declared encoding is not known: want UTF-8, GB18030 or UTF-16")
        self.encoding = "ASCII"
        self.warnings: list[str] = []
        self._declared = declared.lower()
        self._lines = 1  # the line that the next byte stands in
        self._decoder: codecs.IncrementalDecoder | None = None
        self._utf8 = False
        self._rest = b""  # an unfinished character of UTF-8

    def text(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """Yield the file as UTF-8 without its byte order mark.

        Raises:
            Unsupported: the file is no text, or of a declared encoding that is not known.
            Unprocessable: it does not decode; the message names the line.

        """
        first = True
        for chunk in chunks:
            body = self._begin(chunk) if first else chunk
            first = False
            yield self._feed(body, final=False)
        yield self._feed(b"", final=True)

    def _begin(self, chunk: bytes) -> bytes:
        refuse_binary(chunk)
        for mark, codec, name in _BOMS:
            if chunk.startswith(mark) and self._declared in ("", codec, "utf-16", "utf-8-sig"):
                self._settle(codec, name)
                return chunk[len(mark) :]
            if chunk.startswith(mark):
                raise Unprocessable(f"the file has the mark of {name}, and another encoding was declared")
        if self._declared:
            self._settle({"utf-16": "utf-16-le"}.get(self._declared, self._declared), self._declared.upper())
        elif wide := _unmarked_utf16(chunk[:4096]):
            self._settle(wide, wide.upper().replace("UTF-16-", "UTF-16 "))
        return chunk

    def _feed(self, chunk: bytes, *, final: bool) -> bytes:
        if not self._utf8 and self._decoder is None:
            if chunk.isascii():
                self._lines += chunk.count(b"\n")
                return chunk
            self._judge(chunk)
        return self._checked(chunk, final=final) if self._utf8 else self._decoded(chunk, final=final)

    def _settle(self, codec: str, name: str) -> None:
        self.encoding = name
        self._utf8 = codec in ("utf-8", "utf_8", "utf-8-sig", "ascii")
        if not self._utf8:
            self._decoder = codecs.getincrementaldecoder(codec)("strict")

    def _judge(self, chunk: bytes) -> None:
        """Settle the encoding by the first chunk that is not ASCII."""
        start = next(_beyond_ascii.finditer(chunk)).start()
        window = chunk[start : start + _WINDOW]
        broken = _utf8_broken(window)
        run = _utf8_run(window)
        if broken is None:
            self._settle("utf-8", "UTF-8")
        elif run and _plausible_gb18030(window[: run.start()]):
            raise self._undecodable(
                "GB18030, as the lines before are, but UTF-8", chunk[: start + run.start()]
            )
        elif run or _UTF8_CHARACTER.search(window[:broken]):
            raise self._undecodable("UTF-8, as other lines are", chunk[: start + broken])
        elif _plausible_gb18030(window):
            self._settle("gb18030", "GB18030")
        elif end := _gb18030_broken(window):
            raise self._undecodable("GB18030, as the lines before are", chunk[: start + end])
        else:
            self._guess(window, chunk[: start + broken])

    def _guess(self, window: bytes, before: bytes) -> None:
        from charset_normalizer import from_bytes  # noqa: PLC0415 - a second of import that most files never need

        best = from_bytes(window[: 1 << 18], threshold=0.2).best()
        if best is None or best.encoding not in _FALLBACKS:
            raise self._undecodable("UTF-8, GB18030 or UTF-16", before)
        self._settle(best.encoding, best.encoding.upper())
        self.warnings.append(f"the encoding {self.encoding} was guessed: check the preview, or declare it")

    def _checked(self, chunk: bytes, *, final: bool) -> bytes:
        """Pass UTF-8 on as it is, up to its last whole character."""
        data = self._rest + chunk if self._rest else chunk
        broken = None if data.isascii() else _utf8_broken(data, final=final)
        if broken is not None:
            raise self._undecodable("UTF-8, as the lines before are", data[:broken])
        end = len(data) if final else _whole(data)
        self._rest = data[end:]
        self._lines += data.count(b"\n", 0, end)
        return data[:end]

    def _decoded(self, chunk: bytes, *, final: bool) -> bytes:
        decoder = self._decoder
        assert decoder is not None  # noqa: S101 - settled before
        if self.encoding == "GB18030" and not self._declared and (run := _utf8_run(chunk)):
            raise self._undecodable("GB18030, as the lines before are, but UTF-8", chunk[: run.start()])
        try:
            text = decoder.decode(chunk, final=final)
        except UnicodeDecodeError as error:
            good = error.object[: error.start].decode(error.encoding, "ignore")
            raise self._undecodable(self.encoding, good.encode("utf-8", "replace")) from None
        try:
            data = text.encode()
        except UnicodeEncodeError:
            raise self._undecodable(self.encoding, b"") from None
        self._lines += data.count(b"\n")
        return data

    def _undecodable(self, wanted: str, before: bytes) -> Unprocessable:
        line = self._lines + before.count(b"\n")
        return Unprocessable(
            f"line {line}: bytes that are not {wanted}; save the file as UTF-8, or declare its encoding",
            rows=[{"line": line, "reason": "encoding"}],
        )


def refuse_binary(head: bytes) -> None:
    """Let a head of a file pass that may be a table of text.

    Raises:
        Unsupported: it is another kind of file, by its magic number.

    """
    for magic, kind in _MAGIC:
        if head.startswith(magic):
            raise Unsupported(f"the file is {kind}, {_WANTED}", kind=kind)
    if head.startswith(b"MZ") and b"\0" in head[:256]:
        raise Unsupported(f"the file is a program (PE), {_WANTED}", kind="a program (PE)")
    start = head[:4096].removeprefix(codecs.BOM_UTF8).lstrip()[:64].lower()
    if start.startswith((b"<!doctype", b"<html", b"<?xml", b"<svg", b"<script", b"<!--", b"<?php", b"<head")):
        raise Unsupported(f"the file is an HTML or XML document, {_WANTED}", kind="HTML or XML")


_beyond_ascii = re.compile(rb"[\x80-\xff]")


def _unmarked_utf16(head: bytes) -> str:
    """Return the codec of UTF-16 without a mark, known by the zeros of its ASCII characters, or nothing."""
    zeros = head[0::2].count(0), head[1::2].count(0)
    half = len(head) // 2
    if max(zeros) < 4 or max(zeros) < half // 4 or min(zeros) > half // 20:
        return ""
    return "utf-16-be" if zeros[0] > zeros[1] else "utf-16-le"


def _utf8_broken(data: bytes, *, final: bool = False) -> int | None:
    """Return where data stops being UTF-8; a character cut off at the end is none unless `final`."""
    end = len(data) if final else _whole(data)
    try:
        data[:end].decode()
    except UnicodeDecodeError as error:
        return error.start
    return None


def _utf8_run(data: bytes) -> re.Match[bytes] | None:
    """Return the first run of Chinese characters as UTF-8 between ASCII."""
    runs = _UTF8_RUN.finditer(data)
    # A look-behind in the pattern would make it eight times slower.
    return next((run for run in runs if run.start() == 0 or data[run.start() - 1] < 0x80), None)


def _whole(data: bytes) -> int:
    """Return where the last character of UTF-8 that may be unfinished begins, or the end."""
    for back in range(1, min(4, len(data) + 1)):
        byte = data[-back]
        if byte < 0x80:
            break
        if byte >= 0xC0:
            need = 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4
            return len(data) - back if need > back else len(data)
    return len(data)


def _gb18030_broken(window: bytes) -> int:
    """Return where a text ends to be GB18030 that clearly was; 0 where it never was."""
    try:
        codecs.getincrementaldecoder("gb18030")("strict").decode(window)
    except UnicodeDecodeError as error:
        clear = error.start > 2 * _CLEAR and _plausible_gb18030(window[: error.start])
        return error.start if clear else 0
    return 0


def _plausible_gb18030(window: bytes) -> bool:
    """Tell whether these bytes are GB18030, and mostly characters that GB 2312 had already.

    Bytes of other encodings decode as GB18030 too, to characters that came later.
    """
    decoder = codecs.getincrementaldecoder("gb18030")("strict")
    try:
        text = decoder.decode(window, final=False)
    except UnicodeDecodeError:
        return False
    pairs = [character for character in text if not character.isascii()][:20_000]
    return sum(_common(character.encode("gb18030")) for character in pairs) > 0.7 * len(pairs)


def _common(code: bytes) -> bool:
    return len(code) == 2 and code[1] >= 0xA1 and (0xA1 <= code[0] <= 0xA9 or 0xB0 <= code[0] <= 0xF7)
