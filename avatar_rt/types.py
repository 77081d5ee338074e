"""What travels through the program: face parameters in, a camera beside them, frames out.

Units are metres, radians and seconds. The world is right-handed with y up; the head looks along +z
and the origin lies midway between its eyeballs. Cameras are OpenCV's (x right, y down, z forward).
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from avatar_rt.arkit import ARKIT_NAMES, arkit_weights
from avatar_rt.arrays import F32, F64, U8, floats64
from avatar_rt.errors import ParameterError

Quality = Literal["exact", "fast"]
Backend = Literal["auto", "cpu", "cuda"]
MAX_SIDE = 4096
"""Pixels a side of the largest picture that is drawn."""
PixelFormat = Literal["rgb8", "rgba8", "i420", "nv12", "float32"]


def _zeros3() -> F32:
    return np.zeros(3, np.float32)


def _zeros52() -> F32:
    return np.zeros(len(ARKIT_NAMES), np.float32)


class Channels(enum.Flag):
    """Parts of a face that a source may or may not know about."""

    NONE = 0
    MOUTH = enum.auto()
    """Jaw, lips, cheeks, nose, tongue."""
    BROWS = enum.auto()
    LIDS = enum.auto()
    """Blinks, wide and squinted eyes."""
    GAZE = enum.auto()
    HEAD = enum.auto()
    """Head, neck and translation."""
    ALL = MOUTH | BROWS | LIDS | GAZE | HEAD


@dataclass(frozen=True, slots=True)
class FaceParams:
    """The state of a face at one moment, independent of whose face it is."""

    arkit: F32 = field(default_factory=_zeros52)
    """(52,) float32 ARKit weights in [0, 1], ordered as ARKIT_NAMES."""
    head_pose: F32 = field(default_factory=_zeros3)
    """(3,) float32 axis-angle, radians, of the head on the neck."""
    neck_pose: F32 = field(default_factory=_zeros3)
    """(3,) float32 axis-angle, radians, of the neck on the body."""
    jaw_pose: F32 | None = None
    """(3,) float32 axis-angle; None derives it from the ARKit weights."""
    eye_pose: F32 | None = None
    """(2, 3) float32 axis-angle, left then right eye; None derives it from the ARKit weights."""
    translation: F32 = field(default_factory=_zeros3)
    """(3,) float32 metres, of the whole avatar."""
    expression: F32 | None = None
    """(E,) float32 coefficients of the head model's own basis (FLAME sources); None derives them
    from the ARKit weights."""
    time: float = 0.0
    """Seconds on the driver's clock at which this state was true."""
    known: Channels = Channels.ALL
    """What the source speaks for. To the rest, idle motion (blinks, glances, sway) is added: a
    voice knows MOUTH and BROWS; a camera that lost the face knows NONE."""
    measured: bool = False
    """Whether it comes from a tracker: its noise wants smoothing, and of parts that it does not
    know its values mean nothing."""

    @classmethod
    def from_arkit(cls, named: Mapping[str, float]) -> FaceParams:
        """A face with the named ARKit weights, all else at rest.

        Raises ParameterError for a name that ARKit does not have.
        """
        return cls(arkit=arkit_weights(named))

    def with_changes(self, **changes: object) -> FaceParams:
        """A copy with some fields replaced."""
        return replace(self, **changes)  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class Camera:
    """A pinhole camera without distortion."""

    viewmat: F64
    """(4, 4) float64 world → camera."""
    K: F64
    """(3, 3) float64 intrinsics in pixels; pixel centres lie at half integers, as in gsplat."""
    width: int
    height: int

    @classmethod
    def orbit(
        cls,
        yaw: float = 0.0,
        pitch: float = 0.0,
        *,
        distance: float = 1.0,
        focal: float | None = None,
        width: int = 512,
        height: int = 512,
        target: tuple[float, float, float] = (0.0, -0.02, -0.05),
    ) -> Camera:
        """A camera that looks at `target` from `distance` metres.

        Positive yaw (radians) moves it to the subject's left (+x), positive pitch raises it.
        focal is in pixels; its default, 2.2 × the smaller side, shows a head at one metre whole.
        Raises ParameterError for a size below one pixel or a distance that is not positive.
        """
        if width < 1 or height < 1:
            raise ParameterError(f"image size {width}x{height} must be at least 1x1")
        if not distance > 0:
            raise ParameterError(f"camera distance {distance} must be positive")
        cp, sp, cy, sy = np.cos(pitch), np.sin(pitch), np.cos(yaw), np.sin(yaw)
        backward = np.array([sy * cp, sp, cy * cp])
        right = np.array([cy, 0.0, -sy])
        down = np.cross(-backward, right)
        rotation = np.stack([right, down, -backward])
        viewmat = np.eye(4)
        viewmat[:3, :3] = rotation
        viewmat[:3, 3] = -rotation @ (np.asarray(target) + distance * backward)
        f = 2.2 * min(width, height) if focal is None else focal
        K = np.array([[f, 0, width / 2], [0, f, height / 2], [0, 0, 1]])
        return cls(floats64(viewmat), floats64(K), width, height)

    def resized(self, width: int, height: int) -> Camera:
        """The same view in another size: the smaller side keeps its field of view, centred."""
        scale = min(width, height) / min(self.width, self.height)
        K = self.K.copy()
        K[:2, :2] *= scale
        K[0, 2] = (K[0, 2] - self.width / 2) * scale + width / 2
        K[1, 2] = (K[1, 2] - self.height / 2) * scale + height / 2
        return Camera(self.viewmat, K, width, height)


@dataclass(frozen=True, slots=True)
class Frame:
    """A rendered picture."""

    pixels: U8 | F32
    """rgb8 (H, W, 3) uint8 · rgba8 (H, W, 4) uint8, straight alpha · i420 (H·3/2, W) uint8, BT.601
    studio range · nv12 alike, but U and V in pairs · float32 (H, W, 4), premultiplied RGB and
    alpha."""
    format: PixelFormat
    timings: Mapping[str, float] = field(default_factory=dict)
    """Seconds per stage (animate, project, bin, blend …)."""
