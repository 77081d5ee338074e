"""Short names for NumPy array types and the coercions that go with them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

F16 = NDArray[np.float16]
F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
I16 = NDArray[np.int16]
I32 = NDArray[np.int32]
I64 = NDArray[np.int64]
U8 = NDArray[np.uint8]
Bool = NDArray[np.bool_]
Array = NDArray[Any]


def floats32(values: ArrayLike) -> F32:
    """`values` as a C-contiguous float32 array; no copy where it is one already."""
    return np.ascontiguousarray(values, dtype=np.float32)


def floats64(values: ArrayLike) -> F64:
    """`values` as a C-contiguous float64 array; no copy where it is one already."""
    return np.ascontiguousarray(values, dtype=np.float64)


def ints32(values: ArrayLike) -> I32:
    """`values` as a C-contiguous int32 array; no copy where it is one already."""
    return np.ascontiguousarray(values, dtype=np.int32)
