"""How much a stranger may ask of the server."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Every limit in one place; what exceeds one is refused with a message that names it."""

    sessions: int = 16
    """Viewers at one time."""
    views: int = 6
    """Distinct cameras (times codecs) that are rendered and encoded at one time."""
    scenes: int = 4
    """Avatars moving on their own at one time: the shared one, and one per viewer who chose a
    driver or an avatar of their own."""
    offer_bytes: int = 100_000
    """A session description with its JSON around it."""
    media_sections: int = 8
    candidates: int = 64
    message_characters: int = 4_000
    """One message on the control channel."""
    messages_per_second: float = 200.0
    """Sustained; a burst of as many is let through."""
    text_characters: int = 600
    """One text to be spoken."""
    upload_bytes: int = 20_000_000
    """One photograph."""
    connect_seconds: float = 20.0
    """From the answer until the call stands; then it is given up."""
    make_seconds: float = 300.0
    """One avatar in the making."""


class RateLimit:
    """A bucket of tokens: `rate` a second, at most `rate` at once. Time is passed in."""

    def __init__(self, rate: float, now: float) -> None:
        self._rate, self._tokens, self._last = rate, rate, now

    def allows(self, now: float) -> bool:
        """Whether one more may pass at `now` (seconds)."""
        self._tokens = min(self._rate, self._tokens + (now - self._last) * self._rate)
        self._last = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True
