"""`python -m benchmarks.prerendered serve AVATAR …`: `serve` with pictures made beforehand.

What is left is the stream itself: clock, encoder, network, browser. For benchmarks.stream.
"""

from __future__ import annotations

import argparse
import itertools
import sys
from collections.abc import Sequence
from dataclasses import replace

from avatar_rt.avatar import Avatar
from avatar_rt.cli import serve
from avatar_rt.drivers.recorded import RecordedDriver
from avatar_rt.render import WHITE, Renderer
from avatar_rt.server.drives import SharedDrive
from avatar_rt.server.showcase import showcase
from avatar_rt.server.studio import StudioSettings
from avatar_rt.types import Camera, FaceParams, Frame, PixelFormat, Quality

COUNT = 90
_STEP_S = 1 / 30


class PrerenderedRenderer(Renderer):
    """Draws a stretch of the showcase once, and shows it over and over."""

    def __init__(self, avatar: Avatar, settings: StudioSettings) -> None:
        super().__init__(avatar, quality=settings.quality, threads=settings.threads)
        clip, video = RecordedDriver(showcase(), start=0.0), settings.video
        camera = self.camera(width=video.width, height=video.height)
        pictures = [
            super(PrerenderedRenderer, self).render(
                clip.read(k * _STEP_S), camera, background=settings.background, format="i420"
            )
            for k in range(COUNT)
        ]
        # there and back, so that the end meets the beginning
        self._pictures = itertools.cycle([*pictures, *reversed(pictures)])

    def render(
        self,
        params: FaceParams,
        camera: Camera | None = None,
        *,
        background: Sequence[float] = WHITE,
        format: PixelFormat = "rgb8",
        quality: Quality | None = None,
    ) -> Frame:
        """The next picture, whatever is asked for."""
        del params, camera, background, format, quality
        return next(self._pictures)


def main() -> int:
    parser = argparse.ArgumentParser(prog="benchmarks.prerendered", description=__doc__)
    serve.add_parser(parser.add_subparsers(required=True))
    args = parser.parse_args()
    settings = replace(serve.settings(args), make_renderer=PrerenderedRenderer)
    avatar = Avatar.load(args.avatar)
    serve.serve_avatar(avatar, SharedDrive.of(args.drive), settings, args, open_page=False)
    return 0


if __name__ == "__main__":
    sys.exit(main())
