"""Serving until told to stop, and then stopping in order: calls, child processes, threads."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import cv2
from aiohttp import web

from avatar_rt.avatar import Avatar
from avatar_rt.errors import BackendError
from avatar_rt.server import maker
from avatar_rt.server.app import create_app
from avatar_rt.server.drives import SharedDrive
from avatar_rt.server.studio import Studio, StudioSettings

DEFAULT_PORT = 8765
_SWITCH_S = 0.0005
"""A thread that waits for the interpreter gets it this soon; Python's 5 ms is most of a frame."""
_GRACE_S = 5.0


def address(host: str, port: int) -> str:
    """The address to type into a browser."""
    shown = "127.0.0.1" if host in ("0.0.0.0", "::") else host
    return f"http://[{shown}]:{port}/" if ":" in shown else f"http://{shown}:{port}/"


@asynccontextmanager
async def serving(
    avatar: Avatar, drive: SharedDrive, settings: StudioSettings, host: str, port: int
) -> AsyncIterator[tuple[str, Studio]]:
    """Serves inside the block; gives the page's address and the studio behind it.

    port: 0 takes a free one. Raises BackendError where the address cannot be bound, and what the
    avatar or its driver raise.
    """
    sys.setswitchinterval(_SWITCH_S)
    cv2.setNumThreads(1)
    await asyncio.get_running_loop().run_in_executor(None, maker.sweep)
    studio = Studio(avatar, drive, settings)
    runner: web.AppRunner | None = None
    try:
        await studio.open()
        runner = web.AppRunner(create_app(studio, host), access_log=None, shutdown_timeout=_GRACE_S)
        await runner.setup()
        site = web.TCPSite(runner, host, port)
        try:
            await site.start()
        except OSError as error:
            reason = error.strerror or str(error)
            raise BackendError(
                f"cannot serve on {host}:{port}: {reason}; give another --port"
            ) from error
        yield address(host, runner.addresses[0][1]), studio
    finally:
        await studio.close()
        if runner is not None:
            await runner.cleanup()


async def serve(
    avatar: Avatar,
    drive: SharedDrive,
    settings: StudioSettings,
    *,
    host: str,
    port: int,
    ready: Callable[[str], None],
) -> None:
    """Serves until SIGINT or SIGTERM; calls `ready` with the page's address once it is there."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for kind in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError):
            loop.add_signal_handler(kind, stop.set)
    async with serving(avatar, drive, settings, host, port) as (url, _studio):
        ready(url)
        await stop.wait()
