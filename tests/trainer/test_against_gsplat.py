"""The comparison with gsplat, as far as it goes without a GPU: through gsplat's own projection in
torch, and through its checks of what it is asked for."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest
import torch
from torch import Tensor

from avatar_rt import _core
from avatar_rt.cli import bench_gsplat
from avatar_rt.errors import BackendError, ParameterError
from avatar_rt.synthetic import synthetic_head
from trainer import rasterize
from trainer.evaluate import against_gsplat
from trainer.evaluate.__main__ import main
from trainer.evaluate.against_gsplat import Draw, Scene, Who

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def scene() -> Scene:
    return against_gsplat.scene_of(synthetic_head(120), 24, CPU)


def slow_rasterization(*, darker: float = 1, **asked: Any) -> tuple[Tensor, Tensor, dict[str, Any]]:
    """What gsplat.rasterization draws, by its torch projection and by all pixels at once."""
    gsplat = pytest.importorskip("gsplat.cuda._torch_impl")
    assert asked["render_mode"] == "RGB"
    assert not asked["packed"]
    width, height = asked["width"], asked["height"]
    _, means2d, depths, conics, _ = gsplat._fully_fused_projection(
        asked["means"], asked["covars"], asked["viewmats"], asked["Ks"], width, height
    )
    order = depths[0].argsort()
    x, y = torch.meshgrid(torch.arange(width) + 0.5, torch.arange(height) + 0.5, indexing="xy")
    d = torch.stack([x, y], -1).reshape(-1, 1, 2) - means2d[0, order]
    a, b, c = conics[0, order].T
    power = a * d[..., 0] ** 2 / 2 + c * d[..., 1] ** 2 / 2 + b * d[..., 0] * d[..., 1]
    alpha = (asked["opacities"][order] * torch.exp(-power)).clamp_max(0.999)
    alpha = torch.where(alpha >= 1 / 255, alpha, torch.zeros(()))
    left = torch.cumprod(1 - alpha, 1)
    before = torch.cat([torch.ones(len(left), 1), left[:, :-1]], 1)
    weight = torch.where(left > 1e-4, alpha * before, torch.zeros(()))
    image = darker * weight @ asked["colors"][order]
    return image.reshape(1, height, width, -1), weight.sum(1).reshape(1, height, width, 1), {}


def draws_of(rasterization: Any = slow_rasterization) -> dict[Who, Draw]:
    return {"avatar-rt": against_gsplat.draw_ours,
            "gsplat": against_gsplat.draw_by(rasterization)}  # fmt: skip


def test_rows_hold_every_figure(scene: Scene) -> None:
    rows = against_gsplat.compare(scene, draws_of(), rounds=2, calls=1, warm_up=0)
    assert [(r["who"], r["pass"]) for r in rows] == [
        ("avatar-rt", "forward"), ("gsplat", "forward"),
        ("avatar-rt", "forward+backward"), ("gsplat", "forward+backward"),
    ]  # fmt: skip
    for row in rows:
        assert row["ms_events"] == row["ms_wall"]  # no device
        assert isinstance(row["ms_wall"], float)
        assert row["ms_wall"] > 0
        assert (row["gaussians"], row["width"], row["height"]) == (120, 24, 24)
        assert row["alpha_max"] == pytest.approx(min(_core.ALPHA_MAX, 0.999))
        assert ("ratio_wall" in row) == (row["who"] == "gsplat")
    json.dumps(rows)


def test_neither_clamps_where_the_two_clamp_elsewhere(scene: Scene) -> None:
    assert scene.opacities.max() <= scene.alpha_max
    assert scene.opacities.max() > 0.98


def test_another_picture_is_refused(scene: Scene) -> None:
    def darker(**asked: Any) -> Any:
        return slow_rasterization(darker=0.9, **asked)

    with pytest.raises(BackendError, match="draw different things"):
        against_gsplat.compare(scene, draws_of(darker), rounds=1, calls=1)


class ReachedKernelError(Exception):
    """Raised where gsplat would enter its first CUDA kernel."""


def test_gsplat_takes_what_it_is_asked_for(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    rendering = pytest.importorskip("gsplat.rendering")
    asked: list[Any] = []

    def kernel(*arguments: Any, **_: Any) -> None:
        asked.extend(arguments)
        raise ReachedKernelError

    monkeypatch.setattr(rendering, "fully_fused_projection", kernel)
    with pytest.raises(ReachedKernelError):
        against_gsplat.draw_by(rendering.rasterization)(scene, scene.leaves("gsplat"))
    assert torch.equal(asked[0], scene.means)
    assert torch.equal(asked[1], scene.covars)  # gsplat's six are in the same order
    assert asked[2] is asked[3] is None


def test_without_a_device_one_sentence_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert main(["against_gsplat", "--json"]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.strip() == (
        "error: comparing with gsplat needs a CUDA device that PyTorch can use: none"
    )


def test_a_build_without_cuda_has_nothing_to_compare(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)
    monkeypatch.setattr(rasterize, "operators", lambda _device: "gsplat")
    with pytest.raises(BackendError, match="only gsplat to measure"):
        against_gsplat.device_and_gsplat()


@pytest.mark.parametrize("wrong", [["--size", "0"], ["--size", "5000"], ["--rounds", "0"]])
def test_arguments_that_cannot_be(wrong: list[str]) -> None:
    with pytest.raises(ParameterError, match=wrong[0]):
        against_gsplat.main(wrong)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_bench_says_why_gsplat_was_not_measured() -> None:
    """Through the process that it starts."""
    (row,) = bench_gsplat.rows(None, 100, 32)
    assert row["who"] == "gsplat"
    assert "needs a CUDA device" in row["error"]
    assert bench_gsplat.notes([row]) == [("gsplat", f"not measured: {row['error']}")]


def test_bench_names_what_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    (row,) = bench_gsplat.rows(None, 100, 32)
    assert row["error"] == "torch and gsplat: not installed (pip install 'avatar-rt[train]')"


def test_bench_shows_the_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    times = {"ms_events": 1.0, "ms_wall": 2.0}
    rows = [
        {"who": who, "pass": which, **times, **ratios}
        for which in against_gsplat.PASSES
        for who, ratios in (
            ("avatar-rt", {}), ("gsplat", {"ratio_events": 3.14, "ratio_wall": 2.7})
        )
    ]  # fmt: skip
    report = {"device": "Abacus", "gsplat": "1.5.3", "torch": "2", "results": rows}
    done = subprocess.CompletedProcess([], 0, f"chatter\n{json.dumps(report)}\n", "")
    monkeypatch.setattr(subprocess, "run", lambda *_a, **_k: done)
    found = bench_gsplat.rows(None, 120, 24)
    assert [r["who"] for r in found] == ["avatar-rt", "gsplat"] * 2
    assert {r["device"] for r in found} == {"Abacus"}
    notes = bench_gsplat.notes(found)
    assert [name for name, _ in notes] == ["gsplat 1.5.3"] * 2
    assert notes[0][1].startswith("forward: 3.1× as long as this core by the device's events")
    assert bench_gsplat.command(None, 120, 24)[0] == sys.executable
