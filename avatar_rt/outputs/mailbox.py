"""One thread hands its newest work to another: whatever was not taken in time is replaced.

A queue would turn every hiccup into lasting latency; a mailbox of one turns it into one frame less.
"""

from __future__ import annotations

import threading
from typing import Generic, TypeVar

T = TypeVar("T")


class Mailbox(Generic[T]):
    """Holds at most the newest item."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._item: T | None = None
        self._closed = False
        self.replaced = 0
        """How many items were replaced before anybody took them."""

    def put(self, item: T) -> None:
        """Leaves the newest item; the one before it is gone."""
        with self._condition:
            self.replaced += self._item is not None
            self._item = item
            self._condition.notify()

    def take(self) -> T | None:
        """The newest item, waiting for one; None once the mailbox is closed."""
        with self._condition:
            while self._item is None and not self._closed:
                self._condition.wait()
            item, self._item = self._item, None
            return None if self._closed else item

    def close(self) -> None:
        """Wakes whoever waits; nothing more will come."""
        with self._condition:
            self._closed = True
            self._condition.notify_all()
