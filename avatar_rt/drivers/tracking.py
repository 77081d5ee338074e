"""Pictures in, faces out: what runs in the child process of a driver that looks, and how its
answers are read."""

from __future__ import annotations

from collections.abc import Iterator
from ctypes import Array as SharedArray
from ctypes import c_uint8
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

import av
import cv2
import numpy as np

from avatar_rt.arrays import U8
from avatar_rt.drivers.solver import FaceSolver
from avatar_rt.errors import FileFormatError, InputError
from avatar_rt.face import FaceTracker
from avatar_rt.types import Channels, FaceParams

_LOST_AFTER = 0.5
"""Seconds without a face after which nothing is known of it any more."""
UNKNOWN = FaceParams(known=Channels.NONE, measured=True)
"""What a driver knows before it has seen a face."""
LONGEST_SIDE = 960
"""Pixels: a larger picture is shrunk before a face is sought; none needs more."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A child's answer to one request."""

    params: FaceParams | None
    """None: no face, or no picture newer than the last."""
    next_time: float | None = None
    """Seconds, of a file: before that there is nothing new; None: the file is at its end."""


def unless_lost(latest: FaceParams, now: float) -> FaceParams:
    """`latest`, which speaks for nothing any more where it is too old."""
    if now - latest.time > _LOST_AFTER:
        return latest.with_changes(known=Channels.NONE)
    return latest


class Follower:
    """One face through a video: the tracker and the solver behind it."""

    def __init__(self, task_path: Path | None, focal: float) -> None:
        self._tracker = FaceTracker(task_path)
        self._solver = FaceSolver(focal)

    def follow(self, image: U8, time: float) -> FaceParams | None:
        """The face in the picture of `time` seconds; None where none is seen."""
        seen = self._tracker.process(image, time)
        if seen is None:
            return None
        height, width = image.shape[:2]
        return self._solver.solve(seen, width, height, time)

    def close(self) -> None:
        """Give the models back."""
        self._tracker.close()


def small(image: U8) -> U8:
    """`image` with its longer side at most LONGEST_SIDE, C-contiguous."""
    height, width = image.shape[:2]
    scale = LONGEST_SIDE / max(height, width)
    if scale >= 1:
        return np.ascontiguousarray(image)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.ascontiguousarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)


def check_video(path: Path) -> None:
    """Raises InputError for a file that is not there, FileFormatError for one without pictures."""
    for _ in video_frames(path):
        return
    raise FileFormatError(path, "video", "holds no picture")


def video_duration(path: Path) -> float:
    """Seconds that a video file says it lasts; 0 where it does not say or cannot be read."""
    try:
        with av.open(str(path)) as file:
            return (file.duration or 0) / av.time_base
    except (av.FFmpegError, ValueError):
        return 0.0


def video_frames(path: Path) -> Iterator[tuple[float, U8]]:
    """(seconds from the first, (H, W, 3) uint8 RGB upright) of each picture of a video file.

    Times ascend strictly. Raises as check_video does.
    """
    try:
        with av.open(str(path)) as file:
            if not file.streams.video:
                raise FileFormatError(path, "video", "has no picture track")
            stream = file.streams.video[0]
            stream.thread_type = "AUTO"
            period = 1 / float(stream.average_rate or 30)
            first, last = None, -period
            for frame in file.decode(stream):
                time = frame.time if frame.time is not None else last + period
                first = time if first is None else first
                if time - first <= last:
                    continue
                last = time - first
                yield last, _upright(frame)
    except (av.FileNotFoundError, av.PermissionError, IsADirectoryError) as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error
    except (av.FFmpegError, ValueError) as error:
        raise FileFormatError(path, "video", f"cannot be decoded: {error}") from error


def _upright(frame: av.VideoFrame) -> U8:
    scale = min(1.0, LONGEST_SIDE / max(frame.width, frame.height))
    width, height = (max(2, round(side * scale)) for side in (frame.width, frame.height))
    rgb = frame.reformat(width=width, height=height, format="rgb24").to_ndarray()
    # the angle by which the camera was turned, anticlockwise
    return np.ascontiguousarray(np.rot90(rgb, round(frame.rotation / 90) % 4), np.uint8)


def track_pushed(
    pipe: Connection, shared: SharedArray[c_uint8], task_path: Path | None, focal: float
) -> None:
    """Answers each (shape, time) of a picture in `shared` with a Seen; one at the start says ready.

    Ends when the pipe does.
    """
    follower = Follower(task_path, focal)
    pixels = np.frombuffer(shared, np.uint8)  # type: ignore[call-overload]
    pipe.send(Seen(None))
    while True:
        shape, time = pipe.recv()
        image = pixels[: int(np.prod(shape))].reshape(shape)
        pipe.send(Seen(follower.follow(image, time)))


def track_file(
    pipe: Connection, path: Path, loop: bool, task_path: Path | None, focal: float
) -> None:
    """Answers each request, a time in seconds, with the face in the file's newest picture then.

    Pictures that nobody asked for in time are skipped. Ends when the pipe does.
    """
    follower = Follower(task_path, focal)
    pictures = _rounds(path) if loop else video_frames(path)
    following = next(pictures, None)
    pipe.send(Seen(None, 0.0))
    while True:
        wanted: float = pipe.recv()
        newest = None
        while following is not None and following[0] <= wanted:
            newest = following
            following = next(pictures, None)
        params = None if newest is None else follower.follow(newest[1], newest[0])
        pipe.send(Seen(params, None if following is None else following[0]))


def _rounds(path: Path) -> Iterator[tuple[float, U8]]:
    """The pictures of a file, over and over, on one clock."""
    start = 0.0
    while True:
        times = [0.0]
        for time, image in video_frames(path):
            times.append(time)
            yield start + time, image
        period = times[-1] - times[-2] if len(times) > 2 else 1 / 30
        start += times[-1] + period
