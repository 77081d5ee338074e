"""From what a user names (a file, or "idle") to the driver for it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from avatar_rt.drivers.base import Driver, IdleDriver
from avatar_rt.drivers.recorded import RecordedDriver
from avatar_rt.errors import InputError, ParameterError

RECORDED = (".json", ".npz")
VIDEO = (".mp4", ".webm", ".mov", ".mkv", ".avi", ".m4v", ".ogv")
SPEECH = (".wav", ".mp3", ".ogg", ".flac", ".m4a")


def open_driver(
    spec: str | Path,
    *,
    loop: bool = True,
    live: bool = True,
    progress: Callable[[float], None] | None = None,
) -> Driver:
    """The driver that `spec` names: "idle", a recording (.json, .npz), a video or a voice (.wav …).

    loop: begin again at the end. live: a video is tracked while it plays, in a child process, and
    frames that come too late are left out; otherwise it is tracked whole, here and now, so that
    its frames can be asked for at any pace. progress: is told, 0 to 1, how much of a voice or a
    whole video has been read.
    Raises ParameterError for another suffix, InputError for a file that is not there,
    FileFormatError for one that is not what its suffix says.
    """
    if str(spec) == "idle":
        return IdleDriver()
    path = Path(spec)
    suffix = path.suffix.lower()
    if suffix not in (*RECORDED, *VIDEO, *SPEECH):
        kinds = ", ".join((*RECORDED, *VIDEO, *SPEECH))
        raise ParameterError(f"'{spec}' is no driver: give \"idle\" or a file of {kinds}")
    if not path.is_file():
        raise InputError(f"{path}: there is no such file")
    if suffix in RECORDED:
        return RecordedDriver.from_file(path, loop=loop)
    # what tracks faces and hears phones takes long to import, and only these need it
    if suffix in SPEECH:
        from avatar_rt.drivers.speech import SpeechDriver  # noqa: PLC0415

        return SpeechDriver.from_wav(path, progress=progress)
    from avatar_rt.drivers.video import VideoDriver, track_video  # noqa: PLC0415

    if not live:
        return RecordedDriver(track_video(path, progress=progress), loop=loop)
    return VideoDriver(path, loop=loop)
