"""The child process that listens, so that neither decoder nor NumPy loop holds up the stream.

    python -m avatar_rt.drivers.speech_worker live RATE LAG
    python -m avatar_rt.drivers.speech_worker listen

live: stdin holds messages (CHUNK: samples lost before it, samples in it; then int16 PCM), stdout
gets one RECORD (time, 52 weights, head axis-angle) per 10 ms of sound, LAG seconds behind it, and
at once an empty one, at time -1, when it is ready.
listen: stdin holds a line of JSON {"transcript": str or null}, then int16 PCM at 16 kHz to its
end; stdout gets lines of JSON: {"progress": share} …, {"phones": [[start, end, name], …],
"problem": ""}.
"""

from __future__ import annotations

import json
import struct
import sys
from typing import BinaryIO

import numpy as np

from avatar_rt.audio import StreamResampler
from avatar_rt.drivers.speech_phones import RATE, PhoneStream, align, recognize, times_between
from avatar_rt.drivers.speech_prosody import Prosody
from avatar_rt.drivers.speech_track import face_at

CHUNK = struct.Struct("<II")
RECORD = np.dtype([("time", "<f8"), ("arkit", "<f4", (52,)), ("head", "<f4", (3,))])


class Listener:
    """A stream of sound in, RECORDs out; deterministic in what is pushed."""

    def __init__(self, rate: int, lag: float) -> None:
        """rate: Hz of what is pushed. lag: seconds by which the face follows the sound."""
        self._rate, self._lag = rate, lag
        self._resampler = StreamResampler(rate, RATE)
        self._phones = PhoneStream()
        self._prosody = Prosody(memory=True)
        self._told = 0.0

    def push(self, samples: np.ndarray[tuple[int], np.dtype[np.int16]], lost: int = 0) -> bytes:
        """(N,) int16, with `lost` samples missing before it → RECORDs for the new moments."""
        if lost:
            missing = round(lost * RATE / self._rate)
            self._phones.skip(missing)
            self._prosody.push(np.zeros(missing, np.int16))
        heard = self._resampler.push(samples)
        self._phones.push(heard)
        self._prosody.push(heard)
        times = times_between(self._told, self._phones.now - self._lag)
        if not len(times):
            return b""
        self._told = float(times[-1])
        manner = self._prosody.at(times)
        near = [p for p in self._phones.phones() if p.end > times[0] - 1.0]
        records = np.zeros(len(times), RECORD)
        records["time"] = times
        records["arkit"], records["head"] = face_at(times, near, manner)
        return records.tobytes()


def live(rate: int, lag: float, stdin: BinaryIO, stdout: BinaryIO) -> None:
    """Listens until stdin ends."""
    listener = Listener(rate, lag)
    ready = np.zeros(1, RECORD)
    ready["time"] = -1.0
    stdout.write(ready.tobytes())
    stdout.flush()
    while len(header := stdin.read(CHUNK.size)) == CHUNK.size:
        lost, count = CHUNK.unpack(header)
        pcm = stdin.read(2 * count)
        stdout.write(listener.push(np.frombuffer(pcm, np.int16), lost))
        stdout.flush()


def listen(stdin: BinaryIO, stdout: BinaryIO) -> None:
    """Finds the phones of one recording."""

    def tell(**message: object) -> None:
        stdout.write(json.dumps(message).encode() + b"\n")
        stdout.flush()

    transcript = json.loads(stdin.readline())["transcript"]
    samples = np.frombuffer(stdin.read(), np.int16)
    if transcript is None:
        phones, problem = recognize(samples, lambda share: tell(progress=share)), ""
    else:
        phones, problem = align(samples, transcript, lambda share: tell(progress=share))
    tell(phones=phones, problem=problem)


def main(arguments: list[str]) -> None:
    stdin, stdout = sys.stdin.buffer, sys.stdout.buffer
    if arguments[0] == "live":
        live(int(arguments[1]), float(arguments[2]), stdin, stdout)
    else:
        listen(stdin, stdout)


if __name__ == "__main__":
    main(sys.argv[1:])
