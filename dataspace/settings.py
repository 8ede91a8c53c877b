"""What an operator can set: frozen, read once from `DATASPACE_<FIELD>`, and passed in, never global."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Self

from dataspace.errors import Malformed

_PACKAGED = Path(__file__).parent / "_packs"
_CHECKOUT = Path(__file__).parent.parent

# Variables of the same prefix that tests and clients read.
_NOT_SETTINGS = {"DATASPACE_REQUIRE", "DATASPACE_CRASH_AT", "DATASPACE_TOKEN"}


def _shipped(folder: str) -> str:
    """Return where a folder of the project lies: in a checkout, or inside the installed package."""
    packaged = _PACKAGED / folder
    return str(packaged if packaged.is_dir() else _CHECKOUT / folder)


@dataclass(frozen=True)
class Settings:
    """The settings of one service; every field but `home` has a default that is safe.

    `home` holds the embedded database, keys, payloads and anchors, and is the
    only folder the service writes to.
    """

    home: Path = Path("data")
    origin: str = "localhost/dataspace"
    url: str = "http://127.0.0.1:8000"
    database: str = ""
    policy: str = ""
    keys: str = ""
    anchor: str = ""
    zones: str = ""
    hosts: str = ""
    worker: str = "inline"
    workers: int = 2
    upload_limit: int = 1 << 30
    sources: str = ""
    worker_memory: int = 4 << 30
    query_seconds: int = 20
    anchor_seconds: int = 60
    publish_seconds: int = 10
    witnesses: str = ""
    witness_fail: str = "closed"
    timestamps: str = ""
    keyservice: str = ""
    peers: str = ""

    def __post_init__(self) -> None:
        # Worker processes run in another folder: to them a relative path would name another place.
        object.__setattr__(self, "home", self.home.absolute())
        if self.witnesses:
            object.__setattr__(self, "witnesses", str(Path(self.witnesses).absolute()))
        if self.peers:
            object.__setattr__(self, "peers", str(Path(self.peers).absolute()))
        defaults = {
            "database": f"sqlite:///{self.home}/dataspace.db",
            "policy": f"bundle:{_shipped('policies')}",
            "keys": f"file:{self.home}/keys",
            "anchor": f"file:{self.home}/anchors.jsonl",
            "zones": _shipped("zones"),
        }
        for name, value in defaults.items():
            if not getattr(self, name):
                object.__setattr__(self, name, value)
        if self.worker not in {"inline", "off"}:
            raise Malformed(f"setting DATASPACE_WORKER is {self.worker!r}, want inline or off")
        if self.witness_fail not in {"closed", "open"}:
            raise Malformed(f"setting DATASPACE_WITNESS_FAIL is {self.witness_fail!r}, want closed or open")
        if self.workers < 1:
            raise Malformed("setting DATASPACE_WORKERS is 0, want at least 1")

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Self:
        """Read `DATASPACE_HOME`, `DATASPACE_URL` and so on.

        Raises:
            Malformed: a number is not one, or a variable names no setting.

        """
        known = {f"DATASPACE_{field.name.upper()}": field for field in fields(cls)}
        given = {key: value for key, value in environment.items() if key.startswith("DATASPACE_")}
        unknown = sorted(given.keys() - known.keys() - _NOT_SETTINGS)
        if unknown:
            raise Malformed(f"unknown setting {unknown[0]}: the settings are {', '.join(sorted(known))}")
        values: dict[str, Any] = {
            known[key].name: _read(key, value, known[key].type)
            for key, value in given.items()
            if key in known
        }
        return cls(**values)


def _read(key: str, value: str, kind: object) -> Path | int | str:
    if kind is Path:
        return Path(value)
    if kind is not int:
        return value
    if not value.isdecimal():
        raise Malformed(f"setting {key} is {value!r}, want a whole number")
    return int(value)
