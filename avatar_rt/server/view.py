"""One camera onto a scene in one codec: encoded once, in its own thread, for all who share it."""

from __future__ import annotations

import asyncio
import logging
import threading
from dataclasses import dataclass

from avatar_rt.arrays import U8
from avatar_rt.clock import monotonic, ticks
from avatar_rt.errors import AvatarRtError
from avatar_rt.outputs.encoder import EncodedFrame, VideoEncoder, VideoSettings
from avatar_rt.outputs.mailbox import Mailbox
from avatar_rt.outputs.track import Fanout, VideoTrack
from avatar_rt.server.meter import Meter
from avatar_rt.types import Camera

_log = logging.getLogger(__name__)

KEYFRAME_GAP_S = 0.25
"""Keyframes are at least this far apart, however many viewers ask for one."""


@dataclass(frozen=True, slots=True)
class Rendered:
    """A picture on its way to the encoder."""

    i420: U8
    moment: float
    """Seconds on the server's clock for which it was made."""


class View:
    """Takes pictures from the frame thread, and gives packets to tracks on the event loop."""

    def __init__(
        self,
        settings: VideoSettings,
        camera: Camera,
        epoch: float,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        """epoch: the moment, in seconds on the server's clock, whose time stamp is 0.

        Raises BackendError where the encoder cannot be opened.
        """
        self.settings = settings
        self.camera = camera
        """May be replaced at any time; the next picture is taken by the new one."""
        self.fanout = Fanout(self._want_keyframe)
        self.rendered, self.encoded = Meter(), Meter()
        self.keyframes = 0
        self._epoch, self._loop = epoch, loop
        self._encoder = VideoEncoder(settings)
        self._mailbox: Mailbox[Rendered] = Mailbox()
        self._keyframe_wanted = threading.Event()
        self._last_keyframe = float("-inf")
        self._thread = threading.Thread(target=self._encode_all, name="encoder", daemon=True)
        self._thread.start()

    @property
    def watched(self) -> bool:
        """Whether anybody looks."""
        return bool(self.fanout.tracks)

    @property
    def replaced(self) -> int:
        """Pictures that were rendered but never encoded, because a newer one came first."""
        return self._mailbox.replaced

    def show(self, track: VideoTrack) -> None:
        """Lets a viewer watch from the next keyframe on."""
        track.watch(self.fanout)

    def put(self, picture: Rendered) -> None:
        """Called by the frame thread."""
        self._mailbox.put(picture)

    def close(self) -> None:
        """Ends the encoder thread."""
        self._mailbox.close()
        self._thread.join(timeout=2.0)

    def _want_keyframe(self) -> None:
        self._keyframe_wanted.set()

    def _encode_all(self) -> None:
        while (picture := self._mailbox.take()) is not None:
            wanted = self._keyframe_wanted.is_set()
            keyframe = wanted and picture.moment - self._last_keyframe >= KEYFRAME_GAP_S
            if keyframe:
                self._keyframe_wanted.clear()
                self._last_keyframe = picture.moment
            pts = ticks(picture.moment - self._epoch)
            try:
                frames = self._encoder.encode(picture.i420, pts, keyframe=keyframe)
            except AvatarRtError:
                _log.exception("the encoder stopped")
                return
            now = monotonic()
            self.encoded.add(now, now - picture.moment)
            self.keyframes += sum(frame.keyframe for frame in frames)
            self._deliver(frames)

    def _deliver(self, frames: list[EncodedFrame]) -> None:
        if frames and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self.fanout.send, frames)
