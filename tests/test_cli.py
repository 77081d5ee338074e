"""The command's table of contents: every command has help, and errors are one line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from avatar_rt import _core
from avatar_rt.cli.main import COMMANDS, main
from avatar_rt.config import cache_dir
from avatar_rt.errors import InputError
from tests.factory import small_avatar


@pytest.mark.parametrize("command", COMMANDS)
def test_help_fits_one_screen(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main([command, "--help"])
    assert stop.value.code == 0
    text = capsys.readouterr().out
    assert f"avatar-rt {command}" in text
    assert len(text.splitlines()) <= 50


def test_main_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    text = capsys.readouterr().out
    assert all(f"\n    {name} " in text for name in COMMANDS)


def test_unknown_command_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["transmogrify"])
    assert stop.value.code == 2
    assert "transmogrify" in capsys.readouterr().err


def test_doctor_reports_every_part(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--json"]) == 0
    findings = json.loads(capsys.readouterr().out)["findings"]
    by_name = {f["name"]: f for f in findings}
    assert by_name["native core"]["level"] == "ok"
    assert by_name["face landmarks"]["level"] == "ok"
    assert all(f["advice"] for f in findings if f["level"] != "ok")


def test_bench_measures_both_qualities(capsys: pytest.CaptureFixture[str]) -> None:
    flags = ["--gaussians", "500", "--size", "64", "--frames", "4", "--threads", "1"]
    flags += ["--backend", "cpu"]
    assert main(["bench", "--json", *flags]) == 0
    report = json.loads(capsys.readouterr().out)
    assert set(report) == {"machine", "results", "baselines", "against_gsplat"}
    assert report["against_gsplat"] == []  # CUDA drew nothing
    assert {"processor", "cores"} <= set(report["machine"])
    assert [(r["quality"], r["threads"]) for r in report["results"]] == [("exact", 1), ("fast", 1)]
    promised = {
        "scene", "gaussians", "width", "height", "isa", "threads", "quality", "ms_median", "ms_p90",
        "fps", "psnr_db", "stages_ms",
    }  # fmt: skip
    for result in report["results"]:
        assert promised <= set(result)
        assert (result["gaussians"], result["width"], result["height"]) == (500, 64, 64)
        assert result["fps"] == pytest.approx(1e3 / result["ms_median"])
        assert result["isa"] == _core.isa()
    exact, fast = (result["psnr_db"] for result in report["results"])
    assert exact > max(60, fast)
    assert [baseline["name"] for baseline in report["baselines"]] == ["plain scalar", "NumPy"]


def test_bench_measures_an_avatar_file_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    small_avatar().save(tmp_path / "egg.avatar")
    flags = ["--avatar", str(tmp_path / "egg.avatar"), "--size", "48", "--frames", "2"]
    assert main(["bench", *flags, "--quality", "fast", "--no-baselines"]) == 0
    text = capsys.readouterr().out
    assert "egg-0" in text
    assert "NumPy" not in text


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--isa", "quantum"], "quantum"),
        (["--frames", "0"], "--frames"),
        (["--gaussians", "-1"], "Gaussians"),
        (["--size", "0"], "--size"),
        (["--size", "5000"], "--size"),
        (["--threads", "-1"], "--threads"),
        (["--avatar", "absent.avatar"], "absent.avatar"),
    ],
)
def test_bench_names_what_is_wrong(
    flags: list[str],
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("AVATAR_RT_ISA", _core.isa())  # given back afterwards
    assert main(["bench", "--json", *flags]) == 2
    said = capsys.readouterr()
    assert message in said.out + said.err


def test_a_core_that_does_not_load_is_one_line() -> None:
    command = [sys.executable, "-m", "avatar_rt", "info", "any.avatar"]
    done = subprocess.run(
        command,
        env={**os.environ, "AVATAR_RT_ISA": "quantum"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "quantum" in done.stderr
    assert "Traceback" not in done.stderr


def test_output_that_cannot_be_written_is_one_line() -> None:
    command = [sys.executable, "-m", "avatar_rt", "doctor"]
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 2
    assert "No space left" in done.stderr
    assert "Traceback" not in done.stderr


def test_termination_removes_what_was_half_written(tmp_path: Path) -> None:
    small_avatar().save(tmp_path / "egg.avatar")
    film = ["-o", str(tmp_path / "long.mp4"), "--seconds", "10000", "--size", "64"]
    command = [sys.executable, "-m", "avatar_rt", "render", str(tmp_path / "egg.avatar"), *film]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as child:
        for _ in range(600):
            if len(list(tmp_path.iterdir())) > 1 or child.poll() is not None:
                break
            time.sleep(0.1)
        child.terminate()
        _, errors = child.communicate(timeout=60)
    assert child.returncode == 143, errors
    assert [p.name for p in tmp_path.iterdir()] == ["egg.avatar"]


def test_a_cache_that_cannot_be_made_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("AVATAR_RT_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(InputError, match="AVATAR_RT_CACHE"):
        cache_dir()
