"""Pictures and films in files: png and mp4, whole or not there at all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import av
import av.error
import numpy as np
from av.audio.codeccontext import AudioCodecContext
from av.video.codeccontext import VideoCodecContext

from avatar_rt.arrays import Array
from avatar_rt.audio import Audio
from avatar_rt.errors import InputError, ParameterError
from avatar_rt.files import replacing, write_bytes
from avatar_rt.outputs.color import state_colors
from avatar_rt.types import MAX_SIDE

SOUND_RATE = 48_000
MAX_FPS = 1000.0
_SOUND_BLOCK = 1024
"""Samples in a frame of AAC."""


def write_png(path: str | Path, pixels: Array) -> None:
    """(H, W, 3) RGB or (H, W, 4) RGBA, straight alpha, uint8 → a png file.

    Raises ParameterError for another shape, InputError where the file cannot be written.
    """
    layouts = {3: "rgb24", 4: "rgba"}
    if pixels.ndim != 3 or pixels.shape[2] not in layouts or pixels.dtype != np.uint8:
        raise ParameterError(f"a png is made of (H, W, 3 or 4) uint8, not {pixels.shape}")
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), layouts[pixels.shape[2]])
    encoder = VideoCodecContext.create("png", "w")
    encoder.width, encoder.height = frame.width, frame.height
    encoder.pix_fmt, encoder.time_base = layouts[pixels.shape[2]], Fraction(1, 25)
    packets = [*encoder.encode(frame), *encoder.encode(None)]
    write_bytes(path, b"".join(bytes(packet) for packet in packets))


class Film:
    """An mp4 being written: H.264 pictures at a steady rate, and sound where there is some."""

    def __init__(
        self,
        container: av.container.OutputContainer,
        width: int,
        height: int,
        fps: float,
        sound: Audio | None,
    ) -> None:
        rate = Fraction(fps).limit_denominator(1001)
        self._container, self._rate = container, rate
        self._video = container.add_stream("libx264", rate, options={"crf": "17"})
        context: VideoCodecContext = self._video.codec_context
        self._video.width, self._video.height, self._video.pix_fmt = width, height, "yuv420p"
        state_colors(context)
        self._shape = (height * 3 // 2, width)
        self._frames = 0
        self._sound = _Sound(container, sound) if sound is not None else None

    def __len__(self) -> int:
        return self._frames

    def add(self, picture: Array) -> None:
        """The next picture, i420 (H·3/2, W) uint8 as avatar_rt.types.Frame lays it out."""
        if picture.shape != self._shape or picture.dtype != np.uint8:
            raise ParameterError(f"the film takes pictures {self._shape}, not {picture.shape}")
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), "yuv420p")
        frame.pts, frame.time_base = self._frames, 1 / self._rate
        self._container.mux(self._video.encode(frame))
        self._frames += 1
        if self._sound is not None:
            self._sound.write_until(float(self._frames / self._rate))

    def finish(self) -> None:
        """Writes what the encoders still hold."""
        self._container.mux(self._video.encode(None))
        if self._sound is not None:
            self._sound.finish(float(self._frames / self._rate))


class _Sound:
    """Sound, written in step with the pictures so that players need not seek between them."""

    def __init__(self, container: av.container.OutputContainer, audio: Audio) -> None:
        self._container = container
        self._samples = audio.resampled(SOUND_RATE).samples
        self._stream = container.add_stream("aac", SOUND_RATE, layout="mono")
        context: AudioCodecContext = self._stream.codec_context
        context.bit_rate = 128_000
        self._at = 0

    def write_until(self, seconds: float) -> None:
        while self._at + _SOUND_BLOCK <= seconds * SOUND_RATE and self._at < len(self._samples):
            block = self._samples[self._at : self._at + _SOUND_BLOCK]
            full = np.pad(block, (0, _SOUND_BLOCK - len(block))).astype(np.float32) / 32768
            frame = av.AudioFrame.from_ndarray(full[None], "fltp", "mono")
            frame.sample_rate, frame.pts = SOUND_RATE, self._at
            frame.time_base = Fraction(1, SOUND_RATE)
            self._container.mux(self._stream.encode(frame))
            self._at += _SOUND_BLOCK

    def finish(self, seconds: float) -> None:
        self.write_until(seconds)
        self._container.mux(self._stream.encode(None))


@contextmanager
def film(
    path: str | Path, width: int, height: int, fps: float, sound: Audio | None = None
) -> Iterator[Film]:
    """A film to add pictures to; the file appears when the block ends well.

    sound: cut where the pictures end. Raises ParameterError for an odd size or a rate outside
    (0, 1000], InputError where the file cannot be written or no picture was added.
    """
    if width % 2 or height % 2 or not (2 <= width <= MAX_SIDE and 2 <= height <= MAX_SIDE):
        raise ParameterError(f"film size {width}x{height}: both must be even, from 2 to {MAX_SIDE}")
    if not 0 < fps <= MAX_FPS:
        raise ParameterError(f"{fps} frames a second: give more than 0, at most {MAX_FPS:g}")
    with replacing(path) as temporary:
        try:
            options = {"movflags": "+faststart"}
            with av.open(str(temporary), "w", format="mp4", options=options) as container:
                writer = Film(container, width, height, fps, sound)
                yield writer
                if not len(writer):
                    raise InputError(f"{path}: a film needs at least one picture")
                writer.finish()
        except av.error.FFmpegError as error:
            raise InputError(f"{path}: cannot be written: {error}") from error
