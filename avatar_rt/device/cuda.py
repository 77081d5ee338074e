"""Whether CUDA may be tried: what the core says of this machine, and what this process has seen."""

from __future__ import annotations

import logging

from avatar_rt import _core

_LOG = logging.getLogger(__name__)


class Cuda:
    """CUDA in this process. After a device failed while it drew, nobody else is sent there: such
    failures leave the driver's context broken until the process ends."""

    def __init__(self) -> None:
        self._failure: str | None = None

    def why_not(self) -> str | None:
        """None where CUDA may be tried, else the reason in words."""
        if self._failure is not None:
            return f"it failed earlier in this process: {self._failure}"
        status = _core.cuda_status()
        return None if status == "available" else status

    def failed(self, words: str) -> None:
        """A device failed while it drew. Warns in the log, the first time."""
        if self._failure is None:
            self._failure = words
            _LOG.warning("CUDA failed, the processor draws from now on: %s", words)

    def forget(self) -> None:
        """Lets CUDA be tried again, as in a new process."""
        self._failure = None


CUDA = Cuda()
"""This process's."""
