"""Eyes, teeth, tongue and the inside of the mouth: painted, in the photograph's own colours.

A photograph shows them from one side, half covered, with lids and lights on them; stretched over an
eyeball that turns, it would give itself away. So only colours are taken from it: of the iris, of
the white, of teeth where a smile shows them, and of the light that falls on the skin.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from avatar_rt.arrays import F32, F64, Array, floats32, floats64
from trainer.portrait.colors import Seen
from trainer.portrait.maps import at_pixels, signed_distance, step
from trainer.portrait.mask import LEFT_EYE, RIGHT_EYE, View
from trainer.portrait.scene import Scene
from trainer.portrait.surface import TEETH, Kind, Samples

RIGHT_IRIS, LEFT_IRIS = (468, 469, 470, 471, 472), (473, 474, 475, 476, 477)
"""MediaPipe's numbering: the centre, then four points of the rim."""
_WHITE = np.array([0.86, 0.84, 0.82])
_PUPIL = np.array([0.035, 0.03, 0.03])
_ENAMEL = np.array([0.87, 0.83, 0.75])
_GUM = np.array([0.70, 0.36, 0.35])
_TONGUE = np.array([0.66, 0.34, 0.34])
_THROAT = np.array([0.075, 0.026, 0.024])
_UPPER_WIDTHS = np.array([8.5, 6.6, 7.6, 7.0, 6.8, 10.2, 9.8]) * 1e-3
_LOWER_WIDTHS = np.array([5.4, 5.9, 6.8, 7.0, 7.1, 11.0, 10.5]) * 1e-3
"""Metres, from the middle outwards: mean widths of adult teeth."""
_CROWN = 0.0095
"""Metres from a tooth's edge to its gum."""


@dataclass(frozen=True, slots=True)
class EyeLook:
    """What the photograph says about one eye."""

    iris: F64
    """(3,) colour."""
    white: F64
    """(3,) colour."""
    radius: float
    """Of the iris, metres."""


def brightness(samples: Samples, seen: Seen) -> float:
    """The light on the skin against an evenly lit one, in [0.45, 1.15]."""
    good = (samples.kinds == Kind.SKIN) & (seen.trust > 0.8)
    if not good.any():
        return 1.0
    return float(np.clip(np.median(seen.colors[good].mean(1)) / 0.6, 0.45, 1.15))


def saturation(samples: Samples, seen: Seen) -> float:
    """How colourful the photograph is, in [0, 1]: 0 for a grey one, 1 as skin is by daylight."""
    good = seen.colors[(samples.kinds == Kind.SKIN) & (seen.trust > 0.8)]
    if not len(good):
        return 1.0
    chroma = np.ptp(good, axis=1) / np.maximum(good.max(1), 1e-3)
    return float(np.clip(np.median(chroma) / 0.2, 0, 1))


def _tinted(color: F64, tint: float) -> F64:
    """A colour with its saturation multiplied."""
    grey = color.mean()
    return floats64(grey + tint * (color - grey))


def eye_look(scene: Scene, left: bool, light: float) -> EyeLook:
    """Iris and white of the subject's left or right eye."""
    view = scene.view
    rim = view.landmarks[list(LEFT_IRIS if left else RIGHT_IRIS)]
    centre = rim[0]
    radius = float(np.linalg.norm(rim[1:] - centre, axis=1).mean())
    yy, xx = np.mgrid[: view.shape[0], : view.shape[1]] + 0.5
    distance = np.hypot(xx - centre[0], yy - centre[1]) / max(radius, 1e-3)
    opening = view.polygon(LEFT_EYE if left else RIGHT_EYE)
    depth = signed_distance(opening) / view.unit
    # the upper lid's shadow and lashes lie over the upper half
    ring = (distance > 0.45) & (distance < 0.85) & (yy > centre[1] - 0.3 * radius) & (depth > 0.5)
    white = (distance > 1.25) & (depth > 1.0)
    iris_color = _middle(view, ring, np.array([0.30, 0.22, 0.16]) * light, 0.45)
    white_color = _middle(view, white, _WHITE * light, 0.7)
    # a few pixels beside lashes are easily too dark
    pale = np.clip(white_color.mean(), 0.62 * light, 0.95)
    white_color = 0.6 * white_color * pale / max(white_color.mean(), 1e-3) + 0.4 * _WHITE * pale
    joint = scene.rig.joint_names.index("left_eye" if left else "right_eye")
    place = scene.rig.joints[joint] @ scene.camera.viewmat[:3, :3].T + scene.camera.viewmat[:3, 3]
    metres = radius * place[2] / scene.camera.K[0, 0]
    return EyeLook(iris_color, white_color, float(np.clip(metres, 0.0053, 0.0065)))


def _middle(view: View, where: Array, otherwise: F64, quantile: float) -> F64:
    """The colour of the pixel at a quantile of brightness, averaged with its like."""
    pixels = view.image[where]
    if len(pixels) < 6:
        return floats64(otherwise)
    order = np.argsort(pixels.mean(1))
    middle = int(quantile * len(order))
    reach = max(2, len(order) // 6)
    return floats64(pixels[order[max(0, middle - reach) : middle + reach]].mean(0))


def paint_eye(offsets: F64, look: EyeLook, rng: np.random.Generator) -> F32:
    """(N, 3) colours of points of an eyeball: offsets (N, 3) metres from its centre, looking +z."""
    ball = np.linalg.norm(offsets, axis=1, keepdims=True)
    d = offsets / np.maximum(ball, 1e-9)
    angle = np.arctan2(np.hypot(d[:, 0], d[:, 1]), d[:, 2])
    rim = np.arcsin(np.clip(look.radius / float(np.median(ball)), 0, 0.95))
    r = (angle / rim)[:, None]
    around = np.arctan2(d[:, 1], d[:, 0])
    phases, turns = rng.uniform(0, 2 * np.pi, 14), rng.integers(9, 42, 14)
    fibres = np.sin(around[:, None] * turns + phases).sum(1, keepdims=True) / np.sqrt(14)
    iris = look.iris * (1.12 - 0.15 * r + 0.10 * fibres * step(r, 0.4, 0.6))
    iris = iris * (1 - 0.55 * step(r, 0.78, 1.0))
    white = look.white * (1 - 0.22 * step(angle, 0.75, 1.4)[:, None])
    white = white * (1 - 0.15 * step(d[:, 1], 0.15, 0.45)[:, None])  # the upper lid's shadow
    veins = np.array([0.0, -0.045, -0.05]) * step(np.abs(d[:, 0]), 0.45, 0.85)[:, None]
    color = _PUPIL + (iris - _PUPIL) * step(r, 0.30, 0.40)
    color = color + (white + veins - color) * step(r, 0.94, 1.08)
    light = np.hypot(d[:, 0] + 0.30 * rim, d[:, 1] - 0.36 * rim) / rim
    color = color + (0.97 - color) * (1 - step(light, 0.10, 0.24))[:, None]
    return floats32(color)


def paint_teeth(rest: F64, upper: bool, enamel: F64, gums: F64) -> F32:
    """(N, 3) colours of points of a row of teeth: rest (N, 3) metres, both ends at the back."""
    front = rest[:, 2].max()
    # arc length from the middle, along an arch that narrows towards the front
    order = np.argsort(-rest[:, 2])
    reach = np.abs(rest[:, 0])
    arch = 0.6 * reach + 0.4 * np.hypot(reach, front - rest[:, 2]) + 0.35 * (front - rest[:, 2])
    widths = _UPPER_WIDTHS if upper else _LOWER_WIDTHS
    joints = np.concatenate([[0.0], np.cumsum(widths)])
    to_joint = np.abs(arch[:, None] - joints).min(1)
    edge = rest[order[: max(8, len(rest) // 5)], 1]
    height = rest[:, 1] - edge.min() if upper else edge.max() - rest[:, 1]
    tooth = np.clip(np.searchsorted(joints, arch) - 1, 0, len(widths) - 1)
    # gums rise between the teeth
    scallop = 0.0016 * np.cos(np.pi * np.clip(to_joint / (widths[tooth] / 2), 0, 1))
    gum = step(height, _CROWN - 0.0006 - scallop, _CROWN + 0.0004 - scallop)[:, None]
    color = enamel * (0.93 + 0.07 * step(height, 0.0, 0.004))[:, None]
    color = color * (1 - 0.42 * np.exp(-((to_joint / 0.00045) ** 2)))[:, None]
    color = color * (1 - gum) + gums * gum
    back = step(front - rest[:, 2], 0.006, 0.038)[:, None]
    return floats32(color * (1 - 0.75 * back))


def paint_features(
    scene: Scene, samples: Samples, seen: Seen, colors: F32, rng: np.random.Generator
) -> F32:
    """`colors` (N, 3) with eyes, teeth, tongue and mouth painted in."""
    out = colors.copy()
    light, tint = brightness(samples, seen), saturation(samples, seen)
    rest = floats64(samples.at(scene.rig.vertices, scene.rig.faces))
    for kind, left in ((Kind.LEFT_EYE, True), (Kind.RIGHT_EYE, False)):
        mine = samples.kinds == kind
        joint = scene.rig.joint_names.index("left_eye" if left else "right_eye")
        out[mine] = paint_eye(
            rest[mine] - scene.rig.joints[joint], eye_look(scene, left, light), rng
        )
    teeth = np.isin(samples.kinds, TEETH) & (seen.trust > 0.6)
    enamel = _tinted(_ENAMEL * light, tint)
    if teeth.sum() > 25:
        shown = np.percentile(seen.colors[teeth], 65, axis=0)
        enamel = 0.7 * shown + 0.3 * enamel if shown.mean() > 0.35 else enamel
    for kind in TEETH:
        mine = samples.kinds == kind
        if mine.any():
            gum = _tinted(_GUM * light, tint)
            painted = paint_teeth(rest[mine], kind == Kind.UPPER_TEETH, enamel, gum)
            trust = seen.trust[mine, None]
            out[mine] = painted + trust * (seen.colors[mine] - painted)
    lips = scene.rig.vertices[: scene.head_vertices][scene.model.regions["lips"] > 0.5]
    behind = lips[:, 2].max() - rest[:, 2] if len(lips) else np.zeros(len(rest))
    insides = ((Kind.TONGUE, _TONGUE, 0.022, 0.095), (Kind.MOUTH, _GUM * 0.6, 0.015, 0.065))
    for kind, near, first, last in insides:
        mine = samples.kinds == kind
        color = _tinted(near * light * 0.9, tint)
        depth = step(behind[mine], first, last)[:, None]
        out[mine] = (color + (_THROAT - color) * depth).astype(np.float32)
    return out


def paint_lashes(scene: Scene, samples: Samples, seen: Seen, colors: F32) -> F32:
    """`colors` (N, 3) with the lids' margins darkened as the photograph's are."""
    out = colors.copy()
    view = scene.view
    for outline in (LEFT_EYE, RIGHT_EYE):
        ring = view.landmarks[list(outline)]
        distance = np.abs(signed_distance(view.polygon(outline))) / view.unit
        corners, middle = ring[[0, 8]], ring.mean(0)
        width = float(np.linalg.norm(corners[0] - corners[1])) / view.unit
        edge = view.image[distance < 1.0]
        dark = np.percentile(edge, 12, axis=0) if len(edge) else np.zeros(3)
        thick = max(0.6, 0.022 * width)
        near = at_pixels(floats32(distance), seen.pixels)
        mine = (samples.kinds == Kind.SKIN) & (near < 3 * thick) & (near >= 0)
        close = np.linalg.norm(seen.pixels - middle, axis=1) < 0.75 * width * view.unit
        above = step(
            middle[1] - seen.pixels[:, 1], -0.03 * width * view.unit, 0.05 * width * view.unit
        )
        strength = (0.35 + 0.5 * above) * np.exp(-((near / thick) ** 2)) * (mine & close)
        strength *= 1 - seen.trust
        out += strength[:, None].astype(np.float32) * (dark.astype(np.float32) - out)
    return out
