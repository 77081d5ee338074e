"""espeak-ng: over a hundred languages, and the moment of every phoneme, from its library.

The library runs in a child process (espeak_worker). Where only the program espeak-ng is there, it
gives the sound, and the phones must be found in it by listening.
"""

from __future__ import annotations

import ctypes.util
import json
import os
import re
import shutil
import sys
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from avatar_rt.arrays import F32
from avatar_rt.audio import Audio, read_audio
from avatar_rt.drivers.synth import program
from avatar_rt.drivers.synth.utterance import Utterance
from avatar_rt.drivers.visemes import Phone
from avatar_rt.errors import BackendError, ParameterError

DEFAULT_VOICE = "en-us"
WORDS_PER_MINUTE = 160
TIMEOUT_S = 30.0
_WORKER = Path(__file__).with_name("espeak_worker.py")
_VOICELESS_STOPS = frozenset("ptkcqʈ")
_STOP_S = 0.06
_QUIET = 0.01


def library_paths() -> list[str]:
    """Where espeak-ng's library may be: AVATAR_RT_ESPEAK_LIBRARY alone where it is set, else the
    loader's own places and beside the program."""
    named = os.environ.get("AVATAR_RT_ESPEAK_LIBRARY")
    if named:
        return [named]
    paths = ["libespeak-ng.so.1", "libespeak-ng.1.dylib"]
    installed = shutil.which("espeak-ng")
    if installed:
        folder = Path(installed).resolve().parent.parent / "lib"
        paths += [str(p) for p in sorted(folder.glob("libespeak-ng.*")) if p.is_file()]
    found = ctypes.util.find_library("espeak-ng")
    return paths + ([found] if found else [])


@dataclass(frozen=True, slots=True)
class EspeakLibrary:
    """espeak-ng through its library."""

    path: str
    version: str
    name: str = "espeak-ng"

    @classmethod
    def find(cls) -> EspeakLibrary | None:
        """The library, or None where there is none, or one of that name that is not espeak-ng."""
        return _find_library(os.environ.get("AVATAR_RT_ESPEAK_LIBRARY"), os.environ.get("PATH"))

    def speak(self, text: str, voice: str | None) -> Utterance:
        """See Engine.speak; `voice` is an espeak-ng voice such as "en-us", "de", "fr"."""
        reply, pcm = _ask(
            {
                "libraries": [self.path],
                "text": text,
                "voice": checked_voice(voice),
                "words_per_minute": WORDS_PER_MINUTE,
            }
        )
        if "error" in reply:
            problem = f"espeak-ng: {reply['error']}"
            raise (ParameterError if "has no voice" in problem else BackendError)(problem)
        audio = Audio(np.frombuffer(pcm, np.int16), int(reply["rate"]))
        if len(audio.samples) != reply["samples"] or not len(audio.samples):
            raise BackendError("espeak-ng gave no sound for this text")
        events = [(float(start), str(ipa)) for start, ipa in reply["phones"]]
        return Utterance(audio, phones_of_events(events, audio), f"espeak-ng {self.version}")


@lru_cache(maxsize=8)
def _find_library(_named: str | None, _path: str | None) -> EspeakLibrary | None:
    try:
        reply, _ = _ask({"libraries": library_paths()})
    except BackendError:
        return None
    return EspeakLibrary(reply["library"], reply["version"]) if "library" in reply else None


def _ask(request: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
    given = json.dumps(request).encode()
    command = [sys.executable, "-I", str(_WORKER)]
    out = program.run(command, given, timeout=TIMEOUT_S, name="espeak-ng")
    line, _, pcm = out.partition(b"\n")
    reply: dict[str, Any] = json.loads(line)
    return reply, pcm


def checked_voice(voice: str | None) -> str:
    """The voice's name, or the default. Raises ParameterError where it cannot be one: espeak-ng
    takes it for a path otherwise."""
    name = voice or DEFAULT_VOICE
    if not re.fullmatch(r"[A-Za-z0-9][\w+-]{0,39}", name):
        raise ParameterError(f"'{name}' cannot be the name of an espeak-ng voice, as 'en-us' is")
    return name


def phones_of_events(events: list[tuple[float, str]], audio: Audio) -> tuple[Phone, ...]:
    """espeak-ng's (start, IPA) events → phones that fill the whole sound.

    An event marks where a phoneme's sound begins. Of a voiceless stop that is the burst: the
    closed lips or tongue before it, silent, are counted to the phoneme before. They are given
    back to the stop here, by looking for the silence.
    """
    # "(en)" says that another language begins; it is not a sound.
    events = [(start, ipa) for start, ipa in events if not ipa.startswith("(")]
    level = _level(audio)
    phones = [Phone(0.0, events[0][0] if events else audio.duration, "")]
    for k, (start, ipa) in enumerate(events):
        end = events[k + 1][0] if k + 1 < len(events) else audio.duration
        letters = ipa.lstrip("ˈˌ")
        before = phones[-1]
        if letters[:1] in _VOICELESS_STOPS:
            # Of a vowel at least 30 ms stay; a pause may lose as much as the stop needs.
            earliest = before.start + (0.03 if before.name else 0.0)
            latest = start - (0.0 if before.name else _STOP_S)
            quiet_from = min(_silence_begins(level, start), latest)
            begin = max(quiet_from, earliest, start - 2 * _STOP_S)
        else:
            begin = start
        phones[-1] = before._replace(end=begin)
        phones.append(Phone(begin, max(end, begin), ipa))
    return tuple(p for p in phones if p.end > p.start)


_HOP_S = 0.005


def _level(audio: Audio) -> F32:
    """(K,) float32 loudness per 5 ms, 1 for the loudest."""
    hop = max(round(_HOP_S * audio.rate), 1)
    whole = audio.samples[: len(audio.samples) // hop * hop].astype(np.float32)
    rms = np.sqrt((whole.reshape(-1, hop) ** 2).mean(axis=1))
    return np.asarray(rms / max(float(rms.max(initial=0.0)), 1.0), np.float32)


def _silence_begins(level: F32, end: float) -> float:
    """The beginning, in seconds, of the silence that ends at `end`."""
    k = min(int(end / _HOP_S), len(level))
    while k > 0 and level[k - 1] < _QUIET:
        k -= 1
    return min(k * _HOP_S, end)


@dataclass(frozen=True, slots=True)
class EspeakProgram:
    """espeak-ng where only the program is there: sound without the phones' times."""

    path: Path
    name: str = "espeak-ng"

    @classmethod
    def find(cls) -> EspeakProgram | None:
        """The program, or None where there is none, or one of that name that is another."""
        path = program.recognized("espeak-ng", "eSpeak NG text-to-speech")
        return cls(path) if path else None

    def speak(self, text: str, voice: str | None) -> Utterance:
        """See Engine.speak. The utterance's phones are empty."""
        name = checked_voice(voice)
        options = ["-v", name, "-s", str(WORDS_PER_MINUTE), "-b", "1", "--stdin", "--stdout"]
        try:
            wav = program.run(
                [str(self.path), *options], text.encode(), timeout=TIMEOUT_S, name=self.name
            )
        except BackendError as error:
            if "voice" in str(error):
                raise ParameterError(f"espeak-ng: it has no voice '{name}'") from error
            raise
        return Utterance(read_audio(wav, name="espeak-ng's sound"), (), self.name)
