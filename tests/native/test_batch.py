"""Many pictures in one call: the bits of single ones. Twins: one avatar for several callers."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest

from avatar_rt import _core
from avatar_rt.arrays import Array, floats32
from avatar_rt.types import Camera
from tests.native.scenes import random_pose, random_rig

SIZE = {"width": 94, "height": 70}
FORMATS = ["rgb8", "rgba8", "i420", "nv12", "float32"]


def cameras(count: int) -> list[Camera]:
    return [Camera.orbit(0.4 * k, 0.1 * k, distance=0.5, width=94, height=70) for k in range(count)]


def poses(count: int) -> dict[str, Any]:
    """`count` poses, stacked."""
    each = [random_pose(k) for k in range(count)]
    return {name: np.stack([pose[name] for pose in each]) for name in each[0]}


def views(seen: list[Camera]) -> dict[str, Any]:
    return {"viewmats": np.stack([c.viewmat for c in seen]), "Ks": np.stack([c.K for c in seen])}


def options(**more: Any) -> dict[str, Any]:
    plain = {"background": floats32([0.2, 0.5, 0.9]), "format": "rgb8", "quality": "exact"}
    return {**SIZE, **plain, **more}


def one_by_one(
    core: _core.AvatarCore, count: int, faces: int, seen: list[Camera], **more: Any
) -> Array:
    """What single calls of render draw."""
    pictures = []
    for k in range(count):
        camera = seen[k % len(seen)]
        arguments = {**random_pose(k % faces), "viewmat": camera.viewmat, "K": camera.K}
        pictures.append(core.render(**arguments, **options(**more))[0])
    return np.stack(pictures)


@pytest.fixture(scope="module")
def rig() -> dict[str, Any]:
    return random_rig(6, "similarity", count=3_000)


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize(
    ("faces", "seen"), [(1, 1), (1, 2), (1, 3), (2, 1), (7, 1), (1, 8), (3, 3), (8, 8)]
)
def test_a_batch_holds_the_bits_of_single_pictures(
    rig: dict[str, Any], faces: int, seen: int, threads: int
) -> None:
    core = _core.AvatarCore(**{**rig, "threads": threads})
    count, looks = max(faces, seen), cameras(seen)
    expected = one_by_one(core, count, faces, looks)
    for _ in range(2):  # nothing of the batch before is left in the memory of its workers
        pixels, timings = core.render_batch(**poses(faces), **views(looks), **options())
        np.testing.assert_array_equal(pixels, expected)
    assert len(timings) == count
    assert all(set(spent) == {"animate", "project", "blend"} for spent in timings)
    assert len(np.unique(expected.reshape(count, -1), axis=0)) == count


@pytest.mark.parametrize("quality", ["exact", "fast"])
@pytest.mark.parametrize("format", FORMATS)
def test_every_format_comes_in_batches(rig: dict[str, Any], format: str, quality: str) -> None:
    core = _core.AvatarCore(**{**rig, "threads": 2})
    more = {"format": format, "quality": quality}
    pixels, _ = core.render_batch(**poses(5), **views(cameras(5)), **options(**more))
    np.testing.assert_array_equal(pixels, one_by_one(core, 5, 5, cameras(5), **more))


def test_odd_pictures_lie_one_behind_the_other(rig: dict[str, Any]) -> None:
    core = _core.AvatarCore(**{**rig, "threads": 2})
    odd = {"width": 33, "height": 17}
    for format in ("rgb8", "rgba8", "float32"):
        more = {**odd, "format": format}
        pixels, _ = core.render_batch(**poses(3), **views(cameras(3)), **options(**more))
        np.testing.assert_array_equal(pixels, one_by_one(core, 3, 3, cameras(3), **more))


def test_each_picture_may_have_its_own_background(rig: dict[str, Any]) -> None:
    core = _core.AvatarCore(**rig)
    under = floats32(np.random.default_rng(0).uniform(size=(3, 3)))
    pixels, _ = core.render_batch(
        **poses(1), **views(cameras(3)), **options(background=under, format="i420")
    )
    for k, look in enumerate(cameras(3)):
        alone = one_by_one(core, 1, 1, [look], background=under[k], format="i420")
        np.testing.assert_array_equal(pixels[k : k + 1], alone)


def test_harmonics_are_shaded_for_each_camera(rig: dict[str, Any]) -> None:
    harmonics = floats32(np.random.default_rng(1).normal(0, 0.4, (3_000, 9, 3)))
    core = _core.AvatarCore(**{**rig, "colors": harmonics, "threads": 2})
    pixels, _ = core.render_batch(**poses(1), **views(cameras(5)), **options())
    np.testing.assert_array_equal(pixels, one_by_one(core, 5, 1, cameras(5)))


def test_no_pictures_are_an_empty_array(rig: dict[str, Any]) -> None:
    core = _core.AvatarCore(**rig)
    nobody = {k: v[:0] for k, v in poses(1).items()}
    nowhere = {k: v[:0] for k, v in views(cameras(1)).items()}
    for faces, looks in ((nobody, nowhere), (poses(1), nowhere), (nobody, views(cameras(1)))):
        pixels, timings = core.render_batch(**faces, **looks, **options())
        assert pixels.shape == (0, 70, 94, 3)
        assert timings == []


def test_the_worst_picture_says_how_many_were_skipped(rig: dict[str, Any]) -> None:
    core = _core.AvatarCore(**rig)
    far = poses(2)
    far["translation"][0] = [3e38, 0, -1]  # where float32 cannot project
    core.render_batch(**far, **views(cameras(1)), **options())
    assert core.skipped == 3_000
    core.render_batch(**poses(2), **views(cameras(1)), **options())
    assert core.skipped == 0


BAD: list[tuple[dict[str, Any], str]] = [
    ({**poses(3), **views(cameras(2))}, "viewmats: has 2 cameras for 3 poses"),
    ({**poses(2), **views(cameras(3))}, "viewmats: has 3 cameras for 2 poses"),
    ({"coefficients": poses(3)["coefficients"]}, r"joint_rotations: has shape \(2, 4, 3\)"),
    ({"translation": np.zeros((1, 3), np.float32)}, "translation: has shape"),
    ({"Ks": np.zeros((3, 3, 3))}, "Ks: has shape"),
    ({"viewmats": np.zeros((2, 3, 4))}, "viewmats: has shape"),
    ({"viewmats": np.stack([np.eye(4), np.full((4, 4), np.nan)])}, "viewmat: holds a value"),
    ({"coefficients": np.full((2, 7), np.inf, np.float32)}, "coefficients: holds"),
    ({"background": np.zeros((3, 3), np.float32)}, r"background: has shape \(3, 3\)"),
    ({"background": np.zeros((1, 3), np.float32)}, r"background: has shape \(1, 3\)"),
    ({"background": None}, "background: expected a NumPy array"),
    ({"format": "i420", "width": 93}, "width: must be even"),
    ({"width": 5000}, "width: must be in"),
]


@pytest.mark.parametrize(("wrong", "message"), BAD, ids=[b[1][:24] for b in BAD])
def test_bad_batches_are_named_and_harm_nobody(
    rig: dict[str, Any], wrong: dict[str, Any], message: str
) -> None:
    core = _core.AvatarCore(**rig)
    good = {**poses(2), **views(cameras(2)), **options()}
    before, _ = core.render_batch(**good)
    with pytest.raises(ValueError, match=message):
        core.render_batch(**{**good, **wrong})
    np.testing.assert_array_equal(core.render_batch(**good)[0], before)


def test_twins_outlive_one_another(rig: dict[str, Any]) -> None:
    first = _core.AvatarCore(**rig)
    expected = one_by_one(first, 3, 3, cameras(3))
    second = first.twin()
    del first
    np.testing.assert_array_equal(one_by_one(second, 3, 3, cameras(3)), expected)
    assert second.vertices(**random_pose(0)).shape == (195, 3)


def test_twins_work_at_once() -> None:
    first = _core.AvatarCore(**{**random_rig(8, "affine", count=30_000), "threads": 2})
    expected = [one_by_one(first, 1, 1, [look]) for look in cameras(4)]
    same: list[bool] = []

    def watch(core: _core.AvatarCore, k: int) -> None:
        for _ in range(5):
            alone = one_by_one(core, 1, 1, [cameras(4)[k]])
            several, _ = core.render_batch(**poses(1), **views([cameras(4)[k]] * 3), **options())
            same.append(np.array_equal(alone, expected[k]))
            same.extend(np.array_equal(picture, expected[k][0]) for picture in several)

    watchers = [threading.Thread(target=watch, args=(first.twin(), k)) for k in range(4)]
    for watcher in watchers:
        watcher.start()
    for watcher in watchers:
        watcher.join()
    assert len(same) == 80
    assert all(same)
