"""Photographs that lie on their side or stand on their head are turned upright, and said to be."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from avatar_rt.arrays import U8
from avatar_rt.errors import PhotoError
from tests.trainer import astronaut
from trainer.portrait import subject as subjects
from trainer.portrait import upright
from trainer.portrait.mask import CHIN, FOREHEAD
from trainer.portrait.photo import photo_from_array
from trainer.portrait.subject import Subject, find_subject

EYES = (33, 133), (263, 362)


def rolled(degrees: float) -> U8:
    image = Image.fromarray(astronaut.photograph())
    image = image.rotate(degrees, expand=True, fillcolor=(128, 128, 128))
    return np.ascontiguousarray(np.asarray(image))


def roll(found: Subject) -> float:
    """Degrees by which the line from forehead to chin leans."""
    x, y = found.landmarks.points[CHIN, :2] - found.landmarks.points[FOREHEAD, :2]
    return float(np.degrees(np.arctan2(-x, y)))


@pytest.mark.parametrize(
    ("degrees", "says"),
    [(90, "by 90° to the right"), (180, "by 180°"), (270, "by 90° to the left")],
)
def test_quarter_turns_are_undone(degrees: int, says: str) -> None:
    found = find_subject(photo_from_array(rolled(degrees)))
    np.testing.assert_array_equal(found.image, astronaut.photograph())
    np.testing.assert_allclose(found.landmarks.points[:, :2], astronaut.points(), atol=1e-3)
    assert [note for note in found.notes if note.endswith(says)]


@pytest.mark.parametrize("degrees", [45, 60, 120, 225, 300])
def test_strong_rolls_are_turned_within_what_a_head_leans(degrees: int) -> None:
    found = find_subject(photo_from_array(rolled(degrees)))
    assert abs(roll(found)) < 36
    assert any("not upright" in note for note in found.notes)
    right, left = (found.landmarks.points[list(eye), :2].mean(0) for eye in EYES)
    assert left[0] > right[0]


@pytest.mark.parametrize("degrees", [0, 20, 30])
def test_a_leaning_head_is_left_alone(degrees: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def search(_image: U8) -> None:
        raise AssertionError("an upright photograph was searched in all directions")

    monkeypatch.setattr(subjects, "find_turn", search)
    found = find_subject(photo_from_array(rolled(degrees)))
    assert found.image.shape == rolled(degrees).shape
    assert not any("not upright" in note for note in found.notes)


def test_points_that_follow_the_crop_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subjects, "find_turn", lambda _: upright.Turn(0, 0.0, 0.2))
    with pytest.raises(PhotoError, match="which way up"):
        find_subject(photo_from_array(rolled(180)))


def test_a_turn_moves_pixels_where_it_says() -> None:
    image = np.zeros((80, 120, 3), np.uint8)
    image[:8, :8] = 255
    turn = upright.Turn(1, np.radians(40.0), 0.0)
    turned = turn.apply(image)
    expected = np.asarray(Image.fromarray(image).rotate(130, expand=True))
    where = [np.argwhere(t.min(axis=2) > 200).mean(0) for t in (turned, expected)]
    assert turn.degrees == 130
    np.testing.assert_allclose(where[0], where[1], atol=1.5)
    assert upright.Turn(3, 0.0, 0.0).degrees == -90
    assert upright.Turn(2, 0.0, 0.0).degrees == 180
