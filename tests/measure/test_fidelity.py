"""What "so many dB" means, and that the qualities keep their order."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from avatar_rt.arrays import floats32
from avatar_rt.avatar import Avatar
from avatar_rt.cli.main import main
from avatar_rt.fidelity import (
    EXPRESSIONS,
    PICTURES,
    SAME_DB,
    cameras,
    fast_psnr_db,
    head_psnr_db,
    worst_psnr_db,
)
from avatar_rt.render import Renderer
from tests.factory import small_avatar


def test_a_known_error_inside_the_head() -> None:
    truth = np.zeros((8, 8, 4), np.float32)
    truth[2:6, 2:6] = 0.4, 0.4, 0.4, 1.0
    wrong = truth.copy()
    wrong[2:6, 2:6, :3] += 0.1
    assert head_psnr_db(wrong, truth) == pytest.approx(20.0, abs=1e-4)
    assert head_psnr_db(truth, truth) == SAME_DB


def test_white_shines_through_what_is_not_covered() -> None:
    truth = np.zeros((4, 4, 4), np.float32)
    truth[...] = 0.4, 0.4, 0.4, 1.0
    thinner = truth.copy()
    thinner[..., 3] -= 0.01  # a hundredth of the white shows
    assert head_psnr_db(thinner, truth) == pytest.approx(40.0, abs=1e-3)


def test_only_the_head_counts() -> None:
    truth = np.zeros((8, 8, 4), np.float32)
    truth[:4] = 0.4, 0.4, 0.4, 1.0
    noisy = truth.copy()
    noisy[4:] = 0.3
    assert head_psnr_db(noisy, truth) == SAME_DB
    assert head_psnr_db(noisy, np.zeros_like(truth)) == SAME_DB


def test_more_error_is_less_fidelity() -> None:
    rng = np.random.default_rng(0)
    truth = np.ones((16, 16, 4), np.float32)
    noise = rng.normal(size=truth.shape)
    levels = [head_psnr_db(floats32(truth + scale * noise), truth) for scale in (1e-3, 1e-2, 1e-1)]
    assert levels == sorted(levels, reverse=True)
    assert levels[0] - levels[2] == pytest.approx(40, abs=0.01)


def test_there_are_24_views_and_5_expressions() -> None:
    views = cameras(Renderer(small_avatar()))
    assert len(views) == len({view.viewmat.tobytes() for view in views}) == 24
    assert len({face.arkit.tobytes() for face in EXPRESSIONS}) == 5
    assert PICTURES == 120


def test_exact_is_nearer_to_the_truth_than_fast_and_the_file_says_the_same() -> None:
    avatar = small_avatar()
    seen = []
    worst = worst_psnr_db(Renderer(avatar), ("exact", "fast"), 96, lambda: seen.append(1))
    assert len(seen) == PICTURES
    assert worst["exact"] >= 60
    assert worst["exact"] > worst["fast"] > 30
    assert fast_psnr_db(avatar, 96) == pytest.approx(worst["fast"], abs=0.2)


def test_an_imported_avatars_file_says_how_near_fast_is(
    assets: Callable[[str], Path], tmp_path: Path
) -> None:
    path = tmp_path / "status.avatar"
    assert main(["import", str(assets("lam/status.zip")), "-o", str(path)]) == 0
    assert 40 < Avatar.load(path).metadata["fast_psnr_db"] < SAME_DB
