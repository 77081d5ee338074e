"""From a photograph to an avatar, step by step: fit the head, grow the hair, lay Gaussians over
both, and colour them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from avatar_rt.arrays import F32, U8, floats32, floats64
from avatar_rt.avatar import Avatar, Landmarks
from avatar_rt.errors import ParameterError
from avatar_rt.fidelity import state_fast_quality
from avatar_rt.head import close_lids, load_builtin
from avatar_rt.head.model import HeadModel
from avatar_rt.types import Camera, FaceParams
from trainer.portrait.colors import Seen, hair_colors, look, skin_colors
from trainer.portrait.features import paint_features, paint_lashes
from trainer.portrait.fit import fit_head
from trainer.portrait.hair import hair_mesh
from trainer.portrait.headfit import HeadFit
from trainer.portrait.layout import lay_gaussians
from trainer.portrait.maps import step
from trainer.portrait.mask import head_masks
from trainer.portrait.mouth import with_placed_teeth
from trainer.portrait.photo import Photo, photo_from_array, read_photo
from trainer.portrait.refine import refine
from trainer.portrait.scene import Scene, build_scene
from trainer.portrait.strands import grain
from trainer.portrait.subject import find_subject, view_of
from trainer.portrait.surface import EYES, HAIRS, Kind, Samples

Progress = Callable[[str, float], None]
Note = Callable[[str], None]
REFINEMENTS = 18
_IRIS_LEEWAY, _WHITE_LEEWAY = 0.35, 0.05
"""How far colours of eyes may follow the photograph."""
_LIP, _LIP_LEEWAY = 0.5, 0.14
"""What counts as lip, and how far its colours may follow."""


def _silent(_step: str, _fraction: float) -> None:
    """Progress for nobody."""


def _unsaid(_text: str) -> None:
    """A note for nobody."""


def make_photo(path: str | Path, *, progress: Progress = _silent, note: Note = _unsaid) -> Avatar:
    """The avatar of whoever is in a photograph file. Raises PhotoError as read_photo does."""
    progress("read the photograph", 0.0)
    return make_avatar(read_photo(path), progress=progress, note=note)


def make(image: U8, *, progress: Progress = _silent, note: Note = _unsaid) -> Avatar:
    """The avatar of whoever is in a picture, (H, W, 3) uint8 sRGB.

    Raises PhotoError for a picture without a face, or with one too small or turned too far.
    """
    return make_avatar(photo_from_array(image), progress=progress, note=note)


def make_avatar(
    photo: Photo,
    *,
    model: HeadModel | None = None,
    progress: Progress = _silent,
    note: Note = _unsaid,
) -> Avatar:
    """The avatar of whoever is in a photograph, on `model` or the built-in head."""
    rng = np.random.default_rng(0)
    progress("find the face", 0.05)
    subject = find_subject(photo)
    for text in subject.notes:
        note(text)
    progress("load the head model", 0.15)
    model = load_builtin() if model is None else model
    progress("fit the head", 0.25)
    fit = fit_head(subject.image, subject.landmarks, model, focal=subject.focal)
    progress("tell hair from skin", 0.45)
    view, camera = view_of(subject, fit)
    masks = head_masks(view, model)
    progress("grow the hair", 0.55)
    rig = close_lids(with_placed_teeth(fit.rig(), model), model.regions)
    hair = hair_mesh(view, masks, model, rig, camera)
    scene = build_scene(view, masks, fit, rig, camera, hair)
    progress("lay Gaussians over head and hair", 0.62)
    samples = lay_gaussians(scene, rng)
    progress("take colours from the photograph", 0.68)
    seen = look(scene, samples)
    painted = paint(scene, samples, seen)
    progress("match the photograph", 0.75)
    matched = refine(scene, samples, painted, seen.follow, REFINEMENTS)
    matched = _steady_lips(scene, samples, painted, _steady_eyes(scene, samples, painted, matched))
    # what was matched goes on into what was not seen
    filled = paint(scene, samples, seen.after(matched), features=matched)
    skin = samples.kinds == Kind.SKIN
    kept = np.where(skin, step(seen.follow, 0.15, 0.5), step(seen.follow, 0.05, 0.35))
    colors = floats32(filled + kept[:, None] * (matched - filled))
    avatar = Avatar(
        scene.rig,
        samples.gaussians(colors),
        _metadata(photo, model, scene, fit, subject.notes),
        Landmarks(model.landmark_faces, model.landmark_barycentric),
    )
    state_fast_quality(avatar)
    return avatar


def paint(scene: Scene, samples: Samples, seen: Seen, features: F32 | None = None) -> F32:
    """Colours (N, 3) of all Gaussians, from what was seen of them. features: (N, 3) colours of the
    eyes and the mouth, where they are known already."""
    rng = np.random.default_rng(1)
    colors = skin_colors(scene, samples, seen, rng)
    rest = floats64(samples.means(scene.rig.vertices, scene.rig.faces))
    streaks = np.zeros(len(samples), np.float32)
    hair = np.isin(samples.kinds, HAIRS)
    if hair.any():
        streaks[hair] = grain(scene, rest[hair], rng)
    colors = colors + hair_colors(scene, samples, seen, streaks)
    colors = paint_lashes(scene, samples, seen, colors)
    if features is None:
        return paint_features(scene, samples, seen, colors, rng)
    own = (samples.kinds == Kind.SKIN) | hair
    return floats32(np.where(own[:, None], colors, features))


def _steady_eyes(scene: Scene, samples: Samples, painted: F32, matched: F32) -> F32:
    """`matched` (N, 3) where eyes keep near to what was painted: the shadows and lights of one
    photograph must not turn with them, least of all on the white, where they would be seen."""
    out = matched.copy()
    rest = samples.means(scene.rig.vertices, scene.rig.faces)
    for kind, joint in zip(EYES, ("left_eye", "right_eye"), strict=True):
        mine = np.flatnonzero(samples.kinds == kind)
        eye = rest[mine] - scene.rig.joints[scene.rig.joint_names.index(joint)]
        angle = np.arctan2(np.hypot(eye[:, 0], eye[:, 1]), eye[:, 2])
        leeway = (_IRIS_LEEWAY + (_WHITE_LEEWAY - _IRIS_LEEWAY) * step(angle, 0.40, 0.50))[:, None]
        out[mine] = painted[mine] + np.clip(matched[mine] - painted[mine], -leeway, leeway)
    return out


def _steady_lips(scene: Scene, samples: Samples, painted: F32, matched: F32) -> F32:
    """`matched` (N, 3) where lips keep near to what was painted. A smile presses them thinner than
    a pixel, and what such a sliver takes on to please that pixel is a spot on lips at rest."""
    lips = scene.model.regions["lips"][:, None]
    rows = np.minimum(scene.rig.faces[samples.triangles], len(lips) - 1)
    mine = (samples.kinds == Kind.SKIN) & (lips[rows].mean((1, 2)) > _LIP)
    leeway = np.where(mine, _LIP_LEEWAY, 1.0)[:, None]
    return floats32(painted + np.clip(matched - painted, -leeway, leeway))


def _metadata(
    photo: Photo, model: HeadModel, scene: Scene, fit: HeadFit, notes: tuple[str, ...]
) -> dict[str, Any]:
    seen = fit.photo_camera()
    return {
        "name": Path(photo.name).stem,
        "head_model": {
            "name": model.name, "hash": model.source_hash, "licence": model.licence,
        },
        "provenance": {
            "source": f"photograph {photo.name}", "recipe": "instant", "synthetic": True,
            "notes": list(notes),
        },
        "camera": preferred_camera(scene),
        "photo": {
            "width": seen.width, "height": seen.height, "viewmat": _plain(seen.viewmat),
            "K": _plain(seen.K), "arkit": _plain(scene.params.arkit),
            "expression": _plain(scene.params.expression),
            "eye_pose": _plain(scene.params.eye_pose),
        },
    }  # fmt: skip


def _plain(values: ArrayLike | None) -> Any:
    """Numbers as JSON has them."""
    return np.asarray(values, float).round(9).tolist()


def preferred_camera(scene: Scene) -> dict[str, Any]:
    """Distance, focal length (× the image's smaller side) and target that show head and hair."""
    rest = scene.rig.vertices
    chin = rest[: scene.head_vertices][scene.model.regions["face"] > 0.5][:, 1].min()
    top = rest[:, 1].max()
    low = chin - 0.045
    distance, focal = 1.0, 2.2
    height = float(top - low) * 1.16
    wide = (
        float(np.ptp(rest[scene.head_vertices :, 0])) * 1.2
        if len(rest) > scene.head_vertices
        else 0
    )
    return {
        "distance": round(max(height, wide) * focal * distance, 4),
        "focal": focal,
        "target": [0.0, round(float(top + low) / 2, 4), -0.05],
    }


def photo_view(avatar: Avatar) -> tuple[Camera, FaceParams]:
    """The camera and the face with which an avatar of this recipe stands as in its photograph.

    Raises ParameterError for an avatar that holds no photograph's view.
    """
    photo = avatar.metadata.get("photo")
    if not isinstance(photo, dict):
        raise ParameterError("this avatar does not say how its photograph was taken")
    camera = Camera(
        floats64(photo["viewmat"]), floats64(photo["K"]), int(photo["width"]), int(photo["height"])
    )
    params = FaceParams(
        arkit=floats32(photo["arkit"]),
        expression=floats32(photo["expression"]),
        eye_pose=floats32(photo["eye_pose"]),
    )
    return camera, params
