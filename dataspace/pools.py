"""The worker processes of a service: which bytes each of them reads, and what it may use."""

import threading
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import Final

from dataspace.errors import Unavailable
from dataspace.sandbox import Pool
from dataspace.settings import Settings
from dataspace.transfer.engine import WORKER
from dataspace.transfer.forms.joint import ADDER, MASKER
from dataspace.transfer.forms.sealed import ADDER as SEALED_ADDER

_MEGABYTE: Final = 1 << 20
_MEMORY: Final = 2048 * _MEGABYTE
_COPIER_MEMORY: Final = 1024 * _MEGABYTE
_MATCHING_MEMORY: Final = 3072 * _MEGABYTE  # a lookup table of 512 MiB, before it is one
_INTAKE_SECONDS: Final = 600.0
_SECONDS: Final = 30.0
# Calls after which a worker is replaced: what a hostile ciphertext may have left ends then.
_RECYCLED: Final = 1000
# Of processor time in a worker's life. At half of it, it is replaced: the longest call, of 300 s, fits in.
_CPU_SECONDS: Final = 600


@dataclass(frozen=True)
class Pools:
    """A pool for each kind of work; its processes start when they are first asked, or by `warm`.

    The first three read files, for as long as a file may take. The others compute on bytes of
    others: their workers may die of it, and do not grow old. Joint statistics have two, so that
    the one that has exact cells never reads what a consumer sent, nor the other the cells.
    """

    intake: Pool
    copier: Pool
    queries: Pool
    encrypted: Pool
    noiser: Pool
    scorer: Pool
    selector: Pool
    evaluator: Pool
    matcher: Pool
    sealed: Pool
    masker: Pool
    adder: Pool

    def warm(self) -> None:
        """Start, in the background, the processes that most questions need."""
        threading.Thread(target=self._warm, daemon=True).start()

    def _warm(self) -> None:
        # The service may be closing; and a pool that cannot start says so when it is called.
        with suppress(Unavailable):
            for pool in (self.queries, self.intake, self.encrypted, self.noiser):
                pool.warm()


def open_pools(settings: Settings, stack: ExitStack) -> Pools:
    """Return the pools of a service; their processes end with `stack`."""
    many = settings.workers

    def reading(target: str, workers: int, memory: int, deadline: float) -> Pool:
        pool = Pool(target, workers=workers, memory=memory, deadline=deadline)
        stack.callback(pool.close)
        return pool

    def computing(target: str, workers: int = 1, memory: int = _MEMORY) -> Pool:
        limits = {"workers": workers, "memory": memory, "recycle": _RECYCLED, "cpu": _CPU_SECONDS}
        pool = Pool(target, deadline=_SECONDS, **limits)
        stack.callback(pool.close)
        return pool

    return Pools(
        # One may be reading in the background while another is waited for.
        intake=reading("dataspace.catalog.intake:Intake", many, settings.worker_memory, _INTAKE_SECONDS),
        copier=reading("dataspace.catalog.copying:Copier", 1, _COPIER_MEMORY, _INTAKE_SECONDS),
        queries=reading(WORKER, many, settings.worker_memory, float(settings.query_seconds)),
        encrypted=computing("dataspace.privacy.encrypted:Evaluator", many),
        noiser=computing("dataspace.privacy.noised:Noiser"),
        scorer=computing("dataspace.privacy.score:Scorer", many),
        selector=computing("dataspace.privacy.evaluation:SelectorEvaluator"),
        evaluator=computing("dataspace.privacy.lookup:Lookup", many, _MATCHING_MEMORY),
        matcher=computing("dataspace.privacy.intersection:Intersection", many, _MATCHING_MEMORY),
        sealed=computing(SEALED_ADDER, memory=settings.worker_memory),
        masker=computing(MASKER),
        adder=computing(ADDER),
    )
