"""Catmull–Clark subdivision as a sparse matrix, so that one step serves a mesh and all its shapes.

E. Catmull, J. Clark: Recursively generated B-spline surfaces on arbitrary topological meshes,
Computer-Aided Design 10(6), 1978. Boundaries follow the cubic B-spline rule (1/8, 3/4, 1/8).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from avatar_rt.arrays import I32, Array, ints32

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix


def subdivide(quads: I32, count: int, *, smooth: bool = True) -> tuple[csr_matrix, I32]:
    """One step on `quads` (Q, 4) over `count` vertices → (matrix (count + E + Q, count), quads).

    New vertices are the old ones, then one per edge, then one per face. Each new quad runs
    corner → edge → face → edge, in the old orientation. smooth=False only splits, as texture
    coordinates want it.
    """
    from scipy.sparse import coo_matrix, csr_matrix, vstack  # noqa: PLC0415  (make extra)

    n = len(quads)
    half = np.stack([quads, np.roll(quads, -1, 1)], -1).reshape(-1, 2)
    edges, edge_of, uses = np.unique(
        np.sort(half, 1), axis=0, return_inverse=True, return_counts=True
    )
    edge_of = edge_of.reshape(n, 4)
    e = len(edges)

    faces = csr_matrix((np.full(4 * n, 0.25), (np.repeat(np.arange(n), 4), quads.ravel())),
                       (n, count))  # fmt: skip
    middles = csr_matrix((np.full(2 * e, 0.5), (np.repeat(np.arange(e), 2), edges.ravel())),
                         (e, count))  # fmt: skip
    corner = _index_quads(quads, edge_of, count, e)
    if not smooth:
        return vstack([_identity(count), middles, faces],
                      format="csr"), corner  # fmt: skip

    inner = uses == 2
    touching = csr_matrix((np.full(4 * n, 0.5), (edge_of.ravel(), np.repeat(np.arange(n), 4))),
                          (e, n))  # fmt: skip
    keep = np.where(inner, 0.5, 1.0)
    edge_points = _diagonal(keep) @ middles + _diagonal(1.0 - keep) @ (touching @ faces)

    ends = edges.ravel()
    to_edge = coo_matrix((np.ones(2 * e), (ends, np.repeat(np.arange(e), 2))), (count, e)).tocsr()
    to_face = coo_matrix((np.ones(4 * n), (quads.ravel(), np.repeat(np.arange(n), 4))),
                         (count, n)).tocsr()  # fmt: skip
    valence = np.maximum(np.bincount(ends, minlength=count), 1).astype(float)
    at_faces = np.maximum(np.bincount(quads.ravel(), minlength=count), 1)
    on_rim = np.bincount(edges[~inner].ravel(), minlength=count)
    free = on_rim == 0
    smooth_points = (
        _diagonal(np.where(free, (valence - 3) / valence, np.where(on_rim == 2, 0.5, 1.0)))
        + _diagonal(np.where(free, 2 / valence**2, 0.0)) @ to_edge @ middles
        + _diagonal(np.where(free, 1 / (valence * at_faces), 0.0)) @ to_face @ faces
        # 3/4 v + 1/8 (a + b) is half of v and a quarter of each rim edge's middle
        + _diagonal(np.where(on_rim == 2, 0.25, 0.0)) @ to_edge @ _diagonal(~inner * 1.0) @ middles
    )
    return vstack([smooth_points, edge_points, faces], format="csr"), corner


def triangles(quads: I32) -> I32:
    """(Q, 4) → (2Q, 3): triangles 2i and 2i + 1 are quad i, split from first to third corner."""
    return ints32(quads[:, [0, 1, 2, 0, 2, 3]].reshape(-1, 3))


def _index_quads(quads: I32, edge_of: I32, count: int, edges: int) -> I32:
    n = len(quads)
    middle = np.broadcast_to(count + edges + np.arange(n)[:, None], (n, 4))
    following, preceding = count + edge_of, count + np.roll(edge_of, 1, 1)
    return ints32(np.stack([quads, following, middle, preceding], -1).reshape(-1, 4))


def _identity(count: int) -> csr_matrix:
    from scipy.sparse import identity  # noqa: PLC0415

    return identity(count, format="csr")


def _diagonal(values: Array) -> csr_matrix:
    from scipy.sparse import diags  # noqa: PLC0415

    return diags(values.astype(float), format="csr")
