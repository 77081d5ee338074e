"""The programs in benchmarks/ that take minutes: what they do before they measure."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from avatar_rt import _core
from benchmarks import against_prototype, sweep
from tests.factory import small_avatar


def test_a_folder_without_the_prototype_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"has no scene\.h"):
        against_prototype.main([str(tmp_path)])


def test_a_joint_is_where_its_turns_leave_it() -> None:
    rng = np.random.default_rng(0)
    centre = np.array([0.03, -0.02, 0.1])
    turns, _ = np.linalg.qr(rng.normal(size=(5, 3, 3)))
    turns *= np.linalg.det(turns)[:, None, None]
    motions = np.concatenate([turns, (centre - turns @ centre)[..., None]], -1)
    np.testing.assert_allclose(against_prototype._centre(motions), centre, atol=1e-9)


def test_sweep_measures_a_head_at_every_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweep, "_SECONDS", 0.01)
    found = sweep.measure_head(small_avatar(), (24, 32))
    assert {r["width"] for r in found["results"]} == {24, 32}
    assert {r["quality"] for r in found["results"]} == {"exact", "fast"}
    assert {r["isa"] for r in found["results"]} == {_core.isa()}
    assert len({r["psnr_db"] for r in found["results"]}) == 2
    assert all(10 <= r["frames"] <= 200 for r in found["results"])


def test_sweep_says_which_heads_are_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweep, "demo_avatar", lambda _console: small_avatar())
    args = sweep.parse(["--assets", str(tmp_path), "--gaussians", "50", "60"])
    heads = list(sweep.heads(args, Console(stderr=True)))
    assert [len(head.gaussians.triangles) for head in heads[:2]] == [50, 60]
    assert len(heads) == 3
    assert "without LAM avatars" in capsys.readouterr().err
