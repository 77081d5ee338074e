"""The plain renderer, which is the truth elsewhere, against the slow reference and the core."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from avatar_rt import _core
from avatar_rt.arrays import floats32
from tests.native import reference
from tests.native.reference import Splats
from tests.native.scenes import core_render, random_scene

EXACT = _core.thresholds("exact")


def plain_arguments(s: Splats, **changes: Any) -> dict[str, Any]:
    covars = reference.covariances(s.quats, s.scales)
    return {
        "means": s.means, "opacities": s.opacities, "colors": s.colors, "viewmat": s.viewmat,
        "covars": floats32(covars[:, [0, 0, 0, 1, 1, 2], [0, 1, 2, 1, 2, 2]]), "K": s.K,
        "width": s.width, "height": s.height, "background": None, "alpha_min": EXACT[0],
        "transmittance_min": EXACT[1], "precision": "float64", **changes,
    }  # fmt: skip


def plain(s: Splats, **changes: Any) -> Any:
    return _core.rasterize_plain(**plain_arguments(s, **changes))


@pytest.mark.parametrize("seed", range(12))
def test_agrees_with_the_reference(seed: int) -> None:
    scene = random_scene(seed)
    image, alpha, pairs = plain(scene)
    expected, expected_alpha = reference.render(scene)
    assert image.dtype == np.float64
    # its covariances come in float32, which needles feel
    assert reference.psnr(image, expected) > 85
    assert reference.psnr(alpha, expected_alpha) > 85
    assert pairs == pytest.approx((reference.weights(scene)[1] > 0).sum(), abs=2)


@pytest.mark.parametrize("seed", range(12))
def test_agrees_with_the_core_in_float32(seed: int) -> None:
    scene = random_scene(seed, 400, 97, 71)
    image, alpha, _ = plain(scene, precision="float32")
    core_image, core_alpha = core_render(scene)
    assert image.dtype == np.float32
    assert reference.psnr(image, core_image) > 60
    assert reference.psnr(alpha, core_alpha) > 60


def test_fast_fills_what_its_thresholds_leave_out() -> None:
    scene = random_scene(6, 3000, 160, 120, log_scale=-4.5)
    exact, _, more = plain(scene)
    cut, _, fewer = plain(scene, **thresholds("fast"))
    assert 0 < fewer < more
    core = core_render(scene, "fast")[0]
    assert reference.psnr(core, exact) > reference.psnr(cut, exact) + 3


def thresholds(quality: Any) -> dict[str, float]:
    return dict(zip(("alpha_min", "transmittance_min"), _core.thresholds(quality), strict=True))


def test_exact_thresholds_are_the_rules() -> None:
    assert EXACT == (_core.ALPHA_MIN, _core.TRANSMITTANCE_MIN)
    with pytest.raises(ValueError, match="quality"):
        _core.thresholds("best")  # type: ignore[arg-type]


def test_background_shines_through_what_is_left() -> None:
    scene = random_scene(3)
    image, alpha, _ = plain(scene)
    under = floats32([0.2, 0.5, 0.9])
    over, _, _ = plain(scene, background=under)
    np.testing.assert_allclose(over, image + (1 - alpha)[..., None] * under, atol=1e-12)


def test_pairs_end_where_a_pixel_is_closed() -> None:
    """Solid discs one behind the other: each leaves a hundredth of what the one before left."""
    count = 6
    scene = Splats(
        floats32([[0, 0, 1 + k] for k in range(count)]),
        floats32([[1, 0, 0, 0]] * count),
        floats32([[100, 100, 1e-3]] * count),
        floats32([0.99] * count),
        floats32(np.eye(3)[np.arange(count) % 3]),
        np.eye(4), np.array([[50.0, 0, 4], [0, 50, 4], [0, 0, 1]]), 8, 8,
    )  # fmt: skip
    assert plain(scene, transmittance_min=0.5)[2] == 64
    assert plain(scene, transmittance_min=5e-3)[2] == 2 * 64
    assert plain(scene, transmittance_min=1e-5)[2] == 3 * 64
    assert plain(scene, transmittance_min=1e-5)[1].max() == pytest.approx(1 - 1e-6, abs=1e-8)


@pytest.mark.parametrize("precision", ["float32", "float64"])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 3e38])
@pytest.mark.parametrize("field", ["means", "covars", "opacities", "colors"])
def test_numbers_that_are_none_are_left_out(precision: str, bad: float, field: str) -> None:
    scene = random_scene(1)
    arguments = plain_arguments(scene, precision=precision)
    arguments[field] = arguments[field].copy()
    arguments[field][0] = bad
    image, alpha, _ = _core.rasterize_plain(**arguments)
    assert np.isfinite(alpha).all()
    assert np.isfinite(image).all() or (field, bad) == ("colors", 3e38)


def test_nothing_to_draw() -> None:
    empty = random_scene(1, count=0)
    image, alpha, pairs = plain(empty)
    assert (image.max(), alpha.max(), pairs) == (0, 0, 0)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"width": 0}, "width"),
        ({"height": 5000}, "height"),
        ({"alpha_min": 0.0}, "alpha_min"),
        ({"transmittance_min": float("nan")}, "transmittance_min"),
        ({"precision": "float16"}, "precision"),
        ({"colors": np.zeros((60, 4), np.float32)}, "colors"),
        ({"covars": np.zeros((60, 6))}, "covars"),
        ({"opacities": np.zeros(3, np.float32)}, "opacities"),
        ({"background": floats32([0, 0, np.nan])}, "background"),
        ({"viewmat": np.full((4, 4), np.nan)}, "viewmat"),
    ],
)
def test_wrong_arguments_are_named(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        plain(random_scene(1), **changes)
