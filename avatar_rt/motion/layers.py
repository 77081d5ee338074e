"""Several sources of one face, laid over each other part by part."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from avatar_rt.arrays import F32, F64, floats32
from avatar_rt.motion.channels import ARKIT_PART, PARTS
from avatar_rt.types import Channels, FaceParams

_GAZE, _HEAD, _MOUTH = (PARTS.index(c) for c in (Channels.GAZE, Channels.HEAD, Channels.MOUTH))


@dataclass(frozen=True, slots=True)
class Layer:
    """One source, and how much of each part it takes over from the layers below it."""

    params: FaceParams
    shares: F64
    """(5,) float64 in [0, 1], one per PARTS."""
    priority: int = 0


def blend(layers: Sequence[Layer]) -> FaceParams:
    """The face that layers make together, from the lowest priority to the highest.

    Each layer mixes its values with what lies below by its shares; the lowest counts in full.
    Time and provenance are those of the highest. At least one layer.
    """
    ordered = sorted(layers, key=lambda layer: layer.priority)
    result = ordered[0].params
    for layer in ordered[1:]:
        result = mix(result, layer.params, layer.shares)
    return result


def mix(before: FaceParams, after: FaceParams, shares: F64 | float) -> FaceParams:
    """From `before` (share 0) to `after` (share 1); one share for all parts or (5,), one each."""
    s = floats32(np.broadcast_to(shares, len(PARTS)))
    head, mouth, gaze = s[_HEAD], s[_MOUTH], s[_GAZE]
    return after.with_changes(
        arkit=_between(before.arkit, after.arkit, s[ARKIT_PART]),
        head_pose=_between(before.head_pose, after.head_pose, head),
        neck_pose=_between(before.neck_pose, after.neck_pose, head),
        translation=_between(before.translation, after.translation, head),
        jaw_pose=_optional(before.jaw_pose, after.jaw_pose, mouth),
        eye_pose=_optional(before.eye_pose, after.eye_pose, gaze),
        expression=_optional(before.expression, after.expression, mouth),
    )


def added(base: FaceParams, more: FaceParams, parts: Channels) -> FaceParams:
    """`base` with the weights, head and neck of `more` added in `parts`."""
    s = floats32([part in parts for part in PARTS])
    return base.with_changes(
        arkit=floats32(base.arkit + s[ARKIT_PART] * more.arkit),
        head_pose=floats32(base.head_pose + s[_HEAD] * more.head_pose),
        neck_pose=floats32(base.neck_pose + s[_HEAD] * more.neck_pose),
    )


def _between(a: F32, b: F32, s: F32) -> F32:
    return floats32(a + s * (b - a))


def _optional(a: F32 | None, b: F32 | None, s: F32) -> F32 | None:
    """None means "as the weights imply", and those are mixed already."""
    if a is None or b is None or a.shape != b.shape:
        return b if s >= 0.5 else a
    return _between(a, b, s)
