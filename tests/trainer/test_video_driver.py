"""The measurement of the video driver: its films do what they say, and a constant does not pass."""

from __future__ import annotations

import numpy as np
import pytest

from avatar_rt.arkit import ARKIT_INDEX
from avatar_rt.arrays import F64, floats64
from avatar_rt.drivers.recording import Recording
from avatar_rt.rotation import euler_from_matrix, matrix_from_axis_angle
from trainer.evaluate.__main__ import main
from trainer.evaluate.video_driver import Film, Told, constant, films, passes, scores


@pytest.fixture(scope="module")
def made() -> dict[str, Film]:
    """The films of a made-up talk of six seconds."""
    seconds = np.arange(180) / 30
    arkit = np.zeros((180, 52), np.float32)
    arkit[:, ARKIT_INDEX["jawOpen"]] = 0.3 + 0.3 * np.sin(9 * seconds)
    for side in ("Left", "Right"):
        arkit[:, ARKIT_INDEX[f"eyeBlink{side}"]] = seconds % 2 < 0.2
    return {film.name: film for film in films(Recording(seconds, arkit))}


def told(film: Film, error: float = 0.0) -> Told:
    """The truth, each turn off by `error` degrees."""
    arkit: F64 = floats64([s.arkit for s in film.states])
    return Told(arkit, film.turn + np.radians(error), film.look)


def test_films_begin_at_rest_and_go_as_far_as_they_say(made: dict[str, Film]) -> None:
    assert list(made) == ["talk", "turn", "look", "all at once"]
    for film in made.values():
        assert not any(s.arkit.any() or s.head_pose.any() for s in film.states[:30])
    reach = np.degrees(np.abs(made["turn"].turn).max(0))
    assert np.allclose(reach, [35, 20, 15], atol=1)
    assert np.allclose(np.degrees(np.abs(made["look"].look).max(0)), [25, 15], atol=1)
    state, truth = made["turn"].states[75], made["turn"].turn[75]
    assert np.allclose(euler_from_matrix(matrix_from_axis_angle(state.head_pose)), truth, atol=1e-5)


def test_the_truth_passes_and_a_constant_does_not(made: dict[str, Film]) -> None:
    assert passes({name: scores(film, told(film)) for name, film in made.items()})
    assert passes({name: scores(film, told(film, 2.9)) for name, film in made.items()})
    assert not passes({name: scores(film, told(film, 3.1)) for name, film in made.items()})
    flat = {name: scores(film, constant(film)) for name, film in made.items()}
    assert not passes(flat)
    assert flat["talk"]["correlation"]["jawOpen"] == 0
    assert flat["turn"]["turn_error_deg"]["yaw"] > 15


def test_a_wrong_name_says_which_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert main(["portrait"]) == 2
    assert "video_driver" in capsys.readouterr().err


def test_an_avatar_that_is_not_there_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["video_driver", "absent.zip", "--expressions", "absent.json", "--json"]) == 1
    assert capsys.readouterr().err.startswith("error: absent")
