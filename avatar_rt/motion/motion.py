"""From what a driver says to what a living face does: smooth, faded, never still, never broken."""

from __future__ import annotations

import numpy as np

from avatar_rt.arrays import F64, floats32, floats64
from avatar_rt.motion.channels import ARKIT_PART, PARTS
from avatar_rt.motion.filters import OneEuro, Smoothing, low_pass_share
from avatar_rt.motion.idle import Idle
from avatar_rt.motion.layers import Layer, added, blend, mix
from avatar_rt.motion.limits import limited
from avatar_rt.types import Channels, FaceParams

SMOOTHING: dict[Channels, Smoothing] = {
    # lids close in 50 ms: hardly any smoothing, or blinks never reach closed
    Channels.LIDS: Smoothing(min_cutoff=6.0, beta=4.0, speed_cutoff=20.0),
    Channels.MOUTH: Smoothing(min_cutoff=3.0, beta=3.0),
    Channels.BROWS: Smoothing(min_cutoff=1.5, beta=1.5),
    Channels.GAZE: Smoothing(min_cutoff=2.0, beta=3.0, speed_cutoff=15.0),
    Channels.HEAD: Smoothing(min_cutoff=0.9, beta=3.0, speed_cutoff=4.0),
}
_BETWEEN_SAMPLES = 14.0
"""Hz of the low-pass that turns a camera's steps into motion at the rate of the frames."""
_BETWEEN_LIDS = 30.0
_FADE_IN, _FADE_OUT, _CROSS_FADE = 0.25, 0.6, 0.3
"""Seconds in which a source takes a part over, gives it back, and follows another source."""
_GAP = 1.0
"""Seconds without a step after which a filter's past says nothing."""


class Motion:
    """The state of one moving face. Deterministic in its seed and the times passed in."""

    def __init__(self, seed: int = 0) -> None:
        self._idle = Idle(seed)
        self._shares: F64 = np.zeros(len(PARTS))
        self._smoother = _Smoother()
        self._claimed = FaceParams(known=Channels.NONE)
        self._now: float | None = None
        self._last: FaceParams | None = None
        self._fade_from: tuple[float, FaceParams] | None = None

    def step(self, now: float, params: FaceParams | None) -> FaceParams:
        """The face to show at `now` seconds, given what drives it (None: nothing does).

        `now` does not decrease from call to call; if it does, the state starts anew.
        """
        dt = 0.0 if self._now is None else now - self._now
        if dt < 0 or dt > _GAP:
            self._smoother.reset()
            dt = max(0.0, min(dt, _GAP))
        self._now = now
        if params is None:
            params = FaceParams(time=now, known=Channels.NONE)
        params = limited(params)
        if params.measured:
            params = self._smoother.step(params, dt)
        self._claim(params, dt)
        shown = blend(
            [
                Layer(self._idle.at(now), np.ones(len(PARTS)), 0),
                Layer(self._claimed, self._eased(), 1),
            ]
        )
        # what a tracker says of parts that it does not see is a leftover; a voice means its nods
        if not params.measured:
            shown = added(shown, params, ~params.known)
        shown = limited(self._faded(now, shown)).with_changes(time=now, known=Channels.ALL)
        self._last = shown
        return shown

    def source_changed(self, now: float) -> None:
        """Another source drives from `now` on: the face goes over to it softly."""
        if self._last is not None:
            self._fade_from = (now, self._last)
        self._smoother.reset()

    def _claim(self, params: FaceParams, dt: float) -> None:
        """Move the shares towards what `params` knows, and take over its values there; a part that
        it stops knowing keeps its last values while it fades."""
        known = np.array([part in params.known for part in PARTS])
        pace = np.where(known, dt / _FADE_IN, -dt / _FADE_OUT)
        self._shares = np.clip(self._shares + pace, 0.0, 1.0)
        self._claimed = mix(self._claimed, params, known.astype(np.float64))

    def _eased(self) -> F64:
        s = self._shares
        return floats64(s * s * (3 - 2 * s))

    def _faded(self, now: float, shown: FaceParams) -> FaceParams:
        if self._fade_from is None:
            return shown
        began, before = self._fade_from
        t = (now - began) / _CROSS_FADE
        if not 0 <= t < 1:
            self._fade_from = None
            return shown
        return mix(before, shown, t * t * (3 - 2 * t))


class _Smoother:
    """One-euro over the samples of a tracker, then a short low-pass over the frames between."""

    _VECTOR = 52 + 3 + 3 + 3 + 6

    def __init__(self) -> None:
        parts = [PARTS[k] for k in ARKIT_PART] + [Channels.HEAD] * 9 + [Channels.GAZE] * 6
        table = [SMOOTHING[part] for part in parts]
        self._filter = OneEuro(
            floats64([s.min_cutoff for s in table]),
            floats64([s.beta for s in table]),
            floats64([s.speed_cutoff for s in table]),
        )
        lids = np.array([part is Channels.LIDS for part in parts])
        self._between = np.where(lids, _BETWEEN_LIDS, _BETWEEN_SAMPLES)
        self.reset()

    def reset(self) -> None:
        """Forget the past."""
        self._filter.reset()
        self._sample_time: float | None = None
        self._target: F64 | None = None
        self._value: F64 | None = None

    def step(self, params: FaceParams, dt: float) -> FaceParams:
        """`params` smoothed; a state with the time of the one before is that one, shown again."""
        if self._sample_time is None or params.time != self._sample_time:
            since = 0.0 if self._sample_time is None else params.time - self._sample_time
            if since < 0 or since > _GAP:
                self.reset()
            self._target = self._filter.step(_vector(params), max(since, 0.0))
            self._sample_time = params.time
        target = self._target if self._target is not None else _vector(params)
        if self._value is None:
            self._value = target.copy()
        else:
            self._value = self._value + low_pass_share(self._between, dt) * (target - self._value)
        return _with_vector(params, self._value)


def _vector(params: FaceParams) -> F64:
    eyes = np.zeros(6) if params.eye_pose is None else params.eye_pose.ravel()
    return floats64(
        np.concatenate(
            [params.arkit, params.head_pose, params.neck_pose, params.translation, eyes],
        )
    )


def _with_vector(params: FaceParams, v: F64) -> FaceParams:
    return params.with_changes(
        arkit=floats32(v[:52]),
        head_pose=floats32(v[52:55]),
        neck_pose=floats32(v[55:58]),
        translation=floats32(v[58:61]),
        eye_pose=None if params.eye_pose is None else floats32(v[61:].reshape(2, 3)),
    )
