"""What fitting a head model to a photograph yields: whose head it is, and how the photo saw it.

The appearance half of the recipe works from this alone: `photo_vertices()` says where each vertex
stood when the shutter opened, `rig()` what the same head is at rest.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from avatar_rt.arrays import F32, F64, floats32, floats64
from avatar_rt.head.model import HeadModel
from avatar_rt.head.rig import Rig
from avatar_rt.types import Camera, FaceParams
from trainer.portrait.geometry import posed_vertices


@dataclass(frozen=True, slots=True)
class HeadFit:
    """One head model fitted to one photograph. V vertices, I identity components.

    The head's turn and place in the photo are in the camera (`rotation`, `translation`), never in
    the expression: the avatar's own world has it looking along +z, eyes at the origin.
    """

    model: HeadModel
    identity: F32
    """(I,) float32 identity coefficients."""
    offsets: F32
    """(V, 3) float32 metres, free-form displacement of the neutral; part of the person."""
    expression: F32
    """(52,) float32 ARKit weights of the photo, gaze excluded."""
    photo_offsets: F32
    """(V, 3) float32 metres, what the expression shapes could not follow: added to the neutral only
    where the photo itself is concerned."""
    eye_pose: F32
    """(2, 3) float32 axis-angle of the left and right eye in the photo."""
    rotation: F64
    """(3, 3) float64 model → camera (OpenCV)."""
    translation: F64
    """(3,) float64 metres, model → camera: x_camera = rotation @ x + translation."""
    K: F64
    """(3, 3) float64 intrinsics in pixels of the photo."""
    width: int
    height: int
    landmarks: F32
    """(478, 3) float32 as they were given: pixels, and depth in pixels."""
    residuals: F32
    """(478,) float32: pixels left between each landmark and its point on the fitted head, in
    fractions of the distance between the eyes; NaN for a landmark that the model does not have."""

    def rig(self) -> Rig:
        """The person at rest, as an avatar carries it."""
        return self.model.bake(self.identity, self.offsets)

    def params(self) -> FaceParams:
        """The photo's expression and gaze, as a driver would say them."""
        return FaceParams(arkit=self.expression, eye_pose=self.eye_pose)

    def photo_vertices(self) -> F32:
        """(V, 3) float32 metres in the photo's camera space (x right, y down, z forward)."""
        local = posed_vertices(self.rig(), self.params(), self.photo_offsets)
        return floats32(local @ self.rotation.T + self.translation)

    def photo_pixels(self) -> F32:
        """(V, 3) float32: pixel x, pixel y, depth in metres of each vertex in the photo."""
        points = self.photo_vertices()
        image = points @ self.K.T
        return floats32(np.concatenate([image[:, :2] / image[:, 2:], points[:, 2:]], 1))

    def photo_camera(self) -> Camera:
        """The photo's camera, in the avatar's world."""
        viewmat = np.eye(4)
        viewmat[:3, :3], viewmat[:3, 3] = self.rotation, self.translation
        return Camera(floats64(viewmat), self.K, self.width, self.height)
