"""Fits a head model to one photograph: identity and pose, then the vertices, then the gaze."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from avatar_rt.arkit import ARKIT_INDEX
from avatar_rt.arrays import F32, F64, U8, floats32, floats64
from avatar_rt.errors import ParameterError, PhotoError
from avatar_rt.face import Landmarks
from avatar_rt.head.model import HeadModel
from avatar_rt.types import FaceParams
from trainer.metrics import eye_distance
from trainer.portrait.freeform import Surface
from trainer.portrait.gaze import eye_rotations
from trainer.portrait.geometry import posed_vertices
from trainer.portrait.headfit import HeadFit
from trainer.portrait.landmark_rig import LandmarkRig
from trainer.portrait.points import (
    COUNT,
    LEFT_IRIS,
    LIPS,
    NOSE_BASE,
    NOSE_RIDGE,
    NOSE_TIP,
    RIGHT_IRIS,
    fitting_weights,
)
from trainer.portrait.solve import Settings, Solution, project, solve

FOCAL = 2.2
"""Focal length in widths of the larger image side, where the photo does not say: a single picture
does not show it, and portraits are taken from about this far."""
_STIFFNESS = 0.3
_PHOTO_STIFFNESS = 0.1
_REACH, _PHOTO_REACH = 0.05, 0.035
"""Metres around the face points, and around the lips, within which vertices may move."""

_LEAST_NOSE = 0.0145
"""Metres from a nose's base to its tip that a mean head should have. A front view hides it, so the
mean decides: FLAME's has 18 mm, ICT-FaceKit's 19, the built-in one, of three ancestries, only 12,
which makes a flat profile. Moved part of the way, in doubt about whose nose it is."""


def fit_head(
    image: U8,
    landmarks: Landmarks,
    model: HeadModel,
    *,
    focal: float | None = None,
    settings: Settings | None = None,
) -> HeadFit:
    """The head of `model` that the photograph shows.

    image: (H, W, 3) uint8. landmarks: of the face in it; blendshape scores with them are not used,
    as they did no better than the points alone. focal: pixels, where known. Raises ParameterError
    for a model without landmarks or a focal length that is not positive, PhotoError for landmarks
    that no face could have.
    """
    height, width = image.shape[:2]
    if focal is not None and not focal > 0:
        raise ParameterError(f"focal length {focal} must be positive")
    rig = LandmarkRig.of(model)
    if rig.known.sum() < 60:
        raise ParameterError(
            f"head model '{model.name}' has {int(rig.known.sum())} of the {COUNT} face points; "
            "60 are needed to fit it"
        )
    points = floats64(landmarks.points[:, :2])
    if not np.isfinite(points).all() or eye_distance(points) < 4:
        raise PhotoError("the face points do not form a face; is the picture too small or blurred?")
    f = focal or FOCAL * max(height, width)
    K = floats64([[f, 0.0, width / 2], [0.0, f, height / 2], [0.0, 0.0, 1.0]])
    forward = nose_shift(rig)
    rig = rig.shifted(floats64(forward[:, None] * [0.0, 0.0, 1.0]))
    solution = solve(points, K, model, rig, settings)
    return _Finish(model, rig, forward, solution, points, K).headfit(
        landmarks.points, width, height
    )


def nose_shift(rig: LandmarkRig) -> F64:
    """(478,) metres forward (+z) that landmarks have to move for the mean head to have a nose."""
    shift = np.zeros(COUNT)
    if not rig.known[[NOSE_TIP, NOSE_BASE]].all():
        return shift
    _, rise, out = rig.neutral[NOSE_TIP] - rig.neutral[NOSE_BASE]
    missing = np.sqrt(max(_LEAST_NOSE**2 - rise**2, 0.0)) - out
    if missing > 0:
        shift[list(NOSE_RIDGE)] = missing * np.array(list(NOSE_RIDGE.values()))
    return floats64(shift)


@dataclass(frozen=True, slots=True)
class _Finish:
    """From the solver's head to one that meets the landmarks."""

    model: HeadModel
    rig: LandmarkRig
    """With the nose already moved forward …"""
    forward: F64
    """… by (478,) metres, which the mesh has yet to follow."""
    solution: Solution
    points: F64
    K: F64

    def headfit(self, landmarks: F32, width: int, height: int) -> HeadFit:
        s, surface = self.solution, Surface.of(self.model)
        weights = np.where(self.rig.known, fitting_weights(), 0.0)
        lips = np.isin(np.arange(COUNT), LIPS)
        params = FaceParams(arkit=floats32(s.expression))

        # a mouth that moves hides the lips' own shape: they count for less in the person
        identity_weights = np.where(lips, weights * (1 - 0.5 * self._mouth_activity()), weights)
        local = self.rig.points(s.identity, s.expression)
        moved = surface.bend(
            np.column_stack([self._misses(local, s.translation), self.forward]),
            identity_weights, _STIFFNESS, self.rig.known, _REACH,
        )  # fmt: skip
        offsets = self._to_model(moved[:, :2])
        offsets[:, 2] += moved[:, 2]
        middle = self._between_eyes(offsets)
        offsets, translation = offsets - middle, s.translation + s.rotation @ middle

        misses = self._misses(self._landmarks(surface, params, offsets), translation)
        photo_weights = np.where(lips, 3 * weights, 0.5 * weights)
        left = surface.bend(
            np.where(lips[:, None], misses, 0.0),
            photo_weights, _PHOTO_STIFFNESS, lips & self.rig.known, _PHOTO_REACH,
        )  # fmt: skip
        photo_offsets = self._to_model(left)
        local = self._landmarks(surface, params, offsets + photo_offsets)
        misses = self._misses(local, translation)
        pixels_per_metre = self.K[0, 0] / translation[2]
        residuals = np.linalg.norm(misses, axis=1) * pixels_per_metre / eye_distance(self.points)
        return HeadFit(
            self.model,
            floats32(s.identity),
            floats32(offsets),
            floats32(s.expression),
            floats32(photo_offsets),
            self._gaze(offsets, translation),
            s.rotation,
            floats64(translation),
            self.K,
            width,
            height,
            landmarks,
            floats32(np.where(self.rig.known, residuals, np.nan)),
        )

    def _mouth_activity(self) -> float:
        mouth = [k for name, k in ARKIT_INDEX.items() if name.startswith(("mouth", "jaw"))]
        return float(np.clip(self.solution.expression[mouth].max() / 0.3, 0, 1))

    def _landmarks(self, surface: Surface, params: FaceParams, offsets: F64) -> F64:
        """(478, 3) metres in the model's space, on the posed mesh."""
        person = self.model.bake(self.solution.identity, offsets)
        return floats64(surface.landmarks @ floats64(posed_vertices(person, params)))

    def _misses(self, local: F64, translation: F64) -> F64:
        """(478, 2) metres in the image plane from each landmark on the head, `local` (478, 3), to
        where the photo has it."""
        camera = local @ self.solution.rotation.T + translation
        misses = (self.points - project(camera, self.K)) * camera[:, 2:] / self.K[0, 0]
        return floats64(np.where(self.rig.known[:, None], misses, 0.0))

    def _to_model(self, in_plane: F64) -> F64:
        """(V, 2) across the line of sight → (V, 3) in the model's space."""
        return floats64(in_plane @ self.solution.rotation[:2])

    def _eyes(self, offsets: F64) -> F64 | None:
        """(2, 3) centres of the left and right eyeball."""
        person = self.model.bake(self.solution.identity, offsets)
        if not {"left_eye", "right_eye"} <= set(person.joint_names):
            return None
        index = [person.joint_names.index(name) for name in ("left_eye", "right_eye")]
        return floats64(person.joints[index])

    def _between_eyes(self, offsets: F64) -> F64:
        eyes = self._eyes(offsets)
        return np.zeros(3) if eyes is None else floats64(eyes.mean(0))

    def _gaze(self, offsets: F64, translation: F64) -> F32:
        eyes = self._eyes(offsets)
        irises = [LEFT_IRIS[0], RIGHT_IRIS[0]]
        if eyes is None or not self.rig.known[irises].all():
            return np.zeros((2, 3), np.float32)
        person = self.model.bake(self.solution.identity, offsets)
        faces = person.faces[self.model.landmark_faces[irises]]
        barycentric = self.model.landmark_barycentric[irises][..., None]
        pupils = floats64((person.vertices[faces] * barycentric).sum(1))
        return eye_rotations(eyes, pupils, self.points, self.solution.rotation, translation, self.K)
