"""A small made-up avatar for tests: an egg with eyes and a mouth that moves as ARKit asks.

It has everything that a real one has (52 shapes, six joints, correctives, triangle-bound Gaussians)
at a fiftieth of the size, so that a test that needs "an avatar" runs in milliseconds.
"""

from __future__ import annotations

import numpy as np

from avatar_rt.arkit import ARKIT_INDEX, ARKIT_NAMES
from avatar_rt.arrays import F32, F64, floats32, floats64, ints32
from avatar_rt.avatar import Avatar, Gaussians, TriangleFrame
from avatar_rt.head.rig import JOINT_NAMES, Rig
from avatar_rt.synthetic import sphere

HEAD_CENTRE = np.array([0.0, -0.02, -0.082])
HEAD_RADII = np.array([0.078, 0.115, 0.095])
EYE_RADIUS = 0.013
EYES = np.array([[0.03, 0.0, 0.0], [-0.03, 0.0, 0.0]])
MOUTH = np.array([0.0, -0.068, -0.002])
GAUSSIANS_PER_TRIANGLE = 4


def _move(name: str) -> tuple[F64, F64, float]:
    """Where a shape acts, which way it moves the surface (metres), and how wide it reaches."""
    side = 1.0 if name.endswith("Left") else -1.0 if name.endswith("Right") else 0.0
    up = 1.0 if "Up" in name or "Smile" in name or "Wide" in name or "Upper" in name else -1.0
    if name.startswith("eyeBlink"):
        return EYES[0 if side > 0 else 1], np.array([0, 0, 0.02]), 0.02
    if name.startswith("eye"):
        return np.array([side * 0.03, 0.012, 0.003]), np.array([0, up * 0.004, 0.002]), 0.015
    if name.startswith("brow"):
        at = np.array([side * 0.03, 0.03, 0.003])
        return at, np.array([0, -0.008 if "Down" in name else 0.008, 0.003]), 0.02
    if name.startswith("jaw"):
        down = {"jawOpen": [0, -0.008, 0], "jawForward": [0, 0, 0.01]}
        side = 1.0 if name == "jawLeft" else -1.0
        return MOUTH - np.array([0, 0.02, 0]), np.array(down.get(name, [side * 0.01, 0, 0])), 0.035
    if name.startswith(("cheek", "nose")):
        return np.array([side * 0.04, -0.03, -0.002]), np.array([0, 0.003, 0.008]), 0.02
    at = MOUTH + np.array([side * 0.02, 0, 0])
    return at, np.array([side * 0.006, up * 0.006, 0.004]), 0.02


def _near(points: F64, centre: F64, width: float) -> F64:
    return floats64(np.exp(-np.square(points - centre).sum(-1) / (2 * width**2)))


def _rig(rng: np.random.Generator) -> tuple[Rig, int]:
    ball, ball_faces = sphere(12, 18)
    head = ball * HEAD_RADII * (1 + 0.05 * rng.random(3)) + HEAD_CENTRE
    eye, eye_faces = sphere(5, 8)
    vertices = np.concatenate([head, *(eye * EYE_RADIUS + centre for centre in EYES)])
    eyes_at = [len(head), len(head) + len(eye)]
    faces = ints32(np.concatenate([ball_faces, *(eye_faces + at for at in eyes_at)]))
    skin = np.arange(len(vertices)) < len(head)

    basis = np.zeros((len(ARKIT_NAMES), len(vertices), 3))
    for k, name in enumerate(ARKIT_NAMES):
        centre, direction, width = _move(name)
        basis[k] = (_near(vertices, centre, width) * skin)[:, None] * direction

    joint = {name: k for k, name in enumerate(JOINT_NAMES)}
    turns = np.zeros((len(ARKIT_NAMES), len(JOINT_NAMES), 3))
    turns[ARKIT_INDEX["jawOpen"], joint["jaw"], 0] = 0.35
    for side, towards in (("Left", 1.0), ("Right", -1.0)):
        eyeball = joint[f"{side.lower()}_eye"]
        turns[ARKIT_INDEX[f"eyeLookUp{side}"], eyeball, 0] = -0.4
        turns[ARKIT_INDEX[f"eyeLookDown{side}"], eyeball, 0] = 0.4
        turns[ARKIT_INDEX[f"eyeLookOut{side}"], eyeball, 1] = 0.5 * towards
        turns[ARKIT_INDEX[f"eyeLookIn{side}"], eyeball, 1] = -0.5 * towards

    weights = np.zeros((len(vertices), len(JOINT_NAMES)))
    weights[:, joint["neck"]] = np.clip((-0.09 - vertices[:, 1]) / 0.04, 0, 1) * skin
    weights[:, joint["jaw"]] = _near(vertices, MOUTH - [0, 0.02, 0], 0.025) * skin
    weights[:, joint["jaw"]] *= 1 - weights[:, joint["neck"]]
    for k, at in enumerate(eyes_at):
        weights[at : at + len(eye), joint[("left_eye", "right_eye")[k]]] = 1
    weights[:, joint["head"]] = 1 - weights.sum(1)

    joints = [(0, -0.14, -0.1), (0, -0.12, -0.09), (0, -0.08, -0.08), (0, -0.03, -0.06), *EYES]
    correctives = rng.normal(size=(9 * (len(JOINT_NAMES) - 1), len(vertices), 3)) * 1e-4
    rig = Rig(
        floats32(vertices),
        faces,
        floats32(basis),
        ARKIT_NAMES,
        np.eye(len(ARKIT_NAMES), dtype=np.float32),
        floats32(turns),
        JOINT_NAMES,
        floats32(joints),
        ints32([-1, 0, 1, 2, 2, 2]),
        floats32(weights),
        floats32(correctives * skin[:, None]),
    )
    return rig, len(ball_faces)


def _colors(points: F64, on_skin: F64) -> F32:
    """Skin, red lips, white eyes with a dark iris, brown hair: (N, 3)."""
    color = np.tile([0.85, 0.66, 0.55], (len(points), 1))
    color[_near(points, MOUTH, 0.012) > 0.4] = (0.7, 0.25, 0.25)
    color[(points[:, 1] > 0.045) | (points[:, 2] < -0.1)] = (0.25, 0.16, 0.1)
    for centre in EYES:
        toward = (points - centre)[:, 2] / EYE_RADIUS
        eye = ~on_skin.astype(bool) & (np.abs(points - centre).max(1) < 1.2 * EYE_RADIUS)
        color[eye] = (0.95, 0.95, 0.95)
        color[eye & (toward > 0.6)] = (0.15, 0.2, 0.3)
    return floats32(color)


def small_avatar(seed: int = 0, *, frame: TriangleFrame = "affine") -> Avatar:
    """An avatar of 524 triangles and 2,096 Gaussians; another seed gives another one."""
    rng = np.random.default_rng(seed)
    rig, skin_faces = _rig(rng)
    triangles = np.repeat(np.arange(len(rig.faces)), GAUSSIANS_PER_TRIANGLE)
    barycentric = rng.dirichlet([2, 2, 2], len(triangles))
    corners = rig.vertices[rig.faces[triangles]].astype(float)
    points = np.einsum("nk,nkd->nd", barycentric, corners)
    # the affine frame rests with its third axis on the normal, the similarity frame its second
    flat = (0.3, 0.3, 0.06) if frame == "affine" else (0.3, 0.06, 0.3)
    turn = rng.uniform(0, np.pi, len(triangles)) * (0.5 if frame == "affine" else 0.0)
    quats = np.zeros((len(triangles), 4))
    quats[:, 0], quats[:, 3] = np.cos(turn / 2), np.sin(turn / 2)
    gaussians = Gaussians(
        frame,
        ints32(triangles),
        floats32(barycentric),
        floats32(rng.normal(size=(len(triangles), 3)) * 0.01),
        floats32(quats),
        floats32(flat * rng.uniform(0.9, 1.3, (len(triangles), 1))),
        floats32(rng.uniform(0.8, 0.98, len(triangles))),
        _colors(points, (triangles < skin_faces).astype(float)),
    )
    metadata = {
        "name": f"egg-{seed}",
        "head_model": {"name": "egg", "hash": "0" * 64, "licence": "Apache-2.0"},
        "provenance": {"source": "tests/factory.py", "tool": "avatar-rt tests", "synthetic": True},
        "camera": {"distance": 1.0, "focal": 2.2, "target": [0.0, -0.02, -0.05]},
    }
    return Avatar(rig, gaussians, metadata)
