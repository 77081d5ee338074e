"""The driver that plays a recording."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from avatar_rt.arrays import F32, floats32
from avatar_rt.drivers.base import ClosingDriver
from avatar_rt.drivers.recording import Recording, load_recording
from avatar_rt.types import FaceParams


class RecordedDriver(ClosingDriver):
    """Plays a recording, over and over or once, from the first read on.

    Between frames values are interpolated, so that 30 recorded frames a second move smoothly at
    150. At the end of a loop the last frame leads over to the first.
    """

    def __init__(
        self, recording: Recording, *, loop: bool = True, start: float | None = None
    ) -> None:
        """start: `now` (seconds) at which the recording begins; None: at the first read. Without
        loop the last frame stays."""
        self._recording = recording
        self._loop = loop
        self._start = start

    @classmethod
    def from_file(cls, path: str | Path, *, loop: bool = True) -> RecordedDriver:
        """Raises FileFormatError, naming the entry that is wrong."""
        return cls(load_recording(path), loop=loop)

    @property
    def recording(self) -> Recording:
        """What is played."""
        return self._recording

    @property
    def duration(self) -> float:
        """Seconds of one round, the way from the last frame to the first included."""
        r = self._recording
        return float(r.times[-1] - r.times[0]) + r.interval

    def read(self, now: float) -> FaceParams:
        """The recorded face `now - start` seconds after the beginning."""
        if self._start is None:
            self._start = now
        r = self._recording
        since = max(0.0, now - self._start)
        t = since % self.duration if self._loop else min(since, self.duration - r.interval)
        at = t + float(r.times[0])
        k = int(np.searchsorted(r.times, at, side="right")) - 1
        last = len(r.times) - 1
        k = min(max(k, 0), last)
        after = k + 1 if k < last else (0 if self._loop else last)
        span = float(r.times[k + 1] - r.times[k]) if k < last else r.interval
        share = np.float32(min(max((at - float(r.times[k])) / span, 0.0), 1.0))

        def at_rest(rows: F32 | None) -> F32:
            return np.zeros(3, np.float32) if rows is None else between(rows)

        def between(rows: F32) -> F32:
            return floats32(rows[k] + share * (rows[after] - rows[k]))

        def maybe(rows: F32 | None) -> F32 | None:
            return None if rows is None else between(rows)

        return FaceParams(
            arkit=between(r.arkit),
            head_pose=at_rest(r.head_pose),
            neck_pose=at_rest(r.neck_pose),
            jaw_pose=maybe(r.jaw_pose),
            eye_pose=maybe(r.eye_pose),
            translation=at_rest(r.translation),
            time=now,
            known=r.known,
            measured=r.measured,
        )
