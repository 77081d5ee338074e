"""A progress bar that shows itself only where there is something to wait for."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import Progress, TaskID

QUIET_SECONDS = 2.0
"""Whatever is done sooner needs no progress bar."""


class LateBar:
    """A bar on stderr that appears once the work has taken longer than two seconds.

    Call it with the share that is done, 0 … 1; it is gone when its `with` ends.
    """

    def __init__(self, label: str, quiet_seconds: float = QUIET_SECONDS) -> None:
        self._label, self._quiet = label, quiet_seconds
        self._bar: Progress | None = None
        self._task = TaskID(0)
        self._began = time.perf_counter()

    def __call__(self, share: float) -> None:
        if self._bar is None and time.perf_counter() - self._began > self._quiet:
            self._bar = Progress(console=Console(stderr=True), transient=True)
            self._bar.start()
            self._task = self._bar.add_task(self._label, total=1.0)
        if self._bar is not None:
            self._bar.update(self._task, completed=share)

    def __enter__(self) -> Self:
        self._began = time.perf_counter()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.stop()
