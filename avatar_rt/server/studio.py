"""What the server has to give: scenes, cameras, seats and a workshop, each within a budget."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from avatar_rt.avatar import Avatar
from avatar_rt.clock import monotonic
from avatar_rt.errors import ParameterError
from avatar_rt.outputs.encoder import VideoCodec, VideoSettings
from avatar_rt.render import Renderer
from avatar_rt.server.drives import SharedDrive, sources
from avatar_rt.server.limits import Limits
from avatar_rt.server.scene import Scene
from avatar_rt.server.view import View
from avatar_rt.types import Backend, Camera, Quality

if TYPE_CHECKING:
    from avatar_rt.server.session import Session

BACKDROP = (0.81, 0.84, 0.87)
"""Grey enough for white hair, and light enough for dark hair."""


def _renderer(avatar: Avatar, settings: StudioSettings) -> Renderer:
    return Renderer(
        avatar, quality=settings.quality, threads=settings.threads, backend=settings.backend
    )


@dataclass(frozen=True, slots=True)
class StudioSettings:
    """How an avatar is served."""

    video: VideoSettings
    quality: Quality = "fast"
    background: tuple[float, float, float] = BACKDROP
    """sRGB in [0, 1]."""
    threads: int = 0
    """Threads of each renderer; 0 takes all cores."""
    backend: Backend = "auto"
    """What draws. With "auto" a device that fails leaves the stream to the processor."""
    make_renderer: Callable[[Avatar, StudioSettings], Renderer] = _renderer
    """How an avatar is drawn."""
    limits: Limits = field(default_factory=Limits)


class BudgetError(ParameterError):
    """The server gives no more of something at this time."""


class Studio:
    """Owns the shared scene and lends out the others. To be used from the event loop."""

    def __init__(self, avatar: Avatar, drive: SharedDrive, settings: StudioSettings) -> None:
        """avatar: the one being served; drive: what moves it for all who chose nothing else."""
        self.avatar, self.drive, self.settings = avatar, drive, settings
        self.epoch = monotonic()
        self.sessions: dict[str, Session] = {}
        self.making = asyncio.Lock()
        """Held while an avatar is being made: one at a time, or none would be quick."""
        self.sources: dict[str, dict[str, Any]] = {}
        """What a viewer may choose, as the page shows it."""
        self._loop = asyncio.get_running_loop()
        self._shared: Scene | None = None
        self._own: set[Scene] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def shared(self) -> Scene:
        """The scene that all see who did not choose one of their own."""
        assert self._shared is not None, "open() comes first"
        return self._shared

    @property
    def scenes(self) -> tuple[Scene, ...]:
        """All scenes that move."""
        return (self.shared, *self._own)

    async def open(self) -> None:
        """Makes the shared scene ready. Raises AvatarRtError where its avatar or driver fails."""
        self.sources = await self._loop.run_in_executor(None, sources, self.drive)
        driver, period = await self._loop.run_in_executor(None, self.drive.open)
        self._shared = await self._new_scene(self.avatar)
        await self._shared.drive(driver, period)

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Runs something that outlives the session which asks for it."""
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def renderer(self, avatar: Avatar) -> Renderer:
        """A renderer of its own for an avatar: the twin of one that draws it already, if any."""
        for scene in (self._shared, *self._own):
            if scene is not None and scene.renderer.avatar is avatar:
                return scene.renderer.twin()
        make = self.settings.make_renderer
        return await self._loop.run_in_executor(None, make, avatar, self.settings)

    async def _new_scene(self, avatar: Avatar) -> Scene:
        renderer = await self.renderer(avatar)
        s = self.settings
        return Scene(renderer, s.video, s.background, self.epoch, self._loop)

    async def own_scene(self, avatar: Avatar) -> Scene:
        """A scene for one viewer. Raises BudgetError where all are taken."""
        if len(self._own) + 1 >= self.settings.limits.scenes:
            raise BudgetError("All scenes are taken by other viewers; you keep the shared one.")
        scene = await self._new_scene(avatar)
        self._own.add(scene)
        return scene

    async def give_back(self, scene: Scene) -> None:
        """Ends a scene that own_scene() gave."""
        self._own.discard(scene)
        await self._loop.run_in_executor(None, scene.close)

    def own_view(self, scene: Scene, codec: VideoCodec, camera: Camera) -> View:
        """A camera for one viewer. Raises BudgetError where too many are rendered already."""
        rendered = sum(len(s.views) for s in self.scenes)
        if rendered >= self.settings.limits.views:
            raise BudgetError("All cameras are taken by other viewers; you keep the shared one.")
        return scene.own_view(codec, camera)

    async def close(self) -> None:
        """Ends all calls and all scenes."""
        await asyncio.gather(*(session.close() for session in list(self.sessions.values())))
        await asyncio.gather(*self._tasks, return_exceptions=True)
        scenes = [*self._own, *([self._shared] if self._shared else [])]
        self._own.clear()
        self._shared = None
        await asyncio.gather(*(self._loop.run_in_executor(None, scene.close) for scene in scenes))
