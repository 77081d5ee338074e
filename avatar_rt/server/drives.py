"""From what a viewer or the command line chose to the driver that does it."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from avatar_rt.audio import Audio
from avatar_rt.drivers.base import ClosingDriver, Driver, IdleDriver
from avatar_rt.drivers.opening import open_driver
from avatar_rt.drivers.recorded import RecordedDriver
from avatar_rt.drivers.recording import Recording
from avatar_rt.drivers.speech_track import TrackDriver
from avatar_rt.drivers.synth.engines import find_engine
from avatar_rt.drivers.text import TextDriver
from avatar_rt.errors import MissingDependencyError, ParameterError
from avatar_rt.server.showcase import showcase
from avatar_rt.types import FaceParams

PAUSE_S = 2.5
"""Between the end of something said and its next time, where it is said again and again."""
_TEXT = "text:"


class RepeatingSpeech(ClosingDriver):
    """Says the same again and again, with a pause between, in which the avatar idles."""

    def __init__(self, once: TrackDriver) -> None:
        self._once = once
        self._began: float | None = None
        self.period = once.duration + PAUSE_S
        """Seconds from one beginning to the next."""

    @property
    def audio(self) -> Audio:
        """The sound of one time."""
        return self._once.audio

    def start(self, now: float) -> None:
        """Begins (again) at `now`."""
        self._began = now
        self._once.start(now)

    def read(self, now: float) -> FaceParams:
        """The face at `now`."""
        if self._began is None:
            self.start(now)
        assert self._began is not None
        if now - self._began >= self.period:
            self.start(self._began + (now - self._began) // self.period * self.period)
        return self._once.read(now)

    def close(self) -> None:
        """Closes what it repeats."""
        self._once.close()


@dataclass(frozen=True, slots=True)
class SharedDrive:
    """What moves the face for all who chose nothing: can be opened any number of times."""

    note: str
    """What it is, for the page."""
    make: Callable[[], Driver]

    def open(self) -> tuple[Driver, float | None]:
        """The driver, and the seconds after which its voice (if any) is heard again."""
        driver = self.make()
        if isinstance(driver, TrackDriver):
            repeating = RepeatingSpeech(driver)
            return repeating, repeating.period
        return driver, None

    @classmethod
    def of(cls, spec: str) -> SharedDrive:
        """The drive that `--drive SPEC` names: idle, clip, text:WORDS or a file.

        Files are looked at when the drive is opened: open() raises what open_driver raises.
        """
        if spec == "idle":
            return cls("What everybody sees: idle", IdleDriver)
        if spec == "clip":
            return cls("What everybody sees: the clip", clip_driver)
        if spec.startswith(_TEXT):
            words = spec.removeprefix(_TEXT)
            if not words.strip():
                raise ParameterError("--drive text: needs words, as in --drive 'text:Hello there'")
            return cls("What everybody sees: a speech", lambda: speak(words))
        name = spec.replace("\\", "/").rsplit("/", 1)[-1]
        return cls(f"What everybody sees: {name}", lambda: open_driver(spec))


def speak(text: str) -> Driver:
    """The driver that speaks `text`. Raises what TextDriver raises."""
    return TextDriver(text)


@functools.lru_cache(maxsize=1)
def _clip() -> Recording:
    return showcase()


def clip_driver() -> Driver:
    """The clip that comes with the program."""
    return RecordedDriver(_clip())


def text_note() -> tuple[bool, str]:
    """Whether text can be spoken, and a note about it."""
    try:
        return True, f"Typed by you, spoken by {find_engine().name}"
    except MissingDependencyError:
        return False, "Needs a speech engine on the server: apt install espeak-ng"


def sources(shared: SharedDrive) -> dict[str, dict[str, Any]]:
    """What a viewer may choose, as the page shows it: {source: {available, note}}."""
    speaks, note = text_note()
    return {
        "shared": {"available": True, "note": shared.note},
        "clip": {"available": True, "note": "Expressions, one after another"},
        "idle": {"available": True, "note": "Breathes, blinks and looks around"},
        "webcam": {"available": True, "note": "The face follows yours"},
        "microphone": {"available": True, "note": "The mouth follows your voice"},
        "text": {"available": speaks, "note": note},
    }
