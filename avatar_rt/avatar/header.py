"""The JSON header of an avatar file: what version it is, whose head it holds, how to look at it."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any

import avatar_rt
from avatar_rt.avatar.model import TriangleFrame

FORMAT = "avatar-rt avatar"
MAJOR, MINOR = 1, 0
"""Readers refuse a newer major version; a newer minor one may hold more than they know."""
MAX_HEADER_BYTES = 1 << 20
_STRUCTURE = ("format", "version", "frame", "expression_names", "joint_names")

HASTES = 4  # csrc/core/views.h has as many; the file is read without the core


class HeaderError(ValueError):
    """A header entry that is wrong. field: which; problem: what was found and expected."""

    def __init__(self, field: str, problem: str) -> None:
        self.field, self.problem = field, problem
        super().__init__(f"{field}: {problem}")


@dataclass(frozen=True, slots=True)
class Header:
    """What the header says, checked."""

    minor: int
    frame: TriangleFrame
    expression_names: tuple[str, ...]
    joint_names: tuple[str, ...]
    metadata: dict[str, Any]
    """Everything else: Avatar.metadata."""


def tool_name() -> str:
    """This program and its version, for a file's provenance."""
    return f"avatar-rt {avatar_rt.__version__}"


def completed(metadata: dict[str, Any]) -> dict[str, Any]:
    """The metadata with what every file must say filled in: an avatar is marked as synthetic."""
    provenance = {"tool": tool_name(), "source": "unknown", **metadata.get("provenance", {})}
    return {
        "name": "avatar",
        "head_model": {"name": "unknown", "hash": "", "licence": "unknown"},
        **metadata,
        "provenance": {**provenance, "synthetic": True},
    }


def encode(header: Header) -> str:
    """Header → JSON, in one spelling only. Raises HeaderError for values that JSON lacks."""
    entries = {
        **header.metadata,
        "format": FORMAT,
        "version": [MAJOR, MINOR],
        "frame": header.frame,
        "expression_names": list(header.expression_names),
        "joint_names": list(header.joint_names),
    }
    try:
        text = json.dumps(entries, allow_nan=False, sort_keys=True, separators=(",", ":"))
    except (TypeError, ValueError, RecursionError) as error:
        raise HeaderError("metadata", f"cannot be written as JSON: {error}") from error
    if len(text) > MAX_HEADER_BYTES // 2:
        raise HeaderError("metadata", f"takes {len(text)} bytes, at most {MAX_HEADER_BYTES // 2}")
    return text


def decode(text: str) -> Header:
    """JSON → Header. Raises HeaderError naming the first entry that is wrong."""
    try:
        entries = json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise HeaderError("header", f"is not JSON: {error}") from error
    if not isinstance(entries, dict) or entries.get("format") != FORMAT:
        raise HeaderError("format", f"is not '{FORMAT}'")
    minor = _minor_version(entries.get("version"))
    frame = entries.get("frame")
    if frame not in ("affine", "similarity"):
        raise HeaderError("frame", f"is {frame!r:.40}, expected 'affine' or 'similarity'")
    names = {field: _names(entries, field) for field in ("expression_names", "joint_names")}
    metadata = {k: v for k, v in entries.items() if k not in _STRUCTURE}
    check_metadata(metadata)
    return Header(minor, frame, names["expression_names"], names["joint_names"], metadata)


def check_metadata(metadata: dict[str, Any]) -> None:
    """Raises HeaderError where a known entry of Avatar.metadata has another type or range."""
    if clash := set(_STRUCTURE) & set(metadata):
        raise HeaderError("metadata", f"may not hold {min(clash)!r}, an entry of the file itself")
    _text(metadata, "name")
    model = _object(metadata, "head_model")
    for field in ("name", "hash", "licence"):
        _text(model, field, "head_model.")
    provenance = _object(metadata, "provenance")
    for field in ("source", "tool"):
        _text(provenance, field, "provenance.")
    if provenance.get("synthetic") is not True:
        raise HeaderError("provenance.synthetic", "must be true: an avatar is made, not filmed")
    if "camera" in metadata:
        camera = _object(metadata, "camera")
        for field, most in (("distance", 100.0), ("focal", 1000.0)):
            if not 1e-3 <= _number(camera, field, "camera.") <= most:
                raise HeaderError(f"camera.{field}", f"must lie within 0.001 … {most:g}")
        target = camera.get("target")
        if not isinstance(target, list) or len(target) != 3:
            raise HeaderError("camera.target", "must be three numbers")
        for k in range(3):
            if abs(_number(dict(enumerate(target)), k, "camera.target.")) > 100:
                raise HeaderError("camera.target", "must lie within 100 m")
    if metadata.get("fast_psnr_db") is not None:
        _number(metadata, "fast_psnr_db")
    haste = metadata.get("fast_haste", 0)
    if type(haste) is not int or haste not in range(HASTES):  # True and 1.0 are none
        raise HeaderError("fast_haste", f"must be a whole number within 0 … {HASTES - 1}")


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is not a number that JSON knows")


def _minor_version(found: object) -> int:
    if not (
        isinstance(found, list)
        and len(found) == 2
        and all(type(v) is int and v >= 0 for v in found)
    ):
        raise HeaderError("version", "must be two whole numbers, major and minor")
    major, minor = found
    if major > MAJOR:
        raise HeaderError(
            "version",
            f"is {major}.{minor}, newer than this avatar-rt reads ({MAJOR}.x); upgrade with: "
            "pip install --upgrade avatar-rt",
        )
    if major < 1:
        raise HeaderError("version", f"is {major}.{minor}; the first version was 1.0")
    return int(minor)


def _names(entries: dict[str, Any], field: str) -> tuple[str, ...]:
    found = entries.get(field)
    if not isinstance(found, list) or not all(isinstance(n, str) and n for n in found):
        raise HeaderError(field, "must be a list of names")
    return tuple(found)


def _object(entries: dict[str, Any], field: str) -> dict[str, Any]:
    found = entries.get(field)
    if not isinstance(found, dict):
        raise HeaderError(field, "is missing" if found is None else "must be an object")
    return found


def _text(entries: dict[str, Any], field: str, prefix: str = "") -> None:
    found = entries.get(field)
    if not isinstance(found, str) or len(found) > 4096:
        raise HeaderError(prefix + field, "is missing" if found is None else "must be a short text")


def _number(entries: dict[Any, Any], field: object, prefix: str = "") -> float:
    found = entries.get(field)
    if isinstance(found, bool) or not isinstance(found, (int, float)) or not math.isfinite(found):
        raise HeaderError(f"{prefix}{field}", "must be a number")
    return float(found)
