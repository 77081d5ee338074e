"""Small tools for values over a picture's pixels."""

from __future__ import annotations

import cv2
import numpy as np
from scipy import ndimage

from avatar_rt.arrays import F32, Array, Bool, floats32


def step(values: Array, low: float, high: float) -> F32:
    """0 below `low`, 1 above `high`, smooth between."""
    t = np.clip((values - low) / (high - low), 0, 1)
    return floats32(t * t * (3 - 2 * t))


def at_pixels(image: F32, pixels: F32) -> F32:
    """(H, W) or (H, W, C) bilinear at (N, 2) pixel positions; the border continues outside."""
    rows = -(-len(pixels) // 1024)
    # remap wants a picture of positions no wider than 32767
    grid = np.zeros((rows * 1024, 2), np.float32)
    grid[: len(pixels)] = pixels - 0.5
    x, y = (np.ascontiguousarray(grid[:, k]).reshape(rows, 1024) for k in (0, 1))
    out = cv2.remap(image, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return floats32(out.reshape(rows * 1024, -1)[: len(pixels)].squeeze())


def signed_distance(mask: Bool) -> F32:
    """(H, W) pixels inside a mask's edge; negative outside."""
    inside, outside = (ndimage.distance_transform_edt(m) for m in (mask, ~mask))
    return floats32(np.where(mask, inside - 0.5, 0.5 - outside))
