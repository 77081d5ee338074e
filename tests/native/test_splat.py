"""splat: many views in one call are the views one by one; harmonics are gsplat's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import avatar_rt
from avatar_rt import _core
from avatar_rt.errors import ParameterError
from tests.native import gradient_reference, reference
from tests.native.batches import GAUSSIANS, many_views, one_view, with_harmonics
from tests.native.reference import Splats
from tests.native.scenes import core_render, random_scene


def view_of(arguments: dict[str, Any], v: int) -> dict[str, Any]:
    """rasterize's arguments for one view of plain colours."""
    out = dict(arguments)
    del out["sh_degree"]
    out["viewmat"], out["K"] = out.pop("viewmats")[v], out.pop("Ks")[v]
    for name in GAUSSIANS:
        if out[name] is not None and out[name].ndim == (2 if name == "opacities" else 3):
            out[name] = out[name][v]
    return out


@pytest.mark.parametrize(
    "shared", [(), GAUSSIANS, ("viewmats", "Ks"), ("quats", "scales", "opacities", "colors")]
)
@pytest.mark.parametrize("threads", [1, 2, 5])
def test_many_views_are_the_views_one_by_one(shared: tuple[str, ...], threads: int) -> None:
    batch = many_views(20, 3, tuple(s for s in shared if s not in ("viewmats", "Ks")), channels=3)
    if "viewmats" in shared:
        for name in ("viewmats", "Ks"):
            batch[name] = np.ascontiguousarray(np.broadcast_to(batch[name][:1], batch[name].shape))
    batch["background"] = np.array([0.2, 0.5, 0.9], np.float32)
    images, alphas = _core.splat(**{**batch, "threads": threads})
    for v in range(3):
        image, alpha = _core.rasterize(**view_of(batch, v))
        np.testing.assert_array_equal(images[v], image)
        np.testing.assert_array_equal(alphas[v], alpha)


@pytest.mark.parametrize("degree", [0, 1, 2, 3])
def test_harmonics_agree_with_float64(degree: int) -> None:
    scene = random_scene(30 + degree)
    arguments = with_harmonics(scene, degree, degree)
    images, alphas = _core.splat(**arguments)
    tensors: dict[str, Any] = {
        k: torch.from_numpy(np.float64(v)) if isinstance(v, np.ndarray) else v
        for k, v in scene.arrays().items()
    }
    tensors["colors"] = torch.from_numpy(arguments["colors"].astype(np.float64))
    inputs = gradient_reference.Inputs(**tensors, covars=None, sh_degree=degree)
    image, alpha = gradient_reference.splat(inputs)
    assert reference.psnr(images[0], image.numpy()) > 60
    assert reference.psnr(alphas[0], alpha.numpy()) > 60


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_harmonics_that_are_not_finite_leave_their_gaussian_out(value: float) -> None:
    scene = random_scene(33)
    arguments = with_harmonics(scene, 2, 0)
    keep = np.arange(60) != 7
    broken = arguments["colors"].copy()
    broken[7, 4, 1] = value
    one = _core.splat(**{**arguments, "colors": broken})
    assert one.skipped.tolist() == [1]
    names = ("means", "quats", "scales", "opacities", "colors")
    two = _core.splat(**{**arguments, **{n: arguments[n][keep] for n in names}})
    for a, b in zip(one, two, strict=True):
        np.testing.assert_array_equal(a, b)


def test_the_public_call_takes_batches() -> None:
    batch = many_views(40, 2, ("colors",))
    names = ("means", "quats", "scales", "opacities", "colors", "width", "height")
    plain = {name: batch[name] for name in names}
    images, alphas = avatar_rt.rasterize(**plain, viewmat=batch["viewmats"], K=batch["Ks"])
    expected = _core.splat(**batch)
    np.testing.assert_array_equal(images, expected[0])
    np.testing.assert_array_equal(alphas, expected[1])
    # many poses before one camera
    images, _ = avatar_rt.rasterize(**plain, viewmat=batch["viewmats"][0], K=batch["Ks"][0])
    np.testing.assert_array_equal(images[0], expected[0][0])
    assert images.shape == (2, 47, 61, 3)
    # one pose, one camera, harmonics
    sh = with_harmonics(random_scene(40), 1, 0)
    image, alpha = avatar_rt.rasterize(
        **{n: sh[n] for n in names}, viewmat=sh["viewmats"][0], K=sh["Ks"][0], sh_degree=1
    )
    np.testing.assert_array_equal(image, _core.splat(**sh)[0][0])
    assert alpha.shape == (47, 61)
    broken = np.array(sh["colors"])
    broken[3] = np.nan
    views = avatar_rt.rasterize(**plain, viewmat=batch["viewmats"], K=batch["Ks"])
    assert np.array_equal(views.skipped, [0, 0])
    view = avatar_rt.rasterize(
        **{n: sh[n] for n in names} | {"colors": broken}, viewmat=sh["viewmats"][0], K=sh["Ks"][0],
        sh_degree=1,
    )  # fmt: skip
    assert view.skipped == 1


def test_the_public_call_names_what_is_wrong_in_a_batch() -> None:
    scene = random_scene(41)
    twice = {"viewmat": np.stack([scene.viewmat] * 2)}
    with pytest.raises(ParameterError, match=r"^opacities: has 3 views .* means has 2"):
        avatar_rt.rasterize(**{
            **scene.arrays(), "means": np.stack([scene.means] * 2),
            "opacities": np.stack([scene.opacities] * 3),
        })  # fmt: skip
    with pytest.raises(ParameterError, match=r"^K: has shape \(3,\)"):
        avatar_rt.rasterize(**{**scene.arrays(), **twice, "K": np.ones(3)})
    with pytest.raises(ParameterError, match=r"^sh_degree: must be"):
        avatar_rt.rasterize(**scene.arrays(), sh_degree=4)
    with pytest.raises(ParameterError, match=r"^colors: has 4 harmonics, sh_degree 2 needs 9"):
        sh = np.zeros((60, 4, 3), np.float32)
        avatar_rt.rasterize(**{**scene.arrays(), "colors": sh}, sh_degree=2)
    with pytest.raises(ParameterError, match=r"^K: focal lengths"):
        avatar_rt.rasterize(**{**scene.arrays(), **twice, "K": np.zeros((3, 3))})
    with pytest.raises(ParameterError, match=r"^viewmats: has no inverse"):
        sh = np.zeros((60, 1, 3), np.float32)
        flat = np.diag([1.0, 1, 0, 1])
        avatar_rt.rasterize(**{**scene.arrays(), "colors": sh, "viewmat": flat}, sh_degree=0)


def test_no_views_and_no_gaussians_are_allowed() -> None:
    arguments = one_view(random_scene(42))
    none = {"viewmats": np.zeros((0, 4, 4)), "Ks": np.zeros((0, 3, 3))}
    images, alphas = _core.splat(**{**arguments, **none})
    assert images.shape == (0, 47, 61, 3)
    assert alphas.shape == (0, 47, 61)
    empty = {n: arguments[n][:0] for n in ("means", "quats", "scales", "opacities", "colors")}
    images, alphas = _core.splat(**{**arguments, **empty})
    assert not images.any()
    assert not alphas.any()


BAD: list[tuple[str, Any, str]] = [
    ("means", np.zeros((2, 60, 3), np.float32), r"means: has shape \(2, 60, 3\)"),
    ("quats", np.zeros((3, 4), np.float32), "quats: has shape"),
    ("covars", np.zeros((60, 6), np.float32), "covars: give either"),
    ("colors", np.zeros((60, 33), np.float32), "colors: has 33 channels"),
    ("viewmats", np.eye(4), "viewmats: has shape"),
    ("viewmats", np.full((1, 4, 4), np.nan), "viewmat: holds a value that is not finite"),
    ("Ks", np.zeros((2, 3, 3)), "Ks: has shape"),
    ("sh_degree", -1, "sh_degree: must be"),
    ("width", 0, "width: must be"),
    ("background", np.zeros(4, np.float32), "background: has shape"),
    ("quality", "best", "quality: is"),
    ("threads", -1, "threads: must be"),
]


@pytest.mark.parametrize(("name", "value", "message"), BAD, ids=[b[0] for b in BAD])
def test_bad_arguments_are_named(name: str, value: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        _core.splat(**{**one_view(random_scene(0)), name: value})


def test_single_calls_draw_what_they_drew() -> None:
    scene: Splats = random_scene(43)
    image, alpha = avatar_rt.rasterize(**scene.arrays(), threads=1)
    expected = core_render(scene)
    np.testing.assert_array_equal(image, expected[0])
    np.testing.assert_array_equal(alpha, expected[1])
