"""What "so many dB" means, and that the qualities keep their order."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from avatar_rt import _core
from avatar_rt.arrays import floats32
from avatar_rt.avatar import Avatar, header
from avatar_rt.cli.main import main
from avatar_rt.errors import ParameterError
from avatar_rt.fidelity import (
    ENOUGH_DB,
    EXPRESSIONS,
    PICTURES,
    SAME_DB,
    cameras,
    head_psnr_db,
    state_fast_quality,
    worst_psnr_db,
)
from avatar_rt.render import Renderer
from avatar_rt.synthetic import synthetic_head
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
    views = cameras(Renderer(small_avatar(), backend="cpu"))
    assert len(views) == len({view.viewmat.tobytes() for view in views}) == 24
    assert len({face.arkit.tobytes() for face in EXPRESSIONS}) == 5
    assert PICTURES == 120


def test_exact_is_nearer_to_the_truth_than_fast_and_the_file_says_the_same() -> None:
    avatar = small_avatar()
    state_fast_quality(avatar, 96)
    seen = []
    worst = worst_psnr_db(
        Renderer(avatar, backend="cpu"), ("exact", "fast"), 96, lambda: seen.append(1)
    )
    assert len(seen) == PICTURES
    assert worst["exact"] >= 60
    assert worst["exact"] > worst["fast"] > 30
    assert avatar.metadata["fast_psnr_db"] == pytest.approx(worst["fast"], abs=0.2)


def test_fast_takes_the_most_haste_that_the_avatar_stands() -> None:
    avatar = synthetic_head(3_000)
    state_fast_quality(avatar, 64)
    chosen = avatar.metadata["fast_haste"]
    worst = []
    for haste in range(_core.HASTES):
        renderer = Renderer(avatar, backend="cpu")
        renderer.haste = haste
        worst.append(
            min(
                head_psnr_db(
                    *(
                        floats32(
                            renderer.render(face, view, format="float32", quality=quality).pixels
                        )
                        for quality in ("fast", "exact")
                    )
                )
                for face in EXPRESSIONS
                for view in cameras(renderer, 64)
            )
        )
    assert worst == sorted(worst, reverse=True)
    assert round(worst[chosen], 1) == avatar.metadata["fast_psnr_db"]
    assert worst[chosen] >= ENOUGH_DB or chosen == 0
    assert all(db < ENOUGH_DB for db in worst[chosen + 1 :])


def test_a_renderer_takes_its_avatars_haste_and_refuses_another() -> None:
    avatar = small_avatar()
    avatar.metadata["fast_haste"] = 2
    renderer = Renderer(avatar, backend="cpu")
    assert renderer.haste == renderer.twin().haste == 2
    with pytest.raises(ParameterError, match="haste 4 must lie within 0 … 3"):
        renderer.haste = 4
    assert header.HASTES == _core.HASTES


def test_an_imported_avatars_file_says_how_near_fast_is(
    assets: Callable[[str], Path], tmp_path: Path
) -> None:
    path = tmp_path / "status.avatar"
    assert main(["import", str(assets("lam/status.zip")), "-o", str(path)]) == 0
    assert 40 < Avatar.load(path).metadata["fast_psnr_db"] < SAME_DB
