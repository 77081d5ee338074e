"""Which pixels belong to the person."""

from __future__ import annotations

import cv2
import numpy as np

from avatar_rt.arrays import F32, U8, floats32
from avatar_rt.face import engines
from avatar_rt.face.detect import Face, detect_faces
from avatar_rt.face.images import Square, as_rgb8

_HEAD_SCALE = 3.2
"""Side over the face's: the head with its hair and some shoulder, as the model is used to."""


def person_mask(image: U8, face: Face | None = None) -> F32:
    """How much each pixel belongs to a person: (H, W) float32 in [0, 1].

    image: (H, W, 3) uint8 RGB; grey and alpha are taken too. The model looks at 256 × 256, so the
    neighbourhood of `face` (or of the largest face) gets a look of its own, faded into the look
    at the whole. Raises ParameterError for an array that is no picture.
    """
    rgb = as_rgb8(image)
    height, width = rgb.shape[:2]
    if face is None:
        face = next(iter(detect_faces(rgb)), None)
    whole = _look(rgb, Square(width / 2, height / 2, max(width, height)))[0]
    if face is None:
        return whole
    x, y = face.center
    head = Square(x, y - 0.1 * face.size, _HEAD_SCALE * face.size)
    if head.side >= 0.9 * max(width, height):
        return whole
    near, inside = _look(rgb, head)
    return floats32(whole + inside * (near - whole))


def _look(rgb: U8, square: Square) -> tuple[F32, F32]:
    """The mask of one crop laid into the picture, and how much it counts at each pixel."""
    height, width = rgb.shape[:2]
    size = engines.MASK_SIZE
    mask = engines.person()(square.cut(rgb, size))
    ramp = np.minimum(np.arange(size) + 0.5, size - np.arange(size) - 0.5) / (0.12 * size)
    weight = floats32(np.clip(np.minimum(ramp[:, None], ramp[None, :]), 0, 1))
    a = square.to_image(size)
    a[:, 2] += a[:, :2] @ [0.5, 0.5] - 0.5
    laid = [
        cv2.warpAffine(m, a, (width, height), flags=cv2.INTER_LINEAR, borderMode=mode)
        for m, mode in ((mask, cv2.BORDER_REPLICATE), (weight, cv2.BORDER_CONSTANT))
    ]
    return floats32(np.clip(laid[0], 0, 1)), floats32(laid[1])
