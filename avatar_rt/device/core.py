"""One AvatarCore on the best device that there is, which goes on where that device fails."""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable
from typing import Any, Literal, Self, TypeVar

from avatar_rt import _core
from avatar_rt.device.cuda import CUDA
from avatar_rt.errors import BackendError, ParameterError
from avatar_rt.types import Backend

_LOG = logging.getLogger(__name__)
_CHOSEN = "the processor was asked for"
_INSTEAD = "take backend='cpu' or 'auto'"

_Answer = TypeVar("_Answer")
Make = Callable[[Literal["cpu", "cuda"]], _core.AvatarCore]
"""Makes the avatar for one of the backends."""


class SafeCore:
    """An AvatarCore that was asked for with backend "auto", "cpu" or "cuda". With "auto", what a
    failing device leaves undone is done by the processor, at once and from then on."""

    def __init__(self, make: Make, backend: Backend, threads: int) -> None:
        """threads: the processor's, when it draws. Raises BackendError where "cuda" is asked for
        and cannot be had, and what `make` raises but for DeviceError."""
        self._may_fall_back = backend == "auto"
        self._threads = threads
        self.reason: str | None = None
        """Why not CUDA; None where it draws."""
        if backend == "cpu":
            self.reason = _CHOSEN
        elif backend == "auto":
            self.reason = CUDA.why_not()
        elif (status := _core.cuda_status()) != "available":
            raise BackendError(f"backend 'cuda' cannot draw avatars: {status}; {_INSTEAD}")
        if self.reason is None:
            try:
                self.core = make("cuda")
            except _core.DeviceError as error:
                self._unmade(error)
        if self.reason is not None:
            self.core = make("cpu")

    def ask(self, verb: str, work: Callable[..., _Answer], *arguments: Any) -> _Answer:
        """work(*arguments), `work` being a method of `core`.

        Raises ParameterError, saying that something cannot be `verb`, for arguments that the core
        refuses, and BackendError where the device fails and nothing else may draw.
        """
        try:
            return work(*arguments)
        except ValueError as error:
            raise ParameterError(f"cannot be {verb}: {error}") from error
        except _core.DeviceError as error:
            self._leave_device(error)
        return self.ask(verb, work, *arguments)

    def ask_device(self, work: Callable[..., _Answer], *arguments: Any) -> _Answer:
        """As `ask`, for what only a device can do: raises BackendError where none draws, or not any
        more."""
        if self.reason is None:
            try:
                return work(*arguments)
            except ValueError as error:
                raise ParameterError(f"cannot be drawn: {error}") from error
            except _core.DeviceError as error:
                self._leave_device(error)
        raise BackendError(f"no CUDA device draws this avatar: {self.reason}")

    def twin(self) -> Self:
        """The same for another thread."""
        other = copy.copy(self)
        try:
            other.core = self.core.twin()
        except _core.DeviceError as error:
            other._unmade(error)
            other.core = self.core.twin(self._threads)
        return other

    def _unmade(self, error: _core.DeviceError) -> None:
        """The device cannot take this avatar: others it may."""
        if not self._may_fall_back:
            raise BackendError(
                f"backend 'cuda' cannot draw this avatar: {error}; {_INSTEAD}"
            ) from error
        self.reason = str(error)
        _LOG.warning("CUDA cannot draw this avatar, the processor does: %s", error)

    def _leave_device(self, error: _core.DeviceError) -> None:
        """The device cannot draw this, for lack of memory, say, which others may have enough of; or
        nothing any more."""
        broken = _core.cuda_status() != "available"
        if broken:
            CUDA.failed(str(error))
        if not self._may_fall_back:
            raise BackendError(f"backend 'cuda' failed: {error}; {_INSTEAD}") from error
        if not broken:
            self._unmade(error)
        else:
            CUDA.warn()
            self.reason = f"it failed while it drew: {error}"
        self.core.fall_back(self._threads)
