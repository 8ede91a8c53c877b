"""What a registered model is made of: its document, sealed, and what of it is told to whom."""

import hashlib
import os
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from dataspace.errors import Unprocessable, VerificationError
from dataspace.transfer.models import ScoreModel
from dataspace.wire.model import SAMPLES_FACTOR, LinearModel

_NONCE: Final = 12


@dataclass(frozen=True)
class ModelView:
    """A model as its provider or a consumer sees it; `document` is None where it is not to be known.

    `features`, `link`, `digits` and `output` are what a consumer needs to
    encrypt and to read; `samples` is how many one legal entity may score, 0
    for as many as it pays for.
    """

    id: str
    dataset: str
    version: int
    name: str
    releasable: bool
    features: list[dict[str, Any]]
    link: str
    digits: int
    output: int
    subjects: int
    samples: int
    entry: int
    created: datetime
    withdrawn: datetime | None
    document: dict[str, Any] | None


def capped(model: LinearModel, *, releasable: bool) -> LinearModel:
    """Return the model with a limit of samples, if it is not to be known."""
    if releasable:
        return model
    most = SAMPLES_FACTOR * len(model.features)
    if model.samples > most:
        raise Unprocessable(
            f"{model.samples} samples tell a model of {len(model.features)} features: want at most {most}, "
            "or a model that may be known",
            limit=most,
        )
    return replace(model, samples=model.samples or len(model.features))


def view_of(row: ScoreModel, model: LinearModel | None, *, known: bool) -> ModelView:
    """Return what is told of a model; `known` is whether its weights are, too."""
    copied = ("id", "dataset", "version", "name", "releasable", "features", "link", "output", "entry")
    finest = max(feature["precision"] for feature in row.features)
    return ModelView(
        **{name: getattr(row, name) for name in copied},
        digits=row.precision + finest,
        subjects=model.subjects if model else 0,
        samples=model.samples if model else 0,
        created=row.created,
        withdrawn=row.withdrawn,
        document=model.to_json() if model and known else None,
    )


def seal_model(model: LinearModel, key: bytes, name: str) -> bytes:
    """Return the document of a model, sealed under its version's data key: it opens under this name alone."""
    nonce = os.urandom(_NONCE)
    return nonce + AESGCM(key).encrypt(nonce, model.to_bytes(), _context(name))


def open_model(row: ScoreModel, key: bytes) -> LinearModel:
    """Return a stored model as a value.

    Raises:
        VerificationError: it does not open, or is not the one that was registered.

    """
    sealed = row.content
    try:
        content = AESGCM(key).decrypt(sealed[:_NONCE], sealed[_NONCE:], _context(row.id))
    except (InvalidTag, ValueError) as error:
        raise VerificationError("a sealed model does not open: other bytes, context or key") from error
    model = LinearModel.from_bytes(content)
    if digest_of_model(model) != row.content_sha256:
        raise VerificationError("a model is not the one that was registered")
    return model


def digest_of_model(model: LinearModel) -> str:
    """Return the SHA-256 of a model's document, in hex: two models with equal members have one."""
    return hashlib.sha256(model.to_bytes()).hexdigest()


def _context(name: str) -> bytes:
    return f"dataspace/score-model/v1/{name}".encode()
