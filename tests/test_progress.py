"""The late bar: silent for quick work, there for slow work, gone afterwards."""

from __future__ import annotations

import pytest

from avatar_rt.cli.progress import LateBar


def test_quick_work_prints_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with LateBar("quick", quiet_seconds=1e9) as bar:
        for k in range(10):
            bar(k / 10)
    assert capsys.readouterr().err == ""


def test_slow_work_shows_its_label(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")  # a bar is drawn on terminals alone
    with LateBar("slow", quiet_seconds=0.0) as bar:
        bar(0.5)
    assert "slow" in capsys.readouterr().err
