"""The maker as a program: what it prints, how it ends, and what it leaves behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from avatar_rt.avatar import Avatar
from avatar_rt.cli import main as cli
from avatar_rt.cli import make as cli_make
from avatar_rt.errors import MissingDependencyError
from tests.trainer import astronaut
from trainer import make


@pytest.fixture
def blank(tmp_path: Path) -> Path:
    Image.fromarray(np.full((120, 120, 3), 90, np.uint8)).save(tmp_path / "blank.png")
    return tmp_path / "blank.png"


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """The avatar that other tests have made already, instead of making it once more."""

    def recipe(_photo: Path, progress: make.Progress, note: make.Note) -> Avatar:
        progress("find the face", 0.1)
        note("one thing to know")
        return astronaut.avatar()

    monkeypatch.setitem(make.RECIPES, "instant", recipe)


def said(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


@pytest.mark.usefixtures("quick")
def test_progress_and_result_as_json(
    tmp_path: Path, blank: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "a.avatar"
    assert make.main([str(blank), "-o", str(out), "--json"]) == 0
    lines = said(capsys)
    assert lines[0] == {"step": "find the face", "fraction": 0.1}
    assert lines[1] == {"step": "find the face", "fraction": 0.1, "note": "one thing to know"}
    assert lines[-1] == {"done": str(out)}
    assert len(Avatar.load(out).gaussians.triangles) > 10_000
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.avatar", "blank.png"]


@pytest.mark.parametrize(
    ("photo", "output", "says"),
    [
        ("blank.png", "a.avatar", "no face"),
        ("absent.png", "a.avatar", "no such file"),
        (".", "a.avatar", "folder"),
        ("text.png", "a.avatar", "not a picture"),
        ("blank.png", "a.txt", ".avatar"),
        ("blank.png", "no/such/folder/a.avatar", "folder"),
    ],
)
def test_errors_are_one_object_and_leave_nothing(
    blank: Path, photo: str, output: str, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = blank.parent
    (folder / "text.png").write_text("no picture")
    assert make.main([str(folder / photo), "-o", str(folder / output), "--json"]) == 2
    error = str(said(capsys)[-1]["error"])
    assert says in error
    assert str(folder / (photo if output == "a.avatar" else output)) in error
    assert sorted(p.name for p in folder.iterdir()) == ["blank.png", "text.png"]


def test_only_writing_is_blamed_on_the_output(
    blank: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def recipe(_photo: Path, _progress: make.Progress, _note: make.Note) -> Avatar:
        raise PermissionError(13, "Permission denied", "/the/cache/model.npz")

    out = blank.parent / "a.avatar"
    monkeypatch.setitem(make.RECIPES, "instant", recipe)
    assert make.main([str(blank), "-o", str(out), "--json"]) == 2
    assert said(capsys)[-1]["error"] == "/the/cache/model.npz: Permission denied"


@pytest.mark.usefixtures("quick")
def test_an_output_that_cannot_be_written_is_named(
    blank: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(_avatar: Avatar, _path: Path) -> None:
        raise OSError(28, "No space left on device")

    out = blank.parent / "a.avatar"
    monkeypatch.setattr(Avatar, "save", full)
    assert make.main([str(blank), "-o", str(out), "--json"]) == 2
    error = f"{out}: cannot be written (No space left on device)"
    assert said(capsys)[-1]["error"] == error


def test_cancelling_leaves_nothing(tmp_path: Path) -> None:
    Image.fromarray(astronaut.photograph()).save(tmp_path / "me.png")
    command = cli_make.command(tmp_path / "me.png", tmp_path / "me.avatar")
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True) as child:
        watchdog = threading.Timer(60, child.kill)
        watchdog.start()
        assert child.stdout is not None
        first = child.stdout.readline()
        child.send_signal(signal.SIGTERM)
        _, errors = child.communicate()
        watchdog.cancel()
    assert "step" in first, f"ended with {child.returncode}: {errors}"
    assert child.returncode == make.CANCELLED
    assert [p.name for p in tmp_path.iterdir()] == ["me.png"]


def test_command_line_says_the_makers_error(
    blank: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = blank.parent / "b.avatar"
    assert cli.main(["make", str(blank), "-o", str(out), "--json"]) == 2
    captured = capsys.readouterr()
    assert "no face" in json.loads(captured.out.splitlines()[-1])["error"]
    assert "Traceback" not in captured.err
    assert not out.exists()


def test_command_line_without_the_make_extra(blank: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli_make, "_installed", lambda module: module != "anny")
    with pytest.raises(MissingDependencyError, match=r"avatar-rt\[make\]"):
        cli_make.check_make_extra()
    assert cli.main(["make", str(blank)]) == 2


def test_maker_that_dies_is_reported(
    blank: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    dying = "import sys; print('not json'); print('last words', file=sys.stderr); sys.exit(7)"
    monkeypatch.setattr(cli_make, "command", lambda *_: [sys.executable, "-c", dying])
    assert cli.main(["make", str(blank), "-o", str(blank.with_suffix(".avatar"))]) == 2
    assert "last words" in capsys.readouterr().err


def test_maker_is_found_from_any_folder(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(Path(make.__file__).parents[1])}
    done = subprocess.run(
        [sys.executable, "-m", "trainer.make", "--help"],
        cwd=tmp_path, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0
    assert "--recipe" in done.stdout
