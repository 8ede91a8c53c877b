"""A zone's part of a joint statistic, and the sum of parts: the classes that live in worker processes.

For each value of a part, that is for each measure of each cell, modulo t:

1. the exact value, clamped and bounded as in a cube; zero where the cell has too few subjects;
2. plus integer Laplace noise of this zone's own, at the whole epsilon it charges;
3. plus a mask for each other peer: numbers uniform modulo t that both derive from their shared key and
   the job, and that one adds and the other subtracts. Of all peers together they add up to zero;
4. encrypted under the consumer's key, in a process that never saw the value without its masks.

A part alone, and any set of parts that is not of all peers, is uniform modulo t
whoever decrypts it: also for the coordinator and the consumer together. What
all other peers and the consumer together can find is this zone's noised values,
and these it could have released by itself.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, TypeAlias

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from dataspace.errors import Malformed
from dataspace.privacy.noise import add_noise, margin
from dataspace.privacy.suppression import Cells, Key, suppress
from dataspace.wire.joint import Job, Measure
from dataspace.wire.parameters import ParameterSet, parameter_set

Words: TypeAlias = "np.ndarray[tuple[int], np.dtype[np.uint64]]"

ADD: Final = 1
SUBTRACT: Final = -1
_SPARE: Final = 64  # words drawn beyond those needed: one in seven million is not below t


class Masker:
    """Computes parts from exact cells; no byte that a consumer could choose but the job comes here."""

    def part(self, request: Mapping[str, Any]) -> dict[str, bytes]:
        """Return `{"values": 64-bit words}` for `{"cells", "job", "peer", "min_group", "masks"}`.

        `masks`: for each other peer `[seed, ADD or SUBTRACT]`, the seed 32 bytes that are of this job alone.

        Raises:
            Malformed: the cells are not those of the job.

        """
        job = Job.decode(request["job"])
        exact = Cells.from_json(request["cells"])
        values = noised(exact, job, request["peer"], request["min_group"])
        masked = mask(values, [(bytes(seed), int(sign)) for seed, sign in request["masks"]], job.limits)
        return {"values": masked.astype("<u8").tobytes()}


class Adder:
    """Encrypts masked values, reads the parts of other zones, and adds them up: the process with TenSEAL."""

    def __init__(self) -> None:
        # Here and not above: the process that has the exact cells runs no SEAL.
        from dataspace.bfv.scheme import Scheme  # noqa: PLC0415

        self._scheme = Scheme
        self._schemes: dict[str, Any] = {}

    def admit(self, request: Mapping[str, Any]) -> dict[str, bool]:
        """Check `{"parameters", "context"}` before anything is computed for it.

        Raises:
            Malformed: the context is none of the parameter set, or SEAL refuses it.
            Unprocessable: it holds a secret key.

        """
        self._encryptor(request)
        return {"admitted": True}

    def encrypt(self, request: Mapping[str, Any]) -> dict[str, list[bytes]]:
        """Return `{"vectors": streams}` of `{"values", "parameters", "context"}`; raises as `admit`."""
        import tenseal.sealapi as seal  # noqa: PLC0415

        parameters, scheme = self._of(request["parameters"])
        encryptor, vectors = self._encryptor(request), []
        values = np.frombuffer(request["values"], "<u8")
        for start in range(0, len(values), parameters.slots):
            cipher = seal.Ciphertext()
            encryptor.encrypt(scheme.encode(values[start : start + parameters.slots].tolist()), cipher)
            vectors.append(scheme.save(cipher))
        return {"vectors": vectors}

    def check(self, request: Mapping[str, Any]) -> dict[str, int]:
        """Return how many of `{"parameters", "vectors"}` are fresh ciphertexts: all of them.

        Raises:
            Malformed: one is none.

        """
        parameters, scheme = self._of(request["parameters"])
        return {"vectors": sum(1 for _ in self._loaded(scheme, parameters, request["vectors"]))}

    def add(self, request: Mapping[str, Any]) -> dict[str, list[bytes]]:
        """Return `{"vectors": TenSEAL's}`, the sums of `{"parameters", "parts": the vectors of each peer}`.

        Raises:
            Malformed: a vector is no fresh ciphertext, or a part has another number of them.

        """
        from dataspace.bfv.ciphertext import write_vector  # noqa: PLC0415

        parameters, scheme = self._of(request["parameters"])
        parts = [list(part) for part in request["parts"]]
        if len({len(part) for part in parts}) != 1:
            raise Malformed("malformed part: another number of ciphertexts than the others")
        found = []
        for place in range(len(parts[0])):
            total, *others = self._loaded(scheme, parameters, [part[place] for part in parts])
            for other in others:
                scheme.evaluator.add_inplace(total, other)
            for _ in range(len(parameters.coefficient_moduli) - 1 - parameters.answer_moduli):
                scheme.evaluator.mod_switch_to_next_inplace(total)
            found.append(write_vector(scheme.save(total), parameters.slots))
        return {"vectors": found}

    def _encryptor(self, request: Mapping[str, Any]) -> Any:
        import tenseal.sealapi as seal  # noqa: PLC0415

        from dataspace.bfv.ciphertext import read_context  # noqa: PLC0415

        parameters, scheme = self._of(request["parameters"])
        stream = read_context(request["context"], parameters)
        try:
            return seal.Encryptor(scheme.context, scheme.load(seal.PublicKey(), stream))
        except _refusals() as error:
            raise Malformed("malformed context: SEAL refuses its key") from error

    def _of(self, name: str) -> tuple[ParameterSet, Any]:
        parameters = parameter_set(name)
        if name not in self._schemes:
            self._schemes[name] = self._scheme(parameters)
        return parameters, self._schemes[name]

    def _loaded(self, scheme: Any, parameters: ParameterSet, streams: Iterable[bytes]) -> Iterable[Any]:
        import tenseal.sealapi as seal  # noqa: PLC0415

        from dataspace.bfv.stream import read_pair  # noqa: PLC0415

        for stream in streams:
            checked = read_pair(memoryview(bytes(stream)), parameters, key=False)
            try:
                yield scheme.load(seal.Ciphertext(), checked)
            except _refusals() as error:
                raise Malformed("malformed ciphertext: SEAL refuses it") from error


def noised(exact: Cells, job: Job, peer: str, min_group: int) -> list[int]:
    """Return a zone's values in the order of a part; every call draws new noise, and costs the whole epsilon.

    Raises:
        Malformed: the cells are not those of the job, or a subject has more rows in them than it allows.

    """
    _check(exact, job)
    places = {_typed(key): place for place, key in enumerate(exact.keys)}
    wanted = [places.get(_typed(cell)) for cell in job.cells]
    there = [place for place in wanted if place is not None]
    shown = dict(zip(there, _enough(exact, there, job, min_group), strict=True))
    found: list[int] = []
    for measure in job.measures:
        column = exact.sums[measure.column] if measure.column else exact.count
        values = [column[place] if place is not None and shown[place] else 0 for place in wanted]
        drawn = add_noise(values, sensitivity=job.sensitivity(measure), epsilon=job.share)
        # What is clamped is noised already, so that it tells nothing; and no total can pass t / 2.
        reach = job.reach(measure, peer)
        found += [max(-reach, min(reach, value)) for value in drawn]
    return found


def mask(values: Sequence[int], masks: Sequence[tuple[bytes, int]], parameters: ParameterSet) -> Words:
    """Return `values` modulo t with every mask added or subtracted.

    Raises:
        Malformed: a seed is not 32 bytes, or a sign is neither `ADD` nor `SUBTRACT`.

    """
    modulus = np.uint64(parameters.plain_modulus)
    total = np.array([value % parameters.plain_modulus for value in values], np.uint64)
    for seed, sign in masks:
        if len(seed) != 32 or sign not in (ADD, SUBTRACT):
            raise Malformed("malformed mask: want a seed of 32 bytes, and a sign")
        drawn = stream(seed, len(values), parameters)
        total = (total + (drawn if sign == ADD else modulus - drawn)) % modulus
    return total


def stream(seed: bytes, count: int, parameters: ParameterSet) -> Words:
    """Return `count` numbers uniform modulo t, always the same of one seed: AES-256-CTR, and rejection.

    A seed MUST be used for one job alone, so that the counter may begin at zero.
    """
    shift = np.uint64(64 - parameters.plain_modulus.bit_length())
    encryptor = Cipher(algorithms.AES(seed), modes.CTR(bytes(16))).encryptor()
    found: list[Words] = []
    while (missing := count - sum(map(len, found))) > 0:
        words = np.frombuffer(encryptor.update(bytes(8 * (missing + _SPARE))), "<u8") >> shift
        found.append(words[words < np.uint64(parameters.plain_modulus)])
    return np.concatenate([*found, np.empty(0, np.uint64)])[:count]


def _enough(exact: Cells, places: Sequence[int], job: Job, min_group: int) -> list[bool]:
    """Return which cells have enough subjects: told by noised numbers, so that it costs its share of epsilon.

    Never at the cost of the minimum: noise that passes its margin, once in a million, shows nothing.
    """
    few = [exact.subjects[place] for place in places]
    below = margin(sensitivity=job.max_rows, epsilon=job.share)
    seen = add_noise(few, sensitivity=job.max_rows, epsilon=job.share)
    counted = [
        max(0, noised - below) if subjects >= min_group or noised - below < min_group else 0
        for subjects, noised in zip(few, seen, strict=True)
    ]
    return suppress([exact.keys[place] for place in places], counted, min_group, job.max_rows)


def _check(exact: Cells, job: Job) -> None:
    """Check what the sensitivity rests on, as far as totals can show it."""
    summed = {measure.column: measure for measure in job.measures if measure.column}
    if exact.sums.keys() != summed.keys() or any(len(key) != len(job.dimensions) for key in exact.keys):
        raise Malformed("malformed cells: not the dimensions and sums of the job")
    if any(rows > job.max_rows * few for few, rows in zip(exact.subjects, exact.count, strict=True)):
        raise Malformed("malformed cells: a subject has more rows than max_rows")
    for name, measure in summed.items():
        _check_sums(exact.sums[name], exact.count, measure)


def _check_sums(column: Sequence[int], count: Sequence[int], measure: Measure) -> None:
    if any(abs(value) > rows * measure.peak for value, rows in zip(column, count, strict=True)):
        raise Malformed(f"malformed cells: values of {measure.name} were not clamped to low and high")


def _typed(key: Key) -> tuple[tuple[type, object], ...]:
    # True equals 1 as a dictionary key, and the type tells them apart.
    return tuple((type(value), value) for value in key)


def _refusals() -> tuple[type[Exception], ...]:
    from dataspace.bfv.scheme import REFUSALS  # noqa: PLC0415

    return REFUSALS
