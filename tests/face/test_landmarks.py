"""478 points of a face, whatever its size, turn and kind."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from avatar_rt.arkit import ARKIT_INDEX
from avatar_rt.arrays import F32, U8
from avatar_rt.errors import MissingDependencyError
from avatar_rt.face import FaceTracker, detect_faces, face_landmarks, person_mask, task_file
from tests.face.portraits import FACE, astronaut, on_canvas, resized

EYE_DISTANCE = 41.0
"""Of the astronaut's picture, pixels, between the middles of the eyes."""


def _points(picture: U8) -> F32:
    found = face_landmarks(picture)
    assert found is not None
    return found.points


def test_points_lie_on_the_face() -> None:
    points = _points(astronaut())
    assert points.shape == (478, 3)
    assert points.dtype == np.float32
    low, high = points[:, :2].min(0), points[:, :2].max(0)
    assert (low > FACE[:2] - 25).all()
    assert (high < FACE[2:] + 25).all()
    right, left = points[[33, 133], :2].mean(0), points[[362, 263], :2].mean(0)
    assert left[0] - right[0] == pytest.approx(EYE_DISTANCE, abs=3)
    for iris, eye in ((468, right), (473, left)):
        assert np.linalg.norm(points[iris, :2] - eye) < 0.2 * EYE_DISTANCE
    assert points[1, 2] < points[234, 2]


@pytest.mark.parametrize(("scale", "tolerance"), [(0.2, 0.12), (0.5, 0.04), (3.0, 0.03)])
def test_points_do_not_depend_on_the_resolution(scale: float, tolerance: float) -> None:
    away = _points(resized(scale))[:, :2] / scale - _points(astronaut())[:, :2]
    assert np.linalg.norm(away, axis=1).mean() < tolerance * EYE_DISTANCE


@pytest.mark.parametrize("degrees", [-25.0, 15.0, 30.0])
def test_points_turn_with_the_picture(degrees: float) -> None:
    turn = cv2.getRotationMatrix2D((226.0, 130.0), degrees, 1.0)
    turned = cv2.warpAffine(astronaut(), turn, (512, 512), borderMode=cv2.BORDER_REPLICATE)
    expected = _points(astronaut())[:, :2] @ turn[:, :2].T + turn[:, 2]
    away = _points(np.asarray(turned, np.uint8))[:, :2] - expected
    assert np.linalg.norm(away, axis=1).mean() < 0.05 * EYE_DISTANCE


def test_points_mirror_with_the_picture() -> None:
    mirrored = _points(np.ascontiguousarray(astronaut()[:, ::-1]))
    nose = _points(astronaut())[1, 0]
    assert 512 - mirrored[1, 0] == pytest.approx(nose, abs=1.5)


def test_a_grey_picture_gives_nearly_the_same_points() -> None:
    grey = np.asarray(astronaut().mean(2), np.uint8)
    away = _points(grey)[:, :2] - _points(astronaut())[:, :2]
    assert np.linalg.norm(away, axis=1).mean() < 0.03 * EYE_DISTANCE


def test_no_face_has_no_points() -> None:
    assert face_landmarks(np.full((200, 300, 3), 200, np.uint8)) is None


def test_the_face_that_is_asked_for_is_measured() -> None:
    picture, _ = on_canvas(1.5, 20, 20, 900, 500)
    other, small = on_canvas(0.7, 600, 200, 900, 500)
    picture[:, 500:] = other[:, 500:]
    second = detect_faces(picture)[1]
    found = face_landmarks(picture, second)
    assert found is not None
    assert found.points[:, 0].mean() == pytest.approx(small[[0, 2]].mean(), abs=8)


def test_person_mask_holds_the_person_and_not_the_wall() -> None:
    mask = person_mask(astronaut())
    assert mask.shape == (512, 512)
    assert mask.dtype == np.float32
    assert 0 <= mask.min() <= mask.max() <= 1
    assert mask[90:160, 200:250].min() > 0.9
    assert mask[20:60, 180:270].mean() > 0.8, "the hair belongs to the person"
    assert mask[10:120, 320:380].max() < 0.1


def test_person_mask_of_nobody_is_empty() -> None:
    assert person_mask(np.full((120, 200, 3), 180, np.uint8)).max() < 0.5


def test_the_tracker_agrees_with_single_pictures_and_loses_who_leaves() -> None:
    tracker = FaceTracker()
    picture = astronaut()
    for k in range(4):
        seen = tracker.process(picture, k / 30)
        assert seen is not None
    assert seen is not None
    away = np.linalg.norm(seen.points[:, :2] - _points(picture)[:, :2], axis=1)
    assert away.mean() < 0.02 * EYE_DISTANCE
    empty = np.full_like(picture, 128)
    assert tracker.process(empty, 0.2) is None
    assert tracker.process(empty, 0.3) is None
    assert tracker.process(picture, 1.0) is not None
    tracker.close()


def test_the_tracker_follows_a_face_that_moves_and_grows() -> None:
    tracker = FaceTracker()
    for k in range(12):
        picture, box = on_canvas(0.8 + 0.05 * k, 30 + 25 * k, 60 + 5 * k, 900, 500)
        seen = tracker.process(picture, k / 30)
        assert seen is not None
        assert seen.points[:, 0].mean() == pytest.approx(float(box[[0, 2]].mean()), abs=15)


def test_the_task_adds_weights(
    assets: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = assets("mediapipe/face_landmarker.task")
    assert task_file() is None
    monkeypatch.setenv("AVATAR_RT_FACE_LANDMARKER", str(path))
    found = face_landmarks(astronaut())
    assert found is not None
    assert found.blendshapes is not None
    assert found.blendshapes.shape == (52,)
    smile = found.blendshapes[[ARKIT_INDEX["mouthSmileLeft"], ARKIT_INDEX["mouthSmileRight"]]]
    assert smile.min() > 0.5, "she smiles"
    tracker = FaceTracker(path)
    seen = tracker.process(astronaut(), 0.0)
    tracker.close()
    assert seen is not None
    assert seen.blendshapes is not None


def test_a_task_that_is_none_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AVATAR_RT_FACE_LANDMARKER", str(tmp_path / "absent.task"))
    with pytest.raises(MissingDependencyError, match=r"absent\.task"):
        task_file()
    broken = tmp_path / "broken.task"
    broken.write_bytes(b"PK\x03\x04 this is no model")
    with pytest.raises(MissingDependencyError, match=r"broken\.task"):
        FaceTracker(broken)
