"""How long an answer takes, as the consumer sees it: a multiple of a stated time, whatever was computed.

What a cell, a weight or a group that is hidden costs in time would be told by
the latency (attack QY-21). So an answer and a refusal alike wait for the next
multiple of a bucket, counted from the request's receipt.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Pace:
    """Lets things end at multiples of a bucket; `clock` and `sleep` are in seconds."""

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self._clock = clock
        self._sleep = sleep

    def now(self) -> float:
        """Return the time, to count from."""
        return self._clock()

    @contextmanager
    def kept(self, bucket: int, since: float) -> Iterator[None]:
        """Leave, with a result or an error, at a multiple of `bucket` milliseconds after `since`."""
        try:
            yield
        finally:
            taken = self._clock() - since
            seconds = bucket / 1000
            self._sleep((int(taken / seconds) + 1) * seconds - taken)
