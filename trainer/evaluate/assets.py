"""Where the ground truth made by others lies."""

from __future__ import annotations

import os
from pathlib import Path

from avatar_rt.errors import ParameterError

VARIABLE = "AVATAR_RT_TEST_ASSETS"


def asset_root() -> Path:
    """The folder of test assets: AVATAR_RT_TEST_ASSETS, else shared/assets beside the project."""
    default = Path(__file__).resolve().parents[2].parent / "shared" / "assets"
    return Path(os.environ.get(VARIABLE, default))


def asset(name: str) -> Path:
    """The path of a test asset. Raises ParameterError, naming the variable, where it is absent."""
    path = asset_root() / name
    if not path.exists():
        raise ParameterError(f"{path} is not there; name the folder of test assets by {VARIABLE}")
    return path
