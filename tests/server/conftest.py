"""A small server in this process, and a WebRTC client to call it with."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import aiohttp
import pytest

from avatar_rt.avatar import Avatar
from avatar_rt.outputs.encoder import VideoSettings
from avatar_rt.server.drives import SharedDrive
from avatar_rt.server.limits import Limits
from avatar_rt.server.run import serving
from avatar_rt.server.studio import Studio, StudioSettings
from tests.factory import small_avatar

SIZE = 96


@dataclass(frozen=True, slots=True)
class Running:
    """A server that listens."""

    url: str
    studio: Studio
    http: aiohttp.ClientSession


Serve = Callable[..., AbstractAsyncContextManager[Running]]


@pytest.fixture(scope="session")
def egg() -> Avatar:
    """The tests' small avatar."""
    return small_avatar()


@pytest.fixture
def serve(egg: Avatar) -> Serve:
    """serve(drive="idle", fps=30, **limits) → a running server with small pictures."""

    @asynccontextmanager
    async def start(drive: str = "idle", fps: float = 30, **limits: Any) -> AsyncIterator[Running]:
        settings = StudioSettings(
            VideoSettings(SIZE, SIZE, fps), threads=1, limits=replace(Limits(), **limits)
        )
        async with (
            serving(egg, SharedDrive.of(drive), settings, "127.0.0.1", 0) as (url, studio),
            aiohttp.ClientSession() as http,
        ):
            yield Running(url, studio, http)

    return start
