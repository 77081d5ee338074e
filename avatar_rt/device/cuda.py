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
        self._warned = False

    def why_not(self) -> str | None:
        """None where CUDA may be tried, else the reason in words."""
        if self._failure is not None:
            return f"it failed earlier in this process: {self._failure}"
        status = _core.cuda_status()
        return None if status == "available" else status

    def failed(self, words: str) -> None:
        """A device failed while it drew."""
        self._failure = self._failure or words

    def warn(self) -> None:
        """Says in the log that the processor takes over, once."""
        if not self._warned:
            self._warned = True
            _LOG.warning("CUDA failed, the processor draws from now on: %s", self._failure)

    def forget(self) -> None:
        """Lets CUDA be tried again, as in a new process."""
        self._failure, self._warned = None, False


CUDA = Cuda()
"""This process's."""
