"""Where the eyes look: each eyeball is turned until its pupil lies on the iris that was found."""

from __future__ import annotations

import numpy as np

from avatar_rt.arrays import F32, F64, floats32, floats64
from avatar_rt.rotation import matrix_from_axis_angle
from trainer.portrait.points import LEFT_IRIS, RIGHT_IRIS
from trainer.portrait.solve import project

_MAX_PITCH, _MAX_YAW = np.radians(25), np.radians(35)
_MAX_VERGENCE = np.radians(3)
"""Half the angle between the two lines of sight: more is an error of the irises, or a squint that
would look like one."""


def eye_rotations(
    centres: F64, pupils: F64, points: F64, rotation: F64, translation: F64, K: F64
) -> F32:
    """(2, 3) float32 axis-angle of the left and right eye.

    centres, pupils: (2, 3) metres in the model's space, left then right, pupils looking straight
    ahead. points: (478, 2) pixels. rotation (3, 3) and translation (3,): model → camera.
    """
    seen = points[[LEFT_IRIS[0], RIGHT_IRIS[0]]]
    angles = np.stack(
        [
            _turn(centre, pupil - centre, pixel, rotation, translation, K)
            for centre, pupil, pixel in zip(centres, pupils, seen, strict=True)
        ]
    )
    # both eyes look at one thing: they share height, and turn inwards a little at most
    pitch = angles[:, 0].mean()
    middle = angles[:, 1].mean()
    vergence = np.clip((angles[1, 1] - angles[0, 1]) / 2, 0, _MAX_VERGENCE)
    yaws = np.clip([middle - vergence, middle + vergence], -_MAX_YAW, _MAX_YAW)
    pitch = np.clip(pitch, -_MAX_PITCH, _MAX_PITCH)
    return floats32([[pitch, yaw, 0.0] for yaw in yaws])


def _turn(centre: F64, arm: F64, pixel: F64, rotation: F64, translation: F64, K: F64) -> F64:
    """(2,) pitch and yaw that bring `centre` + `arm` onto `pixel`: Newton, by differences."""

    def seen(angles: F64) -> F64:
        turned = centre + matrix_from_axis_angle([angles[0], angles[1], 0.0]) @ arm
        return floats64(project((rotation @ turned + translation)[None], K)[0])

    angles, small = np.zeros(2), 1e-4
    for _ in range(5):
        here = seen(floats64(angles))
        slope = np.stack(
            [(seen(floats64(angles + d)) - here) / small for d in np.eye(2) * small], axis=1
        )
        step = np.linalg.lstsq(slope, pixel - here, rcond=None)[0]
        angles = np.clip(angles + np.clip(step, -0.3, 0.3), -0.7, 0.7)
    return floats64(angles)
