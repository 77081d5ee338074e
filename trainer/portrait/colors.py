"""Colours: from the photograph where it saw the surface, and a smooth, living guess elsewhere.

Trust says how well the photograph saw a Gaussian. Low frequencies are solved for on the mesh, as a
membrane that trusted colours hold; so they spread along the surface and leave no seam. On top of
that come details: the photograph's own, those of the mirrored place, or grain of the same strength.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise

import cv2
import numpy as np
from scipy import ndimage, sparse
from scipy.sparse.linalg import splu
from scipy.spatial import cKDTree

from avatar_rt import _core
from avatar_rt.arrays import F32, F64, I32, Array, floats32, floats64
from trainer.portrait.maps import at_pixels, signed_distance, step
from trainer.portrait.mask import CHIN, INNER_LIPS, LEFT_EYE, RIGHT_EYE
from trainer.portrait.scene import Scene
from trainer.portrait.surface import EYES, HAIRS, TEETH, Kind, Samples


@dataclass(frozen=True, slots=True)
class Seen:
    """What the photograph says about N Gaussians."""

    pixels: F32
    """(N, 2) where each lies in the view."""
    colors: F32
    """(N, 3) the view's colour there."""
    trust: F32
    """(N,) in [0, 1]: how far that is the Gaussian's own colour."""
    worn: F32
    """(N,) in [0, 1]: how far it is that of clothes over it."""
    follow: F32
    """(N,) in [0, 1]: how far a fit of colours may change it."""

    def after(self, colors: F32) -> Seen:
        """The same, once `colors` (N, 3) have been fitted: what could follow is believed too."""
        return replace(self, colors=colors, trust=np.maximum(self.trust, self.follow))


def look(scene: Scene, samples: Samples) -> Seen:
    """What the photograph shows at each Gaussian, and how far that can be believed."""
    view, faces = scene.view, scene.rig.faces
    points = samples.means(scene.points, faces)
    image = points @ scene.camera.K.T
    pixels = floats32(image[:, :2] / image[:, 2:])
    normals = samples.at(scene.normals, faces)
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-9)
    to_camera = -points / np.linalg.norm(points, axis=1, keepdims=True)
    facing = (normals * to_camera).sum(1)
    _, _, depth = _core.rasterize_mesh(scene.pixels, faces, view.shape[1], view.shape[0], 0)
    hair = np.isin(samples.kinds, HAIRS)
    nearest = cv2.erode(np.where(np.isfinite(depth), depth, 1e3), np.ones((3, 3)))
    gap = points[:, 2] - at_pixels(floats32(nearest), pixels)
    trust = step(facing, 0.25, 0.6) * step(-gap, -0.012, -0.005)
    trust[hair] = (step(facing, 0.2, 0.6) * step(-gap, -0.02, -0.01))[hair]
    own, worn, near = _allowed(scene, samples, pixels)
    follow = np.maximum(trust * own, near * step(facing, 0.05, 0.3) * step(-gap, -0.02, -0.01))
    return Seen(pixels, at_pixels(view.image, pixels), trust * own, trust * worn, follow)


def _allowed(scene: Scene, samples: Samples, pixels: F32) -> tuple[F32, F32, F32]:
    """Whether a Gaussian's pixel shows what it is (no edges that have bled, no eyes on lids, no
    teeth on lips, no hair on skin), clothes over it, or something like enough to follow a little;
    each (N,)."""
    view, unit = scene.view, scene.view.unit
    hair = scene.masks.hair > 0.5
    head = scene.masks.head > 0.5
    bare = at_pixels(signed_distance(head & ~hair), pixels) / unit
    outline = at_pixels(signed_distance(head), pixels) / unit
    openings = view.polygon(LEFT_EYE) | view.polygon(RIGHT_EYE)
    mouth = view.polygon(INNER_LIPS)
    off_eyes = -at_pixels(signed_distance(openings), pixels) / unit
    in_mouth = at_pixels(signed_distance(mouth), pixels) / unit
    skin = (
        step(bare, 0.5, 2.0)
        * step(outline, 1.0, 3.5)
        * step(off_eyes, 1.0, 2.0)
        * step(-in_mouth, 0.4, 1.6)
    )
    # under the chin skin ends at a collar, whose shadow is not the skin's own
    low = pixels[:, 1] > view.landmarks[CHIN, 1]
    skin *= np.where(low, step(outline, 2.0, 5.0), 1)
    person = at_pixels(signed_distance(scene.masks.person > 0.5), pixels) / unit
    worn = step(person, 2, 5) * step(-outline, 0.5, 2.0) * low
    worn[samples.kinds != Kind.SKIN] = 0
    allowed = skin
    near = 0.6 * step(outline, 1.2, 3.0) * step(off_eyes, 0.0, 1.0)
    near *= step(-in_mouth, 0.2, 1.2) * step(bare, -1.2, 0.2) * ~low
    inside = at_pixels(signed_distance(hair), pixels) / unit
    of_hair = np.isin(samples.kinds, HAIRS)
    allowed[of_hair] = (step(inside, 0.3, 1.2) * step(outline, 1.2, 3.5))[of_hair]
    teeth = np.isin(samples.kinds, TEETH)
    allowed[teeth] = step(in_mouth, 0.6, 1.6)[teeth]
    others = np.isin(samples.kinds, (*EYES, Kind.TONGUE, Kind.MOUTH))
    allowed[others] = 0
    near[samples.kinds != Kind.SKIN] = 0
    eyes = np.isin(samples.kinds, EYES)
    near[eyes] = (0.4 * step(off_eyes, -0.3, -1.2))[eyes]
    return floats32(allowed), floats32(worn), floats32(near)


def membrane(faces: I32, count: int, values: F64, weights: F64, tension: float = 4.0) -> F32:
    """(V, 3) colours on a mesh: least squares between `values` (V, 3), held by `weights` (V,),
    and equality of neighbours, held by `tension`. Unheld parts get what surrounds them."""
    i = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    half = sparse.coo_matrix((np.ones(len(i)), (i[:, 0], i[:, 1])), shape=(count, count))
    near = ((half + half.T) > 0).astype(np.float64)
    degree = np.asarray(near.sum(1)).ravel()
    mean = (values * weights[:, None]).sum(0) / max(weights.sum(), 1e-9)
    # a trace of the mean keeps pieces that nothing holds from being undetermined
    hold = weights + 1e-6
    matrix = sparse.diags(hold + tension * degree) - tension * near
    right = values * weights[:, None] + 1e-6 * mean
    return floats32(splu(matrix.tocsc(), permc_spec="MMD_AT_PLUS_A").solve(floats64(right)))


def spread_to_vertices(
    samples: Samples, faces: I32, count: int, values: F32, weights: F32
) -> tuple[F64, F64]:
    """Weighted means of the Gaussians' values (N, 3) at the vertices around them: (V, 3), (V,)."""
    share = samples.barycentric * weights[:, None]
    corner = faces[samples.triangles]
    total = np.bincount(corner.ravel(), share.ravel(), count)
    sums = [
        np.bincount(corner.ravel(), (share * values[:, k : k + 1]).ravel(), count) for k in range(3)
    ]
    means = np.stack(sums, 1) / np.maximum(total, 1e-9)[:, None]
    return means, np.minimum(total, 1.0)


def skin_colors(scene: Scene, samples: Samples, seen: Seen, rng: np.random.Generator) -> F32:
    """(N, 3) colours for the Gaussians of kind SKIN (zeros elsewhere)."""
    skin = np.flatnonzero(samples.kinds == Kind.SKIN)
    mine, trust, photo = samples.picked(skin), seen.trust[skin], seen.colors[skin]
    faces, count = scene.model.template.faces, scene.head_vertices
    values, weights = spread_to_vertices(mine, faces, count, photo, trust)
    on_skin = np.zeros(len(faces), bool)
    on_skin[np.unique(mine.triangles)] = True
    base = floats32(mine.at(membrane(faces[on_skin], count, values, weights), faces))
    # stubble, sideburns and shadows of hair stay where they are; only bare skin goes on elsewhere
    bare = floats32(trust * _skin_likeness(photo, trust))
    values, weights = spread_to_vertices(mine, faces, count, photo, bare)
    spread = floats32(mine.at(membrane(faces[on_skin], count, values, weights), faces))
    detail = photo - base
    # what was not seen takes the detail of its mirror image, if that was
    rest = mine.at(scene.rig.vertices, faces)
    good = np.flatnonzero(trust > 0.7)
    filled = np.zeros_like(base)
    if len(good):
        far, other = cKDTree(rest[good]).query(rest * [-1, 1, 1], distance_upper_bound=0.003)
        found = np.isfinite(far) & (trust < 0.99)
        filled[found] = detail[good[other[found]]]
        grain = float(np.std(detail[good] @ [0.3, 0.6, 0.1]))
        plain = ~found
        filled[plain] = rng.normal(0, 0.35 * min(grain, 0.03), (int(plain.sum()), 1))
    own = floats32(trust[:, None] * photo + (1 - trust[:, None]) * (spread + filled))
    colors = np.zeros((len(samples), 3), np.float32)
    worn = seen.worn[skin]
    colors[skin] = _clothed(scene, mine, own, trust, worn, photo, floats64(rest))
    return colors


def _skin_likeness(colors: F32, trust: F32) -> F32:
    """(N,) how far colours are those of most of the trusted skin, shaded or lit."""
    good = colors[trust > 0.8]
    if len(good) < 50:
        return np.ones(len(colors), np.float32)
    light = good.mean(1)
    usual = max(float(np.median(light)), 1e-3)
    tint = good / np.maximum(light, 1e-3)[:, None]
    middle = np.median(tint, axis=0)
    tints = np.maximum(1.48 * np.median(np.abs(tint - middle), axis=0), 0.04)
    own = colors.mean(1)
    off = np.abs(colors / np.maximum(own, 1e-3)[:, None] - middle) / tints
    return floats32(step(own / usual, 0.32, 0.48) * step(-off.max(1), -5, -3))


def _clothed(
    scene: Scene, samples: Samples, colors: F32, trust: F32, worn: F32, photo: F32, rest: F64
) -> F32:
    """Skin colours (N, 3) with a collar over them, where the photograph shows one: below a height
    that is found for each direction in front, and goes on around the neck."""
    if worn.sum() < 100:
        return colors
    faces, count = scene.model.template.faces, scene.head_vertices
    values, weights = spread_to_vertices(samples, faces, count, photo, worn)
    on_skin = np.zeros(len(faces), bool)
    on_skin[np.unique(samples.triangles)] = True
    cloth = floats32(samples.at(membrane(faces[on_skin], count, values, weights, 12.0), faces))
    neck = rest[worn > 0.3].mean(0)
    around = np.arctan2(rest[:, 0], rest[:, 2] - min(neck[2] - 0.06, -0.08))
    middles, heights = [], []
    for low, high in pairwise(np.linspace(-1.0, 1.0, 10)):
        inside = (around >= low) & (around < high)
        dressed = inside & (worn > 0.5)
        skin = inside & (trust > 0.5) & (rest[:, 1] < neck[1] + 0.06)
        if dressed.sum() > 8:
            middles.append((low + high) / 2)
            heights.append(_border(rest[skin, 1], rest[dressed, 1]))
    if not middles:
        return colors
    usual = float(np.median(heights))
    steady = np.clip(ndimage.median_filter(heights, 3), usual - 0.02, usual + 0.015)
    collar = np.interp(around, middles, steady)
    # behind, where nothing was seen, a collar stands as high as at its sides
    share = (step(collar - rest[:, 1], -0.0015, 0.0015) * (1 - trust))[:, None]
    return floats32(colors * (1 - share) + cloth * share)


def _border(above: Array, below: Array) -> float:
    """The height that best parts two sets of heights."""
    tried = np.unique(np.concatenate([above, below, [below.max() + 1e-3]]))
    wrong = [(above < t).sum() + (below >= t).sum() for t in tried]
    return float(tried[int(np.argmin(wrong))])


def hair_colors(scene: Scene, samples: Samples, seen: Seen, strands: F32) -> F32:
    """(N, 3) colours for the Gaussians of kind HAIR (zeros elsewhere).

    strands: (N,) grain that runs along the hair, mean 0 and deviation 1.
    """
    colors = np.zeros((len(samples), 3), np.float32)
    hair = np.flatnonzero(np.isin(samples.kinds, HAIRS))
    if not len(hair):
        return colors
    mine, trust, photo = samples.picked(hair), seen.trust[hair], seen.colors[hair]
    faces, count = scene.rig.faces, len(scene.rig.vertices)
    values, weights = spread_to_vertices(mine, faces, count, photo, trust)
    first = scene.head_vertices
    own = faces[scene.head_faces :] - first
    smooth = np.zeros((count, 3), np.float32)
    smooth[first:] = membrane(own, count - first, values[first:], weights[first:])
    base = floats32(mine.at(smooth, faces))
    good = trust > 0.7
    detail = photo - base
    if good.sum() > 20:
        # colours of hair lie along one axis, from its shadows to its gloss
        spread = detail[good] - detail[good].mean(0)
        variance, axes = np.linalg.eigh(spread.T @ spread / len(spread))
        strength = min(float(np.sqrt(max(variance[2], 0.0))), 0.11)
        gloss = axes[:, 2] * strength * np.sign(axes[:, 2].sum())
    else:
        gloss = np.full(3, 0.03)
    # between the locks it is darker
    grain = strands[hair, None] * gloss - 0.6 * gloss * (mine.kinds == Kind.HAIR)[:, None]
    colors[hair] = base + trust[:, None] * detail + (1 - trust[:, None]) * grain
    return colors
