"""Which pixels are head, and which of those are hair.

A person mask is not a head mask: it takes in collars and shoulders. The fitted head says where
skin, scalp and ears should be; the picture's own colours, learnt from places that are certain, say
where they are; an edge-aware filter lets the answer follow the picture's edges.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from scipy import ndimage

from avatar_rt import _core
from avatar_rt.arrays import F32, Array, Bool, floats32, ints32
from avatar_rt.head.model import HeadModel
from trainer.portrait.maps import step

# MediaPipe's numbering: outlines in which skin is not to be sought
RIGHT_EYE = (33, 246, 161, 160, 159, 158, 157, 173, 133, 155, 154, 153, 145, 144, 163, 7)
LEFT_EYE = (263, 466, 388, 387, 386, 385, 384, 398, 362, 382, 381, 380, 374, 373, 390, 249)
LIPS = (61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291, 375, 321, 405, 314, 17, 84, 181, 91, 146)
INNER_LIPS = (
    78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308, 324, 318, 402, 317, 14, 87, 178, 88, 95,
)  # fmt: skip
RIGHT_BROW = (70, 63, 105, 66, 107, 55, 65, 52, 53, 46)
LEFT_BROW = (300, 293, 334, 296, 336, 285, 295, 282, 283, 276)
CHIN, FOREHEAD = 152, 10
_UNDER_NOSE = 2

_BINS = 24


@dataclass(frozen=True, slots=True)
class View:
    """The part of a photograph around the head, and the fitted head as it stands in it."""

    image: F32
    """(H, W, 3) float32 sRGB in [0, 1]."""
    landmarks: F32
    """(478, 2) float32 pixels."""
    pixels: F32
    """(V, 3) float32 pixel x, pixel y, depth in metres of each vertex of the head."""
    person: F32
    """(H, W) float32 in [0, 1]."""
    unit: float = 1.0
    """Pixels of the view per pixel of the photograph: how far an edge may have bled."""

    @property
    def shape(self) -> tuple[int, int]:
        return self.image.shape[0], self.image.shape[1]

    @property
    def face_height(self) -> float:
        """Pixels from the forehead's topmost landmark to the chin."""
        return float(np.linalg.norm(self.landmarks[FOREHEAD] - self.landmarks[CHIN]))

    def polygon(self, indices: tuple[int, ...], grow: int = 0) -> Bool:
        """(H, W) the polygon through some landmarks, grown by `grow` pixels (shrunk if < 0)."""
        return self.filled(self.landmarks[list(indices)], grow)

    def hull(self, grow: int = 0) -> Bool:
        """(H, W) the convex hull of the face's 468 surface landmarks."""
        return self.filled(floats32(cv2.convexHull(self.landmarks[:468])[:, 0]), grow)

    def filled(self, points: F32, grow: int) -> Bool:
        mask = np.zeros(self.shape, np.uint8)
        # OpenCV's pixel centres are integers, ours half integers; four fractional bits
        cv2.fillPoly(mask, [np.round((points - 0.5) * 16).astype(np.int32)], (1.0,), shift=4)
        return resized_mask(mask > 0, grow)


@dataclass(frozen=True, slots=True)
class HeadMasks:
    """What is what in a View; all (H, W)."""

    head: F32
    """Hair, face, ears and visible neck, without clothes: coverage in [0, 1]."""
    hair: F32
    """Hair, or what is worn in its place: coverage in [0, 1]."""
    person: F32
    """The person, clothes included, with edges where the picture has them."""


def resized_mask(mask: Bool, grow: int) -> Bool:
    """`mask` dilated by `grow` pixels, or eroded by -grow, with a round brush."""
    if grow == 0:
        return mask
    size = 2 * abs(grow) + 1
    brush = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
    work = cv2.dilate if grow > 0 else cv2.erode
    return np.asarray(work(mask.astype(np.uint8), brush) > 0)


def _sampled(values: F32, faces: Array, triangles: Array, barycentric: F32) -> F32:
    corners = values[faces[np.maximum(triangles, 0)]]
    return floats32(np.where(triangles >= 0, (corners * barycentric).sum(-1), 0.0))


def head_masks(view: View, model: HeadModel) -> HeadMasks:
    """Finds head and hair in a view."""
    small, scale = _reduced(view)
    person = _refined_person(small)
    hair, skin = _hair_and_skin(small, model, person)
    head = floats32(np.maximum(hair, skin))
    return HeadMasks(*(_enlarged(m, view, scale) for m in (head, hair, person)))


def _reduced(view: View) -> tuple[View, float]:
    """The view at the size at which masks are found: a face 200 pixels high."""
    scale = min(1.0, 200.0 / view.face_height)
    if scale == 1.0:
        return view, 1.0
    size = (round(view.shape[1] * scale), round(view.shape[0] * scale))
    image = cv2.resize(view.image, size, interpolation=cv2.INTER_AREA)
    person = cv2.resize(view.person, size, interpolation=cv2.INTER_AREA)
    sx, sy = size[0] / view.shape[1], size[1] / view.shape[0]
    pixels = view.pixels * np.array([sx, sy, 1], np.float32)
    landmarks = view.landmarks * np.array([sx, sy], np.float32)
    return View(floats32(image), floats32(landmarks), floats32(pixels), floats32(person)), scale


def _enlarged(mask: F32, view: View, scale: float) -> F32:
    if scale == 1.0:
        return mask
    size = (view.shape[1], view.shape[0])
    soft = cv2.resize(mask, size, interpolation=cv2.INTER_CUBIC)
    # an enlarged edge is as wide as its factor: make it a pixel again
    return floats32(np.clip((soft - 0.5) / max(scale, 0.34) + 0.5, 0, 1))


def _refined_person(view: View) -> F32:
    """The person mask with its edge moved to the picture's own, by GrabCut in a narrow band."""
    band = max(2, round(0.035 * view.face_height))
    inside, near = resized_mask(view.person > 0.5, -band), resized_mask(view.person > 0.5, band)
    label = np.where(inside, cv2.GC_FGD, np.where(near, cv2.GC_PR_BGD, cv2.GC_BGD))
    label[near & ~inside & (view.person > 0.5)] = cv2.GC_PR_FGD
    work = np.ascontiguousarray(label, np.uint8)
    if not inside.any() or near.all():
        return view.person
    image = np.ascontiguousarray(np.round(view.image * 255), np.uint8)
    cv2.setRNGSeed(1)
    cv2.grabCut(
        image, work, (0, 0, 1, 1), np.zeros((1, 65)), np.zeros((1, 65)), 2, cv2.GC_INIT_WITH_MASK
    )
    cut = floats32((work == cv2.GC_FGD) | (work == cv2.GC_PR_FGD))
    return _guided(view.image, cut, max(2, round(0.012 * view.face_height)))


def _guided(image: F32, mask: F32, radius: int, smooth: float = 2e-4) -> F32:
    out = cv2.ximgproc.guidedFilter(image, mask, radius, smooth)
    return floats32(np.clip(out, 0, 1))


@dataclass(frozen=True, slots=True)
class _Places:
    """Where the fitted head and the landmarks lie in a view; all (H, W) but the heights."""

    on_head: Bool
    scalp: F32
    ears: F32
    neck: F32
    hull: Bool
    """The face's."""
    y: F32
    """(H, 1) pixel rows, to be compared with: brows, lip (its upper edge) and chin."""
    brows: float
    lip: float
    chin: float

    @classmethod
    def of(cls, view: View, model: HeadModel) -> _Places:
        faces = model.template.faces
        triangles, barycentric, _ = _core.rasterize_mesh(
            view.pixels, ints32(faces), view.shape[1], view.shape[0], 0
        )
        scalp, ears, neck = (
            _sampled(model.regions[name], faces, triangles, barycentric)
            for name in ("scalp", "ears", "neck")
        )
        marks = view.landmarks[:, 1]
        return cls(
            np.asarray(triangles >= 0), scalp, ears, neck, view.hull(),
            np.arange(view.shape[0], dtype=np.float32)[:, None] + 0.5,
            float(marks[list(RIGHT_BROW + LEFT_BROW)].mean()), float(marks[_UNDER_NOSE]),
            float(marks[CHIN]),
        )  # fmt: skip

    def beside(self, h: float) -> Bool:
        """On the head or not far from it."""
        return resized_mask(self.hull | self.on_head, round(0.25 * h))


def _hair_and_skin(view: View, model: HeadModel, person: F32) -> tuple[F32, F32]:
    """Coverage (H, W) of hair, and of skin."""
    places, h = _Places.of(view, model), view.face_height
    lab = floats32(cv2.cvtColor(view.image, cv2.COLOR_RGB2LAB))
    odds, seeds, bare = _by_color(view, places, _ColorCounts(lab), person)
    logit = np.clip(odds, -6, 6) + _expected(view, places, lab)
    logit[~(person > 0.1)] = -8
    logit[view.polygon(RIGHT_EYE, 2) | view.polygon(LEFT_EYE, 2) | view.polygon(LIPS, 2)] = -8
    if not seeds.any():
        logit[:] = -8
    soft = _guided(view.image, floats32(1 / (1 + np.exp(-logit))), max(2, round(0.03 * h)), 1e-3)
    hair = _largest(soft > 0.5, seeds, round(0.01 * h))
    hair_soft = floats32(np.minimum(_guided(view.image, floats32(hair), 2), person))
    skin = (places.hull | (places.on_head & ((places.neck < 0.5) | bare))) & (person > 0.5)
    return hair_soft, floats32(np.minimum(skin.astype(np.float32), person))


def _by_color(
    view: View, places: _Places, colors: _ColorCounts, person: F32
) -> tuple[F32, Bool, Bool]:
    """What the colours say: log odds of hair (H, W), where hair is certain, and where a colour
    is one of the skin's."""
    h, y = view.face_height, places.y
    features = np.zeros(view.shape, bool)
    for outline in (RIGHT_EYE, LEFT_EYE, LIPS, RIGHT_BROW, LEFT_BROW):
        features |= view.polygon(outline, round(0.025 * h))
    # above the lips: below them there may be a beard
    face = view.hull(-round(0.05 * h)) & ~features & (y > places.brows) & (y < places.lip)
    skin_like = colors.likelihood(face)
    floor = np.quantile(skin_like[face], 0.05) if face.any() else 0.0
    bare = np.asarray(skin_like >= floor)
    sure_person = person > 0.9
    around = resized_mask(places.on_head & (places.scalp > 0.5), round(0.06 * h))
    crown = sure_person & around & ~view.hull(round(0.02 * h)) & (y < places.brows + 0.1 * h)
    seeds = crown & ~bare
    if seeds.sum() < 0.12 * crown.sum():  # bald, or hair cut to the skin
        seeds = np.zeros_like(seeds)
    hair_like = colors.likelihood(seeds)
    cloth = sure_person & (y > places.chin + 0.12 * h) & ~((places.neck > 0.3) & bare)
    behind = colors.likelihood(person < 0.05) * 0.3 * (1 - person) ** 2
    others = np.maximum(colors.likelihood(cloth), behind)
    # clothes and walls do not lie in front of the skull
    others[places.on_head & (y < places.chin)] = 0
    # a person's pixels around the skull are hair, whatever their colour, or worn in its place
    beside = places.beside(h) & ~places.on_head & ~places.hull
    others[beside & (y < places.lip)] = 0
    skin_like[beside & (y < places.brows)] = 0
    # a colour that neither has speaks for neither
    tiny = 2e-4
    odds = np.log(hair_like + tiny) - np.log(np.maximum(skin_like, others) + tiny)
    return floats32(odds), np.asarray(seeds), bare


def _expected(view: View, places: _Places, lab: F32) -> F32:
    """(H, W) log odds of hair before any colour is seen: where heads have it."""
    h, y = view.face_height, places.y
    odds = np.full(view.shape, -1.5, np.float32)
    odds[places.beside(h) & (y < places.chin)] = 1.5
    odds[places.on_head] = (3.5 * places.scalp - 2.5 * (1 - places.scalp))[places.on_head]
    odds[places.on_head & (places.ears > 0.5)] = -0.5
    inner = floats32(ndimage.distance_transform_edt(places.hull) / h)
    forehead = places.on_head & (places.scalp < 0.5) & (y < places.brows)
    odds[forehead] = (-0.9 - 5.0 * inner)[forehead]
    brow_to_hairline = resized_mask(places.hull, round(0.12 * h)) & (y < places.brows)
    odds -= 4.0 * _smoothness(lab[..., 0], h) * brow_to_hairline
    odds -= 12.0 * np.clip(inner, 0, 0.4) * (y > places.brows)
    odds -= 6.0 * np.clip((y - places.chin) / h, 0, 1)
    return floats32(odds)


def _smoothness(lightness: F32, h: float) -> F32:
    """(H, W) in [0, 1]: 1 where nothing as fine as hair shows. lightness: Lab's, 0 to 100."""
    reach = 0.02 * h
    fine = np.abs(lightness - cv2.GaussianBlur(lightness, (0, 0), reach))
    return step(-cv2.GaussianBlur(fine, (0, 0), reach), -1.6, -0.6)


def _largest(mask: Bool, seeds: Bool, open_by: int) -> Bool:
    """The parts of `mask` that hold a fair share of seeds, without specks and pinholes."""
    mask = resized_mask(resized_mask(mask, -open_by), open_by)
    labels, count = ndimage.label(mask)
    if count == 0:
        return mask
    held = np.bincount(labels[seeds], minlength=count + 1)
    held[0] = 0
    kept = np.isin(labels, np.flatnonzero(held > 0.02 * max(held.sum(), 1)))
    holes, count = ndimage.label(~kept)
    sizes = np.bincount(holes.ravel(), minlength=count + 1)
    return np.asarray(kept | ((sizes < 0.002 * mask.size)[holes] & ~kept))


class _ColorCounts:
    """How often colours occur in chosen places: a smoothed histogram over Lab."""

    def __init__(self, lab: F32) -> None:
        low = np.array([0, -60, -60], np.float32)
        high = np.array([100, 60, 70], np.float32)
        unit = (lab - low) / (high - low)
        self._index = np.ravel_multi_index(
            tuple(np.clip((unit * _BINS).astype(int), 0, _BINS - 1).transpose(2, 0, 1)),
            (_BINS, _BINS, _BINS),
        )

    def likelihood(self, where: Bool) -> F32:
        """(H, W) density of each pixel's colour among those at `where`; 0 where there are none."""
        picked = self._index[where]
        if picked.size == 0:
            return np.zeros(where.shape, np.float32)
        counts = np.bincount(picked, minlength=_BINS**3).reshape(_BINS, _BINS, _BINS)
        smooth = ndimage.gaussian_filter(counts.astype(np.float32), 1.0, mode="nearest")
        return floats32((smooth / picked.size).ravel()[self._index])
