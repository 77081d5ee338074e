"""What a speech engine gives back, and what it takes."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import Protocol

from avatar_rt.audio import Audio
from avatar_rt.drivers.visemes import Phone
from avatar_rt.errors import ParameterError

MAX_CHARACTERS = 2_000
_LONGEST_WORD = 60


@dataclass(frozen=True, slots=True)
class Utterance:
    """A spoken text."""

    audio: Audio
    phones: tuple[Phone, ...]
    """When each phone is heard; empty where the engine does not tell."""
    engine: str
    """Name and version of what spoke."""


class Engine(Protocol):
    """A speech engine that is installed."""

    @property
    def name(self) -> str: ...

    def speak(self, text: str, voice: str | None) -> Utterance:
        """Speaks a text that `speakable` has passed, in the engine's own voice `voice` or its
        default. Raises ParameterError for a voice it does not have, BackendError where it fails."""
        ...


def speakable(text: str) -> str:
    """The text as engines may safely get it: one line, without control characters.

    Words longer than 60 characters are broken, for engines cut or overrun them.
    Raises ParameterError where it is longer than 2,000 characters or nothing in it can be spoken.
    """
    if len(text) > MAX_CHARACTERS:
        raise ParameterError(
            f"the text has {len(text):,} characters; at most {MAX_CHARACTERS:,} are spoken at once"
        )
    # Surrogates cannot be encoded; NUL would end the text; no control character is
    # heard. SSML is off in both engines: its marks are spoken or passed over.
    kept = "".join(" " if unicodedata.category(c) in ("Cc", "Cs", "Co", "Cn") else c for c in text)
    words = [part for word in kept.split() for part in re.findall(f".{{1,{_LONGEST_WORD}}}", word)]
    if not any(c.isalnum() for word in words for c in word):
        raise ParameterError("the text has no letter or digit: there is nothing to say")
    return " ".join(words)
