"""The driver that looks at the face in a video file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from avatar_rt.drivers.base import ClosingDriver
from avatar_rt.drivers.child import Child
from avatar_rt.drivers.recording import Recording
from avatar_rt.drivers.tracking import (
    UNKNOWN,
    Follower,
    check_video,
    track_file,
    unless_lost,
    video_duration,
    video_frames,
)
from avatar_rt.errors import DriverError
from avatar_rt.face import task_file
from avatar_rt.face.standard import DEFAULT_FOCAL
from avatar_rt.types import FaceParams


class VideoDriver(ClosingDriver):
    """A face from a video file as it plays, found in a child process; late pictures are left out.

    The file plays from the first read on.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        loop: bool = True,
        use_task: bool = True,
        focal: float = DEFAULT_FOCAL,
    ) -> None:
        """use_task: take the expression from the user's face_landmarker.task where there is one.
        focal: of the camera, over the picture's longer side.

        Raises InputError for a file that is not there, FileFormatError for one that is no video.
        """
        self._path = Path(path)
        check_video(self._path)
        self._child = Child(
            track_file,
            self._path,
            loop,
            task_file() if use_task else None,
            focal,
            name=f"tracker of {path}",
        )
        self._start: float | None = None
        self._asked = True
        self._next: float | None = None
        self._latest = UNKNOWN

    def read(self, now: float) -> FaceParams:
        """The newest face; it knows nothing where none was seen for half a second.

        Raises DriverError once the child has died.
        """
        for answer in self._child.poll():
            self._asked, self._next = False, answer.next_time
            self._start = now if self._start is None else self._start
            if answer.params is not None:
                time = answer.params.time + self._start
                self._latest = answer.params.with_changes(time=time)
        if self._start is None:
            return UNKNOWN.with_changes(time=now)
        if not self._asked and self._next is not None and now - self._start >= self._next:
            self._child.send(now - self._start)
            self._asked = True
        return unless_lost(self._latest, now)

    @property
    def child_pid(self) -> int | None:
        """The process id of the tracker; None once it is closed."""
        return self._child.pid

    def close(self) -> None:
        """Ends the child."""
        self._child.close()


def track_video(
    path: str | Path,
    *,
    use_task: bool = True,
    focal: float = DEFAULT_FOCAL,
    progress: Callable[[float], None] | None = None,
) -> Recording:
    """Every face of a video file, tracked here and now: what VideoDriver would see with time
    enough, with the same settings. Where no face is seen the one before stays. progress: is told
    the share of the video that was looked at, 0 to 1.

    Raises as VideoDriver does, and DriverError for a video without a face.
    """
    follower = Follower(task_file() if use_task else None, focal)
    states: list[FaceParams] = []
    found = False
    duration = video_duration(Path(path)) if progress is not None else 0.0
    try:
        for time, image in video_frames(Path(path)):
            if progress is not None and duration > 0:
                progress(min(time / duration, 1.0))
            params = follower.follow(image, time)
            found = found or params is not None
            last = states[-1] if states else FaceParams()
            states.append(params if params is not None else last.with_changes(time=time))
    finally:
        follower.close()
    if not found:
        raise DriverError(f"{path}: no face was found in any picture of this video")
    return Recording.of(states, measured=True)
