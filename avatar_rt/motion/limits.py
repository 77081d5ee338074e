"""What a face cannot do: values are brought back to what a neck, an eye and a muscle allow."""

from __future__ import annotations

import numpy as np

from avatar_rt.arkit import ARKIT_INDEX
from avatar_rt.arrays import F32, floats32
from avatar_rt.types import FaceParams

_HEAD, _NECK, _JAW, _EYE = (np.radians(a) for a in (75.0, 45.0, 30.0, 40.0))
_REACH = 0.5
"""Metres that the head may leave its place."""
_BLINK = [ARKIT_INDEX["eyeBlinkLeft"], ARKIT_INDEX["eyeBlinkRight"]]
_WIDE = [ARKIT_INDEX["eyeWideLeft"], ARKIT_INDEX["eyeWideRight"]]


def limited(params: FaceParams) -> FaceParams:
    """`params` within bounds: ARKit weights in [0, 1], rotations within what the joint can turn,
    a closed eye not wide at once. A value that is not finite becomes rest."""
    arkit = np.clip(np.nan_to_num(params.arkit, posinf=1.0), 0.0, 1.0)
    arkit[_WIDE] *= 1.0 - arkit[_BLINK]
    eyes, jaw = params.eye_pose, params.jaw_pose
    return params.with_changes(
        arkit=floats32(arkit),
        head_pose=_shortened(params.head_pose, _HEAD),
        neck_pose=_shortened(params.neck_pose, _NECK),
        jaw_pose=None if jaw is None else _shortened(jaw, _JAW),
        eye_pose=None if eyes is None else floats32([_shortened(e, _EYE) for e in eyes]),
        translation=_shortened(params.translation, _REACH),
    )


def _shortened(vector: F32, longest: float) -> F32:
    finite = np.nan_to_num(vector, posinf=0.0, neginf=0.0)
    length = float(np.linalg.norm(finite))
    return floats32(finite if length <= longest else finite * (longest / length))
