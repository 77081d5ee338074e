"""The made-up head is what it says: reproducible, of the size asked for, and valid."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from avatar_rt.avatar import Avatar
from avatar_rt.errors import ParameterError
from avatar_rt.render import Renderer
from avatar_rt.synthetic import sphere, synthetic_head
from avatar_rt.types import FaceParams


def test_sphere_is_closed_and_faces_outward() -> None:
    vertices, faces = sphere(7, 9)
    assert (len(vertices), len(faces)) == (6 * 9 + 2, 2 * 6 * 9)
    corners = vertices[faces]
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    assert ((normal * corners.mean(1)).sum(1) > 0).all()
    edges = np.sort(faces[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1)
    assert (np.unique(edges, axis=0, return_counts=True)[1] == 2).all()


def test_same_seed_same_head() -> None:
    a, b, c = synthetic_head(300), synthetic_head(300), synthetic_head(300, seed=1)
    assert np.array_equal(a.gaussians.opacities, b.gaussians.opacities)
    assert not np.array_equal(a.gaussians.opacities, c.gaussians.opacities)


@pytest.mark.parametrize("count", [1, 5000])
def test_saves_and_loads(count: int, tmp_path: Path) -> None:
    synthetic_head(count).save(tmp_path / "made.avatar")
    assert len(Avatar.load(tmp_path / "made.avatar").gaussians.triangles) == count


def test_fills_most_of_the_picture() -> None:
    renderer = Renderer(synthetic_head(20_000))
    camera = renderer.camera(width=96, height=96)
    alpha = renderer.render(FaceParams(), camera, format="float32").pixels[..., 3]
    assert 0.5 < (alpha > 0.5).mean() < 0.8


def test_impossible_counts_are_refused() -> None:
    with pytest.raises(ParameterError, match="Gaussians"):
        synthetic_head(-1)
