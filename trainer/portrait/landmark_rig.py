"""A head model reduced to the points that a photograph shows: what a fit has to evaluate often."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from avatar_rt.arrays import F32, F64, Bool, floats64
from avatar_rt.head.model import HeadModel
from avatar_rt.head.rig import Rig
from trainer.portrait.geometry import joint_transforms, skinned


@dataclass(frozen=True, slots=True)
class LandmarkRig:
    """The 478 landmarks of a head model as functions of identity and ARKit weights."""

    rig: Rig
    """The mean head."""
    known: Bool
    """(478,) which landmarks the model has; rows of the others mean nothing."""
    neutral: F64
    """(478, 3) metres."""
    identity: F64
    """(I, 478, 3) metres per unit."""
    expression: F64
    """(52, 478, 3) metres per unit of an ARKit weight, without what the joints add."""
    weights: F64
    """(478, J) skinning weights."""
    joint_identity: F64
    """(I, J, 3) metres per unit."""

    @classmethod
    def of(cls, model: HeadModel) -> LandmarkRig:
        """The landmarks of `model`."""
        rig, corners = model.template, model.template.faces[model.landmark_faces]
        barycentric = floats64(model.landmark_barycentric)[..., None]

        def at(field: F32) -> F64:
            """(..., V, C) per vertex → (..., 478, C) per landmark."""
            return floats64((field[..., corners, :] * barycentric).sum(-2))

        return cls(
            rig,
            model.landmark_faces >= 0,
            at(rig.vertices),
            at(model.identity_basis),
            floats64(np.tensordot(rig.arkit_to_expression, at(rig.expression_basis), 1)),
            at(rig.weights),
            floats64(np.einsum("jv,ivc->ijc", model.joint_regressor, model.identity_basis,
                               optimize=True)),
        )  # fmt: skip

    def shifted(self, shift: F64) -> LandmarkRig:
        """The same with every neutral landmark moved by `shift` (478, 3) metres."""
        return replace(self, neutral=self.neutral + shift)

    def points(self, identity: F64, arkit: F64) -> F64:
        """(478, 3) metres in the model's own space."""
        turn, shift = self._joints(identity, arkit)
        return skinned(self._unposed(identity, arkit), self.weights, turn, shift)

    def linearized(self, identity: F64, arkit: F64) -> tuple[F64, F64, F64]:
        """The points (478, 3) and how they move: by identity (I, 478, 3), by ARKit (52, 478, 3).

        Identity's effect through the joints' places is left out: it is second order.
        """
        turn, shift = self._joints(identity, arkit)
        points = skinned(self._unposed(identity, arkit), self.weights, turn, shift)
        blended = np.einsum("lj,jab->lab", self.weights, turn)
        across = blended.transpose(0, 2, 1)
        by_identity = (self.identity[:, :, None] @ across)[:, :, 0]
        by_arkit = (self.expression[:, :, None] @ across)[:, :, 0]
        centres = np.einsum("jab,jb->ja", turn, self._rest(identity)) + shift
        rates = floats64(self.rig.arkit_to_joints)
        for k, j in zip(*np.nonzero(np.abs(rates).max(-1)), strict=True):
            arm = points - centres[j]
            by_arkit[k] += self.weights[:, j, None] * np.cross(rates[k, j], arm)
        return points, by_identity, by_arkit

    def _unposed(self, identity: F64, arkit: F64) -> F64:
        return floats64(
            self.neutral
            + np.tensordot(identity, self.identity, 1)
            + np.tensordot(arkit, self.expression, 1)
        )

    def _rest(self, identity: F64) -> F64:
        return floats64(self.rig.joints + np.tensordot(identity, self.joint_identity, 1))

    def _joints(self, identity: F64, arkit: F64) -> tuple[F64, F64]:
        rotations = np.tensordot(arkit, self.rig.arkit_to_joints, 1)
        return joint_transforms(self.rig, rotations, self._rest(identity))
