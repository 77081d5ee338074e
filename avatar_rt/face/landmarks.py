"""The 478 points of a face in a single picture."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from avatar_rt.arrays import F32, U8
from avatar_rt.face import engines
from avatar_rt.face.detect import Face, detect_faces
from avatar_rt.face.images import Square, as_rgb8

# MediaPipe's numbering: outer and inner corners of the subject's right, then left eye
_RIGHT_EYE, _LEFT_EYE = (33, 133), (263, 362)
_CROP_SCALE = 1.5
"""Crop side over the face's larger side: what the mesh model was made for."""


@dataclass(frozen=True, slots=True)
class Landmarks:
    """What the landmark model says about one face."""

    points: F32
    """(478, 3) float32: x and y in pixels (pixel centres at half integers), z in the same scale,
    smaller towards the camera. 468–472 and 473–477 are the irises, right and left."""
    blendshapes: F32 | None = None
    """(52,) float32 ARKit weights, where face_landmarker.task is there."""

    @property
    def size(self) -> float:
        """The longer side of the points' bounding box, pixels."""
        return float(np.ptp(self.points[:, :2], axis=0).max())

    @property
    def roll(self) -> float:
        """Radians, clockwise as seen, from the picture's +x to the line through the eyes."""
        right, left = self.points[_RIGHT_EYE, :2].mean(0), self.points[_LEFT_EYE, :2].mean(0)
        x, y = left - right
        return float(np.arctan2(y, x))

    def square(self) -> Square:
        """The crop, upright for this face, in which the mesh model sees it best."""
        x, y = (self.points[:, :2].min(0) + self.points[:, :2].max(0)) / 2
        return Square(float(x), float(y), self.size * _CROP_SCALE, self.roll)


def face_landmarks(image: U8, face: Face | None = None, *, passes: int = 3) -> Landmarks | None:
    """The points of `face`, or of the largest face; None where there is none.

    image: (H, W, 3) uint8 RGB; grey and alpha are taken too. Each of `passes` looks at a crop
    placed by the points of the pass before, so that its place, size and roll no longer depend on
    the detector. Raises ParameterError for an array that is no picture.
    """
    rgb = as_rgb8(image)
    if face is None:
        faces = detect_faces(rgb)
        if not faces:
            return None
        face = faces[0]
    found = points_in(rgb, face.square(_CROP_SCALE))
    for _ in range(passes - 1):
        if found is None:
            return None
        found = points_in(rgb, found.square()) or found
    if found is None:
        return None
    task = engines.task_file()
    if task is not None:
        seen = engines.task_for_pictures(task)(face.square(2.2).cut(rgb, 512))
        return Landmarks(found.points, seen[1] if seen is not None else None)
    return found


def points_in(rgb: U8, square: Square) -> Landmarks | None:
    """The points of the face in one crop; None where the model sees none."""
    points = engines.mesh()(square.cut(rgb, engines.MESH_SIZE))
    if points is None:
        return None
    return Landmarks(square.points_to_image(points, engines.MESH_SIZE))
