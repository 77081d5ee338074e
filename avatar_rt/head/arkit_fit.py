"""The map from ARKit's weights to a head model's own coefficients, fitted to the built-in head's
shapes as they lie on that model: regularised least squares, with the error that is left.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from avatar_rt.arkit import ARKIT_INDEX, ARKIT_NAMES
from avatar_rt.arrays import F32, F64, floats32, floats64
from avatar_rt.head.animate import posed_vertices
from avatar_rt.head.model import HeadModel
from avatar_rt.head.rig import RigPose
from avatar_rt.head.transfer import Overlay, eyeballs
from avatar_rt.types import FaceParams

JAW_AXES = {"jawOpen": (1.0, 0.0, 0.0), "jawLeft": (0.0, 1.0, 0.0), "jawRight": (0.0, -1.0, 0.0)}
JAW_TURNS = np.radians(np.arange(0.0, 30.1, 1.5))
RIDGE = 0.00015
"""Metres of misfit, root mean square over the moved points, that a coefficient of one standard
deviation is worth: it keeps a weak basis from shouting."""
MOVED = 0.0003
"""Metres: points that a shape moves by less do not count in its error."""


@dataclass(frozen=True, slots=True)
class ArkitFit:
    """How 52 ARKit shapes are made of a head model's coefficients and joint rotations."""

    arkit_to_expression: F32
    """(52, E) float32."""
    arkit_to_joints: F32
    """(52, J, 3) float32 radians."""
    error: F32
    """(52,) float32: root-mean-square misfit over the points that a shape moves, as a share of
    their root-mean-square movement. 0 is exact, 1 is no better than standing still. NaN where the
    shape moves nothing on this head."""
    error_metres: F32
    """(52,) float32: the same misfit in metres."""


def arkit_targets(source: HeadModel, over: Overlay, target: HeadModel) -> F64:
    """(52, V, 3) metres: the source's whole ARKit shapes, jaw rotation included, on the target's
    vertices. Eyeballs stay where they are: they turn by their joints."""
    rig = source.template
    shapes = np.zeros((len(ARKIT_NAMES), len(target.template.vertices), 3))
    still = eyeballs(target)
    for k, name in enumerate(ARKIT_NAMES):
        moved = posed_vertices(rig, rig.pose(FaceParams.from_arkit({name: 1.0}))) - rig.vertices
        shapes[k] = over.scale * over.carry(rig.faces, moved) @ over.rotation.T
        shapes[k][still] = 0.0
    return shapes


def fit_arkit(target: HeadModel, shapes: F64, eye_turns: F32) -> ArkitFit:
    """Fits coefficients, and for the jaw's shapes a rotation, to shapes (52, V, 3) in metres.

    eye_turns (52, 2, 3): the axis-angle that each ARKit weight gives the left and the right eye.
    """
    rig = target.template
    count = len(rig.expression_names)
    joints = np.zeros((len(ARKIT_NAMES), len(rig.joint_names), 3))
    for side, name in enumerate(("left_eye", "right_eye")):
        joints[:, rig.joint_names.index(name)] = eye_turns[:, side]
    used = ~eyeballs(target)
    basis = floats64(rig.expression_basis[:, used]).reshape(count, -1).T
    goal = shapes[:, used].reshape(len(shapes), -1).T

    gram = basis.T @ basis
    points = np.maximum((np.linalg.norm(shapes[:, used], axis=2) > MOVED).sum(1), 1)
    moment = basis.T @ goal
    coefficients = np.zeros((len(ARKIT_NAMES), count))
    fitted = np.zeros_like(goal)
    for k in range(len(ARKIT_NAMES)):
        coefficients[k] = np.linalg.solve(_ridged(gram, points[k]), moment[:, k])
        fitted[:, k] = basis @ coefficients[k]
    jaw = rig.joint_names.index("jaw")
    for name, axis in JAW_AXES.items():
        k = ARKIT_INDEX[name]
        inverse = np.linalg.inv(_ridged(gram, points[k]))
        best = np.inf
        for turn in JAW_TURNS:
            rotation = np.zeros((len(rig.joint_names), 3))
            rotation[jaw] = turn * np.array(axis)
            swing = _swing(target, rotation)[used].reshape(-1)
            weights = inverse @ (basis.T @ (goal[:, k] - swing))
            made = swing + basis @ weights
            cost = (
                float(((goal[:, k] - made) ** 2).sum()) + points[k] * RIDGE**2 * weights @ weights
            )
            if cost < best:
                best, coefficients[k], fitted[:, k] = cost, weights, made
                joints[k, jaw] = rotation[jaw]
    share, metres = _errors(goal, fitted)
    return ArkitFit(floats32(coefficients), floats32(joints), share, metres)


def _ridged(gram: F64, points: int) -> F64:
    return floats64(gram + points * RIDGE**2 * np.eye(len(gram)))


def _swing(target: HeadModel, rotation: F64) -> F64:
    """(V, 3) what joint rotations alone do to the neutral face."""
    rig = target.template
    pose = RigPose(
        np.zeros(len(rig.expression_names), np.float32),
        floats32(rotation),
        np.zeros(3, np.float32),
    )
    return floats64(posed_vertices(rig, pose) - rig.vertices)


def _errors(goal: F64, fitted: F64) -> tuple[F32, F32]:
    """Misfit of each column, relative and in metres, over the points that it moves."""
    wanted = goal.T.reshape(goal.shape[1], -1, 3)
    missed = np.linalg.norm(wanted - fitted.T.reshape(wanted.shape), axis=2)
    length = np.linalg.norm(wanted, axis=2)
    share = np.full(len(wanted), np.nan)
    metres = np.full(len(wanted), np.nan)
    for k in range(len(wanted)):
        moved = length[k] > MOVED
        if moved.any():
            metres[k] = np.sqrt((missed[k][moved] ** 2).mean())
            share[k] = metres[k] / np.sqrt((length[k][moved] ** 2).mean())
    return floats32(share), floats32(metres)
