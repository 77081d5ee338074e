"""Poses a rig in NumPy: blendshapes, pose correctives, linear blend skinning.

The native core does the same for every frame; this is for fitting and for checking it.
"""

from __future__ import annotations

import numpy as np

from avatar_rt.arrays import F64, floats64
from avatar_rt.head.rig import Rig, RigPose
from avatar_rt.rotation import matrix_from_axis_angle


def posed_vertices(rig: Rig, pose: RigPose) -> F64:
    """(V, 3) metres: M. Loper et al., SMPL (2015), §3, eqs. 2–4 and 9."""
    turns = matrix_from_axis_angle(pose.joint_rotations)
    rest = rig.vertices + np.tensordot(floats64(pose.coefficients), rig.expression_basis, 1)
    if len(rig.pose_correctives):
        rest = rest + np.tensordot((turns[1:] - np.eye(3)).ravel(), rig.pose_correctives, 1)
    rotation = np.zeros((len(rig.joints), 3, 3))
    shift = np.zeros((len(rig.joints), 3))
    for joint, parent in enumerate(rig.parents):
        here = floats64(rig.joints[joint])
        if parent < 0:
            rotation[joint], place = turns[joint], here
        else:
            rotation[joint] = rotation[parent] @ turns[joint]
            place = rotation[parent] @ here + shift[parent]
        shift[joint] = place - rotation[joint] @ here
    blend = np.tensordot(rig.weights, rotation, 1)
    moved = np.einsum("vab,vb->va", blend, rest) + rig.weights @ shift
    return floats64(moved + pose.translation)
