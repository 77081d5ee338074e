"""Faces of any size, one or several, in pictures of any kind; and none where there is none."""

from __future__ import annotations

import numpy as np
import pytest
import skimage.data

from avatar_rt.arrays import U8, Array
from avatar_rt.errors import ParameterError
from avatar_rt.face import detect_faces
from tests.face.portraits import FACE, astronaut, on_canvas, overlap, resized


@pytest.mark.parametrize("scale", [0.1, 0.25, 0.5, 1.0, 2.5, 5.0])
def test_a_face_is_found_at_any_resolution(scale: float) -> None:
    faces = detect_faces(resized(scale))
    assert len(faces) == 1
    assert overlap(faces[0].box / scale, FACE) > 0.6


@pytest.mark.parametrize("scale", [0.16, 0.25, 0.4])
def test_a_small_face_in_a_large_picture_is_found(scale: float) -> None:
    picture, box = on_canvas(scale, 900, 300, 1280, 720)
    faces = detect_faces(picture)
    assert len(faces) == 1
    assert overlap(faces[0].box, box) > 0.5


def test_a_face_that_fills_the_picture_is_found() -> None:
    crop = astronaut()[65:190, 160:290]
    faces = detect_faces(np.ascontiguousarray(crop))
    assert len(faces) == 1
    assert faces[0].size > 70


def test_several_faces_come_largest_first() -> None:
    picture, large = on_canvas(1.5, 20, 20, 900, 500)
    other, small = on_canvas(0.7, 600, 200, 900, 500)
    picture[:, 500:] = other[:, 500:]
    faces = detect_faces(picture)
    assert len(faces) == 2
    assert faces[0].size > faces[1].size
    assert overlap(faces[0].box, large) > 0.5
    assert overlap(faces[1].box, small) > 0.5


@pytest.mark.parametrize("name", ["chelsea", "coffee", "rocket", "brick"])
def test_no_face_is_seen_where_there_is_none(name: str) -> None:
    picture: U8 = np.asarray(getattr(skimage.data, name)(), np.uint8)
    assert detect_faces(picture) == []


@pytest.mark.parametrize("shape", [(1, 1, 3), (3, 900, 3), (900, 3, 3), (64, 64, 3)])
def test_tiny_and_narrow_pictures_hold_no_face(shape: tuple[int, int, int]) -> None:
    assert detect_faces(np.full(shape, 90, np.uint8)) == []


def test_grey_and_transparent_pictures_are_understood() -> None:
    colour = astronaut()
    grey = np.asarray(colour.mean(2), np.uint8)
    alpha = np.dstack([colour, np.full(grey.shape, 255, np.uint8)])
    for picture in (grey, grey[..., None], alpha):
        faces = detect_faces(picture)
        assert len(faces) == 1
        assert overlap(faces[0].box, FACE) > 0.6


def test_what_is_transparent_is_not_seen() -> None:
    colour = astronaut()
    hidden = np.dstack([colour, np.zeros(colour.shape[:2], np.uint8)])
    assert detect_faces(hidden) == []


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((8, 8, 3), np.float32),
        np.zeros((8, 8, 2), np.uint8),
        np.zeros((0, 8, 3), np.uint8),
        np.zeros((2, 8, 8, 3), np.uint8),
        np.zeros(8, np.uint8),
        np.array("face"),
    ],
)
def test_what_is_no_picture_is_refused(image: Array) -> None:
    with pytest.raises(ParameterError, match="image"):
        detect_faces(image)


def test_the_same_picture_gives_the_same_faces() -> None:
    first, again = (detect_faces(astronaut())[0].box for _ in range(2))
    assert np.array_equal(first, again)
