"""Faces from films and pushed pictures, tracked here or in a child process."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from avatar_rt.arrays import F64, floats64
from avatar_rt.drivers import open_driver
from avatar_rt.drivers.video import VideoDriver, track_video
from avatar_rt.drivers.webcam import WebcamDriver
from avatar_rt.errors import AvatarRtError, DriverError, FileFormatError, InputError, ParameterError
from avatar_rt.rotation import euler_from_matrix, matrix_from_axis_angle
from avatar_rt.types import Channels, FaceParams
from tests.drivers.films import tilting, write

_PATIENCE = 60.0
"""Seconds that a busy machine may take; reached only where something is wrong."""


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("films") / "tilting.mp4", tilting(40))


def rolls(head: F64, neck: F64) -> F64:
    """(T,) degrees."""
    turns = [
        matrix_from_axis_angle(n) @ matrix_from_axis_angle(h)
        for h, n in zip(head, neck, strict=True)
    ]
    return floats64([np.degrees(euler_from_matrix(t)[2]) for t in turns])


def first_seen(read: Callable[[], FaceParams]) -> FaceParams:
    for _ in range(int(_PATIENCE / 0.02)):
        params = read()
        if params.known != Channels.NONE:
            return params
        time.sleep(0.02)
    raise AssertionError("no face was seen")


def test_a_film_is_tracked_whole(film: Path) -> None:
    recording = track_video(film)
    assert len(recording.times) == 40
    assert recording.measured
    assert recording.head_pose is not None
    assert recording.neck_pose is not None
    seen = rolls(floats64(recording.head_pose), floats64(recording.neck_pose))
    # the picture turns anticlockwise, which the subject feels as a lean to the right: positive
    truth = 12 * np.sin(2 * np.pi * np.arange(40) / 20)
    assert np.corrcoef(seen, truth)[0, 1] > 0.98
    assert np.abs((seen - seen[0]) - truth).mean() < 2.0
    assert np.array_equal(track_video(film).arkit, recording.arkit), "tracking is repeatable"


def test_open_driver_tracks_whole_where_it_is_not_live(film: Path) -> None:
    with open_driver(film, live=False, loop=False) as driver:
        lean = driver.read(0.0), driver.read(0.25)
    assert lean[1].head_pose[2] - lean[0].head_pose[2] > 0.05


def test_a_film_plays_in_a_child(film: Path) -> None:
    with VideoDriver(film, loop=True) as driver:
        assert driver.read(100.0).known == Channels.NONE
        first_seen(lambda: driver.read(100.0))
        # five seconds on, in the third round of the film
        for _ in range(int(_PATIENCE / 0.02)):
            params = driver.read(105.0)
            if params.time > 104.5:
                break
            time.sleep(0.02)
        assert 104.5 < params.time <= 105.0
        assert params.known == Channels.ALL
        assert params.measured
        assert driver.read(200.0).known == Channels.NONE or driver.read(200.0).time > 199


def test_a_film_without_a_face_says_so(tmp_path: Path) -> None:
    path = write(tmp_path / "wall.mp4", [np.full((64, 64, 3), 120, np.uint8)] * 5)
    with pytest.raises(DriverError, match="no face"):
        track_video(path)


@pytest.mark.parametrize("content", [b"", b"not a film", b"\x00\x00\x00\x18ftypmp42" + bytes(64)])
def test_what_is_no_film_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "broken.mp4"
    path.write_bytes(content)
    with pytest.raises(FileFormatError, match=r"broken\.mp4"):
        VideoDriver(path)


def test_a_truncated_film_is_refused_or_ends_early(film: Path, tmp_path: Path) -> None:
    path = tmp_path / "half.mp4"
    path.write_bytes(film.read_bytes()[: film.stat().st_size // 2])
    with pytest.raises(AvatarRtError):
        track_video(path)


def test_a_film_that_is_not_there_or_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        VideoDriver(tmp_path / "absent.mp4")
    with pytest.raises(InputError):
        VideoDriver(tmp_path)


def test_pushed_pictures_are_followed_and_the_driver_ends_with_its_block() -> None:
    pictures = tilting(20)
    with WebcamDriver() as driver:
        assert driver.read(0.0).known == Channels.NONE
        driver.push(pictures[0], 0.0)
        still = first_seen(lambda: driver.read(0.0))
        for k in range(1, 6):
            driver.push(pictures[k], k / 20)
            for _ in range(int(_PATIENCE / 0.02)):
                leaning = driver.read(k / 20)
                if leaning.time == k / 20:
                    break
                time.sleep(0.02)
        assert leaning.time == 0.25
        assert leaning.head_pose[2] + leaning.neck_pose[2] > still.head_pose[2] + 0.1
        assert driver.read(0.7).known == Channels.ALL
        assert driver.read(0.8).known == Channels.NONE, "what is too old is not known"
        large = np.repeat(np.repeat(pictures[0], 5, 0), 5, 1)
        driver.push(large, 1.0)
        assert first_seen(lambda: driver.read(1.0)).time == 1.0, "shrunk, not refused"
        with pytest.raises(ParameterError, match="uint8"):
            driver.push(np.zeros((4, 4, 3), np.float32), 1.0)
        pid = driver.child_pid
        assert pid is not None
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_only_the_newest_picture_is_looked_at() -> None:
    pictures = tilting(12)
    with WebcamDriver() as driver:
        for k, picture in enumerate(pictures):
            driver.push(picture, k / 20)
        seen = first_seen(lambda: driver.read(0.55))
        assert seen.time == 11 / 20


def test_the_death_of_the_tracker_is_an_error_not_a_hang() -> None:
    with WebcamDriver() as driver:
        driver.push(tilting(1)[0], 0.0)
        first_seen(lambda: driver.read(0.0))
        assert driver.child_pid is not None
        os.kill(driver.child_pid, signal.SIGKILL)
        with pytest.raises(DriverError, match="tracker of the webcam"):
            for _ in range(int(_PATIENCE / 0.02)):
                driver.read(0.1)
                time.sleep(0.02)
