"""`avatar-rt serve`: its flags, and that Ctrl-C and SIGTERM end it in order."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import socket
import sys
import urllib.request
from pathlib import Path

import pytest

from avatar_rt.avatar import Avatar
from avatar_rt.cli.main import main
from avatar_rt.cli.serve import add_serving_arguments, backdrop, port, settings
from avatar_rt.drivers.base import IdleDriver
from avatar_rt.errors import AvatarRtError, ParameterError
from avatar_rt.server.drives import RepeatingSpeech, SharedDrive
from avatar_rt.server.run import address

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("kind", [signal.SIGINT, signal.SIGTERM])
async def test_it_serves_until_told_to_stop(
    egg: Avatar, tmp_path: Path, kind: signal.Signals
) -> None:
    path = tmp_path / "egg.avatar"
    egg.save(path)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "avatar_rt", "serve", str(path), "--port", "0", "--size", "96"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd=ROOT,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    assert process.stdout is not None
    async with asyncio.timeout(60):
        line = (await process.stdout.readline()).decode()
        url = next(word for word in line.split() if word.startswith("http://127.0.0.1:"))
        reply = await asyncio.to_thread(urllib.request.urlopen, f"{url}api/health")
        with reply:
            assert json.load(reply) == {"ok": True, "viewers": 0}
        process.send_signal(kind)
        _, complaints = await process.communicate()
    assert process.returncode == 0
    assert complaints == b""


@pytest.mark.parametrize("backend", ["auto", "cpu", "cuda"])
def test_what_draws_can_be_chosen(backend: str) -> None:
    parser = argparse.ArgumentParser()
    add_serving_arguments(parser)
    flags = [] if backend == "auto" else ["--backend", backend]
    assert settings(parser.parse_args(flags)).backend == backend


def test_a_port_that_is_taken_names_the_flag(
    egg: Avatar, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "egg.avatar"
    egg.save(path)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        flags = ["--port", str(taken.getsockname()[1]), "--size", "96"]
        assert main(["serve", str(path), *flags]) == 2
    assert "--port" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--drive", "nowhere.json"], "no such file"),
        (["--drive", "dance.gif"], "no driver"),
        (["--drive", "text: "], "needs words"),
        (["--size", "4096"], "--size"),
        (["--size", "65"], "even"),
        (["--fps", "5000"], "1 to 1000"),
    ],
)
def test_flags_that_cannot_be_are_refused_in_words(
    egg: Avatar, tmp_path: Path, capsys: pytest.CaptureFixture[str], flags: list[str], said: str
) -> None:
    path = tmp_path / "egg.avatar"
    egg.save(path)
    assert main(["serve", str(path), *flags]) == 2
    assert said in capsys.readouterr().err


def test_an_avatar_that_is_not_there_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", "nobody.avatar"]) == 2
    assert "nobody.avatar" in capsys.readouterr().err


def test_values_of_flags() -> None:
    assert port("0") == 0 and port("8765") == 8765
    for text in ("-1", "65536", "http"):
        with pytest.raises(argparse.ArgumentTypeError):
            port(text)
    assert backdrop("#ff0080") == pytest.approx((1.0, 0.0, 128 / 255))
    with pytest.raises(argparse.ArgumentTypeError):
        backdrop("transparent")
    assert address("0.0.0.0", 80) == "http://127.0.0.1:80/"
    assert address("::1", 80) == "http://[::1]:80/"


def test_drives_are_named_on_the_command_line() -> None:
    driver, period = SharedDrive.of("idle").open()
    assert isinstance(driver, IdleDriver) and period is None
    clip, period = SharedDrive.of("clip").open()
    assert clip.read(5.0).arkit.shape == (52,) and period is None
    with pytest.raises(AvatarRtError):
        SharedDrive.of("nowhere.npz").open()
    with pytest.raises(ParameterError):
        SharedDrive.of("text:")


def test_a_speech_is_said_again_after_a_pause() -> None:
    speech, period = SharedDrive.of("text:Open wide, oh yes.").open()
    assert isinstance(speech, RepeatingSpeech) and period == speech.period
    speech.start(100.0)
    moments = [100.0 + k * 0.02 for k in range(int(period / 0.02))]
    once = [speech.read(t).arkit for t in moments]
    again = [speech.read(t + period).arkit for t in moments]
    assert max(float(a.max()) for a in once) > 0.1
    assert max(float(abs(a - b).max()) for a, b in zip(once, again, strict=True)) < 0.05
    later = speech.read(100.0 + 1000 * period + 0.5).arkit
    assert float(abs(later - once[25]).max()) < 0.05, "no drift"
