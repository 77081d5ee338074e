"""Where MediaPipe's 478 face points lie on the built-in head: made by
`python -m trainer.portrait.embed_landmarks`, shipped as a small file."""

from __future__ import annotations

from importlib import resources

import numpy as np

from avatar_rt.arrays import F32, I32, floats32, ints32

LANDMARKS = 478
FILE = "builtin_landmarks.npz"


def builtin_landmarks(subdivisions: int) -> tuple[I32, F32]:
    """(478,) triangle and (478, 3) barycentric coordinates on the built-in head.

    The file holds the points on the head subdivided once; on other subdivisions, and before the
    file was made, all are absent (-1).
    """
    absent = ints32(np.full(LANDMARKS, -1)), floats32(np.zeros((LANDMARKS, 3)))
    file = resources.files("avatar_rt.head").joinpath("data", FILE)
    if subdivisions != 1 or not file.is_file():
        return absent
    with resources.as_file(file) as path, np.load(path, allow_pickle=False) as data:
        return ints32(data["faces"]), floats32(data["barycentric"])
