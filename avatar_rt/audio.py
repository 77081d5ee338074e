"""Sound as numbers: one channel of 16-bit samples and their rate, read from any common sound file.

Files are decoded by PyAV from an open file object, and only as one of the formats listed here, so
that a playlist renamed to .wav cannot make the decoder open anything else.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import av
import av.error
import numpy as np
from av.audio.resampler import AudioResampler

from avatar_rt.arrays import F32, I16, Array
from avatar_rt.errors import FileFormatError, InputError, ParameterError

MAX_SECONDS = 1800.0
"""Longer recordings are refused: they would be held in memory as a whole."""
MIN_RATE, MAX_RATE = 4_000, 192_000
"""Sample rates, in hertz, outside which nothing here is speech."""

_PIECE = 16_384
_FORMATS = "wav,w64,aiff,au,caf,mp3,ogg,flac,aac,mov,mp4,m4a,matroska,webm"


@dataclass(frozen=True, slots=True)
class Audio:
    """One channel of sound."""

    samples: I16
    """(N,) int16."""
    rate: int
    """Samples per second."""

    @property
    def duration(self) -> float:
        """Seconds."""
        return len(self.samples) / self.rate

    def resampled(self, rate: int) -> Audio:
        """The same sound at another rate; itself where the rate is already that.

        Raises ParameterError for a rate outside MIN_RATE to MAX_RATE.
        """
        if rate == self.rate:
            return self
        stream = StreamResampler(self.rate, rate)
        # In pieces: one call on minutes of sound would keep other threads waiting.
        pieces = np.split(self.samples, range(_PIECE, len(self.samples), _PIECE))
        samples = np.concatenate([*map(stream.push, pieces), stream.flush()])
        length = round(len(self.samples) * rate / self.rate)
        return Audio(np.pad(samples[:length], (0, max(length - len(samples), 0))), rate)


def check_rate(rate: int) -> int:
    """`rate` itself. Raises ParameterError where it is outside MIN_RATE to MAX_RATE."""
    if not MIN_RATE <= rate <= MAX_RATE:
        raise ParameterError(f"sample rate {rate} must lie between {MIN_RATE} and {MAX_RATE} Hz")
    return rate


def mono16(pcm: Array) -> I16:
    """PCM as (N,) int16: (N,) or (N, channels), int16 or float in [-1, 1]; channels are averaged.

    Raises ParameterError for another type or shape.
    """
    if pcm.ndim not in (1, 2) or (pcm.ndim == 2 and pcm.shape[1] == 0):
        raise ParameterError(f"PCM of shape {pcm.shape}; expected (N,) or (N, channels)")
    if pcm.dtype == np.int16:
        mixed = pcm if pcm.ndim == 1 else pcm.astype(np.float32).mean(axis=1).round()
        return np.ascontiguousarray(mixed, np.int16)
    if pcm.dtype.kind != "f":
        raise ParameterError(f"PCM of type {pcm.dtype}; expected int16, or float in [-1, 1]")
    return _to_int16(np.asarray(pcm if pcm.ndim == 1 else pcm.mean(axis=1), np.float32))


def _to_int16(values: F32) -> I16:
    """Float samples in [-1, 1] → int16; what is not a number becomes silence, the rest is
    clipped."""
    clean = np.nan_to_num(values, nan=0.0, posinf=1.0, neginf=-1.0)
    return np.asarray(np.round(np.clip(clean, -1.0, 1.0) * 32767), np.int16)


class StreamResampler:
    """Changes the rate of a stream of int16 chunks, keeping its filter's state between them."""

    def __init__(self, rate_in: int, rate_out: int) -> None:
        """Raises ParameterError for a rate outside MIN_RATE to MAX_RATE."""
        self._rate_in = check_rate(rate_in)
        self._resampler = AudioResampler(format="s16", layout="mono", rate=check_rate(rate_out))
        self._same = rate_in == rate_out

    def push(self, samples: I16) -> I16:
        """(N,) int16 in → (M,) int16 out; M lags by the filter's length (under 2 ms)."""
        if self._same or len(samples) == 0:
            return samples
        frame = av.AudioFrame.from_ndarray(samples[None], format="s16", layout="mono")
        frame.sample_rate = self._rate_in
        return _joined(self._resampler.resample(frame))

    def flush(self) -> I16:
        """What the filter still holds; the stream has ended."""
        return np.zeros(0, np.int16) if self._same else _joined(self._resampler.resample(None))


def _joined(frames: list[av.AudioFrame]) -> I16:
    parts = [frame.to_ndarray().reshape(-1) for frame in frames]
    return np.concatenate(parts).astype(np.int16) if parts else np.zeros(0, np.int16)


def read_audio(source: str | Path | bytes, *, name: str = "audio") -> Audio:
    """A sound file, or its bytes, as one channel at its own rate.

    wav (8 to 32 bit, float, A-law …), mp3, ogg, flac, m4a, webm and their like; several channels
    are mixed down. `name` stands in errors where bytes are given. A file cut off in its middle
    gives the part that is there.
    Raises FileFormatError for a file without sound, of another kind, or longer than MAX_SECONDS,
    and InputError where it cannot be opened.
    """
    if isinstance(source, bytes):
        return _decode(io.BytesIO(source), name)
    path = Path(source)
    try:
        # A pipe or device could give bytes for ever, or none.
        if path.exists() and not path.is_file():
            raise FileFormatError(path, "file", "is not a regular file; expected a sound file")
        with path.open("rb") as file:
            return _decode(file, str(source))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(f"{source}: cannot be read: {reason}") from error


def _decode(file: BinaryIO, name: str) -> Audio:
    if not file.read(1):
        raise FileFormatError(name, "file", "is empty; expected a sound file")
    file.seek(0)
    try:
        with av.open(file, "r", options={"format_whitelist": _FORMATS}) as container:
            if not container.streams.audio:
                raise FileFormatError(name, "audio", "the file holds no sound track")
            stream = container.streams.audio[0]
            # A codec that ffmpeg does not know leaves the stream without a context, whatever
            # PyAV's types say.
            if getattr(stream, "codec_context", None) is None:
                raise FileFormatError(name, "audio", "is packed by a codec that is not known here")
            rate, channels = stream.rate or 0, stream.channels or 0
            if not MIN_RATE <= rate <= MAX_RATE:
                raise FileFormatError(
                    name, "sample rate", f"is {rate} Hz; expected {MIN_RATE} to {MAX_RATE}"
                )
            if channels < 1:
                raise FileFormatError(name, "channels", "there are none; expected one or more")
            parts = list(_pieces(container, rate, name))
    except (av.error.FFmpegError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        problem = f"cannot be decoded ({reason}); expected wav, mp3, ogg, flac or m4a"
        raise FileFormatError(name, "audio", problem) from error
    samples = np.concatenate(parts) if parts else np.zeros(0, np.int16)
    if not len(samples):
        raise FileFormatError(name, "audio", "holds no samples")
    return Audio(samples, rate)


def _pieces(container: av.container.InputContainer, rate: int, name: str) -> Iterator[I16]:
    """The decoded sound in pieces; damage after the first piece ends it, as a cut-off file does."""
    to_mono = AudioResampler(format="flt", layout="mono", rate=rate)
    heard = 0
    try:
        for frame in container.decode(audio=0):
            for piece in to_mono.resample(frame):
                samples = piece.to_ndarray().reshape(-1).astype(np.float32)
                heard += len(samples)
                if heard > MAX_SECONDS * rate:
                    limit = f"is longer than {MAX_SECONDS / 60:.0f} minutes; cut it into parts"
                    raise FileFormatError(name, "duration", limit)
                yield _to_int16(samples)
    except av.error.FFmpegError:
        if not heard:
            raise
