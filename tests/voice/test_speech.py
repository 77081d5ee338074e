"""Listening: how well phones are found, with and without the words, whole and live; and the
process that does it."""

from __future__ import annotations

import itertools
import os
import signal
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from avatar_rt.arkit import ARKIT_INDEX
from avatar_rt.audio import read_audio
from avatar_rt.drivers.base import Driver
from avatar_rt.drivers.speech import SpeechDriver
from avatar_rt.drivers.speech_live import LiveSpeechDriver
from avatar_rt.drivers.speech_phones import PhoneStream, recognize, times_between
from avatar_rt.drivers.speech_worker import RECORD, Listener
from avatar_rt.errors import DriverError, FileFormatError, ParameterError
from avatar_rt.types import Channels
from tests.voice.reading import RECORDINGS, accuracy, heard_live, reference
from tests.voice.sounds import RATE, tone, wav_bytes

Find = Callable[[str], Path]
JAW = ARKIT_INDEX["jawOpen"]
PATIENCE_S = 20.0


@pytest.mark.parametrize("name", RECORDINGS)
def test_with_its_transcript_a_recording_is_aligned(assets: Find, name: str) -> None:
    assets(f"speech/{name}.txt")
    shares: list[float] = []
    driver = SpeechDriver.from_wav(assets(f"speech/{name}.wav"), progress=shares.append)
    assert driver.aligned
    assert driver.note == ""
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    truth = reference(assets(f"speech/{name}.phone.json"))
    # The reference is pocketsphinx's own: this is about consistency.
    assert accuracy(driver.track.phones, truth) > 0.9
    assert driver.track.phones[0].start == 0.0
    assert driver.track.phones[-1].end == pytest.approx(driver.duration)


def test_without_words_phones_are_recognized(assets: Find) -> None:
    scores = []
    for name in RECORDINGS:
        samples = read_audio(assets(f"speech/{name}.wav")).resampled(RATE).samples
        phones = recognize(samples, lambda _: None)
        scores.append(accuracy(phones, reference(assets(f"speech/{name}.phone.json"))))
    # 0.72 measured; a constant guess of the most frequent viseme reaches about 0.2.
    assert np.mean(scores) > 0.66


@pytest.mark.parametrize(("lag", "least"), [(0.10, 0.60), (0.15, 0.62)])
def test_live_visemes_are_mostly_right(assets: Find, lag: float, least: float) -> None:
    scores = []
    for name in RECORDINGS:
        samples = read_audio(assets(f"speech/{name}.wav")).resampled(RATE).samples
        truth = reference(assets(f"speech/{name}.phone.json"))
        scores.append(accuracy(heard_live(samples, lag), truth))
    # 0.67 and 0.70 measured.
    assert np.mean(scores) > least


def test_a_wrong_transcript_is_noticed(assets: Find) -> None:
    path = assets("speech/0880.wav")
    wrong = SpeechDriver.from_wav(path, "several purple elephants were dancing on my window")
    assert not wrong.aligned
    assert "not what is said" in wrong.note or "cannot be aligned" in wrong.note
    foreign = SpeechDriver.from_wav(path, "漢字 …")
    assert "cannot be aligned" in foreign.note
    assert len(foreign.track.phones) > 10


def test_silence_and_very_short_sounds_leave_the_mouth_at_rest(tmp_path: Path) -> None:
    for count in (1, 100, 16_000):
        path = tmp_path / f"{count}.wav"
        path.write_bytes(wav_bytes(bytes(2 * count)))
        driver = SpeechDriver.from_wav(path)
        assert driver.track.weights.max() == 0.0
        assert isinstance(driver, Driver)
    path.with_suffix(".txt").write_bytes(b"\xff\xfe\xfa")
    with pytest.raises(FileFormatError, match="UTF-8"):
        SpeechDriver.from_wav(path)


def test_a_long_stream_is_heard_without_gaps() -> None:
    """Utterances are begun anew on the way; phones stay in order and time goes on."""
    rng = np.random.default_rng(5)
    stream = PhoneStream()
    for second in range(30):
        loud = 3000.0 if second % 4 else 5.0
        stream.push(rng.normal(0, loud, RATE).astype(np.int16))
        phones = stream.phones()
        assert all(a.end <= b.start + 1e-9 for a, b in itertools.pairwise(phones))
        assert phones[-1].end > stream.now - 0.3
        assert phones[0].start <= max(stream.now - 1.0, 0.1)
    stream.skip(RATE)
    stream.push(tone(0.5))
    assert stream.now == pytest.approx(31.5)
    assert stream.phones()[-1].end > 31.2


def test_what_is_heard_live_depends_on_the_sound_alone(assets: Find) -> None:
    samples = read_audio(assets("speech/0880.wav")).samples[: 2 * RATE]
    runs = []
    for _ in range(2):
        listener = Listener(RATE, 0.12)
        pieces = np.array_split(samples, 100)
        runs.append(np.frombuffer(b"".join(map(listener.push, pieces)), RECORD))
    assert np.array_equal(runs[0], runs[1])
    assert runs[0]["time"] == pytest.approx(times_between(0.0, 2.0 - 0.12))
    assert runs[0]["arkit"][:, JAW].max() > 0.15


def knows(driver: LiveSpeechDriver, moment: float) -> bool:
    return driver.heard_until > moment


def until(done: Callable[[], bool]) -> None:
    """Waits for the listening process."""
    deadline = time.monotonic() + PATIENCE_S
    while not done():
        assert time.monotonic() < deadline, "the listening process does not answer"
        time.sleep(0.002)


def test_live_speech_moves_the_face_as_the_words_do_and_comes_to_rest(assets: Find) -> None:
    audio = read_audio(assets("speech/0880.wav")).resampled(48_000)
    aligned = SpeechDriver.from_wav(assets("speech/0880.wav")).track
    lag, live, truth = 0.1, [], []
    with LiveSpeechDriver(48_000, lag=lag) as driver:
        assert isinstance(driver, Driver)
        before = driver.read(0.0)
        assert before.arkit.max() == 0.0
        assert before.known == Channels.MOUTH | Channels.BROWS
        for k, piece in enumerate(np.split(audio.samples, range(2400, 134_400, 2400))):
            driver.push(piece)
            now = 0.05 * (k + 1)
            until(partial(knows, driver, now - lag - 0.015))
            live.append(driver.read(now).arkit[JAW])
            truth.append(aligned.at(now - lag).arkit[JAW])
        assert np.array_equal(driver.audio.samples, audio.samples)
        assert driver.lost_seconds == 0.0
        assert np.corrcoef(live[4:], truth[4:])[0, 1] > 0.5
        assert max(live) > 0.2
        assert driver.read(now + 1.0).arkit.max() == 0.0
    driver.close()
    with pytest.raises(DriverError, match="closed"):
        driver.push(tone(0.1))


def test_the_play_head_runs_between_bursts_and_never_ahead() -> None:
    with LiveSpeechDriver(RATE) as driver:
        driver.push(tone(1.0))
        until(partial(knows, driver, 0.8))
        newest = driver.heard_until
        seen = [driver.read(0.01 * k).arkit for k in range(200)]
        assert driver.heard_until == newest
        assert np.abs(np.diff(np.array(seen), axis=0)).max() < 0.1


def test_a_dead_listener_is_a_clear_error() -> None:
    driver = LiveSpeechDriver(RATE)
    os.kill(driver.pid, signal.SIGKILL)
    deadline = time.monotonic() + PATIENCE_S
    with pytest.raises(DriverError, match="speech process died"):
        while time.monotonic() < deadline:
            driver.read(0.0)
            time.sleep(0.01)
    driver.push(tone(0.1))
    driver.close()


def test_a_listener_that_hangs_delays_nobody() -> None:
    driver = LiveSpeechDriver(RATE)
    os.kill(driver.pid, signal.SIGSTOP)
    began = time.monotonic()
    for _ in range(400):
        driver.push(tone(0.1))
    assert driver.audio.duration <= 10.1
    driver.close()
    assert time.monotonic() - began < 5.0
    assert driver.lost_seconds > 10.0


def test_bad_arguments_are_refused() -> None:
    for rate, lag in ((0, 0.1), (RATE, 0.01), (RATE, 5.0), (RATE, float("nan"))):
        with pytest.raises(ParameterError):
            LiveSpeechDriver(rate, lag=lag)
    with LiveSpeechDriver(RATE) as driver, pytest.raises(ParameterError):
        driver.push(np.zeros(10, np.int64))
