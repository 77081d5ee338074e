"""Starting and ending the process that listens (speech_worker), and saying why it died."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import IO

from avatar_rt.errors import DriverError

_PACKAGES = Path(__file__).resolve().parents[2]
_GRACE_S = 2.0


class Child:
    """A running speech_worker with pipes to it; what it writes to stderr is kept for errors."""

    def __init__(self, *arguments: str) -> None:
        """Raises DriverError where no process can be started."""
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the child
        paths = [str(_PACKAGES), *filter(None, [os.environ.get("PYTHONPATH")])]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
        # -P: modules are not looked for in the folder that the user happens to be in.
        command = [sys.executable, "-P", "-m", "avatar_rt.drivers.speech_worker", *arguments]
        try:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._said,
                env=environment,
            )
        except OSError as error:
            self._said.close()
            raise DriverError(f"the speech process cannot be started: {error}") from error

    @property
    def stdin(self) -> IO[bytes]:
        assert self._process.stdin is not None
        return self._process.stdin

    @property
    def stdout(self) -> IO[bytes]:
        assert self._process.stdout is not None
        return self._process.stdout

    @property
    def pid(self) -> int:
        return self._process.pid

    def failure(self) -> DriverError:
        """Why it ended, from the last line it wrote to stderr; waits for its end."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_GRACE_S)
        self._said.seek(0)
        lines = self._said.read().decode("utf-8", "replace").strip().splitlines()
        code = self._process.poll()
        reason = lines[-1] if lines else f"it ended with code {code}"
        return DriverError(f"the speech process died: {reason}")

    def kill(self) -> None:
        """Ends it at once, if it still runs; whoever reads from it or writes to it is let go."""
        self._process.kill()
        self._process.wait()

    def release(self) -> None:
        """Closes the pipes of a child that has ended; nobody may use them any more."""
        with contextlib.suppress(OSError):
            self.stdin.close()
        self.stdout.close()
        self._said.close()
