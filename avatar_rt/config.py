"""Where avatar-rt keeps what it makes for itself."""

from __future__ import annotations

import os
from pathlib import Path

from avatar_rt.errors import InputError


def cache_dir() -> Path:
    """The folder for built head models and the demo's avatar; made when absent.

    AVATAR_RT_CACHE names it; else it lies in XDG_CACHE_HOME or ~/.cache.
    Raises InputError where it cannot be made or written to.
    """
    named = os.environ.get("AVATAR_RT_CACHE")
    base = os.environ.get("XDG_CACHE_HOME")
    home = Path(base) if base else Path.home() / ".cache"
    folder = Path(named) if named else home / "avatar-rt"
    advice = "name another folder in AVATAR_RT_CACHE"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cache {folder}: cannot be made ({error.strerror}); {advice}") from error
    if not os.access(folder, os.W_OK):
        raise InputError(f"cache {folder}: cannot be written to; {advice}")
    return folder
