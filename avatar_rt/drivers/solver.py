"""From the points of a tracked face to FaceParams: who it is at rest is learned as it goes."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from avatar_rt.arkit import ARKIT_INDEX, ARKIT_NAMES
from avatar_rt.arrays import F32, F64, floats32
from avatar_rt.face import Landmarks
from avatar_rt.face.expression import Reading, regressor
from avatar_rt.face.gaze import look_weights
from avatar_rt.face.standard import DEFAULT_FOCAL, standardised
from avatar_rt.rotation import (
    axis_angle_from_matrix,
    euler_from_matrix,
    matrix_from_axis_angle,
    matrix_from_euler,
)
from avatar_rt.types import Channels, FaceParams

_CALIBRATION = 1.0
"""Seconds at the beginning whose median is taken for the person at rest."""
_GAP = 2.0
"""Seconds without a face after which another person may have sat down."""
_PITCH_DOUBT = np.radians(12.0)
"""How far a person's shape, or a camera above a screen, may feign a nod. Yaw and roll need no such
correction: a face is symmetric."""
_DOWN, _UP = 1.5, 10.0
"""Seconds in which a weight's floor follows what is below it, and rises again."""
_FRONTAL = np.radians(12.0)
"""A turn up to which the floor is learned; beyond it readings are less sure."""
_ON_NECK = 0.3
"""Share of a turn that the neck makes."""
_SHUT = 0.55
"""A blink weight from which the iris is hidden."""
_BLINKS = [ARKIT_INDEX["eyeBlinkLeft"], ARKIT_INDEX["eyeBlinkRight"]]
_LOOKS = [k for name, k in ARKIT_INDEX.items() if name.startswith("eyeLook")]


@dataclass(slots=True)
class _Person:
    """What has been learned of whoever is in the picture."""

    began: float
    """Seconds at which they were first seen …"""
    last: float
    """… and last."""
    features: list[F32] = field(default_factory=list)
    rest: F32 | None = None
    """The median of those features, once there are any."""
    pitches: list[float] = field(default_factory=list)
    nod: float = 0.0
    """Radians that their pitch at rest is off."""
    floor: F64 = field(default_factory=lambda: np.zeros(len(ARKIT_NAMES)))
    """(52,) ≤ 0: how far below rest each weight lately was."""
    gaze: F32 = field(default_factory=lambda: np.zeros(2, np.float32))


class FaceSolver:
    """One person's face, picture by picture."""

    def __init__(self, focal: float = DEFAULT_FOCAL) -> None:
        """focal: of the camera, over the picture's longer side."""
        self._focal = focal
        self._regressor = regressor()
        self._person: _Person | None = None

    def solve(self, seen: Landmarks, width: int, height: int, time: float) -> FaceParams:
        """The state of the face seen at `time` seconds in a width × height picture.

        During the first second the face counts as at rest; what it later does the other way (an
        eye that was half shut then, say) moves that rest. Landmarks with blendshapes keep those.
        """
        face = standardised(seen.points, width, height, self._focal)
        person = self._person
        if person is None or not 0 <= time - person.last <= _GAP:
            self._person = person = _Person(time, time)
        dt, person.last = time - person.last, time
        calibrating = time - person.began <= _CALIBRATION
        if calibrating or person.rest is None:
            person.features.append(self._regressor.features(face))
            person.rest = floats32(np.median(person.features, axis=0))
        reading = self._regressor.read(face, person.rest)
        if calibrating:
            person.pitches.append(euler_from_matrix(reading.rotation)[1])
            nod = float(np.median(person.pitches))
            person.nod = min(max(nod, -_PITCH_DOUBT), _PITCH_DOUBT)
        arkit = _weights(person, reading, seen, dt)
        gaze = _steady(person, reading.gaze, arkit)
        arkit[_LOOKS] = look_weights(gaze)[_LOOKS]
        eye = floats32(axis_angle_from_matrix(matrix_from_euler(gaze[0], gaze[1], 0.0)))
        level = matrix_from_axis_angle([-person.nod, 0.0, 0.0])
        turn = axis_angle_from_matrix(level @ reading.rotation)
        return FaceParams(
            arkit=arkit,
            head_pose=floats32((1 - _ON_NECK) * turn),
            neck_pose=floats32(_ON_NECK * turn),
            eye_pose=np.stack([eye, eye]),
            time=time,
            known=Channels.ALL,
            measured=True,
        )


def _weights(person: _Person, reading: Reading, seen: Landmarks, dt: float) -> F32:
    """(52,) float32 in [0, 1]: the reading above its floor, or the task's own weights."""
    if seen.blendshapes is not None:
        return seen.blendshapes.copy()
    if np.linalg.norm(axis_angle_from_matrix(reading.rotation)) < _FRONTAL:
        below = reading.arkit < person.floor
        share = 1.0 - np.exp(-dt / np.where(below, _DOWN, _UP))
        person.floor += share * (np.minimum(reading.arkit, 0.0) - person.floor)
    return floats32(np.clip(reading.arkit - person.floor, 0.0, 1.0))


def _steady(person: _Person, gaze: F32, arkit: F32) -> F32:
    """(2,) the gaze, or the last one while a lid hides the iris."""
    if arkit[_BLINKS].max() < _SHUT:
        person.gaze = gaze
    return person.gaze
