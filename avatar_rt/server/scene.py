"""An avatar in motion: one driver, one renderer, one frame thread, and the cameras that look on.

All who did not choose anything share one scene; whoever chooses a driver or an avatar of their own
gets a scene of their own.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from typing import Protocol, runtime_checkable

from avatar_rt.audio import Audio
from avatar_rt.clock import Deadlines, monotonic, sleep_until
from avatar_rt.drivers.base import Driver, IdleDriver
from avatar_rt.errors import AvatarRtError
from avatar_rt.outputs.encoder import VideoCodec, VideoSettings
from avatar_rt.pipeline import Pipeline
from avatar_rt.render import Renderer
from avatar_rt.server.view import Rendered, View
from avatar_rt.server.voice import Utterance, Voice
from avatar_rt.types import Camera

_log = logging.getLogger(__name__)

START_DELAY_S = 0.25
"""From the choice of a voice to its first sound: time to send the first packets."""


@runtime_checkable
class Speaking(Protocol):
    """A driver with a voice: mouth and sound begin together."""

    @property
    def audio(self) -> Audio: ...

    def start(self, now: float) -> None: ...


class Scene:
    """To be used from the event loop; its own threads are its own business."""

    def __init__(
        self,
        renderer: Renderer,
        settings: VideoSettings,
        background: tuple[float, float, float],
        epoch: float,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        """settings: size and rate; views choose the codec. background: sRGB in [0, 1].

        epoch: the moment, in seconds on the server's clock, whose time stamps are 0.
        """
        self.settings = settings
        self.voice = Voice(epoch, loop)
        self._pipeline = Pipeline(renderer)
        self._background, self._epoch, self._loop = background, epoch, loop
        self._shared: dict[VideoCodec, View] = {}
        self._views: tuple[View, ...] = ()
        self._awake = threading.Event()
        self._ended = False
        self._failures = 0
        self._waiting_voice: tuple[Speaking, Utterance] | None = None
        self.skipped = 0
        """Moments for which no picture was made, because the one before took too long."""
        self._thread = threading.Thread(target=self._render_all, name="frames", daemon=True)
        self._thread.start()

    # ---- what moves ------------------------------------------------------------------------------

    @property
    def failure(self) -> AvatarRtError | None:
        """Why the last driver was given up, if it was."""
        return self._pipeline.failure

    @property
    def driver(self) -> Driver:
        """What drives now."""
        return self._pipeline.driver

    @property
    def renderer(self) -> Renderer:
        """What renders now."""
        return self._pipeline.renderer

    def set_renderer(self, renderer: Renderer) -> None:
        """Shows another avatar; its own preferred camera is the default one from now on."""
        self._pipeline.set_renderer(renderer)
        for view in self._shared.values():
            view.camera = self.camera()

    async def drive(self, driver: Driver, period: float | None = None) -> None:
        """Lets another driver move the face; the one before is closed, and its voice falls silent.

        period: seconds after which a driver with a voice says it again.
        """
        self.voice.say(None)
        self._waiting_voice = None
        if isinstance(driver, Speaking):
            # resampling a long recording takes a while
            utterance = await self._loop.run_in_executor(
                None, Utterance.of, driver.audio, 0.0, period
            )
            self._waiting_voice = (driver, utterance)
        if self._views:
            self._begin_voice()
        # closing may wait for a child process
        await self._loop.run_in_executor(None, self._pipeline.set_driver, driver)

    async def fall_silent(self) -> None:
        """Stops talking at once; the avatar idles."""
        await self.drive(IdleDriver())

    def _begin_voice(self) -> None:
        if self._waiting_voice is None:
            return
        driver, utterance = self._waiting_voice
        self._waiting_voice = None
        start = monotonic() + START_DELAY_S
        driver.start(start)
        self.voice.say(Utterance(utterance.samples, start, utterance.period))

    # ---- who looks -------------------------------------------------------------------------------

    def camera(self, yaw: float = 0.0, pitch: float = 0.0, zoom: float = 1.0) -> Camera:
        """A camera on the avatar's preferred orbit; zoom lengthens its lens."""
        width, height = self.settings.width, self.settings.height
        camera = self.renderer.camera(yaw, pitch, width=width, height=height)
        K = camera.K.copy()
        K[:2, :2] *= zoom
        return Camera(camera.viewmat, K, width, height)

    @property
    def views(self) -> tuple[View, ...]:
        """All cameras that are being rendered."""
        return self._views

    def shared_view(self, codec: VideoCodec) -> View:
        """The default camera in that codec, made when first asked for."""
        if codec not in self._shared:
            self._shared[codec] = self.own_view(codec, self.camera())
        return self._shared[codec]

    def own_view(self, codec: VideoCodec, camera: Camera) -> View:
        """A camera for one viewer. Raises BackendError where its encoder cannot be opened."""
        s = self.settings
        settings = VideoSettings(s.width, s.height, s.fps, codec, s.crf, s.max_bitrate)
        view = View(settings, camera, self._epoch, self._loop)
        self._views = (*self._views, view)
        self._begin_voice()
        self._awake.set()
        return view

    def drop_unwatched(self) -> None:
        """Ends the views that nobody watches any more."""
        gone = [view for view in self._views if not view.watched]
        self._views = tuple(view for view in self._views if view.watched)
        self._shared = {codec: view for codec, view in self._shared.items() if view not in gone}
        if not self._views:
            self._awake.clear()
        for view in gone:
            view.close()

    def close(self) -> None:
        """Ends threads, encoders and the driver. May wait for a child process."""
        self._ended = True
        self._awake.set()
        self._thread.join(timeout=5.0)
        self.voice.close()
        for view in self._views:
            view.close()
        self._views = ()
        self._pipeline.close()

    # ---- the frame thread ------------------------------------------------------------------------

    def _render_all(self) -> None:
        deadlines = Deadlines(self.settings.fps, monotonic())
        while not self._ended:
            if not self._awake.is_set():
                self._awake.wait()
                deadlines = Deadlines(self.settings.fps, monotonic())
            moment = deadlines.next(monotonic())
            sleep_until(moment)
            for view in self._views:
                self._render(view, moment)
            self.skipped += deadlines.skipped
            deadlines.skipped = 0

    def _render(self, view: View, moment: float) -> None:
        try:
            frame = self._pipeline.frame(moment, view.camera, "i420", self._background)
        except Exception:  # the thread must go on: it is all that its viewers see
            _log.exception("a picture could not be rendered")
            self._recover()
            return
        self._failures = 0
        now = monotonic()
        view.rendered.add(now, now - moment)
        view.put(Rendered(frame.pixels, moment))  # type: ignore[arg-type]  # i420 is uint8

    def _recover(self) -> None:
        """After a failure: without the driver, whose fault it may be, and less and less often."""
        if self._failures == 0:
            self._pipeline.close()
        self._failures = min(self._failures + 1, 20)
        time.sleep(self._failures * 0.1)
