"""A policy bundle: Rego sources, what they compile to, and the revision that binds the two.

    .manifest      what an OPA server needs to load the same file
    *.rego         the sources, without their tests
    data.json      {"dataspace": {"revision": "<sha256>"}}: all that a policy sees as `data`
    policy.wasm    the sources, compiled by `opa build -t wasm`

The revision is the SHA-256 of the sources' list as `sha256sum` prints it, in
the order of their names. The digest is the SHA-256 of the whole file. Whoever
doubts that `policy.wasm` is what the sources say compiles them again.
"""

import gzip
import hashlib
import io
import json
import tarfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from dataspace.errors import Malformed, Unavailable

FILE: Final = "bundle.tar.gz"
_LIMIT: Final = 16 << 20  # bytes, unpacked


@dataclass(frozen=True)
class Bundle:
    """A bundle that was read and is consistent; `content` are its bytes as they are kept by `digest`."""

    digest: str
    revision: str
    sources: Mapping[str, bytes] = field(repr=False)
    data: bytes = field(repr=False)
    wasm: bytes = field(repr=False)
    content: bytes = field(repr=False)


def revision(sources: Mapping[str, bytes]) -> str:
    """Return the revision of `sources`, hex; they map file names, with `/`, to contents."""
    lines = [f"{hashlib.sha256(sources[name]).hexdigest()}  {name}\n" for name in sorted(sources)]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def read_bundle(content: bytes) -> Bundle:
    """Return the bundle that `content` is.

    Raises:
        Malformed: it is no archive of the four kinds of files, unpacks to more
            than 16 MiB, or holds a revision that its sources do not have.

    """
    files = _unpack(content)
    sources = {name: data for name, data in files.items() if name.endswith(".rego")}
    others = files.keys() - sources.keys()
    if others != {".manifest", "data.json", "policy.wasm"} or not sources:
        raise Malformed("malformed policy bundle: want .manifest, data.json, policy.wasm and Rego sources")
    found = revision(sources)
    if files["data.json"] != data_of(found):
        raise Malformed("malformed policy bundle: its revision is not the one of its sources")
    return Bundle(
        hashlib.sha256(content).hexdigest(), found, sources, files["data.json"], files["policy.wasm"], content
    )


def read_folder(folder: Path) -> Bundle:
    """Return the bundle of a folder of policies.

    Raises:
        Unavailable: there is none, or the sources beside it were changed since it was built.
        Malformed: it is no bundle.

    """
    try:
        bundle = read_bundle((folder / FILE).read_bytes())
    except OSError as error:
        raise Unavailable(f"no policy bundle {FILE} in {folder}: build it with `make policies`") from error
    sources = read_sources(folder)
    # An edited rule that is not in force would be believed to be.
    if sources and revision(sources) != bundle.revision:
        raise Unavailable(f"the policies in {folder} are not those of {FILE}: build it with `make policies`")
    return bundle


def read_sources(folder: Path) -> dict[str, bytes]:
    """Return the Rego sources of a folder and the folders in it, without their tests."""
    found = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*.rego")}
    return {name: found[name].read_bytes() for name in sorted(found) if not name.endswith("_test.rego")}


def data_of(revised: str) -> bytes:
    """Return the `data.json` of a revision."""
    return json.dumps({"dataspace": {"revision": revised}}).encode()


def pack(sources: Mapping[str, bytes], wasm: bytes) -> bytes:
    """Return the bundle of `sources` and what they compile to: the same bytes for the same parts."""
    revised = revision(sources)
    # The manifest names no wasm module: an OPA server evaluates the sources and needs no wasm runtime.
    manifest = {"revision": revised, "roots": ["dataspace"], "rego_version": 1}
    files = {".manifest": json.dumps(manifest).encode(), "data.json": data_of(revised), "policy.wasm": wasm}
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, data in sorted({**files, **sources}.items()):
            member = tarfile.TarInfo(f"/{name}")
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return gzip.compress(target.getvalue(), mtime=0)


def _unpack(content: bytes) -> dict[str, bytes]:
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(content)) as stream:
            plain = stream.read(_LIMIT + 1)
        if len(plain) > _LIMIT:
            raise Malformed(f"malformed policy bundle: unpacks to more than {_LIMIT} bytes")
        with tarfile.open(fileobj=io.BytesIO(plain), mode="r:") as archive:
            return _members(archive)
    except (tarfile.TarError, zlib.error, EOFError, OSError, ValueError, LookupError) as error:
        raise Malformed("malformed policy bundle: no gzip-compressed tar archive") from error


def _members(archive: tarfile.TarFile) -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    for member in archive:
        name, stream = member.name.removeprefix("/"), archive.extractfile(member)
        if stream is None or name in files:
            raise Malformed(f"malformed policy bundle: {name!r} is no file, or there twice")
        files[name] = stream.read()
    return files
