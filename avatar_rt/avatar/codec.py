"""How an avatar's arrays become small integers in its file, and back.

Each pair keeps one promise: encode(decode(x)) == x, bit for bit, so that a loaded avatar is written
back unchanged. Steps are powers of two, or the integers are divided by their own maximum, where
rounding leads back to the same integer.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from avatar_rt.arrays import F16, F32, Array, floats32

I16_MAX, U16_MAX = 32767, 65535
SMALLEST_SCALE = 2.0**-24
"""The smallest positive float16: thinner Gaussians are widened to it."""
NO_MOTION_STEP = 2.0**-30
"""The step of a shape that moves nothing."""


def index_type(count: int) -> type[np.uint16] | type[np.uint32]:
    """The smallest integer type that holds indices below `count`."""
    return np.uint16 if count <= U16_MAX + 1 else np.uint32


class Sparse(NamedTuple):
    """A stack of E displacement fields over V points, without the points that do not move."""

    start: Array
    """(E + 1,) uint32: field e has entries start[e] … start[e + 1] - 1."""
    point: Array
    """(M,) uint16 or uint32: the point, ascending within a field."""
    delta: Array
    """(M, 3) int16, in steps."""
    step: Array
    """(E,) float32 metres, powers of two."""


def sparse_from_dense(fields: F32) -> Sparse:
    """(E, V, 3) float32 metres → Sparse; an error of at most 2⁻¹⁵ of the largest displacement."""
    count = fields.shape[1]
    steps = np.full(len(fields), NO_MOTION_STEP, np.float32)
    indices, deltas = [], []
    for e, one in enumerate(fields):
        largest = float(np.abs(one).max(initial=0.0))
        if largest > 0:
            mantissa, exponent = np.frexp(largest / I16_MAX)
            steps[e] = np.ldexp(1.0, int(exponent) - (mantissa == 0.5))
        delta = np.rint(one.astype(np.float64) / float(steps[e])).astype(np.int16)
        moving = np.flatnonzero(delta.any(1))
        indices.append(moving.astype(index_type(count)))
        deltas.append(delta[moving])
    start = np.cumsum([0, *map(len, indices)]).astype(np.uint32)
    none = np.zeros((0, 3), np.int16)
    return Sparse(
        start,
        np.concatenate([none[:, 0].astype(index_type(count)), *indices]),
        np.concatenate([none, *deltas]),
        steps,
    )


def dense_from_sparse(sparse: Sparse, count: int) -> F32:
    """Sparse → (E, V, 3) float32 metres, V = count. Raises ValueError for what cannot be one."""
    start, point = sparse.start.astype(np.int64), sparse.point.astype(np.int64)
    sizes = np.diff(start)
    if start[0] != 0 or start[-1] != len(point) or (sizes < 0).any():
        raise ValueError(f"its ranges do not cover the {len(point)} entries in order")
    if len(point) and point.max() >= count:
        raise ValueError(f"it moves vertex {point.max()} of {count}")
    field = np.repeat(np.arange(len(sizes)), sizes)
    flat = field * count + point
    if (np.diff(flat) <= 0).any():
        raise ValueError("its vertices are not in ascending order")
    if not (np.isfinite(sparse.step).all() and (sparse.step > 0).all()):
        raise ValueError("its steps are not positive numbers")
    dense = np.zeros((len(sizes) * count, 3), np.float32)
    dense[flat] = sparse.delta * sparse.step[field, None]
    return dense.reshape(len(sizes), count, 3)


def shares_from_rows(rows: F32) -> Array:
    """(N, K) non-negative rows that sum to 1 → (N, K) uint16 rows that sum to 65535."""
    shares: Array = np.rint(rows.astype(np.float64) * U16_MAX).astype(np.int64)
    if len(rows):
        largest = shares.argmax(1)
        shares[np.arange(len(rows)), largest] += U16_MAX - shares.sum(1)
    return shares.astype(np.uint16)


def rows_from_shares(shares: Array) -> F32:
    """Inverse of shares_from_rows. Raises ValueError where a row has another sum."""
    sums = shares.sum(1, dtype=np.int64)
    if (wrong := np.flatnonzero(sums != U16_MAX)).size:
        raise ValueError(f"row {wrong[0]} sums to {sums[wrong[0]] / U16_MAX:.6g}, not to 1")
    return unit_from_u16(shares)


def u16_from_unit(values: F32) -> Array:
    """Numbers in [0, 1] → uint16."""
    scaled: Array = np.rint(values.astype(np.float64) * U16_MAX)
    return scaled.astype(np.uint16)


def unit_from_u16(values: Array) -> F32:
    """uint16 → float32 in [0, 1]."""
    return floats32(values / np.float64(U16_MAX))


def i16_from_signed(values: F32) -> Array:
    """Numbers in [-1, 1] → int16; a unit quaternion's components reach 1 + rounding."""
    scaled: Array = np.rint(np.clip(values.astype(np.float64), -1, 1) * I16_MAX)
    return scaled.astype(np.int16)


def signed_from_i16(values: Array) -> F32:
    """int16 → float32 in [-1, 1]."""
    return floats32(values / np.float64(I16_MAX))


def f16_from_scales(values: F32) -> F16:
    """Positive scales → float16."""
    return np.maximum(values, SMALLEST_SCALE).astype(np.float16)
