"""I420 pictures → H.264 or VP8 packets, for a stream that someone is looking at right now.

No lookahead, no B-frames, one slice per picture, one thread: a packet leaves as soon as its picture
is in. Keyframes come only when asked for (a new viewer, a lost picture), because a periodic one
costs ten times an ordinary frame and shows as a hiccup.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

import av
import av.error
from av.video.codeccontext import VideoCodecContext
from av.video.frame import PictureType
from av.video.stream import VideoStream

from avatar_rt.arrays import U8
from avatar_rt.clock import VIDEO_RATE
from avatar_rt.errors import BackendError, ParameterError
from avatar_rt.types import MAX_SIDE

VideoCodec = Literal["h264", "vp8"]

TIME_BASE = Fraction(1, VIDEO_RATE)
_NEVER = 1_000_000
"""Frames between keyframes that nobody asked for: hours."""

# H.264 Table A-1: level (×10), macroblocks per second, macroblocks per frame, kbit/s
_LEVELS = (
    (31, 108_000, 3_600, 14_000),
    (32, 216_000, 5_120, 20_000),
    (40, 245_760, 8_192, 20_000),
    (42, 522_240, 8_704, 50_000),
    (51, 983_040, 36_864, 240_000),
    (52, 2_073_600, 36_864, 240_000),
)


@dataclass(frozen=True, slots=True)
class VideoSettings:
    """What an encoder is made for; another size or codec needs another encoder."""

    width: int
    height: int
    fps: float
    codec: VideoCodec = "h264"
    crf: int = 26
    """Constant quality, x264's scale: lower is better and larger."""
    max_bitrate: int = 8_000_000
    """Bits per second that no stretch of a quarter of a second exceeds (VBV)."""

    def __post_init__(self) -> None:
        if self.width % 2 or self.height % 2 or not (16 <= self.width <= MAX_SIDE):
            raise ParameterError(
                f"video size {self.width}x{self.height}: both must be even, from 16 to {MAX_SIDE}"
            )
        if not 16 <= self.height <= MAX_SIDE:
            raise ParameterError(f"video height {self.height} must lie between 16 and {MAX_SIDE}")
        if not 1 <= self.fps <= 1000:
            raise ParameterError(f"{self.fps} frames a second: give 1 to 1000")


@dataclass(frozen=True, slots=True)
class EncodedFrame:
    """One picture, ready to be sent to any number of viewers."""

    packet: av.Packet[VideoStream]
    """pts in ticks of 1/90000 s."""
    keyframe: bool


def h264_level(width: int, height: int, fps: float) -> int:
    """The lowest H.264 level (×10, from 3.1) whose limits hold such a stream (Table A-1).

    Raises ParameterError where none does.
    """
    blocks = -(-width // 16) * -(-height // 16)
    for level, per_second, per_frame, _ in _LEVELS:
        if blocks <= per_frame and blocks * fps <= per_second:
            return level
    raise ParameterError(f"no H.264 level holds {width}x{height} at {fps:g} frames a second")


class VideoEncoder:
    """Encodes pictures in the order they come. To be used from one thread."""

    def __init__(self, settings: VideoSettings) -> None:
        """Raises BackendError where the codec is not in this build of PyAV."""
        self.settings = settings
        self._context = _open_h264(settings) if settings.codec == "h264" else _open_vp8(settings)

    def encode(self, i420: U8, pts: int, *, keyframe: bool) -> list[EncodedFrame]:
        """One picture in, its packet out (a list, because the encoder may also hold one back).

        i420: (H·3/2, W) uint8, BT.601 studio range, not changed afterwards by the caller.
        pts: ticks of 1/90000 s, rising. keyframe: make it decodable on its own.
        Raises ParameterError for another shape and BackendError where the encoder fails.
        """
        expected = (self.settings.height * 3 // 2, self.settings.width)
        if i420.shape != expected:
            raise ParameterError(f"a picture of shape {i420.shape}; the encoder takes {expected}")
        frame = av.VideoFrame.from_numpy_buffer(i420, format="yuv420p")
        return encoded(self._context, frame, pts, keyframe=keyframe)


def encoded(
    context: VideoCodecContext, frame: av.VideoFrame, pts: int, *, keyframe: bool
) -> list[EncodedFrame]:
    """The packets of one picture. Raises BackendError where the encoder fails."""
    frame.pts, frame.time_base = pts, TIME_BASE
    frame.pict_type = PictureType.I if keyframe else PictureType.NONE
    try:
        packets = context.encode(frame)
    except av.error.FFmpegError as error:
        raise BackendError(f"the encoder {context.name} failed: {error}") from error
    for packet in packets:
        packet.time_base = TIME_BASE
    return [EncodedFrame(packet, bool(packet.is_keyframe)) for packet in packets]


def new_context(name: str, settings: VideoSettings, options: dict[str, str]) -> VideoCodecContext:
    """An encoder of 8-bit 4:2:0 pictures that opens with its first one. Raises BackendError where
    this build of PyAV lacks it."""
    try:
        context = av.CodecContext.create(name, "w")
    except av.error.FFmpegError as error:
        raise BackendError(f"this build of PyAV has no {name}; pip install av==18.1.0") from error
    assert isinstance(context, VideoCodecContext)
    context.width, context.height, context.pix_fmt = settings.width, settings.height, "yuv420p"
    context.time_base = TIME_BASE
    context.framerate = Fraction(settings.fps).limit_denominator(1000)
    context.gop_size = _NEVER
    context.thread_count = 1
    context.options = options
    return context


def _open_h264(settings: VideoSettings) -> VideoCodecContext:
    level = max(h264_level(settings.width, settings.height, settings.fps), 42)
    x264 = {
        "keyint": "infinite",
        "scenecut": "0",
        "repeat-headers": "1",
        # the pictures are sRGB, brought to YUV by the BT.601 matrix in studio range
        "colorprim": "bt709",
        "transfer": "iec61966-2-1",
        "colormatrix": "smpte170m",
    }
    context = new_context(
        "libx264",
        settings,
        {
            "preset": "superfast",
            "tune": "zerolatency",
            "forced-idr": "1",
            "level": str(level),
            "crf": str(settings.crf),
            "maxrate": str(settings.max_bitrate),
            "bufsize": str(settings.max_bitrate // 4),
            "x264-params": ":".join(f"{key}={value}" for key, value in x264.items()),
        },
    )
    context.profile = "Baseline"
    return context


def _open_vp8(settings: VideoSettings) -> VideoCodecContext:
    rate = str(min(settings.max_bitrate, 3_000_000))
    context = new_context(
        "libvpx",
        settings,
        {
            "deadline": "realtime",
            "cpu-used": "-12",
            "lag-in-frames": "0",
            "minrate": rate,
            "maxrate": rate,
            "bufsize": rate,
            "static-thresh": "1",
            "undershoot-pct": "100",
            "overshoot-pct": "15",
        },
    )
    context.bit_rate = int(rate)
    return context
