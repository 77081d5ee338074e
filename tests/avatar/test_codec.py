"""The file's small integers: near what they stand for, and the same after a second round."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from avatar_rt.arrays import Array, floats32
from avatar_rt.avatar import codec

seeds = st.integers(0, 2**32 - 1)


@given(seeds, st.floats(1e-7, 1.0))
@settings(max_examples=60)
def test_sparse_round_trip(seed: int, largest: float) -> None:
    rng = np.random.default_rng(seed)
    dense = floats32(rng.normal(size=(4, 50, 3)) * largest)
    dense[:, rng.random(50) < 0.7] = 0
    dense[2] = 0
    sparse = codec.sparse_from_dense(dense)
    back = codec.dense_from_sparse(sparse, 50)
    assert np.abs(back - dense).max() <= np.abs(dense).max() * 2.0**-15
    again = codec.sparse_from_dense(back)
    for one, other in zip(sparse, again, strict=True):
        assert np.array_equal(one, other)


@pytest.mark.parametrize("largest", [2.0**-10, 32767 * 2.0**-20, 32768 * 2.0**-20, 1e-30])
def test_sparse_steps_at_their_edges(largest: float) -> None:
    dense = np.zeros((1, 3, 3), np.float32)
    dense[0, 1, 2] = -largest
    sparse = codec.sparse_from_dense(dense)
    back = codec.dense_from_sparse(sparse, 3)
    assert back[0, 1, 2] == pytest.approx(-largest, rel=2**-13)
    assert np.array_equal(codec.sparse_from_dense(back).delta, sparse.delta)


def test_sparse_of_nothing() -> None:
    sparse = codec.sparse_from_dense(np.zeros((0, 7, 3), np.float32))
    assert codec.dense_from_sparse(sparse, 7).shape == (0, 7, 3)


@given(seeds, st.integers(1, 6))
@settings(max_examples=60)
def test_rows_round_trip(seed: int, columns: int) -> None:
    rng = np.random.default_rng(seed)
    rows = floats32(rng.dirichlet(np.full(columns, 0.3), 40))
    shares = codec.shares_from_rows(rows)
    back = codec.rows_from_shares(shares)
    assert np.abs(back - rows).max() < columns / 65535
    assert np.abs(back.sum(1, dtype=np.float64) - 1).max() < 1e-6
    assert np.array_equal(codec.shares_from_rows(back), shares)


@pytest.mark.parametrize(
    ("encode", "decode", "numbers"),
    [
        (codec.u16_from_unit, codec.unit_from_u16, np.arange(65536, dtype=np.uint16)),
        (codec.i16_from_signed, codec.signed_from_i16, np.arange(-32767, 32768, dtype=np.int16)),
    ],
)
def test_every_integer_comes_back(
    encode: Callable[[Array], Array], decode: Callable[[Array], Array], numbers: Array
) -> None:
    assert np.array_equal(encode(decode(numbers)), numbers)


def test_index_type_holds_its_indices() -> None:
    assert np.iinfo(codec.index_type(65536)).max >= 65535
    assert np.iinfo(codec.index_type(65537)).max >= 65536
