"""How often something happened lately, and how long it took."""

from __future__ import annotations

import threading
from collections import deque

_WINDOW_S = 2.0


class Meter:
    """Counts events of the last two seconds. Any thread may add, any may ask; time is passed in."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._events: deque[tuple[float, float]] = deque()
        self.total = 0

    def add(self, now: float, took: float) -> None:
        """Something ended at `now` that took `took`, both in seconds."""
        with self._lock:
            self.total += 1
            self._events.append((now, took))
            while self._events[0][0] < now - _WINDOW_S:
                self._events.popleft()

    def summary(self, now: float) -> dict[str, float | None]:
        """{"fps": events a second, "ms": median duration}; null where nothing happened lately."""
        with self._lock:
            recent = [event for event in self._events if event[0] >= now - _WINDOW_S]
        if len(recent) < 2:
            return {"fps": 0.0, "ms": None}
        span = max(recent[-1][0] - recent[0][0], 1e-6)
        durations = sorted(took for _, took in recent)
        return {
            "fps": round((len(recent) - 1) / span, 2),
            "ms": round(durations[len(durations) // 2] * 1000, 3),
        }
