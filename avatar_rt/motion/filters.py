"""Smoothing of measured values: calm where they rest, quick where they move.

The one-euro filter (Casiez, Roussel, Vogel: "1€ Filter", CHI 2012): a low-pass whose cutoff grows
with speed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from avatar_rt.arrays import F64, floats64


@dataclass(frozen=True, slots=True)
class Smoothing:
    """How a one-euro filter treats a group of values."""

    min_cutoff: float
    """Hz at rest: lower is calmer."""
    beta: float
    """Hz of cutoff per unit per second: higher is quicker."""
    speed_cutoff: float = 8.0
    """Hz of the low-pass on the speed itself."""


def low_pass_share(cutoff: F64 | float, dt: float) -> F64:
    """The share of a new sample in a first-order low-pass of `cutoff` Hz after `dt` seconds."""
    return floats64(1.0 - np.exp(-2.0 * np.pi * floats64(cutoff) * dt))


class OneEuro:
    """One filter over a vector; each entry has its own speed and cutoff."""

    def __init__(self, min_cutoff: F64, beta: F64, speed_cutoff: F64) -> None:
        """Three (N,) float64 arrays: see Smoothing."""
        self._min, self._beta, self._speed_cutoff = min_cutoff, beta, speed_cutoff
        self._value: F64 | None = None
        self._speed = np.zeros_like(min_cutoff)

    def step(self, sample: F64, dt: float) -> F64:
        """The smoothed value after another (N,) sample that came `dt` ≥ 0 seconds after the last.

        The first sample is returned as it is.
        """
        if self._value is None:
            self._value = sample.copy()
        elif dt > 0:
            speed = (sample - self._value) / dt
            self._speed += low_pass_share(self._speed_cutoff, dt) * (speed - self._speed)
            cutoff = self._min + self._beta * np.abs(self._speed)
            self._value = self._value + low_pass_share(cutoff, dt) * (sample - self._value)
        return self._value

    def reset(self) -> None:
        """Forget: the next sample is taken as it is."""
        self._value = None
        self._speed = np.zeros_like(self._min)
