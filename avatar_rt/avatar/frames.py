"""The frames that triangles give to the Gaussians riding on them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from avatar_rt.arrays import F32, F64, I32, floats64

if TYPE_CHECKING:
    from avatar_rt.avatar.model import TriangleFrame


def triangle_frames(vertices: F32 | F64, faces: I32, frame: TriangleFrame) -> F64:
    """The frame M of each triangle, as avatar_rt.avatar.Gaussians defines it, in double precision.

    vertices (V, 3), faces (F, 3) → (F, 3, 3); the columns of M are the axes. A triangle without
    area has a frame of zeros where no axis can be told.
    """
    corners = floats64(vertices)[faces]
    e1, e2 = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    normal = np.cross(e1, e2)
    doubled_area = np.linalg.norm(normal, axis=1, keepdims=True)
    n = normal / np.maximum(doubled_area, 1e-30)
    if frame == "affine":
        return np.stack([e1, e2, n * np.sqrt(doubled_area)], -1)
    base = np.linalg.norm(e1, axis=1, keepdims=True)
    a0 = e1 / np.maximum(base, 1e-30)
    a2 = np.cross(a0, n)
    height = np.abs((a2 * e2).sum(1, keepdims=True))
    scale = (base + height) / 2
    return floats64(np.stack([a0, n, a2], -1) * scale[..., None])
