"""Eyeballs that can turn: spheres in the mean, and spheres still under every identity.

The macro shapes stretch the eyeballs a little; a stretched one would push through its lids when it
turns. Each becomes the sphere that fits its visible front, so that the gaze keeps its place.
"""

from __future__ import annotations

import numpy as np

from avatar_rt.arrays import F64, I32, floats64
from avatar_rt.head.builtin.source import BaseMesh

SIDES = ("helper-l-eye", "helper-r-eye")
FRONT = 0.35
"""Of the radius: what lies further forward is the part that lids can uncover."""


def eyeballs(base: BaseMesh) -> tuple[I32, I32]:
    """Base vertices of the left and of the right eyeball."""
    left, right = (np.unique(base.quads[side]) for side in SIDES)
    return left, right


def round_mean(base: BaseMesh, mean: F64) -> F64:
    """The mean (B, 3) with both eyeballs replaced by spheres."""
    result = mean.copy()
    for ball in eyeballs(base):
        unit = _unit_sphere(base, ball)
        centre, radius = _sphere(mean[ball][unit[:, 2] > FRONT])
        result[ball] = centre + radius * unit
    return result


def round_identity(base: BaseMesh, mean: F64, identity: F64) -> F64:
    """Identity shapes (I, B, 3) that move each eyeball of the rounded mean and scale it, and
    nothing else: the least-squares fit to what they do to its front."""
    result = identity.copy()
    for ball in eyeballs(base):
        unit = _unit_sphere(base, ball)
        front = unit[:, 2] > FRONT
        arm = mean[ball] - mean[ball].mean(0)
        # unknowns: a shift (3) and a growth (1), for each shape
        system = np.zeros((front.sum(), 3, 4))
        system[:, :, :3] = np.eye(3)
        system[:, :, 3] = arm[front]
        goal = identity[:, ball][:, front].reshape(len(identity), -1).T
        found = np.linalg.lstsq(system.reshape(-1, 4), goal, rcond=None)[0]
        result[:, ball] = found[:3].T[:, None] + found[3][:, None, None] * arm
    return result


def _unit_sphere(base: BaseMesh, ball: I32) -> F64:
    """(n, 3) directions: on the base mesh, eyeballs are spheres to within 0.05 %."""
    place = base.vertices[ball] - base.vertices[ball].mean(0)
    return floats64(place / np.linalg.norm(place, axis=1, keepdims=True))


def _sphere(points: F64) -> tuple[F64, float]:
    """Centre and radius of the sphere nearest to points (algebraic least squares)."""
    system = np.column_stack([2 * points, np.ones(len(points))])
    found = np.linalg.lstsq(system, (points**2).sum(1), rcond=None)[0]
    return floats64(found[:3]), float(np.sqrt(found[3] + found[:3] @ found[:3]))
