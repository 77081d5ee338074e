"""Subdivision, nearest points and skinning, against slow or independent answers."""

from __future__ import annotations

import numpy as np
import pytest

from avatar_rt import _core
from avatar_rt.arkit import ARKIT_NAMES
from avatar_rt.arrays import floats32, ints32
from avatar_rt.head import HeadModel
from avatar_rt.head.animate import posed_vertices
from avatar_rt.head.closest import barycentric_of_nearest, nearest_on_mesh
from avatar_rt.head.rig import RigPose
from avatar_rt.head.subdivide import subdivide, triangles
from avatar_rt.types import FaceParams

CUBE = np.array([[x, y, z] for x in (-1.0, 1.0) for y in (-1.0, 1.0) for z in (-1.0, 1.0)])
CUBE_QUADS = ints32(
    [[0, 1, 3, 2], [4, 6, 7, 5], [0, 4, 5, 1], [2, 3, 7, 6], [0, 2, 6, 4], [1, 5, 7, 3]]
)


def test_subdivided_cube() -> None:
    """Catmull and Clark's rules by hand: a corner of valence three goes to 5/9 of itself."""
    matrix, quads = subdivide(CUBE_QUADS, 8)
    assert matrix.shape == (8 + 12 + 6, 8) and quads.shape == (24, 4)
    finer = matrix @ CUBE
    np.testing.assert_allclose(np.abs(finer[:8]), 5 / 9, atol=1e-12)
    np.testing.assert_allclose(np.sort(np.abs(finer[8:20]), 1), [[0, 0.75, 0.75]] * 12, atol=1e-12)
    np.testing.assert_allclose(np.sort(np.abs(finer[20:]), 1), [[0, 0, 1.0]] * 6, atol=1e-12)
    corner = finer[triangles(quads)]
    normal = np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0])
    assert ((normal * corner.mean(1)).sum(1) > 0).all() or (
        (normal * corner.mean(1)).sum(1) < 0
    ).all()


def test_subdivision_keeps_straight_rims_and_linear_maps() -> None:
    grid = np.array([[x, y] for y in range(4) for x in range(4)], float)
    quads = ints32(
        [
            [4 * y + x, 4 * y + x + 1, 4 * y + x + 5, 4 * y + x + 4]
            for y in range(3)
            for x in range(3)
        ]
    )
    matrix, finer = subdivide(quads, 16)
    np.testing.assert_allclose(matrix.sum(1), 1.0)
    assert finer.shape == (36, 4)
    place = matrix @ grid
    rim = np.flatnonzero((grid[:, 1] == 0) & (grid[:, 0] > 0) & (grid[:, 0] < 3))
    np.testing.assert_allclose(place[rim], grid[rim], atol=1e-12)
    plain, _ = subdivide(quads, 16, smooth=False)
    np.testing.assert_array_equal((plain @ grid)[:16], grid)


def test_nearest_point_of_a_triangle_against_a_fine_search() -> None:
    rng = np.random.default_rng(1)
    corners, points = rng.normal(size=(60, 3, 3)), 2 * rng.normal(size=(60, 3))
    weights = barycentric_of_nearest(points, corners)
    assert weights.min() >= -1e-12
    np.testing.assert_allclose(weights.sum(1), 1.0)
    found = np.linalg.norm(np.einsum("nk,nkd->nd", weights, corners) - points, axis=1)
    u, v = np.meshgrid(np.linspace(0, 1, 101), np.linspace(0, 1, 101))
    inside = u + v <= 1
    grid = np.stack([1 - u - v, u, v], -1)[inside]
    sampled = np.einsum("gk,nkd->ngd", grid, corners)
    best = np.linalg.norm(sampled - points[:, None], axis=2).min(1)
    assert (found <= best + 1e-12).all()
    np.testing.assert_allclose(found, best, atol=0.05)


def test_nearest_on_mesh_against_all_triangles(head: HeadModel) -> None:
    vertices = head.template.vertices.astype(float)
    faces = ints32(head.template.faces[::7])
    rng = np.random.default_rng(2)
    points = vertices[rng.integers(len(vertices), size=40)] + rng.normal(size=(40, 3)) * 0.003
    _, _, distance = nearest_on_mesh(points, vertices, faces)
    for k, point in enumerate(points):
        corners = vertices[faces]
        weights = barycentric_of_nearest(np.repeat(point[None], len(faces), 0), corners)
        everywhere = np.linalg.norm(np.einsum("nk,nkd->nd", weights, corners) - point, axis=1)
        assert distance[k] <= everywhere.min() + 2e-4


@pytest.mark.parametrize("seed", [0, 1])
def test_numpy_and_the_core_pose_alike(head: HeadModel, seed: int) -> None:
    rng = np.random.default_rng(seed)
    rig = head.template
    params = FaceParams(
        arkit=floats32(rng.uniform(size=len(ARKIT_NAMES))),
        head_pose=floats32(rng.normal(size=3) * 0.3),
        neck_pose=floats32(rng.normal(size=3) * 0.2),
        translation=floats32(rng.normal(size=3) * 0.1),
    )
    pose = rig.pose(params)
    core = _core.AvatarCore(
        rig.vertices, rig.faces, rig.expression_basis, rig.joints, rig.parents, rig.weights,
        rig.pose_correctives, "affine", ints32([0]), floats32([[1, 0, 0]]), floats32([[0, 0, 0]]),
        floats32([[1, 0, 0, 0]]), floats32([[1, 1, 1]]), floats32([1]), floats32([[0, 0, 0]]), 1,
    )  # fmt: skip
    native = core.vertices(pose.coefficients, pose.joint_rotations, pose.translation)
    np.testing.assert_allclose(native, posed_vertices(rig, pose), atol=2e-6)


def test_pose_correctives_enter_before_skinning(head: HeadModel) -> None:
    """One corrective on one entry of the jaw's R - I moves its vertex by that entry."""
    from dataclasses import replace  # noqa: PLC0415

    rig = head.template
    jaw = rig.joint_names.index("jaw")
    correctives = np.zeros((9 * (len(rig.joints) - 1), len(rig.vertices), 3), np.float32)
    still = int(np.flatnonzero(rig.weights[:, jaw] == 0)[0])
    correctives[9 * (jaw - 1) + 5, still] = [0, 0, 1]
    corrected = replace(rig, pose_correctives=correctives)
    rotations = np.zeros((len(rig.joints), 3), np.float32)
    rotations[jaw] = [0.3, 0, 0]
    pose = RigPose(np.zeros(52, np.float32), rotations, np.zeros(3, np.float32))
    moved = posed_vertices(corrected, pose) - posed_vertices(rig, pose)
    np.testing.assert_allclose(moved[still], [0, 0, -np.sin(0.3)], atol=1e-6)
