"""One photograph becomes an avatar that looks like it, from its own camera and from all around."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from avatar_rt.arrays import F32
from avatar_rt.avatar import Avatar
from avatar_rt.errors import ParameterError, PhotoError
from avatar_rt.render import Renderer
from avatar_rt.types import FaceParams
from tests.factory import small_avatar
from tests.trainer import astronaut
from trainer import metrics
from trainer.portrait.photo import photo_from_array, read_photo
from trainer.portrait.scene import PHOTO_SHAPE
from trainer.portrait.subject import find_subject
from trainer.recipes import instant


def test_face_looks_like_the_photograph() -> None:
    color, alpha = astronaut.as_photographed()
    photo, face = astronaut.photograph() / 255.0, astronaut.face_hull()
    made = color + (1 - alpha[..., None])
    assert metrics.psnr(made, photo, face) >= 28
    assert metrics.ssim(made, photo, face) >= 0.93


def test_head_looks_like_the_photograph_and_has_its_outline() -> None:
    color, alpha = astronaut.as_photographed()
    head = astronaut.independent_head()
    above = np.arange(512)[:, None] + 0.5 < astronaut.points()[152, 1]
    ours = (alpha > 0.5) & above
    assert metrics.iou(ours, head) >= 0.95
    ground = 0.5
    made = color + (1 - alpha[..., None]) * ground
    photo = np.where(head[..., None], astronaut.photograph() / 255.0, ground)
    assert metrics.psnr(made, photo, head | ours) >= 22
    assert metrics.ssim(made, photo, head) >= 0.85


def seen(params: FaceParams, yaw: float, pitch: float = 0.0) -> F32:
    """(256, 256, 4) premultiplied."""
    renderer = Renderer(astronaut.avatar())
    camera = renderer.camera(np.radians(yaw), np.radians(pitch), 256, 256)
    return np.asarray(renderer.render(params, camera, format="float32").pixels)


def assert_without_holes(alpha: F32) -> None:
    silhouette = ndimage.binary_fill_holes(alpha > 0.5)
    assert silhouette.sum() > 10_000
    assert alpha[silhouette].mean() >= 0.98
    # what is well inside is opaque
    inner = ndimage.binary_erosion(silhouette, iterations=4)
    inner[-40:] = False  # the bust fades out below
    assert (alpha[inner] > 0.9).mean() > 0.999


@pytest.mark.parametrize("yaw", range(0, 360, 45))
def test_no_holes_from_any_side(yaw: int) -> None:
    assert_without_holes(seen(FaceParams(), yaw)[..., 3])


@pytest.mark.parametrize(
    "weights", [{"jawOpen": 0.6}, {"eyeBlinkLeft": 1, "eyeBlinkRight": 1}, {"mouthPucker": 0.8}]
)
def test_no_holes_in_any_expression(weights: dict[str, float]) -> None:
    for yaw in (0, 40):
        assert_without_holes(seen(FaceParams.from_arkit(weights), yaw)[..., 3])


def test_open_mouth_is_dark_inside_and_shows_teeth() -> None:
    closed = seen(FaceParams(), 0)[..., :3].mean(-1)
    opened = seen(FaceParams.from_arkit({"jawOpen": 0.6}), 0)[..., :3]
    changed = np.abs(opened.mean(-1) - closed) > 0.2
    assert opened[changed].mean(-1).min() < 0.3
    pale = (opened.min(-1) > 0.6) & (np.ptp(opened, axis=-1) < 0.12)
    rows, columns = np.nonzero(changed & (opened.mean(-1) < 0.3))
    mouth = np.zeros(changed.shape, bool)
    mouth[rows.min() - 6 : rows.max(), columns.min() : columns.max()] = True
    assert (pale & mouth).sum() > 5


def test_closed_lids_hide_the_eyes_behind_skin() -> None:
    a = astronaut.avatar()
    renderer, camera = Renderer(a), None
    open_, shut = (
        np.asarray(renderer.render(FaceParams.from_arkit(w), camera).pixels).astype(float)
        for w in ({}, {"eyeBlinkLeft": 1, "eyeBlinkRight": 1})
    )
    moved = np.abs(open_ - shut).max(-1) > 50
    assert moved.sum() > 100
    skin = shut[moved]
    # neither eye white nor pupil: reddish, and neither very bright nor very dark for the most part
    assert (skin[:, 0] > skin[:, 2]).mean() > 0.95
    assert ((skin.mean(-1) > 60) & (skin.mean(-1) < 225)).mean() > 0.9


def test_avatar_is_whole_and_comes_back_from_its_file(tmp_path: Path) -> None:
    a = astronaut.avatar()
    assert len(a.gaussians.triangles) <= 80_000
    assert (np.diff(a.gaussians.triangles) >= 0).all()
    assert a.landmarks is not None
    a.save(tmp_path / "a.avatar")
    again = Avatar.load(tmp_path / "a.avatar")
    assert again.metadata == a.metadata or again.metadata["photo"] == a.metadata["photo"]
    camera, params = instant.photo_view(again)
    assert (camera.width, camera.height) == (512, 512)
    assert params.expression is not None


def test_metadata_says_where_it_came_from_and_no_more(tmp_path: Path) -> None:
    meta = astronaut.avatar().metadata
    assert meta["provenance"]["synthetic"] is True
    assert meta["provenance"]["recipe"] == "instant"
    assert meta["head_model"]["licence"]
    assert 0.3 < meta["camera"]["distance"] < 2
    folder = tmp_path / "private" / "folder"
    folder.mkdir(parents=True)
    Image.fromarray(astronaut.photograph()).save(folder / "me.png")
    assert read_photo(folder / "me.png").name == "me.png"


def test_neutral_does_not_smile() -> None:
    """In the photograph the mouth's corners are drawn up and apart; at rest they are not."""
    a = astronaut.avatar()
    renderer = Renderer(a)
    _, params = instant.photo_view(a)
    assert a.landmarks is not None
    corners = a.rig.faces[a.landmarks.faces[[61, 291]]]
    weight = a.landmarks.barycentric[[61, 291], :, None]

    def width(face: FaceParams) -> float:
        at = (renderer.vertices(face)[corners] * weight).sum(1)
        return float(np.linalg.norm(at[0] - at[1]))

    assert width(FaceParams()) < 0.97 * width(params)


def test_arkit_weights_never_drive_the_photos_own_shape() -> None:
    rig = astronaut.avatar().rig
    assert not rig.arkit_to_expression[:, rig.expression_names.index(PHOTO_SHAPE)].any()


def test_photo_view_of_an_avatar_from_elsewhere() -> None:
    with pytest.raises(ParameterError, match="photograph"):
        instant.photo_view(small_avatar())


def test_no_face() -> None:
    grey = np.full((200, 200, 3), 128, np.uint8)
    with pytest.raises(PhotoError, match="no face"):
        instant.make(grey)


def test_largest_of_several_faces_is_taken_and_said_so() -> None:
    one = astronaut.photograph()[:320, 60:380]
    small = np.asarray(Image.fromarray(one).resize((220, 220)))
    both = np.full((320, 560, 3), 200, np.uint8)
    both[:, :320], both[50:270, 330:550] = one, small
    subject = find_subject(photo_from_array(np.ascontiguousarray(both)))
    assert any("2 faces" in note and "largest" in note for note in subject.notes)
    assert subject.landmarks.points[:, 0].mean() < 320


def test_tiny_and_large_faces() -> None:
    crop = Image.fromarray(astronaut.photograph()[:260, 90:350])
    small = np.asarray(crop.resize((84, 84)))
    with pytest.raises(PhotoError, match=r"pixels large|no face"):
        find_subject(photo_from_array(np.ascontiguousarray(small)))
    soft = np.asarray(crop.resize((190, 190)))
    assert any("soft" in n for n in find_subject(photo_from_array(soft)).notes)
    large = np.asarray(crop.resize((1600, 1600)))
    assert find_subject(photo_from_array(large)).landmarks.size < 700


def test_progress_names_its_steps() -> None:
    steps: list[tuple[str, float]] = []
    with pytest.raises(PhotoError):
        instant.make(np.zeros((100, 100, 3), np.uint8), progress=lambda s, f: steps.append((s, f)))
    assert steps == [("find the face", 0.05)]
