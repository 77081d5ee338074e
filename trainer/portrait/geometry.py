"""Small pieces of geometry that fitting needs in double precision: skinning and a mesh's Laplacian.

The native core does the same skinning at frame rate; here it is needed for single vertices, with
offsets of their own, and before there are any Gaussians to build a core from.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy import sparse

from avatar_rt.arrays import F32, F64, I32, floats32, floats64
from avatar_rt.head.rig import Rig, RigPose
from avatar_rt.rotation import matrix_from_axis_angle
from avatar_rt.types import FaceParams


def joint_transforms(rig: Rig, rotations: ArrayLike, joints: ArrayLike) -> tuple[F64, F64]:
    """Rest → posed transform of each joint: (J, 3, 3) and (J, 3), x ↦ R x + t.

    rotations: (J, 3) axis-angle relative to the parent. joints: (J, 3) rest positions.
    """
    local, rest = matrix_from_axis_angle(rotations), floats64(joints)
    turn, shift = local.copy(), np.zeros_like(rest)
    for j, parent in enumerate(rig.parents):
        if parent >= 0:
            turn[j] = turn[parent] @ local[j]
            shift[j] = turn[parent] @ rest[j] + shift[parent] - turn[j] @ rest[j]
        else:
            shift[j] = rest[j] - local[j] @ rest[j]
    return turn, shift


def skinned(points: ArrayLike, weights: ArrayLike, turn: F64, shift: F64) -> F64:
    """Linear blend skinning: (N, 3) points with (N, J) weights → (N, 3) float64."""
    w = floats64(weights)
    each = np.einsum("nj,jab->nab", w, turn)
    return floats64(np.einsum("nab,nb->na", each, floats64(points)) + w @ shift)


def posed_vertices(rig: Rig, params: FaceParams, offsets: ArrayLike | None = None) -> F32:
    """(V, 3) float32 vertices of `rig` under `params`; offsets (V, 3) are added to the neutral."""
    pose: RigPose = rig.pose(params)
    vertices = rig.vertices + np.tensordot(pose.coefficients, rig.expression_basis, 1)
    if offsets is not None:
        vertices = vertices + floats32(offsets)
    if len(rig.pose_correctives):
        feature = (matrix_from_axis_angle(pose.joint_rotations[1:]) - np.eye(3)).ravel()
        vertices = vertices + np.tensordot(floats32(feature), rig.pose_correctives, 1)
    turn, shift = joint_transforms(rig, pose.joint_rotations, rig.joints)
    return floats32(skinned(vertices, rig.weights, turn, shift) + floats64(pose.translation))


def laplacian(faces: I32, vertex_count: int) -> sparse.csr_matrix:
    """(V, V) uniform (umbrella) Laplacian I - D⁻¹A; a row of an isolated vertex is zero."""
    i = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    ones = np.ones(len(i))
    half = sparse.coo_matrix((ones, (i[:, 0], i[:, 1])), shape=(vertex_count, vertex_count))
    adjacency = ((half + half.T) > 0).astype(np.float64).tocsr()
    degree = np.asarray(adjacency.sum(1)).ravel()
    inverse = np.divide(1.0, degree, out=np.zeros_like(degree), where=degree > 0)
    return (
        sparse.diags((degree > 0).astype(np.float64)) - sparse.diags(inverse) @ adjacency
    ).tocsr()
