"""`avatar-rt render`, `import` and `info`, from their arguments to their files and words."""

from __future__ import annotations

import json
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from avatar_rt import _core
from avatar_rt.arrays import Array
from avatar_rt.audio import Audio
from avatar_rt.cli import render as command
from avatar_rt.cli.main import main
from avatar_rt.drivers import RecordedDriver, Recording, save_recording
from avatar_rt.types import FaceParams
from tests.avatar.lam_maker import lam_zip
from tests.factory import small_avatar


@pytest.fixture
def egg(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Where the working directory is, with egg.avatar in it."""
    monkeypatch.chdir(tmp_path)
    small_avatar().save("egg.avatar")
    return "egg.avatar"


def render(*arguments: str) -> Array:
    """The picture that `avatar-rt render egg.avatar ARGUMENTS -o out.png` makes, BGR(A)."""
    assert main(["render", "egg.avatar", "--size", "96", *arguments, "-o", "out.png"]) == 0
    picture: Array = cv2.imread("out.png", cv2.IMREAD_UNCHANGED)
    return picture.astype(int)


def recording(path: str, seconds: float = 1.0) -> str:
    """A recorded jaw that opens."""
    times = np.linspace(0, seconds, 11)
    states = [
        FaceParams.from_arkit({"jawOpen": t / seconds}).with_changes(time=float(t)) for t in times
    ]
    save_recording(Recording.of(states), path)
    return path


@pytest.mark.usefixtures("egg")
def test_the_issues_example() -> None:
    arguments = ["--arkit", "jawOpen=0.6", "--yaw", "30", "--size", "512", "-o", "out.png"]
    assert main(["render", "egg.avatar", *arguments]) == 0
    assert cv2.imread("out.png").shape == (512, 512, 3)


@pytest.mark.usefixtures("egg")
@pytest.mark.parametrize("arguments", [
    ["--arkit", "jawOpen=1"], ["--arkit", "eyeBlinkLeft=1,browInnerUp=0.5"], ["--yaw", "-40"],
    ["--pitch", "20"], ["--roll", "30"], ["--head-yaw", "25"], ["--head-pitch", "-15"],
    ["--head-roll", "12"], ["--gaze", "20,0"], ["--gaze=-20,10"], ["--background", "#102030"],
])  # fmt: skip
def test_each_option_changes_the_picture(arguments: list[str]) -> None:
    assert np.abs(render(*arguments) - render()).mean() > 0.05


@pytest.mark.usefixtures("egg")
def test_gaze_left_is_the_mirror_of_gaze_right() -> None:
    def iris(picture: Array) -> float:
        dark = (picture.max(2) < 128) & (picture[..., 0] > picture[..., 2] + 12)
        return float(np.nonzero(dark)[1].mean())

    assert iris(render("--gaze", "25,0")) > iris(render()) + 0.3
    assert iris(render("--gaze=-25,0")) < iris(render()) - 0.3


@pytest.mark.usefixtures("egg")
def test_roll_turns_the_picture_clockwise() -> None:
    still, turned = render(), render("--roll", "90")
    assert np.abs(np.rot90(still, -1) - turned).mean() < 1


@pytest.mark.usefixtures("egg")
def test_transparent_png_and_rectangles() -> None:
    picture = render("--background", "transparent", "--size", "80x60")
    assert picture.shape == (60, 80, 4)
    assert picture[0, 0, 3] == 0
    assert picture[30, 40, 3] > 250


@pytest.mark.usefixtures("egg")
def test_a_moment_of_a_recording() -> None:
    driven = render("--drive", recording("jaw.npz"), "--at", "1")
    assert np.abs(driven - render("--arkit", "jawOpen=1")).max() <= 1
    held = render("--drive", "jaw.npz", "--at", "1", "--arkit", "jawOpen=0")
    assert np.abs(held - render()).max() <= 1


@pytest.mark.usefixtures("egg")
def test_film_of_a_recording(capsys: pytest.CaptureFixture[str]) -> None:
    recording("jaw.npz")
    arguments = ["--drive", "jaw.npz", "--size", "64", "--fps", "10", "--json", "-o", "out.mp4"]
    assert main(["render", "egg.avatar", *arguments]) == 0
    report = json.loads(capsys.readouterr().out)
    with av.open("out.mp4") as container:
        frames = [f.to_ndarray(format="rgb24") for f in container.decode(video=0)]
    assert report["frames"] == len(frames) == pytest.approx(11, abs=1)
    assert report["render_fps"] > 0
    assert np.abs(frames[-1].astype(int) - frames[0]).max() > 40


@pytest.mark.usefixtures("egg")
def test_orbit_goes_around_once() -> None:
    arguments = ["--orbit", "0.8", "--size", "64", "--fps", "10", "-o", "out.mp4"]
    assert main(["render", "egg.avatar", *arguments]) == 0
    with av.open("out.mp4") as container:
        frames = [f.to_ndarray(format="bgr24").astype(int) for f in container.decode(video=0)]
    assert len(frames) == 8
    back = render("--yaw", "180", "--size", "64")
    assert np.abs(frames[4] - back).mean() < 3
    assert np.abs(frames[0] - back).mean() > 5


@pytest.mark.usefixtures("egg")
def test_film_with_a_voice(monkeypatch: pytest.MonkeyPatch) -> None:
    class Speaking(RecordedDriver):
        audio = Audio(
            (np.random.default_rng(0).normal(size=16_000) * 3000).astype(np.int16), 16_000
        )

    driver = Speaking.from_file(recording("jaw.npz"))
    monkeypatch.setattr(command, "open_driver", lambda *_, **__: driver)
    arguments = ["--drive", "voice.wav", "--size", "64", "--fps", "10", "-o", "out.mp4"]
    assert main(["render", "egg.avatar", *arguments]) == 0
    with av.open("out.mp4") as container:
        sound = container.streams.audio[0]
        assert sound.duration is not None and sound.time_base is not None
        assert float(sound.duration * sound.time_base) == pytest.approx(1.0, abs=0.15)


@pytest.mark.usefixtures("egg")
@pytest.mark.parametrize(("arguments", "words"), [
    (["--arkit", "jawOpe=1"], "--arkit: 'jawOpe' is not an ARKit blendshape; did you mean"),
    (["--arkit", "jawOpen"], "--arkit: 'jawOpen': write NAME=WEIGHT"),
    (["--arkit", "jawOpen=2"], "--arkit: 'jawOpen=2': a weight lies within"),
    (["--arkit", "jawOpen=nan"], "--arkit: 'nan' is not a finite number"),
    (["--size", "big"], "--size: 'big': write 512 or 640x480"),
    (["--size", "0"], "--size: '0': each side"),
    (["--size", "100000"], "--size"),
    (["--yaw", "left"], "--yaw: 'left' is not a number"),
    (["--head-yaw", "inf"], "--head-yaw: 'inf' is not a finite number"),
    (["--gaze", "5"], "--gaze: '5': write YAW,PITCH"),
    (["--background", "red"], "--background: 'red': write #rrggbb"),
    (["--fps", "0"], "--fps: '0' must be more than 0"),
    (["--quality", "best"], "--quality: invalid choice"),
])  # fmt: skip
def test_flags_that_say_nothing(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["render", "egg.avatar", *arguments, "-o", "out.png"])
    assert caught.value.code == 2
    assert words in capsys.readouterr().err
    assert not Path("out.png").exists()


@pytest.mark.usefixtures("egg")
@pytest.mark.parametrize(("arguments", "words"), [
    (["-o", "out.jpg"], "must end in .png or .mp4"),
    (["-o", "no/out.png"], "cannot be written"),
    (["-o", "out.png", "--orbit", "3"], "--orbit makes a film"),
    (["-o", "out.png", "--seconds", "3"], "--seconds makes a film"),
    (["-o", "out.png", "--at", "3"], "--at is a moment of a drive"),
    (["-o", "out.mp4", "--at", "3", "--orbit", "1"], "--at is for a png"),
    (["-o", "out.mp4"], "give --seconds, --orbit, or --drive"),
    (["-o", "out.mp4", "--drive", "idle"], "give --seconds"),
    (["-o", "out.mp4", "--orbit", "1", "--background", "transparent"], "--background transparent"),
    (["-o", "out.mp4", "--orbit", "1", "--size", "65"], "both must be even"),
    (["-o", "out.png", "--drive", "nowhere.json"], "nowhere.json"),
    (["-o", "out.png", "--drive", "voice.doc"], "voice.doc"),
    (["-o", "out.mp4", "--drive", "text:"], "text"),
    pytest.param(
        ["-o", "out.png", "--backend", "cuda"], "backend 'cuda'",
        marks=pytest.mark.skipif(_core.cuda_status() == "available", reason="CUDA works here"),
    ),
])  # fmt: skip
def test_what_cannot_be_rendered(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["render", "egg.avatar", *arguments, "--json"]) == 2
    captured = capsys.readouterr()
    assert words in captured.err
    assert words in json.loads(captured.out)["error"]
    assert {p.name for p in Path().iterdir()} == {"egg.avatar"}


@pytest.mark.usefixtures("egg")
def test_render_of_no_avatar(capsys: pytest.CaptureFixture[str]) -> None:
    Path("bad.avatar").write_bytes(b"nothing")
    assert main(["render", "bad.avatar", "-o", "out.png"]) == 2
    assert main(["render", "none.avatar", "-o", "out.png"]) == 2
    words = capsys.readouterr().err
    assert "bad.avatar: file: is not an avatar file" in words
    assert "none.avatar: cannot be read" in words


@pytest.mark.usefixtures("egg")
def test_info(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", "egg.avatar", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["name"] == "egg-0"
    assert report["gaussians"] == 2096
    assert report["head_model"]["licence"] == "Apache-2.0"
    assert report["bytes"] == Path("egg.avatar").stat().st_size
    assert report["arkit_missing"] == []
    assert main(["info", "egg.avatar"]) == 0
    words = capsys.readouterr().out
    for word in ("egg-0", "Apache-2.0", "2,096", "synthetic", "affine"):
        assert word in words


@pytest.mark.usefixtures("egg")
def test_info_of_a_bad_file_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    Path("bad.avatar").write_bytes(Path("egg.avatar").read_bytes()[:5000])
    assert main(["info", "bad.avatar", "--json"]) == 2
    captured = capsys.readouterr()
    assert "bad.avatar" in json.loads(captured.out)["error"]
    assert captured.err.count("\n") == 1


def test_import(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("egg.zip").write_bytes(lam_zip())
    assert main(["import", "egg.zip"]) == 0
    assert "Gaussians" in capsys.readouterr().out
    assert main(["import", "egg.zip", "-o", "other.avatar", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["avatar"] == "other.avatar"
    assert Path("egg.avatar").read_bytes() == Path("other.avatar").read_bytes()
    assert main(["render", "egg.avatar", "-o", "egg.png"]) == 0
    assert main(["import", "egg.zip", "-o", "egg.zip"]) == 2
    assert main(["import", "egg.avatar"]) == 2
    words = capsys.readouterr().err
    assert "ends in .avatar" in words
    assert "is not a zip" in words
