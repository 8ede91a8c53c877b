"""Which logs and witnesses are known, and whose cosignatures suffice (C2SP tlog-policy).

    log example.com/space+8c2f...+A... https://space.example.com
    witness first  first.example.com+0d11...+B...  https://first.example.com/witness
    witness second second.example.com+77aa...+B...
    group both all first second
    quorum both

A group counts once `any`, `all` or so many of its members do; it names only
what stands above it, and nothing is a member of two groups. There is exactly
one `quorum`, whose name may be `none`. Items are parted by spaces and tabs, each
line ends with a newline, and lines that begin with `#` are comments.
"""

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Final, Self

from dataspace.errors import VerificationError
from dataspace.proof.cosignature import Cosigner, PostQuantumCosigner, cosigned
from dataspace.proof.key import NoteKey
from dataspace.proof.vkey import parse_vkey

LIMIT: Final = 1 << 20  # characters of one file: 32 logs, witnesses and groups are 120 kB at most
NONE: Final = "none"

_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_NUMBER: Final = re.compile(r"[1-9][0-9]{0,8}")


@dataclass(frozen=True)
class KnownLog:
    """A log whose heads are believed, and the address where it can be asked, if that was given."""

    key: NoteKey
    url: str = ""


@dataclass(frozen=True)
class Witness:
    """A witness by its name in the policy, its key, and the address where it takes checkpoints."""

    name: str
    key: NoteKey
    url: str = ""


@dataclass(frozen=True)
class Group:
    """Witnesses and groups, of which `threshold` must count for the group to count."""

    name: str
    threshold: int
    members: tuple[str, ...]


@dataclass(frozen=True)
class Judgement:
    """Which witnesses signed a checkpoint, by name, each with its time in POSIX seconds; and the verdict."""

    signed: Mapping[str, int]
    met: bool


@dataclass(frozen=True)
class WitnessPolicy:
    """A policy as its file says it; `quorum` is the name of a witness or of a group, or `none`."""

    logs: tuple[KnownLog, ...]
    witnesses: tuple[Witness, ...]
    groups: tuple[Group, ...]
    quorum: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a policy file; bytes beyond ASCII are opaque to it, whatever decoding gave them.

        Raises:
            VerificationError: it breaks the grammar; the message names the line.
            Unavailable: the installed cryptography lacks a key's curve.

        """
        reader = _Reader()
        for number, line in enumerate(_lines(text), start=1):
            try:
                reader.read(line)
            except VerificationError as error:
                raise VerificationError(f"witness policy, line {number}: {error}") from error
        if reader.quorum is None:
            raise VerificationError("witness policy: no quorum, want one line such as: quorum none")
        return cls(tuple(reader.logs), tuple(reader.witnesses), tuple(reader.groups), reader.quorum)

    def satisfied(self, names: Collection[str]) -> bool:
        """Tell whether cosignatures of the witnesses `names` suffice."""
        met = {NONE, *(one.name for one in self.witnesses if one.name in names)}
        for group in self.groups:  # Each names only groups that stand before it.
            if sum(member in met for member in group.members) >= group.threshold:
                met.add(group.name)
        return self.quorum in met

    def judge(self, note: str) -> Judgement:
        """Return which witnesses cosigned a checkpoint, and whether they suffice.

        The log's own signature is not checked here.

        Raises:
            VerificationError: the note is malformed, or a known witness's
                cosignature fails.
            Unavailable: the installed cryptography cannot check a cosignature.

        """
        times = cosigned(note, [one.key for one in self.witnesses])
        signed = {one.name: times[str(one.key)] for one in self.witnesses if str(one.key) in times}
        return Judgement(signed, self.satisfied(signed))


class _Reader:
    """What the lines read so far define."""

    def __init__(self) -> None:
        self.logs: list[KnownLog] = []
        self.witnesses: list[Witness] = []
        self.groups: list[Group] = []
        self.quorum: str | None = None
        self._names: dict[str, bool] = {}  # name -> whether it is a member of a group
        self._keys: dict[str, set[bytes]] = {"log": set(), "witness": set()}

    def read(self, line: str) -> None:
        words = line.replace("\t", " ").split(" ")
        items = [word for word in words if word]
        if not items or items[0].startswith("#"):
            return
        readers: dict[str, Callable[[list[str]], None]] = {
            "log": self._log,
            "witness": self._witness,
            "group": self._group,
            "quorum": self._quorum,
        }
        if items[0] not in readers:
            raise VerificationError(f"unknown word {items[0]!r}, want log, witness, group or quorum")
        readers[items[0]](items[1:])

    def _log(self, items: list[str]) -> None:
        if len(items) not in (1, 2):
            raise VerificationError("want: log <vkey> [<url>]")
        self.logs.append(KnownLog(self._key("log", items[0]), "".join(items[1:])))

    def _witness(self, items: list[str]) -> None:
        if len(items) not in (2, 3):
            raise VerificationError("want: witness <name> <vkey> [<url>]")
        self._define(items[0])
        key = self._key("witness", items[1])
        if not isinstance(key, Cosigner | PostQuantumCosigner):
            raise VerificationError("the key of a witness is of type 0x04 or 0x06, and this one is not")
        self.witnesses.append(Witness(items[0], key, "".join(items[2:])))

    def _group(self, items: list[str]) -> None:
        if len(items) < 3:
            raise VerificationError("want: group <name> <any, all or a number> <name>...")
        name, wanted, *members = items
        for member in members:
            self._join(member)
        self._define(name)
        self.groups.append(Group(name, _threshold(wanted, len(members)), tuple(members)))

    def _quorum(self, items: list[str]) -> None:
        if len(items) != 1:
            raise VerificationError("want: quorum <name, or none>")
        if self.quorum is not None:
            raise VerificationError("a second quorum, want exactly one in the file")
        if items[0] != NONE and items[0] not in self._names:
            raise VerificationError(f"quorum {items[0]!r}: want a witness or group defined above, or none")
        self.quorum = items[0]

    def _define(self, name: str) -> None:
        if name == NONE or name in self._names:
            raise VerificationError(f"the name {name!r} is taken, want another one")
        self._names[name] = False

    def _join(self, member: str) -> None:
        if member not in self._names:
            raise VerificationError(f"member {member!r}: want a witness or group defined above")
        if self._names[member]:
            raise VerificationError(f"member {member!r} is in a group already, want it in one")
        self._names[member] = True

    def _key(self, kind: str, vkey: str) -> NoteKey:
        key = parse_vkey(vkey)
        if key.public_key in self._keys[kind]:
            raise VerificationError(f"the {kind}'s key stands above already, want each key once")
        self._keys[kind].add(key.public_key)
        return key


def _threshold(wanted: str, count: int) -> int:
    if wanted in ("any", "all"):
        return 1 if wanted == "any" else count
    if not _NUMBER.fullmatch(wanted) or int(wanted) > count:
        raise VerificationError(f"threshold {wanted!r}: want any, all, or a number from 1 to {count}")
    return int(wanted)


def _lines(text: str) -> list[str]:
    """Return the lines, split at newlines alone: other signs that end a line elsewhere are text here."""
    if len(text) > LIMIT:
        raise VerificationError(f"witness policy of {len(text)} characters, want at most {LIMIT}")
    lines = text.split("\n")
    for number, line in enumerate(lines, start=1):
        if control := _CONTROL.search(line):
            found = f"a control character 0x{ord(control[0]):02x}"
            raise VerificationError(f"witness policy, line {number}: {found}, want lines ended by 0x0a alone")
    if lines.pop():
        raise VerificationError(f"witness policy, line {len(lines) + 1}: want a newline at its end")
    return lines
