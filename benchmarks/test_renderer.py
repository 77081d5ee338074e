"""The native renderer on the synthetic head: pytest benchmarks/test_renderer.py

Machines drift by half within an hour, so what counts are the ratios within one run. Each benchmark
first shows that the picture it times is right.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import pytest

from avatar_rt import _core
from avatar_rt.arrays import F32
from avatar_rt.types import PixelFormat, Quality
from benchmarks import scenes
from benchmarks.scenes import Scene, synthetic_head

if TYPE_CHECKING:
    from pytest_benchmark.fixture import BenchmarkFixture

BACKGROUND = np.ones(3, np.float32)


@cache
def scene_of(gaussians: int) -> Scene:
    return synthetic_head(gaussians)


@cache
def core_of(gaussians: int, threads: int) -> _core.AvatarCore:
    return scenes.core_of(scene_of(gaussians), threads)


def render(
    core: _core.AvatarCore, scene: Scene, frame: int, size: int, quality: Quality,
    format: PixelFormat = "rgb8",
) -> F32:  # fmt: skip
    pose, camera = scene.pose(frame), scene.camera(size)
    pixels, _ = core.render(
        pose.coefficients, pose.joint_rotations, pose.translation, camera.viewmat, camera.K,
        size, size, BACKGROUND, format, quality,
    )  # fmt: skip
    return pixels  # type: ignore[return-value]


def posed_by_arrays(gaussians: int, frame: int, size: int) -> F32:
    """The same frame through rasterize, from the posed Gaussians: premultiplied RGB."""
    scene = scene_of(gaussians)
    pose, camera = scene.pose(frame), scene.camera(size)
    means, covars = core_of(gaussians, 1).gaussians(
        pose.coefficients, pose.joint_rotations, pose.translation
    )
    image, _ = _core.rasterize(
        means, None, None, covars, scene.gaussians.opacities, scene.gaussians.colors,
        camera.viewmat, camera.K, size, size, None, "exact", 1,
    )  # fmt: skip
    return image


@pytest.mark.parametrize("quality", ["exact", "fast"])
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize(
    ("gaussians", "size"), [(20_000, 512), (78_000, 256), (78_000, 512), (78_000, 1024)]
)
def test_frame(
    benchmark: BenchmarkFixture, gaussians: int, size: int, threads: int, quality: Quality
) -> None:
    """A whole animated frame to 8-bit RGB."""
    core, scene = core_of(gaussians, threads), scene_of(gaussians)
    seen = render(core, scene, 7, size, quality, "float32")[..., :3]
    error = float(np.mean((seen - posed_by_arrays(gaussians, 7, size)) ** 2))
    psnr = -10 * np.log10(max(error, 1e-12))
    assert psnr > (60 if quality == "exact" else 40)
    frames = iter(range(1_000_000))
    benchmark.group = f"{gaussians} Gaussians, {size}²"
    benchmark.extra_info.update(isa=_core.isa(), psnr_db=round(float(psnr), 1))
    benchmark(lambda: render(core, scene, next(frames), size, quality))


@pytest.mark.parametrize("format", ["rgb8", "i420", "rgba8", "float32"])
def test_format(benchmark: BenchmarkFixture, format: PixelFormat) -> None:
    """What the pixel's format costs."""
    core, scene = core_of(20_000, 1), scene_of(20_000)
    benchmark.group = "format, 20000 Gaussians, 512²"
    pixels = benchmark(render, core, scene, 3, 512, "exact", format)
    assert pixels.any()


def test_colour_adjoint(benchmark: BenchmarkFixture) -> None:
    """The adjoint beside the rendering that it transposes (groups of two)."""
    scene = scene_of(20_000)
    pose, camera, g = scene.pose(0), scene.camera(512), scene.gaussians
    means, covars = core_of(20_000, 1).gaussians(
        pose.coefficients, pose.joint_rotations, pose.translation
    )
    gradient = np.random.default_rng(0).normal(size=(512, 512, 3)).astype(np.float32)
    image, _ = _core.rasterize(
        means, None, None, covars, g.opacities, g.colors, camera.viewmat, camera.K, 512, 512, None,
        "exact", 2,
    )  # fmt: skip
    benchmark.group = "adjoint, 20000 Gaussians, 512²"
    per_color, _ = benchmark(
        _core.rasterize_colors_adjoint, means, None, None, covars, g.opacities, camera.viewmat,
        camera.K, gradient, 2,
    )  # fmt: skip
    left = float(np.sum(per_color.astype(np.float64) * g.colors))
    assert left == pytest.approx(
        float(np.sum(image.astype(np.float64) * gradient)), rel=1e-3, abs=1
    )
