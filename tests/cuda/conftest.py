"""Each test of CUDA begins as a new process would: nothing has failed yet."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from avatar_rt.device import CUDA


@pytest.fixture(autouse=True)
def nothing_has_failed() -> Iterator[None]:
    yield
    CUDA.forget()
