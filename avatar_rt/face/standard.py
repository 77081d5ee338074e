"""A face's 478 points brought to a standard place: upright, frontal, in metres.

What is left there, the difference from the mean face, is who it is and what it does; the way there
is how the head is turned. The mean face is the built-in head's, carried by its landmark embedding
(`python -m trainer.train_regressor` writes it).
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from importlib import resources

import numpy as np

from avatar_rt.arrays import F32, F64, floats32, floats64
from avatar_rt.rotation import matrix_from_axis_angle

DEFAULT_FOCAL = 1.3
"""Over the picture's longer side: a webcam's, which sees about 55° of the longer side."""
IRIS = 468
"""The first of the points on the irises: five of the right eye, then five of the left."""
_FLIP = np.diag([1.0, -1.0, -1.0])
"""From the picture's axes (x right, y down, z forward) to the head's (x right, y up, z back)."""


@dataclass(frozen=True, slots=True)
class StandardFace:
    """A face in its standard place, and how it came there."""

    rotation: F64
    """(3, 3) float64: the head's turn, zero when it looks into the camera's direction."""
    scale: float
    """Pixels per metre of the mean face."""
    residual: F32
    """(478, 3) float32 metres: the points in their standard place less the mean face."""


@functools.cache
def mean_face() -> F32:
    """(478, 3) float32 metres, in the head's axes, origin between the eyeballs."""
    file = resources.files("avatar_rt.face").joinpath("data", "mean_face.npz")
    with resources.as_file(file) as path, np.load(path, allow_pickle=False) as data:
        return floats32(data["points"])


def standardised(
    points: F32, width: int, height: int, focal: float = DEFAULT_FOCAL
) -> StandardFace:
    """The standard place of (478, 3) points in pixels of a width × height picture.

    The turn that fits best in the least-squares sense (Umeyama 1991), of all points but the irises;
    focal (over the longer side) tells how much of it is owed to a face beside the middle, which a
    camera sees turned.
    """
    mean = floats64(mean_face())
    seen = floats64(points) @ _FLIP
    a, b = mean[:IRIS], seen[:IRIS]
    a_middle, b_middle = a.mean(0), b.mean(0)
    a, b = a - a_middle, b - b_middle
    U, S, Vt = np.linalg.svd(b.T @ a)
    sign = np.array([1.0, 1.0, np.linalg.det(U @ Vt)])
    rotation = (U * sign) @ Vt
    scale = float((S * sign).sum() / (a * a).sum())
    residual = (seen - b_middle) @ rotation / scale + a_middle - mean
    beside = (b_middle[:2] - [width / 2, -height / 2]) / (focal * max(width, height))
    return StandardFace(_towards(beside) @ rotation, scale, floats32(residual))


def _towards(beside: F64) -> F64:
    """(3, 3): the turn from straight ahead to a place `beside` it, as a share of the depth."""
    x, y = beside
    axis = np.array([y, -x, 0.0])
    length = float(np.linalg.norm(axis))
    if length < 1e-9:
        return floats64(np.eye(3))
    return matrix_from_axis_angle(axis / length * np.arctan(length))
