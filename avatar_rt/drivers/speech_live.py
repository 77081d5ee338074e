"""Live speech → a talking face, a stated time behind the sound, from a process of its own."""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from typing import NamedTuple

import numpy as np

from avatar_rt.arrays import F32, I16, Array
from avatar_rt.audio import Audio, check_rate, mono16
from avatar_rt.drivers.base import ClosingDriver
from avatar_rt.drivers.speech_child import Child
from avatar_rt.drivers.speech_track import SPOKEN_FOR
from avatar_rt.drivers.speech_worker import CHUNK, RECORD
from avatar_rt.errors import DriverError, ParameterError
from avatar_rt.types import FaceParams

LAG_S = 0.12
"""Default lag: what is heard needs some of what follows to be understood."""
_KEPT_S = 10.0
_WAITING_S = 1.0
_SLACK_S = 0.06
_STALE_S, _REST_S = 0.3, 0.2


class _State(NamedTuple):
    """The face at one moment of the sound."""

    time: float
    """Seconds from the beginning of the sound."""
    arkit: F32
    head: F32


class LiveSpeechDriver(ClosingDriver):
    """A face that follows pushed sound.

    push() may be called from any thread and never waits: if the listening process falls more than
    a second behind, the oldest sound that waits for it is given up. read() belongs to one thread.
    """

    def __init__(self, sample_rate: int, *, lag: float = LAG_S) -> None:
        """Starts the listening process, which is ready after about half a second; what is pushed
        before is not lost.

        sample_rate: Hz of what will be pushed. lag: seconds, 0.08 to 0.5, by which the face
        follows the sound; more is more accurate. To hear and see together, delay the sound by it.
        Raises ParameterError for a rate or lag out of range, DriverError where no process can be
        started.
        """
        if not 0.08 <= lag <= 0.5:
            raise ParameterError(f"lag {lag} must lie between 0.08 and 0.5 seconds")
        self._rate = check_rate(sample_rate)
        self.lag = lag
        self._heard: deque[I16] = deque()
        self._heard_count = 0
        self._waiting: deque[I16] = deque()
        self._waiting_count = 0
        self._lost = 0
        self._closed = False
        self._turn = threading.Condition()
        self._error: DriverError | None = None
        self._states: deque[_State] = deque(maxlen=100)
        self._head: float | None = None
        self._read_at = self._fresh_at = 0.0
        self._fresh: float | None = None
        self._child = Child("live", str(self._rate), str(lag))
        self._writer = threading.Thread(target=self._write, name="speech-write", daemon=True)
        self._reader = threading.Thread(target=self._receive, name="speech-read", daemon=True)
        self._writer.start()
        self._reader.start()

    @property
    def audio(self) -> Audio:
        """The last ten seconds of what was pushed."""
        with self._turn:
            parts = list(self._heard)
        return Audio(np.concatenate(parts) if parts else np.zeros(0, np.int16), self._rate)

    @property
    def lost_seconds(self) -> float:
        """Sound given up because the listening process was too slow."""
        return self._lost / self._rate

    @property
    def heard_until(self) -> float:
        """Seconds of pushed sound whose face is known; `lag` less than what was listened to."""
        with self._turn:
            return self._states[-1].time if self._states else 0.0

    @property
    def pid(self) -> int:
        """The listening process."""
        return self._child.pid

    def push(self, pcm: Array) -> None:
        """The next sound: (N,) or (N, channels), int16 or float in [-1, 1], any N.

        Raises ParameterError for another type or shape, DriverError when closed.
        """
        samples = mono16(pcm).copy()
        with self._turn:
            if self._closed:
                raise DriverError("this speech driver is closed")
            self._heard.append(samples)
            self._heard_count += len(samples)
            while self._heard_count - len(self._heard[0]) > _KEPT_S * self._rate:
                self._heard_count -= len(self._heard.popleft())
            self._waiting.append(samples)
            self._waiting_count += len(samples)
            while self._waiting_count > _WAITING_S * self._rate and len(self._waiting) > 1:
                dropped = len(self._waiting.popleft())
                self._waiting_count -= dropped
                self._lost += dropped
            self._turn.notify_all()

    def read(self, now: float) -> FaceParams:
        """The face at `now`, at rest before anything was heard and when nothing more comes.

        States arrive in bursts, one per chunk; between them time runs on at the pace of `now`,
        never past the newest and never further behind it than two chunks.
        Raises DriverError where the listening process died.
        """
        if self._error is not None:
            raise self._error
        with self._turn:
            states = list(self._states)
            chunk = len(self._heard[-1]) / self._rate if self._heard else 0.0
        if not states:
            return FaceParams(time=now, known=SPOKEN_FOR)
        newest = states[-1].time
        if newest != self._fresh:
            self._fresh, self._fresh_at = newest, now
        head = newest if self._head is None else self._head + max(now - self._read_at, 0.0)
        if newest - head > max(_SLACK_S, 2.0 * chunk):
            head = newest
        self._head, self._read_at = min(head, newest), now
        rest = min(max((now - self._fresh_at - _STALE_S) / _REST_S, 0.0), 1.0)
        arkit, turned = _between(states, self._head)
        awake = np.float32(1.0 - rest)
        return FaceParams(arkit=arkit * awake, head_pose=turned * awake, time=now, known=SPOKEN_FOR)

    def close(self) -> None:
        """Ends the listening process; safe to call twice."""
        with self._turn:
            if self._closed:
                return
            self._closed = True
            self._turn.notify_all()
        # No use in letting it finish: nobody will read what it still has to say.
        self._child.kill()
        self._writer.join()
        self._reader.join()
        self._child.release()

    def _write(self) -> None:
        """Hands the waiting sound to the child; a pipe that is full is waited for here."""
        told = 0
        with contextlib.suppress(OSError, ValueError):
            while True:
                with self._turn:
                    while not self._waiting and not self._closed:
                        self._turn.wait()
                    if self._closed:
                        return
                    samples = self._waiting.popleft()
                    self._waiting_count -= len(samples)
                    lost, told = self._lost - told, self._lost
                self._child.stdin.write(CHUNK.pack(lost, len(samples)) + samples.tobytes())
                self._child.stdin.flush()

    def _receive(self) -> None:
        while len(data := self._child.stdout.read(RECORD.itemsize)) == RECORD.itemsize:
            state = np.frombuffer(data, RECORD)[0]
            if state["time"] >= 0:
                with self._turn:
                    self._states.append(_State(float(state["time"]), state["arkit"], state["head"]))
        if not self._closed:
            self._error = self._child.failure()


def _between(states: list[_State], time: float) -> tuple[F32, F32]:
    """Weights (52,) and head (3,) at `time`, between the two states around it."""
    k = len(states) - 1
    while k > 0 and states[k - 1].time >= time:
        k -= 1
    a, b = states[max(k - 1, 0)], states[k]
    span = b.time - a.time
    share = np.float32(min(max((time - a.time) / span, 0.0), 1.0) if span > 0 else 1.0)
    return a.arkit + share * (b.arkit - a.arkit), a.head + share * (b.head - a.head)
