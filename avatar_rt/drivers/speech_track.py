"""A face that speaks, over time: what text and recorded speech become before they are played."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from avatar_rt.arkit import ARKIT_INDEX
from avatar_rt.arrays import F32, F64
from avatar_rt.audio import Audio
from avatar_rt.drivers.base import ClosingDriver
from avatar_rt.drivers.speech_mouth import mouth_weights
from avatar_rt.drivers.speech_prosody import RATE, Manner, Prosody
from avatar_rt.drivers.visemes import Phone
from avatar_rt.files import replacing
from avatar_rt.types import Channels, FaceParams

STEP_S = 0.01
_FADE_S = 0.06
_NOD_RAD, _TILT_RAD, _BROW = 0.045, 0.012, 0.3
SPOKEN_FOR = Channels.MOUTH | Channels.BROWS
"""What a voice knows of a face; blinks, glances and sway are added to it elsewhere."""
_BROWS = [ARKIT_INDEX[name] for name in ("browInnerUp", "browOuterUpLeft", "browOuterUpRight")]


@dataclass(frozen=True, slots=True, eq=False)
class SpeechTrack:
    """A spoken passage: the face at equal steps, and the sound that goes with it."""

    times: F64
    """(T,) float64 seconds from the beginning of the sound, STEP_S apart."""
    weights: F32
    """(T, 52) float32 ARKit weights."""
    head: F32
    """(T, 3) float32 axis-angle of the head, radians."""
    phones: tuple[Phone, ...]
    audio: Audio

    @classmethod
    def of_phones(cls, phones: Sequence[Phone], audio: Audio) -> SpeechTrack:
        """The track of timed phones and their sound. The same input gives the same numbers."""
        prosody = Prosody()
        prosody.push(audio.resampled(RATE).samples)
        times = np.arange(int(audio.duration / STEP_S) + 1) * STEP_S
        weights, head = face_at(times, phones, prosody.at(times))
        # Beyond its ends the face is at rest; sound that starts or stops at full strength must
        # not make it jump.
        ends = np.clip(np.minimum(times, audio.duration - times) / _FADE_S, 0.0, 1.0)
        weights *= ends[:, None].astype(np.float32)
        head *= ends[:, None].astype(np.float32)
        return cls(times, weights, head, tuple(phones), audio)

    @property
    def duration(self) -> float:
        """Seconds."""
        return self.audio.duration

    def at(self, time: float) -> FaceParams:
        """The face at `time` seconds from the beginning; at rest before it and after the end."""
        if not 0.0 <= time <= self.duration:
            return FaceParams(time=time, known=SPOKEN_FOR)
        place = min(time / STEP_S, len(self.times) - 1.0)
        k = min(int(place), len(self.times) - 2) if len(self.times) > 1 else 0
        after = min(k + 1, len(self.times) - 1)
        share = np.float32(place - k)
        arkit = self.weights[k] + share * (self.weights[after] - self.weights[k])
        head = self.head[k] + share * (self.head[after] - self.head[k])
        return FaceParams(arkit=arkit, head_pose=head, time=time, known=SPOKEN_FOR)

    def save(self, path: str | Path) -> None:
        """Writes times, weights, head, phones and sound into an npz file, atomically.

        Raises InputError where it cannot be written.
        """
        with replacing(path) as temporary, temporary.open("wb") as file:
            np.savez_compressed(
                file,
                times=self.times,
                weights=self.weights,
                head=self.head,
                phone_names=np.array([p.name for p in self.phones], dtype=np.str_),
                phone_times=np.array([p[:2] for p in self.phones], float).reshape(-1, 2),
                samples=self.audio.samples,
                rate=np.int64(self.audio.rate),
            )


def face_at(times: F64, phones: Sequence[Phone], manner: Manner) -> tuple[F32, F32]:
    """The speaking face at `times` (T,): ARKit weights (T, 52) and head axis-angle (T, 3)."""
    weights = mouth_weights(phones, times, manner.loudness)
    weights *= manner.activity[:, None].astype(np.float32)
    weights[:, _BROWS] = (_BROW * manner.lift)[:, None] * np.array([1.0, 0.6, 0.6])
    # A stressed syllable nods: +x turns the face down. The slight tilt keeps it from being a pump.
    head = np.zeros((len(times), 3), np.float32)
    head[:, 0] = _NOD_RAD * (manner.stress - 0.6 * manner.lift)
    head[:, 2] = _TILT_RAD * np.sin(2 * np.pi * times / 3.7) * manner.activity
    return weights, head


def with_silence(
    phones: Sequence[Phone], audio: Audio, before: float, after: float
) -> tuple[tuple[Phone, ...], Audio]:
    """The same speech with silence (seconds) added, in which the mouth can open and close."""
    lead, tail = round(before * audio.rate), round(after * audio.rate)
    shift = lead / audio.rate
    moved = [Phone(p.start + shift, p.end + shift, p.name) for p in phones]
    padded = Audio(np.pad(audio.samples, (lead, tail)), audio.rate)
    end = moved[-1].end if moved else shift
    return (Phone(0.0, shift, ""), *moved, Phone(end, padded.duration, "")), padded


class TrackDriver(ClosingDriver):
    """Plays a SpeechTrack: the first read(now) begins it, unless start(now) did before."""

    def __init__(self, track: SpeechTrack) -> None:
        self.track = track
        self._began: float | None = None

    @property
    def audio(self) -> Audio:
        """The sound to play from the moment at which the track begins."""
        return self.track.audio

    @property
    def duration(self) -> float:
        """Seconds."""
        return self.track.duration

    def start(self, now: float) -> None:
        """Begins (again) at `now`, seconds on the caller's clock."""
        self._began = now

    def ended(self, now: float) -> bool:
        """Whether all has been said at `now`."""
        return self._began is not None and now - self._began > self.duration

    def read(self, now: float) -> FaceParams:
        """The face at `now`; `time` in it is `now`. At rest after the end."""
        if self._began is None:
            self._began = now
        return self.track.at(now - self._began).with_changes(time=now)
