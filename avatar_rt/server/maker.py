"""Making an avatar of a viewer's photograph: a child process that can be watched and stopped.

The photograph is never opened here. It is written under a name of our own into a folder of its own,
decoded by the child, and gone with the folder. A server holds a lock on each of its folders; those
that nobody holds are of a server that was killed, and the next one sweeps them away.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import importlib.util
import json
import os
import resource
import shutil
import signal
import sys
import tempfile
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from avatar_rt.config import cache_dir
from avatar_rt.errors import InputError

GET_MAKER = "To make avatars, install what makes them: `pip install -c constraints.txt '.[make]'`"
_LINE_LIMIT = 1 << 16
_MOST_CPU_S, _LARGEST_FILE = 600, 1 << 30
_STOP_S = 3.0
_LAST_WORDS = 400
_PREFIX = "make-"
_locks: dict[Path, int] = {}
"""The open descriptor of each workshop of this process, which holds its lock."""


@dataclass(frozen=True, slots=True)
class Progress:
    """A step of the making, and how much of the whole is done when it begins."""

    step: str
    fraction: float
    note: str = ""
    """What the viewer should know, such as that of several faces the largest is taken."""


class MakeError(InputError):
    """The photograph could not be turned into an avatar; the text says why."""


def can_make() -> bool:
    """Whether the `make` extra is installed."""
    wanted = ("anny", "torch", "skimage", "scipy", "PIL", "trainer")
    return all(importlib.util.find_spec(name) is not None for name in wanted)


def command(photo: Path, output: Path) -> list[str]:
    """The command line that makes an avatar and reports JSON lines."""
    arguments = [str(photo), "-o", str(output), "--json"]
    return [sys.executable, "-m", "trainer.make", *arguments]


def workshop() -> Path:
    """A new folder, readable by this user only, for one making; clear() ends it."""
    while True:
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=cache_dir()))
        with contextlib.suppress(FileNotFoundError):
            lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
            with contextlib.suppress(OSError):  # a file system without locks is not swept either
                fcntl.flock(lock, fcntl.LOCK_SH)
            _locks[folder] = lock
        # another server may have swept it away in the moment before it was locked
        if folder.is_dir():
            return folder
        clear(folder)


def clear(folder: Path) -> None:
    """Removes a workshop and all in it."""
    shutil.rmtree(folder, ignore_errors=True)
    lock = _locks.pop(folder, None)
    if lock is not None:
        os.close(lock)


def sweep() -> None:
    """Removes the workshops of servers that were killed before they could do so themselves."""
    try:
        stale = list(cache_dir().glob(f"{_PREFIX}*"))
    except InputError:
        return  # there is no cache, and so nothing in it
    for folder in stale:
        with contextlib.suppress(OSError):
            lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
            finally:
                os.close(lock)


async def make(
    arguments: Sequence[str], output: Path, seconds: float
) -> AsyncGenerator[Progress, None]:
    """Runs a maker and yields its progress; `output` is there when this ends without an error.

    arguments: the command line. Cancelling (or closing) it ends the process and its children.
    Raises MakeError with the maker's own words, or when it takes longer than `seconds`.
    """
    process = await asyncio.create_subprocess_exec(
        *arguments,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        limit=_LINE_LIMIT,
        start_new_session=True,
    )
    last_words = asyncio.ensure_future(_tail(process))
    try:
        _restrain(process.pid)
        done = False
        async with asyncio.timeout(seconds):
            while line := await _line(process):
                report = _report(line)
                if "error" in report:
                    raise MakeError(str(report["error"]))
                done = done or "done" in report
                if "step" in report:
                    yield _progress(report)
            await process.wait()
            words = await last_words
        if not done or not output.is_file():
            raise MakeError(f"the maker ended with status {process.returncode}: {words}")
    except TimeoutError as error:
        raise MakeError(f"it took longer than {seconds:.0f} s and was stopped") from error
    finally:
        await _end(process)
        last_words.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await last_words


async def _line(process: asyncio.subprocess.Process) -> bytes:
    assert process.stdout is not None
    try:
        return await process.stdout.readline()
    except ValueError as error:  # a line longer than the limit
        raise MakeError("the maker said more in one line than it should") from error


async def _tail(process: asyncio.subprocess.Process) -> str:
    """Reads all that the process complains about, and keeps the end of it."""
    assert process.stderr is not None
    kept = b""
    while chunk := await process.stderr.read(_LINE_LIMIT):
        kept = (kept + chunk)[-_LAST_WORDS:]
    lines = kept.decode("utf-8", "replace").strip().splitlines()
    return lines[-1] if lines else "it said nothing"


def _report(line: bytes) -> dict[str, Any]:
    try:
        report = json.loads(line)
    except ValueError:
        return {}
    return report if isinstance(report, dict) else {}


def _progress(report: dict[str, Any]) -> Progress:
    fraction = report.get("fraction")
    known = float(fraction) if isinstance(fraction, int | float) else 0.0
    note = str(report.get("note", ""))[:400]
    return Progress(str(report["step"])[:200], min(max(known, 0.0), 1.0), note)


def _restrain(pid: int) -> None:
    """Bounds what decoding a stranger's picture can cost."""
    with contextlib.suppress(ProcessLookupError):
        resource.prlimit(pid, resource.RLIMIT_CPU, (_MOST_CPU_S, _MOST_CPU_S))
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (_LARGEST_FILE, _LARGEST_FILE))
        resource.prlimit(pid, resource.RLIMIT_CORE, (0, 0))
        os.setpriority(os.PRIO_PROCESS, pid, 5)


async def _end(process: asyncio.subprocess.Process) -> None:
    """Asks the process and its children to stop, then makes them."""
    for kind in (signal.SIGTERM, signal.SIGKILL):
        if process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, kind)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), _STOP_S)
