"""Periodic jobs: each looks for what is left to do, does it, and may be run twice without harm."""

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from dataspace.errors import DataSpaceError

_LOG = logging.getLogger("dataspace.worker")


@dataclass(frozen=True)
class Job:
    """Something to do every `seconds`; `run` MUST be idempotent."""

    name: str
    seconds: float
    run: Callable[[], object]


class Worker:
    """Runs jobs in one thread each, until it is stopped; a failing job is logged and tried again."""

    def __init__(self, jobs: Sequence[Job]) -> None:
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._repeat, args=(job,), name=f"worker-{job.name}", daemon=True)
            for job in jobs
        ]

    def start(self) -> None:
        """Begin."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Finish what is running, and end."""
        self._stop.set()
        for thread in self._threads:
            thread.join(timeout=30)

    def wait(self) -> None:
        """Block until somebody calls `stop`."""
        self._stop.wait()

    def _repeat(self, job: Job) -> None:
        while not self._stop.is_set():
            try:
                job.run()
            except DataSpaceError as error:
                _LOG.warning("the job %s will be tried again: %s", job.name, error)
            except Exception:  # noqa: BLE001 - see below
                # The last resort: a job must not die of what it did not foresee.
                _LOG.exception("the job %s failed and will be tried again", job.name)
            self._stop.wait(job.seconds)
