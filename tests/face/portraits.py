"""Pictures of a real face, of every size and kind, from scikit-image's public-domain astronaut."""

from __future__ import annotations

import cv2
import numpy as np
import skimage.data

from avatar_rt.arrays import F32, U8, floats32

FACE = floats32([175.0, 75.0, 277.0, 176.0])
"""Where the face is in the astronaut's picture, to a few pixels: brows to chin."""


def astronaut() -> U8:
    """(512, 512, 3)."""
    return np.asarray(skimage.data.astronaut(), np.uint8)  # type: ignore[no-untyped-call]


def resized(scale: float) -> U8:
    """The whole picture, `scale` times as large."""
    shrink = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    picture = cv2.resize(astronaut(), None, fx=scale, fy=scale, interpolation=shrink)
    return np.asarray(picture, np.uint8)


def on_canvas(scale: float, x: int, y: int, width: int, height: int) -> tuple[U8, F32]:
    """The head alone, `scale` times as large, on a grey canvas at (x, y); and its face's box."""
    head = cv2.resize(
        astronaut()[10:200, 140:310], None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA
    )
    canvas = np.full((height, width, 3), 128, np.uint8)
    canvas[y : y + head.shape[0], x : x + head.shape[1]] = head
    box = (FACE - floats32([140, 10, 140, 10])) * scale + floats32([x, y, x, y])
    return canvas, floats32(box)


def overlap(a: F32, b: F32) -> float:
    """Shared area over joint area of two boxes."""
    w = max(0.0, float(min(a[2], b[2]) - max(a[0], b[0])))
    h = max(0.0, float(min(a[3], b[3]) - max(a[1], b[1])))
    areas = [float((c[2] - c[0]) * (c[3] - c[1])) for c in (a, b)]
    return w * h / (sum(areas) - w * h)
