"""The history check against brute force over the rationals, and its bounds."""

import itertools
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataspace.privacy.atoms import Number, Release, Wording
from dataspace.privacy.history import History
from dataspace.privacy.isolation import STEPS_LIMIT, UncheckedError, isolates
from dataspace.privacy.span import Span, drawn_prime, product

_Vectors = list[list[int]]


def _released(codes: Sequence[int], words: str = "", **settings: object) -> Release:
    """Return counts of groups, numbered from 1, under words that explain nothing else."""
    wording = Wording({words: frozenset({"a column"})})
    return Release(np.array(codes, np.int64), max(codes), (Number(),), wording, **settings)  # type: ignore[arg-type]


def _rank(vectors: _Vectors) -> int:
    rows, rank = [[Fraction(value) for value in vector] for vector in vectors], 0
    for column in range(len(rows[0]) if rows else 0):
        pivot = next((i for i in range(rank, len(rows)) if rows[i][column]), None)
        if pivot is None:
            continue
        rows[rank], rows[pivot] = rows[pivot], rows[rank]
        for i in range(rank + 1, len(rows)):
            factor = rows[i][column] / rows[rank][column]
            rows[i] = [a - factor * b for a, b in zip(rows[i], rows[rank], strict=True)]
        rank += 1
    return rank


def _told(vectors: _Vectors, rows: set[int]) -> int:
    """Return the dimension of what follows about these rows alone."""
    others = [[vector[i] for i in range(len(vector)) if i not in rows] for vector in vectors]
    return _rank(vectors) - _rank(others)


def _brute(before: _Vectors, after: _Vectors, subjects: Sequence[int], minimum: int) -> bool:
    """Tell whether more follows about some few subjects than did before."""
    for few in range(1, minimum):
        for chosen in itertools.combinations(sorted(set(subjects)), few):
            rows = {row for row, subject in enumerate(subjects) if subject in chosen}
            if _told(after, rows) > _told(before, rows):
                return True
    return False


@st.composite
def _histories(draw: st.DrawFn) -> tuple[list[int], int, list[list[int]]]:
    rows = draw(st.integers(3, 9))
    subjects = draw(st.lists(st.integers(0, rows - 1), min_size=rows, max_size=rows))
    asked = st.lists(st.integers(0, draw(st.integers(1, 3))), min_size=rows, max_size=rows)
    return subjects, draw(st.integers(1, 4)), draw(st.lists(asked.filter(any), max_size=6))


@settings(max_examples=200)
@given(_histories())
def test_qy_05_qy_06_qy_15_nothing_is_answered_that_brute_force_finds_isolating(
    drawn: tuple[list[int], int, list[list[int]]],
) -> None:
    subjects, minimum, asked = drawn
    history, vectors = History.begun(len(subjects), np.array(subjects)), [[1] * len(subjects)]
    for place, codes in enumerate(asked):
        more = [[int(code == group) for code in codes] for group in range(1, max(codes) + 1)]
        after, verdict = history.after(_released(codes, str(place)), minimum)
        assert not verdict.unchecked
        if _brute(vectors, vectors + more, subjects, minimum):
            assert verdict.isolates
        elif not verdict.adds:
            assert _rank(vectors + more) == _rank(vectors)
        if not verdict.isolates:
            history, vectors = after, vectors + more


@settings(max_examples=200)
@given(_histories())
def test_what_does_not_isolate_and_does_not_follow_is_answered(
    drawn: tuple[list[int], int, list[list[int]]],
) -> None:
    subjects, minimum, asked = drawn
    history, vectors = History.begun(len(subjects), np.array(subjects)), [[1] * len(subjects)]
    for place, codes in enumerate(asked):
        more = [[int(code == group) for code in codes] for group in range(1, max(codes) + 1)]
        after, verdict = history.after(_released(codes, str(place)), minimum)
        follows = any(_rank([*vectors, vector]) == _rank(vectors) for vector in more if any(vector))
        if verdict.isolates and not follows:
            assert _brute(vectors, vectors + more, subjects, minimum)
        if not verdict.isolates:
            history, vectors = after, vectors + more


_LINES = [(0, 1, 2), (0, 3, 4), (0, 5, 6), (1, 3, 5), (1, 4, 6), (2, 3, 6), (2, 4, 5)]  # of the Fano plane


def _answered() -> int:
    """Ask for the sum of every line of seven points, one subject each; return how many are answered."""
    history, given = History.begun(7), 0
    for line in _LINES:
        release = _released([int(point in line) for point in range(7)])
        # By these words whatever follows may be answered.
        release = replace(release, wording=Wording(group=frozenset({"a column"}), whole=True))
        after, verdict = history.after(release, 2)
        if not verdict.isolates:
            history, given = after, given + 1
    return given


def test_qy_15_a_prime_that_the_asker_knows_can_be_met_so_it_is_drawn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Seven lines tell all seven points; in the field of two elements three of them look as if they followed.
    assert _rank([[int(point in line) for point in range(7)] for line in _LINES]) == 7
    assert _answered() < 7
    monkeypatch.setattr("dataspace.privacy.history.drawn_prime", lambda: 2)
    assert _answered() == 7
    assert len({drawn_prime() for _ in range(20)}) == 20


def test_products_of_residues_are_exact() -> None:
    prime, drawn = drawn_prime(), np.random.default_rng(5)
    left, right = drawn.integers(0, prime, (7, 300)), drawn.integers(0, prime, (300, 1500))
    exact = [[int(a) for a in row] for row in left]
    found = product(left, right, prime)
    for row, column in ((0, 0), (3, 700), (6, 1499)):
        assert (
            found[row, column]
            == sum(a * int(b) for a, b in zip(exact[row], right[:, column], strict=True)) % prime
        )


def test_a_part_of_a_number_that_has_no_value_is_not_in_a_sum() -> None:
    """Sums over twenty, of whom nineteen have no value in either: what differs is one value."""
    filled = np.array([True] * 20 + [False] * 19 + [True])
    told = {"income": filled}
    first = Release(
        np.ones(40, np.int64), 1, (Number("income", "income"),), Wording({"a": frozenset("a")}), told
    )
    history, verdict = History.begun(40).after(first, 10)
    assert verdict.adds
    assert not verdict.isolates
    second = Release(np.array([1] * 20 + [0] * 20), 1, (Number("income", "income"),), filled=told)
    assert history.after(second, 10)[1].isolates


def test_what_rows_leave_is_known_and_what_is_left_must_be_enough() -> None:
    seen = np.array([True] * 96 + [False] * 4)
    half = _released([1] * 48 + [0] * 48 + [1] * 2 + [0] * 2)
    assert not History.begun(100).after(half, 10)[1].isolates
    assert History.begun(100, seen=seen).after(half, 10)[1].isolates


def test_a_cube_counts_beside_exact_answers_and_excuses_none() -> None:
    cells = _released([1] * 50 + [2] * 50)
    less = _released([1] * 49 + [0] * 51)
    assert not History.begun(100).after(less, 10)[1].isolates
    with_cube = History.begun(100).beside(cells)
    assert with_cube.after(less, 10)[1].isolates
    # A noised cell of one tells of that one only so much: an exact count of the others is refused still.
    tiny = History.begun(100).beside(_released([1] * 99 + [2]))
    assert tiny.after(_released([1] * 99 + [0]), 10)[1].isolates


def _filled_by_cubes() -> bool:
    """Take four cubes over other cells each; tell whether a count is answered then."""
    rows, history = np.arange(400), History.begun(400)
    for width in (10, 20, 25, 40):
        with suppress(UncheckedError):
            history = history.beside(_released((rows // width + 1).tolist()))
    return not history.after(_released((rows % 4 < 2).astype(int).tolist()), 10)[1].unchecked


def test_qy_10_cubes_do_not_fill_the_room_of_exact_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dataspace.privacy.history.CELLS_LIMIT", 4000)
    assert _filled_by_cubes()
    monkeypatch.setattr("dataspace.privacy.history.CUBES_SHARE", 1)
    assert not _filled_by_cubes()


@pytest.mark.parametrize("limit", ["CELLS_LIMIT", "SETS_LIMIT", "ATOMS_LIMIT"])
def test_an_answer_beyond_the_room_is_unchecked_before_it_is_laid_out(
    limit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"dataspace.privacy.history.{limit}", 1)
    monkeypatch.setattr(Span, "split", None)
    half = _released([1] * 20 + [0] * 20)
    assert History.begun(40).after(half, 10)[1].unchecked


def test_what_was_known_before_is_no_reason_to_refuse() -> None:
    # Rows that leave, and how many rows there are, tell of the four others together.
    seen = np.array([True] * 96 + [False] * 4)
    history = History.begun(100, seen=seen)
    assert not history.after(replace(_released([1] * 100), wording=Wording()), 10)[1].isolates
    assert not history.after(_released([1] * 48 + [0] * 52), 10)[1].isolates


def test_a_search_ends_when_it_takes_too_long() -> None:
    """Sixty atoms of one subject in general position, of which fewer than ten may not be told."""
    prime = drawn_prime()
    drawn = np.random.default_rng(11).integers(1, prime, (30, 30))
    space = np.hstack([np.eye(30, dtype=np.int64), drawn])
    start = time.thread_time()
    with pytest.raises(UncheckedError):
        isolates(
            space,
            {n: frozenset({n}) for n in range(60)},
            25,
            prime,
            lambda vectors: np.zeros(len(vectors), bool),
        )
    assert time.thread_time() - start < 20
    assert STEPS_LIMIT < 10_000


def test_an_answer_of_more_groups_than_there_is_room_for_is_unchecked() -> None:
    rows = 20_000
    release = _released(list(range(1, rows + 1)))
    assert History.begun(rows).after(release, 1)[1].unchecked


@settings(max_examples=50)
@given(st.integers(1, 6), st.integers(1, 8), st.data())
def test_a_span_holds_what_was_joined_and_no_more_however_atoms_split(
    rows: int, atoms: int, data: st.DataObject
) -> None:
    vectors = np.array(
        data.draw(
            st.lists(
                st.lists(st.integers(0, 1), min_size=atoms, max_size=atoms), min_size=rows, max_size=rows
            )
        )
    )
    large = np.array(data.draw(st.lists(st.booleans(), min_size=atoms, max_size=atoms)))
    span = Span.empty(drawn_prime(), atoms).joined(vectors, large)
    assert span.rank == _rank(vectors.tolist())
    assert span.holds(vectors).all()
    parents = np.array([*range(atoms), *data.draw(st.lists(st.integers(0, atoms - 1), max_size=4))])
    split = span.split(
        parents, np.array(data.draw(st.lists(st.booleans(), min_size=len(parents), max_size=len(parents))))
    )
    assert split.holds(vectors[:, parents]).all()
    assert split.rank == span.rank
