"""Gaussians laid over a mesh: where they sit, how large they are, and what each of them is.

A triangle is cut into n² equal ones, each of which gets the covariance of its own area, enlarged so
that neighbours overlap without a gap. In the "affine" frame that covariance is the same constant
for all of them, and it stretches with the triangle for free.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import IntEnum

import numpy as np

from avatar_rt.arrays import F32, F64, I32, Array, floats32, floats64, ints32
from avatar_rt.avatar import Gaussians, triangle_frames
from avatar_rt.head.model import HeadModel

_OVERLAP = 5.5
"""Covariance of a Gaussian over that of the area it stands for: at 5.5 the seam between six
neighbours is still covered by 0.97."""
_FLAT = 0.12
"""Thickness in the frame's normal unit, √(2 × area)."""


class Kind(IntEnum):
    """What a Gaussian shows."""

    SKIN = 0
    LEFT_EYE = 1
    RIGHT_EYE = 2
    UPPER_TEETH = 3
    LOWER_TEETH = 4
    TONGUE = 5
    MOUTH = 6
    HAIR = 7
    STRAND = 8
    """A lock that lies over the hair's surface."""


EYES = (Kind.LEFT_EYE, Kind.RIGHT_EYE)
TEETH = (Kind.UPPER_TEETH, Kind.LOWER_TEETH)
HAIRS = (Kind.HAIR, Kind.STRAND)


@dataclass(frozen=True, slots=True)
class Samples:
    """N Gaussians without colours; fields as in avatar_rt.avatar.Gaussians, frame "affine"."""

    triangles: I32
    barycentric: F32
    offsets: F32
    quats: F32
    scales: F32
    opacities: F32
    kinds: I32
    """(N,) of Kind."""

    def __len__(self) -> int:
        return len(self.triangles)

    def at(self, values: Array, faces: I32) -> Array:
        """Per-vertex values (V, ...) at each Gaussian's place on its triangle."""
        corners = values[faces[self.triangles]]
        weights = self.barycentric.reshape(len(self), 3, *(1,) * (corners.ndim - 2))
        return np.asarray((corners * weights).sum(1))

    def means(self, vertices: F32, faces: I32) -> F32:
        """(N, 3) where the Gaussians are on a posed mesh."""
        frame = triangle_frames(vertices, faces, "affine")[self.triangles]
        return floats32(self.at(vertices, faces) + np.einsum("nab,nb->na", frame, self.offsets))

    def picked(self, which: Array) -> Samples:
        """Those at the given indices or where the given mask is true."""
        fields = ("triangles", "barycentric", "offsets", "quats", "scales", "opacities", "kinds")
        return replace(self, **{name: getattr(self, name)[which] for name in fields})

    def gaussians(self, colors: F32) -> Gaussians:
        """With colours (N, 3) they are an avatar's Gaussians; triangles must be ascending."""
        return Gaussians(
            "affine", self.triangles, self.barycentric, self.offsets, self.quats, self.scales,
            self.opacities, floats32(np.clip(colors, 0, 1)),
        )  # fmt: skip


def joined(parts: list[Samples]) -> Samples:
    """All of them, sorted by triangle."""
    names = ("triangles", "barycentric", "offsets", "quats", "scales", "opacities", "kinds")
    arrays = [np.concatenate([getattr(p, name) for p in parts]) for name in names]
    return Samples(*arrays).picked(np.argsort(arrays[0], kind="stable"))


def triangle_kinds(model: HeadModel) -> I32:
    """(F,) the Kind of each triangle of a head model."""
    faces = model.template.faces
    kinds = np.zeros(len(faces), np.int32)
    names = {
        "mouth_interior": Kind.MOUTH, "left_eye": Kind.LEFT_EYE, "right_eye": Kind.RIGHT_EYE,
        "upper_teeth": Kind.UPPER_TEETH, "lower_teeth": Kind.LOWER_TEETH, "tongue": Kind.TONGUE,
    }  # fmt: skip
    for name, kind in names.items():
        if name in model.regions:
            kinds[model.regions[name][faces].mean(1) > 0.5] = kind
    return ints32(kinds)


def cut_triangles(triangles: I32, cuts: I32, kinds: I32) -> Samples:
    """Gaussians over whole triangles, each cut into cuts² equal ones.

    triangles (T,) int32, cuts (T,) int32 ≥ 1, kinds (T,) of Kind.
    """
    parts = []
    for n in np.unique(cuts):
        chosen = np.flatnonzero(cuts == n)
        centres = _cut_centres(int(n))
        triangle = np.repeat(triangles[chosen], len(centres))
        # of a triangle spread evenly: covariance [[2, -1], [-1, 2]] / 36 in (e1, e2)
        flat = np.array([[2.0, -1.0], [-1.0, 2.0]]) / 36 * _OVERLAP / n**2
        parts.append(
            _constant(
                triangle,
                np.tile(centres, (len(chosen), 1)),
                flat,
                _FLAT / float(n),
                np.repeat(kinds[chosen], len(centres)),
            )
        )
    return joined(parts)


def whole_quads(faces: I32) -> I32:
    """(Q,) int32 the first triangle of each pair 2i, 2i + 1 that is a quad, cut from its first
    corner."""
    even, odd = faces[: len(faces) // 2 * 2 : 2], faces[1::2][: len(faces) // 2]
    return ints32(2 * np.flatnonzero((even[:, 0] == odd[:, 0]) & (even[:, 2] == odd[:, 1])))


def subdivided_quads(faces: I32) -> I32:
    """(Q,) int32 the first of eight triangles in a row that were one quad before a subdivision:
    four quads whose third corner is the same."""
    n = len(faces) // 8
    eight = faces[: 8 * n].reshape(n, 8, 3)
    corner, middle = eight[:, ::2, 0], eight[:, ::2, 2]
    are_quads = (corner == eight[:, 1::2, 0]).all(1) & (middle == eight[:, 1::2, 1]).all(1)
    return ints32(8 * np.flatnonzero(are_quads & (middle == middle[:, :1]).all(1)))


def merged(firsts: I32, size: int, kinds: I32) -> Samples:
    """One Gaussian for each quad of `size` 2 or 8 triangles: firsts (Q,) its first triangle, as
    whole_quads or subdivided_quads give it; kinds (Q,)."""
    # in the first triangle's (e1, e2) a quad's edges are (1, 0) and (-1, 1); of the quad before
    # the subdivision they are twice that
    flat = np.array([[2.0, -1.0], [-1.0, 1.0]]) / 12 * _OVERLAP * (4 if size == 8 else 1)
    place = [0.0, 0.0, 1.0] if size == 8 else [0.5, 0.0, 0.5]
    return _constant(firsts, np.tile(np.array([place]), (len(firsts), 1)), flat, _FLAT, kinds)


def _cut_centres(n: int) -> F64:
    """(n², 3) barycentric centres of the n² equal triangles inside one."""
    upright = [(i + 1 / 3, j + 1 / 3) for i in range(n) for j in range(n - i)]
    turned = [(i + 2 / 3, j + 2 / 3) for i in range(n - 1) for j in range(n - 1 - i)]
    uv = np.array(upright + turned) / n
    return np.column_stack([1 - uv.sum(1), uv])


def _constant(
    triangles: Array, barycentric: F64, flat: F64, thickness: float, kinds: Array
) -> Samples:
    """Gaussians on the surface that share one covariance in the plane of the frame."""
    n = len(triangles)
    variances, axes = np.linalg.eigh(flat)
    angle = float(np.arctan2(axes[1, 0], axes[0, 0]))
    quat = np.array([np.cos(angle / 2), 0, 0, np.sin(angle / 2)], np.float32)
    scale = np.array([*np.sqrt(variances), thickness], np.float32)
    return Samples(
        ints32(triangles), floats32(barycentric), np.zeros((n, 3), np.float32),
        np.tile(quat, (n, 1)), np.tile(scale, (n, 1)), np.full(n, 0.985, np.float32), ints32(kinds),
    )  # fmt: skip


def bound(
    means: F64, axes: F64, scales: F64, triangles: I32, vertices: F32, faces: I32,
    opacities: F32, kinds: I32,
) -> Samples:  # fmt: skip
    """Free Gaussians, bound to triangles so that they follow them.

    means (N, 3) metres, axes (N, 3, 3) whose columns are unit vectors, scales (N, 3) metres along
    them; triangles (N,) of the mesh vertices (V, 3), faces (F, 3) at rest.
    """
    corners = floats64(vertices)[faces[triangles]]
    frame = triangle_frames(vertices, faces, "affine")[triangles]
    inverse = np.linalg.inv(frame)
    local = np.einsum("nab,nb->na", inverse, means - corners[:, 0])
    u, v = np.clip(local[:, 0], 0, 1), np.clip(local[:, 1], 0, 1)
    over = np.maximum(u + v, 1)
    u, v = u / over, v / over
    barycentric = np.column_stack([np.maximum(1 - u - v, 0), u, v])
    offsets = local.copy()
    offsets[:, 0] -= u
    offsets[:, 1] -= v
    shaped = inverse @ (axes * scales[:, None, :])
    variances, rotation = np.linalg.eigh(shaped @ shaped.transpose(0, 2, 1))
    rotation[np.linalg.det(rotation) < 0, :, 0] *= -1
    return Samples(
        ints32(triangles), floats32(barycentric), floats32(offsets), quats_from_matrices(rotation),
        floats32(np.sqrt(np.maximum(variances, 1e-12))), floats32(opacities), ints32(kinds),
    )  # fmt: skip


def quats_from_matrices(r: F64) -> F32:
    """(N, 3, 3) rotations → (N, 4) wxyz, from the largest of the four squares (Shepperd 1978)."""
    d = np.stack([r[:, 0, 0], r[:, 1, 1], r[:, 2, 2]], 1)
    squares = np.column_stack([d.sum(1), 2 * d - d.sum(1, keepdims=True)]) + 1
    which = squares.argmax(1)
    x, y, z = (r[:, 2, 1], r[:, 1, 2]), (r[:, 0, 2], r[:, 2, 0]), (r[:, 1, 0], r[:, 0, 1])
    w0 = np.column_stack([squares[:, 0], x[0] - x[1], y[0] - y[1], z[0] - z[1]])
    x0 = np.column_stack([x[0] - x[1], squares[:, 1], z[0] + z[1], y[0] + y[1]])
    y0 = np.column_stack([y[0] - y[1], z[0] + z[1], squares[:, 2], x[0] + x[1]])
    z0 = np.column_stack([z[0] - z[1], y[0] + y[1], x[0] + x[1], squares[:, 3]])
    q = np.stack([w0, x0, y0, z0])[which, np.arange(len(r))]
    return floats32(q / np.linalg.norm(q, axis=1, keepdims=True))
