"""Pictures on a CUDA device → H.264 packets by NVENC, without a way through the processor's memory.

For `Renderer.render_on_device(format="nv12")`. NVENC is a part of most NVIDIA devices, but not of
those made for computing alone (A100, H100, H200): there, and where there is no device, take
avatar_rt.outputs.encoder.VideoEncoder.
"""

from __future__ import annotations

import av
import av.error
from av.video.codeccontext import VideoCodecContext
from av.video.frame import CudaContext

from avatar_rt.device import DeviceFrame
from avatar_rt.errors import BackendError, ParameterError
from avatar_rt.outputs.color import state_colors
from avatar_rt.outputs.encoder import (
    EncodedFrame,
    VideoSettings,
    encoded,
    h264_level,
    new_context,
)


class DeviceEncoder:
    """Encodes a device's pictures in the order they come. To be used from one thread."""

    def __init__(self, settings: VideoSettings, device: int = 0) -> None:
        """device: the number of the one that draws.

        Raises ParameterError for another codec than h264, BackendError where this build of PyAV
        has no NVENC. Whether the device has it shows with the first picture.
        """
        if settings.codec != "h264":
            raise ParameterError(f"NVENC encodes h264 here, not {settings.codec}")
        self.settings = settings
        # the CUDA runtime works in the device's primary context, and so does the renderer
        self._cuda = CudaContext(device_id=device, primary_ctx=True)
        self._context = _context(settings)

    def encode(self, picture: DeviceFrame, pts: int, *, keyframe: bool) -> list[EncodedFrame]:
        """One picture in, its packet out; VideoEncoder.encode says the rest.

        Raises ParameterError for a picture of another size or format than nv12, and BackendError
        where the device or NVENC fails.
        """
        s = self.settings
        if picture.format != "nv12" or picture.shape != (s.height * 3 // 2, s.width):
            raise ParameterError(
                f"a picture {picture.format} of shape {picture.shape}; "
                f"NVENC takes nv12 of {(s.height * 3 // 2, s.width)}"
            )
        try:
            frame = av.VideoFrame.from_dlpack(
                picture.planes(), format="nv12", cuda_context=self._cuda
            )
        except (av.error.FFmpegError, OSError) as error:
            raise BackendError(f"PyAV cannot take a picture on the device: {error}") from error
        return encoded(self._context, frame, pts, keyframe=keyframe)


def _context(settings: VideoSettings) -> VideoCodecContext:
    """h264_nvenc, which takes the device's context from the first picture."""
    level = max(h264_level(settings.width, settings.height, settings.fps), 42)
    context = new_context(
        "h264_nvenc",
        settings,
        {
            "preset": "p1",
            "tune": "ull",
            "zerolatency": "1",
            "delay": "0",
            "forced-idr": "1",
            "no-scenecut": "1",
            "profile": "baseline",
            "level": str(level),
            "rc": "vbr",
            "cq": str(settings.crf),
            "maxrate": str(settings.max_bitrate),
            "bufsize": str(settings.max_bitrate // 4),
        },
    )
    context.pix_fmt, context.max_b_frames = "cuda", 0
    state_colors(context)
    return context
