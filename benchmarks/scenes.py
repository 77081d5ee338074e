"""Seeded synthetic heads for benchmarks: a smooth head-like surface with Gaussians bound to it.

What makes a trained avatar heavy is copied in kind: surface-bound discs whose in-plane sigma is
about their spacing, mostly opaque skin with some faint Gaussians, a semi-transparent hair part of
elongated ones above the skin, a denser face, and a head that fills 65 % of the picture.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from avatar_rt._core import AvatarCore
from avatar_rt.arrays import F64, I32, floats32, floats64, ints32
from avatar_rt.avatar import Gaussians
from avatar_rt.head.rig import Rig, RigPose
from avatar_rt.types import Camera

FACES = 9_680
EXPRESSIONS = 52
JOINTS = ("root", "neck", "jaw", "left_eye", "right_eye")
_PARENTS = (-1, 0, 1, 1, 1)
_JOINT_POSITIONS = (
    (0.0, -0.12, -0.06), (0.0, -0.09, -0.06), (0.0, -0.03, -0.04),
    (0.032, 0.0, 0.02), (-0.032, 0.0, 0.02),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Scene:
    """A head, what rides on it, and how to look at it."""

    rig: Rig
    gaussians: Gaussians

    def pose(self, frame: int) -> RigPose:
        """An animated pose: a third of the expressions at work, every joint moving."""
        t = 0.05 * frame
        k = np.arange(EXPRESSIONS)
        weights = np.where(k % 3 == 0, 0.5 + 0.5 * np.sin(t * (1 + 0.03 * k) + k), 0.0)
        turn = np.zeros((len(JOINTS), 3))
        turn[0] = 0.05 * np.sin(t), 0.35 * np.sin(0.5 * t), 0.0
        turn[2] = 0.1 * (1 + np.sin(1.7 * t)), 0.0, 0.0
        turn[3:] = 0.0, 0.1 * np.sin(t), 0.0
        return RigPose(floats32(weights), floats32(turn), np.zeros(3, np.float32))

    def camera(self, size: int) -> Camera:
        """In front of the face at one metre; the head fills about 65 % of the picture."""
        return Camera.orbit(
            distance=1.0, focal=3.3 * size, width=size, height=size, target=(0.0, -0.01, -0.06)
        )


def _bump(directions: F64, centre: tuple[float, float, float], width: float) -> F64:
    c = np.asarray(centre) / np.linalg.norm(centre)
    return floats64(np.exp(-np.sum((directions - c) ** 2, -1) / (2 * width**2)))


def _sphere(subdivision: int) -> tuple[F64, I32]:
    """A geodesic sphere: an icosahedron whose edges are cut into `subdivision` parts."""
    phi = (1 + 5**0.5) / 2
    corners = np.array([
        (a, b * phi, 0) for a in (-1, 1) for b in (-1, 1)
    ])  # fmt: skip
    corners = np.concatenate([corners, np.roll(corners, 1, 1), np.roll(corners, 2, 1)])
    distance = np.linalg.norm(corners[:, None] - corners[None], axis=-1)
    near = np.isclose(distance, 2.0)
    triangles = [
        (i, j, k)
        for i in range(12) for j in range(i + 1, 12) for k in range(j + 1, 12)
        if near[i, j] and near[j, k] and near[i, k]
    ]  # fmt: skip
    points: list[F64] = []
    faces: list[tuple[int, int, int]] = []
    for i, j, k in triangles:
        index = {}
        for a in range(subdivision + 1):
            for b in range(subdivision + 1 - a):
                c = subdivision - a - b
                index[a, b] = len(points)
                points.append((a * corners[i] + b * corners[j] + c * corners[k]) / subdivision)
        for a in range(subdivision):
            for b in range(subdivision - a):
                faces.append((index[a, b], index[a + 1, b], index[a, b + 1]))
                if a + b + 1 < subdivision:
                    faces.append((index[a + 1, b], index[a + 1, b + 1], index[a, b + 1]))
    directions = np.stack(points)
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    _, first, inverse = np.unique(
        np.round(directions, 6), axis=0, return_index=True, return_inverse=True
    )
    directions = directions[first]
    f = inverse.reshape(-1)[np.array(faces)]
    normal = np.cross(directions[f[:, 1]] - directions[f[:, 0]],
                      directions[f[:, 2]] - directions[f[:, 0]])  # fmt: skip
    inward = np.sum(normal * directions[f[:, 0]], -1) < 0
    f[inward] = f[inward][:, [0, 2, 1]]
    return directions, ints32(f)


def _head_surface(d: F64) -> F64:
    """Directions (V, 3) → points of a head with nose, ears, chin, eye sockets and a hair volume."""
    k = 0.17 * _bump(d, (0, -0.12, 1), 0.12) + 0.05 * _bump(d, (0, 0.25, 1), 0.2)
    k += 0.16 * (_bump(d, (1, -0.05, -0.1), 0.15) + _bump(d, (-1, -0.05, -0.1), 0.15))
    k += 0.08 * _bump(d, (0, -0.75, 0.7), 0.2) + 0.04 * _bump(d, (0, -0.42, 1), 0.12)
    k -= 0.04 * (_bump(d, (0.35, 0.1, 1), 0.12) + _bump(d, (-0.35, 0.1, 1), 0.12))
    hair = np.maximum(0.0, d[:, 1] - 0.8 * d[:, 2]) * (d[:, 1] > -0.1)
    k += 0.03 * hair * (1 + 0.3 * np.sin(14 * d[:, 0] - 5 * d[:, 2]) * np.sin(11 * d[:, 1] - 3))
    return floats64(np.array([0.0, -0.01, -0.06]) + (1 + k)[:, None] * d * (0.095, 0.12, 0.1))


def _rig(rng: np.random.Generator) -> tuple[Rig, F64]:
    d, faces = _sphere(22)
    vertices = _head_surface(d)
    basis = np.zeros((EXPRESSIONS, len(d), 3))
    for k in range(EXPRESSIONS):
        x, y = rng.normal(0, 0.5), rng.normal(-0.2, 0.4)
        shape = _bump(d, (x, y, 1.0), rng.uniform(0.12, 0.35))
        basis[k] = np.where(shape > 0.05, shape, 0)[:, None] * rng.normal(0, 0.003, 3)
    jaw = 0.7 * _bump(d, (0, -0.7, 0.7), 0.4)
    neck = (1 - jaw) * 0.5 / (1 + np.exp((d[:, 1] + 0.6) * 10))
    zero = np.zeros(len(d))
    weights = np.stack([neck, 1 - jaw - neck, jaw, zero, zero], 1)
    rig = Rig(
        floats32(vertices), faces, floats32(basis),
        tuple(f"shape{k}" for k in range(EXPRESSIONS)), floats32(np.eye(EXPRESSIONS)),
        np.zeros((52, len(JOINTS), 3), np.float32), JOINTS, floats32(_JOINT_POSITIONS),
        ints32(_PARENTS), floats32(weights), np.zeros((0, len(d), 3), np.float32),
    )  # fmt: skip
    return rig, d


def synthetic_head(gaussians: int = 78_000, seed: int = 0) -> Scene:
    """A head of 9,680 triangles with `gaussians` Gaussians in similarity frames."""
    rng = np.random.default_rng(seed)
    rig, directions = _rig(rng)
    v = rig.vertices.astype(np.float64)[rig.faces]
    e1, e2 = v[:, 1] - v[:, 0], v[:, 2] - v[:, 0]
    cross = np.cross(e1, e2)
    area = np.linalg.norm(cross, axis=1) / 2
    normal = cross / (2 * area[:, None])
    length = np.linalg.norm(e1, axis=1)
    a0 = e1 / length[:, None]
    a1 = np.cross(a0, normal)
    unit = (length + np.abs(np.sum(a1 * e2, 1))) / 2

    d = directions[rig.faces].mean(1)
    density = area * np.where(d[:, 2] > 0.3, 2.2, 1.0)
    cumulative = np.cumsum(density) / density.sum()
    n = gaussians
    t = np.searchsorted(cumulative, (np.arange(n) + rng.uniform(size=n)) / max(n, 1))
    t = np.sort(np.minimum(t, len(area) - 1))
    spacing = np.sqrt(area[t] * density.sum() / density[t] / max(n, 1))
    hair = ((d[t, 1] > 0.35) | ((d[t, 2] < 0.15) & (d[t, 1] > -0.45))) & (rng.random(n) < 0.6)

    b = rng.dirichlet((1, 1, 1), n)
    height = np.where(hair, 0.022 * rng.random(n) ** 2, 0.15 * spacing * rng.normal(size=n))
    along = spacing * np.exp(rng.normal(0, 0.3, n))
    skin_scales = np.stack([along, 0.1 * along, along * rng.uniform(0.5, 1, n)], 1)
    hair_scales = spacing[:, None] * np.stack(
        [
            2.2 * np.exp(rng.normal(0, 0.4, n)),
            np.full(n, 0.3),
            0.45 * np.exp(rng.normal(0, 0.3, n)),
        ],
        1,
    )
    scales = np.where(hair[:, None], hair_scales, skin_scales) / unit[t, None]
    # strands hang down: turn the frame's first axis, about the normal, towards -y
    down = np.arctan2(-a1[t, 1], -a0[t, 1]) + 0.25 * rng.normal(size=n)
    angle = -np.where(hair, down, rng.uniform(0, 2 * np.pi, n)) / 2
    quats = np.stack([np.cos(angle), np.zeros(n), np.sin(angle), np.zeros(n)], 1)

    solid = rng.random(n) < 0.7
    skin_opacity = np.where(solid, rng.uniform(0.85, 0.999, n), rng.uniform(0.03, 0.85, n))
    opacities = np.where(hair, rng.uniform(0.15, 0.75, n), skin_opacity)
    shade = 0.08 * np.sin(25 * d[t, 0] + 3) * np.sin(22 * d[t, 1]) + rng.normal(0, 0.05, n)
    skin = np.array([0.78, 0.58, 0.48]) + shade[:, None]
    dark = (0.12 + 0.25 * rng.random(n) + 0.1 * np.sin(60 * d[t, 0]))[:, None] * (1.1, 0.8, 0.5)
    colors = np.where((hair | (d[t, 1] > 0.35))[:, None], dark, skin)
    offsets = np.stack([np.zeros(n), height / unit[t], np.zeros(n)], 1)
    bound = Gaussians(
        "similarity", ints32(t), floats32(b), floats32(offsets), floats32(quats),
        floats32(scales), floats32(opacities), floats32(np.clip(colors, 0, 1)),
    )  # fmt: skip
    return Scene(rig, bound)


def core_of(scene: Scene, threads: int) -> AvatarCore:
    """The scene in the native core."""
    r, g = scene.rig, scene.gaussians
    return AvatarCore(
        r.vertices, r.faces, r.expression_basis, r.joints, r.parents, r.weights,
        r.pose_correctives, g.frame, g.triangles, g.barycentric, g.offsets, g.quats, g.scales,
        g.opacities, g.colors, threads,
    )  # fmt: skip
