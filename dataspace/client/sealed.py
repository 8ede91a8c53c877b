"""Sealed datasets from either side: providers upload containers, consumers ask for totals and open them.

    keys = SealedKeys.create()
    found = space.sealed_total(
        agreement, "income", by=["district"], epsilon=500_000, keys=keys, keyservice="<its id>"
    )
    found.totals[("Hangzhou",)], found.error               # 4061320.5, 120.3

Who answers is the key service, which signs; its id is to be pinned from a source
that is not the platform. What it answers nobody opens but the holder of `keys`.
"""

import base64
import hashlib
import hmac
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self

import msgspec

from dataspace.client.answer import Answer
from dataspace.client.estimating import millionths
from dataspace.client.http import Http
from dataspace.client.keyfile import read_key_file, write_key_file
from dataspace.client.providing import body_of, part
from dataspace.errors import Malformed, NotFound, Unprocessable, VerificationError
from dataspace.proof.canonical import canonical
from dataspace.wire.hpke import SealingKey
from dataspace.wire.keyservice import (
    ANSWER,
    MEDIA_TYPE,
    Message,
    ServiceKey,
    answer_info,
    layout_info,
)
from dataspace.wire.manifest import Bounds
from dataspace.wire.selector import LEAST_EPSILON

Labels = tuple[str | None, ...]

_MAGIC: Final = b"DSSK\x01"
_MILLION: Final = 1_000_000


class SealedKeys:
    """A consumer's key that answers are sealed to."""

    def __init__(self, key: SealingKey) -> None:
        self._key = key

    def __repr__(self) -> str:
        return f"SealedKeys(id={self.id!r})"

    @classmethod
    def create(cls) -> Self:
        """Make a new key."""
        return cls(SealingKey.create())

    @property
    def id(self) -> str:
        """The SHA-256 of the public key: answers name it."""
        return self._key.id

    @property
    def public(self) -> str:
        """The public key in base64."""
        return base64.b64encode(self._key.public).decode()

    def save(self, path: Path, passphrase: str) -> None:
        """Write the key to a new file that only `passphrase` opens.

        Raises:
            Conflict: there is such a file already.

        """
        write_key_file(path, passphrase, _MAGIC + self._key.to_bytes())

    @classmethod
    def load(cls, path: Path, passphrase: str) -> Self:
        """Read what `save` wrote.

        Raises:
            NotFound: there is no such file.
            Malformed: it is no key file of this kind.
            VerificationError: the passphrase is another, or the file was changed.

        """
        secret = read_key_file(path, passphrase)
        if not secret.startswith(_MAGIC):
            raise Malformed(f"no key for sealed answers: {path}")
        return cls(SealingKey(secret.removeprefix(_MAGIC)))

    def open(self, sealed: bytes, info: bytes) -> bytes:
        """Return what was sealed to this key."""
        return self._key.open(sealed, info)


class SealedLayout(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which labels the cells of a sealed dataset have, and what is measured in them."""

    container: str
    dimensions: list[str]
    cells: list[list[str | None]]
    measures: list[Bounds]
    max_rows: int
    min_group: int

    def measure(self, name: str) -> Bounds:
        """Return a measure.

        Raises:
            NotFound: there is none of that name.

        """
        for measure in self.measures:
            if measure.name == name:
                return measure
        raise NotFound(f"no measure {name!r}: there are {', '.join(one.name for one in self.measures)}")

    def groups(self, by: Sequence[str]) -> dict[Labels, list[int]]:
        """Return the cells of each combination of labels of some dimensions.

        Raises:
            NotFound: there is no such dimension.

        """
        if unknown := [name for name in by if name not in self.dimensions]:
            raise NotFound(f"no dimension {unknown[0]!r}: there are {', '.join(self.dimensions)}")
        places = [self.dimensions.index(name) for name in by]
        found: dict[Labels, list[int]] = {}
        for cell, labels in enumerate(self.cells):
            found.setdefault(tuple(labels[place] for place in places), []).append(cell)
        return found


@dataclass(frozen=True)
class SealedTotal:
    """Noised totals by labels; `error` is what the noise of each is on average, whatever its sign.

    Rows whose label is too rare to be told are under "*".
    """

    totals: Mapping[Labels, float]
    error: float
    answer: Answer = field(repr=False)


class Sealing:
    """What is asked of sealed datasets, a part of `DataSpace`."""

    _http: Http
    _answer: Callable[[Any], Answer]

    def upload_sealed(
        self, container: Path | str, zone: str, title: str, *, price: int, **terms: Any
    ) -> dict[str, Any]:
        """Register what `dataspace seal` wrote.

        `terms`: `description`, `dataset` (for a new version of it), `purposes` (a comma between),
        `units`, `epsilon`.
        """
        body, headers = body_of(Path(container))
        sent = {"zone": zone, "title": title, "price": str(price), **terms}
        return dict(self._http.upload("/api/datasets/sealed", body, headers, **sent))

    def sealed_layout(self, agreement: str, keys: SealedKeys, *, keyservice: str) -> SealedLayout:
        """Return the labels of a sealed dataset's cells; `keyservice` is the id of its key service's keys.

        Raises:
            Malformed: the keys are others than `SealedKeys`.
            VerificationError: it is not that key service that answered, or not this.

        """
        _check_keys(keys)
        answer = self._sealed(agreement, "layout", {"key": keys.public})
        message = self._said(answer, keyservice)
        _check(message, {"agreement": agreement, "consumer": keys.id})
        content = keys.open(
            message.attachments[0], layout_info(agreement, str(message.statement["container"]))
        )
        return _read(content)

    def sealed_total(  # noqa: PLR0913 - a question in words
        self,
        agreement: str,
        measure: str,
        *,
        by: Sequence[str] = (),
        weights: Mapping[Labels, int] | None = None,
        where: Callable[[Mapping[str, str | None]], bool] | None = None,
        epsilon: int,
        keys: SealedKeys,
        keyservice: str,
        layout: SealedLayout | None = None,
    ) -> SealedTotal:
        """Return the noised totals of a measure, one for each combination of labels of `by`.

        `weights` are by labels of all dimensions, 1 where there is none; `where` chooses
        cells by their labels. `epsilon` is in millionths.

        Raises:
            Malformed: epsilon is no whole number of millionths, or the keys are no `SealedKeys`.
            NotFound: there is no such measure or dimension.
            Unprocessable: no cell is left.
            VerificationError: it is not the key service that answered, or not this.

        """
        millionths(epsilon, LEAST_EPSILON)
        _check_keys(keys)
        layout = layout or self.sealed_layout(agreement, keys, keyservice=keyservice)
        bounds, weighted = layout.measure(measure), _weights(layout, weights or {}, where)
        groups = {
            labels: [(cell, weighted[cell]) for cell in cells if weighted[cell]]
            for labels, cells in layout.groups(by).items()
        }
        groups = {labels: cells for labels, cells in groups.items() if cells}
        if not groups:
            raise Unprocessable("no cell is left to be added up")
        body = [
            {"cells": [c for c, _ in cells], "weights": [w for _, w in cells]} for cells in groups.values()
        ]
        asked = {"measure": measure, "groups": body, "epsilon": epsilon, "key": keys.public}
        answer = self._sealed(agreement, "totals", asked)
        totals = self._opened(answer, agreement, {**asked, "container": layout.container}, keys, keyservice)
        unit = 10**bounds.precision
        heaviest = max(abs(weight) for cells in groups.values() for _, weight in cells)
        error = layout.max_rows * heaviest * bounds.peak * _MILLION / epsilon / unit
        return SealedTotal(
            {labels: total / unit for labels, total in zip(groups, totals, strict=True)}, error, answer
        )

    def _opened(
        self, answer: Answer, agreement: str, asked: Mapping[str, Any], keys: SealedKeys, keyservice: str
    ) -> list[int]:
        message = self._said(answer, keyservice)
        _check(message, {"agreement": agreement, "consumer": keys.id, "epsilon": asked["epsilon"]})
        told = message.statement
        info = answer_info(str(told.get("job")), agreement, str(told.get("plan_sha256")))
        found = msgspec.json.decode(keys.open(message.attachments[0], info))
        groups = hashlib.sha256(canonical(asked["groups"])).hexdigest()
        wanted = {name: asked[name] for name in ("measure", "epsilon", "container")}
        if any(found.get(name) != value for name, value in {**wanted, "groups_sha256": groups}.items()):
            raise VerificationError("the answer is to another question: the platform planned something else")
        if len(found["totals"]) != len(asked["groups"]):
            raise VerificationError("the answer has another number of totals than groups were asked for")
        return [int(total) for total in found["totals"]]

    def _said(self, answer: Answer, keyservice: str) -> Message:
        """Return an answer's message, if the key service of this id signed it."""
        try:
            message = Message.decode(answer.content)
            key = ServiceKey.parse(str(message.statement.get("key")), keyservice)
        except Malformed as error:
            raise VerificationError("the answer is no message of a key service") from error
        message.check(key.verify, ANSWER)
        if len(message.attachments) != 1:
            raise VerificationError("the answer is no message of a key service")
        return message

    def _sealed(self, agreement: str, what: str, body: Mapping[str, Any]) -> Answer:
        path = f"/api/agreements/{part(agreement)}/sealed/{what}"
        return self._answer(self._http.exchange(path, accept=MEDIA_TYPE, json=body))


def _weights(
    layout: SealedLayout,
    weights: Mapping[Labels, int],
    where: Callable[[Mapping[str, str | None]], bool] | None,
) -> list[int]:
    found = []
    for labels in layout.cells:
        named = dict(zip(layout.dimensions, labels, strict=True))
        found.append(weights.get(tuple(labels), 1) if where is None or where(named) else 0)
    return found


def _check_keys(keys: object) -> None:
    if not isinstance(keys, SealedKeys):
        raise Malformed(f"the keys are {type(keys).__name__}: want SealedKeys")


def _check(message: Message, wanted: Mapping[str, Any]) -> None:
    for name, value in wanted.items():
        if not hmac.compare_digest(str(message.statement.get(name)).encode(), str(value).encode()):
            raise VerificationError("the answer is to another question, or to another key")


def _read(content: bytes) -> SealedLayout:
    try:
        return msgspec.json.decode(content, type=SealedLayout)
    except msgspec.DecodeError as error:
        raise VerificationError("the key service's layout is none") from error
