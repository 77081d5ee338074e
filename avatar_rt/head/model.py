"""HeadModel: a family of heads, whichever model it comes from (built-in, FLAME, others)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from avatar_rt.arrays import F32, I32, floats32
from avatar_rt.head.rig import Rig


@dataclass(frozen=True, slots=True)
class HeadModel:
    """A template head with the directions in which heads differ and move.

    V vertices, F triangles, I identity and E expression components, J joints, T texture vertices.
    """

    name: str
    """As an avatar's header names it, e.g. "anny-head" or "flame2023"."""
    licence: str
    """SPDX expression or the licence's name."""
    source_hash: str
    """sha256 (hex) of what the model was read from."""
    template: Rig
    """The mean head with its expressions and joints."""
    uv: F32
    """(T, 2) float32 in [0, 1], v up."""
    uv_faces: I32
    """(F, 3) int32 into uv."""
    identity_basis: F32
    """(I, V, 3) float32 (may be float16-backed on disk), metres per unit coefficient."""
    identity_names: tuple[str, ...]
    identity_std: F32
    """(I,) float32: how far each coefficient varies between people (one standard deviation)."""
    joint_regressor: F32
    """(J, V) float32: joints = regressor @ neutral vertices."""
    regions: Mapping[str, F32]
    """Named soft masks, each (V,) float32 in [0, 1]: face, scalp, ears, neck, lips, eyelids,
    left_eye, right_eye, upper_teeth, lower_teeth, tongue, mouth_interior, nose …"""
    landmark_faces: I32
    """(478,) int32: the triangle that holds each MediaPipe landmark; -1: not on this head."""
    landmark_barycentric: F32
    """(478, 3) float32."""
    mirror: I32
    """(V,) int32: the vertex at the mirrored position."""

    def bake(self, identity: ArrayLike | None = None, offsets: ArrayLike | None = None) -> Rig:
        """The rig of one person.

        identity: (I,) coefficients, default zero. offsets: (V, 3) metres added to the neutral.
        Joints follow the new neutral by the joint regressor.
        """
        vertices = self.template.vertices
        if identity is not None:
            vertices = vertices + np.tensordot(floats32(identity), self.identity_basis, 1)
        if offsets is not None:
            vertices = vertices + floats32(offsets)
        t = self.template
        return Rig(
            floats32(vertices), t.faces, t.expression_basis, t.expression_names,
            t.arkit_to_expression, t.arkit_to_joints, t.joint_names,
            floats32(self.joint_regressor @ vertices), t.parents, t.weights, t.pose_correctives,
        )  # fmt: skip
