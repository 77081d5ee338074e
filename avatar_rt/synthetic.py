"""A made-up head of any number of Gaussians, for measuring: the same for everyone who measures.

It is as heavy as a trained avatar of that size: discs on the surface about as wide as their
spacing, seven in ten nearly opaque and the rest faint, hair as faint strands in layers over the
scalp, 52 shapes and six joints, on a mesh of 9,680 triangles that fills 65 % of the picture.
"""

from __future__ import annotations

import numpy as np

from avatar_rt.arkit import ARKIT_INDEX, ARKIT_NAMES
from avatar_rt.arrays import F32, F64, I32, Bool, floats32, floats64, ints32
from avatar_rt.avatar import Avatar, Gaussians, triangle_frames
from avatar_rt.errors import ParameterError
from avatar_rt.head.rig import JOINT_NAMES, Rig

_RINGS, _SEGMENTS = 45, 110
_CENTRE = np.array([0.0, -0.01, -0.08])
_RADII = np.array([0.078, 0.118, 0.098])
_JOINTS = np.array([
    [0, -0.12, -0.09], [0, -0.09, -0.09], [0, -0.05, -0.08], [0, -0.03, -0.07],
    [0.03, 0, -0.01], [-0.03, 0, -0.01],
])  # fmt: skip
_HAIR_SHARE = 0.6


def sphere(rings: int, segments: int) -> tuple[F64, I32]:
    """A unit sphere around y: vertices (V, 3) float64 and outward triangles (F, 3) int32.

    V = (rings - 1)·segments + 2 and F = 2·(rings - 1)·segments.
    """
    polar = np.linspace(0, np.pi, rings + 1)[1:-1, None]
    around = np.arange(segments)[None] * (2 * np.pi / segments)
    x, z = np.sin(polar) * np.sin(around), np.sin(polar) * np.cos(around)
    belt = np.stack([x, np.broadcast_to(np.cos(polar), x.shape), z], -1).reshape(-1, 3)
    vertices = np.concatenate([[[0, 1, 0]], belt, [[0, -1, 0]]])
    grid = 1 + np.arange((rings - 1) * segments).reshape(rings - 1, segments)
    after = np.roll(grid, -1, 1)
    top = np.stack([np.zeros(segments, int), grid[0], after[0]], -1)
    bottom = np.stack([np.full(segments, len(vertices) - 1), after[-1], grid[-1]], -1)
    a, b, c, d = grid[:-1], after[:-1], grid[1:], after[1:]
    upper, lower = np.stack([a, c, b], -1), np.stack([b, c, d], -1)
    faces = np.concatenate([top, bottom, upper.reshape(-1, 3), lower.reshape(-1, 3)])
    return vertices, ints32(faces)


def _rig(rng: np.random.Generator) -> Rig:
    ball, faces = sphere(_RINGS, _SEGMENTS)
    bumps = 1 + 0.02 * np.sin(ball @ (rng.normal(size=(3, 8)) * 4)).sum(-1, keepdims=True)
    vertices = ball * bumps * _RADII + _CENTRE
    centres = ball[rng.choice(np.flatnonzero(ball[:, 2] > 0.3), len(ARKIT_NAMES))]
    reach = np.exp(-np.square(ball[None] - centres[:, None]).sum(-1) / (2 * 0.15**2))
    moves = rng.normal(scale=0.004, size=(len(ARKIT_NAMES), 1, 3))
    basis = reach[..., None] * moves * (reach[..., None] > 0.01)
    near = np.exp(-np.square(vertices[:, None] - _JOINTS).sum(-1) / (2 * 0.05**2))
    to_joints = np.zeros((len(ARKIT_NAMES), len(JOINT_NAMES), 3), np.float32)
    to_joints[ARKIT_INDEX["jawOpen"], JOINT_NAMES.index("jaw"), 0] = 0.4
    return Rig(
        floats32(vertices), faces, floats32(basis), ARKIT_NAMES, floats32(np.eye(52)), to_joints,
        JOINT_NAMES, floats32(_JOINTS), ints32([-1, 0, 1, 2, 2, 2]),
        floats32(near / near.sum(1, keepdims=True)), np.zeros((0, len(vertices), 3), np.float32),
    )  # fmt: skip


def _sample(rig: Rig, count: int, rng: np.random.Generator) -> tuple[I32, F64, F64]:
    """`count` points spread evenly over the surface: triangle (N,), barycentric (N, 3), and the
    spacing (N,) in metres of a point from its neighbours."""
    corners = floats64(rig.vertices[rig.faces])
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    area = np.linalg.norm(normal, axis=1) / 2
    place = (np.arange(count) + rng.random(count)) / max(count, 1)
    triangles = np.searchsorted(np.cumsum(area) / area.sum(), place).clip(0, len(area) - 1)
    root, v = np.sqrt(rng.random(count)), rng.random(count)
    barycentric = np.stack([1 - root, root * (1 - v), root * v], -1)
    spacing = np.full(count, np.sqrt(area.sum() / max(count, 1)))
    return ints32(triangles), barycentric, spacing


def _colors(at: F64, hair: Bool, rng: np.random.Generator) -> F32:
    skin = np.array([0.78, 0.58, 0.48]) + 0.05 * np.sin(at @ rng.normal(size=(3, 3)) * 120)
    brown = np.array([0.30, 0.22, 0.14]) * (0.6 + 0.8 * rng.random((len(at), 1)))
    return floats32(np.where(hair[:, None], brown, skin).clip(0, 1))


def synthetic_head(gaussians: int = 78_000, seed: int = 0) -> Avatar:
    """The made-up head with that many Gaussians; the same seed gives the same head.

    Raises ParameterError for a number outside 0 … 1,000,000.
    """
    if not 0 <= gaussians <= 1_000_000:
        raise ParameterError(f"{gaussians} Gaussians must lie within 0 … 1,000,000")
    rng = np.random.default_rng(seed)
    rig = _rig(rng)
    triangles, barycentric, spacing = _sample(rig, gaussians, rng)
    corners = floats64(rig.vertices[rig.faces[triangles]])
    at = np.einsum("nk,nkc->nc", barycentric, corners)
    direction = (at - _CENTRE) / _RADII
    scalp = (direction[:, 1] > 0.35) | ((direction[:, 2] < 0.15) & (direction[:, 1] > -0.45))
    hair = scalp & (rng.random(gaussians) < _HAIR_SHARE)

    in_plane = spacing * np.exp(0.3 * rng.normal(size=gaussians))
    skin_scales = np.stack([in_plane, 0.1 * in_plane, in_plane * rng.uniform(0.5, 1, gaussians)])
    hair_scales = np.stack([2.2 * spacing, 0.3 * spacing, 0.45 * spacing])
    frames = triangle_frames(rig.vertices, rig.faces, "similarity")
    size = np.linalg.norm(frames[triangles, :, 0], axis=1)
    scales = np.where(hair, hair_scales, skin_scales).T / size[:, None]
    rough = 0.1 * spacing * rng.normal(size=gaussians)
    height = np.where(hair, 0.02 * rng.random(gaussians) ** 2, rough) / size
    offsets = np.stack([0 * height, height, 0 * height], -1)
    turn = rng.uniform(0, np.pi, gaussians) / 2
    quats = np.stack([np.cos(turn), 0 * turn, np.sin(turn), 0 * turn], -1)
    nearly_opaque = rng.random(gaussians) < 0.7
    lowest = np.where(hair, 0.15, np.where(nearly_opaque, 0.85, 0.03))
    highest = np.where(hair, 0.75, np.where(nearly_opaque, 0.999, 0.85))
    opacities = rng.uniform(lowest, highest)
    metadata = {
        "name": f"made-up head, seed {seed}",
        "head_model": {"name": "made-up", "hash": "0" * 64, "licence": "Apache-2.0"},
        "provenance": {"source": "avatar_rt/synthetic.py", "synthetic": True},
        "camera": {"distance": 1.0, "focal": 4.1, "target": [float(x) for x in _CENTRE]},
    }
    return Avatar(
        rig,
        Gaussians(
            "similarity",
            triangles,
            floats32(barycentric),
            floats32(offsets),
            floats32(quats),
            floats32(scales),
            floats32(opacities),
            _colors(at, hair, rng),
        ),
        metadata=metadata,
    )
