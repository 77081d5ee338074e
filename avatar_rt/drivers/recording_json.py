"""ARKit weights over time as JSON, in the form that LAM and its relatives write.

An object with `names` (a list of ARKit's names, in any order) and `frames`, each with `weights`,
perhaps `time` (seconds) and `rotation`; perhaps `metadata.fps` or `fps` (default 30), and
`head_pose`, one axis-angle (radians) per frame.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from avatar_rt.arkit import ARKIT_INDEX, ARKIT_NAMES
from avatar_rt.arrays import F64, floats64
from avatar_rt.errors import FileFormatError

_DEFAULT_FPS = 30.0


def arrays_from_json(path: Path) -> dict[str, F64]:
    """times (T,), arkit (T, 52) in our order and, where the file turns the head, head_pose (T, 3).

    Raises FileFormatError for whatever is not as it should be; ranges are the caller's to check.
    """

    def refuse(constant: str) -> NoReturn:
        raise ValueError(f"{constant} is not a number in JSON")

    try:
        data = json.loads(path.read_text("utf-8-sig"), parse_constant=refuse)
    except (ValueError, RecursionError) as error:
        raise FileFormatError(path, "file", f"is no JSON: {error}") from error
    if not isinstance(data, dict):
        raise FileFormatError(path, "file", f"holds a {_kind(data)}, expected an object")
    columns = _columns(path, data.get("names"))
    frames = data.get("frames")
    if not isinstance(frames, list) or not frames:
        raise FileFormatError(path, "frames", f"is {_kind(frames)}, expected a list of frames")
    arkit = np.zeros((len(frames), len(ARKIT_NAMES)))
    for k, frame in enumerate(frames):
        if not isinstance(frame, dict):
            raise FileFormatError(path, f"frames[{k}]", f"is {_kind(frame)}, expected an object")
        values = _numbers(path, f"frames[{k}].weights", frame.get("weights"), len(columns))
        for column, value in zip(columns, values, strict=True):
            if column is not None:
                arkit[k, column] = value
    arrays = {"times": _times(path, data, frames), "arkit": floats64(arkit)}
    head = _head(path, data, frames)
    if head is not None:
        arrays["head_pose"] = head
    return arrays


def _columns(path: Path, names: Any) -> list[int | None]:
    """Where each named weight goes; None for MediaPipe's `_neutral`, which means nothing."""
    if not isinstance(names, list) or not names:
        raise FileFormatError(path, "names", f"is {_kind(names)}, expected ARKit's names")
    for name in names:
        if not isinstance(name, str) or name not in {"_neutral", *ARKIT_INDEX}:
            raise FileFormatError(path, "names", f"{name!r} is not an ARKit blendshape")
    if len(set(names)) != len(names):
        raise FileFormatError(path, "names", "holds a name twice")
    return [ARKIT_INDEX.get(name) for name in names]


def _times(path: Path, data: dict[str, Any], frames: list[dict[str, Any]]) -> F64:
    """From the frames' `time` where all have one and they ascend, else from fps."""
    given = [frame.get("time") for frame in frames]
    if all(t is not None for t in given):
        times = floats64(_numbers(path, "frames[].time", given, len(frames)))
        if len(frames) == 1 or times.any():
            return times
    meta = data.get("metadata")
    fps = data.get("fps", meta.get("fps") if isinstance(meta, dict) else None)
    rate = _DEFAULT_FPS if fps is None else _numbers(path, "fps", [fps], 1)[0]
    if not 1 <= rate <= 1000:
        raise FileFormatError(path, "fps", f"is {rate:g}, expected 1 to 1000")
    return floats64(np.arange(len(frames)) / rate)


def _head(path: Path, data: dict[str, Any], frames: list[dict[str, Any]]) -> F64 | None:
    """(T, 3) from `head_pose`, or from each frame's `rotation`; None without either."""
    poses = data.get("head_pose")
    if poses is not None:
        if not isinstance(poses, list) or len(poses) != len(frames):
            raise FileFormatError(path, "head_pose", f"must be a list of {len(frames)} rotations")
        return floats64([_numbers(path, f"head_pose[{k}]", p, 3) for k, p in enumerate(poses)])
    rotations = [frame.get("rotation") for frame in frames]
    if not any(rotations):
        return None
    return floats64(
        [_numbers(path, f"frames[{k}].rotation", r, 3) for k, r in enumerate(rotations)],
    )


def _numbers(path: Path, field: str, values: Any, count: int) -> list[float]:
    if not isinstance(values, list) or len(values) != count:
        found = f"{len(values)} numbers" if isinstance(values, list) else _kind(values)
        raise FileFormatError(path, field, f"is {found}, expected {count} numbers")
    for k, value in enumerate(values):
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise FileFormatError(path, f"{field}[{k}]", f"is {_kind(value)}, expected a number")
        if not abs(value) < 1e9:
            raise FileFormatError(path, f"{field}[{k}]", "is out of all range")
    return [float(v) for v in values]


def _kind(value: Any) -> str:
    names = {type(None): "missing", dict: "an object", list: "a list", str: "a text"}
    return names.get(type(value), f"{value!r}"[:40])
