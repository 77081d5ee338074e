"""Puts an avatar made from a picture where the pictured truth stands, and looks at both alike.

One picture leaves distance and size open: the avatar is scaled, about the photo's camera, until its
eyes are as far away as the truth's. Its picture from that camera does not change by it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from avatar_rt.arrays import F32, F64, floats32, floats64
from avatar_rt.avatar import Avatar
from avatar_rt.errors import ParameterError
from avatar_rt.render import Renderer
from avatar_rt.types import Camera, FaceParams
from trainer.recipes.instant import photo_view


@dataclass(frozen=True, slots=True)
class Alignment:
    """From an avatar's world to the truth's: x ↦ scale · rotation x + translation."""

    scale: float
    rotation: F64
    """(3, 3)"""
    translation: F64
    """(3,) metres."""

    @classmethod
    def by_photo(cls, seen: Camera, truth: Camera) -> Alignment:
        """From the camera that the avatar believes it was photographed by, `seen`, and the one
        that did it, `truth`. Both worlds have the eyes at their origin."""
        r, t = seen.viewmat[:3, :3], seen.viewmat[:3, 3]
        r0, t0 = truth.viewmat[:3, :3], truth.viewmat[:3, 3]
        scale = float(t0[2] / t[2])
        return cls(scale, floats64(r0.T @ r), floats64(r0.T @ (scale * t - t0)))

    def points(self, points: F32) -> F32:
        """(N, 3) in the avatar's world → in the truth's."""
        return floats32(self.scale * (points @ self.rotation.T) + self.translation)

    def camera(self, camera: Camera) -> Camera:
        """A camera of the truth's world → the one that sees the avatar from there: distances are
        divided by the scale, which no picture shows."""
        r, t = camera.viewmat[:3, :3], camera.viewmat[:3, 3]
        viewmat = np.eye(4)
        viewmat[:3, :3] = r @ self.rotation
        viewmat[:3, 3] = (r @ self.translation + t) / self.scale
        return Camera(floats64(viewmat), camera.K, camera.width, camera.height)


class Portrayed:
    """An avatar beside the truth that it was made from."""

    def __init__(self, avatar: Avatar, truth: Camera) -> None:
        """truth: the camera that took the picture."""
        if avatar.landmarks is None:
            raise ParameterError("the avatar carries no face points to be measured by")
        self._landmarks = avatar.landmarks
        self._faces = avatar.rig.faces
        self.renderer = Renderer(avatar)
        seen, self.photo = photo_view(avatar)
        self.alignment = Alignment.by_photo(seen, truth)

    def landmarks(self, params: FaceParams) -> F32:
        """(478, 3) float32 metres in the truth's world; NaN for points that the head lacks."""
        corners = self.renderer.vertices(params)[self._faces[self._landmarks.faces]]
        points = (corners * self._landmarks.barycentric[..., None]).sum(1)
        points[self._landmarks.faces < 0] = np.nan
        return self.alignment.points(points)

    def picture(self, params: FaceParams, camera: Camera, backdrop: float) -> tuple[F32, F32]:
        """The avatar from a camera of the truth's world: (H, W, 3) over a grey, alpha (H, W)."""
        return over_backdrop(self.renderer, self.alignment.camera(camera), params, backdrop)


def over_backdrop(
    renderer: Renderer, camera: Camera, params: FaceParams, backdrop: float
) -> tuple[F32, F32]:
    """(H, W, 3) and alpha (H, W), float32 in [0, 1], of an avatar before a grey."""
    pixels = floats32(renderer.render(params, camera, format="float32").pixels)
    alpha = pixels[..., 3]
    return floats32((pixels[..., :3] + (1 - alpha[..., None]) * backdrop).clip(0, 1)), floats32(
        alpha
    )
