"""The sheet shows all sides of an avatar, and says how opaque it is from each."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from tests.factory import small_avatar
from trainer import sheet


@pytest.fixture
def avatar(tmp_path: Path) -> Path:
    path = tmp_path / "egg.avatar"
    small_avatar().save(path)
    return path


def test_all_sides(avatar: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "sheet.png"
    assert sheet.main([str(avatar), "-o", str(out), "--size", "40"]) == 0
    opacity = json.loads(capsys.readouterr().out)["opacity"]
    assert list(opacity) == [str(yaw) for yaw in sheet.YAWS]
    assert all(0.5 < value <= 1 for value in opacity.values())
    with Image.open(out) as drawn:
        assert drawn.size == (5 * 40, 4 * 40)


def test_banner_begins_with_the_photograph(avatar: Path, tmp_path: Path) -> None:
    photo, out = tmp_path / "red.png", tmp_path / "row.png"
    Image.new("RGB", (90, 120), (255, 0, 0)).save(photo)
    assert sheet.main([str(avatar), "-o", str(out), "--size", "40", "--photo", str(photo)]) == 0
    with Image.open(out) as row:
        assert row.size == (40 * (1 + len(sheet.BANNER)), 40)
        assert row.getpixel((20, 20)) == (255, 0, 0)


def test_a_missing_file_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert sheet.main([str(tmp_path / "none.avatar"), "-o", str(tmp_path / "x.png")]) == 2
    assert "none.avatar" in capsys.readouterr().err
