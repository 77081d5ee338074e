"""What flags mean: sizes, colours, weights and angles as users write them.

Each function is a `type=` of argparse, which puts the flag's name before the message.
"""

from __future__ import annotations

import math
from argparse import ArgumentTypeError

from avatar_rt.arkit import arkit_weights
from avatar_rt.errors import ParameterError
from avatar_rt.types import MAX_SIDE


def size(text: str) -> tuple[int, int]:
    """ "512" or "640x480" → (width, height) in pixels."""
    parts = text.lower().split("x")
    if len(parts) > 2 or not all(p.isascii() and p.isdecimal() and len(p) < 6 for p in parts):
        raise ArgumentTypeError(f"'{text}': write 512 or 640x480")
    width, height = int(parts[0]), int(parts[-1])
    if not (1 <= width <= MAX_SIDE and 1 <= height <= MAX_SIDE):
        raise ArgumentTypeError(f"'{text}': each side from 1 to {MAX_SIDE} pixels")
    return width, height


def weights(text: str) -> dict[str, float]:
    """ "jawOpen=0.6,mouthSmileLeft=1" → ARKit weights by name."""
    named: dict[str, float] = {}
    for part in filter(None, text.split(",")):
        name, given, value = part.partition("=")
        if not given:
            raise ArgumentTypeError(f"'{part}': write NAME=WEIGHT, e.g. jawOpen=0.6")
        weight = number(value)
        if not 0 <= weight <= 1:
            raise ArgumentTypeError(f"'{part}': a weight lies within 0 … 1")
        named[name.strip()] = weight
    try:
        arkit_weights(named)
    except ParameterError as error:
        raise ArgumentTypeError(str(error)) from error
    return named


def number(text: str) -> float:
    """A finite number."""
    try:
        value = float(text)
    except ValueError as error:
        raise ArgumentTypeError(f"'{text}' is not a number") from error
    if not math.isfinite(value):
        raise ArgumentTypeError(f"'{text}' is not a finite number")
    return value


def positive(text: str) -> float:
    """A finite number above zero."""
    value = number(text)
    if value <= 0:
        raise ArgumentTypeError(f"'{text}' must be more than 0")
    return value


def degrees(text: str) -> float:
    """Degrees → radians."""
    return math.radians(number(text))


def direction(text: str) -> tuple[float, float]:
    """ "YAW,PITCH" in degrees → radians."""
    parts = text.split(",")
    if len(parts) != 2:
        raise ArgumentTypeError(f"'{text}': write YAW,PITCH in degrees, such as 10,-5")
    return degrees(parts[0]), degrees(parts[1])


def color(text: str) -> tuple[float, float, float] | None:
    """ "#rrggbb" → sRGB within 0 … 1; "transparent" → None."""
    if text == "transparent":
        return None
    digits = text.removeprefix("#")
    if len(digits) != 6 or not all(c in "0123456789abcdefABCDEF" for c in digits):
        raise ArgumentTypeError(f"'{text}': write #rrggbb or transparent")
    red, green, blue = (int(digits[k : k + 2], 16) / 255 for k in (0, 2, 4))
    return red, green, blue
