"""The built-in head, built once for this room."""

from __future__ import annotations

import pytest

from avatar_rt.head import HeadModel, load_builtin


@pytest.fixture(scope="session")
def head() -> HeadModel:
    return load_builtin()
