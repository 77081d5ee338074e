"""`python -m benchmarks.clapper serve AVATAR …`: a film clapper, to measure sound against picture.

Once a second the picture turns from black to white while the jaw is open, and a short tone begins
in the same moment of the driver's time. All between driver and browser is as `serve` has it.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from avatar_rt.arkit import ARKIT_INDEX
from avatar_rt.audio import Audio
from avatar_rt.avatar import Avatar
from avatar_rt.cli import serve
from avatar_rt.drivers.base import ClosingDriver
from avatar_rt.render import WHITE, Renderer
from avatar_rt.server import drives
from avatar_rt.server.studio import StudioSettings
from avatar_rt.types import Camera, FaceParams, Frame, PixelFormat, Quality

PERIOD_S, BEFORE_S, OPEN_S = 1.0, 0.4, 0.3
_RATE = 48_000


class Clapper(ClosingDriver):
    """A jaw that opens with a tone, once a period."""

    def __init__(self) -> None:
        time = np.arange(int(PERIOD_S * _RATE)) / _RATE - BEFORE_S
        tone = np.sin(2 * np.pi * 1000 * time) * ((time >= 0) & (time < OPEN_S))
        self.audio = Audio((tone * 20_000).astype(np.int16), _RATE)
        self.period = PERIOD_S
        self._began = 0.0

    def start(self, now: float) -> None:
        """Begins at `now`."""
        self._began = now

    def read(self, now: float) -> FaceParams:
        """Open or closed."""
        since = (now - self._began) % PERIOD_S - BEFORE_S
        return FaceParams.from_arkit({"jawOpen": float(0 <= since < OPEN_S)})


class ClapperRenderer(Renderer):
    """White while the jaw is open, else black."""

    def __init__(self, avatar: Avatar, settings: StudioSettings) -> None:
        super().__init__(avatar, threads=1)
        video = settings.video
        picture = np.full((video.height * 3 // 2, video.width), 128, np.uint8)
        self._black, self._white = picture.copy(), picture
        self._black[: video.height], self._white[: video.height] = 16, 235

    def render(
        self,
        params: FaceParams,
        camera: Camera | None = None,
        *,
        background: Sequence[float] = WHITE,
        format: PixelFormat = "rgb8",
        quality: Quality | None = None,
    ) -> Frame:
        """One of two pictures, whatever else is asked for."""
        del camera, background, format, quality
        is_open = params.arkit[ARKIT_INDEX["jawOpen"]] > 0.5
        return Frame((self._white if is_open else self._black).copy(), "i420")


class ClapperDrive(drives.SharedDrive):
    """The clapper, as the server's own driver."""

    def open(self) -> tuple[Clapper, float | None]:
        """A clapper and its period."""
        return Clapper(), PERIOD_S


def main() -> int:
    parser = argparse.ArgumentParser(prog="benchmarks.clapper", description=__doc__)
    serve.add_parser(parser.add_subparsers(required=True))
    args = parser.parse_args()
    settings = replace(serve.settings(args), make_renderer=ClapperRenderer)
    drive = ClapperDrive("a clapper", Clapper)
    serve.serve_avatar(Avatar.load(args.avatar), drive, settings, args, open_page=False)
    return 0


if __name__ == "__main__":
    sys.exit(main())
