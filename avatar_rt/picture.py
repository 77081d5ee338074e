"""What may be asked of a picture: its size, format and background, checked by name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import get_args

import numpy as np

from avatar_rt.arrays import F32, F64, floats32, floats64
from avatar_rt.errors import ParameterError
from avatar_rt.types import MAX_SIDE, Camera, PixelFormat

FORMATS: tuple[PixelFormat, ...] = get_args(PixelFormat)


def check_picture(camera: Camera, format: str) -> None:
    """Raises ParameterError for a size or format that there is not, or that do not fit."""
    size = f"{camera.width}x{camera.height}"
    if not (1 <= camera.width <= MAX_SIDE and 1 <= camera.height <= MAX_SIDE):
        raise ParameterError(f"image size {size} must lie within 1 … {MAX_SIDE} a side")
    if format not in FORMATS:
        raise ParameterError(f"format '{format}' must be one of {', '.join(FORMATS)}")
    if format in ("i420", "nv12") and (camera.width % 2 or camera.height % 2):
        raise ParameterError(f"image size {size} must be even for {format}")


def checked_background(
    background: Sequence[float] | Sequence[Sequence[float]], *shapes: tuple[int, ...]
) -> F32:
    """Colours within 0 … 1, of one of those shapes. Raises ParameterError."""
    try:
        color = floats32(background)
    except (TypeError, ValueError):
        color = floats32([])  # no numbers: of no shape that is expected
    # as Python's numbers: three are checked before NumPy's comparisons are in the cache again
    if color.shape not in shapes or not all(0 <= c <= 1 for c in color.ravel().tolist()):
        expected = "three numbers" + (" for all pictures or for each" if len(shapes) > 1 else "")
        raise ParameterError(f"background {background} must be {expected} within 0 … 1")
    return color


def stacked(name: str, matrices: list[F64], size: int) -> F64:
    """The matrices of some cameras as (B, size, size). Raises ParameterError, which names one that
    has another shape."""
    for k, matrix in enumerate(matrices):
        if np.shape(matrix) != (size, size):
            raise ParameterError(f"camera {k}'s {name} must be {size}x{size}")
    return floats64(matrices)
