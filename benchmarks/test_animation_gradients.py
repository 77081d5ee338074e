"""Animation with gradients beside splatting with gradients: 78,000 Gaussians of the made-up head.

One pose, one thread, 512². What counts are the ratios within one run. Each benchmark first shows
that what it times is right.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from avatar_rt import _core
from avatar_rt.arrays import F32, Array, floats32, floats64, ints32
from avatar_rt.measure import moving_faces
from avatar_rt.synthetic import synthetic_head
from avatar_rt.types import Camera

if TYPE_CHECKING:
    from pytest_benchmark.fixture import BenchmarkFixture

GROUP = "one pose with gradients, 78000 Gaussians, 512², one thread"


class Scene:
    """The head in one pose, and a loss's gradient of all that the operators give."""

    def __init__(self, *, ascending: bool) -> None:
        avatar = synthetic_head(78_000)
        rig, bound = avatar.rig, avatar.gaussians
        self.animator = _core.Animator(
            rig.vertices, rig.faces, rig.expression_basis, rig.joints, rig.parents, rig.weights,
            rig.pose_correctives, 1,
        )  # fmt: skip
        rng = np.random.default_rng(0)
        count = len(bound.triangles)
        order = np.arange(count) if ascending else rng.permutation(count)
        pose = rig.pose(moving_faces(100)[7])
        self.call: dict[str, Any] = {
            "coefficients": pose.coefficients[None], "joint_rotations": pose.joint_rotations[None],
            "translation": pose.translation[None], "vertices": None, "frame": bound.frame,
            "triangles": ints32(bound.triangles[order]),
            "barycentric": floats32(bound.barycentric[order]),
            "offsets": floats32(bound.offsets[order]), "quats": floats32(bound.quats[order]),
            "scales": floats32(bound.scales[order]),
        }  # fmt: skip
        self.means, self.covars, _ = self.animator.forward(**self.call)
        self.of_means = floats32(rng.normal(size=self.means.shape))
        self.of_covars = floats32(rng.normal(size=self.covars.shape))
        camera = Camera.orbit(0.2, 0.1, distance=0.6, width=512, height=512)
        self.view: dict[str, Any] = {
            "means": self.means[0], "quats": None, "scales": None, "covars": self.covars[0],
            "opacities": bound.opacities[order], "colors": floats32(bound.colors[order]),
            "sh_degree": None, "viewmats": camera.viewmat[None], "Ks": camera.K[None],
            "width": 512, "height": 512, "background": None, "quality": "exact", "threads": 1,
        }  # fmt: skip

    def animate_backward(self) -> tuple[F32, ...]:
        return self.animator.backward(
            **self.call, means_gradient=self.of_means, covars_gradient=self.of_covars,
            posed_gradient=None,
        )  # fmt: skip


@cache
def scene_of(*, ascending: bool) -> Scene:
    return Scene(ascending=ascending)


def product(a: Array, b: Array) -> float:
    return float((floats64(a) * b).sum())


@pytest.mark.parametrize("ascending", [True, False], ids=["ascending", "in no order"])
@pytest.mark.parametrize("way", ["forward", "backward"])
def test_animate(benchmark: BenchmarkFixture, way: str, ascending: bool) -> None:
    """Triangles ascend when a recipe has made the Gaussians, and no longer once it densifies."""
    scene = scene_of(ascending=ascending)
    # means are linear in the offsets
    step = floats32(np.random.default_rng(1).normal(size=scene.call["offsets"].shape))
    moved = scene.animator.forward(**{**scene.call, "offsets": scene.call["offsets"] + step})[0]
    slope = product(scene.of_means, floats64(moved) - scene.means)
    assert slope == pytest.approx(product(scene.animate_backward()[5], step), rel=1e-3, abs=1e-2)
    benchmark.group = GROUP
    benchmark.extra_info.update(isa=_core.isa())
    if way == "forward":
        benchmark(lambda: scene.animator.forward(**scene.call))
    else:
        benchmark(scene.animate_backward)


@pytest.mark.parametrize("way", ["forward", "backward"])
def test_splat(benchmark: BenchmarkFixture, way: str) -> None:
    """What animation's cost is small beside."""
    scene = scene_of(ascending=True)
    images, alphas = _core.splat(**scene.view)
    gradient = floats32(np.random.default_rng(2).normal(size=images.shape))
    backward: dict[str, Any] = {
        **scene.view, "image_gradients": gradient, "alpha_gradients": None, "images": images,
        "alphas": alphas,
    }  # fmt: skip
    del backward["quality"]  # always exact
    # the picture is linear in the colours
    of_colors = _core.splat_backward(**backward)["colors"]
    left, right = product(of_colors, scene.view["colors"]), product(gradient, images)
    assert left == pytest.approx(right, rel=1e-3, abs=1)
    benchmark.group = GROUP
    if way == "forward":
        benchmark(lambda: _core.splat(**scene.view))
    else:
        benchmark(lambda: _core.splat_backward(**backward))
