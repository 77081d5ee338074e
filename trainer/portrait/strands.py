"""Strands over the hair's volume, and the grain that runs along them.

Hair is combed from the crown outwards and falls. Where the photograph saw it, its own pixels tell
the strands; elsewhere long thin Gaussians do, lying a little off the surface in several layers, so
that the outline is not that of a helmet.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from avatar_rt.arrays import F32, F64, Array, floats32, floats64, ints32
from trainer.portrait.hair import vertex_normals
from trainer.portrait.scene import Scene
from trainer.portrait.surface import Kind, Samples, bound

_OCTAVES = ((30, 3, 0.22), (80, 4, 0.4), (190, 6, 0.5), (420, 8, 0.55))
"""Locks around the crown, changes from root to tip, strength."""
_LENGTH, _WIDTH = 0.0055, 0.0008
"""Metres, standard deviations of a strand's Gaussian."""


def crown(scene: Scene) -> F64:
    """(3,) where the hair grows out from: the top of the head, a little behind."""
    hair = floats64(scene.rig.vertices[scene.head_vertices :])
    skull = floats64(scene.rig.vertices[: scene.head_vertices])
    scalp = skull[scene.model.regions["scalp"] > 0.5]
    centre = scalp.mean(0)
    axis = np.array([0.0, 0.9, -0.44])
    return floats64(hair[np.argmax((hair - centre) @ axis - np.abs(hair[:, 0] - centre[0]))])


def combed(scene: Scene, points: F64, normals: F64) -> F64:
    """(N, 3) unit directions in which hair lies at points of its surface."""
    away = points - crown(scene)
    away[:, 1] -= 0.02  # what is level with the crown falls too
    flow = away - (away * normals).sum(1, keepdims=True) * normals
    return floats64(flow / np.maximum(np.linalg.norm(flow, axis=1, keepdims=True), 1e-9))


def grain(scene: Scene, points: F64, rng: np.random.Generator) -> F32:
    """(N,) brightness along strands, mean 0 and deviation about 1: it changes quickly around the
    crown and slowly away from it."""
    top = crown(scene)
    skull = floats64(scene.rig.vertices[: scene.head_vertices])
    axis = skull[scene.model.regions["scalp"] > 0.5].mean(0) - top
    axis /= np.linalg.norm(axis)
    side = np.array([1.0, 0.0, 0.0])
    side -= side @ axis * axis
    side /= np.linalg.norm(side)
    d = points - top
    along = d @ axis
    x, y = d @ side, d @ np.cross(axis, side)
    around = np.arctan2(y, x) / (2 * np.pi) % 1.0
    down = np.clip(np.arctan2(np.hypot(x, y), along + 0.09) / np.pi * 1.4, 0, 1)
    waves = 0.012 * _noise(around, down, 9, 6, rng)
    total = rng.normal(0, 0.55, len(points))
    for turns, changes, strength in _OCTAVES:
        total += strength * _noise(around + waves, down, turns, changes, rng)
    return floats32(total)


def _noise(around: Array, down: Array, turns: int, changes: int, rng: np.random.Generator) -> F64:
    """Smooth noise of deviation about 1 on a cylinder: `around` closes on itself."""
    lattice = rng.normal(0, 1.3, (turns, changes + 2))
    where = np.stack([around % 1.0 * turns, down * changes])
    return floats64(ndimage.map_coordinates(lattice, where, order=1, mode="grid-wrap"))


def strands(scene: Scene, triangles: Array, each: int, rng: np.random.Generator) -> Samples:
    """`each` strands on every hair triangle given."""
    faces = scene.rig.faces
    chosen = np.repeat(triangles, each)
    n = len(chosen)
    vertices = floats64(scene.rig.vertices)
    normals = vertex_normals(scene.rig.vertices, faces)
    r1, r2 = np.sqrt(rng.random(n)), rng.random(n)
    bary = np.column_stack([1 - r1, r1 * (1 - r2), r1 * r2])
    corner = faces[chosen]
    points = (vertices[corner] * bary[..., None]).sum(1)
    normal = (normals[corner] * bary[..., None]).sum(1)
    normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-9)
    flow = combed(scene, points, normal)
    # no two hairs lie quite alike
    flow += rng.normal(0, 0.10, flow.shape)
    flow -= (flow * normal).sum(1, keepdims=True) * normal
    flow /= np.linalg.norm(flow, axis=1, keepdims=True)
    axes = np.stack([flow, np.cross(normal, flow), normal], -1)
    size = rng.uniform(0.7, 1.3, (n, 1))
    scales = size * np.array([[_LENGTH, _WIDTH, 0.6 * _WIDTH]])
    means = points + normal * rng.uniform(-0.0005, 0.0022, (n, 1))
    return bound(
        means, axes, scales, ints32(chosen), scene.rig.vertices, faces,
        np.full(n, 0.85, np.float32), np.full(n, Kind.STRAND, np.int32),
    )  # fmt: skip
