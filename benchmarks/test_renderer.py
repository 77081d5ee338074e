"""The renderer on the made-up head: pytest benchmarks/test_renderer.py

AVATAR_RT_ISA chooses the instruction set. Machines drift by half within an hour, so what counts
are the ratios within one run: `avatar-rt bench` takes turns. Each benchmark first shows that the
picture it times is right.
"""

from __future__ import annotations

from functools import cache
from itertools import cycle
from typing import TYPE_CHECKING

import numpy as np
import pytest

from avatar_rt import _core
from avatar_rt.arrays import F32, floats32, floats64
from avatar_rt.baseline import numpy_picture, plain_picture, posed
from avatar_rt.fidelity import head_psnr_db
from avatar_rt.measure import moving_faces
from avatar_rt.render import Renderer
from avatar_rt.synthetic import synthetic_head
from avatar_rt.types import Camera, FaceParams, PixelFormat, Quality

if TYPE_CHECKING:
    from pytest_benchmark.fixture import BenchmarkFixture

FACES = moving_faces(100)


@cache
def renderer_of(gaussians: int, threads: int) -> Renderer:
    return Renderer(synthetic_head(gaussians), threads=threads)


def from_posed_gaussians(renderer: Renderer, face: FaceParams, camera: Camera) -> F32:
    """The same frame by another way: the posed Gaussians through the low-level call."""
    means, covars = renderer.gaussians(face)
    g = renderer.avatar.gaussians
    image, _ = _core.rasterize(
        means, None, None, covars, g.opacities, g.colors, camera.viewmat, camera.K, camera.width,
        camera.height, None, "exact", 1,
    )  # fmt: skip
    return image


@pytest.mark.parametrize("quality", ["exact", "fast"])
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize(
    ("gaussians", "size"),
    [(20_000, 512), (50_000, 512), (78_000, 256), (78_000, 512), (78_000, 1024), (100_000, 512)],
)
def test_frame(
    benchmark: BenchmarkFixture, gaussians: int, size: int, threads: int, quality: Quality
) -> None:
    """A whole animated frame to 8-bit RGB."""
    renderer = renderer_of(gaussians, threads)
    camera = renderer.camera(width=size, height=size)
    seen = floats32(renderer.render(FACES[7], camera, format="float32", quality=quality).pixels)
    truth = plain_picture(posed(renderer, FACES[7], camera), camera, "exact", "float64")
    psnr_db = head_psnr_db(seen, floats32(np.dstack(truth[:2])))
    assert psnr_db > (60 if quality == "exact" else 40)
    faces = cycle(FACES)
    benchmark.group = f"{gaussians} Gaussians, {size}²"
    frame = benchmark(lambda: renderer.render(next(faces), camera, quality=quality))
    stages = {f"{name}_ms": round(1e3 * seconds, 3) for name, seconds in frame.timings.items()}
    benchmark.extra_info.update(
        isa=_core.isa(), psnr_db=round(psnr_db, 1), pairs=truth[2], **stages
    )


@pytest.mark.parametrize("name", ["plain scalar", "NumPy"])
def test_baseline(benchmark: BenchmarkFixture, name: str) -> None:
    """Anyone's first renderer, on Gaussians that the core has posed."""
    renderer = renderer_of(78_000, 1)
    camera = renderer.camera()
    draw = plain_picture if name == "plain scalar" else numpy_picture
    scene = posed(renderer, FACES[7], camera)
    image, alpha, pairs = draw(scene, camera)
    core = renderer.render(FACES[7], camera, format="float32").pixels
    assert head_psnr_db(floats32(np.dstack([image, alpha])), floats32(core)) > 60
    benchmark.group = "78000 Gaussians, 512²"
    benchmark.extra_info.update(pairs=pairs)
    benchmark.pedantic(draw, (scene, camera), rounds=3)  # type: ignore[no-untyped-call]


@pytest.mark.parametrize("format", ["rgb8", "i420", "nv12", "rgba8", "float32"])
def test_format(benchmark: BenchmarkFixture, format: PixelFormat) -> None:
    """What the pixels' format costs."""
    renderer = renderer_of(20_000, 1)
    benchmark.group = "format, 20000 Gaussians, 512²"
    frame = benchmark(renderer.render, FACES[3], renderer.camera(), format=format)
    assert frame.pixels.any()


@pytest.mark.parametrize("way", ["rasterize", "adjoint"])
def test_colour_adjoint(benchmark: BenchmarkFixture, way: str) -> None:
    """The colours' adjoint beside the rendering that it transposes."""
    renderer = renderer_of(20_000, 1)
    camera, g = renderer.camera(), renderer.avatar.gaussians
    means, covars = renderer.gaussians(FACES[0])
    gradient = np.random.default_rng(0).normal(size=(512, 512, 3)).astype(np.float32)
    view = camera.viewmat, camera.K
    image = from_posed_gaussians(renderer, FACES[0], camera)
    per_color, _ = _core.rasterize_colors_adjoint(
        means, None, None, covars, g.opacities, *view, gradient, 2
    )
    products = (per_color, g.colors), (image, gradient)
    left, right = (float((floats64(a) * b).sum()) for a, b in products)
    assert left == pytest.approx(right, rel=1e-3, abs=1)
    benchmark.group = "adjoint, 20000 Gaussians, 512²"
    if way == "adjoint":
        benchmark(
            _core.rasterize_colors_adjoint, means, None, None, covars, g.opacities, *view, gradient,
            2,
        )  # fmt: skip
    else:
        benchmark(
            _core.rasterize, means, None, None, covars, g.opacities, g.colors, *view, 512, 512,
            None, "exact", 2,
        )  # fmt: skip
