"""The standard place of a face, and what the regressor reads in it."""

from __future__ import annotations

import numpy as np
import pytest

from avatar_rt.arkit import ARKIT_INDEX, ARKIT_NAMES
from avatar_rt.arrays import F32, F64, floats32
from avatar_rt.face.expression import regressor
from avatar_rt.face.gaze import look_weights
from avatar_rt.face.standard import mean_face, standardised
from avatar_rt.rotation import euler_from_matrix, matrix_from_euler

SIZE = 512


def seen(rotation: F64, *, scale: float = 1500.0, x: float = 256.0, y: float = 256.0) -> F32:
    """(478, 3) pixels of the mean face, turned, as MediaPipe would give it."""
    turned = mean_face() @ rotation.T * scale * [1, -1, -1]
    return floats32(turned - turned[:468].mean(0) + [x, y, 0])


@pytest.mark.parametrize("angles", [(0, 0, 0), (30, 0, 0), (0, -20, 0), (0, 0, 15), (-25, 10, -8)])
def test_the_turn_of_a_known_face_is_found(angles: tuple[float, float, float]) -> None:
    rotation = matrix_from_euler(*np.radians(angles))
    face = standardised(seen(rotation), SIZE, SIZE)
    assert np.allclose(np.degrees(euler_from_matrix(face.rotation)), angles, atol=0.05)
    assert face.scale == pytest.approx(1500, rel=1e-3)
    assert np.abs(face.residual).max() < 1e-5


def test_a_face_beside_the_middle_is_turned_by_what_the_camera_feigns() -> None:
    """Who looks straight past the camera, beside it, is seen turned away from the middle."""
    face = standardised(seen(np.eye(3), x=256 + 128), SIZE, SIZE, focal=1.0)
    yaw, pitch, _ = np.degrees(euler_from_matrix(face.rotation))
    assert yaw == pytest.approx(-np.degrees(np.arctan(0.25)), abs=0.1)
    assert pitch == pytest.approx(0, abs=0.1)
    up = standardised(seen(np.eye(3), y=256 - 128), SIZE, SIZE, focal=1.0)
    assert np.degrees(euler_from_matrix(up.rotation)[1]) == pytest.approx(14.04, abs=0.1)


def test_the_mean_face_is_a_face() -> None:
    mean = mean_face()
    assert mean.shape == (478, 3)
    assert mean[33, 0] < mean[133, 0] < mean[362, 0] < mean[263, 0], "corners of the eyes"
    assert mean[10, 1] > mean[1, 1] > mean[13, 1] > mean[152, 1], "brow, nose, mouth, chin"
    assert mean[1, 2] == mean[:, 2].max(), "the tip of the nose is in front"
    assert np.allclose(mean[468, 0], -mean[473, 0], atol=1e-3)


def test_a_face_at_rest_reads_as_one() -> None:
    net = regressor()
    face = standardised(seen(np.eye(3)), SIZE, SIZE)
    features = net.features(face)
    assert features.shape == net.centre.shape
    reading = net.read(face, features)
    assert np.abs(reading.arkit).max() < 0.25
    assert np.degrees(np.abs(reading.gaze)).max() < 5
    assert np.degrees(np.abs(euler_from_matrix(reading.rotation))).max() < 6
    unseen = [k for k, n in enumerate(ARKIT_NAMES) if n.startswith("eyeLook") or n == "tongueOut"]
    assert not reading.arkit[unseen].any()
    assert len(net.names) == 52 - len(unseen)


def test_irises_tell_the_gaze_and_lids_a_blink() -> None:
    net, mean = regressor(), mean_face()
    rest = net.features(standardised(seen(np.eye(3)), SIZE, SIZE))

    def read(change: F64) -> tuple[F32, F32]:
        points = floats32(seen(np.eye(3)) + change * [1500, -1500, -1500])
        reading = net.read(standardised(points, SIZE, SIZE), rest)
        return reading.gaze, reading.arkit

    irises = np.zeros((478, 3))
    irises[468:, 0] = 0.003
    assert np.degrees(read(irises)[0][0]) > 5, "towards the subject's left"
    assert np.degrees(read(-irises)[0][0]) < -5
    shut = np.zeros((478, 3))
    upper, lower = [386, 385, 387, 384, 388], [374, 380, 373, 381, 390]
    shut[upper, 1] = mean[lower, 1] - mean[upper, 1]
    weights = read(shut)[1]
    left, right = (weights[ARKIT_INDEX[f"eyeBlink{side}"]] for side in ("Left", "Right"))
    assert left > 0.3
    assert left > right


def test_looks_become_weights_of_both_eyes() -> None:
    left = look_weights(floats32(np.radians([17.5, 0])))
    assert left[ARKIT_INDEX["eyeLookOutLeft"]] == pytest.approx(0.5)
    assert left[ARKIT_INDEX["eyeLookInRight"]] == pytest.approx(0.5)
    assert left.sum() == pytest.approx(1.0)
    down = look_weights(floats32(np.radians([0, 14])))
    assert down[ARKIT_INDEX["eyeLookDownLeft"]] == down[ARKIT_INDEX["eyeLookDownRight"]]
    assert down[ARKIT_INDEX["eyeLookDownLeft"]] == pytest.approx(0.5)
    assert look_weights(floats32([-9, -9])).max() == 1
