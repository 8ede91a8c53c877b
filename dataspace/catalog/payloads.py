"""Files at rest: chunks of AES-256-GCM, in the STREAM construction of Hoang, Reyhanitabar, Rogaway and Vizár.

    header   "DSPAYLD" 01 || chunk size (4 bytes) || nonce prefix (7 random bytes)
    chunk i  AES-256-GCM(nonce = prefix || i (4 bytes) || last (1 byte), associated data = header || context)

Every chunk but the last holds `CHUNK` bytes of plaintext; the last has its flag
set, so that a file cut at a chunk's end does not open. The context names what
the file is (a dataset, its version, the kind of file): no file opens in
another's place. A key seals at most 2^32 chunks a file, and many files.
"""

import hashlib
import hmac
import mmap
import os
import struct
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import RawIOBase
from pathlib import Path
from typing import BinaryIO, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from dataspace.errors import TooLarge, VerificationError

CHUNK = 4 << 20
_TAG = 16
_MAGIC = b"DSPAYLD\x01"
_HEADER = struct.Struct(">8sI7s")
_NONCE = struct.Struct(">7sIB")
_MAX_CHUNKS = 1 << 32
_NOT_OPENED = "a sealed file does not open: other bytes, context or key"


class Writable(Protocol):
    """What a sealed file is written to."""

    def write(self, data: bytes, /) -> object:
        """Take all of `data`."""
        ...


@dataclass(frozen=True)
class Sealed:
    """What was sealed: the plaintext's size in bytes and its SHA-256 in hex."""

    size: int
    sha256: str


class SealWriter:
    """A file object for writing: give it plaintext, close it, and `sealed` tells what was written.

    `close` writes the last chunk and leaves `target` open: it is the caller's.
    A writer that is never closed leaves a file that does not open.
    """

    def __init__(self, target: Writable, key: bytes, context: bytes) -> None:
        self._target = target
        self._cipher = AESGCM(key)
        self._prefix = os.urandom(7)
        header = _HEADER.pack(_MAGIC, CHUNK, self._prefix)
        self._associated = header + context
        self._buffer = bytearray()
        self._count = 0
        self._size = 0
        self._hash = hashlib.sha256()
        self.closed = False
        target.write(header)

    @property
    def sealed(self) -> Sealed:
        """What has been written so far."""
        return Sealed(self._size, self._hash.hexdigest())

    def write(self, data: bytes) -> int:
        """Take plaintext; return its size in bytes."""
        view = memoryview(data).cast("B")
        self._hash.update(view)
        self._size += len(view)
        self._buffer += view
        # One chunk stays back: only `close` knows which is the last.
        while len(self._buffer) > CHUNK:
            self._emit(bytes(memoryview(self._buffer)[:CHUNK]), last=False)
            del self._buffer[:CHUNK]
        return len(view)

    def tell(self) -> int:
        """Return how many bytes of plaintext were written (pyarrow asks)."""
        return self._size

    def flush(self) -> None:
        """Do nothing: a chunk is written when it is full."""

    def close(self) -> None:
        """Write the last chunk; more than once does no more."""
        if not self.closed:
            self.closed = True
            self._emit(bytes(self._buffer), last=True)

    def writable(self) -> bool:
        """Tell io wrappers that this is for writing."""
        return True

    def readable(self) -> bool:
        """Tell io wrappers that this is not for reading."""
        return False

    def seekable(self) -> bool:
        """Tell io wrappers that bytes follow one another."""
        return False

    def _emit(self, plain: bytes, *, last: bool) -> None:
        if self._count == _MAX_CHUNKS:
            raise TooLarge(f"a sealed file holds at most {_MAX_CHUNKS} chunks of {CHUNK} bytes")
        nonce = _NONCE.pack(self._prefix, self._count, last)
        self._target.write(self._cipher.encrypt(nonce, plain, self._associated))
        self._count += 1


def seal_writer(target: Writable, key: bytes, context: bytes) -> SealWriter:
    """Return a file object that seals what is written to it into `target`."""
    return SealWriter(target, key, context)


def seal(source: BinaryIO, target: Writable, key: bytes, context: bytes) -> Sealed:
    """Seal all of `source` into `target`, one chunk in memory at a time."""
    writer = SealWriter(target, key, context)
    while data := source.read(CHUNK):
        writer.write(data)
    writer.close()
    return writer.sealed


def open_sealed(source: Path | str | BinaryIO, key: bytes, context: bytes) -> Iterator[bytes]:
    """Yield the plaintext of a sealed file, chunk by chunk, each one authentic when it is yielded.

    Whoever acts on the first chunk before the last one came acts on a file that
    may be cut off: only the end of the iteration says that it is whole.

    Raises:
        VerificationError: the file, the key or the context is not the one that was sealed.
        OSError: the file cannot be read.

    """
    with _opened(source) as file:
        header = file.read(_HEADER.size)
        prefix = _prefix(header)
        cipher, associated = AESGCM(key), header + context
        for count, (chunk, last) in enumerate(_chunks(file)):
            if count == _MAX_CHUNKS:
                raise VerificationError("a sealed file has more chunks than its counter holds")
            try:
                yield cipher.decrypt(_NONCE.pack(prefix, count, last), chunk, associated)
            except InvalidTag as error:
                raise VerificationError(_NOT_OPENED) from error


def remove_orphans(folder: Path, known: Collection[str]) -> int:
    """Remove the sealed files of a folder whose names are not `known`: what a crash left (attack CR-02)."""
    orphans = [path for path in folder.glob("*.sealed") if path.name not in known]
    for path in orphans:
        path.unlink(missing_ok=True)
    return len(orphans)


def into_memfd(source: Path | str, key: bytes, context: bytes, *, sha256: str = "") -> int:
    """Return the descriptor of an anonymous file in memory that holds the whole plaintext.

    The caller closes it; `/proc/self/fd/<n>` is a path to it while it is open.

    Raises:
        VerificationError: as in `open_sealed`, or the plaintext's SHA-256 is not the one given.

    """
    descriptor = os.memfd_create("payload", os.MFD_CLOEXEC)
    try:
        with os.fdopen(descriptor, "wb", buffering=0, closefd=False) as memory:
            for chunk in _compared(_opened_fast(Path(source), key, context), sha256):
                _write_all(memory, chunk)
        os.lseek(descriptor, 0, os.SEEK_SET)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _opened_fast(source: Path, key: bytes, context: bytes) -> Iterator[memoryview]:
    """Yield the same as `open_sealed`, each chunk in the place of the one before: half the time, measured.

    New memory for every chunk would cost more than the cipher does.
    """
    with source.open("rb") as file:
        header = file.read(_HEADER.size)
        prefix, cipher, associated = _prefix(header), AESGCM(key), header + context
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped, memoryview(mapped) as sealed:
            plain = memoryview(bytearray(min(CHUNK, len(sealed))))
            starts = range(_HEADER.size, max(len(sealed), _HEADER.size + 1), CHUNK + _TAG)
            if len(starts) > _MAX_CHUNKS:
                raise VerificationError("a sealed file has more chunks than its counter holds")
            for count, start in enumerate(starts):
                with sealed[start : start + CHUNK + _TAG] as chunk:
                    nonce = _NONCE.pack(prefix, count, start == starts[-1])
                    size = max(len(chunk) - _TAG, 0)
                    try:
                        cipher.decrypt_into(nonce, chunk, associated, plain[:size])
                    except (InvalidTag, ValueError) as error:
                        raise VerificationError(_NOT_OPENED) from error
                yield plain[:size]


def _prefix(header: bytes) -> bytes:
    """Return the nonces' prefix of a sealed file that begins with `header`."""
    if len(header) != _HEADER.size or header[: len(_MAGIC)] != _MAGIC:
        raise VerificationError("not a sealed file of version 1")
    _, size, prefix = _HEADER.unpack(header)
    if size != CHUNK:
        raise VerificationError(f"a sealed file has chunks of {size} bytes, want {CHUNK}")
    return bytes(prefix)


def plain_size(path: Path) -> int:
    """Return how much plaintext a sealed file of this length holds; it needs no key and proves nothing."""
    body = max(path.stat().st_size - _HEADER.size, 0)
    return max(body - _TAG * -(-body // (CHUNK + _TAG)), 0)


def _compared(chunks: Iterator[memoryview], sha256: str) -> Iterator[memoryview]:
    """Pass chunks on; after the last one compare their digest with the one given, if any."""
    digest = hashlib.sha256()
    for chunk in chunks:
        yield chunk
        if sha256:
            digest.update(chunk)
    if sha256 and not hmac.compare_digest(digest.hexdigest(), sha256):
        raise VerificationError("a sealed file holds another payload than the one registered")


def _write_all(file: RawIOBase, view: memoryview) -> None:
    while view:
        view = view[file.write(view) or 0 :]


@contextmanager
def _opened(source: Path | str | BinaryIO) -> Iterator[BinaryIO]:
    if isinstance(source, (str, Path)):
        with Path(source).open("rb") as file:
            yield file
    else:
        yield source


def _chunks(file: BinaryIO) -> Iterator[tuple[bytes, bool]]:
    """Yield every chunk and whether it is the last: the one after which nothing comes."""
    chunk = file.read(CHUNK + _TAG)
    while following := file.read(CHUNK + _TAG):
        yield chunk, False
        chunk = following
    yield chunk, True
