"""Pictures of made-up people whose expression, gaze and turn are known: what the video driver's
regressor learns from.

The built-in head, with a random identity, random colours and light, is drawn as a shaded mesh;
MediaPipe's own points on those pictures are kept. So the regressor learns MediaPipe's habits along
with the expressions, and needs no picture of anybody.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from avatar_rt import _core
from avatar_rt.arkit import ARKIT_INDEX, ARKIT_MIRROR, ARKIT_NAMES
from avatar_rt.arrays import F32, F64, I32, U8, floats32, floats64, ints32
from avatar_rt.face.gaze import look_weights
from avatar_rt.face.images import Square
from avatar_rt.face.landmarks import points_in
from avatar_rt.head import HeadModel, Rig
from avatar_rt.rotation import axis_angle_from_matrix, matrix_from_euler
from avatar_rt.types import Camera, FaceParams

SIZE = 256
_FINE = 2
NEUTRALS = 4
"""Pictures of each person at rest, from which the person's own neutral is learned."""
_YAW, _PITCH, _ROLL = np.radians([42.0, 26.0, 22.0])
_LOOK_X, _LOOK_Y = np.radians([30.0, 18.0])
_IRIS, _PUPIL = 0.0058, 0.0023
"""Metres."""
_LIPS_APART = ("mouthLowerDown", "mouthUpperUp", "mouthShrugUpper", "mouthShrugLower")
"""Shapes that part the lips of some people, and of other rigs, far more than the built-in head's:
drawn up to three times as strong, so that parted lips are not taken for an open jaw."""
_MOUTH_ALONE = ("jawOpen", "mouthFunnel", "mouthPucker", "mouthClose", "cheekPuff")


@dataclass(frozen=True)
class Sample:
    """What MediaPipe saw, and what was there."""

    person: int
    neutral: bool
    points: F32
    """(478, 3) float32 pixels."""
    focal: float
    """Over the image's side."""
    arkit: F32
    """(52,) float32."""
    gaze: F32
    """(2,) float32 yaw and pitch of both eyes in the head, radians."""
    rotation: F64
    """(3, 3) float64 of the head, as avatar_rt.rotation has it."""


def samples(head: HeadModel, people: int, each: int, seed: int) -> Iterator[Sample]:
    """NEUTRALS + `each` pictures of every one of `people`; those without a found face left out."""
    for person in range(people):
        rng = np.random.default_rng([seed, person])
        figure = _Figure(head, rng)
        for k in range(NEUTRALS + each):
            sample = figure.sample(person, k < NEUTRALS, rng)
            if sample is not None:
                yield sample


class _Figure:
    """One made-up person."""

    def __init__(self, head: HeadModel, rng: np.random.Generator) -> None:
        spread = head.identity_std * rng.normal(0, 0.5, len(head.identity_std))
        self._head, self._rig = head, head.bake(floats32(spread))
        self._core = _animator(self._rig)
        self._colours = _paint(head, rng)
        self._gains = _gains(rng)
        self._iris = rng.uniform(0.05, 0.6, 3) * [1.0, 0.8, 0.7]
        self._background = rng.uniform(0, 1, 3)
        self._light = rng.normal(0, 0.35, 3) + np.array([0.0, 0.4, 1.0])
        self._ambient = rng.uniform(0.35, 0.75)
        self._eyes = [head.regions[name] > 0.5 for name in ("left_eye", "right_eye")]

    def sample(self, person: int, neutral: bool, rng: np.random.Generator) -> Sample | None:
        """One picture of this person; None where MediaPipe sees no face in it."""
        reach = 0.35 if neutral else 1.0
        yaw, pitch, roll = reach * rng.uniform(-1, 1, 3) * [_YAW, _PITCH, _ROLL]
        rotation = matrix_from_euler(yaw, pitch, roll)
        arkit = np.zeros(len(ARKIT_NAMES), np.float32) if neutral else random_expression(rng)
        gaze = (0.1 if neutral else 1.0) * rng.uniform(-1, 1, 2) * [_LOOK_X, _LOOK_Y]
        arkit += look_weights(floats32(gaze))
        eye = floats32(axis_angle_from_matrix(matrix_from_euler(gaze[0], gaze[1], 0)))
        params = FaceParams(
            arkit=floats32(arkit * self._gains),
            head_pose=floats32(axis_angle_from_matrix(rotation)),
            eye_pose=np.stack([eye, eye]),
        )
        pose = self._rig.pose(params)
        vertices = self._core.vertices(pose.coefficients, pose.joint_rotations, pose.translation)
        focal = rng.uniform(0.9, 2.6)
        camera = Camera.orbit(
            distance=focal * rng.uniform(0.25, 0.4), focal=focal * SIZE, width=SIZE, height=SIZE,
            target=(rng.uniform(-0.05, 0.05), rng.uniform(-0.05, 0.02), 0.0),
        )  # fmt: skip
        image = self._draw(vertices, camera)
        points = _mediapipe(image, _landmarks(self._head, vertices, camera), rng)
        if points is None:
            return None
        return Sample(person, neutral, points, focal, arkit, floats32(gaze), rotation)

    def _draw(self, vertices: F32, camera: Camera) -> U8:
        """(SIZE, SIZE, 3) uint8: shaded, each pixel sampled 2×2 times."""
        fine = camera.resized(camera.width * _FINE, camera.height * _FINE)
        faces = self._rig.faces
        triangle, weights, _ = _core.rasterize_mesh(
            _project(vertices, fine), faces, fine.width, fine.height, 0
        )
        hit = triangle >= 0
        corners, w = faces[triangle[hit]], weights[hit][..., None]
        normal = (_normals(vertices, faces)[corners] * w).sum(1)
        normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-12)
        colour = (self._colours[corners] * w).sum(1)
        rest = (self._rig.vertices[corners] * w).sum(1)
        for eye in self._eyes:
            on = eye[corners[:, 0]]
            off = rest[on] - self._rig.vertices[eye].mean(0)
            radius = np.where(off[:, 2] > 0, np.hypot(off[:, 0], off[:, 1]), 1.0)[:, None]
            colour[on] = np.where(radius < _IRIS, self._iris, colour[on])
            colour[on] = np.where(radius < _PUPIL, 0.03, colour[on])
        light = self._light / np.linalg.norm(self._light)
        shade = self._ambient + (1 - self._ambient) * np.clip(normal @ light, 0, 1)
        image = np.broadcast_to(self._background, (*hit.shape, 3)).astype(np.float32)
        image[hit] = colour * shade[:, None]
        small = cv2.resize(image, (camera.width, camera.height), interpolation=cv2.INTER_AREA)
        return np.asarray(np.clip(small * 255 + 0.5, 0, 255), np.uint8)


def random_expression(rng: np.random.Generator) -> F32:
    """(52,) float32: a few shapes at once, mostly the same on both sides; eyes look ahead."""
    weights = np.zeros(len(ARKIT_NAMES))
    for k, name in enumerate(ARKIT_NAMES):
        mirror = ARKIT_MIRROR[k]
        if name.startswith("eyeLook") or name == "tongueOut" or mirror < k:
            continue
        often = {"jawOpen": 0.7, "eyeBlinkLeft": 0.4}.get(name, 0.16)
        if name.startswith(_LIPS_APART):
            often = 0.3
        if rng.random() > often:
            continue
        amount = rng.uniform(0, 1) ** (1.5 if name == "jawOpen" else 1.0)
        weights[k] = weights[mirror] = amount
        if mirror != k and rng.random() < 0.3:
            weights[mirror] = np.clip(amount + rng.normal(0, 0.5), 0, 1)
    # lips that are pressed together cannot be rounded wide open at once
    alone = [ARKIT_INDEX[name] for name in _MOUTH_ALONE[1:]]
    keep = alone[rng.integers(len(alone))]
    for k in alone:
        if k != keep:
            weights[k] *= 0.25
    closed = ARKIT_INDEX["mouthClose"]
    weights[closed] = min(weights[closed], weights[ARKIT_INDEX["jawOpen"]])
    return floats32(weights)


def _gains(rng: np.random.Generator) -> F64:
    """(52,) how strongly each shape shows in one person's face."""
    gains = np.exp(rng.normal(0, 0.2, len(ARKIT_NAMES)))
    for k, name in enumerate(ARKIT_NAMES):
        if name.startswith(_LIPS_APART):
            gains[k] *= rng.uniform(1, 3)
        if name.startswith(("eyeBlink", "eyeLook")):
            gains[k] = 1.0
    return floats64((gains + gains[list(ARKIT_MIRROR)]) / 2)


def _paint(head: HeadModel, rng: np.random.Generator) -> F64:
    """(V, 3) plain colours by region, iris excepted."""
    regions, vertices = head.regions, head.template.vertices
    skin = np.array([0.93, 0.72, 0.62]) * rng.uniform(0.35, 1.0) + rng.normal(0, 0.02, 3)
    hair = np.array([0.3, 0.22, 0.16]) * rng.uniform(0.1, 1.6)
    lips = skin * [0.85, 0.55, 0.55] * rng.uniform(0.8, 1.1)
    colours = np.tile(skin, (len(vertices), 1))
    x, y, z = np.abs(vertices[:, 0]), vertices[:, 1], vertices[:, 2]
    height = 0.0185 + rng.normal(0, 0.001) - 4.0 * (x - 0.034) ** 2
    brow = np.exp(-(((y - height) / rng.uniform(0.0025, 0.0042)) ** 2))
    brow *= np.clip((x - 0.008) / 0.006, 0, 1) * np.clip((0.056 - x) / 0.01, 0, 1) * (z > -0.03)
    teeth = regions["upper_teeth"] + regions["lower_teeth"]
    eyes = regions["left_eye"] + regions["right_eye"]
    layers = [
        (regions["scalp"] * rng.integers(0, 2), hair), (regions["lips"], lips),
        (rng.uniform(0.4, 0.9) * brow * regions["skin"], hair),
        (regions["mouth_interior"], np.array([0.16, 0.05, 0.05])),
        (teeth, np.array([0.9, 0.88, 0.82])), (regions["tongue"], np.array([0.66, 0.33, 0.31])),
        (eyes, np.array([0.93, 0.92, 0.9])),
    ]  # fmt: skip
    for mask, colour in layers:
        colours += mask[:, None] * (colour - colours)
    return floats64(colours)


def _animator(rig: Rig) -> _core.AvatarCore:
    """The native core of a rig that wears a single Gaussian: only its vertices are wanted."""
    return _core.AvatarCore(
        rig.vertices, rig.faces, rig.expression_basis, rig.joints, rig.parents, rig.weights,
        rig.pose_correctives, "affine", ints32([0]), floats32([[1, 0, 0]]), floats32([[0, 0, 0]]),
        floats32([[1, 0, 0, 0]]), floats32([[1, 1, 1]]), floats32([1]), floats32([[0, 0, 0]]), 0,
    )  # fmt: skip


def _project(points: F32, camera: Camera) -> F32:
    """(N, 3) world → pixel x, pixel y, depth."""
    seen = points @ camera.viewmat[:3, :3].T + camera.viewmat[:3, 3]
    pixels = seen @ camera.K.T
    return floats32(np.column_stack([pixels[:, :2] / pixels[:, 2:], seen[:, 2]]))


def _normals(vertices: F32, faces: I32) -> F64:
    corner = vertices[faces].astype(float)
    flat = np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0])
    columns = [
        np.bincount(faces.ravel(), np.repeat(flat[:, d], 3), len(vertices)) for d in range(3)
    ]
    return floats64(np.column_stack(columns))


def _landmarks(head: HeadModel, vertices: F32, camera: Camera) -> F32:
    corners = vertices[head.template.faces[head.landmark_faces]]
    return _project(floats32((corners * head.landmark_barycentric[..., None]).sum(1)), camera)


def _mediapipe(image: U8, truth: F32, rng: np.random.Generator) -> F32 | None:
    """MediaPipe's points, sought around the truth as a tracker would: from a crop nearly right."""
    low, high = truth[:, :2].min(0), truth[:, :2].max(0)
    side = float((high - low).max())
    x, y = (low + high) / 2 + rng.normal(0, 0.03, 2) * side
    square = Square(float(x), float(y), 1.5 * side)
    points = None
    for _ in range(3):
        found = points_in(image, square)
        if found is None:
            return None
        square, points = found.square(), found.points
    return points
