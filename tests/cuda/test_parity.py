"""CUDA draws what the processor draws: to 55 dB and better, and each time the same bits."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest

from avatar_rt import _core
from avatar_rt.arrays import F32, Array, floats32
from avatar_rt.avatar import Avatar
from avatar_rt.importers import import_avatar
from avatar_rt.render import Renderer
from avatar_rt.synthetic import synthetic_head
from avatar_rt.types import Camera, FaceParams, PixelFormat, Quality
from tests.avatar.lam_maker import lam_zip
from tests.cuda.devices import UNDER, both, covered, draw, needs_cuda, psnr_db, rig
from tests.factory import small_avatar
from tests.native.scenes import random_pose

pytestmark = needs_cuda

ENOUGH_DB = 55.0
FAST_DB = 1.5
"""So much farther from "exact" than the processor's "fast" may CUDA's be: it takes the same
thresholds, but rounds in other places."""
FORMATS: tuple[PixelFormat, ...] = get_args(PixelFormat)
FRONT = Camera.orbit(0.3, 0.2, distance=0.5, width=94, height=70)
CAMERAS = {
    "front": FRONT,
    "side": Camera.orbit(1.4, -0.4, distance=0.4, width=64, height=64),
    "behind": Camera.orbit(3.0, 0.1, distance=0.5, width=80, height=48),
    "very near": Camera.orbit(0.2, 0.1, distance=0.12, width=72, height=72),
    "within": Camera.orbit(0.2, 0.1, distance=0.01, width=64, height=64),
    "far": Camera.orbit(0.2, 0.1, distance=20, width=64, height=64),
    "one pixel": Camera.orbit(0.2, 0.1, distance=0.5, width=1, height=1),
    "a line": Camera.orbit(0.2, 0.1, distance=0.5, width=131, height=1),
    "a column": Camera.orbit(0.2, 0.1, distance=0.5, width=3, height=97),
}
FACE = FaceParams.from_arkit({"jawOpen": 0.6, "eyeBlinkLeft": 1, "mouthSmileRight": 0.7})


def made_lam(tmp_path: Path) -> Avatar:
    (tmp_path / "made.zip").write_bytes(lam_zip())
    return import_avatar(tmp_path / "made.zip")


AVATARS: dict[str, Callable[[Path], Avatar]] = {
    "egg": lambda _: small_avatar(),
    "made-up head": lambda _: synthetic_head(1_500),
    "LAM": made_lam,
}


def require_fast(exact: Array, got: Array, fast: Array) -> None:
    """That CUDA's "fast" is as good as the processor's."""
    assert psnr_db(got, exact) > min(psnr_db(fast, exact) - FAST_DB, ENOUGH_DB)


@pytest.mark.parametrize("name", AVATARS)
def test_avatars_are_the_same(name: str, tmp_path: Path) -> None:
    avatar = AVATARS[name](tmp_path)
    cpu, cuda = (Renderer(avatar, backend=backend) for backend in ("cpu", "cuda"))

    def picture(renderer: Renderer, face: FaceParams, yaw: float, quality: Quality) -> F32:
        camera = cpu.camera(yaw, 0.1, 100, 84)
        frame = renderer.render(face, camera, format="float32", quality=quality)
        return floats32(frame.pixels)

    for look in ((FaceParams(), 0.0), (FACE, 0.6)):
        truth = picture(cpu, *look, "exact")
        assert covered(truth) > 0.1
        assert psnr_db(picture(cuda, *look, "exact"), truth) > ENOUGH_DB
        require_fast(truth, picture(cuda, *look, "fast"), picture(cpu, *look, "fast"))


@pytest.mark.parametrize("degree", [None, 0, 1, 2, 3])
@pytest.mark.parametrize("frame", ["affine", "similarity"])
def test_frames_and_harmonics(frame: str, degree: int | None) -> None:
    cpu, cuda = both(rig(3, frame, degree=degree, count=600))
    for camera in (FRONT, CAMERAS["side"]):
        truth = draw(cpu, camera)
        assert covered(floats32(truth)) > 0.1
        assert psnr_db(draw(cuda, camera), truth) > ENOUGH_DB


@pytest.mark.parametrize("frame", ["affine", "similarity"])
@pytest.mark.parametrize("name", CAMERAS)
def test_cameras(name: str, frame: str) -> None:
    cpu, cuda = both(rig(5, frame, count=800))
    truth = draw(cpu, CAMERAS[name])
    assert psnr_db(draw(cuda, CAMERAS[name]), truth) > ENOUGH_DB
    require_fast(truth, *(draw(core, CAMERAS[name], quality="fast") for core in (cuda, cpu)))
    assert cuda.skipped == cpu.skipped == 0


def test_a_camera_that_looks_away_sees_nothing() -> None:
    away = Camera(np.diag([-1.0, 1, -1, 1]) @ FRONT.viewmat, FRONT.K, 64, 48)
    cpu, cuda = both(rig(5, "similarity"))
    for core in (cpu, cuda):
        assert not draw(core, away).any()
        assert (draw(core, away, format="rgb8") == np.rint(UNDER * 255)).all()


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("size", [(94, 70), (64, 64), (130, 34), (2, 2)])
def test_formats(format: PixelFormat, size: tuple[int, int]) -> None:
    cpu, cuda = both(rig(7, "affine", count=500))
    camera = FRONT.resized(*size)
    truth, got = (draw(core, camera, format=format) for core in (cpu, cuda))
    assert got.shape == truth.shape
    assert got.dtype == truth.dtype
    if format == "rgba8":  # of what is barely there the colour means little
        truth, got = (np.where(p[..., 3:] > 8, p, 0) for p in (truth, got))
    assert psnr_db(got, truth) > ENOUGH_DB - (format == "rgba8") * 10
    assert got.dtype == np.float32 or np.abs(got.astype(int) - truth).max() <= 3


def test_nv12_is_i420_in_another_order() -> None:
    _, cuda = both(rig(7, "affine", count=500))
    i420, nv12 = (draw(cuda, FRONT, format=format) for format in ("i420", "nv12"))
    blue, red = i420[70:].reshape(2, 35, 47)
    np.testing.assert_array_equal(nv12[:70], i420[:70])
    np.testing.assert_array_equal(nv12[70:].reshape(35, 47, 2), np.dstack([blue, red]))


@pytest.mark.parametrize("haste", range(_core.HASTES))
def test_every_haste(haste: int) -> None:
    cpu, cuda = both(rig(9, "similarity", count=900))
    for core in (cpu, cuda):
        core.haste = haste
    truth = draw(cpu, FRONT)
    require_fast(truth, *(draw(core, FRONT, quality="fast") for core in (cuda, cpu)))
    assert psnr_db(draw(cuda, FRONT), truth) > ENOUGH_DB, "exact knows no haste"


BROKEN = ("offsets", "quats", "scales", "opacities", "colors", "barycentric")


@pytest.mark.parametrize("frame", ["affine", "similarity"])
@pytest.mark.parametrize("degree", [None, 2])
def test_broken_numbers_are_skipped_and_counted(frame: str, degree: int | None) -> None:
    arguments = rig(11, frame, degree=degree, count=400)
    rng = np.random.default_rng(1)
    hit = np.zeros(400, bool)
    for name, value in zip(BROKEN, (np.nan, np.inf, -np.inf, np.nan, np.inf, np.nan), strict=True):
        rows = rng.choice(400, 7, replace=False)
        flat = arguments[name].reshape(400, -1).copy()
        flat[rows, rng.integers(0, flat.shape[1])] = value
        arguments[name] = flat.reshape(arguments[name].shape)
        hit[rows] = True
    cpu, cuda = both(arguments)
    truth, got = draw(cpu, FRONT), draw(cuda, FRONT)
    assert np.isfinite(got).all()
    assert cuda.skipped == cpu.skipped == hit.sum()
    assert psnr_db(got, truth) > ENOUGH_DB


def test_posed_vertices_and_gaussians() -> None:
    for frame in ("affine", "similarity"):
        cpu, cuda = both(rig(13, frame))
        pose = random_pose(4)
        np.testing.assert_allclose(cuda.vertices(**pose), cpu.vertices(**pose), atol=2e-6)
        for got, truth in zip(cuda.gaussians(**pose), cpu.gaussians(**pose), strict=True):
            np.testing.assert_allclose(got, truth, rtol=1e-3, atol=1e-6)


def poses(count: int) -> dict[str, Any]:
    each = [random_pose(k) for k in range(count)]
    return {name: np.stack([pose[name] for pose in each]) for name in each[0]}


@pytest.mark.parametrize("format", ["rgb8", "nv12", "float32"])
@pytest.mark.parametrize(("faces", "seen"), [(1, 1), (1, 3), (3, 1), (3, 3)])
def test_a_batch_holds_the_bits_of_single_pictures(
    faces: int, seen: int, format: PixelFormat
) -> None:
    core = _core.AvatarCore(**rig(15, "affine", degree=1), backend="cuda")
    looks = [Camera.orbit(0.4 * k, 0.1 * k, distance=0.5, width=66, height=50) for k in range(seen)]
    count = max(faces, seen)
    options: dict[str, Any] = {"background": UNDER, "format": format, "quality": "exact"}
    pixels, timings = core.render_batch(
        **poses(faces), viewmats=np.stack([c.viewmat for c in looks]),
        Ks=np.stack([c.K for c in looks]), width=66, height=50, **options,
    )  # fmt: skip
    assert len(timings) == count
    for k in range(count):
        alone = draw(core, looks[k % seen], k % faces, **options)
        np.testing.assert_array_equal(pixels[k], alone)


def test_the_same_picture_is_the_same_bits() -> None:
    core = _core.AvatarCore(**rig(17, "similarity", degree=2, count=1_000), backend="cuda")
    other = _core.AvatarCore(**rig(17, "similarity", degree=2, count=1_000), backend="cuda")
    first = draw(core, FRONT)
    draw(core, CAMERAS["very near"], 3)  # leaves other things in its memory
    for again in (draw(core, FRONT), draw(core.twin(), FRONT), draw(other, FRONT)):
        np.testing.assert_array_equal(again, first)


def test_pictures_stay_what_they_were() -> None:
    core = _core.AvatarCore(**rig(17, "affine"), backend="cuda")
    kept = [draw(core, FRONT, pose, format="rgb8") for pose in range(12)]
    copies = [picture.copy() for picture in kept]
    del core
    for picture, copy in zip(kept, copies, strict=True):
        np.testing.assert_array_equal(picture, copy)
        picture[:] = 0  # the memory is the caller's own
    assert len(np.unique(np.stack(copies).reshape(12, -1), axis=0)) == 12


def test_twins_draw_at_once() -> None:
    renderer = Renderer(small_avatar(), backend="cuda")
    views = [renderer.camera(0.3 * k, 0.1, 64, 48) for k in range(3)]
    expected = [renderer.render(FACE, view).pixels for view in views]
    twins = [renderer.twin() for _ in views]
    assert all(twin.backend == "cuda" and twin.backend_reason is None for twin in twins)
    with ThreadPoolExecutor(3) as pool:
        drawn = pool.map(
            lambda pair: [pair[0].render(FACE, pair[1]).pixels for _ in range(2)],
            zip(twins, views, strict=True),
        )
    for pictures, truth in zip(drawn, expected, strict=True):
        for picture in pictures:
            np.testing.assert_array_equal(picture, truth)


def test_an_avatar_of_nothing() -> None:
    cpu, cuda = both(rig(3, "affine", count=0))
    np.testing.assert_array_equal(draw(cuda, FRONT), draw(cpu, FRONT))


def test_many_more_entries_than_the_last_picture_had() -> None:
    """What has room for a small picture is too small for a large one, and is drawn again."""
    cpu, cuda = both(rig(19, "similarity", count=300))
    near = Camera.orbit(0.2, 0.1, distance=0.08, width=250, height=250)
    for camera in (CAMERAS["far"].resized(16, 16), near, FRONT):
        assert psnr_db(draw(cuda, camera), draw(cpu, camera)) > ENOUGH_DB
