"""PCM → Opus packets of 20 ms, encoded once for all who listen."""

from __future__ import annotations

from fractions import Fraction

import av
import av.error
from av.audio.codeccontext import AudioCodecContext
from av.audio.stream import AudioStream

from avatar_rt.arrays import I16
from avatar_rt.errors import BackendError, ParameterError

OPUS_RATE = 48_000
PACKET_SAMPLES = 960
PACKET_SECONDS = PACKET_SAMPLES / OPUS_RATE


class OpusEncoder:
    """One voice at 48 kHz. To be used from one thread."""

    def __init__(self, bitrate: int = 40_000) -> None:
        """Raises BackendError where this build of PyAV has no Opus encoder."""
        try:
            context = av.CodecContext.create("libopus", "w")
        except av.error.FFmpegError as error:
            raise BackendError("PyAV has no libopus; pip install av==18.1.0") from error
        assert isinstance(context, AudioCodecContext)
        context.sample_rate, context.format, context.layout = OPUS_RATE, "s16", "mono"
        context.bit_rate = bitrate
        context.time_base = Fraction(1, OPUS_RATE)
        context.options = {"application": "voip", "frame_duration": "20"}
        self._context = context

    def encode(self, samples: I16, pts: int) -> list[av.Packet[AudioStream]]:
        """(960,) int16 at 48 kHz whose first sample is at `pts` (in samples) → its packets.

        Raises ParameterError for another shape.
        """
        if samples.shape != (PACKET_SAMPLES,):
            raise ParameterError(f"{samples.shape} samples; a packet takes ({PACKET_SAMPLES},)")
        frame = av.AudioFrame.from_ndarray(samples[None], format="s16", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = OPUS_RATE, pts, Fraction(1, OPUS_RATE)
        packets = self._context.encode(frame)
        for packet in packets:
            # libopus states its lookahead as a negative start; the caller's time line counts here
            packet.pts, packet.time_base = pts, Fraction(1, OPUS_RATE)
        return packets
