"""What several threads cost where there is one core: pytest benchmarks/test_one_core.py

threads=0 takes as many as the process may use, so it must cost what threads=1 costs; an explicit 2
pays for handing work to a thread that has no core of its own.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from avatar_rt.render import Renderer
from avatar_rt.synthetic import synthetic_head
from avatar_rt.types import FaceParams

if TYPE_CHECKING:
    from pytest_benchmark.fixture import BenchmarkFixture


@pytest.fixture
def one_core() -> Iterator[None]:
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(allowed)})
    yield
    os.sched_setaffinity(0, allowed)


@pytest.mark.usefixtures("one_core")
@pytest.mark.parametrize("threads", [1, 0, 2])
def test_frame_on_one_core(benchmark: BenchmarkFixture, threads: int) -> None:
    """A frame of 20,000 Gaussians at 256² pixels."""
    renderer = Renderer(synthetic_head(20_000), threads=threads)
    camera = renderer.camera(width=256, height=256)
    benchmark.group = "one core"
    frame = benchmark(renderer.render, FaceParams(), camera)
    assert (frame.pixels != 255).any()
