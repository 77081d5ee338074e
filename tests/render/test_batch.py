"""render_batch: what render draws, picture by picture; and twins."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from avatar_rt.arrays import floats32
from avatar_rt.errors import ParameterError
from avatar_rt.render import Renderer
from avatar_rt.types import Camera, FaceParams
from tests.factory import small_avatar

FACES = [
    FaceParams(),
    FaceParams.from_arkit({"jawOpen": 0.7}),
    FaceParams(head_pose=floats32([0.1, 0.3, 0])),
]


@pytest.fixture(scope="module")
def egg() -> Renderer:
    return Renderer(small_avatar(), threads=2)


def cameras(renderer: Renderer, count: int, size: tuple[int, int] = (96, 64)) -> list[Camera]:
    return [renderer.camera(0.3 * k, 0.1, *size) for k in range(count)]


@pytest.mark.parametrize(
    ("faces", "seen"), [(FACES[1], 3), (FACES[1:2], 3), (FACES, 1), (FACES, 3), (FACES[0], 1)]
)
def test_a_batch_is_what_render_draws(egg: Renderer, faces: Any, seen: int) -> None:
    views = cameras(egg, seen)
    frames = egg.render_batch(faces, views if seen > 1 else views[0], format="i420")
    each = [faces] if isinstance(faces, FaceParams) else faces
    assert len(frames) == max(len(each), seen)
    for k, frame in enumerate(frames):
        alone = egg.render(each[k % len(each)], views[k % seen], format="i420")
        np.testing.assert_array_equal(frame.pixels, alone.pixels)
        assert frame.format == "i420"
        assert set(frame.timings) == set(alone.timings)


def test_options_are_those_of_render(egg: Renderer) -> None:
    under = [(1, 0, 0), (0, 1, 0), (0, 0, 1)]
    frames = egg.render_batch(FACES, egg.camera(0.2, 0, 64, 64), background=under, quality="fast")
    for face, color, frame in zip(FACES, under, frames, strict=True):
        alone = egg.render(face, egg.camera(0.2, 0, 64, 64), background=color, quality="fast")
        np.testing.assert_array_equal(frame.pixels, alone.pixels)


def test_nothing_is_drawn_of_nothing(egg: Renderer) -> None:
    assert egg.render_batch([], egg.camera()) == []
    assert egg.render_batch(FaceParams(), []) == []


def test_what_does_not_go_together_is_named(egg: Renderer) -> None:
    small, large = cameras(egg, 1)[0], cameras(egg, 1, (128, 64))[0]
    with pytest.raises(ParameterError, match=r"camera 2 has 128x64 pixels and camera 0 96x64"):
        egg.render_batch(FaceParams(), [small, small, large])
    with pytest.raises(ParameterError, match="3 faces and 2 cameras"):
        egg.render_batch(FACES, [small, small])
    with pytest.raises(ParameterError, match="0 faces and 2 cameras"):
        egg.render_batch([], [small, small])
    with pytest.raises(ParameterError, match="for all pictures or for each"):
        egg.render_batch(FACES, small, background=[(0, 0, 0), (1, 1, 1)])
    with pytest.raises(ParameterError, match="finite"):
        egg.render_batch([*FACES, FaceParams(translation=floats32([0, np.nan, 0]))], small)
    with pytest.raises(ParameterError, match="viewmat"):
        egg.render_batch(FaceParams(), [small, Camera(np.eye(3), small.K, 96, 64)])
    with pytest.raises(ParameterError, match="cannot be drawn: K"):
        egg.render_batch(FaceParams(), [small, Camera(np.eye(4), np.zeros((3, 3)), 96, 64)])
    with pytest.raises(ParameterError, match="even for i420"):
        egg.render_batch(FaceParams(), cameras(egg, 2, (33, 32)), format="i420")
    with pytest.raises(ParameterError, match="quality"):
        egg.render_batch(FaceParams(), small, quality="best")  # type: ignore[arg-type]


def test_twins_draw_the_same_at_once(egg: Renderer) -> None:
    views = cameras(egg, 4)
    expected = [frame.pixels for frame in egg.render_batch(FACES[1], views)]
    twins = [egg.twin() for _ in views]
    assert all(twin.avatar is egg.avatar for twin in twins)
    with ThreadPoolExecutor(4) as pool:
        drawn = pool.map(
            lambda pair: [pair[0].render(FACES[1], pair[1]).pixels for _ in range(5)],
            zip(twins, views, strict=True),
        )
    for pictures, picture in zip(drawn, expected, strict=True):
        assert all(np.array_equal(other, picture) for other in pictures)


def test_a_kind_of_renderer_has_twins_of_its_kind() -> None:
    class Own(Renderer):
        pass

    assert type(Own(small_avatar()).twin()) is Own
