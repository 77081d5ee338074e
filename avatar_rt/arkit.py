"""The 52 ARKit blendshapes: their names, in the order of every weight vector in this project.

Apple's ARFaceAnchor.BlendShapeLocation names them; the order here is Apple's own grouping (left
eye, right eye, jaw, mouth, brows, cheeks, nose, tongue). Files that use another order carry names,
and are reordered by name when read.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from avatar_rt.arrays import F32
from avatar_rt.errors import ParameterError

_EYE = ["eyeBlink", "eyeLookDown", "eyeLookIn", "eyeLookOut", "eyeLookUp", "eyeSquint", "eyeWide"]
_MOUTH = [
    "mouthClose",
    "mouthFunnel",
    "mouthPucker",
    "mouthLeft",
    "mouthRight",
    "mouthSmileLeft",
    "mouthSmileRight",
    "mouthFrownLeft",
    "mouthFrownRight",
    "mouthDimpleLeft",
    "mouthDimpleRight",
    "mouthStretchLeft",
    "mouthStretchRight",
    "mouthRollLower",
    "mouthRollUpper",
    "mouthShrugLower",
    "mouthShrugUpper",
    "mouthPressLeft",
    "mouthPressRight",
    "mouthLowerDownLeft",
    "mouthLowerDownRight",
    "mouthUpperUpLeft",
    "mouthUpperUpRight",
]
_REST = [
    "browDownLeft",
    "browDownRight",
    "browInnerUp",
    "browOuterUpLeft",
    "browOuterUpRight",
    "cheekPuff",
    "cheekSquintLeft",
    "cheekSquintRight",
    "noseSneerLeft",
    "noseSneerRight",
    "tongueOut",
]

ARKIT_NAMES: tuple[str, ...] = (
    *(f"{name}Left" for name in _EYE),
    *(f"{name}Right" for name in _EYE),
    *("jawForward", "jawLeft", "jawRight", "jawOpen"),
    *_MOUTH,
    *_REST,
)
ARKIT_INDEX: dict[str, int] = {name: k for k, name in enumerate(ARKIT_NAMES)}
_SWAP = {"Left": "Right", "Right": "Left"}


def _mirrored(name: str) -> str:
    for side, other in _SWAP.items():
        if name.endswith(side):
            return name.removesuffix(side) + other
    return name


ARKIT_MIRROR: tuple[int, ...] = tuple(ARKIT_INDEX[_mirrored(name)] for name in ARKIT_NAMES)
"""ARKIT_MIRROR[k] is the index of the same shape on the other side of the face."""


def arkit_weights(named: Mapping[str, float]) -> F32:
    """Named weights → (52,) float32; absent names are zero.

    Raises ParameterError for a name that ARKit does not have.
    """
    weights = np.zeros(len(ARKIT_NAMES), np.float32)
    for name, value in named.items():
        if name not in ARKIT_INDEX:
            close = [n for n in ARKIT_NAMES if n.lower().startswith(name.lower()[:5])]
            hint = f"; did you mean one of {', '.join(close)}?" if close else ""
            raise ParameterError(f"'{name}' is not an ARKit blendshape{hint}")
        weights[ARKIT_INDEX[name]] = value
    return weights
