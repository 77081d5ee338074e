"""A live frame in one call: driven, moved, drawn; swapped between two frames, and never broken."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from avatar_rt.drivers.base import ClosingDriver
from avatar_rt.errors import DriverError
from avatar_rt.pipeline import Pipeline
from avatar_rt.render import Renderer
from avatar_rt.types import FaceParams
from tests.factory import small_avatar


class Turning(ClosingDriver):
    """Turns the head by `rate` radians a second; breaks off at `until`."""

    def __init__(self, rate: float, until: float = np.inf) -> None:
        self.rate, self.until, self.closed = rate, until, 0

    def read(self, now: float) -> FaceParams:
        if now >= self.until:
            raise DriverError("the camera was unplugged")
        turn = np.array([0, self.rate * now, 0], np.float32)
        return FaceParams(head_pose=turn, time=now)

    def close(self) -> None:
        self.closed += 1


@pytest.fixture(scope="module")
def renderer() -> Renderer:
    return Renderer(small_avatar(), threads=1)


def test_a_frame_is_driven_drawn_and_timed(renderer: Renderer) -> None:
    driver = Turning(0.0)
    with_pose = Pipeline(renderer, driver)
    camera = renderer.camera(width=64, height=48)
    frame = with_pose.frame(1.0, camera)
    assert frame.format == "i420"
    assert frame.pixels.shape == (72, 64)
    for stage in ("drive", "animate", "rasterize", "frame"):
        assert frame.timings[stage] >= 0
    parts = frame.timings["drive"] + frame.timings["animate"] + frame.timings["rasterize"]
    assert parts == pytest.approx(frame.timings["frame"], rel=0.05)
    rgb = with_pose.frame(1.1, camera, "rgb8")
    assert rgb.pixels.shape == (48, 64, 3)


def test_the_picture_follows_the_driver(renderer: Renderer) -> None:
    pipeline = Pipeline(renderer, Turning(0.5))
    camera = renderer.camera(width=64, height=64)
    first = pipeline.frame(0.0, camera, "rgb8").pixels.astype(float)
    for k in range(150):
        later = pipeline.frame(k / 150, camera, "rgb8").pixels.astype(float)
    assert np.abs(later - first).mean() > 1


def test_without_a_driver_the_avatar_lives(renderer: Renderer) -> None:
    pipeline = Pipeline(renderer)
    camera = renderer.camera(width=64, height=64)
    pictures = [pipeline.frame(k / 30, camera, "rgb8").pixels for k in range(240)]
    assert any(not np.array_equal(pictures[0], p) for p in pictures)


def test_the_same_times_give_the_same_pictures(renderer: Renderer) -> None:
    def run() -> list[bytes]:
        pipeline = Pipeline(renderer, Turning(0.3))
        camera = renderer.camera(width=64, height=64)
        return [pipeline.frame(k / 30, camera).pixels.tobytes() for k in range(20)]

    assert run() == run()


def test_drivers_are_swapped_and_closed(renderer: Renderer) -> None:
    one, other = Turning(0.1), Turning(-0.1)
    pipeline = Pipeline(renderer, one)
    camera = renderer.camera(width=32, height=32)
    pipeline.frame(0.0, camera)
    pipeline.set_driver(other)
    assert (pipeline.driver, one.closed, other.closed) == (other, 1, 0)
    pipeline.set_driver(other)
    assert other.closed == 0, "the same driver again stays open"
    pipeline.close()
    assert other.closed == 1


def test_a_driver_that_breaks_off_is_told_and_the_avatar_idles(renderer: Renderer) -> None:
    broken = Turning(0.1, until=0.5)
    pipeline = Pipeline(renderer, broken)
    camera = renderer.camera(width=32, height=32)
    failures = []
    for now in (0.4, 0.6):
        pipeline.frame(now, camera)
        failures.append(pipeline.failure)
    assert failures[0] is None
    assert isinstance(failures[1], DriverError)
    assert broken.closed == 1
    pipeline.frame(0.7, camera)
    pipeline.set_driver(Turning(0.0))
    assert pipeline.failure is None


def test_swapping_from_another_thread_never_meets_a_closed_driver(renderer: Renderer) -> None:
    class Strict(Turning):
        def read(self, now: float) -> FaceParams:
            assert not self.closed
            return super().read(now)

    pipeline = Pipeline(renderer, Strict(0.0))
    camera = renderer.camera(width=16, height=16)

    def swap() -> None:
        for _ in range(200):
            pipeline.set_driver(Strict(0.0))

    swapping = threading.Thread(target=swap)
    swapping.start()
    for k in range(100):
        pipeline.frame(k / 150, camera)
    swapping.join()
    assert pipeline.failure is None


def test_another_avatar_is_shown_from_the_next_frame_on(renderer: Renderer) -> None:
    pipeline = Pipeline(renderer)
    other = Renderer(small_avatar(), threads=1)
    pipeline.set_renderer(other)
    assert pipeline.renderer is other
    pipeline.frame(0.0, other.camera(width=16, height=16))
