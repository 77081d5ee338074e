"""Many avatars in one launch."""

from __future__ import annotations

import numpy as np
import pytest

from avatar_rt.errors import ParameterError
from avatar_rt.render import Renderer
from avatar_rt.synthetic import synthetic_head
from avatar_rt.together import render_together
from avatar_rt.types import Camera, FaceParams, PixelFormat
from tests.cuda.devices import needs_cuda, needs_emulator

Orders = list[tuple[Renderer, FaceParams, Camera | None]]


def _orders(backend: str, count: int = 5) -> Orders:
    out: Orders = []
    for k in range(count):
        renderer = Renderer(synthetic_head(200 + 150 * k, seed=k), backend=backend)  # type: ignore[arg-type]
        arkit = np.random.default_rng(k).uniform(0, 0.6, 52).astype(np.float32)
        camera = renderer.camera(0.2 * k, 0, 32 + 16 * k, 48 + 2 * k)
        out.append((renderer, FaceParams(arkit=arkit), camera))
    return out


@needs_cuda
@pytest.mark.parametrize("format", ["rgb8", "nv12", "float32"])
def test_together_draws_what_each_draws_alone(format: PixelFormat) -> None:
    orders = _orders("cuda")
    for quality in ("exact", "fast"):
        together = render_together(orders, format=format, quality=quality)
        for (renderer, params, camera), frame in zip(orders, together, strict=True):
            alone = renderer.render(params, camera, format=format, quality=quality)
            np.testing.assert_array_equal(frame.pixels, alone.pixels)


@needs_cuda
def test_a_batch_of_many_tiles_has_longer_keys_and_the_same_pictures() -> None:
    """Keys have 32 bits up to 255 tiles: one of these pictures has 144."""
    renderer = Renderer(synthetic_head(20_000), backend="cuda")
    params = FaceParams(arkit=np.zeros(52, np.float32))
    camera = renderer.camera(0.5, 0.2, 192, 192)
    alone = renderer.render(params, camera, format="float32").pixels
    orders: Orders = [(renderer.twin(), params, camera) for _ in range(2)]
    for frame in render_together(orders, format="float32"):
        np.testing.assert_array_equal(frame.pixels, alone)


def test_the_processor_draws_one_after_the_other() -> None:
    orders = _orders("cpu", 2)
    for (renderer, params, camera), frame in zip(orders, render_together(orders), strict=True):
        np.testing.assert_array_equal(frame.pixels, renderer.render(params, camera).pixels)
    assert render_together([]) == []


def test_a_renderer_is_wanted_once() -> None:
    order = _orders("cpu", 1)[0]
    with pytest.raises(ParameterError, match=r"twin\(\)"):
        render_together([order, order])


@needs_emulator
def test_avatars_too_large_together_are_drawn_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    orders = _orders("auto")
    before = render_together(orders)
    for renderer, params, camera in orders:
        renderer.render(params, camera)  # their own plans, made while there is memory
    twins: Orders = [(r.twin(), p, c) for r, p, c in reversed(orders)]
    monkeypatch.setenv("AVATAR_RT_EMULATED_MEMORY", "1000000")
    for frame, alone in zip(render_together(twins), reversed(before), strict=True):
        assert frame.pixels.shape == alone.pixels.shape
        assert np.abs(frame.pixels.astype(int) - alone.pixels).max() <= 4  # rounded otherwise
