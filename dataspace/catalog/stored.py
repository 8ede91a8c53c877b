"""Look-ups of what is stored of datasets, each of the caller's own."""

from typing import Final

from sqlmodel import Session, select

from dataspace.catalog.models import Dataset, DatasetVersion, Source, State, Upload
from dataspace.errors import NotFound, TooMany
from dataspace.participants.access import Caller

WAITING: Final = 100  # uploads of one provider that may wait for it
_FILES: Final = 10  # ... and how many of the largest size they may be together


def next_version(session: Session, dataset: str) -> int:
    """Return the number of a dataset's next version; the first is 1."""
    versions = session.exec(select(DatasetVersion.version).where(DatasetVersion.dataset == dataset)).all()
    return max(versions, default=0) + 1


def upload_of(session: Session, caller: Caller, upload: str) -> Upload:
    """Return an upload of the caller's; NotFound when it is not."""
    found = session.get(Upload, upload)
    if found is None or found.provider != caller.id:
        raise NotFound("there is no such upload")
    return found


def owned_dataset(session: Session, caller: Caller, dataset: str) -> Dataset:
    """Return a dataset of the caller's; NotFound when it is not."""
    found = session.get(Dataset, dataset)
    if found is None or found.provider != caller.id:
        raise NotFound("there is no such dataset")
    return found


def source_of(session: Session, caller: Caller, source: str) -> Source:
    """Return a source of the caller's; NotFound when it is not."""
    found = session.get(Source, source)
    if found is None or found.provider != caller.id:
        raise NotFound("there is no such source")
    return found


def ensure_room(session: Session, provider: str, length: int, limit: int) -> None:
    """Let a provider begin an upload of `length` bytes; `limit` is of one upload.

    Raises:
        TooMany: as many wait as may, or so many bytes.

    """
    columns = select(Upload.length, Upload.size, Upload.state)
    waiting = session.exec(columns.where(Upload.provider == provider)).all()
    if len(waiting) >= WAITING:
        raise TooMany(
            f"{len(waiting)} uploads wait for you, want at most {WAITING}: confirm or discard some",
            retry_after=60,
            limit=WAITING,
        )
    # Of what a database will send nobody knows the size yet: it may be as much as one upload may.
    held = sum(
        max(length, size) or (limit if state == State.READING else 0) for length, size, state in waiting
    )
    if held + length > limit * _FILES:
        raise TooMany(
            f"the uploads that wait for you have {held} bytes, want at most {limit * _FILES} with this one: "
            "confirm or discard some",
            retry_after=60,
            limit=limit * _FILES,
        )


def received(upload: Upload) -> int:
    """Return how many bytes of an upload arrived: where it goes on."""
    if upload.state != State.RECEIVING:
        return upload.length
    return sum(size for _, size in upload.parts)
