"""Several viewers of one face, each with a camera: pytest benchmarks/test_viewers.py

One batch against as many single calls, in turns within the same seconds. The ratio of their medians
stands beside each benchmark ("batch_gain": above 1 where the batch is faster).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import pytest

from avatar_rt.measure import cores, moving_faces
from avatar_rt.render import Renderer
from avatar_rt.synthetic import synthetic_head
from avatar_rt.types import Frame

if TYPE_CHECKING:
    from pytest_benchmark.fixture import BenchmarkFixture

_TURNS = 24
FACE = moving_faces(8)[7]


@cache
def renderer_of(threads: int) -> Renderer:
    return Renderer(synthetic_head(78_000), quality="fast", threads=threads)


@pytest.mark.parametrize("viewers", [1, 2, 3, 8])
@pytest.mark.parametrize("threads", sorted({1, 2, cores()}))
def test_viewers(benchmark: BenchmarkFixture, threads: int, viewers: int) -> None:
    """512² to I420, 78,000 Gaussians, quality fast."""
    renderer = renderer_of(threads)
    cameras = [renderer.camera(0.8 * k / viewers - 0.4) for k in range(viewers)]

    def batch() -> list[Frame]:
        return renderer.render_batch(FACE, cameras, format="i420")

    def singles() -> list[Frame]:
        return [renderer.render(FACE, camera, format="i420") for camera in cameras]

    for together, alone in zip(batch(), singles(), strict=True):
        np.testing.assert_array_equal(together.pixels, alone.pixels)
    seconds = np.array([[timed(singles), timed(batch)] for _ in range(max(4, _TURNS // viewers))])
    alone_s, together_s = np.median(seconds, axis=0)
    benchmark.group = f"{viewers} viewers"
    benchmark.extra_info["batch_gain"] = round(float(alone_s / together_s), 3)
    benchmark.extra_info["ms_per_view"] = round(float(1e3 * together_s / viewers), 2)
    print(f"{viewers} viewers, {threads} threads: {benchmark.extra_info}")
    benchmark(batch)


def timed(work: Callable[[], object]) -> float:
    """Seconds that it takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start
