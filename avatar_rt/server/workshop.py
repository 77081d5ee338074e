"""Where one viewer's photograph becomes an avatar of theirs, thrown away with the call."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from avatar_rt.avatar import Avatar
from avatar_rt.errors import AvatarRtError
from avatar_rt.server import maker
from avatar_rt.server.studio import BudgetError, Studio


def in_words(text: str, photo: Path) -> str:
    """What the maker said of `photo`, for whoever chose it: the file's name and folder are ours,
    and say nothing to them."""
    said = text.replace(f"{photo.parent}/", "")
    about_it = said.removeprefix(f"{photo.name}: ")
    if about_it == said:
        return said
    about_it = about_it.replace("no face found", "no face was found in the photograph", 1)
    return about_it[:1].upper() + about_it[1:]


class Workshop:
    """At most one avatar in the making, and at most one made."""

    def __init__(
        self,
        studio: Studio,
        tell: Callable[[dict[str, Any]], None],
        made: Callable[[Avatar], None],
    ) -> None:
        """tell: sends a message to the viewer. made: takes each avatar that is finished."""
        self.avatar: Avatar | None = None
        self.file: Path | None = None
        """The avatar's file, for whoever wants to keep it."""
        self._studio, self._tell, self._made = studio, tell, made
        self._work: asyncio.Task[None] | None = None

    def begin(self, folder: Path, photo: Path) -> None:
        """Starts making an avatar of `photo`; `folder`, in which it lies, belongs to the workshop
        from now on.

        Raises BudgetError where an avatar is being made already, for this viewer or another.
        """
        if self._work is not None or self._studio.making.locked():
            raise BudgetError("An avatar is being made just now; try again in some seconds.")
        self._work = asyncio.ensure_future(self._make(folder, photo))

    def cancel(self) -> None:
        """Stops the making, if there is any."""
        if self._work is not None:
            self._work.cancel()

    async def close(self) -> None:
        """Stops the making and throws away what was made."""
        if self._work is not None:
            self._work.cancel()
            await asyncio.gather(self._work, return_exceptions=True)
        self._throw_away()

    async def _make(self, folder: Path, photo: Path) -> None:
        output = folder / "made.avatar"
        kept = False
        try:
            async with self._studio.making:
                avatar = await self._run(photo, output)
            photo.unlink(missing_ok=True)
            self._throw_away()
            self.avatar, self.file, kept = avatar, output, True
            self._tell({"type": "make", "done": True})
            self._made(avatar)
        except AvatarRtError as error:
            self._tell({"type": "make", "error": in_words(str(error), photo)})
        except asyncio.CancelledError:
            self._tell({"type": "make", "cancelled": True})
            raise
        finally:
            self._work = None
            if not kept:
                maker.clear(folder)

    async def _run(self, photo: Path, output: Path) -> Avatar:
        seconds = self._studio.settings.limits.make_seconds
        steps = maker.make(maker.command(photo, output), output, seconds)
        async with contextlib.aclosing(steps):
            async for step in steps:
                note = in_words(step.note, photo)
                message = {"type": "make", "step": step.step, "fraction": step.fraction}
                self._tell({**message, **({"note": note} if note else {})})
        return await asyncio.get_running_loop().run_in_executor(None, Avatar.load, output)

    def _throw_away(self) -> None:
        if self.file is not None:
            maker.clear(self.file.parent)
        self.avatar = self.file = None
