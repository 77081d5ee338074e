"""What every driver is: something that knows the state of a face at a moment."""

from __future__ import annotations

from types import TracebackType
from typing import Protocol, Self, runtime_checkable

from avatar_rt.types import Channels, FaceParams


@runtime_checkable
class Driver(Protocol):
    """A source of face parameters.

    `read(now)` returns the newest state at or before `now` (seconds on the caller's clock) without
    blocking; before anything is known it returns a neutral face. FaceParams.known says what the
    driver speaks for. A driver that owns a device or a child process gives it back in `close()`,
    and is a context manager.
    """

    def read(self, now: float) -> FaceParams: ...

    def close(self) -> None: ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


class ClosingDriver:
    """The part of a driver that is always the same: leaving its block closes it."""

    def close(self) -> None:
        """Nothing to give back."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class IdleDriver(ClosingDriver):
    """Nobody drives: all is left to idle motion."""

    def read(self, now: float) -> FaceParams:
        """A neutral face that knows nothing."""
        return FaceParams(time=now, known=Channels.NONE)
