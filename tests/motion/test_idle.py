"""Idle motion: it blinks as people do, moves a little, and is the same for the same seed."""

from __future__ import annotations

import numpy as np
import pytest

from avatar_rt.arkit import ARKIT_INDEX
from avatar_rt.arrays import floats64
from avatar_rt.motion import Idle

BLINKS = [ARKIT_INDEX["eyeBlinkLeft"], ARKIT_INDEX["eyeBlinkRight"]]


@pytest.mark.parametrize("seed", [0, 1, 99])
def test_blinks_come_every_two_to_six_seconds(seed: int) -> None:
    blinks = Idle(seed).blink_times(0, 900)
    begins, lasts = np.array(blinks).T
    between = np.diff(begins)
    assert 200 < len(blinks) < 250
    assert 2.0 <= between.min() < between.max() <= 6.0
    assert between.std() > 0.5, "people are no metronomes"
    assert 0.15 <= lasts.min() < lasts.max() <= 0.3


def test_a_blink_closes_the_eye_and_opens_it_again() -> None:
    idle = Idle(3)
    begins, lasts = idle.blink_times(10, 30)[0]
    closed = [idle.blink(begins + s * lasts) for s in np.linspace(0, 1, 101)]
    assert max(closed) > 0.99
    assert closed[0] == pytest.approx(0, abs=1e-9)
    assert closed[-1] == pytest.approx(0, abs=1e-6)
    fall = int(np.argmax(closed))
    assert fall < 50, "lids fall faster than they rise"
    assert (np.diff(closed[:fall]) >= 0).all()
    assert (np.diff(closed[fall + 1 :]) <= 0).all()
    assert idle.blink(begins - 0.01) == idle.blink(begins + lasts + 0.01) == 0


def test_both_eyes_blink_and_look_together() -> None:
    idle = Idle(5)
    for now in np.arange(0, 30, 0.05):
        face = idle.at(float(now))
        assert face.arkit[BLINKS[0]] == face.arkit[BLINKS[1]]
        out, inward = ARKIT_INDEX["eyeLookOutLeft"], ARKIT_INDEX["eyeLookInRight"]
        assert face.arkit[out] == face.arkit[inward]
        assert 0 <= face.arkit.min() <= face.arkit.max() <= 1


def test_eyes_rest_and_jump() -> None:
    idle = Idle(1)
    x = floats64([idle.gaze(t)[0] for t in np.arange(0, 60, 0.01)])
    moving = np.abs(np.diff(x)) > 1e-6
    assert moving.mean() < 0.06, "eyes rest nearly always"
    assert 20 < (np.diff(moving.astype(int)) > 0).sum() < 45
    assert np.abs(x).max() < 0.35


def test_the_head_sways_smoothly_and_little() -> None:
    idle = Idle(2)
    head = floats64([idle.head(t) for t in np.arange(0, 60, 1 / 150)])
    assert np.degrees(np.abs(head)).max() < 2.0
    assert np.degrees(head.std(0)).max() > 0.3
    assert np.degrees(np.abs(np.diff(head, axis=0))).max() * 150 < 5, "degrees a second"


def test_any_moment_is_the_same_whenever_it_is_asked_for() -> None:
    forwards = [Idle(7).at(t).arkit for t in (0.5, 1e5, 3.25, -2.0)]
    idle = Idle(7)
    backwards = [idle.at(t).arkit for t in (-2.0, 3.25, 1e5, 0.5)][::-1]
    assert all(np.array_equal(a, b) for a, b in zip(forwards, backwards, strict=True))
    assert Idle(7).blink_times(0, 60) != Idle(8).blink_times(0, 60)
