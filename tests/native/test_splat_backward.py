"""splat_backward against float64: autograd through a slow torch splat, its own finite differences,
and gsplat's formulas."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from avatar_rt import _core
from avatar_rt.arrays import floats32
from tests.native import gradient_reference as slow
from tests.native.batches import (
    KINDS,
    backward,
    losses,
    many_views,
    one_view,
    scene_arguments,
    with_covariances,
    with_harmonics,
)
from tests.native.gradient_check import check, expected, relative
from tests.native.scenes import random_scene

ROOT = Path(__file__).resolve().parents[2]
SAME_CORE = os.pathsep.join([str(Path(_core.__file__).parents[1]), str(ROOT)])
"""For a process that is to load this one's core, which another build may have put elsewhere."""


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", [50, 51])
def test_gradients_agree_with_float64(kind: str, seed: int) -> None:
    arguments = scene_arguments(kind, seed)
    loss = losses(arguments, seed, with_alpha=seed % 2 == 0)
    got = backward(arguments, loss)
    check(arguments, loss, got)
    assert set(got) >= {"means", "opacities", "colors", "viewmats", "means2d", "radii", "skipped"}
    assert ("covars" in got) == (kind == "covars") != ("quats" in got)
    assert ("background" in got) == (arguments["background"] is not None)


# run by another process under AVATAR_RT_ISA
_BACKWARD_ALL = """
import sys
import numpy as np
from avatar_rt import _core
from tests.native.batches import KINDS, backward, losses, scene_arguments
assert _core.isa() == sys.argv[1], _core.isa()
out = {}
for kind in KINDS:
    arguments = scene_arguments(kind, 52)
    for name, value in backward(arguments, losses(arguments, 52), threads=2).items():
        out[f"{kind}.{name}"] = value
np.savez(sys.argv[2], **out)
"""


@pytest.mark.parametrize("isa", _core.available_isas())
def test_every_instruction_set_agrees_with_float64(isa: str, tmp_path: Path) -> None:
    out = tmp_path / "gradients.npz"
    subprocess.run(
        [sys.executable, "-c", _BACKWARD_ALL, isa, str(out)], check=True, cwd=ROOT,
        env={**os.environ, "AVATAR_RT_ISA": isa, "PYTHONPATH": SAME_CORE, "PYTHONSAFEPATH": "1"},
    )  # fmt: skip
    with np.load(out) as arrays:
        for kind in KINDS:
            arguments = scene_arguments(kind, 52)
            got = {k.split(".")[1]: arrays[k] for k in arrays if k.startswith(f"{kind}.")}
            check(arguments, losses(arguments, 52), got)


@given(
    seed=st.integers(0, 2**31), count=st.integers(1, 40), log_scale=st.floats(-6, -2),
    spread=st.floats(0.02, 0.4), kind=st.sampled_from(KINDS), opaque=st.booleans(),
)  # fmt: skip
@settings(max_examples=25, deadline=None, derandomize=True)
def test_random_scenes(
    seed: int, count: int, log_scale: float, spread: float, kind: str, opaque: bool
) -> None:
    channels = int(kind[1:]) if kind.startswith("c") and kind != "covars" else 3
    scene = random_scene(seed, count, 33, 26, channels, log_scale, spread)
    if kind == "covars":
        arguments = with_covariances(scene)
    elif kind.startswith("sh"):
        arguments = with_harmonics(scene, int(kind[2:]), seed)
    else:
        arguments = one_view(scene)
    if opaque:
        arguments["opacities"] = floats32(0.9 + 0.1 * arguments["opacities"])
    loss = losses(arguments, seed % 2**31)
    check(arguments, loss, backward(arguments, loss))


def test_many_views_sum_where_they_share() -> None:
    for shared in ((), ("means", "colors"), ("means", "quats", "scales", "opacities", "colors")):
        batch = many_views(60, 3, shared, count=30)
        loss = losses(batch, 60)
        got = backward(batch, loss, threads=2)
        for name in ("means", "quats", "scales", "opacities", "colors"):
            assert got[name].shape == batch[name].shape
        check(batch, loss, got)


def test_the_reference_agrees_with_its_own_finite_differences() -> None:
    arguments = scene_arguments("sh2", 53)
    scene = {k: v for k, v in arguments.items() if k in {f.name for f in fields(slow.Inputs)}}
    # soft, small and all inside: nothing near a threshold, so that differences mean something
    scene.update(
        viewmat=arguments["viewmats"][0], K=arguments["Ks"][0], width=24, height=18,
        opacities=np.random.default_rng(1).uniform(0.2, 0.6, 6),
    )  # fmt: skip
    for name in ("means", "quats", "scales", "colors"):
        scene[name] = np.asarray(arguments[name][:6], np.float64)
    scene["means"] *= 0.3
    scene["K"] = scene["K"] * np.array([[24 / 61], [18 / 47], [1]])
    scene["background"] = np.asarray(scene["background"], np.float64)
    rng = np.random.default_rng(0)
    weight, alpha_weight = rng.normal(size=(18, 24, 3)), rng.normal(size=(18, 24))
    rules = slow.Rules(0.0, 2.0, 0.0)
    gradients = slow.gradients(scene, weight, alpha_weight, rules)

    def value(changed: dict[str, Any]) -> float:
        tensors: dict[str, Any] = {
            k: torch.from_numpy(v) if isinstance(v, np.ndarray) else v for k, v in changed.items()
        }
        image, alpha = slow.splat(slow.Inputs(**tensors), rules)
        return float((image.numpy() * weight).sum() + (alpha.numpy() * alpha_weight).sum())

    for name in ("means", "quats", "scales", "opacities", "colors", "background", "viewmat"):
        for _ in range(4):
            at = tuple(rng.integers(0, n) for n in scene[name].shape)
            if name == "viewmat" and at[0] == 3:
                continue
            values = []
            for sign in (-1, 1):
                moved = np.array(scene[name], np.float64)
                moved[at] += sign * 1e-6
                values.append(value({**scene, name: moved}))
            slope = (values[1] - values[0]) / 2e-6
            assert slope == pytest.approx(gradients[name][at], rel=1e-4, abs=1e-5), (name, at)


def test_gradients_are_those_of_gsplats_formulas() -> None:
    gsplat = pytest.importorskip("gsplat.cuda._torch_impl")
    for seed, degree in ((54, 1), (55, 3)):
        arguments = with_harmonics(random_scene(seed, 40), degree, seed)
        loss = losses(arguments, seed)

        def tensor(name: str, arguments: dict[str, Any] = arguments) -> Tensor:
            return torch.from_numpy(arguments[name].astype(np.float64)).requires_grad_()

        means, quats, scales, opacities, colors, viewmats = (
            tensor(n) for n in ("means", "quats", "scales", "opacities", "colors", "viewmats")
        )
        Ks = torch.from_numpy(arguments["Ks"])
        covars, _ = gsplat._quat_scale_to_covar_preci(quats, scales, compute_preci=False)
        seen, covars = gsplat._world_to_cam(means, covars, viewmats)
        size = arguments["width"], arguments["height"]
        centres, flat = gsplat._persp_proj(seen, covars, Ks, *size)
        flat = flat + _core.LOW_PASS * torch.eye(2, dtype=torch.float64)
        eye = torch.linalg.inv(viewmats)[0, :3, 3]
        rgb = (gsplat._spherical_harmonics(degree, means - eye, colors) + 0.5).clamp_min(0)
        inputs = slow.Inputs(
            means, quats, scales, None, opacities, colors, viewmats[0], Ks[0], *size
        )
        image, alpha = slow.blend(centres[0], flat[0], seen[0, :, 2], rgb, inputs)
        total = (image * torch.from_numpy(loss["image_gradients"][0])).sum()
        total = total + (alpha * torch.from_numpy(loss["alpha_gradients"][0])).sum()
        total.backward()  # type: ignore[no-untyped-call]
        ours = expected(arguments, loss)
        got = backward(arguments, loss)
        check(arguments, loss, got)
        for name, t in (
            ("means", means), ("quats", quats), ("scales", scales), ("opacities", opacities),
            ("colors", colors), ("viewmats", viewmats),
        ):  # fmt: skip
            assert t.grad is not None
            truth = t.grad.numpy()[:, :3] if name == "viewmats" else t.grad.numpy()
            assert relative(ours[name][:, :3] if name == "viewmats" else ours[name], truth) < 1e-6
