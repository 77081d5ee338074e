"""What a face does when nobody drives it: it blinks, glances about and sways a little.

Everything is a function of the seed and of the time passed in, so any moment can be asked for.
"""

from __future__ import annotations

import functools
import math

import numpy as np

from avatar_rt.arkit import ARKIT_INDEX
from avatar_rt.arrays import F32, F64, floats32
from avatar_rt.types import Channels, FaceParams

_BLINK_MEAN = 4.0
"""Seconds between blinks on average; with the jitter below each interval lies within 2–6 s."""
_BLINK_JITTER = 0.5
_CLOSING = 0.38
"""Share of a blink in which the lid falls; it rises more slowly than it falls."""
_GLANCE_MEAN, _GLANCE_JITTER = 1.9, 0.7
_SACCADE = 0.045
"""Seconds that the eye travels from one rest to the next."""
_SWAY = np.radians([1.1, 1.9, 0.7])
"""Largest pitch, yaw and roll of the idle head."""
_PERIODS = np.array([[7.3, 4.1, 2.7], [9.7, 5.3, 3.1], [11.9, 6.1, 3.7]])
"""Seconds; no two in a simple ratio, so that the sway does not visibly repeat."""
_LIDS = [ARKIT_INDEX["eyeBlinkLeft"], ARKIT_INDEX["eyeBlinkRight"]]
_LEFT_RIGHT = (("eyeLookOutLeft", "eyeLookInRight"), ("eyeLookInLeft", "eyeLookOutRight"))
_UP_DOWN = (("eyeLookUpLeft", "eyeLookUpRight"), ("eyeLookDownLeft", "eyeLookDownRight"))


class Idle:
    """Idle motion of one face."""

    def __init__(self, seed: int = 0) -> None:
        self._seed = seed
        rng = np.random.default_rng([seed, 0])
        self._phases: F64 = rng.uniform(0, 2 * np.pi, _PERIODS.shape)
        self._draw = functools.lru_cache(maxsize=64)(self._uniforms)

    def at(self, now: float) -> FaceParams:
        """The idle face at `now` seconds; it knows all channels."""
        arkit = np.zeros(len(ARKIT_INDEX), np.float32)
        look_x, look_y = self.gaze(now)
        closed = self.blink(now)
        for amount, sides in ((look_x, _LEFT_RIGHT), (look_y, _UP_DOWN)):
            for name in sides[0] if amount > 0 else sides[1]:
                arkit[ARKIT_INDEX[name]] = abs(amount)
        arkit[_LIDS] = closed
        return FaceParams(arkit=arkit, head_pose=self.head(now), time=now, known=Channels.ALL)

    def blink(self, now: float) -> float:
        """How far the lids are closed, 0–1."""
        nearest = round(now / _BLINK_MEAN)
        return max(self._blink(k, now) for k in range(nearest - 1, nearest + 2))

    def blink_times(self, start: float, end: float) -> list[tuple[float, float]]:
        """(beginning, duration) in seconds of the blinks that begin within [start, end)."""
        first, last = (math.floor(t / _BLINK_MEAN) for t in (start, end))
        blinks = [self._blink_time(k) for k in range(first - 1, last + 2)]
        return [b for b in blinks if start <= b[0] < end]

    def gaze(self, now: float) -> tuple[float, float]:
        """Where the eyes rest: towards the subject's left and up, as shares of a full look."""
        k = math.floor(now / _GLANCE_MEAN) + 1
        while self._glance_time(k) > now:
            k -= 1
        (x0, y0), (x1, y1) = self._glance(k - 1), self._glance(k)
        s = _smooth((now - self._glance_time(k)) / _SACCADE)
        return x0 + s * (x1 - x0), y0 + s * (y1 - y0)

    def head(self, now: float) -> F32:
        """(3,) float32 axis-angle, radians: a slow sway of a degree or two."""
        waves = np.sin(2 * np.pi * now / _PERIODS + self._phases) * [0.6, 0.3, 0.1]
        return floats32(waves.sum(axis=1) * _SWAY)

    def _blink_time(self, k: int) -> tuple[float, float]:
        jitter, length = self._draw(1, k)[:2]
        return _BLINK_MEAN * (k + _BLINK_JITTER * jitter), 0.15 + 0.15 * length

    def _blink(self, k: int, now: float) -> float:
        begins, lasts = self._blink_time(k)
        t = (now - begins) / lasts
        if not 0 < t < 1:
            return 0.0
        return _smooth(t / _CLOSING) if t < _CLOSING else _smooth((1 - t) / (1 - _CLOSING))

    def _glance_time(self, k: int) -> float:
        return _GLANCE_MEAN * (k + _GLANCE_JITTER * self._draw(2, k)[0])

    def _glance(self, k: int) -> tuple[float, float]:
        # mostly at the viewer, with small wanderings; seldom further away
        _, wander, x, y = self._draw(2, k)
        reach = 0.28 if wander > 0.8 else 0.06
        return reach * (2 * x - 1), 0.6 * reach * (2 * y - 1)

    def _uniforms(self, stream: int, k: int) -> tuple[float, float, float, float]:
        # a seed has no sign; folding keeps times before zero distinct from those after
        folded = 2 * k if k >= 0 else -2 * k - 1
        a, b, c, d = np.random.default_rng([self._seed, stream, folded]).random(4)
        return float(a), float(b), float(c), float(d)


def _smooth(t: float) -> float:
    t = min(max(t, 0.0), 1.0)
    return t * t * (3 - 2 * t)
