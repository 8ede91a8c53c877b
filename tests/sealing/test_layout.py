"""Where the rows of cells stand: every slot is of one cell, in all blocks, and none is lost."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from dataspace.bfv.sealed import by_block, slot_weights
from dataspace.wire.sealed import BLOCK_ROWS, CELLS_LIMIT, depth, slots

COUNTS = st.lists(st.integers(1, 40_000), min_size=1, max_size=40)


@settings(max_examples=40)
@given(counts=COUNTS)
def test_a_weight_of_a_slot_is_the_weight_of_every_row_in_it(counts: list[int]) -> None:
    blocks = depth(counts)
    weights = list(range(1, len(counts) + 1))
    of_rows = np.repeat(np.array(weights, np.int64), counts)
    table = by_block(of_rows, counts, blocks)
    mask = slot_weights(weights, counts, blocks)
    assert table.shape == (blocks, BLOCK_ROWS)
    # What stands in a slot is of its cell, or nothing: and every row stands somewhere.
    assert ((table == mask) | (table == 0)).all()
    assert np.bincount(table.ravel(), minlength=len(counts) + 1)[1:].tolist() == counts


@settings(max_examples=40)
@given(counts=COUNTS)
def test_there_are_as_few_blocks_as_give_every_cell_slots_of_its_own(counts: list[int]) -> None:
    blocks = depth(counts)
    assert sum(slots(counts, blocks)) <= BLOCK_ROWS
    assert blocks == 1 or sum(slots(counts, blocks - 1)) > BLOCK_ROWS


@given(large=st.integers(1, 1 << 40), cells=st.integers(1, CELLS_LIMIT))
def test_cells_that_fill_no_slot_at_most_double_a_dataset(large: int, cells: int) -> None:
    counts = [large, *([1] * (cells - 1))]
    assert depth(counts) <= 2 * -(-sum(counts) // BLOCK_ROWS)
