"""What a page may say to the server on its control channel: JSON in, checked commands out.

Schema, version 1. Page to server:

    {"type": "camera", "yaw": radians, "pitch": radians, "zoom": 0.5 … 3}   a camera of my own
    {"type": "camera", "reset": true}                                       the shared camera again
    {"type": "drive", "source": "shared" | "idle" | "clip" | "webcam" | "microphone"}
    {"type": "drive", "source": "text", "text": "…"}
    {"type": "stop"}                                                        stop talking
    {"type": "sound", "on": true | false, "delay_ms": number}               whether the voice is
        heard, and how long the browser holds sound back at present
    {"type": "ping", "t": number}                                           answered at once
    {"type": "cancel"}                                                      stop making my avatar
    {"type": "avatar", "which": "shared" | "mine"}

Server to page: {"type": "state" | "stats" | "pong" | "make" | "error", …}; `session.py` sends them.
Whatever is not in this list is an error that names what was wrong; nothing is guessed.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, cast, get_args

from avatar_rt.errors import ParameterError
from avatar_rt.server.limits import Limits

Source = Literal["shared", "idle", "clip", "webcam", "microphone", "text"]
SOURCES: tuple[Source, ...] = get_args(Source)

PITCH_LIMIT = 1.3
LONGEST_DELAY_MS = 400.0
ZOOM_LIMITS = (0.5, 3.0)


@dataclass(frozen=True, slots=True)
class MoveCamera:
    """Orbit and zoom, relative to the avatar's preferred camera. Angles in radians."""

    yaw: float
    pitch: float
    zoom: float


@dataclass(frozen=True, slots=True)
class ResetCamera:
    """Back to the camera that all share."""


@dataclass(frozen=True, slots=True)
class Drive:
    """What shall move the face."""

    source: Source
    text: str = ""


AS_SERVED = Drive("shared")


@dataclass(frozen=True, slots=True)
class StopTalking:
    """Silence, and a mouth at rest."""


@dataclass(frozen=True, slots=True)
class Sound:
    """Whether the viewer hears the voice, and how late: pictures are held back to match."""

    on: bool
    delay_ms: float


@dataclass(frozen=True, slots=True)
class Ping:
    """Asks for the server's time; `t` comes back as it was."""

    t: float


@dataclass(frozen=True, slots=True)
class CancelMake:
    """Stops making the avatar that this viewer asked for."""


@dataclass(frozen=True, slots=True)
class ShowAvatar:
    """Which avatar to show: the one being served, or the one made from this viewer's photo."""

    which: Literal["shared", "mine"]


Command = MoveCamera | ResetCamera | Drive | StopTalking | Sound | Ping | CancelMake | ShowAvatar


def _refuse(constant: str) -> float:
    raise ParameterError(f"{constant} is not a number that JSON knows")


def read_object(text: str | bytes, what: str) -> dict[str, Any]:
    """JSON text → the object it holds. Raises ParameterError, naming `what`, for anything else."""
    try:
        value = json.loads(text, parse_constant=_refuse)
    except UnicodeDecodeError as error:
        raise ParameterError(f"{what} is not UTF-8 text") from error
    except json.JSONDecodeError as error:
        at = f"line {error.lineno}, column {error.colno}"
        raise ParameterError(f"{what} is not JSON: {error.msg} at {at}") from error
    except RecursionError as error:
        raise ParameterError(f"{what} is nested too deeply") from error
    except ValueError as error:  # a whole number of more digits than Python converts
        raise ParameterError(f"{what} holds a number that is too long") from error
    if not isinstance(value, dict):
        raise ParameterError(f"{what} must be a JSON object, not {type(value).__name__}")
    return value


def _number(message: dict[str, Any], name: str) -> float:
    value = message.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ParameterError(f"'{name}' must be a number")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise ParameterError(f"'{name}' must be a finite number")
    return number


def _flag(message: dict[str, Any], name: str) -> bool:
    value = message.get(name)
    if not isinstance(value, bool):
        raise ParameterError(f"'{name}' must be true or false")
    return value


def _camera(message: dict[str, Any], _limits: Limits) -> Command:
    if "reset" in message:
        if not _flag(message, "reset"):
            raise ParameterError("'reset' must be true; leave it out to move the camera")
        return ResetCamera()
    yaw, pitch, zoom = (_number(message, name) for name in ("yaw", "pitch", "zoom"))
    return MoveCamera(
        math.remainder(yaw, 2 * math.pi),
        min(max(pitch, -PITCH_LIMIT), PITCH_LIMIT),
        min(max(zoom, ZOOM_LIMITS[0]), ZOOM_LIMITS[1]),
    )


def _drive(message: dict[str, Any], limits: Limits) -> Command:
    source = message.get("source")
    if source not in SOURCES:
        raise ParameterError(f"'source' must be one of {', '.join(SOURCES)}")
    if source != "text":
        return Drive(cast(Source, source))
    text = message.get("text")
    if not isinstance(text, str):
        raise ParameterError("'text' must be a string")
    # control characters could mean something to a speech engine; nobody can say them aloud
    spoken = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    if not spoken:
        raise ParameterError("'text' is empty: type what shall be said")
    if len(spoken) > limits.text_characters:
        raise ParameterError(
            f"the text has {len(spoken)} characters; at most {limits.text_characters} are spoken"
        )
    return Drive("text", spoken)


def _show(message: dict[str, Any], _limits: Limits) -> Command:
    which = message.get("which")
    if which not in ("shared", "mine"):
        raise ParameterError("'which' must be shared or mine")
    return ShowAvatar(which)


def parse_command(text: str | bytes, limits: Limits) -> Command:
    """One message of the control channel → what it asks for.

    Raises ParameterError, whose text can be shown, for anything that the schema above does not
    hold.
    """
    if isinstance(text, bytes):
        raise ParameterError("control messages are text, not bytes")
    if len(text) > limits.message_characters:
        raise ParameterError(
            f"the message is longer than {limits.message_characters} characters; "
            f"a text to speak may have at most {limits.text_characters}"
        )
    message = read_object(text, "the message")
    kind = message.get("type")
    read = _READERS.get(kind) if isinstance(kind, str) else None
    if read is None:
        raise ParameterError(f"'type' must be one of {', '.join(_READERS)}")
    return read(message, limits)


def _sound(message: dict[str, Any], _limits: Limits) -> Command:
    delay = min(max(_number(message, "delay_ms"), 0.0), LONGEST_DELAY_MS)
    return Sound(_flag(message, "on"), delay)


_READERS: dict[str, Callable[[dict[str, Any], Limits], Command]] = {
    "camera": _camera,
    "drive": _drive,
    "stop": lambda _message, _limits: StopTalking(),
    "sound": _sound,
    "ping": lambda message, _limits: Ping(_number(message, "t")),
    "cancel": lambda _message, _limits: CancelMake(),
    "avatar": _show,
}
