"""Which numbers of FaceParams belong to which part of the face."""

from __future__ import annotations

import numpy as np

from avatar_rt.arkit import ARKIT_NAMES
from avatar_rt.types import Channels

PARTS = (Channels.MOUTH, Channels.BROWS, Channels.LIDS, Channels.GAZE, Channels.HEAD)


def _part(name: str) -> Channels:
    if name.startswith("eyeLook"):
        return Channels.GAZE
    if name.startswith("eye"):
        return Channels.LIDS
    return Channels.BROWS if name.startswith("brow") else Channels.MOUTH


ARKIT_PART = np.array([PARTS.index(_part(name)) for name in ARKIT_NAMES])
"""(52,) int: the index into PARTS of each ARKit weight."""
