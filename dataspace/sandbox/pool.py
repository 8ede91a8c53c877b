"""Pools of worker processes: who serves a call, how long it may take, and what becomes of a worker after."""

import contextlib
import logging
import queue
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import msgspec

from dataspace.errors import DataSpaceError, TooCostly, Unavailable
from dataspace.sandbox.child import BY_CODE, START_SECONDS, Child, Failed, Progress
from dataspace.sandbox.waiting import Waiting

_RETRY_SECONDS: Final = 0.2
_logger = logging.getLogger(__name__)


class Pool:
    """Workers that each hold one instance of the class `target` ("module:Class") and answer its methods.

    Processes start at the first call, or at `warm`. Calls come from any thread.
    A call waits at most its deadline for a worker, in the turns of `waiting`,
    and then runs at most its deadline: a worker that passes it is killed and
    replaced in the background. `memory` is bytes of address space, `deadline`
    seconds. `recycle`: a worker is replaced after that many calls; 0 is never.
    `cpu`: seconds of processor time a worker may use in its life, at which the
    kernel ends it, and at half of which it is replaced; 0 is any.
    """

    def __init__(
        self,
        target: str,
        *,
        workers: int,
        memory: int,
        deadline: float,
        recycle: int = 0,
        cpu: int = 0,
    ) -> None:
        self._target, self._memory, self._cpu = target, memory, cpu
        self._workers, self._deadline, self._recycle = workers, deadline, recycle
        self._waiting = Waiting(workers)
        self._turn = threading.Condition()  # guards everything below
        self._children: list[Child] = []
        self._idle: list[Child] = []
        self._ordered = 0
        self._closed = False
        self._failures = 0  # to start a process
        self._keeper: threading.Thread | None = None
        self._orders: queue.SimpleQueue[Child | str] = queue.SimpleQueue()  # "start", "stop", or one to bury

    def call(
        self,
        method: str,
        request: Mapping[str, Any],
        *,
        deadline: float | None = None,
        affinity: str = "",
        progress: Progress | None = None,
    ) -> Any:
        """Return what the worker's `method(request)` returns; MessagePack's values cross, both ways.

        Equal affinities prefer the worker that served them, unless it is busy and another is idle.
        `progress` is called, in this thread, with what the worker reports; what it raises ends the call,
        and the worker.

        Raises:
            TooMany: no worker came free within the deadline, or too many calls of this asker wait;
                `retry_after` is the seconds after which one might.
            TooCostly: the call passed its deadline or the worker's memory.
            Unavailable: the worker did not start, died (`facts["died"]`), or raised what it should not.
            OutOfSpace: ... because the disk it wrote to is full.
            DataSpaceError: whatever of the tree the method raised.

        """
        seconds = self._deadline if deadline is None else deadline
        frame = msgspec.msgpack.encode([method, request])
        child = self._take(affinity, time.monotonic() + seconds)
        return self._ask(child, frame, seconds, progress)

    def broadcast(self, method: str, request: Mapping[str, Any]) -> None:
        """Call `method` on every worker that has served anything, each in its turn.

        A worker that cannot answer is killed, which forgets all it held: none is left that did not.
        """
        frame = msgspec.msgpack.encode([method, request])
        for child in self._each(served=True):
            with contextlib.suppress(DataSpaceError):
                self._ask(child, frame, self._deadline)

    def warm(self) -> None:
        """Start every worker and wait until each has imported its target.

        Raises:
            Unavailable: a worker did not start.

        """
        with self._turn:
            self._order_missing()
            self._turn.wait_for(lambda: self._ordered == 0, START_SECONDS)
        for child in self._each(served=False):
            with self._using(child):
                child.greet()

    def close(self) -> None:
        """Kill every worker, also in the middle of a call; a later call raises Unavailable."""
        with self._turn:
            self._closed = True
            for child in list(self._children):
                self._retire(child)
            keeper, self._keeper = self._keeper, None
            self._turn.notify_all()
        if keeper:
            self._orders.put("stop")
            keeper.join()

    def _ask(self, child: Child, frame: bytes, seconds: float, progress: Progress | None = None) -> Any:
        with self._using(child):
            child.greet()
            begun = time.monotonic()
            status, *rest = child.ask(frame, begun + seconds, progress)
        with self._turn:
            self._waiting.lasted(time.monotonic() - begun)
        if status == "done":
            return rest[0]
        code, message, facts = rest
        raise BY_CODE[code](message, **facts)

    @contextlib.contextmanager
    def _using(self, child: Child) -> Iterator[None]:
        """Give a taken child back, or retire it when it failed or we were interrupted."""
        sound = False
        try:
            yield
            sound = self._fit(child)
        except TimeoutError as error:
            raise TooCostly("the work passed its limit of time") from error
        except Failed as error:
            _logger.warning("a worker of %s failed: %s", self._target, error)
            if str(error) == "MemoryError":
                raise TooCostly("the work passed its limit of memory") from error
            raise Unavailable("the worker failed") from error
        except (OSError, EOFError, ValueError, msgspec.MsgspecError) as error:
            # Only the class: a worker led astray may have chosen the text.
            _logger.warning("a worker of %s is gone: %s", self._target, type(error).__name__)
            if child.exhausted():
                raise TooCostly("the work passed its limit of processor time") from error
            raise Unavailable("the worker died", died=not self._closed) from error
        finally:
            with self._turn:
                self._idle.append(child) if sound and not self._closed else self._retire(child)
                self._turn.notify_all()

    def _fit(self, child: Child) -> bool:
        """Say whether a child that answered is to answer more."""
        worn = self._recycle and child.calls >= self._recycle
        return not worn and not (self._cpu and 2 * child.seconds() >= self._cpu)

    def _take(self, affinity: str, until: float) -> Child:
        """Take a child in the turn of this call's asker."""
        with self._turn:
            ticket = self._waiting.join()
            served = False
            try:
                child = self._await(affinity, until, lambda: self._waiting.next() is ticket)
                served = True
                return child
            finally:
                (self._waiting.served if served else self._waiting.leave)(ticket)
                # Whoever is next may have waited for this one alone.
                self._turn.notify_all()

    def _await(self, affinity: str, until: float, turn: Callable[[], bool]) -> Child:
        """Wait for the turn and a child; the lock is held."""
        failures = self._failures
        while True:
            self._order_missing()
            if turn() and (child := self._pick(affinity)):
                self._idle.remove(child)
                child.remember(affinity)
                return child
            if self._failures > failures and not self._children:
                raise Unavailable("no worker could be started")
            if time.monotonic() >= until:
                raise self._waiting.busy("every worker is busy")
            self._turn.wait(until - time.monotonic())

    def _pick(self, affinity: str) -> Child | None:
        """Return the idle child that suits best; the lock is held."""
        for child in [child for child in self._idle if child.died()]:
            self._retire(child)
        free = [child for child in self._idle if not child.claims]
        return max(free, key=lambda child: child.fitness(affinity), default=None)

    def _each(self, *, served: bool) -> Iterator[Child]:
        """Take each living child in its turn; the caller gives one back before it asks for the next."""
        with self._turn:
            known = [
                child for child in self._children if not served or child.calls or child not in self._idle
            ]
            for child in known:
                child.claims += 1
        try:
            while known:
                child = known.pop()
                if self._claim(child):
                    yield child
        finally:
            with self._turn:
                for child in known:
                    child.claims -= 1

    def _claim(self, child: Child) -> bool:
        """Wait for this very child, counted in its claims, and take it; False when it is gone."""
        with self._turn:
            # Bounded by the deadline of the call it serves now, for nobody else takes a claimed child.
            self._turn.wait_for(lambda: child in self._idle or child not in self._children)
            child.claims -= 1
            if child not in self._children:
                return False
            self._idle.remove(child)
            return True

    def _order_missing(self) -> None:
        """Order what lacks to the full number of workers; the lock is held."""
        if self._closed:
            raise Unavailable("the workers are closed")
        if not self._keeper:
            self._keeper = threading.Thread(target=self._keep, name=f"keeper of {self._target}", daemon=True)
            self._keeper.start()
        while len(self._children) + self._ordered < self._workers:
            self._ordered += 1
            self._orders.put("start")

    def _retire(self, child: Child) -> None:
        """Kill a child and order its successor; the lock is held."""
        child.kill()
        for group in (self._children, self._idle):
            if child in group:
                group.remove(child)
                if group is self._children:
                    self._orders.put(child)
        if not self._closed:
            self._order_missing()

    def _keep(self) -> None:
        """Start and bury children in one lasting thread: Linux ends a child with the thread that began it."""
        while (order := self._orders.get()) != "stop":
            if isinstance(order, Child):
                order.bury()
            else:
                self._start()
        while not self._orders.empty():
            if isinstance(order := self._orders.get(), Child):
                order.bury()

    def _start(self) -> None:
        child = None
        try:
            child = Child(self._target, self._memory, self._cpu)
        except OSError as error:
            _logger.warning("no worker of %s could be started: %s", self._target, error.strerror)
            time.sleep(_RETRY_SECONDS)
        with self._turn:
            self._ordered -= 1
            self._failures += child is None
            if child:
                self._children.append(child)
                self._idle.append(child)
                if self._closed:
                    self._retire(child)
            self._turn.notify_all()
