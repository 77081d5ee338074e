"""The astronaut: scikit-image's public-domain portrait, her avatar, and a mask not made by us."""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np
from scipy import ndimage
from skimage import data

from avatar_rt.arrays import F32, U8, Bool, floats32
from avatar_rt.avatar import Avatar
from avatar_rt.face import face_landmarks
from avatar_rt.render import Renderer
from trainer.recipes import instant


@cache
def photograph() -> U8:
    return np.ascontiguousarray(data.astronaut())  # type: ignore[no-untyped-call]


@cache
def points() -> F32:
    """(478, 2) pixels."""
    found = face_landmarks(photograph())
    assert found is not None
    return floats32(found.points[:, :2])


@cache
def avatar() -> Avatar:
    return instant.make(photograph())


def face_hull() -> Bool:
    mask = np.zeros(photograph().shape[:2], np.uint8)
    cv2.fillConvexPoly(mask, cv2.convexHull(points().astype(np.int32)), (1,))
    return mask > 0


def independent_head() -> Bool:
    """The head above its chin, by GrabCut from landmarks alone: no person mask, no fitted head."""
    image, p = photograph(), points()
    height, width = image.shape[:2]
    top, chin = p[10], p[152]
    tall, middle = float(np.linalg.norm(top - chin)), (top + chin) / 2
    yy, xx = np.mgrid[:height, :width]
    label = np.full((height, width), cv2.GC_BGD, np.uint8)
    box = (np.abs(xx - middle[0]) < 1.15 * tall) & (yy > middle[1] - 1.35 * tall)
    label[box & (yy < chin[1] + 0.25 * tall)] = cv2.GC_PR_BGD
    x, y = (xx - middle[0]) / (0.75 * tall), (yy - middle[1] + 0.15 * tall) / (0.95 * tall)
    label[x**2 + y**2 < 1] = cv2.GC_PR_FGD
    label[face_hull()] = cv2.GC_FGD
    cv2.setRNGSeed(7)
    models = np.zeros((1, 65)), np.zeros((1, 65))
    bgr = np.ascontiguousarray(image[..., ::-1])
    cv2.grabCut(bgr, label, (0, 0, 1, 1), *models, 6, cv2.GC_INIT_WITH_MASK)
    parts, _ = ndimage.label((label == cv2.GC_FGD) | (label == cv2.GC_PR_FGD))
    head = parts == parts[int(middle[1]), int(middle[0])]
    return np.asarray(ndimage.binary_fill_holes(head) & (yy + 0.5 < chin[1]))


@cache
def as_photographed() -> tuple[F32, F32]:
    """The avatar from the photo's camera with the photo's face: premultiplied RGB (H, W, 3) and
    alpha (H, W)."""
    camera, params = instant.photo_view(avatar())
    pixels = np.asarray(Renderer(avatar()).render(params, camera, format="float32").pixels)
    return floats32(pixels[..., :3]), floats32(pixels[..., 3])
