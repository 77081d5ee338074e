"""rasterize where scenes are strange: broken numbers, extremes, bad arguments, other threads."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from avatar_rt import _core
from avatar_rt.arrays import floats32
from tests.native import reference
from tests.native.scenes import core_render, random_scene

BROKEN = [np.nan, np.inf, -np.inf]


@pytest.mark.parametrize("value", BROKEN)
@pytest.mark.parametrize("name", ["means", "quats", "scales", "opacities", "colors"])
def test_a_broken_gaussian_is_left_out_and_harms_no_other(name: str, value: float) -> None:
    scene = random_scene(1)
    keep = np.arange(60) % 7 != 3
    broken = getattr(scene, name).copy()
    broken[~keep] = value
    image, alpha = core_render(replace(scene, **{name: broken}))
    without = replace(
        scene,
        **{
            k: v[keep]
            for k, v in scene.arrays().items()
            if isinstance(v, np.ndarray) and len(v) == 60
        },
    )
    expected, expected_alpha = core_render(without)
    np.testing.assert_array_equal(image, expected)
    np.testing.assert_array_equal(alpha, expected_alpha)


def one(mean: tuple[float, float, float], scale: tuple[float, float, float], **more: Any) -> Any:
    scene = random_scene(0, 1, 64, 48)
    eye = np.eye(4)
    K = np.array([[60.0, 0, 32], [0, 60, 24], [0, 0, 1]])
    return replace(
        scene, means=np.array([mean], np.float32), scales=np.array([scale], np.float32),
        quats=np.array([[1, 0, 0, 0]], np.float32), opacities=np.array([0.9], np.float32),
        viewmat=eye, K=K, **more,
    )  # fmt: skip


@pytest.mark.parametrize("z", [-1.0, 0.0, 0.0099, -1e30])
def test_nothing_is_drawn_behind_the_near_plane(z: float) -> None:
    assert core_render(one((0, 0, z), (0.1, 0.1, 0.1)))[1].max() == 0


def test_the_near_plane_itself_is_drawn() -> None:
    assert core_render(one((0, 0, 0.0101), (0.01, 0.01, 0.01)))[1].min() > 0.5


@pytest.mark.parametrize(
    "scale",
    [(1e3, 1e3, 1e3), (50.0, 1e-6, 1e-6), (0.0, 0.0, 0.0), (1e-20, 1.0, 0.3), (1e6, 1e6, 1e6)],
)
@pytest.mark.parametrize("mean", [(0.0, 0.0, 1.0), (0.3, -0.2, 0.5), (40.0, 1.0, 2.0)])
def test_extreme_shapes_agree_with_float64(
    mean: tuple[float, float, float], scale: tuple[float, float, float]
) -> None:
    scene = one(mean, scale)
    turned = np.array([[0.9, 0.1, 0.2, 0.37]], np.float32)
    for quats in (scene.quats, turned):
        tried = replace(scene, quats=quats)
        assert reference.psnr(core_render(tried)[1], reference.render(tried)[1]) > 60


@pytest.mark.parametrize(
    ("opacity", "peak"),
    [(0.0, 0), (-3.0, 0), (0.0039, 0), (1.0, reference.ALPHA_MAX), (7.0, reference.ALPHA_MAX)],
)
def test_opacities_are_clamped(opacity: float, peak: float) -> None:
    scene = replace(one((0, 0, 1.0), (0.5, 0.5, 0.5)), opacities=np.array([opacity], np.float32))
    assert core_render(scene)[1].max() == pytest.approx(peak, abs=1e-4)


def test_equal_depths_are_blended_in_their_order() -> None:
    scene = random_scene(2, 400, 96, 64, log_scale=-3.5)
    flat = scene.means.copy()
    forward = scene.viewmat[2, :3].astype(np.float32)
    flat -= (flat @ forward)[:, None] * forward
    scene = replace(scene, means=flat)
    assert reference.psnr(core_render(scene)[1], reference.render(scene)[1]) > 60
    np.testing.assert_array_equal(core_render(scene, threads=3)[0], core_render(scene)[0])


def test_depths_a_bit_apart_before_one_far_away_are_blended_in_order() -> None:
    # the far one makes the sort's upper sixteen bits coarse: all others tie in them, out of order
    n, rng = 600, np.random.default_rng(0)
    scene = random_scene(4, n, 48, 40)
    steps = rng.integers(0, 150, n)
    means = np.stack([rng.normal(0, 0.01, n), rng.normal(0, 0.01, n), 1 + steps * 2.0**-23], 1)
    means[0, 2] = 1e6
    scene = replace(
        scene,
        means=floats32(means),
        scales=np.full((n, 3), 0.02, np.float32),
        opacities=np.full(n, 0.05, np.float32),
        viewmat=np.eye(4),
    )
    assert reference.psnr(core_render(scene)[0], reference.render(scene)[0]) > 60


def test_more_tile_entries_than_the_budget_are_drawn_in_regions() -> None:
    n, size = 1_300, 4_000
    scene = random_scene(3, n, size, size, channels=1)
    everywhere = replace(
        scene,
        means=np.zeros((n, 3), np.float32),
        scales=np.full((n, 3), 2.0, np.float32),
        opacities=np.full(n, 0.9, np.float32),
        colors=np.ones((n, 1), np.float32),
    )
    image, alpha = core_render(everywhere, threads=2)
    assert alpha.min() > 0.9999 - 1e-4
    np.testing.assert_allclose(image[..., 0], alpha, atol=1e-5)


@pytest.mark.parametrize("size", [(1, 1), (4096, 3), (5, 4095)])
def test_odd_sizes(size: tuple[int, int]) -> None:
    scene = random_scene(4, width=size[0], height=size[1])
    image, alpha = core_render(scene)
    assert image.shape == (size[1], size[0], 3)
    assert np.isfinite(image).all()
    assert alpha.max() <= 1


BAD: list[tuple[str, Any, str]] = [
    ("means", np.zeros((60, 2), np.float32), "means: has shape"),
    ("means", np.zeros((60, 3)), "means: has dtype float64"),
    ("means", np.zeros((60, 6), np.float32)[:, ::2], "means: must be C-contiguous"),
    ("means", [[0, 0, 0]], "means: expected a NumPy array"),
    ("quats", np.zeros((59, 4), np.float32), "quats: has shape"),
    ("scales", None, "scales: expected a NumPy array"),
    ("covars", np.zeros((60, 6), np.float32), "covars: give either"),
    ("opacities", np.zeros((60, 1), np.float32), "opacities: has shape"),
    ("colors", np.zeros((60, 0), np.float32), "colors: has 0 channels"),
    ("colors", np.zeros((60, 33), np.float32), "colors: has 33 channels"),
    ("viewmat", np.full((4, 4), np.nan), "viewmat: holds a value that is not finite"),
    ("viewmat", np.eye(4, dtype=np.float32), "viewmat: has dtype"),
    ("K", np.zeros((3, 3)), "K: focal lengths"),
    ("width", 0, "width: must be in"),
    ("height", 4097, "height: must be in"),
    ("background", np.zeros(2, np.float32), "background: has shape"),
    ("background", np.full(3, np.inf, np.float32), "background: holds a value"),
    ("quality", "best", "quality: is 'best'"),
    ("threads", -1, "threads: must be"),
]


@pytest.mark.parametrize(
    ("name", "value", "message"), BAD, ids=[f"{b[0]}-{b[2][-12:]}" for b in BAD]
)
def test_bad_arguments_are_named(name: str, value: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        core_render(random_scene(0), **{name: value})


def test_several_callers_at_once() -> None:
    scenes = [random_scene(k, 3_000, 200, 150, log_scale=-5) for k in range(4)]
    alone = [core_render(s)[0] for s in scenes]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda s: core_render(s, threads=2)[0], scenes * 3))
    for image, expected in zip(together, alone * 3, strict=True):
        np.testing.assert_array_equal(image, expected)


def _mean_alpha(seed: int) -> float:
    return float(core_render(random_scene(seed), threads=2)[1].mean())


def test_a_forked_child_renders_too() -> None:
    expected = _mean_alpha(1)
    with multiprocessing.get_context("fork").Pool(1) as pool:
        assert pool.apply_async(_mean_alpha, (1,)).get(timeout=60) == expected


def test_constants_are_the_references() -> None:
    assert any(pytest.approx(known) == _core.ALPHA_MAX for known in (0.99, 0.999))
    assert pytest.approx(reference.ALPHA_MIN) == _core.ALPHA_MIN
    assert pytest.approx(reference.TRANSMITTANCE_MIN) == _core.TRANSMITTANCE_MIN
    assert pytest.approx(reference.LOW_PASS) == _core.LOW_PASS
    assert _core.isa() in _core.available_isas()
    assert _core.available_isas()[0] == "baseline"
