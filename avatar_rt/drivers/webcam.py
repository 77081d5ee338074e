"""The driver for pictures that somebody pushes: a browser's webcam."""

from __future__ import annotations

import multiprocessing as mp
from ctypes import c_uint8

import numpy as np

from avatar_rt.arrays import U8
from avatar_rt.drivers.base import ClosingDriver
from avatar_rt.drivers.child import Child
from avatar_rt.drivers.tracking import (
    LONGEST_SIDE,
    UNKNOWN,
    Seen,
    small,
    track_pushed,
    unless_lost,
)
from avatar_rt.errors import ParameterError
from avatar_rt.face import task_file
from avatar_rt.face.standard import DEFAULT_FOCAL
from avatar_rt.types import FaceParams


class WebcamDriver(ClosingDriver):
    """A face from pushed pictures, found in a child process; the newest picture wins."""

    def __init__(self, *, use_task: bool = True, focal: float = DEFAULT_FOCAL) -> None:
        """use_task: take the expression from the user's face_landmarker.task where there is one.
        focal: of the camera, over the picture's longer side."""
        shared = mp.get_context("spawn").RawArray(c_uint8, LONGEST_SIDE * LONGEST_SIDE * 3)
        self._pixels = np.frombuffer(shared, np.uint8)  # type: ignore[call-overload]
        self._child = Child(
            track_pushed,
            shared,
            task_file() if use_task else None,
            focal,
            name="tracker of the webcam",
        )
        self._waiting: tuple[U8, float] | None = None
        self._free = False
        self._looking = False
        self.has_looked = False
        """Whether the tracker has answered for a picture yet."""
        self._latest = UNKNOWN

    def push(self, image: U8, time: float) -> None:
        """Hands over a picture, (H, W, 3) uint8 RGB, taken at `time` (seconds on the clock of
        `read`), without waiting; one that the child has not begun with yet is forgotten.

        Raises ParameterError for an array of another kind, DriverError once the child has died.
        """
        a = np.asarray(image)
        if a.dtype != np.uint8 or a.ndim != 3 or a.shape[2] != 3 or 0 in a.shape:
            raise ParameterError(f"a frame must be (H, W, 3) uint8, not {a.dtype} {a.shape}")
        self._waiting = (small(a), time)
        self._exchange()

    def read(self, now: float) -> FaceParams:
        """The newest face; it knows nothing where none was seen for half a second.

        Raises DriverError once the child has died.
        """
        self._exchange()
        return unless_lost(self._latest, now)

    @property
    def child_pid(self) -> int | None:
        """The process id of the tracker; None once it is closed."""
        return self._child.pid

    def close(self) -> None:
        """Ends the child."""
        self._child.close()

    def _exchange(self) -> None:
        """Collect answers; hand the newest picture over if the child waits for one."""
        answer: Seen
        for answer in self._child.poll():
            self._free = True
            self.has_looked |= self._looking
            if answer.params is not None:
                self._latest = answer.params
        if self._free and self._waiting is not None:
            image, time = self._waiting
            # the child reads the shared pixels only between a request and its answer
            self._pixels[: image.size] = image.ravel()
            self._child.send((image.shape, time))
            self._waiting, self._free, self._looking = None, False, True
