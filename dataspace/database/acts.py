"""One act: its session, what it stages for the integrator, and its outcome."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, Generic, TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError, SQLAlchemyError
from sqlmodel import Session

from dataspace.database.faults import Fault, fault_of
from dataspace.errors import Conflict, OutOfSpace, Unavailable

T = TypeVar("T")

_STAGED: Final = "staged"


class UndoneError(Exception):
    """An act failed, and holds its own error: its transaction or savepoint is to be rolled back."""


class _ActSession(Session):
    """The session of an act, whose transaction is not the act's to end."""

    def commit(self) -> None:
        raise RuntimeError("an act must not commit: its batch does")

    def rollback(self) -> None:
        raise RuntimeError("an act must not roll back: it raises")


class Act(Generic[T]):
    """An act that waits for its batch, and then its outcome."""

    def __init__(self, act: Callable[[Any], T], *, between: bool = False) -> None:
        self.between = between  # run without a transaction
        self._act = act
        self._result: T | None = None
        self._error: BaseException | None = None

    @property
    def failed(self) -> bool:
        """Whether the act itself raised, or its batch failed."""
        return self._error is not None

    def run(self, session: Session | None) -> None:
        """Run the act; `UndoneError` says that its transaction or savepoint must be rolled back."""
        try:
            self._result = self._act(session)
            if session is not None:
                session.flush()
        except Exception as error:
            self._error = _translated(error)
            raise UndoneError from error

    def fail(self, error: BaseException) -> None:
        """Note that the batch failed, which matters only to an act that had not failed by itself."""
        if self._error is None:
            self._error = _unavailable(error, "the batch did not commit: nothing was done")

    def outcome(self) -> T:
        """Return the result of the act, or raise its error, on its caller's thread."""
        if self._error is not None:
            raise self._error
        return self._result  # type: ignore[return-value]


def stage(session: Session, item: Any) -> int:
    """Hand `item` to the integrator with this act; return its position in the batch, from 0."""
    staged: list[Any] = session.info[_STAGED]
    staged.append(item)
    return len(staged) - 1


def position(session: Session) -> int:
    """Return the position in the batch that the next staged item will have."""
    return len(session.info[_STAGED])


@contextmanager
def act_session(connection: Connection, staged: list[Any], *, savepoint: bool = False) -> Iterator[Session]:
    """Return a session inside the batch's transaction, for as long as the context lasts."""
    session = _ActSession(
        connection,
        join_transaction_mode="create_savepoint" if savepoint else "rollback_only",
        expire_on_commit=False,
        info={_STAGED: staged},
    )
    try:
        yield session
    finally:
        session.close()


def _unavailable(error: BaseException, otherwise: str) -> Unavailable:
    """Return why nothing was done: a fault of the disk by its name, whatever else failed in our words."""
    fault = fault_of(error)
    if fault is not None:
        domain: Unavailable = OutOfSpace(fault.value) if fault is Fault.FULL else Unavailable(fault.value)
    else:
        domain = Unavailable(str(error) if isinstance(error, Unavailable) else otherwise)
    domain.__cause__ = error
    return domain


def _translated(error: Exception) -> Exception:
    """Return the domain's error for one of the database's; its own text may name a stored value."""
    if isinstance(error, IntegrityError):
        domain: Exception = Conflict("the act contradicts what is stored")
    elif isinstance(error, SQLAlchemyError):
        domain = _unavailable(error, "the database did not carry out the act")
    else:
        return error
    domain.__cause__ = error
    return domain
