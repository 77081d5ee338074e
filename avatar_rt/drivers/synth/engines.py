"""Choosing among the speech engines that are installed."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from avatar_rt.drivers.synth.espeak import EspeakLibrary, EspeakProgram
from avatar_rt.drivers.synth.flite import Flite
from avatar_rt.drivers.synth.utterance import Engine, Utterance, speakable
from avatar_rt.errors import MissingDependencyError, ParameterError

# The program espeak-ng comes last: it does not tell when its phones are heard.
_FINDERS: tuple[tuple[str, Callable[[], Engine | None]], ...] = (
    ("espeak-ng", EspeakLibrary.find),
    ("flite", Flite.find),
    ("espeak-ng", EspeakProgram.find),
)
_HOW = "apt install espeak-ng (macOS: brew install espeak-ng), or apt install flite"


def find_engine(name: str | None = None) -> Engine:
    """The best engine installed, or the one named ("espeak-ng", "flite").

    Raises ParameterError for a name that is no engine's, MissingDependencyError, with the command
    that installs one, where it is not there.
    """
    names = {known for known, _ in _FINDERS}
    if name is not None and name not in names:
        raise ParameterError(f"'{name}' is not a speech engine; known: {', '.join(sorted(names))}")
    for engine in _installed(name):
        return engine
    missing = f"{name} is" if name else "no speech engine (espeak-ng or flite) is"
    raise MissingDependencyError(f"{missing} installed, or what has its name is not it: {_HOW}")


def installed_engines() -> list[Engine]:
    """All engines that are installed, the best first, each once."""
    engines: dict[str, Engine] = {}
    for engine in _installed(None):
        engines.setdefault(engine.name, engine)
    return list(engines.values())


def _installed(name: str | None) -> Iterator[Engine]:
    for known, find in _FINDERS:
        engine = find() if name in (None, known) else None
        if engine is not None:
            yield engine


def speak(text: str, voice: str | None = None) -> Utterance:
    """Speaks a text with the engine and voice named: "flite:slt", "espeak-ng:de", or just "de" for
    the best engine's own voice of that name.

    Raises ParameterError for a text or voice that cannot be spoken, MissingDependencyError where
    no engine is installed, BackendError where it fails.
    """
    line = speakable(text)
    engine_name, colon, voice_name = (voice or "").rpartition(":")
    engine = find_engine(engine_name if colon else None)
    return engine.speak(line, voice_name or None)
