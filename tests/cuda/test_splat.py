"""Plain arrays on a device: pictures and gradients against the processor's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import avatar_rt
from avatar_rt import _core
from avatar_rt.arrays import F32
from tests.cuda.devices import needs_cuda, needs_emulator
from tests.cuda.scenes import Arrays, random_arrays

pytestmark = needs_cuda

CASES: list[dict[str, Any]] = [
    {}, {"by_covariance": True}, {"sh_degree": 0}, {"sh_degree": 1}, {"sh_degree": 3},
    {"channels": 1}, {"channels": 5}, {"channels": 32, "by_covariance": True},
    {"shared": False}, {"shared": False, "sh_degree": 2}, {"views": 1}, {"views": 5, "count": 60},
    {"count": 1}, {"count": 2000, "views": 1}, {"count": 0},
]  # fmt: skip


class Drawn:
    """A scene drawn by the first device."""

    def __init__(self, scene: Arrays, quality: Any = "exact") -> None:
        views = len(scene.viewmats)
        size = (views, scene.height, scene.width)
        self.scene = scene
        self.images = _core.CudaFloats((*size, scene.channels))
        self.alphas = _core.CudaFloats(size)
        self.splats = _core.cuda_splat(
            **scene.on_device(), **scene.fixed, quality=quality, images=self.images,
            alphas=self.alphas, device=0, stream=0,
        )  # fmt: skip

    def gradients(self, of_images: F32, of_alphas: F32 | None) -> dict[str, Any]:
        """What _core.splat_backward returns."""
        views, count = len(self.scene.viewmats), self.scene.count
        out = {
            k: _core.CudaFloats(a.shape) for k, a in self.scene.gaussians.items() if a is not None
        }
        out |= {"means2d": _core.CudaFloats((views, count, 2)),
                "radii": _core.CudaFloats((views, count))}  # fmt: skip
        cameras = self.splats.backward(
            self.images, self.alphas, _core.CudaFloats(of_images),
            None if of_alphas is None else _core.CudaFloats(of_alphas), out,
        )  # fmt: skip
        return {k: a.numpy() for k, a in out.items()} | cameras


def _reference(scene: Arrays, quality: Any = "exact") -> _core.SplattedViews:
    return _core.splat(**scene.gaussians, **scene.fixed, quality=quality, threads=1)


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("case", CASES, ids=str)
def test_pictures_are_the_processors(case: dict[str, Any], seed: int) -> None:
    scene = random_arrays(seed, **case)
    images, alphas = _reference(scene)
    drawn = Drawn(scene)
    for ours, theirs in ((drawn.images, images), (drawn.alphas, alphas)):
        error = np.square(ours.numpy() - theirs).mean() if theirs.size else 0
        assert error < 10 ** (-70 / 10)
    assert drawn.splats.skipped == [0] * len(images)


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("case", CASES, ids=str)
def test_gradients_are_the_processors(case: dict[str, Any], seed: int) -> None:
    scene = random_arrays(seed, **case)
    rng = np.random.default_rng(seed)
    views, size = len(scene.viewmats), (scene.height, scene.width)
    of_images = rng.standard_normal((views, *size, scene.channels)).astype(np.float32)
    of_alphas = rng.standard_normal((views, *size)).astype(np.float32) if seed else None
    images, alphas = _reference(scene)
    theirs = _core.splat_backward(
        **scene.gaussians, **scene.fixed, image_gradients=of_images, alpha_gradients=of_alphas,
        images=images, alphas=alphas, threads=1,
    )  # fmt: skip
    ours = Drawn(scene).gradients(of_images, of_alphas)
    assert set(ours) == set(theirs) - {"skipped"}
    for name in set(ours) - {"radii"}:
        found, expected = ours[name], theirs[name]  # type: ignore[literal-required]
        assert found.shape == expected.shape
        # rounding may put a sliver of weight on either side of a threshold
        assert np.linalg.norm(found - expected) <= 2e-3 * np.linalg.norm(expected) + 1e-6, name
    both = (ours["radii"] > 0) & (theirs["radii"] > 0)
    np.testing.assert_allclose(ours["radii"][both], theirs["radii"][both], rtol=1e-3)
    # blocks of other sizes close behind other Gaussians, which had no weight any more
    one = (ours["radii"] > 0) != (theirs["radii"] > 0)
    assert (np.abs(ours["means2d"][one]) < 1e-3 * np.abs(theirs["means2d"]).max(initial=0)).all()


def test_gradients_can_be_taken_again() -> None:
    scene = random_arrays(3)
    drawn = Drawn(scene)
    of_images = np.ones(drawn.images.shape, np.float32)
    first, again = (drawn.gradients(of_images, None) for _ in range(2))
    for name in first:
        np.testing.assert_allclose(again[name], first[name], rtol=1e-3, atol=1e-4, err_msg=name)


def test_the_fast_quality_comes_near_the_exact_one() -> None:
    scene = random_arrays(4, count=2000, views=1)
    exact, fast = Drawn(scene).images.numpy(), Drawn(scene, "fast").images.numpy()
    assert 0 < np.square(exact - fast).mean() < 10 ** (-40 / 10)


def test_what_is_not_finite_is_skipped_and_spoils_nothing() -> None:
    scene = random_arrays(6, count=50, views=1)
    whole = Drawn(scene).images.numpy()
    for name, value in (("means", np.nan), ("opacities", np.nan), ("colors", np.inf),
                        ("scales", np.inf), ("quats", 0)):  # fmt: skip
        broken = random_arrays(6, count=50, views=1)
        array = broken.gaussians[name]
        array[-1] = value
        opacities = random_arrays(6, count=50, views=1)
        opacities.gaussians["opacities"][-1] = 0
        drawn = Drawn(broken)
        assert drawn.splats.skipped == [1]
        np.testing.assert_array_equal(drawn.images.numpy(), Drawn(opacities).images.numpy())
    assert np.isfinite(whole).all()


def test_entries_beyond_the_first_guess_are_recovered() -> None:
    scene = random_arrays(8, count=400, views=1)
    scales = scene.gaussians["scales"]
    scales[:] = 1  # each fills the picture: many times more tiles than the capacity's first guess
    grown = Arrays(scene.gaussians, None, scene.viewmats, scene.Ks, 600, 400, None, 3)
    images, _ = _reference(grown)
    np.testing.assert_allclose(Drawn(grown).images.numpy(), images, atol=2e-3)


def test_gradients_that_are_not_finite_are_named() -> None:
    drawn = Drawn(random_arrays(5))
    bad = np.full(drawn.images.shape, np.nan, np.float32)
    with pytest.raises(ValueError, match="image_gradients: they"):
        drawn.gradients(bad, None)


def test_arrays_that_do_not_fit_are_named() -> None:
    scene = random_arrays(7)
    size = (2, scene.height, scene.width)
    given: dict[str, Any] = scene.on_device() | scene.fixed
    given |= {"quality": "exact", "device": 0, "stream": 0, "alphas": _core.CudaFloats(size),
              "images": _core.CudaFloats((*size, 3))}  # fmt: skip

    def draw(**other: Any) -> None:
        _core.cuda_splat(**(given | other))

    with pytest.raises(ValueError, match="means: expected a CUDA array"):
        draw(means=scene.gaussians["means"])
    with pytest.raises(ValueError, match=r"scales: has shape \(5, 3\)"):
        draw(scales=_core.CudaFloats((5, 3)))

    class Elsewhere:
        """Claims that the processor's memory is a device's."""

        def __init__(self, array: F32) -> None:
            address = array.ctypes.data
            self.__cuda_array_interface__ = {
                "shape": array.shape, "typestr": "<f4", "data": (address, False), "version": 3,
            }  # fmt: skip

    means = scene.gaussians["means"]
    with pytest.raises(ValueError, match="means: is in memory of no device"):
        draw(means=Elsewhere(means))
    own = given["means"].__cuda_array_interface__

    class Liar:
        """Our own memory, and something untrue about it."""

        def __init__(self, **lie: Any) -> None:
            self.__cuda_array_interface__ = own | lie

    address = own["data"][0]
    lies: list[tuple[dict[str, Any], str]] = [
        ({"data": (0, False)}, "null"), ({"data": (address + 2, False)}, "aligned"),
        ({"data": None}, "read-only"), ({"strides": ()}, "axes"),
        ({"strides": (24, 4)}, "contiguous"), ({"typestr": "<f8"}, "<f4"),
    ]  # fmt: skip
    for lie, words in lies:
        with pytest.raises(ValueError, match=rf"means: .*{words}"):
            draw(means=Liar(**lie))
    images = given["images"].__cuda_array_interface__
    fixed = Liar(**images | {"data": (images["data"][0], True)})
    with pytest.raises(ValueError, match="images: is read-only"):
        draw(images=fixed)


@needs_emulator
def test_idle_memory_makes_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """Densification changes a batch's shape again and again."""
    for count in range(100, 160, 10):
        Drawn(random_arrays(2, count=count))
    monkeypatch.setenv("AVATAR_RT_EMULATED_MEMORY", "1")
    with pytest.raises(_core.DeviceMemoryError):
        Drawn(random_arrays(2, count=300))
    monkeypatch.delenv("AVATAR_RT_EMULATED_MEMORY")
    Drawn(random_arrays(2, count=300))


@pytest.mark.parametrize("sh_degree", [None, 2])
def test_the_public_call_draws_by_cuda(sh_degree: int | None) -> None:
    scene = random_arrays(10, sh_degree=sh_degree, views=1)
    given: dict[str, Any] = {k: a for k, a in scene.gaussians.items() if k != "covars"}
    fixed = {k: v for k, v in scene.fixed.items() if k not in ("viewmats", "Ks")}
    given |= fixed | {"viewmat": scene.viewmats[0], "K": scene.Ks[0]}
    ours = avatar_rt.rasterize(**given, backend="cuda")
    theirs = avatar_rt.rasterize(**given, backend="cpu")
    assert ours.skipped == 0
    for found, expected in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(found, expected, atol=2e-3)
