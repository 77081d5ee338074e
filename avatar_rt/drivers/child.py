"""A child process that turns pictures into faces, so that no tracker can starve the stream.

The parent never waits for it: `ask` hands over a request if the child is free, `poll` collects what
it has answered. A child that fails says why, one that dies is noticed; either raises DriverError.
"""

from __future__ import annotations

import contextlib
import multiprocessing as mp
import os
import signal
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

from avatar_rt.errors import AvatarRtError, DriverError

_PATIENCE = 2.0
"""Seconds that a child has to end after it was told to."""


class Child:
    """One spawned process and the pipe to it."""

    def __init__(self, work: Callable[..., None], *args: Any, name: str) -> None:
        """Starts `work(connection, *args)` in a fresh interpreter; all must be picklable.

        work ends when the connection closes. name: what it is, for messages.
        """
        context = mp.get_context("spawn")
        self._name = name
        self._pipe, theirs = context.Pipe()
        self._failure: DriverError | None = None
        self._process = context.Process(
            target=_child_main, args=(work, theirs, *args), name=f"avatar-rt {name}", daemon=True
        )
        self._process.start()
        theirs.close()

    @property
    def pid(self) -> int | None:
        """Its process id; None once it is closed."""
        return None if self._pipe.closed else self._process.pid

    def poll(self) -> list[Any]:
        """What it has sent since the last call, oldest first; without waiting.

        Raises DriverError, again and again, once it has failed or died.
        """
        if self._failure is not None:
            raise self._failure
        answers: list[Any] = []
        if self._pipe.closed:
            return answers
        try:
            while self._pipe.poll():
                answer = self._pipe.recv()
                if isinstance(answer, _Failed):
                    self._fail(answer.message)
                answers.append(answer)
        except (EOFError, OSError) as error:
            self._process.join(_PATIENCE)
            code = self._process.exitcode
            how = f"signal {signal.Signals(-code).name}" if code and code < 0 else f"code {code}"
            self._fail(f"ended unexpectedly ({how})", error)
        return answers

    def send(self, request: Any) -> None:
        """Hands a small message over. A child that is gone is left for `poll` to report."""
        with contextlib.suppress(OSError):
            self._pipe.send(request)

    def close(self) -> None:
        """Ends the process, by force if it does not listen. May be called again."""
        if self._pipe.closed:
            return
        self._pipe.close()
        self._process.join(_PATIENCE)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
        self._process.close()

    def _fail(self, message: str, cause: BaseException | None = None) -> None:
        self._failure = DriverError(f"{self._name}: {message}")
        raise self._failure from cause


class _Failed:
    """A child's last words."""

    def __init__(self, message: str) -> None:
        self.message = message


def _child_main(work: Callable[..., None], pipe: Connection, *args: Any) -> None:
    # Ctrl-C is the parent's to handle; and the picture on screen goes before the tracker
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with contextlib.suppress(OSError):
        os.nice(5)
    try:
        work(pipe, *args)
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return  # the parent has gone or has closed us
    except AvatarRtError as error:
        _say(pipe, str(error))
    except BaseException as error:
        _say(pipe, f"{type(error).__name__}: {error}")


def _say(pipe: Connection, message: str) -> None:
    with contextlib.suppress(OSError):
        pipe.send(_Failed(message))
