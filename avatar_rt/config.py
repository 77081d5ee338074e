"""Where avatar-rt keeps what it makes for itself."""

from __future__ import annotations

import os
from pathlib import Path


def cache_dir() -> Path:
    """The folder for built head models and the demo's avatar; made when absent.

    AVATAR_RT_CACHE names it; else it lies in XDG_CACHE_HOME or ~/.cache.
    """
    named = os.environ.get("AVATAR_RT_CACHE")
    base = os.environ.get("XDG_CACHE_HOME")
    home = Path(base) if base else Path.home() / ".cache"
    folder = Path(named) if named else home / "avatar-rt"
    folder.mkdir(parents=True, exist_ok=True)
    return folder
