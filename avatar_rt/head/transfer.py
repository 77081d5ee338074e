"""Lays one head over another, so that what is known of the first holds for the second: its ARKit
shapes, its regions, its landmarks.

First the source head's own identities and a similarity are fitted to the target's surface
(iterated closest points, point to plane: Y. Chen, G. Medioni, Image and Vision Computing 10(3),
1992), so that a nose becomes a nose; then a smooth warp closes what is left.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from avatar_rt import _core
from avatar_rt.arrays import F32, F64, I32, Bool, floats32, floats64, ints32
from avatar_rt.head.closest import nearest_on_mesh, on_surface
from avatar_rt.head.model import HeadModel
from avatar_rt.rotation import matrix_from_axis_angle
from avatar_rt.types import Camera

ROUNDS = 20
CANDIDATES = 14
POINTS = 1500
"""About how many of the target's vertices a round looks at; each round looks at others."""
REACH = (0.030, 0.006)
"""Pairs further apart than this, in the first and in the last round, are not believed (metres)."""
PRIOR = 0.003
"""Metres of misfit, per point, that an identity of one standard deviation is worth."""
WARP_ROUNDS, WARP_SIGMA, WARP_NEIGHBOURS, WARP_REACH = 4, 0.008, 12, 0.012
JAW_FEATURE, NORMAL_FEATURE = 0.012, 0.005
"""Metres that a whole jaw weight and a unit of normal count when points are paired: what keeps an
upper lip off a lower one and the inside of a lid off its outside."""


@dataclass(frozen=True, slots=True)
class Overlay:
    """A source head laid over a target head."""

    scale: float
    rotation: F64
    """(3, 3): target direction = scale · rotation @ source direction."""
    triangle: I32
    """(V,) source triangle under each target vertex."""
    barycentric: F64
    """(V, 3)."""
    warped: F64
    """(S, 3) the source's vertices where they lie on the target."""
    distance: F64
    """(V,) metres between each target vertex and the warped source."""

    def carry(self, faces: I32, values: F64) -> F64:
        """(S, …) values at the source's vertices → (V, …) at the target's."""
        corners = values[faces[self.triangle]]
        return floats64(np.einsum("vk...,vk->v...", corners, self.barycentric))


def overlay(source: HeadModel, target: HeadModel) -> Overlay:
    """Lays `source` over `target`. Both need eye joints and a jaw; the target's skin is all but its
    eyeballs (regions left_eye and right_eye). Needs scipy (the make extra)."""
    outer = (source.regions["skin"] > 0.5)[source.template.faces].all(1) & visible(source)
    moving = _Surface.of(source).only(outer)
    fixed = _Surface.of(target)
    seen = np.unique(target.template.faces[visible(target)])
    usable = np.setdiff1d(seen, np.flatnonzero(eyeballs(target)))
    stride = max(len(usable) // POINTS, 1)
    scale, rotation, shift = _by_eyes(source, target)
    basis = floats64(source.identity_basis) * source.identity_std[:, None, None]
    identity = np.zeros(len(basis))

    for k in range(ROUNDS):
        reach = REACH[0] * (REACH[1] / REACH[0]) ** (k / (ROUNDS - 1))
        shaped = moving.at(moving.vertices + np.tensordot(identity, basis, 1))
        here = fixed.at((fixed.vertices - shift) @ rotation / scale)
        pairs = _pair(here, shaped, ints32(usable[k % stride :: stride]), reach)
        step = _solve(here.vertices, shaped.vertices, basis, identity, moving.faces, pairs)
        identity = step[7:]
        turn = matrix_from_axis_angle(step[:3])
        # the step moves the target towards the source: undo it on the similarity
        shift = shift - scale * rotation @ (turn.T @ step[3:6]) / (1 + step[6])
        rotation = rotation @ turn.T
        scale = scale / (1 + step[6])

    shaped_here = moving.vertices + np.tensordot(identity, basis, 1)
    warped = moving.at(floats64(scale * shaped_here @ rotation.T + shift))
    for k in range(WARP_ROUNDS):
        pairs = _pair(fixed, warped, ints32(usable), WARP_REACH)
        warped = warped.at(_drawn(fixed.vertices, warped, pairs, WARP_SIGMA / 2**k))
    # what cannot be seen, the insides of lips and lids, belongs to what cannot be seen
    skin = floats64(source.regions["skin"]) + source.regions["mouth_interior"]
    whole = (skin > 0.5)[source.template.faces].all(1)
    everywhere = _Surface.of(source).only(whole).at(warped.vertices)
    triangle, barycentric, _ = everywhere.nearest(fixed.features())
    found = on_surface(warped.vertices, everywhere.faces, triangle, barycentric)
    return Overlay(
        scale=scale,
        rotation=rotation,
        triangle=ints32(np.flatnonzero(whole)[triangle]),
        barycentric=barycentric,
        warped=warped.vertices,
        distance=floats64(np.linalg.norm(found - fixed.vertices, axis=1)),
    )


def place_points(
    over: Overlay, source: HeadModel, target: HeadModel, triangle: I32, barycentric: F64
) -> tuple[I32, F64]:
    """Points on the source's triangles → the target's triangles and barycentric coordinates, among
    those that can be seen: not in the mouth, not behind the lids."""
    there = _Surface.of(source).at(over.warped)
    skin = visible(target) & ~eyeballs(target)[target.template.faces].any(1)
    here = _Surface.of(target).only(skin)
    wanted = on_surface(there.features(), source.template.faces, triangle, barycentric)
    found, weights, _ = here.nearest(wanted)
    return ints32(np.flatnonzero(skin)[found]), weights


@dataclass(frozen=True, slots=True)
class _Surface:
    """A head's surface where it lies now, with what pairs its points to another's."""

    vertices: F64
    head: HeadModel
    faces: I32
    """Those triangles on which nearest points are looked for."""

    @classmethod
    def of(cls, head: HeadModel) -> _Surface:
        return cls(floats64(head.template.vertices), head, head.template.faces)

    def only(self, kept: Bool) -> _Surface:
        return _Surface(self.vertices, self.head, ints32(self.faces[kept]))

    def at(self, vertices: F64) -> _Surface:
        return _Surface(vertices, self.head, self.faces)

    def normals(self) -> F64:
        return vertex_normals(self.vertices, self.head.template.faces)

    def features(self) -> F64:
        """(V, 7) position, normal and jaw weight, in metres."""
        jaw = jaw_weights(self.head)
        return floats64(
            np.column_stack([self.vertices, NORMAL_FEATURE * self.normals(), JAW_FEATURE * jaw])
        )

    def nearest(self, features: F64) -> tuple[I32, F64, F64]:
        return nearest_on_mesh(features, self.features(), self.faces, CANDIDATES)


def visible(head: HeadModel) -> Bool:
    """(F,) the triangles that show a pixel or more in one of fifteen views of the neutral face."""
    vertices, faces = head.template.vertices, head.template.faces
    seen = np.zeros(len(faces), bool)
    for yaw in np.radians([-70.0, -35.0, 0.0, 35.0, 70.0]):
        for pitch in np.radians([-25.0, 0.0, 25.0]):
            camera = Camera.orbit(yaw, pitch, width=1024, height=1024)
            place = vertices @ camera.viewmat[:3, :3].T + camera.viewmat[:3, 3]
            pixels = place @ camera.K.T
            points = floats32(np.column_stack([pixels[:, :2] / pixels[:, 2:], place[:, 2]]))
            triangle, _, _ = _core.rasterize_mesh(points, faces, camera.width, camera.height, 0)
            seen[triangle[triangle >= 0]] = True
    return seen


def vertex_normals(vertices: F64, faces: I32) -> F64:
    """(V, 3) unit normals, faces weighted by area."""
    corner = vertices[faces]
    flat = np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0])
    normals = np.stack(
        [
            sum(np.bincount(faces[:, k], flat[:, axis], len(vertices)) for k in range(3))
            for axis in range(3)
        ],
        1,
    )
    return floats64(normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12))


def eyeballs(head: HeadModel) -> Bool:
    """(V,) both eyeballs."""
    return np.asarray((head.regions["left_eye"] > 0.5) | (head.regions["right_eye"] > 0.5))


def jaw_weights(head: HeadModel) -> F32:
    """(V,) how far each vertex follows the jaw."""
    return floats32(head.template.weights[:, head.template.joint_names.index("jaw")])


def _by_eyes(source: HeadModel, target: HeadModel) -> tuple[float, F64, F64]:
    """The similarity that puts the source's eyes onto the target's, both heads upright."""

    def eyes(head: HeadModel) -> F64:
        index = [head.template.joint_names.index(f"{side}_eye") for side in ("left", "right")]
        return floats64(head.template.joints[index])

    a, b = eyes(source), eyes(target)
    scale = float(np.linalg.norm(b[0] - b[1]) / np.linalg.norm(a[0] - a[1]))
    return scale, np.eye(3), floats64(b.mean(0) - scale * a.mean(0))


@dataclass(frozen=True, slots=True)
class _Pairs:
    rows: I32
    triangle: I32
    barycentric: F64
    normal: F64


def _pair(here: _Surface, there: _Surface, rows: I32, reach: float) -> _Pairs:
    """Vertices `rows` of one surface and the points of the other that they belong to, where those
    lie within reach and face the same way."""
    triangle, barycentric, _ = there.nearest(here.features()[rows])
    found = on_surface(there.vertices, there.faces, triangle, barycentric)
    normal = on_surface(there.normals(), there.faces, triangle, barycentric)
    near = np.linalg.norm(found - here.vertices[rows], axis=1) < reach
    kept = np.flatnonzero(near & ((normal * here.normals()[rows]).sum(1) > 0.5))
    return _Pairs(ints32(rows[kept]), triangle[kept], barycentric[kept], normal[kept])


def _solve(points: F64, vertices: F64, basis: F64, identity: F64, faces: I32, pairs: _Pairs) -> F64:
    """One Gauss–Newton step: (3) turn, (3) shift, (1) growth of the target, then the new identity
    in standard deviations. Distances count along the normal, and a tenth as much across it."""
    place = points[pairs.rows]
    corner = faces[pairs.triangle]
    found = np.einsum("nkd,nk->nd", vertices[corner], pairs.barycentric)
    moves = np.einsum("inkd,nk->nid", basis[:, corner], pairs.barycentric)
    n = len(place)
    jacobian = np.zeros((n, 3, 7 + len(basis)))
    x, y, z = place.T
    zero = np.zeros(n)
    jacobian[:, :, :3] = np.stack(
        [np.stack([zero, z, -y], 1), np.stack([-z, zero, x], 1), np.stack([y, -x, zero], 1)], 1
    )
    jacobian[:, :, 3:6] = np.eye(3)
    jacobian[:, :, 6] = place
    jacobian[:, :, 7:] = -moves.transpose(0, 2, 1)
    rest = found - place - moves.transpose(0, 2, 1) @ identity
    along = np.einsum("nd,ndj->nj", pairs.normal, jacobian)
    rows = np.concatenate([along, 0.1 * jacobian.reshape(3 * n, -1)])
    goal = np.concatenate([(pairs.normal * rest).sum(1), 0.1 * rest.reshape(-1)])
    ridge = np.concatenate([np.full(7, 1e-12), np.full(len(basis), PRIOR**2 * n / len(basis))])
    return floats64(np.linalg.solve(rows.T @ rows + np.diag(ridge), rows.T @ goal))


def _drawn(points: F64, warped: _Surface, pairs: _Pairs, sigma: float) -> F64:
    """(S, 3) the warped surface drawn onto points: each vertex moves by the Gaussian mean of the
    misfits around it, and far from all pairs not at all."""
    from scipy.spatial import cKDTree  # noqa: PLC0415  (make extra)

    found = on_surface(warped.vertices, warped.faces, pairs.triangle, pairs.barycentric)
    misfit = points[pairs.rows] - found
    distance, index = cKDTree(found).query(warped.vertices, WARP_NEIGHBOURS)
    weight = np.exp(-0.5 * (distance / sigma) ** 2)
    total = weight.sum(1) + 0.05
    return floats64(
        warped.vertices + np.einsum("vk,vkd->vd", weight, misfit[index]) / total[:, None]
    )
