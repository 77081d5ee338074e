"""From timed sounds to a moving mouth: targets, co-articulation, and closures that close.

Each sound pulls every part of the mouth towards its target with its own strength, which fades
before and after it; the mouth is the weighted mean of all pulls (the dominance functions of Cohen
and Massaro, "Modeling coarticulation in synthetic visual speech", 1993). A consonant that does not
care about the lips pulls on them weakly, so the rounding of a coming vowel is seen through it.
A mean never quite reaches its extremes, but p, b, m must close and f, v must bite: these are laid
over the mean afterwards.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from avatar_rt.arkit import ARKIT_INDEX, arkit_weights
from avatar_rt.arrays import F32, F64
from avatar_rt.drivers.visemes import VISEME_INDEX, VISEMES, Phone, sounds_of

REACH_S = 0.35
"""A sound's pull is neglected further than this from it."""
_ANTICIPATION_S, _CARRY_OVER_S = 0.055, 0.045
"""Seconds in which a pull falls to 1/e before and after its sound."""
_CLOSING_S, _OPENING_S, _HOLD_S = 0.065, 0.055, 0.045
"""A closure's ramps, and the least time that it is held: no frame rate above 25 misses it."""

_BOTH = ("Left", "Right")


def _both(**weights: float) -> dict[str, float]:
    return {f"{name}{side}": value for name, value in weights.items() for side in _BOTH}


# ARKit weights at which each viseme is seen at its fullest, chosen by eye on rendered heads.
_TARGETS: dict[str, dict[str, float]] = {
    "sil": {},
    "PP": {"jawOpen": 0.05},
    "FF": {"jawOpen": 0.06},
    "TH": {"jawOpen": 0.14, "tongueOut": 0.25, **_both(mouthLowerDown=0.2, mouthUpperUp=0.12)},
    "DD": {"jawOpen": 0.13, **_both(mouthLowerDown=0.2, mouthUpperUp=0.1, mouthStretch=0.06)},
    "kk": {"jawOpen": 0.17, **_both(mouthLowerDown=0.16, mouthUpperUp=0.08)},
    "CH": {
        "jawOpen": 0.08,
        "mouthFunnel": 0.45,
        "mouthPucker": 0.15,
        **_both(mouthLowerDown=0.2, mouthUpperUp=0.15),
    },
    "SS": {
        "jawOpen": 0.04,
        **_both(mouthLowerDown=0.28, mouthUpperUp=0.12, mouthStretch=0.16, mouthSmile=0.08),
    },
    "RR": {
        "jawOpen": 0.14,
        "mouthFunnel": 0.22,
        "mouthPucker": 0.3,
        **_both(mouthLowerDown=0.12, mouthUpperUp=0.08),
    },
    "aa": {"jawOpen": 0.46, **_both(mouthLowerDown=0.2, mouthUpperUp=0.14, mouthStretch=0.08)},
    "E": {
        "jawOpen": 0.3,
        **_both(mouthLowerDown=0.22, mouthUpperUp=0.12, mouthStretch=0.14, mouthSmile=0.14),
    },
    "I": {
        "jawOpen": 0.15,
        **_both(mouthLowerDown=0.24, mouthUpperUp=0.1, mouthStretch=0.2, mouthSmile=0.26),
    },
    "O": {
        "jawOpen": 0.36,
        "mouthFunnel": 0.42,
        "mouthPucker": 0.22,
        **_both(mouthLowerDown=0.08, mouthUpperUp=0.04),
    },
    "U": {"jawOpen": 0.11, "mouthFunnel": 0.28, "mouthPucker": 0.6},
}


@dataclass(frozen=True, slots=True)
class _Pull:
    """How strongly a viseme pulls on each part of the mouth."""

    jaw: float = 1.0
    rounding: float = 1.0
    spreading: float = 1.0
    lips: float = 1.0
    tongue: float = 1.0


_VOWEL = _Pull()
_PULLS: dict[str, _Pull] = {
    "sil": _Pull(jaw=0.9, rounding=0.5, spreading=0.6, lips=0.8),
    "PP": _Pull(jaw=1.0, rounding=0.12, spreading=0.15, lips=0.5),
    "FF": _Pull(jaw=1.0, rounding=0.3, spreading=0.2, lips=0.6),
    "TH": _Pull(jaw=0.8, rounding=0.15, spreading=0.15, lips=0.7, tongue=2.0),
    "DD": _Pull(jaw=0.7, rounding=0.1, spreading=0.15, lips=0.5),
    "kk": _Pull(jaw=0.4, rounding=0.08, spreading=0.1, lips=0.3),
    "CH": _Pull(jaw=1.4, rounding=0.9, spreading=0.8, lips=1.0),
    "SS": _Pull(jaw=1.6, rounding=0.25, spreading=0.4, lips=1.0),
    "RR": _Pull(jaw=0.6, rounding=0.6, spreading=0.6, lips=0.6),
    "aa": _VOWEL,
    "E": _VOWEL,
    "I": _VOWEL,
    "O": _Pull(rounding=1.4),
    "U": _Pull(rounding=1.7, spreading=1.4),
}
_PARTS: dict[str, tuple[str, ...]] = {
    "jaw": ("jawOpen",),
    "rounding": ("mouthFunnel", "mouthPucker"),
    "spreading": tuple(_both(mouthSmile=0, mouthStretch=0)),
    "lips": tuple(_both(mouthLowerDown=0, mouthUpperUp=0)),
    "tongue": ("tongueOut",),
}
_CHANNELS = tuple(name for names in _PARTS.values() for name in names)
_COLUMNS = np.array([ARKIT_INDEX[name] for name in _CHANNELS])
_JAW_COLUMN = _CHANNELS.index("jawOpen")
_TARGET_TABLE: F64 = np.stack([arkit_weights(_TARGETS[v])[_COLUMNS] for v in VISEMES]).astype(float)
_PULL_TABLE: F64 = np.array(
    [[getattr(_PULLS[v], part) for part, names in _PARTS.items() for _ in names] for v in VISEMES]
)

_JAW = ARKIT_INDEX["jawOpen"]
_CLOSE = ARKIT_INDEX["mouthClose"]
# What stays of the open mouth's weights while the lips are closed, and what the closure adds.
_KEPT_CLOSED = np.ones(52)
_OPENERS = ("mouthFunnel", "tongueOut", *_both(mouthLowerDown=0, mouthUpperUp=0))
for _name in (*_OPENERS, "mouthRollLower"):
    _KEPT_CLOSED[ARKIT_INDEX[_name]] = 0.0
_KEPT_CLOSED[ARKIT_INDEX["mouthPucker"]] = 0.6
_CLOSED = arkit_weights(
    {"mouthRollLower": 0.14, "mouthRollUpper": 0.12, **_both(mouthPress=0.28)}
).astype(float)
_CLOSED_JAW = 0.07
_KEPT_BITTEN = np.ones(52)
for _name in ("mouthFunnel", "mouthPucker", "tongueOut", *_both(mouthLowerDown=0)):
    _KEPT_BITTEN[ARKIT_INDEX[_name]] = 0.2
for _name in _both(mouthUpperUp=0):
    _KEPT_BITTEN[ARKIT_INDEX[_name]] = 0.0
_BITTEN = arkit_weights({"mouthRollLower": 0.62, **_both(mouthUpperUp=0.22)}).astype(float)
_BITTEN_JAW = 0.07


def mouth_weights(phones: Sequence[Phone], times: F64, loudness: F64) -> F32:
    """The mouth at some moments.

    phones: in order of time, filling it. times: (T,) float64 seconds, ascending.
    loudness: (T,) float64, 1 for ordinary speech, scales how far the jaw opens.
    Returns (T, 52) float32 ARKit weights in [0, 1]; a moment far from every phone is at rest.
    """
    pulled = np.zeros((len(times), len(_CHANNELS)))
    # A faint pull to rest, so that a moment beyond all phones has a mean.
    strength = np.full((len(times), len(_CHANNELS)), 1e-3)
    held: dict[str, list[tuple[float, float]]] = {"PP": [], "FF": []}
    for phone in phones:
        begin = phone.start
        for sound in sounds_of(phone.name):
            end = begin + (phone.end - phone.start) * sound.share
            lo, hi = np.searchsorted(times, (begin - REACH_S, end + REACH_S))
            if hi > lo:
                row = VISEME_INDEX[sound.viseme]
                here = times[lo:hi]
                pull = _dominance(here, begin, end)[:, None] * _PULL_TABLE[row]
                target = _TARGET_TABLE[row].copy()
                target[_JAW_COLUMN] *= sound.opening
                pulled[lo:hi] += pull * target
                strength[lo:hi] += pull
                if sound.viseme in held:
                    held[sound.viseme].append((begin, end))
            begin = end
    closed, bitten = _held(times, held["PP"]), _held(times, held["FF"])
    weights = np.zeros((len(times), 52))
    weights[:, _COLUMNS] = pulled / strength
    weights[:, _JAW] *= loudness
    _lay_over(weights, bitten, _KEPT_BITTEN, _BITTEN, _BITTEN_JAW)
    _lay_over(weights, closed, _KEPT_CLOSED, _CLOSED, _CLOSED_JAW)
    # mouthClose undoes on the lips what jawOpen does to them: equal weights keep them together.
    weights[:, _CLOSE] = closed * weights[:, _JAW]
    return np.clip(weights, 0.0, 1.0).astype(np.float32)


def _dominance(times: F64, begin: float, end: float) -> F64:
    """(T,) how near the sound is: 1 in its middle half, falling as e^(-d/τ) outside."""
    middle, half = (begin + end) / 2, (end - begin) / 2
    outside = np.maximum(np.abs(times - middle) - half * 0.5, 0.0)
    fade = np.where(times < middle, _ANTICIPATION_S, _CARRY_OVER_S)
    return np.asarray(np.exp(-outside / fade))


def _held(times: F64, sounds: Sequence[tuple[float, float]]) -> F64:
    """(T,) the degree of closures at these (begin, end): 1 within, smooth ramps before and after.

    Between two of them the ramps share the time there is, so that a short vowel is still seen.
    """
    degree = np.zeros(len(times))
    closed_before = -np.inf
    for k, (begin, end) in enumerate(sounds):
        short = max(_HOLD_S - (end - begin), 0.0) / 2
        first, last = begin - short, end + short
        closed_after = sounds[k + 1][0] if k + 1 < len(sounds) else np.inf
        closing = min(_CLOSING_S, max((first - closed_before) * 0.5, 0.01))
        opening = min(_OPENING_S, max((closed_after - last) * 0.4, 0.01))
        lo, hi = np.searchsorted(times, (first - closing, last + opening))
        here = times[lo:hi]
        away = np.clip(np.maximum((first - here) / closing, (here - last) / opening), 0.0, 1.0)
        smooth = 1.0 - away * away * (3.0 - 2.0 * away)
        np.maximum(degree[lo:hi], smooth, out=degree[lo:hi])
        closed_before = last
    return degree


def _lay_over(weights: F64, degree: F64, kept: F64, added: F64, jaw: float) -> None:
    """Moves the weights (T, 52), in place, towards kept · weights + added with at most `jaw`."""
    shut = weights * kept + added
    shut[:, _JAW] = np.minimum(weights[:, _JAW], jaw)
    weights += degree[:, None] * (shut - weights)
