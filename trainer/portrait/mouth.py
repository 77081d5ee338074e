"""Where the teeth hang: a lip that rises must show them, as lips do."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from avatar_rt.arrays import floats32
from avatar_rt.head.model import HeadModel
from avatar_rt.head.rig import Rig

_SHOWN = 0.0025
"""Metres that the upper teeth reach below the closed lips' line: what a parted mouth shows."""
_BEHIND = 0.0125
"""Metres from the lips' front to the teeth's."""
_UPPER_LIP, _LOWER_LIP = 13, 14


def with_placed_teeth(rig: Rig, model: HeadModel) -> Rig:
    """`rig` with teeth and tongue moved to where its lips want them; a head without teeth, or
    without lip landmarks, stays as it is."""
    rows = model.regions.get("upper_teeth")
    if rows is None or (model.landmark_faces[[_UPPER_LIP, _LOWER_LIP]] < 0).any():
        return rig
    upper = rows > 0.5
    if not upper.any():
        return rig
    corners = rig.vertices[rig.faces[model.landmark_faces[[_UPPER_LIP, _LOWER_LIP]]]]
    bary = model.landmark_barycentric[[_UPPER_LIP, _LOWER_LIP]]
    line = (corners * bary[..., None]).sum(1)[:, 1].mean()
    lips = rig.vertices[model.regions["lips"] > 0.5]
    shift = np.zeros(3)
    shift[1] = line - _SHOWN - rig.vertices[upper, 1].min()
    shift[2] = max(lips[:, 2].max() - _BEHIND - rig.vertices[upper, 2].max(), 0.0)
    shift = np.clip(shift, -0.006, 0.006)
    names = ("upper_teeth", "lower_teeth", "tongue")
    moved = np.max([model.regions[n] for n in names if n in model.regions], axis=0)
    return replace(rig, vertices=floats32(rig.vertices + moved[:, None] * shift))
