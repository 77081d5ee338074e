"""What is learned of a person at rest, and how it is used."""

from __future__ import annotations

import numpy as np
import pytest

from avatar_rt.arkit import ARKIT_INDEX
from avatar_rt.arrays import F64, floats32, floats64
from avatar_rt.drivers.solver import FaceSolver
from avatar_rt.face import Landmarks
from avatar_rt.rotation import euler_from_matrix, matrix_from_axis_angle, matrix_from_euler
from avatar_rt.types import Channels, FaceParams
from tests.face.test_expression import SIZE, seen

JAW = ARKIT_INDEX["jawOpen"]


def look(yaw: float = 0.0, pitch: float = 0.0) -> Landmarks:
    """The mean face, turned by degrees."""
    return Landmarks(seen(matrix_from_euler(*np.radians([yaw, pitch, 0.0]))))


def turn(params: FaceParams) -> F64:
    """(3,) degrees of yaw, pitch and roll of neck and head together."""
    both = matrix_from_axis_angle(params.neck_pose) @ matrix_from_axis_angle(params.head_pose)
    return floats64(np.degrees(euler_from_matrix(both)))


def settled(solver: FaceSolver, face: Landmarks, since: float = 0.0) -> FaceParams:
    for k in range(45):
        params = solver.solve(face, SIZE, SIZE, since + k / 30)
    return params


def test_a_face_at_rest_stays_at_rest() -> None:
    params = settled(FaceSolver(), look())
    assert params.known == Channels.ALL
    assert params.measured
    assert params.arkit.max() < 0.15
    assert np.abs(turn(params)).max() < 2


def test_turns_are_shared_by_neck_and_head() -> None:
    solver = FaceSolver()
    settled(solver, look())
    params = solver.solve(look(yaw=20), SIZE, SIZE, 2.0)
    assert turn(params)[0] == pytest.approx(20, abs=4)
    assert np.allclose(params.neck_pose * 7, params.head_pose * 3, atol=1e-5)


@pytest.mark.parametrize(("pitch", "left"), [(8.0, 0.0), (-8.0, 0.0), (30.0, 18.0)])
def test_a_lasting_nod_is_the_cameras_place_up_to_a_doubt(pitch: float, left: float) -> None:
    params = settled(FaceSolver(), look(pitch=pitch))
    assert turn(params)[1] == pytest.approx(left, abs=5)


def test_yaw_is_believed_from_the_first_picture() -> None:
    assert turn(settled(FaceSolver(), look(yaw=15)))[0] == pytest.approx(15, abs=4)


def test_a_mouth_that_was_open_at_first_is_found_out() -> None:
    solver = FaceSolver()
    opened = seen(np.eye(3))
    below = opened[:, 1] > opened[14, 1] - 0.5
    opened[below, 1] += 25
    settled(solver, Landmarks(opened))
    for k in range(200):
        shut = solver.solve(look(), SIZE, SIZE, 2 + k / 30)
    assert shut.arkit[JAW] < 0.1
    again = solver.solve(Landmarks(opened), SIZE, SIZE, 9.0)
    assert again.arkit[JAW] > shut.arkit[JAW] + 0.05


def test_the_tasks_weights_are_taken_where_there_are_any() -> None:
    weights = np.full(52, 0.25, np.float32)
    params = FaceSolver().solve(Landmarks(look().points, weights), SIZE, SIZE, 0.0)
    assert params.arkit[JAW] == pytest.approx(0.25)


def test_after_a_gap_somebody_else_is_learned() -> None:
    solver = FaceSolver()
    settled(solver, look())
    other = floats32(seen(np.eye(3)) * [1.15, 1.0, 1.0])
    fresh = FaceSolver().solve(Landmarks(other), SIZE, SIZE, 100.0)
    after = solver.solve(Landmarks(other), SIZE, SIZE, 100.0)
    assert np.array_equal(after.arkit, fresh.arkit)
