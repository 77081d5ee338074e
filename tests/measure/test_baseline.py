"""Baselines draw what the core draws, or their times would mean nothing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from avatar_rt.arrays import floats32
from avatar_rt.avatar import Avatar
from avatar_rt.baseline import numpy_picture, plain_picture, posed
from avatar_rt.fidelity import EXPRESSIONS, head_psnr_db
from avatar_rt.render import Renderer
from avatar_rt.types import Camera
from tests.factory import small_avatar

SAME_DB = 60.0


def core_picture(
    renderer: Renderer, camera: Camera
) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    return floats32(renderer.render(EXPRESSIONS[1], camera, format="float32").pixels)


@pytest.mark.parametrize("yaw", [0.0, 0.7, 3.0])
def test_baselines_draw_the_cores_picture(yaw: float) -> None:
    renderer = Renderer(small_avatar())
    camera = renderer.camera(yaw, 0.1, 160, 120)
    core = core_picture(renderer, camera)
    scene = posed(renderer, EXPRESSIONS[1], camera)
    plain, plain_alpha, plain_pairs = plain_picture(scene, camera)
    slow, slow_alpha, slow_pairs = numpy_picture(scene, camera)
    assert head_psnr_db(floats32(np.dstack([plain, plain_alpha])), core) > SAME_DB
    assert head_psnr_db(floats32(np.dstack([slow, slow_alpha])), core) > SAME_DB
    true, true_alpha, _ = plain_picture(scene, camera, "exact", "float64")
    np.testing.assert_allclose(slow, true, atol=1e-9)
    np.testing.assert_allclose(slow_alpha, true_alpha, atol=1e-9)
    assert plain_pairs == pytest.approx(slow_pairs, rel=1e-4)


@pytest.mark.parametrize("shs", [4, 9, 16])
def test_harmonics_are_seen_as_the_core_sees_them(shs: int) -> None:
    egg = small_avatar()
    rng = np.random.default_rng(shs)
    colors = rng.normal(0, 0.3, (len(egg.gaussians.triangles), shs, 3))
    avatar = Avatar(egg.rig, replace(egg.gaussians, colors=floats32(colors)), egg.metadata)
    renderer = Renderer(avatar)
    camera = renderer.camera(0.6, -0.3, 96, 96)
    image, alpha, _ = plain_picture(posed(renderer, EXPRESSIONS[1], camera), camera)
    core = core_picture(renderer, camera)
    assert head_psnr_db(floats32(np.dstack([image, alpha])), core) > SAME_DB
