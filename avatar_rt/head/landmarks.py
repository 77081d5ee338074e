"""Where MediaPipe's 478 face points lie on the built-in head: made by
`python -m trainer.portrait.embed_landmarks`, shipped as a small file."""

from __future__ import annotations

import hashlib
from importlib import resources

import numpy as np

from avatar_rt.arrays import F32, I32, floats32, ints32

LANDMARKS = 478
FILE = "builtin_landmarks.npz"


def topology(faces: I32) -> str:
    """sha256 (hex) of the triangles: the embedding belongs to exactly these."""
    return hashlib.sha256(ints32(faces).tobytes()).hexdigest()


def builtin_landmarks(faces: I32) -> tuple[I32, F32]:
    """(478,) triangle and (478, 3) barycentric coordinates on the head that has these triangles.

    The shipped file holds the points on the head subdivided once; on any other triangles all
    landmarks are absent (-1).
    """
    file = resources.files("avatar_rt.head").joinpath("data", FILE)
    if file.is_file():
        with resources.as_file(file) as path, np.load(path, allow_pickle=False) as data:
            if str(data["topology"]) == topology(faces):
                return ints32(data["faces"]), floats32(data["barycentric"])
    return ints32(np.full(LANDMARKS, -1)), floats32(np.zeros((LANDMARKS, 3)))
