"""The voice that belongs to a scene: 20 ms of Opus at a time, on the same clock as the picture."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import dataclass

import numpy as np

from avatar_rt.arrays import I16
from avatar_rt.audio import Audio
from avatar_rt.clock import Deadlines, monotonic, sleep_until, ticks
from avatar_rt.outputs.opus import OPUS_RATE, PACKET_SAMPLES, PACKET_SECONDS, OpusEncoder
from avatar_rt.outputs.track import VoiceTrack

VOICE_LEAD_S = 0.06
"""Browsers hold sound back about this long to smooth its arrival, and pictures not at all. What is
said is known beforehand, so it is sent this much ahead of the mouth, and both arrive together.
Where a browser holds it longer, its pictures are held back by the rest."""


@dataclass(frozen=True, slots=True)
class Utterance:
    """Sound that begins at a moment."""

    samples: I16
    """(N,) int16 at 48 kHz."""
    start: float
    """Seconds on the server's clock at which the mouth begins."""
    period: float | None = None
    """Seconds after which it is said again; None: once."""

    @classmethod
    def of(cls, audio: Audio, start: float, period: float | None = None) -> Utterance:
        """`audio`, which may have any rate."""
        return cls(audio.resampled(OPUS_RATE).samples, start, period)

    def at(self, moment: float, count: int = PACKET_SAMPLES) -> I16:
        """(count,) int16: the sound from `moment` on; silence before and after."""
        since = moment - self.start
        if self.period is not None and since >= 0:
            since %= self.period
        first = ticks(since, OPUS_RATE)
        out = np.zeros(count, np.int16)
        begin, end = max(first, 0), min(first + count, len(self.samples))
        if begin < end:
            out[begin - first : end - first] = self.samples[begin:end]
        return out

    def over(self, moment: float) -> bool:
        """Whether all of it lies before `moment`."""
        return self.period is None and moment > self.start + len(self.samples) / OPUS_RATE


class Voice:
    """Sends the present utterance, or silence, to every listener; its thread runs while there are
    listeners."""

    def __init__(self, epoch: float, loop: asyncio.AbstractEventLoop) -> None:
        self._epoch, self._loop = epoch, loop
        self._utterance: Utterance | None = None
        self._listeners: set[VoiceTrack] = set()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def talking(self, now: float) -> bool:
        """Whether something is being said, or will be in a moment."""
        return self._utterance is not None and not self._utterance.over(now)

    def say(self, utterance: Utterance | None) -> None:
        """Says something else from now on; None is silence."""
        self._utterance = utterance

    def add(self, track: VoiceTrack) -> None:
        """A listener more. On the event loop."""
        self._listeners.add(track)
        if self._thread is None:
            self._stop.clear()
            self._thread = threading.Thread(target=self._speak, name="voice", daemon=True)
            self._thread.start()

    def discard(self, track: VoiceTrack) -> None:
        """A listener less. On the event loop."""
        self._listeners.discard(track)
        if not self._listeners:
            self.close()

    def close(self) -> None:
        """Ends the thread."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout=1.0)
            self._thread = None

    def _speak(self) -> None:
        encoder = OpusEncoder()
        # time stamps stay on one grid, so that a listener can go from one scene to another
        begin = self._epoch + np.ceil((monotonic() - self._epoch) / PACKET_SECONDS) * PACKET_SECONDS
        deadlines = Deadlines(1 / PACKET_SECONDS, float(begin))
        silence = np.zeros(PACKET_SAMPLES, np.int16)
        while not self._stop.is_set():
            moment = deadlines.next(monotonic())
            sleep_until(moment)
            utterance = self._utterance
            heard = silence if utterance is None else utterance.at(moment + VOICE_LEAD_S)
            for packet in encoder.encode(heard, ticks(moment - self._epoch, OPUS_RATE)):
                if not self._loop.is_closed():
                    self._loop.call_soon_threadsafe(self._send, packet)

    def _send(self, packet: object) -> None:
        for track in list(self._listeners):
            track.push(packet)  # type: ignore[arg-type]
