"""The whole of a live frame, in one function: driver → motion → renderer → pixels."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import replace

from avatar_rt.drivers.base import Driver, IdleDriver
from avatar_rt.errors import AvatarRtError
from avatar_rt.motion import Motion
from avatar_rt.render import WHITE, Renderer
from avatar_rt.types import Camera, FaceParams, Frame, PixelFormat


class Pipeline:
    """One avatar as it is driven and seen now.

    `frame` belongs to one thread; driver and renderer may be swapped from any other, and change
    between two frames, never within one.
    """

    def __init__(
        self, renderer: Renderer, driver: Driver | None = None, motion: Motion | None = None
    ) -> None:
        """A pipeline owns its driver and closes it; without one the avatar idles."""
        self._renderer = renderer
        self._driver: Driver = driver or IdleDriver()
        self._motion = motion or Motion()
        self._swap = threading.Lock()
        self._swapped = False
        self._failure: AvatarRtError | None = None

    @property
    def failure(self) -> AvatarRtError | None:
        """Why the last driver was given up, until another is set; the avatar idles meanwhile."""
        return self._failure

    @property
    def driver(self) -> Driver:
        """What drives now."""
        return self._driver

    @property
    def renderer(self) -> Renderer:
        """What renders now."""
        return self._renderer

    def set_driver(self, driver: Driver) -> None:
        """Let another driver drive, from the next frame on; the one before is closed."""
        with self._swap:
            before, self._driver, self._swapped = self._driver, driver, True
            self._failure = None
        if before is not driver:
            before.close()

    def set_renderer(self, renderer: Renderer) -> None:
        """Show another avatar from the next frame on."""
        with self._swap:
            self._renderer = renderer

    def frame(
        self,
        now: float,
        camera: Camera,
        format: PixelFormat = "i420",
        background: Sequence[float] = WHITE,
    ) -> Frame:
        """The picture at `now` (seconds on the caller's clock; does not decrease).

        Frame.timings gains "drive" (seconds in driver and motion), "rasterize" (in the renderer,
        but for "animate") and "frame" (all of it) beside the renderer's own stages. A driver that
        raises an AvatarRtError is closed, its error kept in `failure`, and the avatar idles.
        """
        began = time.perf_counter()
        with self._swap:
            face = self._face(now)
            renderer = self._renderer
        driven = time.perf_counter()
        frame = renderer.render(face, camera, format=format, background=background)
        ended = time.perf_counter()
        timings = {
            "drive": driven - began,
            **frame.timings,
            "rasterize": ended - driven - frame.timings.get("animate", 0.0),
            "frame": ended - began,
        }
        return replace(frame, timings=timings)

    def _face(self, now: float) -> FaceParams:
        try:
            driven = self._driver.read(now)
        except AvatarRtError as error:
            self._failure = error
            self._driver.close()
            self._driver, self._swapped = IdleDriver(), True
            driven = self._driver.read(now)
        if self._swapped:
            self._motion.source_changed(now)
            self._swapped = False
        return self._motion.step(now, driven)

    def close(self) -> None:
        """Close the driver; the avatar idles from now on."""
        self.set_driver(IdleDriver())
