"""Renderer: pixels in every format agree, cameras stand where they say, faces move as asked."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast, get_args

import cv2
import numpy as np
import pytest

import avatar_rt
from avatar_rt import _core
from avatar_rt.arrays import F32, U8, Array, floats32
from avatar_rt.avatar import Avatar
from avatar_rt.errors import BackendError, ParameterError
from avatar_rt.importers import import_avatar
from avatar_rt.render import Renderer
from avatar_rt.types import Camera, FaceParams, PixelFormat
from tests.factory import small_avatar

SIZE = 128


@pytest.fixture(scope="module")
def egg() -> Renderer:
    return Renderer(small_avatar())


def rgb(renderer: Renderer, face: FaceParams | None = None, yaw: float = 0, **more: Any) -> F32:
    camera = renderer.camera(yaw, 0, SIZE, SIZE)
    pixels = renderer.render(face or FaceParams(), camera, **more).pixels
    return floats32(pixels) / 255


def test_formats_agree(egg: Renderer) -> None:
    face, camera = FaceParams.from_arkit({"jawOpen": 0.5}), egg.camera(0.3, 0.1, SIZE, SIZE)
    pictures: dict[str, Array] = {
        f: egg.render(face, camera, background=(0.2, 0.5, 0.9), format=f).pixels
        for f in get_args(PixelFormat)
    }
    color, alpha = pictures["float32"][..., :3], pictures["float32"][..., 3:]
    expected = color + (1 - alpha) * np.array([0.2, 0.5, 0.9])
    assert pictures["rgb8"].shape == (SIZE, SIZE, 3)
    assert np.abs(pictures["rgb8"] / 255 - expected).max() < 1.01 / 255
    straight = pictures["rgba8"] / 255
    assert np.abs(straight[..., 3:] - alpha).max() < 1.01 / 255
    solid = alpha[..., 0] > 0.5
    assert np.abs(straight[..., :3] - color / np.maximum(alpha, 1e-6))[solid].max() < 1.01 / 255
    for name, code in (("i420", cv2.COLOR_YUV2RGB_I420), ("nv12", cv2.COLOR_YUV2RGB_NV12)):
        back = cv2.cvtColor(cast(U8, pictures[name]), code) / 255
        assert np.abs(back - expected).mean() < 0.01


def test_background_fills_the_corners(egg: Renderer) -> None:
    picture = rgb(egg, background=(0.0, 1.0, 0.0))
    assert np.allclose(picture[:5, :5], [0, 1, 0], atol=1 / 255)
    assert rgb(egg)[0, 0] == pytest.approx([1, 1, 1])
    assert np.abs(rgb(egg)[SIZE // 2, SIZE // 2] - 1).max() > 0.1


def test_camera_is_the_one_that_the_avatar_prefers() -> None:
    avatar = small_avatar()
    avatar.metadata["camera"] = {"distance": 0.7, "focal": 1.5, "target": [0.01, 0.02, 0.03]}
    camera = Renderer(avatar).camera(0.5, -0.2, 320, 200)
    wanted = Camera.orbit(
        0.5, -0.2, distance=0.7, focal=300, width=320, height=200, target=(0.01, 0.02, 0.03)
    )
    assert np.allclose(camera.viewmat, wanted.viewmat)
    assert np.allclose(camera.K, wanted.K)
    del avatar.metadata["camera"]
    plain = Renderer(avatar).camera(0.5, -0.2, 320, 200)
    assert np.allclose(plain.viewmat, Camera.orbit(0.5, -0.2, width=320, height=200).viewmat)


def dark_columns(picture: F32) -> Array:
    """Columns of the pixels as dark and blue as the irises."""
    dark = (picture.max(2) < 0.5) & (picture[..., 2] > picture[..., 0] + 0.05)
    return np.nonzero(dark)[1]


def test_turning_camera_and_head_go_the_ways_that_are_documented(egg: Renderer) -> None:
    middle = SIZE / 2
    assert dark_columns(rgb(egg)).mean() == pytest.approx(middle, abs=2)
    # a camera at the subject's left sees the face look towards the picture's left
    assert dark_columns(rgb(egg, yaw=0.5)).mean() < middle - 2
    to_its_left = FaceParams(head_pose=floats32([0, 0.5, 0]))
    assert dark_columns(rgb(egg, to_its_left)).mean() > middle + 2


def test_translation_moves_the_picture(egg: Renderer) -> None:
    focal = egg.camera(0, 0, SIZE, SIZE).K[0, 0]
    moved = FaceParams(translation=floats32([0.02, 0, 0]))
    shift = dark_columns(rgb(egg, moved)).mean() - dark_columns(rgb(egg)).mean()
    assert shift == pytest.approx(0.02 * focal, abs=1.5)


def test_vertices_and_gaussians_follow_the_face(egg: Renderer) -> None:
    rest = egg.vertices(FaceParams())
    assert np.allclose(rest, egg.avatar.rig.vertices, atol=1e-6)
    nodded = egg.vertices(FaceParams(head_pose=floats32([0.4, 0, 0])))
    nose = np.argmax(rest[:, 2])
    assert nodded[nose, 1] < rest[nose, 1] - 0.01
    means, covars = egg.gaussians(FaceParams())
    assert means.shape == (len(egg.avatar.gaussians.triangles), 3)
    assert covars.shape == (len(means), 6)
    assert (covars[:, [0, 3, 5]] > 0).all()


def test_explicit_eyes_replace_those_of_the_weights(egg: Renderer) -> None:
    look = FaceParams.from_arkit({"eyeLookUpLeft": 1.0})
    straight = look.with_changes(eye_pose=np.zeros((2, 3), np.float32))
    rig = egg.avatar.rig
    eyeball, rest = rig.weights[:, rig.joint_names.index("left_eye")] == 1, rig.vertices
    assert np.abs(egg.vertices(look) - rest)[eyeball].max() > 2e-3
    assert np.abs(egg.vertices(straight) - rest)[eyeball].max() < 1e-6


def test_the_public_names() -> None:
    renderer = avatar_rt.Renderer(small_avatar())
    frame = renderer.render(avatar_rt.FaceParams())
    assert frame.pixels.shape == (512, 512, 3)
    assert sum(frame.timings.values()) > 0


@pytest.mark.parametrize(
    ("face", "camera", "options", "message"),
    [
        (FaceParams(arkit=np.full(52, np.nan, np.float32)), {}, {}, "finite"),
        (FaceParams(arkit=np.zeros(51, np.float32)), {}, {}, "arkit"),
        (FaceParams(translation=floats32([0, np.inf, 0])), {}, {}, "finite"),
        (FaceParams(expression=np.zeros(3, np.float32)), {}, {}, "expression"),
        (FaceParams(jaw_pose=np.zeros(2, np.float32)), {}, {}, "do not fit"),
        (FaceParams(), {"width": 0}, {}, "image size"),
        (FaceParams(), {"width": 9000}, {}, "image size"),
        (FaceParams(), {"width": 63, "height": 64}, {"format": "i420"}, "even"),
        (FaceParams(), {"width": 64, "height": 63}, {"format": "nv12"}, "even"),
        (FaceParams(), {}, {"format": "bgr8"}, "format"),
        (FaceParams(), {}, {"background": (0, 1)}, "background"),
        (FaceParams(), {}, {"background": "abc"}, "background"),
        (FaceParams(), {}, {"background": (0, 1, 2)}, "background"),
        (FaceParams(), {}, {"background": (0, 1, np.nan)}, "background"),
    ],
)
def test_what_cannot_be_drawn(
    egg: Renderer, face: FaceParams, camera: dict[str, int], options: dict[str, Any], message: str
) -> None:
    view = Camera(np.eye(4), np.eye(3), *(camera.get(k, 64) for k in ("width", "height")))
    with pytest.raises(ParameterError, match=message):
        egg.render(face, view, **options)


def test_faces_that_cannot_be_posed(egg: Renderer) -> None:
    face = FaceParams(translation=floats32([0, np.nan, 0]))
    for pose in (egg.vertices, egg.gaussians):
        with pytest.raises(ParameterError, match=r"translation: .* not finite"):
            pose(face)


@pytest.mark.parametrize("viewmat", [np.full((4, 4), np.nan), np.eye(3)])
def test_cameras_that_are_none(egg: Renderer, viewmat: Array) -> None:
    with pytest.raises(ParameterError, match="viewmat"):
        egg.render(FaceParams(), Camera(viewmat, np.eye(3), 64, 64))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"quality": "best"}, "quality"),
        ({"backend": "tpu"}, "backend"),
        ({"threads": -1}, "threads"),
        ({"device": -1}, "device"),
    ],
)
def test_renderers_that_there_are_not(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        Renderer(small_avatar(), **options)


@pytest.mark.skipif(_core.cuda_status() == "available", reason="CUDA works here")
def test_cuda_says_why_not() -> None:
    renderer = Renderer(small_avatar())
    assert (renderer.backend, renderer.backend_reason) == ("cpu", _core.cuda_status())
    with pytest.raises(BackendError, match=f"backend 'cuda'.*{re.escape(_core.cuda_status())}"):
        Renderer(small_avatar(), backend="cuda")


# --- real avatars --------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=["p2-1", "status"])
def person(request: pytest.FixtureRequest, assets: Callable[[str], Path]) -> Renderer:
    return Renderer(import_avatar(assets(f"lam/{request.param}.zip")))


def box(picture: Array, low: tuple[float, float], high: tuple[float, float]) -> Array:
    """The part of the picture between two points given as shares of its size (x, y)."""
    (x0, y0), (x1, y1) = low, high
    return picture[round(y0 * SIZE) : round(y1 * SIZE), round(x0 * SIZE) : round(x1 * SIZE)]


EYE_BAND = (0.4, 0.42), (0.6, 0.5)
MOUTH_BOX = (0.43, 0.57), (0.57, 0.7)
FOREHEAD = (0.42, 0.3), (0.58, 0.38)


def change(person: Renderer, where: tuple[tuple[float, float], ...], **weights: float) -> float:
    """Mean absolute change of a part of the picture that ARKit weights make."""
    moved = rgb(person, FaceParams.from_arkit(weights)) - rgb(person)
    return float(np.abs(box(moved, *where)).mean())


def test_jaw_moves_the_mouth_and_not_the_forehead(person: Renderer) -> None:
    assert change(person, MOUTH_BOX, jawOpen=0.6) > 0.05
    assert change(person, FOREHEAD, jawOpen=0.6) < 1e-3


def test_blink_moves_the_eyes_and_not_the_mouth(person: Renderer) -> None:
    assert change(person, EYE_BAND, eyeBlinkLeft=1, eyeBlinkRight=1) > 0.015
    assert change(person, MOUTH_BOX, eyeBlinkLeft=1, eyeBlinkRight=1) < 1e-3


def test_left_is_the_subjects_left(person: Renderer) -> None:
    winked = np.abs(rgb(person, FaceParams.from_arkit({"eyeBlinkLeft": 1})) - rgb(person)).mean(
        (0, 2)
    )
    assert winked[SIZE // 2 :].sum() > 10 * winked[: SIZE // 2].sum()


def test_face_is_not_the_same_from_the_side(person: Renderer) -> None:
    assert np.abs(rgb(person, yaw=0.5) - rgb(person)).mean() > 0.03


def test_head_turns_over_shoulders_that_stay(person: Renderer) -> None:
    turned = rgb(person, FaceParams(head_pose=floats32([0, 0.4, 0]))) - rgb(person)
    assert np.abs(turned[: SIZE // 2]).mean() > 0.02
    assert np.abs(turned[-SIZE // 10 :]).mean() < np.abs(turned[: SIZE // 2]).mean() / 4


def test_saved_avatar_of_a_person_draws_alike(person: Renderer, tmp_path: Path) -> None:
    person.avatar.save(tmp_path / "a.avatar")
    again = Renderer(Avatar.load(tmp_path / "a.avatar"))
    assert np.abs(rgb(again) - rgb(person)).max() < 3 / 255
