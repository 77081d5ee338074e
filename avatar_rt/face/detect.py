"""Where the faces are, of any size: the short-range detector over ever smaller tiles."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from avatar_rt.arrays import F32, U8, floats32
from avatar_rt.face import engines
from avatar_rt.face.images import Square, as_rgb8

_TILE = 256
"""Pixels at which a tile is shown to the detector, which itself looks at 128."""
_SMALLEST_TILE = 80
"""Pixels of the picture: a face needs about a fifth of its tile."""
_TILES_PER_LEVEL = 700
"""A millisecond each: a search in vain ends within seconds."""
_SURE = 0.75
"""A box with less is believed only in a large tile, and where the mesh model sees a face too:
among hundreds of small tiles something always looks a little like a face."""


@dataclass(frozen=True, slots=True)
class Face:
    """A face's place in a picture."""

    box: F32
    """(4,) float32 x0, y0, x1, y1 in pixels: brows to chin, ear to ear; may leave the picture."""
    score: float
    """Of the detector, in [0, 1]."""

    @property
    def size(self) -> float:
        """The longer side of the box, pixels."""
        return float(max(self.box[2] - self.box[0], self.box[3] - self.box[1]))

    @property
    def center(self) -> tuple[float, float]:
        """(x, y) of the box's middle, pixels."""
        return float(self.box[0] + self.box[2]) / 2, float(self.box[1] + self.box[3]) / 2

    def square(self, scale: float) -> Square:
        """The upright square around the box, `scale` times as large."""
        return Square(*self.center, self.size * scale)


def detect_faces(image: U8, *, thorough: bool = True) -> list[Face]:
    """All faces in a picture, largest first; an empty list without any.

    image: (H, W, 3) uint8 RGB; grey and alpha are taken too. Two levels of tiles are always
    searched (faces from an eighth of the picture on); smaller ones only while none is found, and
    if `thorough`.
    Raises ParameterError for an array that is no picture.
    """
    rgb = as_rgb8(image)
    height, width = rgb.shape[:2]
    whole = float(max(height, width))
    # a margin around the picture first: a face that fills it is found only so
    found = [f for side in (1.6 * whole, whole) for f in _in_tile(rgb, _middle(rgb, side))]
    found = [f for f in found if f.score >= _SURE or _has_mesh(rgb, f)]
    side = whole / 2
    while side >= _SMALLEST_TILE and (side > whole / 3 or (thorough and not found)):
        tiles = list(_tiles(width, height, side))
        if len(tiles) > _TILES_PER_LEVEL:
            break
        seen = [f for tile in tiles for f in _in_tile(rgb, tile)]
        large = side > whole / 3
        found += [f for f in seen if f.score >= _SURE or (large and _has_mesh(rgb, f))]
        side /= 2
    return _without_doubles(found)


def _middle(rgb: U8, side: float) -> Square:
    height, width = rgb.shape[:2]
    return Square(width / 2, height / 2, side)


def _tiles(width: int, height: int, side: float) -> Iterator[Square]:
    """Squares of one size that overlap by half and cover the picture."""
    for y in _steps(height, side):
        for x in _steps(width, side):
            yield Square(x, y, side)


def _steps(length: int, side: float) -> F32:
    if length <= side:
        return floats32([length / 2])
    count = int(np.ceil((length - side) / (side / 2))) + 1
    return floats32(np.linspace(side / 2, length - side / 2, count))


def _in_tile(rgb: U8, tile: Square) -> Iterator[Face]:
    rows = engines.detector()(tile.cut(rgb, _TILE, outside=(0, 0, 0)))
    corner = np.array([tile.x - tile.side / 2, tile.y - tile.side / 2] * 2, np.float32)
    for row in rows:
        yield Face(floats32(row[:4] * (tile.side / _TILE) + corner), float(row[4]))


def _without_doubles(faces: list[Face]) -> list[Face]:
    """The best-scored box of each face, largest first: boxes that share 30 % of their union, or
    of which one holds most of the other, are one face."""
    kept: list[Face] = []
    for face in sorted(faces, key=lambda f: -f.score):
        if all(_overlap(face.box, other.box) < 0.3 for other in kept):
            kept.append(face)
    return sorted(kept, key=lambda f: -f.size)


def _overlap(a: F32, b: F32) -> float:
    w = min(a[2], b[2]) - max(a[0], b[0])
    h = min(a[3], b[3]) - max(a[1], b[1])
    if w <= 0 or h <= 0:
        return 0.0
    areas = [(c[2] - c[0]) * (c[3] - c[1]) for c in (a, b)]
    return float(max(w * h / (sum(areas) - w * h), 0.5 * w * h / min(areas)))


def _has_mesh(rgb: U8, face: Face) -> bool:
    return engines.mesh()(face.square(1.5).cut(rgb, engines.MESH_SIZE)) is not None
