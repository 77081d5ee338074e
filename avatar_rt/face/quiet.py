"""MediaPipe without its chatter: it prints to stderr as each graph starts, and has no switch that
stops it (GLOG_minloglevel and TF_CPP_MIN_LOG_LEVEL have no effect in 0.10.21)."""

from __future__ import annotations

import contextlib
import os
import re
import sys
import tempfile
import threading
from collections.abc import Iterator

# glog's and absl's prefix for information and warnings, and two lines without one
_CHATTER = re.compile(
    rb"^([IW]\d{4} \d\d:\d\d:\S+ +\d+ \S+\.(cc|h|cpp):\d+\]"
    rb"|INFO: Created TensorFlow Lite|WARNING: All log messages before absl::InitializeLog)"
)
_STDERR = 2
_one_at_a_time = threading.RLock()


@contextlib.contextmanager
def held_stderr() -> Iterator[None]:
    """Hold back what is written to file descriptor 2 (by native threads too), then pass on all but
    MediaPipe's information and warnings. Errors, and what other threads wrote meanwhile, get out.
    """
    with _one_at_a_time, tempfile.TemporaryFile() as held:
        try:
            kept = os.dup(_STDERR)
        except OSError:  # a process without a stderr has nothing to keep quiet
            yield
            return
        _flush()
        os.dup2(held.fileno(), _STDERR)
        try:
            yield
        finally:
            _flush()
            os.dup2(kept, _STDERR)
            held.seek(0)
            rest = b"".join(line for line in held if not _CHATTER.match(line))
            while rest:
                rest = rest[os.write(kept, rest) :]
            os.close(kept)


def _flush() -> None:
    with contextlib.suppress(OSError, ValueError, AttributeError):
        sys.stderr.flush()
