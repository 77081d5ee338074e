"""Identity, expression and pose together, from 478 image points: Gauss-Newton with priors.

A frontal picture says little about depth and nothing about the back of a skull, so what decides
there is the prior: the model's own spread per identity shape, and a plain one on the vertices that
no landmark sees. Reprojection error alone would be happy with any skull.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import linalg

from avatar_rt.arkit import ARKIT_INDEX, ARKIT_NAMES
from avatar_rt.arrays import F64, Bool, floats64
from avatar_rt.head.model import HeadModel
from avatar_rt.rotation import matrix_from_axis_angle
from trainer.metrics import eye_distance
from trainer.portrait.landmark_rig import LandmarkRig
from trainer.portrait.points import INNER_LIPS, fitting_weights

CAMERA_AXES = np.diag([1.0, -1.0, -1.0])
"""Model (y up, z out of the face) → a camera in front of it (y down, z into the scene)."""
_EXPRESSIONS = len(ARKIT_NAMES)
_UNSEEN_REGIONS = ("scalp", "neck", "ears")
_PLAIN = ("eyeBlink", "mouthSmile", "mouthUpperUp", "mouthLowerDown", "mouthPucker", "mouthFunnel")


@dataclass(frozen=True, slots=True)
class Settings:
    """What the fit believes before it has seen the picture."""

    noise: float = 0.012
    """Standard deviation of a landmark, in distances between the eyes."""
    outlier: float = 0.04
    """Residual, same unit, at which a landmark's weight has halved."""
    identity_shrink: float = 0.12
    """Factor on the model's spread per identity shape: 478 landmarks err together, and so say as
    much as far fewer would."""
    jaw_spread: float = 0.3
    """Standard deviation of the ARKit weight jawOpen."""
    plain_spread: float = 0.1
    """The same of shapes that are plain to see: smile, blink, parted, pursed lips."""
    subtle_spread: float = 0.02
    """The same of all others: where lips are thin or brows low it is the person, not a pose, far
    more often. Loose, they roll in the lips of half of mankind, and unroll them in the avatar."""
    unseen_spread: float = 0.0025
    """Metres that vertices of skull and neck differ between people, all else equal."""
    unseen_count: float = 25.0
    """How many independent places of the unseen surface that prior counts for."""
    lip_gap: float = 0.0006
    """Metres by which identity may part closed lips."""
    iterations: int = 14


@dataclass(frozen=True, slots=True)
class Solution:
    """A head before a camera."""

    identity: F64
    """(I,)"""
    expression: F64
    """(52,) ARKit weights in [0, 1]."""
    rotation: F64
    """(3, 3) model → camera."""
    translation: F64
    """(3,) metres."""


def solve(
    points: F64,
    K: F64,
    model: HeadModel,
    rig: LandmarkRig,
    settings: Settings | None = None,
) -> Solution:
    """The head that shows (478, 2) image points (pixels) under the intrinsics K (3, 3)."""
    problem = _Problem.of(points, K, model, rig, settings or Settings())
    now = problem.start()
    for step in range(problem.settings.iterations):
        # pose alone first, then shape, then expression: each begins near its place
        now = problem.improved(now, with_identity=step >= 2, with_expression=step >= 4)
    return now


def project(points: F64, K: F64) -> F64:
    """(N, 3) in camera space → (N, 2) pixels."""
    image = points @ K.T
    return floats64(image[:, :2] / image[:, 2:])


@dataclass(frozen=True, slots=True)
class _Problem:
    points: F64
    K: F64
    rig: LandmarkRig
    settings: Settings
    unit: float
    """Pixels between the eyes."""
    weights: F64
    identity_precision: F64
    """(I, I)"""
    precision: F64
    """(52,) of the expression; infinite for weights that stay zero."""

    @classmethod
    def of(cls, points: F64, K: F64, model: HeadModel, rig: LandmarkRig, s: Settings) -> _Problem:
        with np.errstate(divide="ignore"):
            precision = 1 / _expression_spread(s) ** 2
        return cls(
            points,
            K,
            rig,
            s,
            eye_distance(points),
            np.where(rig.known, fitting_weights(), 0.0),
            _identity_precision(model, rig, s),
            precision,
        )

    def start(self) -> Solution:
        """The mean head, leaning as the line through its eyes does, as far away as they say."""
        mean = self.rig.points(np.zeros(len(self.rig.identity)), np.zeros(_EXPRESSIONS))
        depth = self.K[0, 0] * eye_distance(mean) / self.unit
        seen = self.points[self.rig.known].mean(0)
        ray = np.linalg.solve(self.K, [*seen, 1.0])
        right, left = self.points[[33, 133]].mean(0), self.points[[263, 362]].mean(0)
        lean = np.arctan2(*(left - right)[::-1])
        rotation = matrix_from_axis_angle([0.0, 0.0, lean]) @ CAMERA_AXES
        centre = rotation @ mean[self.rig.known].mean(0)
        return Solution(
            np.zeros(len(self.rig.identity)),
            np.zeros(_EXPRESSIONS),
            floats64(rotation),
            floats64(ray * depth - centre),
        )

    def improved(self, now: Solution, *, with_identity: bool, with_expression: bool) -> Solution:
        """One Gauss-Newton step from `now`."""
        local, by_identity, by_arkit = self.rig.linearized(now.identity, now.expression)
        turned = local @ now.rotation.T
        camera = turned + now.translation
        d_image = _projection_jacobian(camera, self.K)
        free_i = np.full(len(now.identity), with_identity)
        free_e = np.isfinite(self.precision) & with_expression
        shapes = np.concatenate([by_identity[free_i], by_arkit[free_e]]) @ now.rotation.T
        jacobian = np.concatenate(
            [
                -d_image @ _cross_matrices(turned),
                d_image,
                d_image @ shapes.transpose(1, 2, 0),
            ],
            axis=2,
        )
        residual = self.points - project(camera, self.K)
        size = np.linalg.norm(residual, axis=1) / (self.settings.outlier * self.unit)
        # Cauchy weights: a landmark far off loses its say
        weight = self.weights / (1 + size**2) / (self.settings.noise * self.unit) ** 2
        rows = jacobian.reshape(-1, jacobian.shape[2])
        weighted = rows * np.repeat(weight, 2)[:, None]
        normal, gradient = weighted.T @ rows, weighted.T @ residual.ravel()

        i, e = slice(6, 6 + int(free_i.sum())), slice(6 + int(free_i.sum()), None)
        prior = self.identity_precision[np.ix_(free_i, free_i)]
        normal[i, i] += prior
        gradient[i] -= prior @ now.identity[free_i]
        normal[e, e] += np.diag(self.precision[free_e])
        gradient[e] -= self.precision[free_e] * now.expression[free_e]
        low, high = np.full(len(gradient), -np.inf), np.full(len(gradient), np.inf)
        low[e], high[e] = -now.expression[free_e], 1 - now.expression[free_e]
        step = _bounded_solve(normal, gradient, low, high)

        identity, expression = now.identity.copy(), now.expression.copy()
        identity[free_i] += step[i]
        expression[free_e] += step[e]
        return Solution(
            identity,
            expression,
            floats64(matrix_from_axis_angle(step[:3]) @ now.rotation),
            floats64(now.translation + step[3:6]),
        )


def _expression_spread(s: Settings) -> F64:
    """(52,) standard deviations around zero; 0 for what no landmark shows."""
    spread = np.full(_EXPRESSIONS, s.subtle_spread)
    for name, k in ARKIT_INDEX.items():
        if "Look" in name or name in ("cheekPuff", "tongueOut"):
            spread[k] = 0.0
        elif name.startswith(_PLAIN):
            spread[k] = s.plain_spread
    spread[ARKIT_INDEX["jawOpen"]] = s.jaw_spread
    return spread


def _identity_precision(model: HeadModel, rig: LandmarkRig, s: Settings) -> F64:
    """(I, I): the model's own spread, still skulls and necks, and lips that close."""
    # a shape that varies by nothing stays at nothing
    spread = np.maximum(s.identity_shrink * floats64(model.identity_std), 1e-6)
    precision = np.diag(1 / spread**2)
    unseen = np.zeros(len(model.template.vertices))
    for name in _UNSEEN_REGIONS:
        if name in model.regions:
            unseen = np.maximum(unseen, model.regions[name])
    chosen = np.flatnonzero(unseen > 0.5)
    chosen = chosen[:: max(1, len(chosen) // 200)]
    if len(chosen):
        moved = floats64(model.identity_basis[:, chosen]).reshape(len(precision), -1)
        scale = s.unseen_count / len(chosen) / s.unseen_spread**2
        precision += scale * (moved @ moved.T)
    for upper, lower in INNER_LIPS:
        if rig.known[upper] and rig.known[lower]:
            gap = rig.identity[:, upper] - rig.identity[:, lower]
            precision += gap @ gap.T / s.lip_gap**2
    return floats64(precision)


def _projection_jacobian(camera: F64, K: F64) -> F64:
    """(N, 2, 3): how pixels move with points in camera space."""
    image = camera @ K.T
    depth = image[:, 2, None, None]
    return floats64((K[None, :2] - (image[:, :2] / image[:, 2:])[..., None] * K[None, 2:]) / depth)


def _cross_matrices(v: F64) -> F64:
    """(N, 3) → (N, 3, 3) matrices of v × ·."""
    x, y, z = v.T
    o = np.zeros_like(x)
    return floats64(np.stack([o, -z, y, z, o, -x, -y, x, o], -1).reshape(-1, 3, 3))


def _bounded_solve(normal: F64, gradient: F64, low: F64, high: F64) -> F64:
    """x that minimizes ½xᵀNx - gᵀx, kept within bounds: whoever would leave is held at its bound,
    and the others solved again."""
    x = np.zeros_like(gradient)
    free: Bool = np.ones(len(gradient), np.bool_)
    ridge = 1e-9 * np.diag(np.diag(normal))
    for _ in range(6):
        held = normal[:, ~free] @ x[~free]
        x[free] = linalg.solve(
            (normal + ridge)[np.ix_(free, free)], (gradient - held)[free], assume_a="pos"
        )
        outside = free & ((x < low) | (x > high))
        if not outside.any():
            break
        x = np.clip(x, low, high)
        free &= ~outside
    return floats64(np.clip(x, low, high))
