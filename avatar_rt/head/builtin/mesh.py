"""The head's mesh: what of the base mesh is kept, where it is cut, and how it is subdivided.

Everything is one sparse matrix, "operator", from the base mesh's vertices to the head's, so that
the template and every shape go through the same steps.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from avatar_rt.arrays import F32, F64, I32, Bool, floats32, floats64, ints32
from avatar_rt.head.builtin.source import BaseMesh
from avatar_rt.head.subdivide import subdivide, triangles

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

PARTS = ("body", "helper-l-eye", "helper-r-eye", "helper-upper-teeth", "helper-lower-teeth",
         "helper-tongue")  # fmt: skip
SKIN, LEFT_EYE, RIGHT_EYE, UPPER_TEETH, LOWER_TEETH, TONGUE = range(len(PARTS))
METRES = 0.1
COLLAR = (1526, 1525)
"""An edge of the base mesh's loop around the collarbones, at the pit of the throat."""
LIP = 491
"""A base vertex of the lower lip, above that loop."""


@dataclass(frozen=True, slots=True)
class HeadMesh:
    """The head's topology. V vertices, F triangles, T texture vertices, B base vertices."""

    operator: csr_matrix
    """(V, B): head vertices = operator @ base vertices."""
    faces: I32
    """(F, 3)."""
    face_parts: I32
    """(F,) index into PARTS."""
    parts: I32
    """(V,) index into PARTS."""
    uv: F32
    """(T, 2)."""
    uv_faces: I32
    """(F, 3)."""
    vertex_uv: I32
    """(V,) one texture vertex of each vertex."""
    mirror: I32
    """(V,)."""
    base_ids: I32
    """(C,) the base vertices from which the head's first C vertices were made."""
    rim: I32
    """Vertices on the cut below the neck."""


def build_mesh(base: BaseMesh, subdivisions: int) -> HeadMesh:
    """The head cut out of the base mesh and subdivided `subdivisions` times (0, 1, 2 …)."""
    from scipy.sparse import csr_matrix  # noqa: PLC0415  (make extra)

    kept = {part: np.ones(len(base.quads[part]), bool) for part in PARTS}
    kept["body"] = _above_loop(base.quads["body"], _edge_loop(base.quads["body"], *COLLAR))
    quads = np.concatenate([base.quads[part][kept[part]] for part in PARTS])
    uv_quads = np.concatenate([base.uv_quads[part][kept[part]] for part in PARTS])
    quad_parts = np.concatenate([np.full(kept[p].sum(), k) for k, p in enumerate(PARTS)])

    ids, local = np.unique(quads, return_inverse=True)
    uv_ids, uv_local = np.unique(uv_quads, return_inverse=True)
    quads, uv_quads = ints32(local.reshape(-1, 4)), ints32(uv_local.reshape(-1, 4))
    operator = csr_matrix((np.ones(len(ids)), (np.arange(len(ids)), ids)),
                          (len(ids), len(base.vertices)))  # fmt: skip
    uv = base.uv[uv_ids]
    for _ in range(subdivisions):
        step, finer = subdivide(quads, operator.shape[0])
        uv_step, uv_finer = subdivide(uv_quads, len(uv), smooth=False)
        operator, uv = (step @ operator).tocsr(), uv_step @ uv
        quads, uv_quads, quad_parts = finer, uv_finer, np.repeat(quad_parts, 4)

    faces = triangles(quads)
    parts = np.zeros(operator.shape[0], np.int32)
    parts[quads.ravel()] = np.repeat(quad_parts, 4)
    vertex_uv = np.zeros(operator.shape[0], np.int32)
    vertex_uv[quads.ravel()] = uv_quads.ravel()
    operator = _round_eyes(operator, base, parts)
    return HeadMesh(
        operator=operator,
        faces=faces,
        face_parts=ints32(np.repeat(quad_parts, 2)),
        parts=ints32(parts),
        uv=floats32(uv),
        uv_faces=triangles(uv_quads),
        vertex_uv=ints32(vertex_uv),
        mirror=_mirror(floats64(operator @ base.vertices), parts),
        base_ids=ints32(ids),
        rim=boundary(quads[quad_parts == SKIN]),
    )


def boundary(quads: I32) -> I32:
    """Vertices of edges that only one quad uses."""
    half = np.sort(np.stack([quads, np.roll(quads, -1, 1)], -1).reshape(-1, 2), 1)
    edges, uses = np.unique(half, axis=0, return_counts=True)
    return ints32(np.unique(edges[uses == 1]))


def _edge_loop(quads: I32, first: int, second: int) -> set[tuple[int, int]]:
    """The closed loop of edges that goes straight on at every vertex, from one edge of it."""
    edges: set[tuple[int, int]] = set()
    before, here = first, second
    while (edge := (min(before, here), max(before, here))) not in edges:
        edges.add(edge)
        around = quads[(quads == here).any(1)]
        behind = around[(around == before).any(1)]
        ahead = [
            n
            for quad in around
            for k in np.flatnonzero(quad == here)
            for n in (int(quad[k - 1]), int(quad[(k + 1) % 4]))
            if n not in behind
        ]
        before, here = here, ahead[0]
    return edges


def _above_loop(quads: I32, loop: set[tuple[int, int]]) -> Bool:
    """(Q,) the quads on the eyes' side of a closed loop of edges."""
    from scipy.sparse import csr_matrix  # noqa: PLC0415
    from scipy.sparse.csgraph import connected_components  # noqa: PLC0415

    n = len(quads)
    half = np.sort(np.stack([quads, np.roll(quads, -1, 1)], -1).reshape(-1, 2), 1)
    edges, edge_of = np.unique(half, axis=0, return_inverse=True)
    open_ = np.array([edge not in loop for edge in map(tuple, edges.tolist())])
    at = csr_matrix((open_[edge_of.ravel()] * 1.0, (np.repeat(np.arange(n), 4), edge_of.ravel())),
                    (n, len(edges)))  # fmt: skip
    at.eliminate_zeros()  # a stored zero would count as a way through
    _, piece = connected_components(at @ at.T, directed=False)
    inside = int(np.flatnonzero((quads == LIP).any(1))[0])
    return np.asarray(piece == piece[inside])


def _round_eyes(operator: csr_matrix, base: BaseMesh, parts: I32) -> csr_matrix:
    """Subdivision shrinks a sphere, unevenly; blow each vertex of the eyeballs back onto it.

    Rows become k·row + (1 - k)·mean, which keeps any moved or scaled sphere a sphere.
    """
    from scipy.sparse import csr_matrix, diags  # noqa: PLC0415

    grow, shift = np.ones(operator.shape[0]), []
    for part in (LEFT_EYE, RIGHT_EYE):
        mine = np.flatnonzero(parts == part)
        source = np.unique(base.quads[PARTS[part]])
        centre = base.centre(PARTS[part])
        radius = np.linalg.norm(base.vertices[source] - centre, axis=1).mean()
        found = np.linalg.norm(operator[mine] @ base.vertices - centre, axis=1)
        grow[mine] = radius / found
        share = np.repeat((1 - grow[mine]) / len(source), len(source))
        index = (np.repeat(mine, len(source)), np.tile(source, len(mine)))
        shift.append(csr_matrix((share, index), operator.shape))
    return (diags(grow) @ operator + shift[0] + shift[1]).tocsr()


def _mirror(vertices: F64, parts: I32) -> I32:
    """(V,) nearest vertex to each mirrored position, on the mirrored part."""
    from scipy.spatial import cKDTree  # noqa: PLC0415

    swapped = np.array([SKIN, RIGHT_EYE, LEFT_EYE, UPPER_TEETH, LOWER_TEETH, TONGUE])
    # parts far apart in a fourth coordinate never match each other
    here = np.column_stack([vertices, parts * 100.0])
    there = np.column_stack([vertices * [-1, 1, 1], swapped[parts] * 100.0])
    return ints32(cKDTree(here).query(there)[1])
