"""Recordings: ARKit JSON as others write it, our own files, and what is wrong with broken ones."""

from __future__ import annotations

import copy
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from avatar_rt.arkit import ARKIT_INDEX, ARKIT_NAMES
from avatar_rt.drivers import RecordedDriver, Recording, load_recording, open_driver, save_recording
from avatar_rt.drivers.base import Driver
from avatar_rt.errors import FileFormatError, InputError, ParameterError
from avatar_rt.types import Channels, FaceParams

JAW = ARKIT_INDEX["jawOpen"]


def clip(frames: int = 4) -> dict[str, Any]:
    """A small JSON clip, its names in an order of its own: the jaw opens by 0.2 a frame."""
    names = sorted(ARKIT_NAMES)
    jaw = names.index("jawOpen")
    rows = []
    for k in range(frames):
        weights = [0.0] * 52
        weights[jaw] = 0.2 * k
        rows.append({"weights": weights, "time": k / 10, "rotation": []})
    return {"names": names, "metadata": {"fps": 10.0}, "frames": rows}


def written(tmp_path: Path, data: object) -> Path:
    path = tmp_path / "clip.json"
    path.write_text(data if isinstance(data, str) else json.dumps(data))
    return path


def test_weights_are_reordered_by_name(tmp_path: Path) -> None:
    recording = load_recording(written(tmp_path, clip()))
    assert np.allclose(recording.arkit[:, JAW], [0, 0.2, 0.4, 0.6])
    assert np.allclose(np.delete(recording.arkit, JAW, 1), 0)
    assert np.allclose(recording.times, [0, 0.1, 0.2, 0.3])
    assert recording.known == Channels.MOUTH | Channels.BROWS | Channels.LIDS


def test_times_come_from_fps_where_frames_have_none(tmp_path: Path) -> None:
    data = clip()
    for frame in data["frames"]:
        del frame["time"]
    assert np.allclose(load_recording(written(tmp_path, data)).times, [0, 0.1, 0.2, 0.3])
    del data["metadata"]
    assert np.allclose(load_recording(written(tmp_path, data)).times, np.arange(4) / 30)


def test_heads_turn_by_head_pose_or_rotation(tmp_path: Path) -> None:
    data = clip(2)
    data["head_pose"] = [[0, 0.1, 0], [0, 0.2, 0]]
    recording = load_recording(written(tmp_path, data))
    assert recording.head_pose is not None
    assert np.allclose(recording.head_pose, [[0, 0.1, 0], [0, 0.2, 0]])
    assert Channels.HEAD in recording.known
    data = clip(2)
    for frame in data["frames"]:
        frame["rotation"] = [0.0, 0.0, 0.3]
    recording = load_recording(written(tmp_path, data))
    assert recording.head_pose is not None
    assert np.allclose(recording.head_pose[:, 2], 0.3)


def test_clips_made_by_others_are_read(assets: Callable[[str], Path], tmp_path: Path) -> None:
    recording = load_recording(assets("lam/test_expression_1s.json"))
    assert recording.arkit.shape == (973, 52)
    assert recording.interval == pytest.approx(1 / 30)
    assert recording.head_pose is not None
    with zipfile.ZipFile(assets("lam/status.zip")) as archive:
        path = tmp_path / "bsData.json"
        path.write_bytes(archive.read("arkitWithBSData/bsData.json"))
    recording = load_recording(path)
    assert recording.arkit.shape == (184, 52)
    assert recording.arkit[:, JAW].max() == pytest.approx(0.422, abs=1e-3)
    assert Channels.GAZE not in recording.known, "its eyes never look anywhere"


def test_our_own_file_keeps_everything(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    states = [
        FaceParams(
            arkit=rng.random(52).astype(np.float32),
            head_pose=rng.normal(0, 0.2, 3).astype(np.float32),
            neck_pose=rng.normal(0, 0.2, 3).astype(np.float32),
            jaw_pose=rng.normal(0, 0.1, 3).astype(np.float32),
            eye_pose=rng.normal(0, 0.1, (2, 3)).astype(np.float32),
            translation=rng.normal(0, 0.01, 3).astype(np.float32),
            time=k / 25,
        )
        for k in range(5)
    ]
    path = tmp_path / "clip.npz"
    save_recording(Recording.of(states, measured=True), path)
    again = load_recording(path)
    assert again.measured
    driver = RecordedDriver(again, loop=False, start=0.0)
    for state in states:
        read = driver.read(state.time)
        for name in ("arkit", "head_pose", "neck_pose", "jaw_pose", "eye_pose", "translation"):
            assert np.allclose(getattr(read, name), getattr(state, name), atol=1e-6), name
        assert read.measured


def test_playing_interpolates_loops_and_ends(tmp_path: Path) -> None:
    recording = load_recording(written(tmp_path, clip()))
    looping = RecordedDriver(recording)
    assert looping.duration == pytest.approx(0.4)
    jaw = [float(looping.read(100 + t).arkit[JAW]) for t in (0, 0.05, 0.1, 0.3, 0.35, 0.4, 4.05)]
    assert np.allclose(jaw, [0, 0.1, 0.2, 0.6, 0.3, 0.0, 0.1], atol=1e-5)
    once = RecordedDriver(recording, loop=False)
    jaw = [float(once.read(7 + t).arkit[JAW]) for t in (0, 0.25, 0.3, 0.35, 99)]
    assert np.allclose(jaw, [0, 0.5, 0.6, 0.6, 0.6], atol=1e-5)


def test_a_single_frame_is_a_recording(tmp_path: Path) -> None:
    driver = RecordedDriver(load_recording(written(tmp_path, clip(1))))
    assert driver.read(0.0).arkit[JAW] == driver.read(9.9).arkit[JAW] == 0


def test_times_of_states_must_ascend() -> None:
    with pytest.raises(ParameterError, match="ascend"):
        Recording.of([FaceParams(time=1.0), FaceParams(time=1.0)])
    with pytest.raises(ParameterError, match="at least one"):
        Recording.of([])


def _without(key: str) -> Callable[[dict[str, Any]], object]:
    return lambda data: {k: v for k, v in data.items() if k != key}


def _set(*path: object, to: object) -> Callable[[dict[str, Any]], object]:
    def change(data: dict[str, Any]) -> object:
        place: Any = data
        for step in path[:-1]:
            place = place[step]
        place[path[-1]] = to
        return data

    return change


BROKEN_JSON: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "empty": (lambda _: "", "file"),
    "no JSON": (lambda _: "{names: ", "file"),
    "binary": (lambda _: "\x00\x01\x02", "file"),
    "nested beyond measure": (lambda _: "[" * 100_000, "file"),
    "a list": (lambda _: [1, 2], "file"),
    "a number": (lambda _: "3", "file"),
    "truncated": (lambda d: json.dumps(d)[:-40], "file"),
    "NaN": (lambda d: json.dumps(d).replace("0.4", "NaN", 1), "file"),
    "infinite": (lambda d: json.dumps(d).replace("0.4", "1e999", 1), "frames[2].weights"),
    "no names": (_without("names"), "names"),
    "unknown name": (_set("names", 3, to="eyebrowWiggle"), "names"),
    "a name twice": (_set("names", 3, to="jawOpen"), "names"),
    "name no text": (_set("names", 3, to=["jawOpen"]), "names"),
    "no frames": (_without("frames"), "frames"),
    "empty frames": (_set("frames", to=[]), "frames"),
    "frames an object": (_set("frames", to={}), "frames"),
    "frame no object": (_set("frames", 1, to=[0.0]), "frames[1]"),
    "too few weights": (_set("frames", 1, "weights", to=[0.0] * 51), "frames[1].weights"),
    "weights missing": (_set("frames", 1, "weights", to=None), "frames[1].weights"),
    "weight a text": (_set("frames", 1, "weights", 7, to="open"), "frames[1].weights[7]"),
    "weight true": (_set("frames", 1, "weights", 7, to=True), "frames[1].weights[7]"),
    "weight huge": (_set("frames", 1, "weights", 7, to=10**400), "frames[1].weights[7]"),
    "weight in percent": (_set("frames", 1, "weights", 7, to=80.0), "arkit"),
    "time backwards": (_set("frames", 2, "time", to=0.05), "times"),
    "time a text": (_set("frames", 2, "time", to="later"), "frames[].time"),
    "fps zero": (lambda d: {**_timeless(d), "fps": 0}, "fps"),
    "fps a text": (lambda d: {**_timeless(d), "fps": "fast"}, "fps"),
    "head_pose short": (lambda d: {**d, "head_pose": [[0, 0, 0]]}, "head_pose"),
    "head_pose flat": (lambda d: {**d, "head_pose": [0, 0, 0, 0]}, "head_pose[0]"),
    "head_pose degrees": (lambda d: {**d, "head_pose": [[0, 45, 0]] * 4}, "head_pose"),
    "rotation quaternion": (_set("frames", 1, "rotation", to=[1, 0, 0, 0]), "rotation"),
}


def _timeless(data: dict[str, Any]) -> dict[str, Any]:
    for frame in data["frames"]:
        del frame["time"]
    return _without("metadata")(data)  # type: ignore[return-value]


@pytest.mark.parametrize("fault", BROKEN_JSON)
def test_broken_json_names_its_fault(fault: str, tmp_path: Path) -> None:
    change, field = BROKEN_JSON[fault]
    path = written(tmp_path, change(copy.deepcopy(clip())))
    with pytest.raises(FileFormatError) as caught:
        load_recording(path)
    assert field in caught.value.field
    assert "clip.json" in str(caught.value)


def arrays(**changes: Any) -> dict[str, Any]:
    whole: dict[str, Any] = {
        "format": np.str_("avatar-rt-recording"),
        "version": np.int64(1),
        "times": np.arange(4) / 10,
        "arkit": np.zeros((4, 52), np.float32),
        "head_pose": np.zeros((4, 3), np.float32),
    }
    whole.update(changes)
    return {name: value for name, value in whole.items() if value is not None}


BROKEN_NPZ: dict[str, tuple[dict[str, Any], str]] = {
    "another format": (arrays(format=np.str_("song")), "format"),
    "no format": (arrays(format=None), "format"),
    "newer version": (arrays(version=np.int64(9)), "version"),
    "no times": (arrays(times=None), "times"),
    "no weights": (arrays(arkit=None), "arkit"),
    "no frames": (arrays(times=np.zeros(0), arkit=np.zeros((0, 52)), head_pose=None), "times"),
    "times a matrix": (arrays(times=np.zeros((4, 1))), "times"),
    "times equal": (arrays(times=np.zeros(4)), "times"),
    "times NaN": (arrays(times=np.array([0, np.nan, 2, 3])), "times"),
    "weights short": (arrays(arkit=np.zeros((3, 52))), "arkit"),
    "weights of 51": (arrays(arkit=np.zeros((4, 51))), "arkit"),
    "weights infinite": (arrays(arkit=np.full((4, 52), np.inf)), "arkit"),
    "weights huge": (arrays(arkit=np.full((4, 52), 9.0)), "arkit"),
    "weights text": (arrays(arkit=np.full((4, 52), "x")), "arkit"),
    "weights complex": (arrays(arkit=np.zeros((4, 52), complex)), "arkit"),
    "pose flat": (arrays(head_pose=np.zeros(3)), "head_pose"),
    "pose degrees": (arrays(head_pose=np.full((4, 3), 40.0)), "head_pose"),
    "one eye": (arrays(eye_pose=np.zeros((4, 1, 3))), "eye_pose"),
    "measured a number": (arrays(measured=np.float64(2)), "measured"),
    "an object": (arrays(arkit=np.array([{}] * 4, object)), "file"),
}


@pytest.mark.parametrize("fault", BROKEN_NPZ)
def test_broken_npz_names_its_fault(fault: str, tmp_path: Path) -> None:
    held, field = BROKEN_NPZ[fault]
    path = tmp_path / "clip.npz"
    np.savez(path, **held)
    with pytest.raises(FileFormatError) as caught:
        load_recording(path)
    assert caught.value.field == field


@pytest.mark.parametrize("cut", [0, 10, 200, -30])
def test_damaged_npz_is_refused(cut: int, tmp_path: Path) -> None:
    path = tmp_path / "clip.npz"
    np.savez(path, **arrays())
    data = path.read_bytes()
    path.write_bytes(data[:cut])
    with pytest.raises(FileFormatError, match="file"):
        load_recording(path)


def test_flipped_bytes_never_crash(tmp_path: Path) -> None:
    path = tmp_path / "clip.npz"
    save_recording(Recording(np.arange(3.0), np.zeros((3, 52), np.float32)), path)
    data = bytearray(path.read_bytes())
    rng = np.random.default_rng(5)
    for _ in range(150):
        broken = bytearray(data)
        for place in rng.integers(0, len(data), 3):
            broken[place] ^= int(rng.integers(1, 256))
        path.write_bytes(broken)
        try:
            assert load_recording(path).arkit.shape[1] == 52
        except FileFormatError:
            continue


def test_open_driver_tells_files_apart(tmp_path: Path) -> None:
    assert isinstance(open_driver(written(tmp_path, clip())), RecordedDriver)
    idle = open_driver("idle")
    assert isinstance(idle, Driver)
    with idle:
        assert idle.read(3.0).known == Channels.NONE
    with pytest.raises(ParameterError, match="idle"):
        open_driver("song.mid")
    with pytest.raises(InputError, match="no such file"):
        open_driver(tmp_path / "absent.json")
    with pytest.raises(InputError):
        open_driver(tmp_path / "absent.mp4")
    with pytest.raises(ParameterError, match=r"\.npz"):
        save_recording(Recording(np.arange(1.0), np.zeros((1, 52), np.float32)), tmp_path / "a.txt")
