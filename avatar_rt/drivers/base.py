"""What every driver is: something that knows the state of a face at a moment."""

from __future__ import annotations

from types import TracebackType
from typing import Protocol, Self, runtime_checkable

from avatar_rt.types import FaceParams


@runtime_checkable
class Driver(Protocol):
    """A source of face parameters.

    `read(now)` returns the newest state at or before `now` (seconds on the caller's clock) without
    blocking; before anything is known it returns a neutral face. A driver that owns a device or a
    child process gives it back in `close()`, and is a context manager.
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
