"""What must hold for an avatar's arrays, whoever made them: shapes, ranges, indices, order."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from avatar_rt.arkit import ARKIT_NAMES
from avatar_rt.arrays import Array
from avatar_rt.avatar.model import Avatar, Gaussians, Landmarks
from avatar_rt.head.rig import JOINT_NAMES, Rig

MAX_VERTICES = 500_000
MAX_GAUSSIANS = 4_000_000
MAX_SHAPES = 1024
MAX_DENSE = 64_000_000
"""Numbers in a dense basis: what a file may make the loader allocate, 256 MB."""
LANDMARKS = 478
_METRES = 10.0
_ROW_SUM = 1e-4
_UNIT = 1e-3
_NEEDLE = 1e-6
"""Height by longest side below which rounding alone says which way a triangle faces."""

Problem = tuple[str, str]
"""The array that is wrong, and how."""


def problems(avatar: Avatar) -> Iterator[Problem]:
    """Whatever is wrong with an avatar, in reading order; nothing for a good one.

    Later checks rely on earlier ones: whoever asks should stop at the first.
    """
    yield from _rig_problems(avatar.rig)
    yield from _gaussian_problems(avatar.gaussians, avatar.rig)
    if avatar.landmarks is not None:
        yield from _landmark_problems(avatar.landmarks, len(avatar.rig.faces))


def _floats(
    field: str, array: Array, shape: tuple[int | str, ...], low: float, high: float
) -> Iterator[Problem]:
    """A float32 array of that shape (a string stands for any size) within [low, high]."""
    yield from _shape(field, array, shape, np.float32)
    if not np.isfinite(array).all():
        yield field, f"{_where(~np.isfinite(array))} is not a finite number"
    outside = (array < low) | (array > high)
    if outside.any():
        yield field, f"{_where(outside)} is {array[outside][0]:.6g}, outside [{low:g}, {high:g}]"


def _shape(
    field: str, array: Array, shape: tuple[int | str, ...], dtype: type[np.generic]
) -> Iterator[Problem]:
    expected = ", ".join(map(str, shape)) + ("," if len(shape) == 1 else "")
    fits = array.ndim == len(shape) and all(
        isinstance(want, str) or want == have for want, have in zip(shape, array.shape, strict=True)
    )
    if not fits or array.dtype != dtype:
        found = f"{array.dtype} {array.shape}"
        yield field, f"is {found}, expected {np.dtype(dtype).name} ({expected})"


def _where(mask: Array) -> str:
    at = ", ".join(str(int(k)) for k in np.argwhere(mask)[0])
    return f"entry [{at}]"


def _indices(
    field: str, array: Array, shape: tuple[int | str, ...], count: int, low: int = 0
) -> Iterator[Problem]:
    yield from _shape(field, array, shape, np.int32)
    outside = (array < low) | (array >= count)
    if outside.any():
        yield field, f"{_where(outside)} is {array[outside][0]}, outside {low} … {count - 1}"


def _rows(field: str, array: Array, shape: tuple[int | str, ...]) -> Iterator[Problem]:
    yield from _floats(field, array, shape, 0, 1 + _ROW_SUM)
    off = np.abs(array.sum(1, dtype=np.float64) - 1)
    if (off > _ROW_SUM).any():
        yield field, f"row {off.argmax()} sums to {array[off.argmax()].sum():.6g}, not to 1"


def _rig_problems(rig: Rig) -> Iterator[Problem]:
    yield from _floats("rig.vertices", rig.vertices, ("V", 3), -_METRES, _METRES)
    V, E, J = len(rig.vertices), len(rig.expression_names), len(rig.joint_names)
    if not 3 <= V <= MAX_VERTICES:
        yield "rig.vertices", f"has {V} vertices, expected 3 … {MAX_VERTICES}"
    yield from _indices("rig.faces", rig.faces, ("F", 3), V)
    if len(rig.faces) == 0:
        yield "rig.faces", "has no triangle"
    if E > MAX_SHAPES or len(set(rig.expression_names)) != E:
        yield "expression_names", f"must be at most {MAX_SHAPES} different names"
    if E * V * 3 > MAX_DENSE:
        yield "rig.expression_basis", f"{E} shapes of {V} vertices are too many"
    unknown = set(rig.joint_names) - set(JOINT_NAMES)
    if unknown or J == 0 or len(set(rig.joint_names)) != J:
        yield "joint_names", f"must be different ones of {', '.join(JOINT_NAMES)}"
    basis = ("rig.expression_basis", rig.expression_basis, (E, V, 3))
    yield from _floats(*basis, -_METRES, _METRES)
    mapped = ("rig.arkit_to_expression", rig.arkit_to_expression, (len(ARKIT_NAMES), E))
    yield from _floats(*mapped, -1e3, 1e3)
    turned = ("rig.arkit_to_joints", rig.arkit_to_joints, (len(ARKIT_NAMES), J, 3))
    yield from _floats(*turned, -2 * np.pi, 2 * np.pi)
    yield from _floats("rig.joints", rig.joints, (J, 3), -_METRES, _METRES)
    yield from _indices("rig.parents", rig.parents, (J,), J, low=-1)
    if (late := np.flatnonzero(rig.parents >= np.arange(J))).size:
        yield "rig.parents", f"joint {late[0]} comes before its parent {rig.parents[late[0]]}"
    yield from _rows("rig.weights", rig.weights, (V, J))
    P = len(rig.pose_correctives)
    if P not in (0, 9 * (J - 1)):
        yield "rig.pose_correctives", f"has {P} shapes, expected 0 or {9 * (J - 1)}"
    yield from _floats("rig.pose_correctives", rig.pose_correctives, (P, V, 3), -_METRES, _METRES)


def _gaussian_problems(g: Gaussians, rig: Rig) -> Iterator[Problem]:
    if g.frame not in ("affine", "similarity"):
        yield "frame", f"is '{g.frame}', expected 'affine' or 'similarity'"
    F, N = len(rig.faces), len(g.triangles)
    if not 1 <= N <= MAX_GAUSSIANS:
        yield "gaussians.triangles", f"has {N} Gaussians, expected 1 … {MAX_GAUSSIANS}"
    yield from _indices("gaussians.triangles", g.triangles, (N,), F)
    if (np.diff(g.triangles) < 0).any():
        yield "gaussians.triangles", "is not in ascending order"
    yield from _rows("gaussians.barycentric", g.barycentric, (N, 3))
    yield from _floats("gaussians.offsets", g.offsets, (N, 3), -1e4, 1e4)
    yield from _floats("gaussians.quats", g.quats, (N, 4), -1 - _UNIT, 1 + _UNIT)
    off = np.abs(np.linalg.norm(g.quats, axis=1) - 1)
    if (off > _UNIT).any():
        yield "gaussians.quats", f"row {off.argmax()} is not of unit length"
    yield from _floats("gaussians.scales", g.scales, (N, 3), 0, 1e4)
    if (g.scales == 0).any():
        yield "gaussians.scales", f"{_where(g.scales == 0)} is zero"
    yield from _floats("gaussians.opacities", g.opacities, (N,), 0, 1)
    if g.colors.ndim == 3 and g.colors.shape[1] in (4, 9, 16):
        yield from _floats("gaussians.colors", g.colors, (N, "K", 3), -1e3, 1e3)
    else:
        yield from _floats("gaussians.colors", g.colors, (N, 3), 0, 1)
    used = np.unique(g.triangles)
    a, b, c = np.moveaxis(rig.vertices[rig.faces[used]].astype(np.float64), 1, 0)
    doubled_area = np.linalg.norm(np.cross(b - a, c - a), axis=1)
    longest = np.max([np.square(p - q).sum(1) for p, q in ((a, b), (b, c), (c, a))], 0)
    if (flat := doubled_area <= _NEEDLE * longest).any():
        which = used[flat.argmax()]
        yield "gaussians.triangles", f"triangle {which} carries Gaussians but has no area"


def _landmark_problems(landmarks: Landmarks, faces: int) -> Iterator[Problem]:
    yield from _indices("landmarks.faces", landmarks.faces, (LANDMARKS,), faces, low=-1)
    rows = landmarks.barycentric
    yield from _shape("landmarks.barycentric", rows, (LANDMARKS, 3), np.float32)
    yield from _rows("landmarks.barycentric", rows[landmarks.faces >= 0], ("L", 3))
