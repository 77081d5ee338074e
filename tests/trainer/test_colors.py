"""Colours spread over a mesh without seams, and features are painted as they should be."""

from __future__ import annotations

import numpy as np

from avatar_rt.arrays import F64, I32, floats32, ints32
from trainer.portrait.colors import membrane
from trainer.portrait.features import EyeLook, paint_eye, paint_teeth
from trainer.portrait.maps import at_pixels, signed_distance, step
from trainer.portrait.volume import Grid, smoothed, surface


def strip(n: int = 12) -> tuple[I32, int]:
    """A band of 2 x n vertices."""
    i = np.arange(n - 1)
    faces = np.concatenate([np.stack([i, i + 1, i + n], 1), np.stack([i + 1, i + n + 1, i + n], 1)])
    return ints32(faces), 2 * n


def test_membrane_runs_evenly_between_what_holds_it() -> None:
    faces, count = strip()
    values, weights = np.zeros((count, 3)), np.zeros(count)
    for v, color in ((0, 0.0), (12, 0.0), (11, 1.0), (23, 1.0)):
        values[v], weights[v] = color, 1000.0
    made = membrane(faces, count, values, weights)
    row = made[:12, 0]
    assert (np.diff(row) > 0).all()
    assert np.allclose(np.diff(row), 1 / 11, atol=0.03)


def test_membrane_gives_the_mean_to_what_nothing_holds() -> None:
    faces, count = strip()
    apart = ints32(np.concatenate([faces, faces + count]))
    values: F64 = np.zeros((2 * count, 3))
    weights = np.zeros(2 * count)
    values[:count], weights[:count] = [0.2, 0.4, 0.6], 1.0
    made = membrane(apart, 2 * count, values, weights)
    assert np.allclose(made, [0.2, 0.4, 0.6], atol=1e-4)


def test_maps() -> None:
    assert np.allclose(step(np.array([0.0, 1.0, 1.5, 2.0, 3.0]), 1, 2), [0, 0, 0.5, 1, 1])
    image = floats32(np.arange(12).reshape(3, 4))
    at = at_pixels(image, floats32([[0.5, 0.5], [1.0, 0.5], [3.5, 2.5], [99.0, 99.0]]))
    assert np.allclose(at, [0, 0.5, 11, 11])
    mask = np.zeros((9, 9), bool)
    mask[3:6, 3:6] = True
    distance = signed_distance(mask)
    assert distance[4, 4] == 1.5
    assert distance[4, 3] == 0.5
    assert distance[4, 2] == -0.5


def test_eye_has_a_round_iris_a_pupil_and_a_white() -> None:
    rng = np.random.default_rng(0)
    d = rng.normal(size=(6000, 3))
    d /= np.linalg.norm(d, axis=1, keepdims=True)
    look = EyeLook(np.array([0.2, 0.4, 0.7]), np.array([0.85, 0.84, 0.83]), 0.0059)
    color = paint_eye(d * 0.0145, look, rng)
    angle = np.arccos(d[:, 2])
    rim = np.arcsin(0.0059 / 0.0145)
    assert np.median(color[angle < 0.2 * rim].mean(1)) < 0.1
    ring = color[(angle > 0.5 * rim) & (angle < 0.7 * rim)]
    assert (ring[:, 2] > ring[:, 0]).mean() > 0.95
    white = color[(angle > 1.3 * rim) & (angle < 2 * rim)]
    assert white.min() > 0.5
    # round: as large to the side as up and down
    dark = color[:, 0] < 0.45
    wide, tall = (np.abs(d[dark & (d[:, 2] > 0), k]).max() for k in (0, 1))
    assert abs(wide - tall) < 0.08


def test_teeth_are_parted_and_have_gums() -> None:
    x = np.linspace(-0.025, 0.025, 2000)
    arch = np.stack([x, np.zeros_like(x), 0.02 - (x / 0.025) ** 2 * 0.03], 1)
    rows = np.concatenate([arch + np.array([0, h, 0]) for h in (0.0, 0.003, 0.006, 0.014)])
    color = paint_teeth(rows, True, np.array([0.9, 0.88, 0.8]), np.array([0.7, 0.36, 0.35]))
    front = np.abs(rows[:, 0]) < 0.015
    crown = color[front & (rows[:, 1] == 0.003)]
    gum = color[front & (rows[:, 1] == 0.014)]
    assert crown.mean() > gum.mean() + 0.15
    assert (gum[:, 0] > gum[:, 1] + 0.15).all()
    light = crown.mean(1)
    gaps = (np.diff(np.sign(np.diff(light))) > 0) & (light[1:-1] < 0.8 * light.max())
    assert 3 <= gaps.sum() <= 9


def test_surface_of_a_ball_is_closed_and_turned_outwards() -> None:
    grid = Grid.around(np.full(3, -0.15), np.full(3, 0.15), 0.01)
    points = grid.points()
    field = floats32(0.1 - np.linalg.norm(points, axis=1)).reshape(grid.shape)
    vertices, faces = surface(field, grid)
    a, b, c = (vertices[faces[:, k]].astype(float) for k in range(3))
    volume = (a * np.cross(b, c)).sum() / 6
    assert np.isclose(volume, 4 / 3 * np.pi * 1e-3, rtol=0.02)
    edges = np.sort(np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]), 1)
    _, uses = np.unique(edges, axis=0, return_counts=True)
    assert (uses == 2).all()
    kept = smoothed(vertices, faces, 4)
    assert np.isclose(np.linalg.norm(kept, axis=1).mean(), 0.1, rtol=0.01)
