"""Numbers that are none: in each place of each parameter, skipped, counted, and never spread."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import avatar_rt
from avatar_rt import _core
from avatar_rt.arrays import Array, floats32
from avatar_rt.types import Camera
from tests.native import reference
from tests.native.scenes import core_render, random_pose, random_rig, random_scene

BROKEN = [np.nan, np.inf, -np.inf]
COUNT = 40
HIT = np.arange(COUNT) % 7 == 3  # those that break
FRONT = Camera.orbit(0.2, 0.1, distance=3.0, width=61, height=47)  # with all before it
PER_GAUSSIAN = {
    "triangles", "barycentric", "offsets", "quats", "scales", "opacities", "colors",
}  # fmt: skip


def scene_arrays() -> dict[str, Any]:
    scene = random_scene(1, COUNT)
    return {**scene.arrays(), "viewmat": FRONT.viewmat, "K": FRONT.K}


def broken_in(array: Array, place: int, value: float) -> Array:
    """A copy with `value` at one place of each row that is hit."""
    copy = array.copy()
    copy.reshape(len(array), -1)[HIT, place] = value
    return copy


PLACES = [
    (name, place, value)
    for name, width in (("means", 3), ("quats", 4), ("scales", 3), ("opacities", 1), ("colors", 3))
    for place in range(width)
    for value in BROKEN
]


@pytest.mark.parametrize(("name", "place", "value"), PLACES)
def test_in_plain_arrays(name: str, place: int, value: float) -> None:
    whole = scene_arrays()
    got = avatar_rt.rasterize(**{**whole, name: broken_in(whole[name], place, value)})
    kept = {k: v[~HIT] if np.shape(v)[:1] == (COUNT,) else v for k, v in whole.items()}
    expected = avatar_rt.rasterize(**kept)
    np.testing.assert_array_equal(got.image, expected.image)
    np.testing.assert_array_equal(got.alpha, expected.alpha)
    assert expected.skipped == 0
    assert got.skipped == HIT.sum()


@pytest.mark.parametrize("value", BROKEN)
@pytest.mark.parametrize("place", range(6))
def test_in_covariances(place: int, value: float) -> None:
    scene = replace(random_scene(1, COUNT), viewmat=FRONT.viewmat, K=FRONT.K)
    covariances = reference.covariances(scene.quats, scene.scales)
    upper = floats32(covariances[:, [0, 0, 0, 1, 1, 2], [0, 1, 2, 1, 2, 2]])
    rest: dict[str, Any] = {"quats": None, "scales": None}
    got = core_render(scene, covars=broken_in(upper, place, value), **rest)
    kept = replace(
        scene, means=scene.means[~HIT], opacities=scene.opacities[~HIT], colors=scene.colors[~HIT]
    )
    expected = core_render(kept, covars=upper[~HIT].copy(), **rest)
    assert got.skipped == HIT.sum()
    np.testing.assert_array_equal(got.image, expected.image)


@pytest.mark.parametrize("harmonics", [0, 1, 4, 16])
@pytest.mark.parametrize("frame", ["affine", "similarity"])
def test_in_an_avatar(frame: str, harmonics: int) -> None:
    rig = random_rig(5, frame, count=COUNT)
    if harmonics:
        rng = np.random.default_rng(0)
        rig["colors"] = floats32(rng.normal(0, 0.3, (COUNT, harmonics, 3)))
    kept = {k: v[~HIT] if k in PER_GAUSSIAN else v for k, v in rig.items()}
    expected = avatar_picture(_core.AvatarCore(**kept))
    for name in sorted(PER_GAUSSIAN - {"triangles"}):
        for place in range(int(np.prod(rig[name].shape[1:]))):
            for value in BROKEN:
                if name == "barycentric" and not np.isnan(value):
                    continue  # refused: such a row does not sum to 1
                core = _core.AvatarCore(**{**rig, name: broken_in(rig[name], place, value)})
                got = avatar_picture(core)
                assert core.skipped == HIT.sum(), (name, place, value)
                np.testing.assert_allclose(got, expected, atol=1e-6, err_msg=f"{name} {place}")


def avatar_picture(core: _core.AvatarCore) -> Array:
    return core.render(
        **random_pose(1), viewmat=FRONT.viewmat, K=FRONT.K, width=61, height=47,
        background=floats32([0, 0, 0]), format="float32", quality="exact",
    )[0]  # fmt: skip


def test_quaternions_of_no_length_are_broken() -> None:
    whole = scene_arrays()
    whole["quats"] = np.where(HIT[:, None], np.float32(0), whole["quats"])
    got = avatar_rt.rasterize(**whole)
    assert got.skipped == HIT.sum()
    assert np.isfinite(got.image).all()


def test_what_is_returned_is_a_pair_that_knows_more() -> None:
    got = avatar_rt.rasterize(**scene_arrays())
    image, alpha = got
    assert image is got.image
    assert alpha is got.alpha
    assert len(got) == 2
    assert got.skipped == 0


def test_signs_that_mean_nothing() -> None:
    """An opacity at or below 0 draws nothing, and is no error; a scale's sign does not count."""
    whole = scene_arrays()
    expected = avatar_rt.rasterize(**whole)
    flipped = whole["scales"] * np.where(HIT[:, None], [-1, 1, -1], [1, -1, 1]).astype(np.float32)
    got = avatar_rt.rasterize(**{**whole, "scales": flipped})
    np.testing.assert_array_equal(got.image, expected.image)
    assert got.skipped == 0

    kept = {k: v[~HIT] if np.shape(v)[:1] == (COUNT,) else v for k, v in whole.items()}
    without = avatar_rt.rasterize(**kept)
    for opacity in (0.0, -0.0, -1e-30, -1.0, -3e38):
        faded = avatar_rt.rasterize(
            **{**whole, "opacities": broken_in(whole["opacities"], 0, opacity)}
        )
        np.testing.assert_array_equal(faded.image, without.image)
        assert faded.skipped == 0


@pytest.mark.parametrize("frame", ["affine", "similarity"])
def test_signs_that_mean_nothing_to_an_avatar(frame: str) -> None:
    rig = random_rig(5, frame, count=COUNT)
    expected = avatar_picture(_core.AvatarCore(**rig))
    flipped = rig["scales"] * np.where(HIT[:, None], [-1, 1, -1], [1, -1, 1]).astype(np.float32)
    np.testing.assert_array_equal(
        avatar_picture(_core.AvatarCore(**{**rig, "scales": flipped})), expected
    )
    kept = {k: v[~HIT] if k in PER_GAUSSIAN else v for k, v in rig.items()}
    without = avatar_picture(_core.AvatarCore(**kept))
    for opacity in (0.0, -1.0, -3e38):
        core = _core.AvatarCore(**{**rig, "opacities": broken_in(rig["opacities"], 0, opacity)})
        np.testing.assert_allclose(avatar_picture(core), without, atol=1e-6)
        assert core.skipped == 0
