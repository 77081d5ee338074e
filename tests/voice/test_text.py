"""Text to voice and face, by the engines that are installed, and by impostors that are not."""

from __future__ import annotations

import itertools
import time
from pathlib import Path

import numpy as np
import pytest

from avatar_rt.arkit import ARKIT_INDEX
from avatar_rt.audio import Audio
from avatar_rt.drivers.base import Driver
from avatar_rt.drivers.speech_phones import RATE, recognize
from avatar_rt.drivers.speech_track import SpeechTrack
from avatar_rt.drivers.synth import espeak, find_engine, installed_engines, program, speak
from avatar_rt.drivers.synth.flite import phones_of_psdur
from avatar_rt.drivers.synth.utterance import speakable
from avatar_rt.drivers.text import TextDriver
from avatar_rt.drivers.visemes import Phone, sounds_of, viseme_of
from avatar_rt.errors import BackendError, MissingDependencyError, ParameterError
from tests.voice.reading import accuracy

ENGINES = [engine.name for engine in installed_engines()]
SENTENCES = (
    "Papa, my name is Bob, and I bought a brown umbrella.",
    "Five funny puppies jumped over the muddy pond. Then a big bumblebee buzzed by!",
    "Would you please move the blue lamp, and open the door for grandma?",
)


def engine(name: str) -> str:
    if name not in ENGINES:
        pytest.skip(f"the speech engine {name} is not installed")
    return name


@pytest.fixture(params=["espeak-ng", "flite"])
def voice(request: pytest.FixtureRequest) -> str:
    """The default voice of each engine that is installed."""
    return engine(request.param) + ":"


@pytest.fixture
def tracks(voice: str) -> list[SpeechTrack]:
    return [TextDriver(text, voice).track for text in SENTENCES]


def of(track: SpeechTrack, phone: Phone, name: str) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    within = (track.times >= phone.start) & (track.times <= phone.end)
    return np.asarray(track.weights[within, ARKIT_INDEX[name]], np.float32)


def test_lips_close_for_p_b_m_and_open_vowels_open(tracks: list[SpeechTrack]) -> None:
    closures, vowels = [], []
    for track in tracks:
        for phone in track.phones:
            if viseme_of(phone.name) == "PP":
                gap = of(track, phone, "jawOpen") - of(track, phone, "mouthClose")
                parted = gap + of(track, phone, "mouthLowerDownLeft")
                closures.append(
                    parted.min() < 0.01 and of(track, phone, "mouthPressLeft").max() > 0.2
                )
            first = sounds_of(phone.name)[0]
            if first.viseme == "aa" and first.opening > 0.8:
                vowels.append(of(track, phone, "jawOpen").max() > 0.15)
    assert len(closures) > 20
    assert len(vowels) > 8
    assert np.mean(closures) >= 0.95
    assert np.mean(vowels) >= 0.9


def test_the_mouth_is_still_in_silence(tracks: list[SpeechTrack]) -> None:
    for track in tracks:
        assert track.weights[0].max() == 0.0
        assert track.weights[-1].max() == 0.0
        assert track.weights[track.times > track.duration - 0.1].max() < 0.02
        for phone in track.phones:
            if viseme_of(phone.name) == "sil" and phone.end - phone.start > 0.5:
                still = (track.times > phone.start + 0.25) & (track.times < phone.end - 0.2)
                assert track.weights[still].max() < 0.05


def test_phones_fill_the_sound_in_order(tracks: list[SpeechTrack]) -> None:
    for track in tracks:
        assert track.phones[0].start == 0.0
        assert track.phones[-1].end == pytest.approx(track.duration, abs=0.05)
        for a, b in itertools.pairwise(track.phones):
            assert a.start < a.end <= b.start + 1e-6


def test_the_engines_times_are_what_is_heard(voice: str) -> None:
    """A recognizer that knows nothing of the engine agrees far more with its phones in place than
    with the same phones half a syllable off."""
    spoken = speak(SENTENCES[2], voice)
    heard = recognize(spoken.audio.resampled(RATE).samples, lambda _: None)
    shifted = [Phone(p.start + 0.12, p.end + 0.12, p.name) for p in spoken.phones]
    late = [Phone(0.0, shifted[0].start, ""), *shifted]
    assert accuracy(heard, spoken.phones) > 0.45
    assert accuracy(heard, spoken.phones) > accuracy(heard, late) + 0.15


def test_a_text_speaks_the_same_each_time(voice: str, tmp_path: Path) -> None:
    first, second = (TextDriver(SENTENCES[0], voice) for _ in range(2))
    assert isinstance(first, Driver)
    assert np.array_equal(first.track.weights, second.track.weights)
    assert np.array_equal(first.audio.samples, second.audio.samples)
    first.track.save(tmp_path / "track.npz")
    with np.load(tmp_path / "track.npz", allow_pickle=False) as saved:
        assert np.array_equal(saved["weights"], first.track.weights)
        assert list(saved["phone_names"]) == [p.name for p in first.track.phones]


ODD_TEXTS = {
    "one letter": "a",
    "digits": "1234567890 2,000 " * 2,
    "control characters": "be\x00 qu\x07iet\x1b[31m\r\n\tnow\x7f",
    "SSML": '<speak><audio src="/etc/passwd"/>hello <break time="9999s"/></speak>',
    "markup of engines": "[[hello]] {@} \\!*~ hello",
    "an option": "--help -f /etc/passwd -o x.wav",
    "a very long word": "x" * 150,
    "many sentences": "No. " * 30,
    "lone surrogate": "hello \ud800 you",
    "marks on marks": "e" + "\u0301" * 500 + " hello",
    "right to left": "hello \u202e dlrow",
}


@pytest.mark.parametrize("kind", ODD_TEXTS)
def test_odd_texts_are_spoken(voice: str, kind: str) -> None:
    spoken = speak(ODD_TEXTS[kind], voice)
    assert 0.1 < spoken.audio.duration < 900
    assert all(b.start >= a.start for a, b in itertools.pairwise(spoken.phones))


def test_espeaks_voices_go_by_their_languages() -> None:
    for language in ("en-gb", "de", "fr", "es"):
        spoken = speak("hello my friend", f"{engine('espeak-ng')}:{language}")
        assert sum(viseme_of(p.name) == "PP" for p in spoken.phones) == 1
        assert not any("(" in p.name for p in spoken.phones)


def test_2000_characters_are_spoken_at_once() -> None:
    driver = TextDriver(("hello you there " * 125)[:2000], engine("espeak-ng") + ":")
    assert driver.duration > 60


@pytest.mark.parametrize("text", ["", "   ", "\x00\x01", "… — !?", "\n" * 50, "x" * 2001])
def test_texts_without_words_or_end_are_refused(text: str) -> None:
    with pytest.raises(ParameterError, match=r"characters|nothing to say"):
        speakable(text)


def test_other_scripts_are_spoken_by_espeak_and_refused_by_flite() -> None:
    assert speak("Здравствуйте", engine("espeak-ng") + ":ru").audio.duration > 0.5
    with pytest.raises(ParameterError, match="English only"):
        speak("Здравствуйте", engine("flite") + ":")


@pytest.mark.parametrize("name", ["nobody", "../../etc", "-v", "en us", "a" * 200, "\x00"])
def test_unknown_voices_are_refused(voice: str, name: str) -> None:
    with pytest.raises(ParameterError, match="voice"):
        speak("hello", voice + name)


def test_unknown_engines_are_refused() -> None:
    with pytest.raises(ParameterError, match="not a speech engine"):
        speak("hello", "piper:amy")


def impostor(folder: Path, name: str, script: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n", "ascii")
    path.chmod(0o755)


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without speech engines; the folder is its PATH."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("AVATAR_RT_ESPEAK_LIBRARY", str(tmp_path / "libespeak-ng.so.1"))
    return tmp_path


def test_without_an_engine_the_error_says_how_to_get_one(bare: Path) -> None:
    assert bare.is_dir()
    assert installed_engines() == []
    with pytest.raises(MissingDependencyError, match=r"apt install espeak-ng .*brew install"):
        TextDriver("hello")


@pytest.mark.parametrize(
    "script",
    ["echo 'flight simulator 2.1'", "exit 3", "while :; do echo yes; done", "read x; echo $x"],
)
@pytest.mark.parametrize("name", ["flite", "espeak-ng"])
def test_a_program_of_the_name_that_is_no_engine_is_recognized(
    bare: Path, name: str, script: str
) -> None:
    impostor(bare, name, script)
    with pytest.raises(MissingDependencyError, match="what has its name is not it"):
        find_engine(name)


def test_a_program_that_never_answers_is_given_up(bare: Path) -> None:
    impostor(bare, "flite", "while :; do :; done")
    began = time.monotonic()
    assert program.recognized("flite", "flite-", timeout=0.3) is None
    assert time.monotonic() - began < 5.0


def test_a_library_of_the_name_that_is_no_engine_is_recognized(
    bare: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (bare / "libespeak-ng.so.1").write_bytes(b"\x7fELF no library")
    assert espeak.EspeakLibrary.find() is None
    monkeypatch.setenv("AVATAR_RT_ESPEAK_LIBRARY", "libc.so.6")
    assert espeak.EspeakLibrary.find() is None


def test_an_engine_that_breaks_is_a_clear_error(bare: Path) -> None:
    impostor(bare, "flite", 'case "$1" in --version) echo "version: flite-9";; *) exit 5;; esac')
    with pytest.raises(BackendError, match="flite failed: exit code 5"):
        TextDriver("hello")


def test_espeaks_program_alone_is_listened_to(monkeypatch: pytest.MonkeyPatch) -> None:
    engine("espeak-ng")
    monkeypatch.setattr(
        "avatar_rt.drivers.synth.engines._FINDERS", (("espeak-ng", espeak.EspeakProgram.find),)
    )
    driver = TextDriver("Papa and mama")
    assert sum(viseme_of(p.name) == "PP" for p in driver.track.phones) >= 2
    assert driver.track.weights[:, ARKIT_INDEX["jawOpen"]].max() > 0.2
    with pytest.raises(ParameterError, match="no voice"):
        speak("hello", "nobody")


def test_a_voiceless_stop_takes_the_silence_before_its_burst() -> None:
    sound = np.full(16_000, 3000, np.int16)
    sound[4000:5600] = 0
    events = [(0.0, "ɑː"), (0.2, "(en)"), (0.35, "p"), (0.4, "ə")]
    phones = espeak.phones_of_events(events, Audio(sound, 16_000))
    assert [p.name for p in phones] == ["ɑː", "p", "ə"]
    assert phones[1].start == pytest.approx(0.25, abs=0.006)


def test_flites_sentences_follow_each_other() -> None:
    phones = phones_of_psdur("pau:0.2 hh:0.3 pau:0.5 \npau:0.1 l:0.4 \n")
    assert [round(p.end, 3) for p in phones] == [0.2, 0.3, 0.5, 0.6, 0.9]
