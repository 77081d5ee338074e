"""What a viewer's camera and microphone send, on its way to a driver. The newest picture wins."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Literal, Protocol

import av
import numpy as np
from aiortc import MediaStreamTrack
from aiortc.mediastreams import MediaStreamError

from avatar_rt.arrays import I16, U8
from avatar_rt.clock import monotonic
from avatar_rt.drivers.base import ClosingDriver
from avatar_rt.errors import AvatarRtError
from avatar_rt.types import Channels, FaceParams

WebcamState = Literal["starting", "no face seen", "following"]

MOST_PIXELS_WIDE = 640
"""Wider pictures are made smaller: a face tracker gains nothing from more."""


class TakesPictures(Protocol):
    """A driver that follows pictures."""

    def push(self, image: U8, time: float) -> None: ...


class TakesSound(Protocol):
    """A driver that follows sound of 48 kHz."""

    def push(self, pcm: I16) -> None: ...


class WebcamFace(ClosingDriver):
    """A WebcamDriver for two threads: pictures are pushed from one and the face read in another."""

    def __init__(self) -> None:
        # what tracks faces takes seconds to import, and only this needs it
        from avatar_rt.drivers.webcam import WebcamDriver  # noqa: PLC0415

        self._driver = WebcamDriver()
        self._newest: tuple[U8, float] | None = None
        self.latest = FaceParams(known=Channels.NONE)
        """The face of the last read."""

    def push(self, image: U8, time: float) -> None:
        """Leaves (H, W, 3) uint8 RGB, taken at `time`, for the next read; the newest wins."""
        self._newest = (image, time)

    def read(self, now: float) -> FaceParams:
        """The newest face. Raises DriverError once the tracker has died."""
        newest, self._newest = self._newest, None
        if newest is not None:
            self._driver.push(*newest)
        self.latest = self._driver.read(now)
        return self.latest

    @property
    def state(self) -> WebcamState:
        """How the tracker gets on: it is starting until it has looked at a first picture."""
        if self.latest.known is not Channels.NONE:
            return "following"
        return "no face seen" if self._driver.has_looked else "starting"

    def close(self) -> None:
        """Ends the tracker."""
        self._driver.close()


def rgb(frame: av.VideoFrame) -> U8:
    """A decoded picture as (H, W, 3) uint8 sRGB, at most 640 pixels wide."""
    width, height = frame.width, frame.height
    if width > MOST_PIXELS_WIDE:
        width, height = MOST_PIXELS_WIDE, max(round(height * MOST_PIXELS_WIDE / width), 2)
    pixels = frame.reformat(width=width, height=height, format="rgb24").to_ndarray()
    return np.ascontiguousarray(pixels, np.uint8)


def pcm(frame: av.AudioFrame) -> I16:
    """Decoded sound as (N, channels) int16."""
    return frame.to_ndarray().reshape(-1, frame.layout.nb_channels).astype(np.int16)


async def follow_pictures(
    track: MediaStreamTrack, driver: Callable[[], TakesPictures | None]
) -> None:
    """Hands each picture to whatever driver wants one at that time, until the track ends."""
    loop = asyncio.get_running_loop()
    while True:
        try:
            frame = await track.recv()
        except MediaStreamError:
            return
        taker = driver()
        # aiortc queues what it has decoded; only the last in the queue is worth converting
        if taker is None or not isinstance(frame, av.VideoFrame) or track._queue.qsize():  # type: ignore[attr-defined]
            continue
        arrived = monotonic()
        image = await loop.run_in_executor(None, rgb, frame)
        await _push(loop, partial(taker.push, image, arrived))


async def follow_sound(track: MediaStreamTrack, driver: Callable[[], TakesSound | None]) -> None:
    """Hands all sound to whatever driver wants it at that time, until the track ends."""
    loop = asyncio.get_running_loop()
    while True:
        try:
            frame = await track.recv()
        except MediaStreamError:
            return
        taker = driver()
        if taker is not None and isinstance(frame, av.AudioFrame):
            await _push(loop, partial(taker.push, pcm(frame)))


async def _push(loop: asyncio.AbstractEventLoop, push: Callable[[], None]) -> None:
    try:
        await loop.run_in_executor(None, push)
    except AvatarRtError:
        # closed a moment ago, or broken: the pipeline finds out and tells the viewer
        return
