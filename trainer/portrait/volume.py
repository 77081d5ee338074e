"""From a scalar field on a grid to a mesh: hair of any shape starts as a volume.

Surface nets (Gibson 1998): one vertex in each cell that the surface crosses, at the mean of the
crossings, one quad around each grid edge that changes sign. Its triangles are all of one size,
which is what Gaussians that ride on them need; marching cubes leaves slivers.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
from scipy import sparse

from avatar_rt.arrays import F32, F64, I32, floats32, ints32


@dataclass(frozen=True, slots=True)
class Grid:
    """Sample points in space: origin + step · (i, j, k)."""

    origin: F64
    """(3,) metres."""
    step: float
    """Metres."""
    shape: tuple[int, int, int]

    @classmethod
    def around(cls, low: F64, high: F64, step: float) -> Grid:
        """The grid that covers the box from `low` to `high` (3,) metres."""
        counts = np.ceil((high - low) / step).astype(int) + 1
        return cls(
            np.asarray(low, np.float64), step, (int(counts[0]), int(counts[1]), int(counts[2]))
        )

    def points(self) -> F32:
        """(X·Y·Z, 3) float32 metres, z fastest."""
        axes = [o + self.step * np.arange(n) for o, n in zip(self.origin, self.shape, strict=True)]
        return floats32(np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, 3))


def surface(field: F32, grid: Grid) -> tuple[F32, I32]:
    """The zero level of `field` (X, Y, Z), inside where it is positive.

    Returns vertices (V, 3) float32 metres and faces (F, 3) int32, counter-clockwise from outside.
    Nothing of the surface is closed off at the grid's border: leave a margin there.
    """
    inside = field > 0
    cells = tuple(n - 1 for n in field.shape)
    total = np.zeros((*cells, 3), np.float64)
    count = np.zeros(cells, np.int32)
    for axis, (a, b) in product(range(3), product((0, 1), (0, 1))):
        near = [0, 0, 0]
        others = [k for k in range(3) if k != axis]
        near[others[0]], near[others[1]] = a, b
        far = near.copy()
        far[axis] = 1
        f0, f1 = (_corner(field, c, cells) for c in (near, far))
        crosses = (f0 > 0) != (f1 > 0)
        t = f0[crosses] / (f0[crosses] - f1[crosses])
        where = np.repeat(np.asarray(near, np.float64)[None], len(t), 0)
        where[:, axis] = t
        total[crosses] += where
        count += crosses
    crossed = count > 0
    index = np.full(cells, -1, np.int32)
    index[crossed] = np.arange(int(crossed.sum()), dtype=np.int32)
    local = total[crossed] / count[crossed][:, None]
    vertices = grid.origin + grid.step * (np.argwhere(crossed) + local)
    quads = np.concatenate([_quads(inside, index, axis) for axis in range(3)])
    # the shorter diagonal keeps triangles near to equilateral
    p = vertices[quads]
    short = np.linalg.norm(p[:, 0] - p[:, 2], axis=1) <= np.linalg.norm(p[:, 1] - p[:, 3], axis=1)
    order = np.where(short[:, None], [[0, 1, 2, 0, 2, 3]], [[0, 1, 3, 1, 2, 3]])
    faces = np.take_along_axis(quads, order, 1).reshape(-1, 3)
    return floats32(vertices), ints32(faces)


def _corner(field: F32, corner: list[int], cells: tuple[int, ...]) -> F32:
    return field[tuple(slice(c, c + n) for c, n in zip(corner, cells, strict=True))]


def _quads(inside: np.ndarray, index: I32, axis: int) -> I32:  # type: ignore[type-arg]
    """(Q, 4) cells around each grid edge along `axis` whose ends differ, turned outwards."""
    moved, cells = np.moveaxis(inside, axis, 0), np.moveaxis(index, axis, 0)
    a, b = moved[:-1, 1:-1, 1:-1], moved[1:, 1:-1, 1:-1]
    out = []
    for mask, flip in ((a & ~b, False), (~a & b, True)):
        i, j, k = np.nonzero(mask)
        # the axes cycle (x y z), so the four cells run counter-clockwise about +axis; moving y
        # to the front swaps the other two, which mirrors them
        ring = [(0, 0), (1, 0), (1, 1), (0, 1)]
        if flip != (axis == 1):
            ring.reverse()
        out.append(np.stack([cells[i, j + dj, k + dk] for dj, dk in ring], 1))
    return ints32(np.concatenate(out))


def smoothed(vertices: F32, faces: I32, rounds: int) -> F32:
    """Vertices after `rounds` of Taubin's smoothing (1995), which does not shrink."""
    n = len(vertices)
    i = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    half = sparse.coo_matrix((np.ones(len(i), np.float32), (i[:, 0], i[:, 1])), shape=(n, n))
    near = ((half + half.T) > 0).astype(np.float32).tocsr()
    degree = np.maximum(np.asarray(near.sum(1)).ravel(), 1)[:, None]
    for step in range(2 * rounds):
        move = near @ vertices / degree - vertices
        vertices = vertices + (0.5 if step % 2 == 0 else -0.53) * move
    return floats32(vertices)
