"""Rotations: conversions are each other's inverses and turn the way their docstrings say."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from avatar_rt.rotation import (
    axis_angle_from_matrix,
    euler_from_matrix,
    matrices_from_quaternions,
    matrix_from_axis_angle,
    matrix_from_euler,
    quaternions_from_matrices,
)

component = st.floats(-1.7, 1.7, allow_nan=False)


@given(st.tuples(component, component, component))
def test_axis_angle_round_trip(v: tuple[float, float, float]) -> None:
    matrix = matrix_from_axis_angle(v)
    assert np.allclose(matrix @ matrix.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(matrix) == pytest.approx(1)
    assert np.allclose(matrix_from_axis_angle(axis_angle_from_matrix(matrix)), matrix, atol=1e-6)


@pytest.mark.parametrize("axis", [[1.0, 0, 0], [0, 1.0, 0], [0.6, 0, -0.8]])
def test_half_a_turn(axis: list[float]) -> None:
    matrix = matrix_from_axis_angle(np.pi * np.asarray(axis))
    assert np.allclose(matrix_from_axis_angle(axis_angle_from_matrix(matrix)), matrix, atol=1e-9)


@given(component, st.floats(-1.5, 1.5), component)
def test_euler_round_trip(yaw: float, pitch: float, roll: float) -> None:
    angles = euler_from_matrix(matrix_from_euler(yaw, pitch, roll))
    assert np.allclose(angles, (yaw, pitch, roll), atol=1e-7)


def test_signs() -> None:
    forward = np.array([0.0, 0.0, 1.0])
    assert (matrix_from_euler(0.3, 0, 0) @ forward)[0] > 0, "positive yaw looks to the own left"
    assert (matrix_from_euler(0, 0.3, 0) @ forward)[1] < 0, "positive pitch nods down"
    assert (matrix_from_euler(0, 0, 0.3) @ [0, 1, 0])[0] < 0, "positive roll leans to the right"


def test_quaternions_and_matrices_are_inverse() -> None:
    turns = np.random.default_rng(0).normal(size=(200, 3)) * 2
    turns[:3] = np.pi * np.eye(3)
    matrices = matrix_from_axis_angle(turns)
    quats = quaternions_from_matrices(matrices)
    assert np.allclose(np.linalg.norm(quats, axis=1), 1)
    assert np.allclose(matrices_from_quaternions(quats), matrices, atol=1e-12)
    assert np.allclose(quaternions_from_matrices(np.eye(3)), [1, 0, 0, 0])
