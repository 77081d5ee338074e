"""Makes lids close: scales a rig's blinks so that upper and lower lid meet, and no further.

Identities, free-form fits and photographs change how wide an eye is open, while a blink shape moves
lids by a fixed amount. What is still open is measured from inside the eyeball: a picture taken from
its centre, in which lids are what covers and the opening is what is left.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from avatar_rt import _core
from avatar_rt.arrays import F32, F64, I32, Bool, floats32, floats64, ints32
from avatar_rt.head.rig import Rig

SIZE = 256
HALF_ANGLE = np.radians(62.0)
STEPS = np.linspace(0.0, 1.8, 25)
OVERLAP = 1.07
"""Lids meet a little before the weight reaches one, as trackers' blinks rarely do."""
SCALES = (0.3, 1.5)
"""A blink is not scaled further: lids that would need more belong to no plausible eye."""
SIDES = {"eyeBlinkLeft": "left_eye", "eyeBlinkRight": "right_eye"}


@dataclass(frozen=True, slots=True)
class Eye:
    """One eyeball of a rig and the skin around it."""

    ball: Bool
    """(V,) its vertices."""
    lids: I32
    """(K, 3) triangles of skin."""

    @classmethod
    def of(cls, rig: Rig, regions: Mapping[str, F32], side: str) -> Eye:
        """side: "left_eye" or "right_eye"."""
        skin = (regions["skin"] > 0.3)[rig.faces].all(1)
        return cls(regions[side] > 0.5, ints32(rig.faces[skin]))


def opening(eye: Eye, vertices: F32) -> Bool:
    """(SIZE, SIZE) what the skin leaves open, seen from the eyeball's centre; row 0 is up, column 0
    is towards -x."""
    centre = vertices[eye.ball].mean(0)
    radius = np.linalg.norm(vertices[eye.ball] - centre, axis=1).mean()
    place = vertices - centre
    reach = np.linalg.norm(place, axis=1)
    # skin inside the ball is the socket's; far skin is nose, brow and the other side
    near = (reach > 0.97 * radius) & (reach < 2.2 * radius) & (place[:, 2] > 0.2 * radius)
    depth = np.where(near, place[:, 2], 1.0)
    focal = SIZE / 2 / np.tan(HALF_ANGLE)
    points = np.column_stack(
        [SIZE / 2 + focal * place[:, 0] / depth, SIZE / 2 - focal * place[:, 1] / depth, depth]
    )
    triangle, _, _ = _core.rasterize_mesh(
        floats32(points), ints32(eye.lids[near[eye.lids].all(1)]), SIZE, SIZE, 0
    )
    return np.asarray(triangle < 0)


def open_angle(eye: Eye, vertices: F32, around: Bool) -> F64:
    """(SIZE,) radians that each column is open within the mask `around`."""
    slope = np.diff(np.arctan((np.arange(SIZE + 1) - SIZE / 2) * np.tan(HALF_ANGLE) / (SIZE / 2)))
    return floats64(((opening(eye, vertices) & around) * slope[:, None]).sum(0))


def slit(eye: Eye, vertices: F32) -> Bool:
    """(SIZE, SIZE) the eye's own opening and a little around it, without what lies open at the
    picture's rim: beyond the nose and the brow."""
    import cv2  # noqa: PLC0415  (slow to import, and only fitting needs it)

    free = opening(eye, vertices).astype(np.uint8)
    count, labels, boxes, centres = cv2.connectedComponentsWithStats(free, connectivity=4)
    inner = [
        k
        for k in range(1, count)
        if boxes[k][0] > 0 and boxes[k][1] > 0
        and boxes[k][0] + boxes[k][2] < SIZE and boxes[k][1] + boxes[k][3] < SIZE
    ]  # fmt: skip
    if not inner:
        return np.zeros((SIZE, SIZE), bool)
    middle = min(inner, key=lambda k: float(np.hypot(*(centres[k] - SIZE / 2))) - boxes[k][4] / 50)
    # closing lids pull the corners a little outward and the lower lid a little up or down
    own = (labels == middle).astype(np.uint8)
    grown = cv2.dilate(own, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (17, 11)))
    return np.asarray((grown > 0) & ((labels == middle) | (labels == 0)))


def close_lids(rig: Rig, regions: Mapping[str, F32]) -> Rig:
    """The rig with blinks that close: at weight 1 the lids just overlap, in every column.

    regions: a HeadModel's, over the same vertices. A rig without blinks or eyes comes back as is;
    so does an eye whose lids are closed already.
    """
    basis = rig.expression_basis.copy()
    for name, side in SIDES.items():
        if name not in rig.expression_names or not (regions.get(side, np.zeros(1)) > 0.5).any():
            continue
        eye = Eye.of(rig, regions, side)
        row = rig.expression_names.index(name)
        scale = np.ones(len(rig.vertices), np.float32)
        for _ in range(2):
            again = _scale(eye, rig.vertices, basis[row] * scale[:, None])
            scale = np.clip(scale * again, *SCALES)
        basis[row] *= _near_eye(eye, rig.vertices, scale)[:, None]
    return replace(rig, expression_basis=basis)


def _near_eye(eye: Eye, vertices: F32, scale: F32) -> F32:
    """(V,) the scale with growth kept to the lids: brows and cheeks would fold."""
    away = np.linalg.norm(vertices - vertices[eye.ball].mean(0), axis=1)
    radius = away[eye.ball].mean()
    lid = np.clip((1.7 * radius - away) / (0.4 * radius), 0.0, 1.0)
    return floats32(np.where(scale > 1.0, 1.0 + (scale - 1.0) * lid, scale))


def _scale(eye: Eye, vertices: F32, blink: F32) -> F32:
    """(V,) factor of each vertex's blink."""
    window = slit(eye, vertices)
    heights = np.stack([open_angle(eye, vertices + b * blink, window) for b in STEPS])
    columns = np.flatnonzero(heights[0] > np.radians(2.0))
    if len(columns) < 8:
        return np.ones(len(vertices), np.float32)
    # the first step from which a column stays closed
    still = heights[:, columns] > np.radians(0.3)
    last = still.shape[0] - 1 - np.argmax(still[::-1], 0)
    closing = STEPS[np.minimum(last + 1, len(STEPS) - 1)]
    across = (columns - columns.mean()) / np.ptp(columns)
    curve = np.polyfit(across, closing, 4)
    ends = across[[0, -1]]

    place = vertices - vertices[eye.ball].mean(0)
    depth = np.maximum(place[:, 2], 1e-3)
    column = SIZE / 2 + SIZE / 2 / np.tan(HALF_ANGLE) * place[:, 0] / depth
    at = np.clip((column - columns.mean()) / np.ptp(columns), *ends)
    return floats32(np.clip(np.polyval(curve, at), 0.2, STEPS[-1]) * OVERLAP)
