"""The parts of the landmark embedding that need no face finder."""

from __future__ import annotations

import numpy as np

from avatar_rt.arrays import F64, Array
from avatar_rt.head import HeadModel
from avatar_rt.head.landmarks import LANDMARKS
from avatar_rt.types import Camera
from trainer.portrait.embed_landmarks import (
    IRISES,
    View,
    mirror_pairs,
    open_mouth,
    paint,
    render,
    triangulate,
)


def test_rays_meet_where_they_came_from() -> None:
    rng = np.random.default_rng(0)
    points = rng.uniform(-0.07, 0.07, size=(LANDMARKS, 3))
    views = []
    for yaw in np.radians([-30, -10, 0, 20, 35]):
        camera = Camera.orbit(yaw, 0.1)
        seen = points @ camera.viewmat[:3, :3].T + camera.viewmat[:3, 3]
        pixels = seen @ camera.K.T
        views.append(View(camera, pixels[:, :2] / pixels[:, 2:]))
    views[2].points[7] += 25.0  # one view that is badly wrong about one point
    found, miss = triangulate(views)
    error = np.linalg.norm(found - points, axis=1)
    assert np.delete(error, 7).max() < 1e-9
    assert error[7] < 0.001, "a stray ray is outvoted"
    assert miss[2, 7] > 0.005


def test_the_picture_shows_a_face(head: HeadModel) -> None:
    eyes = {name: head.regions[name] > 0.5 for name in IRISES}
    camera = Camera.orbit(distance=0.9, focal=3.0 * 128, width=128, height=128)
    vertices = head.template.vertices.astype(float)
    image = render(head.template, vertices, paint(head), eyes, camera)
    assert image.shape == (128, 128, 3) and image.dtype == np.uint8

    def at(point: F64) -> Array:
        seen = camera.viewmat[:3, :3] @ point + camera.viewmat[:3, 3]
        x, y, _ = (camera.K @ seen) / seen[2]
        return np.asarray(image[int(y), int(x)], int)

    eye = at(np.array([*head.template.joints[4][:2], 0.015]))
    cheek = at(vertices[int(np.abs(vertices - [0.04, -0.04, 0.01]).sum(1).argmin())])
    assert eye.sum() < 200 < cheek.sum(), "a dark pupil, a light cheek"
    assert (image[0, 0] == image[0, -1]).all(), "an even background"


def test_mirror_pairs_are_one_to_one() -> None:
    rng = np.random.default_rng(1)
    right = rng.uniform(0.01, 0.07, size=(239, 3))
    points = np.concatenate([right, right * [-1, 1, 1]])
    points += rng.normal(size=points.shape) * 1e-5
    pairs = mirror_pairs(points)
    np.testing.assert_array_equal(pairs[pairs], np.arange(LANDMARKS))
    np.testing.assert_array_equal(pairs[:239], np.arange(239) + 239)


def test_an_open_mouth_is_open(head: HeadModel) -> None:
    opened = open_mouth(head)
    lower = head.regions["lower_teeth"] > 0.5
    assert (opened - head.template.vertices)[lower][:, 1].max() < -0.001
