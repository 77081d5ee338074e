"""The last millimetres: a smooth displacement of the mesh, in the image plane, onto the landmarks.

Whatever no identity shape can follow is taken up by the vertices themselves. Only across the line
of sight: a frontal picture has no opinion on depth, and the model's is better than none.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.sparse import csgraph
from scipy.sparse.linalg import splu
from scipy.spatial import cKDTree

from avatar_rt.arrays import F64, I32, Bool, floats64
from avatar_rt.head.model import HeadModel
from trainer.portrait.geometry import laplacian
from trainer.portrait.points import COUNT, INNER_LIPS

_REFERENCE_EDGE = 0.01
"""Metres: the edge length for which stiffness is stated; finer meshes are as stiff."""
_ANCHOR = 0.002
"""Pull of every vertex towards staying, beside a stiffness of 1."""
_TIE = 50.0
"""Weight of closed lips staying closed, beside a landmark's 1."""
_REACH = 0.008
"""Metres around a loose part from which skin carries it along."""


@dataclass(frozen=True, slots=True)
class Surface:
    """A head model's mesh as far as landmarks can bend it."""

    vertices: F64
    """(V, 3) metres, the mean head."""
    landmarks: sparse.csr_matrix
    """(478, V): landmarks from vertices; empty rows for those that the model does not have."""
    ties: sparse.csr_matrix
    """(7, V): upper minus lower inner lip."""
    bending: sparse.csr_matrix
    """(V, V) quadratic form: squared Laplacian and anchor, for a stiffness of 1."""
    loose: tuple[tuple[Bool, Bool], ...]
    """Parts that no landmark holds (eyeballs, teeth, tongue): (V,) their vertices, and (V,) the
    skin that carries them."""

    @classmethod
    def of(cls, model: HeadModel) -> Surface:
        """The surface of `model`; takes some 50 ms."""
        vertices, faces = floats64(model.template.vertices), model.template.faces
        count = len(vertices)
        known = np.flatnonzero(model.landmark_faces >= 0)
        landmarks = sparse.csr_matrix(
            (
                model.landmark_barycentric[known].ravel().astype(np.float64),
                (np.repeat(known, 3), faces[model.landmark_faces[known]].ravel()),
            ),
            shape=(COUNT, count),
        )
        umbrella = laplacian(faces, count)
        edge = np.median(np.linalg.norm(vertices[faces[:, 0]] - vertices[faces[:, 1]], axis=1))
        scale = (_REFERENCE_EDGE / float(edge)) ** 2
        bending = (scale * (umbrella.T @ umbrella) + _ANCHOR * sparse.identity(count)).tocsr()
        upper, lower = (list(side) for side in zip(*INNER_LIPS, strict=True))
        ties = (landmarks[upper] - landmarks[lower]).tocsr()
        loose = _loose_parts(vertices, faces, landmarks)
        return cls(vertices, landmarks, ties, bending, loose)

    def bend(self, shifts: F64, weights: F64, stiffness: float, centres: Bool, reach: float) -> F64:
        """The smoothest displacement (V, D) that moves landmarks by `shifts` (478, D), each with
        its weight (478,); inner lips move in pairs. Loose parts follow the skin around them.

        Vertices further than `reach` metres from all landmarks in `centres` (478,) stay.
        """
        tree = cKDTree((self.landmarks @ self.vertices)[centres])
        distance, _ = tree.query(self.vertices, distance_upper_bound=reach)
        free = np.flatnonzero(np.isfinite(distance))
        landmarks, ties = self.landmarks[:, free], self.ties[:, free]
        system = (
            stiffness * self.bending[free][:, free]
            + landmarks.T @ sparse.diags(weights) @ landmarks
            + _TIE * (ties.T @ ties)
        )
        # symmetric and positive: no pivoting, and an ordering that keeps it sparse
        solver = splu(
            system.tocsc(),
            permc_spec="MMD_AT_PLUS_A",
            diag_pivot_thresh=0.0,
            options={"SymmetricMode": True},
        )
        moved = np.zeros((len(self.vertices), shifts.shape[1]))
        moved[free] = solver.solve(landmarks.T @ (weights[:, None] * shifts))
        for part, carrier in self.loose:
            moved[part] = moved[carrier].mean(0) if carrier.any() else 0.0
        return moved


def _loose_parts(
    vertices: F64, faces: I32, landmarks: sparse.csr_matrix
) -> tuple[tuple[Bool, Bool], ...]:
    count = len(vertices)
    a, b = faces[:, [0, 1, 2]].ravel(), faces[:, [1, 2, 0]].ravel()
    graph = sparse.coo_matrix((np.ones(len(a)), (a, b)), shape=(count, count))
    number, label = csgraph.connected_components(graph, directed=False)
    held = np.zeros(number, np.bool_)
    # irises lie on the eyeballs, but say where these look, not where they are
    held[label[landmarks[:468].indices]] = True
    skin = held[label]
    parts = []
    for k in np.flatnonzero(~held):
        part = label == k
        low, high = vertices[part].min(0) - _REACH, vertices[part].max(0) + _REACH
        near = skin & ((vertices > low) & (vertices < high)).all(1)
        parts.append((part, near))
    return tuple(parts)
