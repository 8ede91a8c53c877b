"""A policy bundle evaluated in process: OPA's own compiled policy in a WebAssembly sandbox.

OPA's WebAssembly ABI 1.2 (openpolicyagent.org/docs/wasm): `opa_eval` takes the
input as JSON in the module's memory and returns the address of the result. The
module gets no host function but `opa_abort`; its memory and its steps are
bounded, by counts and not by a clock, so the same input meets the same end on
every machine and a decision can be made again years later.
"""

import json
from collections import deque
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

from wasmtime import (
    Config,
    Engine,
    Func,
    FuncType,
    Global,
    Instance,
    Limits,
    Memory,
    MemoryType,
    Module,
    Store,
    Trap,
    TrapCode,
    WasmtimeError,
)

from dataspace.errors import Unavailable
from dataspace.policy.bundle import Bundle
from dataspace.policy.decision import FAILED, TOO_COSTLY, Decision, Question
from dataspace.policy.facts import canonical_input, input_digest

ENTRYPOINT: Final = "dataspace/decision"
# A query of two columns burns 0.5 million units of fuel in 0.1 ms, one of 400 columns 20 million.
FUEL: Final = 1_000_000_000
_PAGE: Final = 1 << 16
_FIRST_PAGES, _MOST_PAGES = 4, 1024  # 256 KiB to 64 MiB
_KEPT_PAGES: Final = 64
_MOST_FUNCTIONS: Final = 10_000
_CHUNK: Final = 1 << 12


class _Stopped(Exception):
    """The policy called a function it must not need."""


class _Machine:
    """One instance of the module: its memory, with the data in it, and where the heap starts after that.

    A machine keeps its heap between calls, so two threads in it would read
    each other's decision: whoever holds one holds it alone.
    """

    def __init__(self, engine: Engine, module: Module, data: bytes) -> None:
        self._store = Store(engine)
        self._store.set_fuel(FUEL)
        self._store.set_limits(
            _MOST_PAGES * _PAGE, table_elements=_MOST_FUNCTIONS, instances=1, tables=1, memories=1
        )
        self._memory = Memory(self._store, MemoryType(Limits(_FIRST_PAGES, _MOST_PAGES)))
        self._exports = Instance(self._store, module, self._imports(module)).exports(self._store)
        self._check()
        self._data = self._parse(data)
        self._heap = (self._call("opa_heap_ptr_get") + 7) & ~7
        self._eval = self._function("opa_eval")

    @property
    def pages(self) -> int:
        """How many pages of memory it holds."""
        return self._memory.size(self._store)

    def evaluate(self, data: bytes) -> bytes:
        """Return the result set for the input `data`, as JSON."""
        self._store.set_fuel(FUEL)
        self._write(self._heap, data)
        free = (self._heap + len(data) + 7) & ~7
        return self._text(self._eval(self._store, 0, 0, self._data, self._heap, len(data), free, 0))

    def _imports(self, module: Module) -> list[Any]:
        imports: list[Any] = []
        for one in module.imports:
            kind = one.type
            imports.append(Func(self._store, kind, _stop) if isinstance(kind, FuncType) else self._memory)
        return imports

    def _check(self) -> None:
        version = [self._global(f"opa_wasm_abi_{part}") for part in ("version", "minor_version")]
        if version < [1, 2] or version[0] != 1:
            raise Unavailable(f"the policy needs ABI {version[0]}.{version[1]}, want 1.2 or later")
        entrypoints = json.loads(self._text(self._call("opa_json_dump", self._call("entrypoints"))))
        if entrypoints != {ENTRYPOINT: 0}:
            raise Unavailable(f"the policy's entrypoints are not {ENTRYPOINT} alone")
        builtins = sorted(json.loads(self._text(self._call("opa_json_dump", self._call("builtins")))))
        if builtins:
            raise Unavailable(
                f"the policy needs {builtins[0]} of its host: compile it with capabilities.json",
                builtins=builtins,
            )

    def _parse(self, data: bytes) -> int:
        address = self._call("opa_malloc", len(data))
        self._write(address, data)
        return self._call("opa_json_parse", address, len(data))

    def _write(self, address: int, data: bytes) -> None:
        missing = address + len(data) - self._memory.data_len(self._store)
        if missing > 0:
            self._memory.grow(self._store, -(-missing // _PAGE))
        self._memory.write(self._store, bytearray(data), address)

    def _text(self, address: int) -> bytes:
        text = bytearray()
        while True:
            chunk = self._memory.read(self._store, address + len(text), address + len(text) + _CHUNK)
            end = chunk.find(0)
            if end >= 0:
                return bytes(text + chunk[:end])
            if not chunk:
                raise _Stopped
            text += chunk

    def _call(self, name: str, *arguments: int) -> int:
        return int(self._function(name)(self._store, *arguments))

    def _function(self, name: str) -> Func:
        found = self._exports[name]
        if not isinstance(found, Func):
            raise Unavailable(f"the policy exports no function {name}")
        return found

    def _global(self, name: str) -> int:
        found = self._exports[name]
        if not isinstance(found, Global):
            raise Unavailable(f"the policy exports no version {name}")
        return int(found.value(self._store))


@lru_cache(maxsize=1)
def _compiled(wasm: bytes) -> tuple[Engine, Module]:
    """Compile a module, once: a quarter of a second, and a program may open its space more than once."""
    config = Config()
    config.consume_fuel = True
    # Whatever takes a signal over after wasmtime, faulthandler for one, lets a trap kill the process.
    config.signals_based_traps = False
    engine = Engine(config)
    return engine, Module(engine, wasm)


class BundlePolicy:
    """A bundle as a policy engine; any number of threads may ask at once."""

    def __init__(self, bundle: Bundle) -> None:
        """Compile the bundle and try it.

        Raises:
            Unavailable: its module is none, or none that is evaluated here.

        """
        self._bundle = bundle
        try:
            self._engine, self._module = _compiled(bundle.wasm)
            self._idle = deque([self._fresh()])
        except (Trap, WasmtimeError, _Stopped, KeyError, IndexError, ValueError) as error:
            raise Unavailable("the policy bundle holds no policy that can be evaluated") from error

    @property
    def digest(self) -> str:
        """The SHA-256 of the bundle, hex."""
        return self._bundle.digest

    @property
    def revision(self) -> str:
        """The SHA-256 of the list of its sources, hex."""
        return self._bundle.revision

    def bundle(self) -> bytes:
        """Return the bundle's bytes."""
        return self._bundle.content

    def decide(self, facts: Mapping[str, Any]) -> Decision:
        """Return the policy's decision on `facts`.

        Raises:
            Malformed: they are no facts to decide on (`check_facts`); a policy's
                own failure is a denial.

        """
        data = canonical_input(facts)
        question = Question(self._bundle.digest, self._bundle.revision, input_digest(data))
        try:
            results = json.loads(self._evaluate(data))
            document = results[0]["result"] if results else None
        except Trap as trap:
            return question.deny(TOO_COSTLY if _out_of_fuel(trap) else FAILED)
        except (WasmtimeError, _Stopped, LookupError, TypeError, ValueError):
            return question.deny(FAILED)
        return question.read(document)

    def _evaluate(self, data: bytes) -> bytes:
        machine = self._take()
        result = machine.evaluate(data)
        # Only now: a machine that failed is in an unknown state and is left to the garbage collector.
        if machine.pages <= _KEPT_PAGES:
            self._idle.append(machine)
        return result

    def _take(self) -> _Machine:
        try:
            return self._idle.pop()
        except IndexError:
            return self._fresh()

    def _fresh(self) -> _Machine:
        return _Machine(self._engine, self._module, self._bundle.data)


def _out_of_fuel(trap: Trap) -> bool:
    try:
        return trap.trap_code == TrapCode.OUT_OF_FUEL
    except ValueError:  # a code that the library does not know
        return False


def _stop(*_: Any) -> Any:
    # Its message may quote the input; nobody needs it.
    raise _Stopped
