"""When things happen: steady deadlines, counted from one start so that no error adds up.

Only the edges of the program (the frame thread, the voice thread, the command line) read a clock;
everything else is told the time. `monotonic` is that clock, in seconds.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

VIDEO_RATE = 90_000
"""Ticks per second of an RTP video clock (RFC 6184 §5.1)."""

monotonic = time.monotonic


def ticks(seconds: float, rate: int = VIDEO_RATE) -> int:
    """Seconds → whole ticks of a media clock."""
    return round(seconds * rate)


@dataclass(slots=True)
class Deadlines:
    """The moments start, start + 1/rate, start + 2/rate … in order.

    Whoever comes too late for a moment is given the newest one that has passed: frames are
    skipped, never queued, and the rhythm stays.
    """

    rate: float
    """Moments per second."""
    start: float
    """Seconds on the caller's clock."""
    count: int = -1
    """Number of the last moment that was given out."""
    skipped: int = 0

    def next(self, now: float) -> float:
        """The next moment to act at, in seconds: in the future, or up to one period ago."""
        newest = int((now - self.start) * self.rate)
        following = self.count + 1
        if newest > following:
            self.skipped += newest - following
            following = newest
        self.count = following
        return self.start + following / self.rate


def sleep_until(deadline: float) -> None:
    """Returns at `deadline` on the monotonic clock, or at once when it has passed."""
    remaining = deadline - monotonic()
    if remaining > 0:
        time.sleep(remaining)
