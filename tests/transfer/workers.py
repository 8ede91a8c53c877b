"""The worker of queries in each of its two states for good: what tests of one must hold of the other."""

from collections.abc import Mapping
from typing import Any

from dataspace.transfer.duck.worker import Worker


class Cold(Worker):
    """Answers always from the decrypted file."""

    def _idle(self) -> bool:
        return False


class Warm(Worker):
    """Answers always from a warm table, whose subjects are counted."""

    def rows(self, request: Mapping[str, Any]) -> dict[str, Any]:
        self._ready(request)
        return super().rows(request)

    def aggregate(self, request: Mapping[str, Any]) -> dict[str, Any]:
        self._ready(request)
        return super().aggregate(request)

    def _ready(self, request: Mapping[str, Any]) -> None:
        self.load(request)
        while self._idle():
            pass


WORKERS = [Cold, Warm]
