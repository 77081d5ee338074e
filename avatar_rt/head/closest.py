"""The nearest point of a triangle mesh: what ties landmarks, and other heads, to a surface."""

from __future__ import annotations

import numpy as np

from avatar_rt.arrays import F64, I32, Array, floats64, ints32

CANDIDATES = 24


def barycentric_of_nearest(points: F64, corners: F64) -> F64:
    """(N, D) points, (N, 3, D) triangles → (N, 3) barycentric coordinates of the nearest point.

    The seven regions of C. Ericson, Real-Time Collision Detection (2005), §5.1.5, all computed and
    then chosen from.
    """
    a, b, c = corners[:, 0], corners[:, 1], corners[:, 2]
    ab, ac = b - a, c - a

    def dots(p: F64) -> tuple[F64, F64]:
        return floats64((ab * p).sum(1)), floats64((ac * p).sum(1))

    d1, d2 = dots(points - a)
    d3, d4 = dots(points - b)
    d5, d6 = dots(points - c)
    va, vb, vc = d3 * d6 - d5 * d4, d5 * d2 - d1 * d6, d1 * d4 - d3 * d2

    def share(top: Array, bottom: Array) -> F64:
        return floats64(top / np.where(np.abs(bottom) > 1e-30, bottom, 1.0))

    zero, one = np.zeros(len(points)), np.ones(len(points))
    on_ab, on_ac = share(d1, d1 - d3), share(d2, d2 - d6)
    on_bc = share(d4 - d3, (d4 - d3) + (d5 - d6))
    total = va + vb + vc
    u, v = share(vb, total), share(vc, total)
    regions = [
        ((d1 <= 0) & (d2 <= 0), (one, zero, zero)),
        ((d3 >= 0) & (d4 <= d3), (zero, one, zero)),
        ((vc <= 0) & (d1 >= 0) & (d3 <= 0), (1 - on_ab, on_ab, zero)),
        ((d6 >= 0) & (d5 <= d6), (zero, zero, one)),
        ((vb <= 0) & (d2 >= 0) & (d6 <= 0), (1 - on_ac, zero, on_ac)),
        ((va <= 0) & (d4 >= d3) & (d5 >= d6), (zero, 1 - on_bc, on_bc)),
    ]
    conditions = [condition for condition, _ in regions]
    inside = (1 - u - v, u, v)
    return floats64(
        np.stack(
            [np.select(conditions, [w[k] for _, w in regions], inside[k]) for k in range(3)], 1
        )
    )


def nearest_on_mesh(
    points: F64, vertices: F64, faces: I32, candidates: int = CANDIDATES
) -> tuple[I32, F64, F64]:
    """Nearest point of a mesh to each of `points` (N, D): triangle (N,), barycentric (N, 3) and
    distance (N,). Exact among the triangles whose centres are nearest (scipy's k-d tree). D is 3,
    or more where vertices (V, D) carry features that should agree too."""
    from scipy.spatial import cKDTree  # noqa: PLC0415  (make extra)

    k = min(candidates, len(faces))
    _, near = cKDTree(vertices[faces].mean(1)).query(points, k)
    near = near.reshape(len(points), k)
    repeated = np.repeat(points, k, 0)
    corners = floats64(vertices[faces[near.ravel()]])
    weights = barycentric_of_nearest(repeated, corners)
    found = np.einsum("nk,nkd->nd", weights, corners)
    distance = np.linalg.norm(found - repeated, axis=1).reshape(near.shape)
    best = distance.argmin(1)
    rows = np.arange(len(points))
    return (
        ints32(near[rows, best]),
        floats64(weights.reshape(*near.shape, 3)[rows, best]),
        floats64(distance[rows, best]),
    )


def on_surface(vertices: F64, faces: I32, triangle: I32, barycentric: F64) -> F64:
    """(N, 3) points that triangles and barycentric coordinates name; (…, V, 3) vertices allowed."""
    return floats64(np.einsum("...nkd,nk->...nd", vertices[..., faces[triangle], :], barycentric))
