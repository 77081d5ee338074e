"""Splatting and the way back, on the made-up head: pytest benchmarks/test_gradients.py

What counts is the ratio of both to the way there alone, within one run: the last test measures the
two in turns and prints it. Each benchmark first shows that the gradients it times are right.
"""

from __future__ import annotations

import time
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pytest

from avatar_rt import _core
from avatar_rt.arrays import F32, floats32, floats64
from avatar_rt.measure import moving_faces
from avatar_rt.render import Renderer
from avatar_rt.synthetic import synthetic_head

if TYPE_CHECKING:
    from pytest_benchmark.fixture import BenchmarkFixture

SCENES = [(20_000, 512), (78_000, 256), (78_000, 512), (78_000, 1024)]


@cache
def scene(gaussians: int, size: int) -> dict[str, Any]:
    """The arguments of both directions for the posed head seen once."""
    renderer = Renderer(synthetic_head(gaussians))
    camera, g = renderer.camera(width=size, height=size), renderer.avatar.gaussians
    means, covars = renderer.gaussians(moving_faces(10)[3])
    return {
        "means": means, "quats": None, "scales": None, "covars": covars, "opacities": g.opacities,
        "colors": floats32(g.colors.reshape(gaussians, 3)), "sh_degree": None,
        "viewmats": camera.viewmat[None], "Ks": camera.K[None], "width": size, "height": size,
        "background": None,
    }  # fmt: skip


@cache
def target(gaussians: int, size: int) -> F32:
    """The same view of the face at rest: what a step of training would pull towards."""
    renderer = Renderer(synthetic_head(gaussians))
    means, covars = renderer.gaussians(moving_faces(10)[0])
    return forward({**scene(gaussians, size), "means": means, "covars": covars}, 0)[0]


def forward(arguments: dict[str, Any], threads: int) -> tuple[F32, F32]:
    return _core.splat(**arguments, quality="exact", threads=threads)


def both(arguments: dict[str, Any], threads: int, wanted: F32) -> tuple[F32, dict[str, Any]]:
    """A step of training with a squared error: the pictures, and the gradients."""
    images, alphas = forward(arguments, threads)
    gradients = _core.splat_backward(
        **arguments, image_gradients=images - wanted, alpha_gradients=None, images=images,
        alphas=alphas, threads=threads,
    )  # fmt: skip
    return images, dict(gradients)


def check(arguments: dict[str, Any], wanted: F32) -> None:
    """The loss falls along the gradient by as much as the gradient says."""
    images, gradients = both(arguments, 2, wanted)
    before = 0.5 * float(np.square(floats64(images) - wanted).sum())
    for name, step in (("colors", 0.5), ("opacities", 2e-4), ("means", 2e-9)):
        g = floats64(gradients[name])
        ends = []
        for sign in (-1, 1):
            moved = {**arguments, name: floats32(arguments[name] + sign * step * g)}
            pictures = floats64(forward(moved, 2)[0])
            ends.append(0.5 * float(np.square(pictures - wanted).sum()))
        slope = (ends[1] - ends[0]) / (2 * step)
        assert slope == pytest.approx(float((g * g).sum()), rel=0.05), name
    assert before > 0


@pytest.mark.parametrize("way", ["forward", "both"])
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize(("gaussians", "size"), SCENES)
def test_gradients(
    benchmark: BenchmarkFixture,
    gaussians: int,
    size: int,
    threads: int,
    way: Literal["forward", "both"],
) -> None:
    """One view; a background and alpha's gradient cost nothing that could be measured."""
    arguments, wanted = scene(gaussians, size), target(gaussians, size)
    check(arguments, wanted)
    benchmark.group = f"{gaussians} Gaussians, {size}², {threads} threads"
    benchmark.extra_info.update(isa=_core.isa())
    if way == "forward":
        benchmark(forward, arguments, threads)
    else:
        benchmark(both, arguments, threads, wanted)


@pytest.mark.parametrize("views", [1, 4, 8])
def test_batch(benchmark: BenchmarkFixture, views: int) -> None:
    """Many cameras of one pose: both ways, per call."""
    arguments = dict(scene(20_000, 256))
    for name in ("viewmats", "Ks"):
        arguments[name] = np.repeat(arguments[name], views, 0)
    wanted = np.repeat(target(20_000, 256), views, 0)
    benchmark.group = "batch, 20000 Gaussians, 256², 2 threads"
    images, gradients = benchmark(both, arguments, 2, wanted)
    one = both(scene(20_000, 256), 2, target(20_000, 256))
    np.testing.assert_array_equal(images[-1], one[0][0])
    assert relative(gradients["means"], views * floats64(one[1]["means"])) < 1e-5


def relative(got: F32, want: Any) -> float:
    return float(np.linalg.norm(floats64(got) - want) / np.linalg.norm(want))


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize(("gaussians", "size"), SCENES)
def test_ratio(gaussians: int, size: int, threads: int, capsys: pytest.CaptureFixture[str]) -> None:
    """Forward and backward together against forward alone, taken in turns."""
    arguments, wanted = scene(gaussians, size), target(gaussians, size)
    alone, together = [], []
    for _ in range(15):
        start = time.perf_counter()
        forward(arguments, threads)
        middle = time.perf_counter()
        both(arguments, threads, wanted)
        alone.append(middle - start)
        together.append(time.perf_counter() - middle)
    ratio = float(np.median(together) / np.median(alone))
    with capsys.disabled():
        print(
            f"\n{gaussians} Gaussians, {size}², {threads} threads, {_core.isa()}: forward "
            f"{1e3 * np.median(alone):.1f} ms, with backward {1e3 * np.median(together):.1f} ms, "
            f"ratio {ratio:.2f}"
        )
