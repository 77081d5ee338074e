"""One viewer: a call, a camera, what moves the face they see, and the avatar made for them."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import secrets
from collections.abc import Coroutine
from dataclasses import dataclass, replace
from typing import Any, Literal

from aiortc import MediaStreamTrack, RTCDataChannel

from avatar_rt.avatar import Avatar
from avatar_rt.clock import monotonic
from avatar_rt.drivers.base import Driver, IdleDriver
from avatar_rt.drivers.speech_live import LiveSpeechDriver
from avatar_rt.errors import AvatarRtError, ParameterError
from avatar_rt.outputs.encoder import VideoCodec
from avatar_rt.outputs.opus import OPUS_RATE
from avatar_rt.server import control, maker
from avatar_rt.server.drives import clip_driver, speak
from avatar_rt.server.limits import RateLimit
from avatar_rt.server.offer import Offer
from avatar_rt.server.peer import Peer
from avatar_rt.server.scene import Scene
from avatar_rt.server.studio import BudgetError, Studio
from avatar_rt.server.uplink import WebcamFace, WebcamState, follow_pictures, follow_sound
from avatar_rt.server.view import View
from avatar_rt.server.voice import VOICE_LEAD_S
from avatar_rt.server.workshop import Workshop

_log = logging.getLogger(__name__)

STATS_EVERY_S = 0.5
_TO_THE_EAR_MS = 40.0
"""From a browser's jitter buffer through its mixer and the sound card."""
_HITCH_MS = 15
"""A smaller change of how long pictures wait is not worth the hitch it shows as."""
_CROWDED = 200_000
"""Bytes waiting in the channel above which figures are left out."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What a viewer wants to see."""

    avatar: Literal["shared", "mine"] = "shared"
    drive: control.Drive = control.AS_SERVED

    @property
    def shared(self) -> bool:
        """Whether the shared scene shows it."""
        return self.avatar == "shared" and self.drive.source == "shared"


class Session:
    """Lives from the offer until the call ends; then everything that was made for it goes too."""

    def __init__(self, studio: Studio, *, loopback_only: bool) -> None:
        self.id = secrets.token_urlsafe(18)
        self.workshop = Workshop(studio, self.tell, self._made)
        self._studio = studio
        self._peer = Peer(studio.settings.video, loopback_only=loopback_only)
        self._scene: Scene = studio.shared
        self._own_scene: Scene | None = None
        self._codec: VideoCodec = "h264"
        self._camera: control.MoveCamera | None = None
        self._own_view: View | None = None
        self._channel: RTCDataChannel | None = None
        self._wish = Wish()
        self._shown = Wish()
        self._wished = asyncio.Event()
        self._driver: Driver | None = None
        self._failure: AvatarRtError | None = None
        self._sound = control.Sound(on=False, delay_ms=0.0)
        self._held_ms = 0
        self._rate = RateLimit(studio.settings.limits.messages_per_second, monotonic())
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False
        self._peer.on_state(self._state_changed)
        self._peer.on_track(self._track_came)
        self._peer.on_channel(self._channel_came)

    # ---- the call --------------------------------------------------------------------------------

    async def answer(self, offer: Offer) -> str:
        """The answer's SDP. Raises ParameterError for an offer that cannot be answered."""
        sdp, self._codec = await self._peer.answer(offer)
        if self._closed:
            raise ParameterError("the call ended before it began")
        self._look_at(self._scene)
        self._spawn(self._give_up_waiting())
        self._spawn(self._fulfil_wishes())
        return sdp

    async def close(self) -> None:
        """Ends the call and all that was started for it."""
        if self._closed:
            return
        self._closed = True
        self._studio.sessions.pop(self.id, None)
        # from the last to the first, each whatever became of the others
        async with contextlib.AsyncExitStack() as steps:
            steps.push_async_callback(self.workshop.close)
            steps.push_async_callback(self._give_scene_back)
            # hanging up stopped the track, which took it off every camera
            steps.callback(self._studio.shared.drop_unwatched)
            steps.push_async_callback(self._end_tasks)
            steps.push_async_callback(self._hang_up)
            self._scene.voice.discard(self._peer.voice)

    async def _hang_up(self) -> None:
        try:
            await self._peer.close()
        except ConnectionError:
            pass  # the far end was faster
        except Exception:
            # aiortc cannot close a connection whose negotiation it broke off halfway
            _log.warning("session %s did not hang up in order", self.id[:6], exc_info=True)

    async def _end_tasks(self) -> None:
        tasks = [task for task in self._tasks if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _give_scene_back(self) -> None:
        if self._own_scene is not None:
            await self._studio.give_back(self._own_scene)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("a task of session %s failed", self.id[:6], exc_info=error)

    def _state_changed(self, state: str) -> None:
        if state in ("failed", "closed") and not self._closed:
            self._studio.spawn(self.close())
        elif state == "connected":
            self._peer.video.request_keyframe()

    async def _give_up_waiting(self) -> None:
        await asyncio.sleep(self._studio.settings.limits.connect_seconds)
        if self._channel is None and not self._peer.connected:
            self._studio.spawn(self.close())  # which ends this very task

    def _track_came(self, track: MediaStreamTrack) -> None:
        if track.kind == "video":
            self._spawn(follow_pictures(track, lambda: self._taking("webcam")))
        else:
            self._spawn(follow_sound(track, lambda: self._taking("microphone")))

    def _taking(self, source: str) -> Any:
        """The present driver, if it wants what comes from that device."""
        return self._driver if self._shown.drive.source == source else None

    def _channel_came(self, channel: RTCDataChannel) -> None:
        if self._channel is not None:
            channel.close()
            return
        self._channel = channel
        channel.on("message", self._heard)
        self.tell_state()
        self._spawn(self._tell_figures())

    @property
    def sent(self) -> int:
        """Pictures handed to the network."""
        return self._peer.video.sent

    # ---- messages --------------------------------------------------------------------------------

    def tell(self, message: dict[str, Any]) -> None:
        """Sends a message to the page, if the line is up."""
        if self._channel is not None and self._channel.readyState == "open" and not self._closed:
            self._channel.send(json.dumps(message))

    def _heard(self, text: str | bytes) -> None:
        if not self._rate.allows(monotonic()):
            return
        try:
            command = control.parse_command(text, self._studio.settings.limits)
            self._obey(command)
        except AvatarRtError as error:
            self.tell({"type": "error", "error": str(error)})

    def _obey(self, command: control.Command) -> None:
        match command:
            case control.Ping(t):
                self.tell({"type": "pong", "t": t, "now": monotonic()})
            case control.MoveCamera():
                self._move(command)
            case control.ResetCamera():
                self._camera = None
                if self._own_view is not None:
                    self._own_view = None
                    self._look_at(self._scene)
                    self.tell_state()
            case control.Drive():
                self._want(replace(self._wish, drive=command))
            case control.Sound():
                self._sound = command
                self._match_sound()
            case control.StopTalking():
                if self._own_scene is not None and self._wish.drive.source == "text":
                    self._spawn(self._own_scene.fall_silent())
            case control.CancelMake():
                self.workshop.cancel()
            case control.ShowAvatar(which):
                if which == "mine" and self.workshop.avatar is None:
                    raise ParameterError("No avatar has been made yet: choose a photograph first.")
                self._want(replace(self._wish, avatar=which))

    def tell_state(self) -> None:
        """Tells the page all that it shows."""
        studio = self._studio
        video, limits = studio.settings.video, studio.settings.limits
        avatar = self._avatar(self._shown)
        can_make = maker.can_make()
        self.tell(
            {
                "type": "state",
                "avatar": {
                    "name": str(avatar.metadata.get("name", ""))[:80],
                    "which": self._shown.avatar,
                    "have_mine": self.workshop.avatar is not None,
                },
                "drive": self._wish.drive.source,
                "camera": "own" if self._own_view is not None else "shared",
                "sources": studio.sources,
                "make": {"available": can_make, "hint": "" if can_make else maker.GET_MAKER},
                "limits": {
                    "text_characters": limits.text_characters,
                    "upload_bytes": limits.upload_bytes,
                },
                "video": {
                    "width": video.width,
                    "height": video.height,
                    "fps": video.fps,
                    "codec": {"h264": "H.264", "vp8": "VP8"}[self._codec],
                },
            }
        )

    async def _tell_figures(self) -> None:
        sent, at = self.sent, monotonic()
        while self._channel is not None and self._channel.readyState == "open":
            await asyncio.sleep(STATS_EVERY_S)
            self._tell_failure()
            self._match_sound()
            now, count = monotonic(), self.sent
            if self._channel.bufferedAmount < _CROWDED:
                self.tell({**self._figures(now), "sent": round((count - sent) / (now - at), 2)})
            sent, at = count, now

    def _figures(self, now: float) -> dict[str, Any]:
        track = self._peer.video
        view = next((v for v in self._scene.views if track in v.fanout.tracks), None)
        empty = {"fps": 0.0, "ms": None}
        return {
            "type": "stats",
            "now": now,
            "epoch": self._studio.epoch,
            "rtp_origin": track.rtp_origin,
            "rendered": view.rendered.summary(now) if view else empty,
            "encoded": view.encoded.summary(now) if view else empty,
            "dropped": track.dropped + (view.replaced if view else 0),
            "skipped": self._scene.skipped,
            "viewers": len(self._studio.sessions),
            "webcam": self._webcam(),
        }

    def _webcam(self) -> WebcamState | None:
        """How the viewer's webcam gets on; None where it does not drive the face."""
        if isinstance(self._driver, WebcamFace) and self._scene.failure is None:
            return self._driver.state
        return None

    def _tell_failure(self) -> None:
        failure = self._scene.failure
        if failure is not None and failure is not self._failure:
            self.tell({"type": "error", "error": f"{failure} The avatar idles meanwhile."})
        self._failure = failure

    def _match_sound(self) -> None:
        """Lets pictures wait for the sound that belongs to them, while there is any."""
        needed = 0
        if self._sound.on and self._scene.voice.talking(monotonic()):
            late = self._sound.delay_ms + _TO_THE_EAR_MS - VOICE_LEAD_S * 1000
            needed = max(round(late / 10) * 10, 0)
        if needed == 0 or abs(needed - self._held_ms) > _HITCH_MS:
            self._held_ms = needed
            self._peer.hold_pictures(needed)

    # ---- what is seen ----------------------------------------------------------------------------

    def _move(self, camera: control.MoveCamera) -> None:
        self._camera = camera
        placed = self._scene.camera(camera.yaw, camera.pitch, camera.zoom)
        if self._own_view is not None:
            self._own_view.camera = placed
            return
        try:
            self._own_view = self._studio.own_view(self._scene, self._codec, placed)
        except BudgetError:
            self._camera = None
            raise
        self._own_view.show(self._peer.video)
        self._studio.spawn(self._leave(self._scene, None))
        self.tell_state()

    def _look_at(self, scene: Scene) -> None:
        """Shows a scene, through this viewer's own camera if there is one."""
        before, self._scene = self._scene, scene
        if before is not scene:
            self._own_view = None
        view = self._own_view
        if view is None and self._camera is not None:
            camera = self._camera
            placed = scene.camera(camera.yaw, camera.pitch, camera.zoom)
            with contextlib.suppress(BudgetError):
                view = self._own_view = self._studio.own_view(scene, self._codec, placed)
        (view or scene.shared_view(self._codec)).show(self._peer.video)
        before.voice.discard(self._peer.voice)
        scene.voice.add(self._peer.voice)
        given_back = before if before is not scene and before is self._own_scene else None
        if given_back is not None:
            self._own_scene = None
        self._studio.spawn(self._leave(before, given_back))

    async def _leave(self, scene: Scene, given_back: Scene | None) -> None:
        """Ends what nobody watches, once the new picture has replaced the old one."""
        for _ in range(40):
            await asyncio.sleep(0.05)
            if not self._peer.video.changing:
                break
        scene.drop_unwatched()
        if given_back is not None:
            await self._studio.give_back(given_back)

    def _avatar(self, wish: Wish) -> Avatar:
        mine = self.workshop.avatar if wish.avatar == "mine" else None
        return mine or self._studio.avatar

    def _made(self, _avatar: Avatar) -> None:
        self._want(replace(self._wish, avatar="mine"))

    def _want(self, wish: Wish) -> None:
        self._wish = wish
        self._wished.set()

    async def _fulfil_wishes(self) -> None:
        """One after another, and only the newest: a driver may take a while to start."""
        while True:
            await self._wished.wait()
            self._wished.clear()
            wish = self._wish
            try:
                await self._fulfil(wish)
                self._shown = wish
            except AvatarRtError as error:
                self.tell({"type": "error", "error": str(error)})
                if self._wish is wish:
                    self._wish = self._shown
            self.tell_state()

    async def _fulfil(self, wish: Wish) -> None:
        if wish.shared:
            self._driver = None
            self._look_at(self._studio.shared)
            return
        loop = asyncio.get_running_loop()
        driver, period = await loop.run_in_executor(None, self._make_driver, wish.drive)
        avatar = self._avatar(wish)
        try:
            scene = self._own_scene or await self._studio.own_scene(avatar)
            if scene.renderer.avatar is not avatar:
                scene.set_renderer(await self._studio.renderer(avatar))
        except AvatarRtError:
            await loop.run_in_executor(None, driver.close)
            raise
        self._own_scene = scene
        self._driver = driver
        await scene.drive(driver, period)
        if self._scene is not scene:
            self._look_at(scene)
        elif self._own_view is not None and self._camera is not None:
            c = self._camera
            self._own_view.camera = scene.camera(c.yaw, c.pitch, c.zoom)

    def _make_driver(self, drive: control.Drive) -> tuple[Driver, float | None]:
        """In a worker thread: some drivers start a process or synthesize speech."""
        match drive.source:
            case "shared":
                return self._studio.drive.open()
            case "clip":
                return clip_driver(), None
            case "webcam":
                return WebcamFace(), None
            case "microphone":
                return LiveSpeechDriver(OPUS_RATE), None
            case "text":
                return speak(drive.text), None
            case _:
                return IdleDriver(), None
