"""AvatarCore against float64: posed vertices, posed Gaussians, the picture in every format."""

from __future__ import annotations

import threading
from typing import Any

import cv2
import numpy as np
import pytest

from avatar_rt import _core
from avatar_rt.arrays import F64, Array, floats32, ints32
from avatar_rt.types import Camera
from tests.native import reference
from tests.native.scenes import random_pose, random_rig

FRAMES = ["affine", "similarity"]
CAMERA = Camera.orbit(0.3, 0.2, distance=0.5, width=94, height=70)


def render(core: _core.AvatarCore, format: str = "float32", **more: Any) -> Any:
    arguments = {
        **random_pose(1), "viewmat": CAMERA.viewmat, "K": CAMERA.K, "width": 94, "height": 70,
        "background": floats32([0.2, 0.5, 0.9]), "quality": "exact", "format": format,
    }  # fmt: skip
    return core.render(**{**arguments, **more})[0]


def expected_picture(
    rig: dict[str, Any], colors: Array | None = None, camera: Camera = CAMERA
) -> Any:
    """Image and alpha of `rig` in random_pose(1), its covariances made quaternions again."""
    vertices = reference.pose_vertices(rig, *random_pose(1).values())
    means, cov = reference.place_gaussians(rig, vertices)
    values, axes = np.linalg.eigh(cov)
    axes[np.linalg.det(axes) < 0, :, 0] *= -1
    scene = reference.Splats(
        means.astype(np.float32), quaternions(axes), np.sqrt(np.maximum(values, 0)),
        rig["opacities"], rig["colors"] if colors is None else colors,
        camera.viewmat, camera.K, 94, 70,
    )  # fmt: skip
    return reference.render(scene)


def quaternions(R: F64) -> Array:
    """(N, 3, 3) rotations → (N, 4) wxyz: the eigenvector of the largest eigenvalue of K(R)."""
    m = R
    K = np.stack([
        m[:, 0, 0] + m[:, 1, 1] + m[:, 2, 2],
        m[:, 2, 1] - m[:, 1, 2], m[:, 0, 2] - m[:, 2, 0], m[:, 1, 0] - m[:, 0, 1],
        m[:, 0, 0] - m[:, 1, 1] - m[:, 2, 2], m[:, 0, 1] + m[:, 1, 0], m[:, 0, 2] + m[:, 2, 0],
        m[:, 1, 1] - m[:, 0, 0] - m[:, 2, 2], m[:, 1, 2] + m[:, 2, 1],
        m[:, 2, 2] - m[:, 0, 0] - m[:, 1, 1],
    ], 1)  # fmt: skip
    full = np.zeros((len(m), 4, 4))
    full[:, *np.triu_indices(4)] = K
    full += np.triu(full, 1).transpose(0, 2, 1)
    return np.linalg.eigh(full)[1][:, :, -1]


@pytest.mark.parametrize("correctives", [True, False])
@pytest.mark.parametrize("seed", range(4))
def test_vertices(seed: int, correctives: bool) -> None:
    rig = random_rig(seed, "affine", correctives=correctives)
    pose = random_pose(seed)
    got = _core.AvatarCore(**rig).vertices(**pose)
    np.testing.assert_allclose(got, reference.pose_vertices(rig, *pose.values()), atol=1.5e-6)


def test_rest_pose_is_the_neutral() -> None:
    rig = random_rig(0, "affine")
    zero = {k: np.zeros_like(v) for k, v in random_pose(0).items()}
    np.testing.assert_allclose(_core.AvatarCore(**rig).vertices(**zero), rig["vertices"], atol=1e-7)


@pytest.mark.parametrize("frame", FRAMES)
@pytest.mark.parametrize("seed", range(3))
def test_gaussians(frame: str, seed: int) -> None:
    rig, pose = random_rig(seed, frame), random_pose(seed)
    means, covars = _core.AvatarCore(**rig).gaussians(**pose)
    want, cov = reference.place_gaussians(rig, reference.pose_vertices(rig, *pose.values()))
    np.testing.assert_allclose(means, want, atol=3e-6)
    upper = cov[:, [0, 0, 0, 1, 1, 2], [0, 1, 2, 1, 2, 2]]
    size = np.trace(cov, axis1=1, axis2=2)[:, None]
    assert np.abs((covars - upper) / size).max() < 2e-3  # of 1 µm on 3 mm slivers of triangles
    assert np.median(np.abs((covars - upper) / size)) < 2e-5


@pytest.mark.parametrize("frame", FRAMES)
@pytest.mark.parametrize("count", [1, 15, 300, 5_000])
def test_picture(frame: str, count: int) -> None:
    rig = random_rig(2, frame, count=count)
    rig["scales"] = rig["scales"] * np.float32(min(1, 30 / count**0.5))
    got = render(_core.AvatarCore(**rig))
    image, alpha = expected_picture(rig) if count < 1_000 else render_posed(rig)
    assert reference.psnr(got[..., :3], image) > 60
    assert reference.psnr(got[..., 3], alpha) > 60


def render_posed(rig: dict[str, Any]) -> Any:
    """What rasterize makes of the reference's posed Gaussians."""
    vertices = reference.pose_vertices(rig, *random_pose(1).values())
    means, cov = reference.place_gaussians(rig, vertices)
    upper = np.ascontiguousarray(cov[:, [0, 0, 0, 1, 1, 2], [0, 1, 2, 1, 2, 2]], np.float32)
    return _core.rasterize(
        means.astype(np.float32), None, None, upper, rig["opacities"], rig["colors"],
        CAMERA.viewmat, CAMERA.K, 94, 70, None, "exact", 1,
    )  # fmt: skip


@pytest.mark.parametrize("degree", [1, 2, 3])
def test_spherical_harmonics_are_gsplats(degree: int) -> None:
    torch = pytest.importorskip("torch")
    gsplat = pytest.importorskip("gsplat.cuda._torch_impl")
    rig = random_rig(4, "similarity")
    K = (degree + 1) ** 2
    sh = np.random.default_rng(4).normal(0, 0.3, (300, K, 3)).astype(np.float32)
    got = render(_core.AvatarCore(**{**rig, "colors": sh}))
    vertices = reference.pose_vertices(rig, *random_pose(1).values())
    means, _ = reference.place_gaussians(rig, vertices)
    eye = -CAMERA.viewmat[:3, :3].T @ CAMERA.viewmat[:3, 3]
    shaded = gsplat._spherical_harmonics(
        degree, torch.from_numpy(means - eye), torch.from_numpy(sh.astype(np.float64))
    )
    colors = np.maximum(shaded.numpy() + 0.5, 0)
    image, _ = expected_picture(rig, colors)
    assert reference.psnr(got[..., :3], image) > 60


@pytest.mark.parametrize("degree", [0, 1, 2, 3])
@pytest.mark.parametrize("frame", FRAMES)
def test_colours_follow_a_moving_camera(frame: str, degree: int) -> None:
    """Harmonics are seen along the ray from the camera to the posed Gaussian, in the world."""
    rig, pose = random_rig(4, frame), random_pose(1)
    sh = floats32(np.random.default_rng(4).normal(0, 0.4, (300, (degree + 1) ** 2, 3)))
    core = _core.AvatarCore(**{**rig, "colors": sh})
    means, _ = reference.place_gaussians(rig, reference.pose_vertices(rig, *pose.values()))
    pictures = []
    for yaw, pitch in ((0.0, 0.0), (0.9, 0.3), (2.5, -0.6), (-1.7, 1.1)):
        camera = Camera.orbit(yaw, pitch, distance=0.4, width=94, height=70)
        eye = -camera.viewmat[:3, :3].T @ camera.viewmat[:3, 3]
        basis = reference.harmonics(means - eye, degree)
        colors = np.maximum(np.einsum("nk,nkc->nc", basis, sh.astype(np.float64)) + 0.5, 0)
        image, _ = expected_picture(rig, colors, camera)
        got = render(core, viewmat=camera.viewmat, K=camera.K)
        assert reference.psnr(got[..., :3], image) > 60
        pictures.append(colors)
    alike = np.ptp(pictures, axis=0).max() < 1e-9
    assert alike == (degree == 0)


def test_formats_hold_the_same_picture() -> None:
    core = _core.AvatarCore(**random_rig(3, "similarity"))
    rgba = render(core)
    background = floats32([0.2, 0.5, 0.9])
    rgb = np.clip(rgba[..., :3] + (1 - rgba[..., 3:]) * background, 0, 1) * 255
    assert np.abs(render(core, "rgb8") - rgb).max() <= 0.501
    straight = render(core, "rgba8").astype(float)
    seen = rgba[..., 3] > 0.02
    assert np.abs(straight[..., 3] - 255 * rgba[..., 3]).max() <= 0.501
    assert (
        np.abs(straight[..., :3] - 255 * rgba[..., :3] / rgba[..., 3:].clip(1e-9))[seen].max() < 1
    )
    # cv2 rounds to whole colours first and takes chroma from one pixel of four
    i420 = render(core, "i420").astype(int)
    smooth = cv2.cvtColor(render(core, "rgb8"), cv2.COLOR_RGB2YUV_I420).astype(int)
    assert i420.shape == (105, 94)
    assert np.abs(i420[:70] - smooth[:70]).max() <= 1
    back = cv2.cvtColor(i420.astype(np.uint8), cv2.COLOR_YUV2RGB_I420).astype(float) / 255
    assert reference.psnr(back, rgb / 255) > 27


def test_i420_of_a_flat_colour_is_cv2s() -> None:
    core = _core.AvatarCore(**random_rig(3, "similarity", count=0))
    for color in ([1, 1, 1], [0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1], [0.3, 0.6, 0.1]):
        flat = render(core, "i420", background=floats32(color)).astype(int)
        rgb = np.tile(np.rint(floats32(color) * 255).astype(np.uint8), (70, 94, 1))
        assert np.abs(flat - cv2.cvtColor(rgb, cv2.COLOR_RGB2YUV_I420).astype(int)).max() <= 1


@pytest.mark.parametrize("quality", ["exact", "fast"])
def test_nv12_is_i420_in_another_order(quality: str) -> None:
    core = _core.AvatarCore(**random_rig(3, "affine"))
    i420, nv12 = (render(core, name, quality=quality) for name in ("i420", "nv12"))
    assert nv12.shape == i420.shape
    np.testing.assert_array_equal(nv12[:70], i420[:70])
    blue, red = i420[70:].reshape(2, 35, 47)
    assert blue.std() > 1
    np.testing.assert_array_equal(nv12[70:].reshape(35, 47, 2), np.dstack([blue, red]))


def test_odd_sizes_are_drawn_but_not_where_colours_are_shared() -> None:
    core = _core.AvatarCore(**random_rig(3, "affine"))
    for name, shape in (("rgb8", (33, 35, 3)), ("rgba8", (33, 35, 4)), ("float32", (33, 35, 4))):
        assert render(core, name, width=35, height=33).shape == shape
    for name in ("i420", "nv12"):
        with pytest.raises(ValueError, match="width: must be even"):
            render(core, name, width=35, height=32)
        with pytest.raises(ValueError, match="height: must be even"):
            render(core, name, width=34, height=33)


def test_timings_name_the_stages() -> None:
    core = _core.AvatarCore(**random_rig(3, "affine"))
    _, timings = core.render(
        **random_pose(1), viewmat=CAMERA.viewmat, K=CAMERA.K, width=94, height=70,
        background=floats32([0, 0, 0]), format="rgb8", quality="exact",
    )  # fmt: skip
    assert {"animate", "project", "blend"} <= set(timings)
    assert all(seconds >= 0 for seconds in timings.values())


def test_broken_gaussians_are_skipped_and_counted() -> None:
    rig = random_rig(5, "similarity")
    keep = np.ones(300, bool)
    for k, name in enumerate(["offsets", "quats", "scales", "opacities", "colors", "barycentric"]):
        rig[name][7 * k] = np.nan
        keep[7 * k] = False
    core = _core.AvatarCore(**rig)
    got = render(core)
    assert core.skipped == 6
    whole = {k: v[keep] if k in _PER_GAUSSIAN else v for k, v in rig.items()}
    np.testing.assert_allclose(got, render(_core.AvatarCore(**whole)), atol=1e-6)


_PER_GAUSSIAN = {
    "triangles", "barycentric", "offsets", "quats", "scales", "opacities", "colors",
}  # fmt: skip


def test_threads_do_not_change_a_bit() -> None:
    rig = random_rig(6, "similarity", count=40_000)
    rig["scales"] = rig["scales"] * np.float32(0.1)
    pictures = [render(_core.AvatarCore(**{**rig, "threads": t})) for t in (1, 2, 4)]
    np.testing.assert_array_equal(pictures[0], pictures[1])
    np.testing.assert_array_equal(pictures[0], pictures[2])


def test_a_triangle_without_area_stays_finite() -> None:
    rig = random_rig(7, "similarity")
    rig["vertices"][:] = 0.01
    rig["expression_basis"][:] = 0
    rig["pose_correctives"][:] = 0
    assert np.isfinite(render(_core.AvatarCore(**rig))).all()


def test_one_avatar_serves_one_caller_at_a_time() -> None:
    core = _core.AvatarCore(**random_rig(8, "affine", count=30_000))
    expected, outcomes = render(core), []

    def work() -> None:
        for _ in range(6):
            try:
                outcomes.append(np.array_equal(render(core), expected))
            except RuntimeError as error:
                outcomes.append("in use" in str(error))

    callers = [threading.Thread(target=work) for _ in range(3)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert len(outcomes) == 18
    assert all(outcomes)


BAD: list[tuple[str, Any, str]] = [
    ("faces", np.full((3, 3), 999, np.int32), r"faces: index 999 is outside \[0, 195\)"),
    ("faces", np.full((3, 3), -1, np.int32), "faces: index -1"),
    ("triangles", np.full(300, 336, np.int32), "triangles: index 336"),
    ("triangles", np.arange(300, dtype=np.int32)[::-1].copy(), "triangles: must be ascending"),
    ("parents", ints32([-1, 0, 3, 0]), "parents: a parent"),
    ("parents", ints32([-2, 0, 1, 0]), "parents: a parent"),
    ("expression_basis", np.zeros((7, 5, 3), np.float32), "expression_basis: has shape"),
    ("pose_correctives", np.zeros((9, 195, 3), np.float32), "pose_correctives: has 9 shapes"),
    ("vertices", np.full((195, 3), np.nan, np.float32), "vertices: holds a value"),
    ("weights", np.zeros((195, 5), np.float32), "weights: has shape"),
    ("joints", np.zeros((0, 3), np.float32), "joints: expected 1 to 64"),
    ("frame", "rigid", "frame: is 'rigid'"),
    ("colors", np.zeros((300, 5, 3), np.float32), "colors: expected 1, 4, 9 or 16"),
    ("colors", np.zeros((299, 3), np.float32), "colors: has shape"),
    ("barycentric", np.ones((300, 3), np.float32), "barycentric: a row sums to 3"),
    ("opacities", np.zeros(300), "opacities: has dtype float64"),
    ("threads", -2, "threads: must be"),
]


@pytest.mark.parametrize(("name", "value", "message"), BAD, ids=[b[2][:24] for b in BAD])
def test_bad_rigs_are_named(name: str, value: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        _core.AvatarCore(**{**random_rig(0, "affine"), name: value})


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("coefficients", np.zeros(6, np.float32), "coefficients: has shape"),
        ("coefficients", np.full(7, np.nan, np.float32), "coefficients: holds"),
        ("joint_rotations", np.zeros((3, 3), np.float32), "joint_rotations: has shape"),
        ("translation", np.full(3, np.inf, np.float32), "translation: holds"),
        ("format", "jpeg", "format: is 'jpeg'"),
        ("quality", "good", "quality: is 'good'"),
        ("background", np.zeros(4, np.float32), "background: has shape"),
        ("K", np.full((3, 3), np.nan), "K: holds"),
    ],
)
def test_bad_frames_are_named(name: str, value: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        render(_core.AvatarCore(**random_rig(0, "affine")), **{name: value})
