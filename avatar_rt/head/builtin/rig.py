"""Joints, skinning weights, and the part of each ARKit shape that is a rotation.

The artist's jawOpen turns the lower teeth by 20.7° about a point near the joint of the jaw, almost
exactly; we make that a joint rotation, and every shape keeps only what the rotation leaves over.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from avatar_rt.arkit import ARKIT_INDEX, ARKIT_NAMES
from avatar_rt.arrays import F32, F64, I32, floats32, floats64, ints32
from avatar_rt.head.builtin.mesh import (
    LEFT_EYE,
    LOWER_TEETH,
    METRES,
    RIGHT_EYE,
    SKIN,
    TONGUE,
    UPPER_TEETH,
    HeadMesh,
)
from avatar_rt.head.builtin.mouth import lift_tongue, lower_tongue
from avatar_rt.head.builtin.source import BASE_VERTICES, BaseMesh, Source
from avatar_rt.rotation import axis_angle_from_matrix, matrix_from_axis_angle

JOINTS = ("root", "neck", "head", "jaw", "left_eye", "right_eye")
PARENTS = (-1, 0, 1, 2, 2, 2)
ROOT, NECK, HEAD, JAW, LEFT, RIGHT = range(6)
CUBES = {NECK: "joint-neck", HEAD: "joint-head", JAW: "joint-mouth"}
"""The groups of the base mesh that mark joints."""
WEIGHT_TABLE = "mpfb2/rigs/standard/weights.default.json"
BONES = {
    "clavicle": (1.0, 0.0, 0.0), "shoulder": (1.0, 0.0, 0.0), "spine": (1.0, 0.0, 0.0),
    "upperarm": (1.0, 0.0, 0.0), "breast": (1.0, 0.0, 0.0),
    "neck01": (0.25, 0.75, 0.0), "neck02": (0.0, 0.8, 0.2), "neck03": (0.0, 0.35, 0.65),
}  # fmt: skip
"""Bone name's beginning → shares of root, neck and head; all other bones belong to the head. Their
three neck bones become our two joints."""
EYE_TURNS = {"LookOut": (0.0, 35.0), "LookIn": (0.0, 35.0), "LookUp": (25.0, 0.0),
             "LookDown": (26.0, 0.0)}  # fmt: skip
"""Degrees (up-down, sideways) that an eye turns at weight 1. The artist's shapes turn it by 10 to
15, for lids only; human eyes reach these, and trackers report 1 there."""


LID_FOLLOW = {"eyeLookUp": 1.8, "eyeLookDown": 1.3}
"""The artist's lids follow the artist's smaller turns; ours go on with the eye."""


@dataclass(frozen=True, slots=True)
class Movement:
    """How the head moves. V vertices, J joints; metres."""

    joints: F64
    """(J, 3)."""
    joint_regressor: F32
    """(J, V)."""
    weights: F32
    """(V, J)."""
    expressions: F64
    """(52, V, 3): what the rotations leave of each shape."""
    arkit_to_joints: F32
    """(52, J, 3) radians."""


def build_movement(
    source: Source,
    base: BaseMesh,
    mesh: HeadMesh,
    neutral: F64,
    mean: F64,
    identity: F64,
    lifted: F64,
    shapes: F64,
) -> Movement:
    """Joints, weights and expressions for the head `mesh`.

    neutral (V, 3) is the head, lifted (I, V, 3) its identities and shapes (52, V, 3) its whole
    ARKit shapes, in metres; mean (B, 3) and identity (I, B, 3) lie on the base mesh, in decimetres.
    """
    pivot, jaw_turn = _jaw_rotation(neutral, shapes[ARKIT_INDEX["jawOpen"]], mesh)
    regressor = _regressor(base, mesh, mean, identity, lifted, neutral, pivot)
    joints = floats64(regressor @ neutral)
    arkit_to_joints = np.zeros((len(ARKIT_NAMES), len(JOINTS), 3))
    arkit_to_joints[ARKIT_INDEX["jawOpen"], JAW] = jaw_turn
    for side, joint in (("Left", LEFT), ("Right", RIGHT)):
        outward = 1.0 if joint == LEFT else -1.0
        for look, (vertical, sideways) in EYE_TURNS.items():
            pitch = vertical if look == "LookDown" else -vertical
            yaw = outward * (sideways if look == "LookOut" else -sideways)
            arkit_to_joints[ARKIT_INDEX[f"eye{look}{side}"], joint] = np.radians([pitch, yaw, 0])

    jaw_weight = _jaw_weights(neutral, shapes[ARKIT_INDEX["jawOpen"]], mesh, joints[JAW], jaw_turn)
    weights = _weights(source, mesh, jaw_weight)
    expressions = shapes.copy()
    expressions[:, (mesh.parts == LEFT_EYE) | (mesh.parts == RIGHT_EYE)] = 0.0
    expressions[:, mesh.parts == UPPER_TEETH] = 0.0
    expressions[ARKIT_INDEX["jawOpen"]] = _residual(
        neutral, shapes[ARKIT_INDEX["jawOpen"]], weights[:, JAW], joints[JAW], jaw_turn
    )
    expressions[ARKIT_INDEX["jawOpen"]][np.isin(mesh.parts, (LOWER_TEETH, TONGUE))] = 0.0
    expressions[ARKIT_INDEX["jawOpen"]] += lower_tongue(mesh, neutral)
    opening = np.linalg.norm(shapes[ARKIT_INDEX["jawOpen"]], axis=1)
    tongue_out = ARKIT_INDEX["tongueOut"]
    expressions[tongue_out] += lift_tongue(mesh, neutral, shapes[tongue_out], opening)
    for name, factor in LID_FOLLOW.items():
        for side in ("Left", "Right"):
            expressions[ARKIT_INDEX[f"{name}{side}"]] *= factor
    return Movement(
        joints, floats32(regressor), floats32(weights), expressions, floats32(arkit_to_joints)
    )


def _jaw_rotation(neutral: F64, opening: F64, mesh: HeadMesh) -> tuple[F64, F64]:
    """The fixed point (3,) and axis-angle (3,) of the rotation nearest to what jawOpen does to the
    lower teeth (Kabsch 1976)."""
    teeth = mesh.parts == LOWER_TEETH
    before, after = neutral[teeth], neutral[teeth] + opening[teeth]
    u, _, vt = np.linalg.svd((before - before.mean(0)).T @ (after - after.mean(0)))
    flip = np.diag([1.0, 1.0, np.sign(np.linalg.det(u @ vt))])
    rotation = (u @ flip @ vt).T
    shift = after.mean(0) - rotation @ before.mean(0)
    turn = axis_angle_from_matrix(rotation) * [1.0, 0.0, 0.0]
    rotation = matrix_from_axis_angle(turn)
    # the axis is x, so its point is found in the y-z plane
    pivot = np.zeros(3)
    pivot[1:] = np.linalg.solve((np.eye(3) - rotation)[1:, 1:], shift[1:])
    return pivot, floats64(turn)


def _regressor(
    base: BaseMesh,
    mesh: HeadMesh,
    mean: F64,
    identity: F64,
    lifted: F64,
    neutral: F64,
    jaw: F64,
) -> F64:
    """(J, V) rows that sum to 1 and carry the joints along with every identity shape.

    The base mesh marks joints by small cubes that its shapes move; each row is the ridge solution
    that follows its cube over the mean and all identities, from vertices near the joint.
    """
    rows = np.zeros((len(JOINTS), len(neutral)))
    rows[ROOT, mesh.rim] = 1.0 / len(mesh.rim)
    for joint, part in ((LEFT, LEFT_EYE), (RIGHT, RIGHT_EYE)):
        rows[joint, mesh.parts == part] = 1.0 / np.count_nonzero(mesh.parts == part)
    skin = np.flatnonzero(mesh.parts == SKIN)
    skin = skin[skin < len(mesh.base_ids)]
    for joint, cube in CUBES.items():
        corners = np.unique(base.quads[cube])
        place = mean[corners].mean(0) * METRES
        moves = identity[:, corners].mean(1) * METRES
        place = jaw if joint == JAW else place * [0.0, 1.0, 1.0]
        near = skin[np.argsort(np.linalg.norm(neutral[skin] - place, axis=1))[:160]]
        near = np.union1d(near, mesh.mirror[near])
        followed = lifted[:, near]
        # unknown w (K,): Σw = 1, Σ w·x = place, and Σ w·Δx ≈ Δplace for each identity
        exact = np.vstack([np.ones(len(near)), neutral[near].T])
        wish = followed.transpose(0, 2, 1).reshape(-1, len(near))
        gram = wish.T @ wish + 1e-6 * np.eye(len(near))
        k = len(exact)
        system = np.block([[gram, exact.T], [exact, np.zeros((k, k))]])
        right = np.concatenate([wish.T @ moves.reshape(-1), [1.0], place])
        w = np.linalg.solve(system, right)[: len(near)]
        rows[joint, near] = w
    return (rows + rows[_mirrored_joints()][:, mesh.mirror]) / 2


def _mirrored_joints() -> list[int]:
    return [ROOT, NECK, HEAD, JAW, RIGHT, LEFT]


def _jaw_weights(neutral: F64, opening: F64, mesh: HeadMesh, jaw: F64, turn: F64) -> F64:
    """(V,) how far each point goes along with the jaw: its share of the rigid movement in jawOpen.

    Near the axis the rigid movement vanishes; a small constant keeps the quotient quiet there.
    """
    rigid = (neutral - jaw) @ (matrix_from_axis_angle(turn) - np.eye(3)).T
    share = (opening * rigid).sum(1) / ((rigid**2).sum(1) + 0.003**2)
    weight = np.clip(share, 0.0, 1.0)
    weight[mesh.parts != SKIN] = 0.0
    weight[np.isin(mesh.parts, (LOWER_TEETH, TONGUE))] = 1.0
    return floats64((weight + weight[mesh.mirror]) / 2)


def _weights(source: Source, mesh: HeadMesh, jaw: F64) -> F64:
    """(V, J) skinning weights: the data's weight table for root, neck and head, then the jaw's
    share taken from the head, then eyes, teeth and tongue made rigid."""
    table = np.zeros((BASE_VERTICES, 3))
    for bone, (index, weight) in source.weights(WEIGHT_TABLE).items():
        shares = next((s for begin, s in BONES.items() if bone.startswith(begin)), (0.0, 0.0, 1.0))
        np.add.at(table, index, weight[:, None] * np.array(shares))
    coarse = floats64(mesh.operator @ table[source.kept])
    coarse = (coarse + coarse[mesh.mirror]) / 2
    total = coarse.sum(1, keepdims=True)
    coarse = np.where(total > 0, coarse / np.maximum(total, 1e-9), [0.0, 0.0, 1.0])
    weights = np.zeros((len(coarse), len(JOINTS)))
    weights[:, :3] = np.clip(coarse, 0.0, None)
    for part, joint in ((UPPER_TEETH, HEAD), (LOWER_TEETH, JAW), (TONGUE, JAW), (LEFT_EYE, LEFT),
                        (RIGHT_EYE, RIGHT)):  # fmt: skip
        weights[mesh.parts == part] = np.eye(len(JOINTS))[joint]
    skin = mesh.parts == SKIN
    weights[skin] *= 1.0 - jaw[skin, None]
    weights[skin, JAW] = jaw[skin]
    return floats64(weights / weights.sum(1, keepdims=True))


def _residual(neutral: F64, shape: F64, weight: F64, joint: F64, turn: F64) -> F64:
    """(V, 3) e such that skinning x + e by the joint's rotation gives x + shape exactly:
    x + shape = B(x + e) + (1 - B)·joint with B = (1 - w) + w·R (linear blend skinning)."""
    rotation = matrix_from_axis_angle(turn)
    blend = np.eye(3) + weight[:, None, None] * (rotation - np.eye(3))
    goal = neutral + shape - joint
    return floats64(np.linalg.solve(blend, goal[..., None])[..., 0] - (neutral - joint))


def parents() -> I32:
    """(J,) parents of JOINTS."""
    return ints32(PARENTS)
