"""rasterize against float64 and gsplat's own formulas; test_every_isa.py has the random scenes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import avatar_rt
from avatar_rt import _core
from avatar_rt.errors import BackendError, ParameterError
from tests.native import reference
from tests.native.scenes import core_render, random_scene

ROOT = Path(__file__).resolve().parents[2]
EXACT_DB = 60.0


def test_unknown_instruction_set_is_refused_by_name() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "import avatar_rt._core"], cwd=ROOT, capture_output=True, text=True,
        env={**os.environ, "AVATAR_RT_ISA": "mmx", "PYTHONPATH": str(ROOT)}, check=False,
    )  # fmt: skip
    assert done.returncode != 0
    assert "AVATAR_RT_ISA is 'mmx'" in done.stderr


@pytest.mark.parametrize("channels", [1, 2, 3, 4, 17, 32])
def test_channels_are_blended_alike(channels: int) -> None:
    scene = random_scene(3, channels=channels)
    background = np.linspace(0, 1, channels, dtype=np.float32)
    image, alpha = core_render(scene, background=background)
    expected, _ = reference.render(scene, background)
    assert image.shape == (47, 61, channels)
    assert reference.psnr(image, expected) > EXACT_DB
    assert 0 < alpha.mean() < 1


def test_threads_do_not_change_a_bit() -> None:
    scene = random_scene(5, 20_000, 333, 257, log_scale=-5.5)
    one, two, five = (core_render(scene, threads=t) for t in (1, 2, 5))
    for image, alpha in (two, five):
        np.testing.assert_array_equal(image, one[0])
        np.testing.assert_array_equal(alpha, one[1])


def test_fast_is_close_and_says_so() -> None:
    scene = random_scene(6, 500, 160, 120)
    exact, fast = core_render(scene)[0], core_render(scene, "fast")[0]
    assert 40 < reference.psnr(fast, exact) < 200


def test_covariances_draw_what_quaternions_and_scales_draw() -> None:
    scene = random_scene(7)
    cov = reference.covariances(scene.quats, scene.scales)
    upper = np.ascontiguousarray(cov[:, [0, 0, 0, 1, 1, 2], [0, 1, 2, 1, 2, 2]], np.float32)
    image, _ = core_render(scene, quats=None, scales=None, covars=upper)
    assert reference.psnr(image, core_render(scene)[0]) > 70


def test_projection_and_covariance_are_gsplats() -> None:
    torch = pytest.importorskip("torch")
    gsplat = pytest.importorskip("gsplat.cuda._torch_impl")
    scene = random_scene(8, 40, spread=0.3)
    tensor = torch.from_numpy
    quats, scales = scene.quats.astype(np.float64), scene.scales.astype(np.float64)
    covars, _ = gsplat._quat_scale_to_covar_preci(tensor(quats), tensor(scales))
    np.testing.assert_allclose(covars.numpy(), reference.covariances(quats, scales), atol=1e-12)
    means, covars = gsplat._world_to_cam(
        tensor(scene.means.astype(np.float64)), covars, tensor(scene.viewmat)[None]
    )
    centres, flat = gsplat._persp_proj(
        means, covars, tensor(scene.K)[None], scene.width, scene.height
    )
    ours, ours_flat, depth = reference.project(scene)
    front = depth > reference.NEAR
    assert front.sum() > 20
    np.testing.assert_allclose(centres[0].numpy()[front], ours[front], rtol=1e-9)
    np.testing.assert_allclose(
        flat[0].numpy()[front] + _core.LOW_PASS * np.eye(2), ours_flat[front], rtol=1e-6
    )
    # and the core draws one Gaussian as gsplat's conic says
    y, x = np.mgrid[: scene.height, : scene.width] + 0.5
    for i in np.flatnonzero(front)[:12]:
        alone = reference.Splats(
            scene.means[i : i + 1], scene.quats[i : i + 1], scene.scales[i : i + 1],
            np.full(1, 0.8, np.float32), scene.colors[i : i + 1],
            scene.viewmat, scene.K, scene.width, scene.height,
        )  # fmt: skip
        conic = np.linalg.inv(flat[0, i].numpy() + _core.LOW_PASS * np.eye(2))
        d = np.stack([x, y], -1) - centres[0, i].numpy()
        alpha = 0.8 * np.exp(-0.5 * np.einsum("hwa,ab,hwb->hw", d, conic, d))
        alpha[alpha < 1 / 255] = 0
        assert reference.psnr(core_render(alone)[1], alpha) > 70


def test_public_call_takes_plain_sequences_and_names_what_is_wrong() -> None:
    scene = random_scene(9)
    plain = {k: v.tolist() if isinstance(v, np.ndarray) else v for k, v in scene.arrays().items()}
    image, alpha = avatar_rt.rasterize(**plain)
    np.testing.assert_array_equal(image, core_render(scene, threads=0)[0])
    assert alpha.shape == (47, 61)
    with pytest.raises(ParameterError, match=r"^scales: has shape \(60, 4\)"):
        avatar_rt.rasterize(**{**scene.arrays(), "scales": scene.quats})
    with pytest.raises(ParameterError, match="backend"):
        avatar_rt.rasterize(**scene.arrays(), backend="metal")  # type: ignore[arg-type]
    if _core.cuda_status() != "available":
        with pytest.raises(BackendError, match="cuda"):
            avatar_rt.rasterize(**scene.arrays(), backend="cuda")
