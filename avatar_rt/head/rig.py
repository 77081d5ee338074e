"""A rig: what it takes to move one particular head, whichever head model it came from.

A HeadModel bakes one for an identity; an avatar file carries one; the native core animates it.
"""

from __future__ import annotations

from dataclasses import dataclass

from avatar_rt.arrays import F32, I32, floats32
from avatar_rt.errors import ParameterError
from avatar_rt.rotation import axis_angle_from_matrix, matrix_from_axis_angle
from avatar_rt.types import FaceParams

JOINT_NAMES = ("root", "neck", "head", "jaw", "left_eye", "right_eye")
"""The joints that FaceParams can turn. A rig has any subset, in its own order."""


@dataclass(frozen=True, slots=True)
class RigPose:
    """FaceParams in the terms of one rig: the native core's input."""

    coefficients: F32
    """(E,) float32 weights of the rig's expression basis."""
    joint_rotations: F32
    """(J, 3) float32 axis-angle of each joint relative to its parent."""
    translation: F32
    """(3,) float32 metres."""


@dataclass(frozen=True, slots=True)
class Rig:
    """One head at rest and all that moves it."""

    vertices: F32
    """(V, 3) float32 metres, neutral."""
    faces: I32
    """(F, 3) int32, counter-clockwise seen from outside."""
    expression_basis: F32
    """(E, V, 3) float32 metres per unit coefficient."""
    expression_names: tuple[str, ...]
    """E names."""
    arkit_to_expression: F32
    """(52, E) float32: coefficients = arkit @ this."""
    arkit_to_joints: F32
    """(52, J, 3) float32 radians: axis-angle that a unit of each ARKit weight adds to each joint.
    Only jaw and eye rows are non-zero. The expression basis holds what is left of a shape once
    this rotation is taken out of it, so the two never count twice."""
    joint_names: tuple[str, ...]
    """J of JOINT_NAMES."""
    joints: F32
    """(J, 3) float32 metres, rest positions."""
    parents: I32
    """(J,) int32, -1 for a root; a parent comes before its children."""
    weights: F32
    """(V, J) float32 skinning weights, rows sum to 1."""
    pose_correctives: F32
    """(P, V, 3) float32 metres; P is 0, or 9·(J-1): one per entry of R - I of each joint but the
    first, row-major (SMPL, Loper et al. 2015, §3, eq. 9)."""

    def pose(self, params: FaceParams) -> RigPose:
        """FaceParams in this rig's terms.

        Jaw and eye rotations that `params` gives replace those that the ARKit weights imply.
        A rig without a head joint turns its neck by neck_pose followed by head_pose.
        Raises ParameterError where `params.expression` has another length than the basis.
        """
        if params.expression is None:
            coefficients = floats32(params.arkit @ self.arkit_to_expression)
        elif params.expression.shape != (len(self.expression_names),):
            raise ParameterError(
                f"expression has shape {params.expression.shape}, this head takes "
                f"({len(self.expression_names)},)"
            )
        else:
            coefficients = floats32(params.expression)
        # a plain matrix product: tensordot would take three times as long, at every frame
        rotations = (params.arkit @ self.arkit_to_joints.reshape(52, -1)).reshape(-1, 3)
        index = {name: k for k, name in enumerate(self.joint_names)}

        def turn(name: str, axis_angle: F32 | None) -> None:
            if axis_angle is not None and name in index:
                rotations[index[name]] = axis_angle

        turn("neck", params.neck_pose)
        if "head" in index:
            turn("head", params.head_pose)
        elif "neck" in index:
            both = matrix_from_axis_angle(params.neck_pose) @ matrix_from_axis_angle(
                params.head_pose
            )
            turn("neck", floats32(axis_angle_from_matrix(both)))
        turn("jaw", params.jaw_pose)
        if params.eye_pose is not None:
            turn("left_eye", params.eye_pose[0])
            turn("right_eye", params.eye_pose[1])
        return RigPose(coefficients, floats32(rotations), floats32(params.translation))
