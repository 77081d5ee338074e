"""From a face's points to its expression, gaze and exact turn: a small regressor of our own.

It sees how the points of each region differ from the same person's at rest, and was taught on
pictures of made-up people (`python -m trainer.train_regressor`), so it knows MediaPipe's habits:
which way points slip when a head turns, and how far its depth can be believed.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from importlib import resources

import numpy as np

from avatar_rt.arkit import ARKIT_NAMES
from avatar_rt.arrays import F32, F64, I32, floats32, ints32
from avatar_rt.face.standard import StandardFace, mean_face
from avatar_rt.rotation import euler_from_matrix, matrix_from_euler

REGIONS = ("mouth", "jaw", "left_eye", "right_eye", "left_brow", "right_brow", "nose")
EYES = ("left_eye", "right_eye")


@dataclass(frozen=True, slots=True)
class Reading:
    """What the points of a face say."""

    arkit: F32
    """(52,) float32, as the net says: below 0 where the person does the opposite of the shape. The
    eyeLook weights, which gaze stands for, and tongueOut, which is not seen, are zero."""
    gaze: F32
    """(2,) float32 radians: both eyes' yaw to the subject's left and pitch down, in the head."""
    rotation: F64
    """(3, 3) float64: the head's turn."""


@dataclass(frozen=True, slots=True)
class Regressor:
    """Its weights: a projection per region, then K nets of two hidden layers, whose mean counts."""

    points: dict[str, I32]
    """Per region the landmarks looked at."""
    anchors: dict[str, I32]
    """Per region the landmarks from whose middle they are measured; of an eye the corners, the
    subject's left one first."""
    centre: F32
    """(D,) mean of all features."""
    projection: F32
    """(D, P): block-diagonal, region by region, scaled to unit variance."""
    layers: tuple[tuple[F32, F32], ...]
    """(K, in, out) matrices and (K, 1, out) offsets of each layer."""
    names: tuple[str, ...]
    """The weights among the outputs, which are: these, gaze (2), turn (3)."""

    def features(self, face: StandardFace) -> F32:
        """(D,) float32: where each region's points are, as local_features says."""
        return local_features(face.residual + mean_face(), self.points, self.anchors)

    def read(self, face: StandardFace, rest: F32) -> Reading:
        """The reading of a face whose features at rest are `rest`, (D,) float32."""
        turn = np.array(euler_from_matrix(face.rotation))
        x = (self.features(face) - rest - self.centre) @ self.projection
        h = floats32(np.concatenate([x, TURN_SCALE * turn]))[None, None]
        for k, (matrix, offset) in enumerate(self.layers):
            h = h @ matrix + offset
            if k + 1 < len(self.layers):
                h = h / (1 + np.exp(-h))
        x = h.mean(axis=(0, 1))
        count = len(self.names)
        arkit = np.zeros(len(ARKIT_NAMES), np.float32)
        arkit[[ARKIT_NAMES.index(n) for n in self.names]] = x[:count]
        yaw, pitch, roll = turn + x[count + 2 :] / CORRECTION_SCALE
        return Reading(
            floats32(arkit),
            floats32(x[count : count + 2] / GAZE_SCALE),
            matrix_from_euler(yaw, pitch, roll),
        )


GAZE_SCALE, CORRECTION_SCALE, TURN_SCALE = 2.0, 10.0, 2.0
"""What radians are multiplied by at the net's ends, to weigh as much as an ARKit weight."""


def local_features(points: F32, chosen: dict[str, I32], anchors: dict[str, I32]) -> F32:
    """(D,) float32 of (478, 3) points in their standard place, region by region.

    Centimetres from the middle of the anchors; of an eye, whose depth is not to be trusted, only x
    along the line between its corners and y across it, in thirds of that eye's width.
    """
    parts = []
    for region in REGIONS:
        ends = points[anchors[region]]
        away = points[chosen[region]] - ends.mean(axis=0)
        if region in EYES:
            x, y = ends[0, :2] - ends[1, :2]
            turn = np.array([[x, -y], [y, x]]) / max(x * x + y * y, 1e-8)
            parts.append((3.0 * away[:, :2] @ turn).ravel())
        else:
            parts.append((100.0 * away).ravel())
    return floats32(np.concatenate(parts))


@functools.cache
def regressor() -> Regressor:
    """The one that ships with the package."""
    file = resources.files("avatar_rt.face").joinpath("data", "regressor.npz")
    with resources.as_file(file) as path, np.load(path, allow_pickle=False) as data:
        count = sum(name.startswith("matrix") for name in data.files)
        return Regressor(
            {region: ints32(data[f"points_{region}"]) for region in REGIONS},
            {region: ints32(data[f"anchors_{region}"]) for region in REGIONS},
            floats32(data["centre"]),
            floats32(data["projection"]),
            tuple(
                (floats32(data[f"matrix{k}"]), floats32(data[f"offset{k}"])) for k in range(count)
            ),
            tuple(str(name) for name in data["names"]),
        )
