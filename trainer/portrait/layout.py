"""Which triangles carry how many Gaussians: as fine as the photograph is, and no finer."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from avatar_rt.arrays import F32, F64, I32, floats32, ints32
from trainer.portrait.maps import step
from trainer.portrait.scene import Scene
from trainer.portrait.strands import strands
from trainer.portrait.surface import (
    EYES,
    HAIRS,
    TEETH,
    Kind,
    Samples,
    cut_triangles,
    joined,
    merged,
    subdivided_quads,
    triangle_kinds,
    whole_quads,
)

MOST = 80_000
_SKIN_AREA, _HIDDEN_AREA = 3.2e-6, 9e-6
"""Square metres of skin above which a triangle is cut, and where the photograph sees nothing."""
_SEEN_AREAS, _UNSEEN_AREA = (0.6e-6, 2.5e-6), 4e-6
"""Square metres below which triangles are taken together: within these bounds as a pixel of the
photograph is large, and where it sees nothing."""
_FINENESS = 0.7
"""Pixels of the photograph for one Gaussian."""
_COVERED = 0.004
"""Metres of hair under which skin is left out."""
_RIM_AREA = 3e-6
"""Square metres of bust for one Gaussian where it fades."""
_FADE = 0.030
"""Metres over which the bust fades out below."""


def lay_gaussians(scene: Scene, rng: np.random.Generator) -> Samples:
    """Gaussians over the whole avatar, at most MOST of them."""
    head = _head(scene)
    hair = _hair(scene, MOST - len(head), rng)
    return _faded(scene, joined([head, *hair]))


def _areas(vertices: F32, faces: I32) -> F64:
    v = vertices.astype(np.float64)
    e1, e2 = v[faces[:, 1]] - v[faces[:, 0]], v[faces[:, 2]] - v[faces[:, 0]]
    return np.asarray(np.linalg.norm(np.cross(e1, e2), axis=1) / 2)


def _pixel_areas(scene: Scene, faces: I32) -> F64:
    """(F,) pixels of the photograph that each triangle fills; 0 where it faces away."""
    p = scene.pixels.astype(np.float64)[faces]
    a, b = p[:, 1, :2] - p[:, 0, :2], p[:, 2, :2] - p[:, 0, :2]
    # counter-clockwise in a picture whose y points down
    turned = -(a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]) / 2
    return np.asarray(np.maximum(turned, 0) / scene.view.unit**2)


def _head(scene: Scene) -> Samples:
    faces = scene.model.template.faces
    rest = scene.rig.vertices[: scene.head_vertices]
    kinds = triangle_kinds(scene.model)
    left = (scene.cover < _COVERED)[faces].any(1) & (_fade(scene, rest)[faces].max(1) > 0.01)
    areas = _areas(rest, faces)
    wanted = _wanted_areas(scene, kinds)
    parts = []
    # where the mesh is finer than need be, one Gaussian takes the place of several triangles:
    # smaller than a pixel they would be drawn too large, and close what lids and lips surround
    for size, firsts in ((8, subdivided_quads(faces)), (2, whole_quads(faces))):
        members = firsts[:, None] + np.arange(size)
        fits = left[members].all(1) & (areas[members].sum(1) < 1.4 * wanted[members].mean(1))
        fits &= (kinds[members] == kinds[firsts, None]).all(1)
        left[members[fits]] = False
        parts.append(merged(firsts[fits], size, kinds[firsts[fits]]))
    single = np.flatnonzero(left)
    cut = np.clip(_cuts(scene, kinds, areas)[single], 1, 5)
    return joined([*parts, cut_triangles(ints32(single), ints32(cut), kinds[single])])


def _wanted_areas(scene: Scene, kinds: I32) -> F64:
    """(F,) square metres of the head that one Gaussian should stand for at least; 0: as it is."""
    faces = scene.model.template.faces
    pixel = scene.pixels[faces, 2].mean(1) / scene.camera.K[0, 0] * scene.view.unit
    seen = np.clip(_FINENESS * pixel**2, *_SEEN_AREAS)
    wanted = np.where(_pixel_areas(scene, faces) > 0, seen, _UNSEEN_AREA)
    wanted[np.isin(kinds, (Kind.MOUTH, Kind.TONGUE))] = _UNSEEN_AREA
    wanted[np.isin(kinds, (*EYES, *TEETH))] = 0
    return np.asarray(wanted, np.float64)


def _cuts(scene: Scene, kinds: I32, areas: F64) -> F64:
    """(F,) into how many strips each side of a triangle is cut."""
    faces, rest = scene.model.template.faces, scene.rig.vertices[: scene.head_vertices]
    shown = (kinds == Kind.SKIN) & (_pixel_areas(scene, faces) > 0.2)
    cuts = np.ceil(np.sqrt(areas / np.where(shown, _SKIN_AREA, _HIDDEN_AREA)) - 0.2)
    rim = _fade(scene, rest)[faces].min(1) < 0.99
    cuts = np.where(rim, np.ceil(np.sqrt(areas / _RIM_AREA)), cuts)
    cuts = np.where(np.isin(kinds, TEETH), 2, cuts)
    for kind, name in zip(EYES, ("left_eye", "right_eye"), strict=True):
        eye = rest - scene.rig.joints[scene.rig.joint_names.index(name)]
        angle = np.degrees(np.arctan2(np.hypot(eye[:, 0], eye[:, 1]), eye[:, 2]))[faces].min(1)
        fine = np.where(angle < 34, 4, np.where(angle < 72, 2, 1))
        cuts = np.where(kinds == kind, fine, cuts)
    return np.asarray(cuts, np.float64)


def _hair(scene: Scene, room: int, rng: np.random.Generator) -> list[Samples]:
    faces = scene.rig.faces
    mine = np.arange(scene.head_faces, len(faces))
    if not len(mine):
        return []
    areas = _pixel_areas(scene, faces[mine])
    facing = areas / np.maximum(_areas(scene.rig.vertices, faces[mine]), 1e-12)
    seen = facing > 0.45 * np.quantile(facing, 0.99)
    hidden = mine[~seen]
    each = int(np.clip(0.45 * room / max(len(hidden), 1) - 1, 1, 4))
    left = room - (1 + each) * len(hidden)
    for fineness in np.arange(1.7, 0.0, -0.05):
        cuts = np.clip(np.round(fineness * np.sqrt(areas[seen])), 1, 5)
        if (cuts**2).sum() <= left:
            break
    return [
        cut_triangles(ints32(mine[seen]), ints32(cuts), _of_hair(len(cuts))),
        cut_triangles(ints32(hidden), ints32(np.ones(len(hidden))), _of_hair(len(hidden))),
        strands(scene, hidden, each, rng),
    ]


def _of_hair(count: int) -> I32:
    return ints32(np.full(count, Kind.HAIR))


def _fade(scene: Scene, rest: F32 | F64) -> F32:
    """(N,) 1 on the bust, 0 below it: the neck ends in a smooth curve, lower in front."""
    names = scene.rig.joint_names
    neck = scene.rig.joints[names.index("neck")] if "neck" in names else np.array([0, -0.14, -0.1])
    edge = neck[1] - 0.012 - 0.25 * (rest[:, 2] - neck[2])
    return step(rest[:, 1], edge - _FADE, edge)


def _faded(scene: Scene, samples: Samples) -> Samples:
    rest = samples.means(scene.rig.vertices, scene.rig.faces)
    fade = np.where(np.isin(samples.kinds, HAIRS), 1.0, _fade(scene, rest))
    kept = fade > 0.02
    # thinner Gaussians would let their lattice show: they grow as they fade
    scales = samples.scales * (1 + 0.4 * (1 - fade[:, None]))
    opacities = samples.opacities * fade
    faded = replace(samples, opacities=floats32(opacities), scales=floats32(scales))
    return faded.picked(kept)
