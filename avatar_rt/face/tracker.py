"""The 478 points of one face through a video."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from avatar_rt.arrays import U8
from avatar_rt.face import engines
from avatar_rt.face.detect import detect_faces
from avatar_rt.face.images import Square, as_rgb8
from avatar_rt.face.landmarks import Landmarks, points_in

_SEARCH_EVERY = 0.4
"""Seconds between searches of a whole frame while there is no face: a search costs ten looks."""


class FaceTracker:
    """Follows the largest face: each frame's crop comes from the points of the frame before.

    task_path: face_landmarker.task, which adds ARKit weights; None does without. Not for several
    threads at once.
    """

    def __init__(self, task_path: Path | None = None) -> None:
        self._task = None if task_path is None else engines.TaskLandmarker(task_path, video=False)
        self._square: Square | None = None
        self._in_vain = -np.inf

    def process(self, image: U8, timestamp: float) -> Landmarks | None:
        """The face in the next frame, (H, W, 3) uint8 RGB, taken at `timestamp` seconds.

        None while no face is seen. Raises ParameterError for an array that is no picture.
        """
        rgb = as_rgb8(image)
        found = None if self._square is None else points_in(rgb, self._square)
        if found is None:
            found = self._search(rgb, timestamp)
        if found is None or not _plausible(found, rgb):
            self._square = None
            return None
        self._square = found.square()
        if self._task is None:
            return found
        crop = Square(self._square.x, self._square.y, found.size * 2.0, found.roll)
        seen = self._task(crop.cut(rgb, 256))
        return Landmarks(found.points, None if seen is None else seen[1])

    def close(self) -> None:
        """Give the task's model back."""
        if self._task is not None:
            self._task.close()
            self._task = None

    def _search(self, rgb: U8, timestamp: float) -> Landmarks | None:
        """The largest face of the whole picture; not again at once where there was none."""
        if 0 <= timestamp - self._in_vain < _SEARCH_EVERY:
            return None
        for face in detect_faces(rgb, thorough=False)[:1]:
            first = points_in(rgb, face.square(1.5))
            if first is not None:
                return points_in(rgb, first.square()) or first
        self._in_vain = timestamp
        return None


def _plausible(found: Landmarks, rgb: U8) -> bool:
    """Whether the face is still mostly in the picture and large enough to be read."""
    height, width = rgb.shape[:2]
    x, y = found.points[:, 0], found.points[:, 1]
    inside = (x > 0) & (x < width) & (y > 0) & (y < height)
    return bool(inside.mean() > 0.5) and found.size > 12
