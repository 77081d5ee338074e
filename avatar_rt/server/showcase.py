"""A recorded clip that comes with the program: one expression after another, for a first look."""

from __future__ import annotations

import numpy as np

from avatar_rt.arrays import floats32
from avatar_rt.drivers.recording import Recording
from avatar_rt.rotation import axis_angle_from_matrix, matrix_from_euler
from avatar_rt.types import FaceParams

RATE = 30.0
_HOLD_S, _EASE_S = 0.9, 0.35


def _both(name: str, weight: float) -> dict[str, float]:
    return {f"{name}Left": weight, f"{name}Right": weight}


# each: what the face does, and where the head turns (yaw, pitch, roll in degrees)
_POSES: tuple[tuple[dict[str, float], tuple[float, float, float]], ...] = (
    ({}, (0, 0, 0)),
    ({**_both("mouthSmile", 0.8), **_both("cheekSquint", 0.4)}, (6, 0, -3)),
    ({"jawOpen": 0.65, **_both("browOuterUp", 0.5), "browInnerUp": 0.6}, (0, -4, 0)),
    ({"mouthPucker": 0.8, "mouthFunnel": 0.3}, (-8, 0, 0)),
    ({**_both("browDown", 0.9), **_both("noseSneer", 0.5), **_both("mouthPress", 0.5)}, (0, 5, 0)),
    (_both("eyeBlink", 1.0), (0, 3, 0)),
    ({"eyeBlinkRight": 1.0, **_both("mouthSmile", 0.6)}, (10, 0, 6)),
    ({"eyeLookOutLeft": 0.7, "eyeLookInRight": 0.7}, (18, 0, 0)),
    ({"eyeLookOutRight": 0.7, "eyeLookInLeft": 0.7}, (-18, 0, 0)),
    ({"cheekPuff": 0.9, **_both("eyeWide", 0.5)}, (0, 0, 0)),
    ({"mouthLeft": 0.7, **_both("eyeSquint", 0.5)}, (0, 0, 8)),
    ({**_both("mouthFrown", 0.8), "browInnerUp": 0.9}, (0, 7, 0)),
    ({"jawOpen": 0.25, **_both("mouthSmile", 1.0), **_both("mouthUpperUp", 0.3)}, (0, -3, 0)),
)


def showcase() -> Recording:
    """Each expression eased in, held and eased into the next; the end leads to the beginning."""
    faces = [FaceParams.from_arkit(weights) for weights, _ in _POSES]
    turns = [axis_angle_from_matrix(matrix_from_euler(*np.radians(angles))) for _, angles in _POSES]
    step = _HOLD_S + _EASE_S
    states = []
    for frame in range(int(len(_POSES) * step * RATE)):
        time = frame / RATE
        k = int(time / step)
        after = (k + 1) % len(_POSES)
        share = np.clip((time - k * step - _HOLD_S) / _EASE_S, 0.0, 1.0)
        share = share * share * (3 - 2 * share)
        states.append(
            FaceParams(
                arkit=floats32((1 - share) * faces[k].arkit + share * faces[after].arkit),
                head_pose=floats32((1 - share) * turns[k] + share * turns[after]),
                time=time,
            )
        )
    return Recording.of(states)
