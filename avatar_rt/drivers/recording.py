"""A face over time as data: what recorded drivers play, and the two files it is read from.

`.json` is ARKit weights as the LAM projects write them, with the names in the file; `.npz` is our
own, and holds poses too.
"""

from __future__ import annotations

import math
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from avatar_rt.arkit import ARKIT_NAMES
from avatar_rt.arrays import F32, F64, floats32, floats64
from avatar_rt.drivers.recording_json import arrays_from_json
from avatar_rt.errors import FileFormatError, ParameterError
from avatar_rt.files import replacing
from avatar_rt.types import Channels, FaceParams

_FORMAT, _VERSION = "avatar-rt-recording", 1
_LONGEST = 1_000_000
"""Frames: nine hours at 30 a second."""
_BIGGEST_FILE = 1 << 30
_OVERSHOOT = (-0.5, 2.0)
"""Weights a little outside [0, 1] are clipped; further outside, the file is not what it says."""
_LOOKING = 0.02
"""Below it the eyes of a whole recording rest: a tracker that does not look at them says so."""
_LOOKS = [k for k, name in enumerate(ARKIT_NAMES) if name.startswith("eyeLook")]


@dataclass(frozen=True, slots=True, eq=False)
class Recording:
    """T states of a face. Times ascend strictly; poses are axis-angle radians."""

    times: F64
    """(T,) float64 seconds."""
    arkit: F32
    """(T, 52) float32 in [0, 1]."""
    head_pose: F32 | None = None
    """(T, 3) float32; None: the recording does not know where the head is turned."""
    neck_pose: F32 | None = None
    """(T, 3) float32."""
    jaw_pose: F32 | None = None
    """(T, 3) float32; None: derived from the weights."""
    eye_pose: F32 | None = None
    """(T, 2, 3) float32 left, right; None: derived from the weights."""
    translation: F32 | None = None
    """(T, 3) float32 metres."""
    measured: bool = False
    """Whether a tracker made it, whose noise wants smoothing."""

    @property
    def known(self) -> Channels:
        """What the recording speaks for: no head without poses, no gaze where the eyes never look
        anywhere."""
        known = Channels.ALL
        if self.head_pose is None and self.neck_pose is None:
            known &= ~Channels.HEAD
        if self.eye_pose is None and self.arkit[:, _LOOKS].max() < _LOOKING:
            known &= ~Channels.GAZE
        return known

    @property
    def interval(self) -> float:
        """Seconds between frames (the median); 1/30 for a single frame."""
        return float(np.median(np.diff(self.times))) if len(self.times) > 1 else 1 / 30

    @classmethod
    def of(cls, states: Sequence[FaceParams], *, measured: bool = False) -> Recording:
        """The recording of states with ascending times.

        Poses that all are zero, and rotations that any state leaves to the weights, are left out.
        Raises ParameterError where times do not ascend, or without a state.
        """
        if not states:
            raise ParameterError("a recording needs at least one state")
        times = floats64([s.time for s in states])
        if not (np.diff(times) > 0).all():
            raise ParameterError("the times of a recording must ascend strictly")

        def moved(rows: list[F32]) -> F32 | None:
            stacked = floats32(rows)
            return stacked if stacked.any() else None

        def given(rows: list[F32 | None]) -> F32 | None:
            present = [r for r in rows if r is not None]
            return floats32(present) if len(present) == len(rows) else None

        return cls(
            times,
            floats32([s.arkit for s in states]),
            moved([s.head_pose for s in states]),
            moved([s.neck_pose for s in states]),
            given([s.jaw_pose for s in states]),
            given([s.eye_pose for s in states]),
            moved([s.translation for s in states]),
            measured,
        )


def load_recording(path: str | Path) -> Recording:
    """A recording from ARKit JSON or our own .npz, told apart by suffix.

    Raises FileFormatError that names the entry, ParameterError for another suffix.
    """
    path = Path(path)
    readers = {".json": lambda p: (arrays_from_json(p), False), ".npz": _arrays_from_npz}
    if path.suffix.lower() not in readers:
        raise ParameterError(f"{path}: a recording is a .json or .npz file")
    try:
        if path.stat().st_size > _BIGGEST_FILE:
            raise FileFormatError(path, "file", "is larger than 1 GiB")
        return _checked(path, *readers[path.suffix.lower()](path))
    except OSError as error:
        raise FileFormatError(path, "file", f"cannot be read: {error.strerror}") from error


def save_recording(recording: Recording, path: str | Path) -> None:
    """Writes our own .npz in one step. Raises ParameterError for another suffix, InputError where
    `path` cannot be written."""
    path = Path(path)
    if path.suffix.lower() != ".npz":
        raise ParameterError(f"{path}: a recording is saved as .npz")
    arrays = {
        name: value
        for name in _SHAPES
        if (value := getattr(recording, name)) is not None
    }  # fmt: skip
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(
            file,
            format=np.str_(_FORMAT),
            version=np.int64(_VERSION),
            measured=np.bool_(recording.measured),
            **arrays,
        )


_SHAPES: dict[str, tuple[int, ...]] = {
    "times": (),
    "arkit": (len(ARKIT_NAMES),),
    "head_pose": (3,),
    "neck_pose": (3,),
    "jaw_pose": (3,),
    "eye_pose": (2, 3),
    "translation": (3,),
}
"""Of one frame."""


def _checked(path: Path, arrays: dict[str, F64], measured: bool) -> Recording:
    """The recording of (T, …) arrays that are float64 already, or the error that they deserve."""
    count = len(arrays["times"]) if arrays["times"].ndim else 0
    if not 1 <= count <= _LONGEST:
        raise FileFormatError(path, "times", f"{count} frames; 1 to {_LONGEST:,} are expected")
    for name, value in arrays.items():
        expected = (count, *_SHAPES[name])
        if value.shape != expected:
            raise FileFormatError(path, name, f"has shape {value.shape}, expected {expected}")
        if not np.isfinite(value).all():
            where = np.argwhere(~np.isfinite(value))[0].tolist()
            raise FileFormatError(path, name, f"is not finite at {where}")
    if not (np.diff(arrays["times"]) > 0).all():
        k = int(np.argmin(np.diff(arrays["times"]) > 0))
        raise FileFormatError(path, "times", f"must ascend, but do not after frame {k}")
    low, high = arrays["arkit"].min(), arrays["arkit"].max()
    if low < _OVERSHOOT[0] or high > _OVERSHOOT[1]:
        raise FileFormatError(path, "arkit", f"reaches from {low:g} to {high:g}, expected 0 to 1")
    for name in ("head_pose", "neck_pose", "jaw_pose", "eye_pose"):
        if name in arrays and np.abs(arrays[name]).max() > 2 * math.pi:
            raise FileFormatError(path, name, "exceeds a full turn; radians are expected")
    rest = {n: floats32(v) for n, v in arrays.items() if n not in ("times", "arkit")}
    return Recording(
        floats64(arrays["times"]), floats32(np.clip(arrays["arkit"], 0.0, 1.0)), **rest,
        measured=measured,
    )  # fmt: skip


def _arrays_from_npz(path: Path) -> tuple[dict[str, F64], bool]:
    try:
        with zipfile.ZipFile(path) as members:
            if sum(m.file_size for m in members.infolist()) > _BIGGEST_FILE:
                raise FileFormatError(path, "file", "holds more than 1 GiB")
        with np.load(path, allow_pickle=False) as file:
            wanted = {*_SHAPES, "format", "version", "measured"}.intersection(file.files)
            held = {name: file[name] for name in wanted}
    except (ValueError, EOFError, zipfile.BadZipFile, zlib.error, RuntimeError) as error:
        raise FileFormatError(path, "file", f"is no .npz of arrays: {error}") from error
    if str(held.pop("format", "")) != _FORMAT:
        raise FileFormatError(path, "format", f"is not '{_FORMAT}'")
    version = held.pop("version", np.int64(0))
    if version.shape != () or version != _VERSION:
        raise FileFormatError(path, "version", f"is {version}; this program reads {_VERSION}")
    measured = held.pop("measured", np.bool_(False))
    if measured.shape != () or measured.dtype != np.bool_:
        raise FileFormatError(path, "measured", "is neither true nor false")
    for name in ("times", "arkit"):
        if name not in held:
            raise FileFormatError(path, name, "is missing")
    for name, value in held.items():
        if value.dtype.kind not in "fiu":
            raise FileFormatError(path, name, f"holds {value.dtype}, expected numbers")
    return {n: floats64(v) for n, v in held.items()}, bool(measured)
