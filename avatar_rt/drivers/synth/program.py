"""Running a speech engine as a child process: bounded in time and output, never through a shell."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path

from avatar_rt.errors import BackendError

_VERSION_BYTES = 4096


def run(arguments: Sequence[str], given: bytes, *, timeout: float, name: str) -> bytes:
    """The child's standard output.

    Raises BackendError, naming the engine, where it cannot be started, takes longer than
    `timeout` seconds, dies of a signal or ends with an error.
    """
    try:
        done = subprocess.run(
            arguments, input=given, capture_output=True, timeout=timeout, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise BackendError(f"{name} did not answer within {timeout:.0f} s") from error
    except OSError as error:
        raise BackendError(f"{name} cannot be started: {error}") from error
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        reason = said[-1] if said else f"exit code {done.returncode}"
        raise BackendError(f"{name} failed: {reason}")
    return done.stdout


def recognized(name: str, sign: str, *, timeout: float = 5.0) -> Path | None:
    """The program `name` on PATH, if what it says to --version contains `sign`; else None.

    A program of that name which is something else may print for ever or wait: it gets `timeout`
    seconds, no input and 4 KB to say who it is, and is then ended with all its children.
    """
    found = shutil.which(name)
    if found is None:
        return None
    with tempfile.TemporaryDirectory(prefix="avatar-rt-") as folder:
        try:
            child = subprocess.Popen(
                [found, "--version"],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                cwd=folder,
                start_new_session=True,
            )
        except OSError:
            return None
        alarm = threading.Timer(timeout, _end, [child])
        alarm.start()
        assert child.stdout is not None
        with child, child.stdout:
            said = child.stdout.read(_VERSION_BYTES)
            alarm.cancel()
            _end(child)
    return Path(found) if sign in said.decode("utf-8", "replace") else None


def _end(child: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)
