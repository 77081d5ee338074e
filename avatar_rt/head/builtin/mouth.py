"""The mouth at rest and open: teeth where lips uncover them, a tongue that makes room, closed lips.

MakeHuman's rows of teeth sit high, its tongue fills the mouth, and its lips stay half a millimetre
apart: an open mouth would show a tongue only, and a closed one a dark slit.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np

from avatar_rt.arkit import ARKIT_INDEX
from avatar_rt.arrays import F64, Bool, floats64
from avatar_rt.head.builtin.mesh import LOWER_TEETH, SKIN, TONGUE, UPPER_TEETH, HeadMesh
from avatar_rt.head.builtin.source import BaseMesh

LOWERED = {"helper-upper-teeth": 0.042, "helper-lower-teeth": 0.020, "helper-tongue": 0.045}
"""Decimetres. Incisors then end at the line between the lips, as they do in people at rest."""
TONGUE_REST = 0.6
"""The share of its height that the tongue keeps at rest: else its back hides the whole mouth."""
TONGUE_DROP = np.radians(6.0)
"""How much further than the jaw the tongue turns, about its root, when the jaw is open."""
TONGUE_SQUEEZE = 0.4
"""The share of its height that it loses."""
TONGUE_OVER_LIP = 0.003
"""Metres between the lip and the tongue's underside, for the jaw takes the tongue further down."""
LIP_REACH = 0.004
LIP_OVERLAP = 0.0004
MOUTH_HALF_WIDTH = 0.026
CROWN = (0.0055, 0.0085)
"""Metres of tooth beyond the gum: a last molar's and an incisor's crown."""


def seat_mouth(base: BaseMesh, mean: F64) -> F64:
    """The mean (B, 3) in decimetres with teeth and tongue lowered, and the tongue flattened."""
    result = mean.copy()
    for group, down in LOWERED.items():
        index = np.unique(base.quads[group])
        result[index, 1] -= down
        if group == "helper-tongue":
            floor = result[index, 1].min()
            result[index, 1] = floor + TONGUE_REST * (result[index, 1] - floor)
    return result


def lower_tongue(mesh: HeadMesh, neutral: F64) -> F64:
    """(V, 3) what jawOpen adds to the tongue beyond the jaw's rotation: it flattens towards its tip
    and turns down about its root, so that the palate and the upper teeth come into view."""
    shape = np.zeros_like(neutral)
    tongue = mesh.parts == TONGUE
    place = neutral[tongue]
    root = place[place[:, 2] < np.quantile(place[:, 2], 0.1)].mean(0)
    arm = place - root
    forward = np.clip(arm[:, 2] / (0.6 * arm[:, 2].max()), 0.0, 1.0)
    turn = TONGUE_DROP * forward
    above = place[:, 1] - place[:, 1].min()
    shape[tongue, 1] = -np.sin(turn) * arm[:, 2] - TONGUE_SQUEEZE * forward * above
    shape[tongue, 2] = (np.cos(turn) - 1.0) * arm[:, 2]
    return shape


def lift_tongue(mesh: HeadMesh, neutral: F64, out: F64, opening: F64) -> F64:
    """(V, 3) what tongueOut adds to the artist's shape `out`: the tongue, lowered at rest, rises
    over the lower teeth and the lip instead of passing through them.

    opening (V,): how far jawOpen moves each point, which finds the line between the lips.
    """
    shape = np.zeros_like(neutral)
    tongue = mesh.parts == TONGUE
    place = neutral[tongue] + out[tongue]
    beyond = place[:, 2] > neutral[mesh.parts == LOWER_TEETH, 2].max()
    if not beyond.any():
        return shape
    middle = _middle(mesh, neutral)
    lip = _seam_height(neutral[middle], opening[middle])
    lift = max(lip + TONGUE_OVER_LIP - place[beyond, 1].min(), 0.0)
    depth = neutral[tongue, 2]
    forward = (depth - depth.min()) / np.ptp(depth)
    shape[tongue, 1] = lift * np.clip(1.6 * forward - 0.3, 0.0, 1.0)
    return shape


def _middle(mesh: HeadMesh, neutral: F64) -> Bool:
    """(V,) the skin of the lower face next to the plane of symmetry."""
    front = (mesh.parts == SKIN) & (neutral[:, 2] > 0.01) & (np.abs(neutral[:, 0]) < 0.004)
    return np.asarray(front)


def close_lips(mesh: HeadMesh, neutral: F64, expressions: F64) -> F64:
    """The neutral (V, 3) with the slit between the lips closed, each lip moving half way.

    A lip is upper or lower by how far jawOpen takes it along; the slit's height is measured along
    the mouth and taken out with a reach of a few millimetres.
    """
    opening = np.linalg.norm(expressions[ARKIT_INDEX["jawOpen"]], axis=1)
    front = (mesh.parts == SKIN) & (neutral[:, 2] > 0.01) & (np.abs(neutral[:, 0]) < 0.03)
    middle = _middle(mesh, neutral)
    seam = _seam_height(neutral[middle], opening[middle])
    near = front & (np.abs(neutral[:, 1] - seam) < 3 * LIP_REACH)
    along = np.clip(opening / opening[near].max(), 0.0, 1.0)
    upper, lower = near & (along < 0.3), near & (along > 0.55)

    edges = np.linspace(0.0, MOUTH_HALF_WIDTH - 0.005, 12)
    top = np.array([_edge(neutral, upper, x, np.min) for x in edges])
    bottom = np.array([_edge(neutral, lower, x, np.max) for x in edges])
    there = np.isfinite(top) & np.isfinite(bottom)
    if np.count_nonzero(there) < 4:
        return neutral  # a mesh this coarse has no slit to speak of
    edges, top, bottom = edges[there], top[there], bottom[there]
    across = np.abs(neutral[:, 0])
    height = np.interp(across, edges, (top + bottom) / 2)
    gap = np.interp(across, edges, np.clip(top - bottom, 0.0, 0.0015) + LIP_OVERLAP)
    gap *= np.clip((MOUTH_HALF_WIDTH - across) / 0.005, 0.0, 1.0)
    reach = np.exp(-(((neutral[:, 1] - height) / LIP_REACH) ** 2)) * near
    # from -1 on the upper lip to 1 on the lower, so that they meet in the middle
    towards = np.clip((along - 0.3) / 0.25, 0.0, 1.0) * 2.0 - 1.0
    result = neutral.copy()
    result[:, 1] += gap / 2 * reach * towards
    return floats64(result)


def gums(mesh: HeadMesh, neutral: F64) -> F64:
    """(V,) the part of each row of teeth that lies further than a crown from its biting edge."""
    mask = np.zeros(len(neutral))
    for part, side in ((UPPER_TEETH, -1.0), (LOWER_TEETH, 1.0)):
        row = np.flatnonzero(mesh.parts == part)
        height, depth = side * neutral[row, 1], neutral[row, 2]
        bins = np.linspace(depth.min(), depth.max(), 9)
        middle = (bins[1:] + bins[:-1]) / 2
        edge = [height[(depth >= a) & (depth <= b)].max() for a, b in pairwise(bins)]
        below = np.interp(depth, middle, edge) - height
        crown = np.interp(depth, [depth.min(), depth.max()], CROWN)
        mask[row] = np.clip((below - crown) / 0.002 + 0.5, 0.0, 1.0)
    return floats64(mask)


def _seam_height(points: F64, opening: F64) -> float:
    """Height at which, going down the middle of the face, skin begins to follow the jaw."""
    order = np.argsort(points[:, 1])
    follows = opening[order] > 0.4 * opening.max()
    return float(points[order, 1][follows].max())


def _edge(points: F64, lip: Bool, x: float, extreme: Callable[[F64], F64]) -> float:
    """The lowest or highest point of a lip in a column two millimetres wide."""
    column = lip & (np.abs(np.abs(points[:, 0]) - x) < 0.0012)
    return float(extreme(points[column, 1])) if column.any() else float("nan")
