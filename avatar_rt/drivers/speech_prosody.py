"""How something is said: loudness, pauses and stress, which move jaw, head and brows.

Sound comes in as 16 kHz samples; every 10 ms become one loudness and one pitch. All answers look
at a window around the asked moment, so that a stream and a file get the same from the same code.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from avatar_rt.arrays import F64, I16

RATE = 16_000
HOP_S = 0.01
_HOP = int(RATE * HOP_S)
_MEMORY_S = 10.0
_SILENCE_DB = -100.0
_QUIETEST_SPEECH_DB = -55.0
_DYNAMICS_DB = 32.0
"""Speech is heard this far below its loudest vowels; what is below that is background."""
_ABOVE_NOISE_DB = 8.0
_BEFORE_S, _AFTER_S = 0.12, 0.16
"""The mouth is kept in play this long before and after sound: closures are silent."""
_PITCH_WINDOW = 640
_PITCH_HZ = (70.0, 400.0)


@dataclass(frozen=True, slots=True)
class Manner:
    """Prosody at some moments; each array is (T,) float64."""

    activity: F64
    """0 in silence, 1 where there is speech."""
    loudness: F64
    """About 1 in ordinary speech, 0.6 for a murmur, 1.2 for a call."""
    stress: F64
    """0 … 1, how much a syllable stands out from its last two seconds in loudness and pitch."""
    lift: F64
    """0 … 1, how far the pitch is above its usual level."""


class Prosody:
    """Listens to 16 kHz sound. Without `memory` it keeps all; with it, the last ten seconds."""

    def __init__(self, *, memory: bool = False) -> None:
        self._keep = round(_MEMORY_S / HOP_S) if memory else None
        self._rest = np.zeros(0)
        self._first = 0
        self._level = np.zeros(0)
        self._pitch = np.zeros(0)

    def push(self, samples: I16) -> None:
        """(N,) int16 at 16 kHz, following what was pushed before."""
        sound = np.concatenate([self._rest, samples / 32768.0])
        hops = max((len(sound) - _PITCH_WINDOW) // _HOP + 1, 0)
        if hops == 0:
            self._rest = sound
            return
        windows = np.lib.stride_tricks.sliding_window_view(sound, _PITCH_WINDOW)[::_HOP][:hops]
        power = np.concatenate([(w**2).mean(axis=1) for w in np.array_split(windows, _parts(hops))])
        level = 10 * np.log10(power + 10 ** (_SILENCE_DB / 10))
        pitch = np.concatenate([_pitch(w) for w in np.array_split(windows, _parts(hops))])
        self._rest = sound[hops * _HOP :]
        self._level = np.concatenate([self._level, level])
        self._pitch = np.concatenate([self._pitch, pitch])
        if self._keep is not None and len(self._level) > self._keep:
            dropped = len(self._level) - self._keep
            self._first += dropped
            self._level, self._pitch = self._level[dropped:], self._pitch[dropped:]

    def at(self, times: F64) -> Manner:
        """Prosody at `times` (T,) seconds since the beginning; before and after all sound there
        is silence."""
        if len(self._level) == 0:
            zero = np.zeros(len(times))
            return Manner(zero, zero + 0.8, zero, zero)
        speech = float(np.percentile(self._level, 95))
        noise = float(np.percentile(self._level, 10))
        threshold = max(
            speech - _DYNAMICS_DB,
            _QUIETEST_SPEECH_DB,
            # A noisy room fills the pauses; but speech without a pause is no noise.
            min(noise + _ABOVE_NOISE_DB, speech - 12.0),
        )
        sounding = (self._level > threshold).astype(float)
        active = _smoothed(_spread(sounding), 0.06)
        calm = _smoothed(self._level, 0.05)
        loud = np.clip(1.0 + (calm - speech + 6.0) / 24.0, 0.55, 1.2)
        emphasis = _smoothed(np.clip(self._level, threshold, None), 0.18)
        stands_out = (emphasis - _smoothed(emphasis, 2.0)) / 10.0
        lift = _smoothed(self._lift(), 0.2)
        stress = _smoothed(np.clip(stands_out + 0.6 * lift - 0.3, 0.0, 1.0) * active, 0.24)
        # A level is that of its window, whose middle is half a window after its beginning.
        heard = (np.arange(len(active)) + self._first) * HOP_S + _PITCH_WINDOW / RATE / 2

        def seen(values: F64, outside: float) -> F64:
            return np.asarray(np.interp(times, heard, values, outside, outside))

        return Manner(seen(active, 0.0), seen(loud, 0.8), seen(stress, 0.0), seen(lift * active, 0))

    def _lift(self) -> F64:
        """(K,) 0 … 1 where voiced: how far the pitch lies above its median, 1 for an octave/2."""
        voiced = self._pitch > 0
        if voiced.sum() < 5:
            return np.zeros(len(self._pitch))
        usual = np.median(self._pitch[voiced])
        octaves = np.log2(np.where(voiced, self._pitch, usual) / usual)
        return np.asarray(np.clip(2.0 * octaves, 0.0, 1.0))


def _parts(hops: int) -> int:
    """In how many parts to work on so many windows: half an hour needs no gigabytes, and NumPy,
    which keeps other threads waiting during a Fourier transform, does so for a millisecond."""
    return max(hops // 200, 1)


def _pitch(windows: F64) -> F64:
    """(K, W) sound → (K,) hertz by the peak of the autocorrelation, 0 where unvoiced."""
    halved = windows[:, ::2] - windows[:, ::2].mean(axis=1, keepdims=True)
    length = halved.shape[1]
    rate = RATE / 2
    spectrum = np.fft.rfft(halved, 2 * length, axis=1)
    correlation = np.fft.irfft(np.abs(spectrum) ** 2, axis=1)[:, :length]
    shortest, longest = int(rate / _PITCH_HZ[1]), int(rate / _PITCH_HZ[0])
    # The overlap shrinks with the lag; undone, a period's peak is as high as its voicing.
    scaled = correlation / (1.0 - np.arange(length) / length)
    peak = shortest + scaled[:, shortest : longest + 1].argmax(axis=1)
    rows = np.arange(len(windows))
    voiced = scaled[rows, peak] > 0.5 * np.maximum(correlation[:, 0], 1e-6)
    return np.where(voiced, rate / peak, 0.0)


def _spread(sounding: F64) -> F64:
    """1 from shortly before each sound to shortly after it."""
    before, after = round(_BEFORE_S / HOP_S), round(_AFTER_S / HOP_S)
    padded = np.pad(sounding, (after, before))
    windows = np.lib.stride_tricks.sliding_window_view(padded, before + after + 1)
    return np.asarray(windows.max(axis=1))


def _smoothed(values: F64, seconds: float) -> F64:
    """A moving mean over `seconds`, its window cut at the ends."""
    reach = max(round(seconds / HOP_S) // 2, 1)
    total = np.concatenate([[0.0], np.cumsum(values)])
    lo = np.clip(np.arange(len(values)) - reach, 0, None)
    hi = np.clip(np.arange(len(values)) + reach + 1, None, len(values))
    return np.asarray((total[hi] - total[lo]) / (hi - lo))
