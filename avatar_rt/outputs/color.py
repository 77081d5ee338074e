"""What the numbers of a rendered picture mean, in the words of ISO/IEC 23091-2."""

from __future__ import annotations

from av.video.codeccontext import VideoCodecContext

_BT601, _BT709_PRIMARIES, _SRGB, _STUDIO_RANGE = 6, 1, 13, 1


def state_colors(context: VideoCodecContext) -> None:
    """Lets an encoder that is not open yet say it: BT.601's matrix, as the renderer converts, on
    sRGB's primaries and curve, in studio range."""
    context.colorspace, context.color_primaries = _BT601, _BT709_PRIMARIES
    context.color_trc, context.color_range = _SRGB, _STUDIO_RANGE
