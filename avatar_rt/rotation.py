"""Rotations as axis-angle vectors, and the few conversions between them and matrices.

Axes follow the head: x to the subject's left, y up, z out of the face. All turns are right-handed:
positive yaw (about +y) turns the head to its own left, positive pitch (about +x) nods it down,
positive roll (about +z) leans it towards its own right shoulder.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from avatar_rt.arrays import F64, floats64


def matrix_from_axis_angle(axis_angle: ArrayLike) -> F64:
    """(..., 3) radians → (..., 3, 3) rotation matrices (Rodrigues)."""
    v = floats64(axis_angle)
    angle = np.linalg.norm(v, axis=-1)[..., None, None]
    x, y, z = v[..., 0], v[..., 1], v[..., 2]
    zero = np.zeros_like(x)
    k = np.stack([zero, -z, y, z, zero, -x, -y, x, zero], -1).reshape(*v.shape[:-1], 3, 3)
    # sin(t)/t and (1-cos t)/t² by np.sinc, which is exact at zero
    a = np.sinc(angle / np.pi)
    b = 0.5 * np.sinc(angle / (2 * np.pi)) ** 2
    return floats64(np.eye(3) + a * k + b * (k @ k))


def axis_angle_from_matrix(matrix: ArrayLike) -> F64:
    """(3, 3) rotation matrix → (3,) axis-angle in radians, angle within [0, π]."""
    m = floats64(matrix)
    w = np.array([m[2, 1] - m[1, 2], m[0, 2] - m[2, 0], m[1, 0] - m[0, 1]])
    sin2, cos = float(np.linalg.norm(w)), float(np.trace(m)) - 1.0
    angle = np.arctan2(sin2, cos)
    if sin2 > 1e-6:
        return floats64(w / sin2 * angle)
    if cos > 0:
        return floats64(w / 2)
    # half a turn: the axis is the dominant column of (R + 1) / 2
    s = (m + np.eye(3)) / 2
    axis = s[:, int(np.argmax(np.diag(s)))]
    return floats64(axis / np.linalg.norm(axis) * angle)


def matrix_from_euler(yaw: float, pitch: float, roll: float) -> F64:
    """Yaw about +y, then pitch about +x, then roll about +z (radians): R = Ry Rx Rz, (3, 3)."""
    y, x, z = (matrix_from_axis_angle(v) for v in ([0, yaw, 0], [pitch, 0, 0], [0, 0, roll]))
    return floats64(y @ x @ z)


def euler_from_matrix(matrix: ArrayLike) -> tuple[float, float, float]:
    """(yaw, pitch, roll) in radians of R = Ry Rx Rz; pitch within ±π/2."""
    m = floats64(matrix)
    pitch = float(np.arcsin(np.clip(-m[1, 2], -1.0, 1.0)))
    return (
        float(np.arctan2(m[0, 2], m[2, 2])),
        pitch,
        float(np.arctan2(m[1, 0], m[1, 1])),
    )


def matrices_from_quaternions(quats: ArrayLike) -> F64:
    """(..., 4) unit wxyz → (..., 3, 3) rotation matrices."""
    w, x, y, z = np.moveaxis(floats64(quats), -1, 0)
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]
    return floats64(np.stack([np.stack(row, -1) for row in rows], -2))


def quaternions_from_matrices(matrices: ArrayLike) -> F64:
    """(..., 3, 3) rotation matrices → (..., 4) unit wxyz; of q and -q either may be given.

    4·q·qᵀ is linear in the matrix; its row with the largest diagonal entry is q up to a factor,
    and far from zero (Shepperd 1978).
    """
    m = np.moveaxis(floats64(matrices), (-2, -1), (0, 1))
    a, b, c = m[2, 1] - m[1, 2], m[0, 2] - m[2, 0], m[1, 0] - m[0, 1]
    d, e, f = m[1, 0] + m[0, 1], m[0, 2] + m[2, 0], m[2, 1] + m[1, 2]
    diagonal = [
        1 + m[0, 0] + m[1, 1] + m[2, 2],
        1 + m[0, 0] - m[1, 1] - m[2, 2],
        1 - m[0, 0] + m[1, 1] - m[2, 2],
        1 - m[0, 0] - m[1, 1] + m[2, 2],
    ]
    rows = [
        [diagonal[0], a, b, c],
        [a, diagonal[1], d, e],
        [b, d, diagonal[2], f],
        [c, e, f, diagonal[3]],
    ]
    outer = np.stack([np.stack(row, -1) for row in rows], -2)
    chosen = np.argmax(np.stack(diagonal, -1), -1)[..., None, None]
    q = np.take_along_axis(outer, chosen, -2)[..., 0, :]
    return floats64(q / np.linalg.norm(q, axis=-1, keepdims=True))
