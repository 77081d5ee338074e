"""How far an eye turns for a full ARKit look, and back."""

from __future__ import annotations

import numpy as np

from avatar_rt.arkit import ARKIT_INDEX, ARKIT_NAMES
from avatar_rt.arrays import F32

FULL_LOOK = {"In": 35.0, "Out": 35.0, "Up": 25.0, "Down": 28.0}
"""Degrees that a weight of one turns an eye of the built-in head."""


def look_weights(gaze: F32) -> F32:
    """(52,) float32: the eyeLook weights of eyes turned by gaze (2,): yaw to the subject's left and
    pitch down, radians. Weights end at one."""
    yaw, pitch = np.degrees(gaze)
    weights = np.zeros(len(ARKIT_NAMES), np.float32)
    for side, inward in (("Left", -yaw), ("Right", yaw)):
        turns = {"In": inward, "Out": -inward, "Up": -pitch, "Down": pitch}
        for direction, angle in turns.items():
            share = min(max(float(angle) / FULL_LOOK[direction], 0.0), 1.0)
            weights[ARKIT_INDEX[f"eyeLook{direction}{side}"]] = share
    return weights
