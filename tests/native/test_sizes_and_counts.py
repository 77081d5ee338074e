"""Every size and every count: from one pixel and no Gaussian to 4096² and a million."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from avatar_rt import _core
from avatar_rt.arrays import F32, F64, Array, floats32
from avatar_rt.types import Camera, PixelFormat
from tests.native import reference
from tests.native.scenes import core_render, random_pose, random_rig, random_scene

SIZES = [
    (1, 1), (1, 2), (2, 1), (3, 5), (31, 33), (32, 32), (33, 31), (65, 97),
    (1, 4096), (4096, 1), (4095, 3), (3, 4095),
]  # fmt: skip


@pytest.mark.parametrize("size", SIZES, ids=lambda s: f"{s[0]}x{s[1]}")
def test_sizes_agree_with_float64(size: tuple[int, int]) -> None:
    width, height = size
    scene = random_scene(4, 40, width, height, log_scale=-3)
    # the lens of the smaller side: the longer one then looks aside at all that is there
    scene = replace(scene, K=scaled(scene.K, 0.02 if max(size) > 1000 else 1.0))
    image, alpha = core_render(scene)
    expected, expected_alpha = reference.render(scene)
    assert image.shape == (height, width, 3)
    assert expected_alpha.max() > 0.02
    assert reference.psnr(image, expected) > 60
    assert reference.psnr(alpha, expected_alpha) > 60


def scaled(K: F64, by: float) -> F64:
    other = K.copy()
    other[[0, 1], [0, 1]] *= by
    return other


@pytest.mark.parametrize("size", [(1, 1), (33, 31), (1, 4096), (4096, 1)])
@pytest.mark.parametrize("format", ["rgb8", "rgba8", "float32"])
def test_avatars_of_every_size(format: PixelFormat, size: tuple[int, int]) -> None:
    core = _core.AvatarCore(**random_rig(3, "similarity"))
    camera = Camera.orbit(0.3, 0.2, distance=0.5, width=size[0], height=size[1])
    arguments: dict[str, Any] = {
        **random_pose(1), "viewmat": camera.viewmat, "K": camera.K, "width": size[0],
        "height": size[1], "background": floats32([0, 0, 0]), "quality": "exact",
    }  # fmt: skip
    pixels = core.render(**arguments, format=format)[0]
    floats = core.render(**arguments, format="float32")[0]
    assert pixels.shape[:2] == (size[1], size[0])
    if format == "rgb8":
        assert np.abs(pixels - 255 * floats[..., :3].clip(0, 1)).max() <= 0.501
    assert floats[..., 3].max() > 0.1


@pytest.mark.parametrize("corner", [(0, 0), (4032, 0), (0, 4032), (4032, 4032), (2020, 1999)])
def test_the_largest_picture_is_right_in_its_corners(corner: tuple[int, int]) -> None:
    """A window of 4096² is the picture of a camera that has no more than that window."""
    window = random_scene(7, 30, 64, 64, log_scale=-6)
    K = np.array([[2000.0, 0, 32], [0, 2000, 32], [0, 0, 1]])
    means = np.random.default_rng(1).uniform(-0.005, 0.005, (30, 3))
    means[:, 2] += 1
    scales = np.minimum(window.scales, np.float32(0.002))
    window = replace(window, K=K, viewmat=np.eye(4), means=floats32(means), scales=scales)
    K = K.copy()
    K[:2, 2] += corner
    large = replace(window, K=K, width=4096, height=4096)
    image, alpha = core_render(large, threads=2)
    part = slice(corner[1], corner[1] + 64), slice(corner[0], corner[0] + 64)
    expected, _ = reference.render(window)
    assert reference.psnr(image[part], expected) > 60
    assert alpha[part].max() > 0.5
    alpha[part] = 0
    assert not alpha.any()


@pytest.mark.parametrize("count", [0, 1, 15, 16, 17, 31, 33])
@pytest.mark.parametrize("frame", ["affine", "similarity"])
def test_counts_around_a_pack(frame: str, count: int) -> None:
    rig = random_rig(2, frame, count=count)
    pose, camera = random_pose(1), Camera.orbit(0.3, 0.2, distance=0.5, width=94, height=70)
    core = _core.AvatarCore(**rig)
    got = core.render(
        **pose, viewmat=camera.viewmat, K=camera.K, width=94, height=70,
        background=floats32([0, 0, 0]), format="float32", quality="exact",
    )[0]  # fmt: skip
    means, cov = reference.place_gaussians(rig, reference.pose_vertices(rig, *pose.values()))
    upper = floats32(cov[:, [0, 0, 0, 1, 1, 2], [0, 1, 2, 1, 2, 2]])
    for k in (0, 1):  # all of them, and one after the other: none is drawn twice, none is lost
        image = _core.rasterize(
            floats32(means), None, None, upper, rig["opacities"], rig["colors"], camera.viewmat,
            camera.K, 94, 70, None, "exact", 1 + k,
        ).image  # fmt: skip
        assert reference.psnr(got[..., :3], image) > 60
    posed, _ = core.gaussians(**pose)
    assert posed.shape == (count, 3)
    if count == 0:
        assert not got.any()


@pytest.mark.parametrize("count", [0, 1, 15, 16, 17, 31, 33])
def test_counts_of_plain_gaussians(count: int) -> None:
    scene = random_scene(11, count, log_scale=-3)
    image, alpha = core_render(scene)
    expected, expected_alpha = reference.render(scene)
    assert reference.psnr(image, expected) > 60
    assert reference.psnr(alpha, expected_alpha) > 60


def crowd(count: int, size: int, scale: float, spread: float, opacity: float) -> reference.Splats:
    """`count` Gaussians before a camera at the origin, the nearest ones first in depth but not in
    order."""
    rng = np.random.default_rng(5)
    depth = rng.permutation(np.linspace(1, 2, count))
    means = np.stack([rng.uniform(-spread, spread, count) * depth,
                      rng.uniform(-spread, spread, count) * depth, depth], 1)  # fmt: skip
    K = np.array([[size, 0, size / 2], [0, size, size / 2], [0, 0, 1.0]])
    return reference.Splats(
        floats32(means), floats32(rng.normal(size=(count, 4))),
        floats32(np.full((count, 3), scale)), floats32(np.full(count, opacity)),
        floats32(rng.uniform(size=(count, 3))), np.eye(4), K, size, size,
    )  # fmt: skip


def nearest(scene: reference.Splats, count: int) -> reference.Splats:
    """What is left of a scene where the nearest ones hide all others."""
    first = np.argsort(scene.means[:, 2])[:count]
    return replace(
        scene,
        **{k: v[first] for k, v in scene.arrays().items()
           if k in ("means", "quats", "scales", "opacities", "colors")},
    )  # fmt: skip


def test_a_million_in_one_tile() -> None:
    scene = crowd(1_000_000, 32, 0.15, 0.7, 0.2)
    image, alpha = core_render(scene, threads=2)
    expected, expected_alpha = reference.render(nearest(scene, 3_000))
    assert expected_alpha.min() > 0.9999 - 1e-4  # so that none of the others can show
    assert reference.psnr(image, expected) > 60
    assert reference.psnr(alpha, expected_alpha) > 60
    np.testing.assert_array_equal(core_render(scene, threads=1)[0], image)


def test_crowds_that_cover_the_picture_are_drawn_in_parts() -> None:
    """300,000 that each cover all of 100 tiles: twice the entries that are kept at a time."""
    scene = crowd(300_000, 320, 2.0, 0.1, 0.3)
    image, alpha = core_render(scene, threads=2)
    front = nearest(scene, 60)
    np.testing.assert_array_equal(image, core_render(front)[0])
    np.testing.assert_array_equal(alpha, core_render(front)[1])
    assert alpha.min() > 0.9999 - 1e-4


def test_a_million_on_an_avatar() -> None:
    count = 1_000_000
    rig = random_rig(9, "similarity", count=count)
    rig["scales"] = rig["scales"] * np.float32(0.02)
    camera = Camera.orbit(0.3, 0.2, distance=0.5, width=128, height=128)
    arguments = {
        **random_pose(1), "viewmat": camera.viewmat, "K": camera.K, "width": 128, "height": 128,
        "background": floats32([0, 0, 0]), "format": "float32", "quality": "exact",
    }  # fmt: skip
    core = _core.AvatarCore(**{**rig, "threads": 2})
    got = core.render(**arguments)[0]
    means, covars = core.gaussians(**random_pose(1))
    expected = _core.rasterize(
        means, None, None, covars, rig["opacities"], rig["colors"], camera.viewmat, camera.K, 128,
        128, None, "exact", 2,
    )  # fmt: skip
    assert core.skipped == 0
    assert got[..., 3].max() > 0.99
    assert reference.psnr(got[..., :3], expected.image) > 60


def alpha_of_one(s: reference.Splats) -> F64:
    """The alpha of a scene's only Gaussian, by a form that does not cancel for needles: with the
    rows a, b of J·R·diag(scale) and the low-pass l, det = |a × b|² + l (|a|² + |b|²) + l² and
    d·Σ⁻¹·d = (|b dx - a dy|² + l (dx² + dy²)) / det."""
    low = reference.LOW_PASS
    x, y, z = (float(v) for v in s.means[0])
    fx, fy, cx, cy = s.K[0, 0], s.K[1, 1], s.K[0, 2], s.K[1, 2]
    u = np.clip(x / z, (-cx - 0.15 * s.width) / fx, (s.width - cx + 0.15 * s.width) / fx)
    v = np.clip(y / z, (-cy - 0.15 * s.height) / fy, (s.height - cy + 0.15 * s.height) / fy)
    root = reference.rotations(s.quats)[0] * s.scales[0].astype(np.float64)
    a, b = fx / z * (root[0] - u * root[2]), fy / z * (root[1] - v * root[2])
    det = np.sum(np.cross(a, b) ** 2) + low * (a @ a + b @ b) + low**2
    py, px = np.mgrid[: s.height, : s.width] + 0.5
    dx, dy = px - (fx * x / z + cx), py - (fy * y / z + cy)
    across = b * dx[..., None] - a * dy[..., None]
    power = (np.sum(across**2, -1) + low * (dx**2 + dy**2)) / det
    alpha = float(s.opacities[0]) * np.exp(-power / 2)
    return np.where(alpha < reference.ALPHA_MIN, 0.0, np.minimum(alpha, reference.ALPHA_MAX))


def test_one_gaussian_is_the_references() -> None:
    scene = replace(random_scene(0, 1, 64, 48), means=floats32([[0.02, 0.01, 0.4]]),
                    viewmat=np.eye(4))  # fmt: skip
    assert reference.psnr(alpha_of_one(scene), reference.render(scene)[1]) > 150


@pytest.mark.parametrize(
    ("depth", "scale"),
    [(depth, scale)
     for depth in (0.01, 0.0100001, 0.5, 30.0)
     for scale in ((1e-9, 1e-9, 1.0), (1e-9, 1.0, 1.0), (1e6, 1e6, 1e6), (1e6, 1e-9, 1e-9))
     if depth > 0.1 or scale[1] < 1e6],  # 1000 km one centimetre away: see the next test
)  # fmt: skip
def test_needles_discs_and_giants(depth: float, scale: tuple[float, float, float]) -> None:
    rng = np.random.default_rng(3)
    K = np.array([[60.0, 0, 32], [0, 60, 24], [0, 0, 1]])
    for _ in range(8):
        mean = np.append(rng.normal(0, 0.2, 2) * depth, depth)
        scene = reference.Splats(
            floats32([mean]), floats32(rng.normal(size=(1, 4))), floats32([scale]),
            floats32([0.9]), floats32([[1, 0.5, 0]]), np.eye(4), K, 64, 48,
        )  # fmt: skip
        got = core_render(scene)
        assert got.skipped == 0
        assert reference.psnr(got.alpha, alpha_of_one(scene)) > 60, mean


def test_what_float32_cannot_project_is_skipped_and_counted() -> None:
    scene = random_scene(0, 20)
    scene = replace(scene, scales=np.full((20, 3), 1e16, np.float32))
    got = core_render(scene)
    in_front = reference.project(scene)[2] >= reference.NEAR
    assert got.skipped == in_front.sum() > 10
    assert not got.image.any()


@pytest.mark.parametrize("seed", range(6))
def test_from_within(seed: int) -> None:
    """A camera in the midst of all Gaussians: before, behind, beside it and on its near plane."""
    scene = random_scene(seed, 80, log_scale=-3.5)
    centre: Array = scene.means.mean(0)
    viewmat: F64 = scene.viewmat.copy()
    viewmat[:3, 3] = -viewmat[:3, :3] @ centre
    scene = replace(scene, viewmat=viewmat)
    image, alpha = core_render(scene)
    expected, expected_alpha = reference.render(scene)
    assert expected_alpha.mean() > 0.1
    assert reference.psnr(image, expected) > 60
    assert reference.psnr(alpha, expected_alpha) > 60


@pytest.mark.parametrize("frame", ["affine", "similarity"])
def test_from_within_an_avatar(frame: str) -> None:
    rig, pose = random_rig(2, frame), random_pose(1)
    core = _core.AvatarCore(**rig)
    means, covars = core.gaussians(**pose)
    camera = Camera.orbit(0.7, 0.3, width=94, height=70)
    viewmat: F64 = camera.viewmat.copy()
    viewmat[:3, 3] = -viewmat[:3, :3] @ means.mean(0)
    view: dict[str, Any] = {"viewmat": viewmat, "K": camera.K, "width": 94, "height": 70}
    got: F32 = floats32(
        core.render(
            **pose, **view, background=floats32([0, 0, 0]), format="float32", quality="exact"
        )[0]
    )
    expected = _core.rasterize(
        means=means, quats=None, scales=None, covars=covars, opacities=rig["opacities"],
        colors=rig["colors"], background=None, quality="exact", threads=1, **view,
    )  # fmt: skip
    assert np.isfinite(got).all()
    assert got[..., 3].mean() > 0.1
    assert reference.psnr(got[..., :3], expected.image) > 60
