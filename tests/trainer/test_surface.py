"""Gaussians over a mesh: bound ones come back as they were, covering ones leave no gap."""

from __future__ import annotations

import numpy as np

from avatar_rt import _core
from avatar_rt.arrays import floats32, floats64, ints32
from avatar_rt.avatar import triangle_frames
from avatar_rt.head.subdivide import subdivide, triangles
from avatar_rt.rotation import matrix_from_axis_angle
from avatar_rt.types import Camera
from trainer.portrait.surface import (
    Kind,
    Samples,
    bound,
    cut_triangles,
    merged,
    quats_from_matrices,
    subdivided_quads,
    whole_quads,
)


def matrices(quats: np.ndarray) -> np.ndarray:  # type: ignore[type-arg]
    w, x, y, z = quats.astype(float).T
    return np.stack(
        [
            np.stack([1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)], 1),
            np.stack([2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)], 1),
            np.stack([2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)], 1),
        ],
        1,
    )


def covariances(samples: Samples, vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:  # type: ignore[type-arg]
    frame = triangle_frames(vertices, faces, "affine")[samples.triangles]
    a = frame @ matrices(samples.quats) * samples.scales[:, None, :].astype(float)
    return np.asarray(a @ a.transpose(0, 2, 1))


def grid(n: int = 6, size: float = 0.2) -> tuple[np.ndarray, np.ndarray]:  # type: ignore[type-arg]
    """A square sheet of n x n quads in the plane z = 0, skewed a little."""
    i, j = np.meshgrid(np.arange(n + 1), np.arange(n + 1), indexing="ij")
    x, y = (i / n - 0.5) * size, (j / n - 0.5) * size + 0.2 * (i / n - 0.5) * size
    vertices = floats32(np.stack([x, y, np.zeros_like(x)], -1).reshape(-1, 3))
    corner = (i[:-1, :-1] * (n + 1) + j[:-1, :-1]).ravel()
    quads = np.stack([corner, corner + n + 1, corner + n + 2, corner + 1], 1)
    return vertices, ints32(quads[:, [0, 1, 2, 0, 2, 3]].reshape(-1, 3))


def alpha(samples: Samples, vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:  # type: ignore[type-arg]
    c = covariances(samples, vertices, faces)
    covars = floats32(
        np.stack([c[:, a, b] for a, b in ((0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2))], 1)
    )
    camera = Camera.orbit(width=160, height=160, focal=800, target=(0, 0, 0))
    _, a = _core.rasterize(
        samples.means(vertices, faces), None, None, covars, samples.opacities,
        np.ones((len(samples), 1), np.float32), camera.viewmat, camera.K, 160, 160, None,
        "exact", 0,
    )  # fmt: skip
    return a


def test_matrices_become_quaternions() -> None:
    turns = matrix_from_axis_angle(np.random.default_rng(0).normal(size=(50, 3)) * 2)
    assert np.allclose(matrices(quats_from_matrices(turns)), turns, atol=1e-6)


def test_bound_gaussians_keep_mean_and_covariance() -> None:
    rng = np.random.default_rng(1)
    vertices, faces = grid()
    n = 40
    triangles = ints32(rng.integers(0, len(faces), n))
    means = floats64(vertices)[faces[triangles]].mean(1) + rng.normal(size=(n, 3)) * 0.004
    axes = matrix_from_axis_angle(rng.normal(size=(n, 3)))
    scales = rng.uniform(5e-4, 5e-3, (n, 3))
    made = bound(
        means, axes, scales, triangles, vertices, faces,
        np.ones(n, np.float32), np.zeros(n, np.int32),
    )  # fmt: skip
    assert np.allclose(made.means(vertices, faces), means, atol=1e-6)
    wanted = (axes * scales[:, None] ** 2) @ axes.transpose(0, 2, 1)
    assert np.allclose(covariances(made, vertices, faces), wanted, rtol=1e-3, atol=1e-10)
    assert np.allclose(made.barycentric.sum(1), 1)
    assert (made.barycentric >= 0).all()


def test_cut_triangles_cover_the_sheet_at_every_fineness() -> None:
    vertices, faces = grid()
    every = ints32(np.arange(len(faces)))
    middle = (slice(30, 130), slice(30, 130))
    for n in (1, 2, 3):
        made = cut_triangles(every, ints32(np.full(len(faces), n)), every * 0)
        assert len(made) == n * n * len(faces)
        assert alpha(made, vertices, faces)[middle].min() > 0.9
        assert np.allclose(made.barycentric.sum(1), 1, atol=1e-6)


def test_whole_quads_cover_the_sheet() -> None:
    vertices, faces = grid()
    firsts = whole_quads(faces)
    assert (firsts == np.arange(0, len(faces), 2)).all()
    made = merged(firsts, 2, ints32(np.full(len(firsts), Kind.SKIN)))
    assert alpha(made, vertices, faces)[30:130, 30:130].min() > 0.9
    assert not len(whole_quads(faces[1:]))


def test_quads_from_before_a_subdivision_cover_the_sheet() -> None:
    vertices, faces = grid()
    quads = np.column_stack([faces[::2, 0], faces[::2, 1], faces[::2, 2], faces[1::2, 2]])
    matrix, finer = subdivide(ints32(quads), len(vertices))
    fine, fine_faces = floats32(matrix @ vertices), triangles(finer)
    firsts = subdivided_quads(fine_faces)
    assert len(firsts) == len(quads)
    made = merged(firsts, 8, ints32(np.zeros(len(firsts))))
    assert alpha(made, fine, fine_faces)[30:130, 30:130].min() > 0.9
    assert not len(subdivided_quads(faces))


def test_covering_gaussians_stretch_with_their_triangles() -> None:
    vertices, faces = grid()
    every = ints32(np.arange(len(faces)))
    made = cut_triangles(every, every * 0 + 1, every * 0)
    wide = floats32(vertices * [1.6, 1.0, 1.0])
    assert alpha(made, wide, faces)[30:130, 30:130].min() > 0.9
