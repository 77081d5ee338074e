"""Head and hair are told from face, clothes and background."""

from __future__ import annotations

from functools import cache

import numpy as np

from avatar_rt.head import load_builtin
from avatar_rt.types import Camera
from tests.trainer import astronaut
from trainer import metrics
from trainer.portrait.fit import fit_head
from trainer.portrait.hair import HairMesh, hair_mesh
from trainer.portrait.headfit import HeadFit
from trainer.portrait.mask import HeadMasks, View, head_masks
from trainer.portrait.photo import photo_from_array
from trainer.portrait.subject import find_subject, view_of


@cache
def found() -> tuple[HeadFit, View, Camera, HeadMasks]:
    subject = find_subject(photo_from_array(astronaut.photograph()))
    model = load_builtin()
    fit = fit_head(subject.image, subject.landmarks, model)
    view, camera = view_of(subject, fit)
    return fit, view, camera, head_masks(view, model)


@cache
def grown() -> HairMesh:
    fit, view, camera, masks = found()
    hair = hair_mesh(view, masks, fit.model, fit.rig(), camera)
    assert hair is not None
    return hair


def in_view(x: float, y: float) -> tuple[int, int]:
    """A pixel of the photograph → row and column of the view."""
    fit, view, camera, _ = found()
    scale = camera.K[0, 0] / fit.K[0, 0]
    u = (x - fit.K[0, 2]) * scale + camera.K[0, 2]
    v = (y - fit.K[1, 2]) * scale + camera.K[1, 2]
    assert 0 <= v < view.shape[0]
    return int(v), int(u)


def test_what_is_what() -> None:
    masks = found()[3]
    for x, y in ((230, 35), (165, 85), (290, 90), (205, 68)):  # crown, both sides, fringe
        assert masks.hair[in_view(x, y)] > 0.5
    for x, y in ((225, 120), (250, 140), (215, 100)):  # nose, cheek, under the eye
        assert masks.hair[in_view(x, y)] < 0.5
        assert masks.head[in_view(x, y)] > 0.5
    for x, y in ((140, 175), (295, 190), (225, 215), (120, 60), (320, 60)):
        # the suit's collar ring on both sides, the black collar, the wall on both sides
        assert masks.head[in_view(x, y)] < 0.5
    assert masks.person[in_view(140, 190)] > 0.5


def test_view_is_enlarged_for_a_small_face() -> None:
    _, view, camera, _ = found()
    assert view.unit > 1.5
    assert view.face_height > 180
    assert (camera.height, camera.width) == view.shape


def test_hair_fills_its_outline() -> None:
    """Drawn from the photo's camera, hair over head covers what the masks say it should."""
    fit, view, camera, masks = found()
    hair = grown()
    points = hair.vertices @ camera.viewmat[:3, :3].T + camera.viewmat[:3, 3]
    image = points @ camera.K.T
    pixels = np.concatenate([image[:, :2] / image[:, 2:], points[:, 2:]], 1).astype(np.float32)
    everything = np.concatenate([view.pixels, pixels])
    faces = np.concatenate([fit.model.template.faces, hair.faces + len(view.pixels)])
    from avatar_rt import _core  # noqa: PLC0415 - only here

    triangle, _, _ = _core.rasterize_mesh(
        everything, faces.astype(np.int32), view.shape[1], view.shape[0], 0
    )
    above = np.arange(view.shape[0])[:, None] < view.landmarks[152, 1]
    assert metrics.iou((triangle >= 0) & above, (masks.head > 0.5) & above) > 0.94


def test_hair_has_volume_behind_and_moves_with_the_head() -> None:
    fit = found()[0]
    rig, hair = fit.rig(), grown()
    scalp = rig.vertices[fit.model.regions["scalp"] > 0.5]
    assert hair.vertices[:, 2].min() < scalp[:, 2].min() - 0.003
    assert hair.vertices[:, 1].max() > scalp[:, 1].max() + 0.003
    assert np.allclose(hair.weights.sum(1), 1, atol=1e-5)
    assert not hair.weights[:, rig.joint_names.index("jaw")].any()
    assert (hair.cover[fit.model.regions["mouth_interior"] > 0.5] < 0).mean() > 0.98


def test_no_hair_without_hair_pixels() -> None:
    fit, view, camera, masks = found()
    bald = HeadMasks(masks.head, np.zeros_like(masks.hair), masks.person)
    assert hair_mesh(view, bald, fit.model, fit.rig(), camera) is None
