"""png and mp4 files: what is written is what is read back, sound in step, never half a file."""

from __future__ import annotations

from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from avatar_rt.arrays import U8
from avatar_rt.audio import Audio
from avatar_rt.errors import InputError, ParameterError
from avatar_rt.outputs.file import film, write_png

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("channels", [3, 4])
def test_png_comes_back(channels: int, tmp_path: Path) -> None:
    pixels = RNG.integers(0, 256, (31, 47, channels)).astype(np.uint8)
    write_png(tmp_path / "a.png", pixels)
    back = cv2.imread(str(tmp_path / "a.png"), cv2.IMREAD_UNCHANGED)
    order = [2, 1, 0, 3][:channels]
    assert np.array_equal(back[..., order], pixels)


@pytest.mark.parametrize("shape", [(4, 4), (4, 4, 2), (4, 4, 3, 1)])
def test_png_of_another_shape(shape: tuple[int, ...], tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="png"):
        write_png(tmp_path / "a.png", np.zeros(shape, np.uint8))
    assert not list(tmp_path.iterdir())


def gray(level: int, width: int = 64, height: int = 48) -> U8:
    """An i420 picture of one grey, in studio range."""
    picture = np.full((height * 3 // 2, width), 128, np.uint8)
    picture[:height] = level
    return picture


def tone(seconds: float, rate: int = 16_000) -> Audio:
    wave = np.sin(2 * np.pi * 440 * np.arange(int(seconds * rate)) / rate) * 16_000
    return Audio(wave.astype(np.int16), rate)


def test_film_with_sound(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    with film(path, 64, 48, 25, tone(3)) as movie:
        for k in range(50):
            movie.add(gray(40 + 3 * k))
    with av.open(str(path)) as container:
        video, sound = container.streams.video[0], container.streams.audio[0]
        assert video.average_rate == 25
        greys = [float(f.to_ndarray()[:48].mean()) for f in container.decode(video)]
        assert sound.duration is not None and sound.time_base is not None
        assert float(sound.duration * sound.time_base) == pytest.approx(2.0, abs=0.05)
    assert np.allclose(greys, 40 + 3 * np.arange(50), atol=2)
    with av.open(str(path)) as container:
        heard = np.concatenate([f.to_ndarray()[0] for f in container.decode(audio=0)])
    spectrum = np.abs(np.fft.rfft(heard[:48_000]))
    assert np.argmax(spectrum) == pytest.approx(440, abs=2)


def test_film_without_sound(tmp_path: Path) -> None:
    with film(tmp_path / "a.mp4", 64, 48, 29.97) as movie:
        movie.add(gray(100))
        assert len(movie) == 1
    with av.open(str(tmp_path / "a.mp4")) as container:
        assert not container.streams.audio
        rate = container.streams.video[0].average_rate
        assert rate is not None and float(rate) == pytest.approx(29.97, abs=0.01)


@pytest.mark.parametrize("size", [(63, 48), (64, 47), (0, 0), (9000, 16)])
def test_film_of_a_size_that_is_none(size: tuple[int, int], tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="film size"), film(tmp_path / "a.mp4", *size, 25):
        pass


@pytest.mark.parametrize("fps", [0, -1, 1e9, float("nan")])
def test_film_of_a_rate_that_is_none(fps: float, tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="frames a second"), film(tmp_path / "a", 64, 48, fps):
        pass


def test_a_film_that_fails_leaves_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(b"the old one")
    with pytest.raises(ParameterError), film(path, 64, 48, 25) as movie:
        movie.add(gray(100))
        movie.add(gray(100, width=32))
    with pytest.raises(InputError, match="at least one picture"), film(path, 64, 48, 25):
        pass
    assert path.read_bytes() == b"the old one"
    assert [p.name for p in tmp_path.iterdir()] == ["a.mp4"]
