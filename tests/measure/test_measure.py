"""Turns, ratios and the report of `avatar-rt bench`; no assertion depends on how fast this is."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import asdict

import numpy as np
import pytest
from rich.console import Console

from avatar_rt import _core
from avatar_rt.baseline import Posed, plain_picture
from avatar_rt.cli.bench import show
from avatar_rt.errors import BackendError, ParameterError
from avatar_rt.measure import (
    WORK,
    Report,
    Rival,
    Turn,
    machine,
    measure,
    moving_faces,
    ratio,
    take_turns,
)
from avatar_rt.render import Renderer
from avatar_rt.types import Camera, FaceParams
from tests.factory import small_avatar


def test_everybody_renders_every_face_once_in_rounds() -> None:
    order: list[str] = []
    done: list[float] = []

    def somebody(name: str, every: int = 1) -> Turn:
        def draw(_face: FaceParams) -> Mapping[str, float]:
            order.append(name)
            return {"part": 1.0}

        return Turn(draw, every)

    a, b, rare = somebody("a"), somebody("b"), somebody("rare", 5)
    take_turns([a, b, rare], moving_faces(20), done.append)
    assert len(a.ms()) == len(b.ms()) == 20
    assert len(rare.ms()) == 2
    assert sum(done) == pytest.approx(1)
    warmed = order[6:]
    assert warmed[:8] == ["a", "a", "b", "b", "rare", "a", "a", "b"]
    assert a.stages_ms() == {"part": 1000.0}


def test_a_ratio_is_the_median_of_the_rounds() -> None:
    slow, quick = Turn(lambda _: {}), Turn(lambda _: {})
    # a machine that slows down threefold in round 1, while both are timed
    quick.seconds = {0: [1.0, 1.0, 9.0], 1: [3.0, 3.0], 2: [1.0]}
    slow.seconds = {0: [4.0], 1: [12.0], 2: [5.0], 7: [1000.0]}
    assert ratio(slow, quick) == 4.0


def test_moving_faces_are_all_different() -> None:
    faces = moving_faces(50)
    assert len({face.arkit.tobytes() for face in faces}) == 50


@pytest.fixture(scope="module")
def report() -> Report:
    steps: list[float] = []
    found = measure(
        small_avatar(), moving_faces(6), size=64, threads=(2, 1),
        step=lambda _what, amount: steps.append(amount),
    )  # fmt: skip
    assert sum(steps) == pytest.approx(WORK)
    return found


def test_report_holds_every_figure(report: Report) -> None:
    assert [(r.threads, r.quality) for r in report.results] == [
        (2, "exact"), (2, "fast"), (1, "exact"), (1, "fast"),
    ]  # fmt: skip
    for r in report.results:
        assert (r.scene, r.width, r.height, r.isa) == ("egg-0", 64, 64, _core.isa())
        assert r.fps == pytest.approx(1e3 / r.ms_median)
        assert r.spread == pytest.approx(r.ms_p90 / r.ms_median)
        assert r.ms_p90 >= r.ms_median > 0
        assert r.overdraw > r.overdraw_picture == pytest.approx(r.pairs / 64**2, rel=1e-3)
        assert r.psnr_db > (60 if r.quality == "exact" else 30)
        assert r.psnr_size == 64
        assert set(r.stages_ms) >= {"animate", "project", "blend"}
    exact, fast = report.results[:2]
    assert exact.pairs > fast.pairs > 0
    assert exact.psnr_db > fast.psnr_db
    assert [b.name for b in report.baselines] == ["plain scalar", "NumPy"]
    for b in report.baselines:
        assert b.psnr_db > 60
        assert b.ms_median > 0 < b.ns_per_pair
        assert set(b.ratio) == {"exact", "fast"}
        assert all(set(by) == {"1", "2"} for by in b.ratio.values())


@pytest.mark.parametrize("width", [100, 72, 60])
def test_table_fits_the_terminal(report: Report, width: int) -> None:
    out = io.StringIO()
    show(report, machine(), Console(file=out, width=width, highlight=False))
    lines = out.getvalue().splitlines()
    assert max(map(len, lines)) <= width
    text = out.getvalue()
    assert "…" not in text
    for word in ("exact", "fast", "FPS", "PSNR", "× plain", "× NumPy", "overdraw"):
        assert word in text
    assert ("blend" in text.split("PSNR")[0]) == (width == 100)


def test_a_baseline_that_draws_something_else_is_refused() -> None:
    renderer = Renderer(small_avatar())

    def wrong(scene: Posed, camera: Camera) -> tuple[np.ndarray, np.ndarray, int]:  # type: ignore[type-arg]
        image, alpha, pairs = plain_picture(scene, camera)
        return image * 0.9, alpha, pairs

    with pytest.raises(BackendError, match=r"darker.*different pictures"):
        Rival("darker", wrong, renderer, renderer.camera(width=64, height=64), 1)


def test_sizes_that_there_are_not() -> None:
    for size in (0, 5000):
        with pytest.raises(ParameterError, match="size"):
            measure(small_avatar(), moving_faces(1), size=size)


def test_known_fidelity_is_not_measured_again() -> None:
    found = measure(
        small_avatar(), moving_faces(1), size=32, qualities=("fast",), baselines=False,
        psnr_db={"fast": 47.5},
    )  # fmt: skip
    assert [r.psnr_db for r in found.results] == [47.5]
    assert found.baselines == []


def test_an_avatar_without_gaussians_is_measured_too() -> None:
    from avatar_rt.synthetic import synthetic_head  # noqa: PLC0415

    found = measure(synthetic_head(0), moving_faces(2), size=16)
    assert all(r.pairs == 0 and r.overdraw == 0 for r in found.results)
    assert "null" not in str(asdict(found))
