"""The colours' adjoint is the transpose of rendering; mesh pixels show the nearest triangle."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from avatar_rt import _core
from avatar_rt.arrays import F32, I32, Array, floats32, ints32
from tests.native import reference
from tests.native.reference import Splats
from tests.native.scenes import core_render, random_scene


def adjoint(s: Splats, gradient: Array, threads: int = 1, **more: Any) -> Any:
    arguments = {
        "means": s.means, "quats": s.quats, "scales": s.scales, "covars": None,
        "opacities": s.opacities, "viewmat": s.viewmat, "K": s.K, "image_gradient": gradient,
        "threads": threads,
    }  # fmt: skip
    return _core.rasterize_colors_adjoint(**{**arguments, **more})


def gradient_for(s: Splats, seed: int) -> Any:
    shape = (s.height, s.width, s.colors.shape[1])
    return floats32(np.random.default_rng(seed).normal(size=shape))


@pytest.mark.parametrize("channels", [1, 3, 8, 32])
@pytest.mark.parametrize("seed", range(4))
def test_adjoint_is_the_transpose(seed: int, channels: int) -> None:
    scene = random_scene(seed, 500, 75, 51, channels, log_scale=-4.5)
    g = gradient_for(scene, seed)
    image, alpha = core_render(scene)
    per_color, per_splat = adjoint(scene, g)
    left = float(np.sum(per_color.astype(np.float64) * scene.colors))
    right = float(np.sum(image.astype(np.float64) * g))
    size = float(np.sum(np.abs(image * g)))
    assert abs(left - right) < 1e-6 * size
    assert per_splat.sum() == pytest.approx(float(alpha.sum()), rel=1e-5)


def test_adjoint_agrees_with_float64_weight_by_weight() -> None:
    scene = random_scene(9, 80)
    g = gradient_for(scene, 9)
    order, w, _ = reference.weights(scene)
    expected, total = np.zeros((80, 3)), np.zeros(80)
    expected[order] = np.einsum("nhw,hwc->nc", w, g.astype(np.float64))
    total[order] = w.sum((1, 2))
    per_color, per_splat = adjoint(scene, g)
    np.testing.assert_allclose(per_color, expected, atol=2e-3 * np.abs(expected).max())
    np.testing.assert_allclose(per_splat, total, atol=2e-3 * total.max())


def test_adjoint_is_the_slope_of_rendering() -> None:
    scene = random_scene(10, 40)
    g = gradient_for(scene, 10)
    per_color, _ = adjoint(scene, g)
    for i, c in ((0, 0), (7, 1), (23, 2)):
        values = []
        for sign in (-1, 1):
            colors = scene.colors.copy()
            colors[i, c] += sign * 0.25
            moved = Splats(**{**scene.arrays(), "colors": colors})
            values.append(float(np.sum(core_render(moved)[0].astype(np.float64) * g)))
        assert (values[1] - values[0]) / 0.5 == pytest.approx(per_color[i, c], abs=2e-4)


def test_adjoint_does_not_depend_on_threads() -> None:
    scene = random_scene(11, 20_000, 300, 200, log_scale=-5.5)
    g = gradient_for(scene, 11)
    for one, two in zip(adjoint(scene, g), adjoint(scene, g, threads=2), strict=True):
        np.testing.assert_array_equal(one, two)


def test_adjoint_names_bad_arguments() -> None:
    scene = random_scene(0)
    with pytest.raises(ValueError, match="image_gradient: has shape"):
        adjoint(scene, np.zeros((4, 4), np.float32))
    with pytest.raises(ValueError, match="image_gradient: has 33 channels"):
        adjoint(scene, np.zeros((4, 4, 33), np.float32))


def mesh_reference(points: F32, faces: I32, width: int, height: int) -> Any:
    """Every pixel against every triangle."""
    y, x = np.mgrid[:height, :width] + 0.5
    nearest = np.full((height, width), np.inf)
    triangle = np.full((height, width), -1)
    barycentric = np.zeros((height, width, 3))
    p = points.astype(np.float64)
    for f, (i, j, k) in enumerate(faces):
        if min(p[[i, j, k], 2]) <= 0:
            continue

        def edge(a: int, b: int) -> Any:
            return (p[a, 0] - x) * (p[b, 1] - y) - (p[b, 0] - x) * (p[a, 1] - y)

        b = np.stack([edge(j, k), edge(k, i), edge(i, j)], -1)
        area = b.sum(-1)
        with np.errstate(all="ignore"):
            b = b / area[..., None]
            inside = (b >= 0).all(-1) & (area != 0)
            b = b / p[[i, j, k], 2]
            depth = 1 / b.sum(-1)
        closer = inside & (depth.astype(np.float32) < nearest.astype(np.float32))
        nearest[closer], triangle[closer] = depth[closer], f
        barycentric[closer] = (b * depth[..., None])[closer]
    return triangle, barycentric, nearest


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("threads", [1, 3])
def test_mesh_agrees_with_brute_force(seed: int, threads: int) -> None:
    rng = np.random.default_rng(seed)
    points = floats32(
        np.concatenate([rng.uniform(-20, 90, (40, 2)), rng.uniform(-0.2, 3, (40, 1))], 1)
    )
    faces = ints32(rng.integers(0, 40, (30, 3)))
    got = _core.rasterize_mesh(points, faces, 71, 53, threads)
    triangle, barycentric, depth = mesh_reference(points, faces, 71, 53)
    same = got[0] == triangle
    assert same.mean() > 0.999
    assert (got[0] >= 0).any()
    np.testing.assert_allclose(got[1][same], barycentric[same], atol=1e-5)
    np.testing.assert_allclose(got[2][same], depth[same], rtol=1e-6)
    assert (got[2][got[0] < 0] == np.inf).all()


def test_mesh_interpolates_in_perspective() -> None:
    points = np.array([[0, 0, 1], [64, 0, 4], [0, 64, 4]], np.float32)
    triangle, barycentric, depth = _core.rasterize_mesh(points, ints32([[0, 1, 2]]), 64, 64, 1)
    seen = triangle >= 0
    np.testing.assert_allclose((barycentric @ points[:, 2])[seen], depth[seen], rtol=1e-5)
    np.testing.assert_allclose(barycentric[seen].sum(-1), 1, atol=1e-6)


def test_mesh_leaves_out_broken_triangles_and_names_bad_indices() -> None:
    points = np.array([[0, 0, 1], [9, 0, 1], [0, 9, np.nan], [0, 9, -1]], np.float32)
    for corner in (2, 3):
        assert (_core.rasterize_mesh(points, ints32([[0, 1, corner]]), 8, 8, 1)[0] == -1).all()
    assert (_core.rasterize_mesh(points, ints32(np.zeros((0, 3))), 5, 3, 2)[0] == -1).all()
    with pytest.raises(ValueError, match="faces: index 4"):
        _core.rasterize_mesh(points, ints32([[0, 1, 4]]), 8, 8, 1)
    with pytest.raises(ValueError, match="width"):
        _core.rasterize_mesh(points, ints32([[0, 1, 2]]), 0, 8, 1)
