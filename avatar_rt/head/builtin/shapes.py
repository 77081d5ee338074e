"""Which shapes of the MakeHuman data make the head's mean, its identities and its expressions.

The base mesh alone is nobody: MakeHuman's people are base + macro shapes. Our mean is the mean of
the six young adults (three ancestries, two sexes); each identity shape is a direction from there.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from avatar_rt.arkit import ARKIT_NAMES
from avatar_rt.arrays import F64, floats64
from avatar_rt.head.builtin.eyes import eyeballs, round_identity, round_mean
from avatar_rt.head.builtin.mouth import seat_mouth
from avatar_rt.head.builtin.source import BaseMesh, Source

EXPRESSIONS = "faceunits01/targets/faceunits"
TARGETS = "mpfb2/targets"
MACROS = f"{TARGETS}/macrodetails"
FOLDERS = ("head", "forehead", "eyebrows", "eyes", "nose", "cheek", "mouth", "chin", "ears", "neck")
ANCESTRIES = ("african", "asian", "caucasian")
SEXES = ("female", "male")
OPPOSITES = (("decr", "incr"), ("in", "out"), ("down", "up"), ("backward", "forward"),
             ("concave", "convex"), ("compress", "uncompress"), ("square", "round"),
             ("pointed", "triangle"))  # fmt: skip
SLIDER_STD = 0.4
"""MakeHuman's sliders end where faces stop being plausible; we take that as 2.5 deviations. The
data come without a population, so this is a judgement, not a measurement."""
SIDEWAYS = ("head/head-trans-out", "nose/nose-trans-out", "mouth/mouth-trans-out",
            "neck/neck-trans-out")  # fmt: skip
SIDEWAYS_STD = 0.12
"""Faces are crooked, but by little."""
MAX_STD_METRES = 0.004
"""No slider's deviation moves any point of the face further: adult faces' landmarks scatter by
about that much after alignment."""
MACRO_STD = {"sex": 0.8, "age-old": 0.5, "age-child": 0.35, "weight": 0.5, "muscle": 0.4}


@dataclass(frozen=True, slots=True)
class Shapes:
    """The mean and its directions on the B kept vertices of the base mesh, in decimetres, the eyes'
    midpoint held still."""

    mean: F64
    """(B, 3)."""
    identity: F64
    """(I, B, 3)."""
    identity_names: tuple[str, ...]
    identity_std: F64
    """(I,)."""
    expressions: F64
    """(52, B, 3), ordered as ARKIT_NAMES."""


def read_shapes(source: Source, base: BaseMesh) -> Shapes:
    """Reads everything, for the vertices of `base`, which are those that `source` keeps.

    Raises FileFormatError where a file is missing or malformed.
    """
    directions = _macro_directions(source)
    mean = base.vertices + directions.pop("mean")
    names, shapes, std = list(directions), list(directions.values()), []
    for name in names:
        std.append(MACRO_STD.get(name.removeprefix("macro-"), 0.5))
    for name, shape in _slider_directions(source).items():
        names.append(name)
        shapes.append(shape)
        std.append(SIDEWAYS_STD if name in SIDEWAYS else SLIDER_STD)

    mean = seat_mouth(base, round_mean(base, mean))
    identity = round_identity(base, mean, np.stack(shapes))
    eyes = np.concatenate(eyeballs(base))
    origin = mean[eyes].mean(0)
    identity -= identity[:, eyes].mean(1, keepdims=True)
    return Shapes(
        mean=floats64(mean - origin),
        identity=identity,
        identity_names=tuple(names),
        identity_std=floats64(std),
        expressions=np.stack(
            [source.target(f"{EXPRESSIONS}/{name}.target") for name in ARKIT_NAMES]
        ),
    )


def _macro_directions(source: Source) -> dict[str, F64]:
    """The mean of the young adults, and how sex, ancestry, age, weight and muscle change it."""
    faces = {
        (ancestry, sex, age): source.target(f"{MACROS}/{ancestry}-{sex}-{age}.target.gz")
        for ancestry in ANCESTRIES
        for sex in SEXES
        for age in ("young", "old", "child")
    }

    def mean(*fixed: str) -> F64:
        chosen = [face for key, face in faces.items() if set(fixed) <= set(key)]
        return floats64(np.mean(chosen, 0))

    adult = mean("young")
    result = {
        "mean": adult,
        "macro-sex": (mean("male", "young") - mean("female", "young")) / 2,
        **{f"macro-{a}": mean(a, "young") - adult for a in ANCESTRIES},
        "macro-age-old": mean("old") - adult,
        "macro-age-child": mean("child") - adult,
    }
    for what, pattern in (
        ("weight", "averagemuscle-{}weight"),
        ("muscle", "{}muscle-averageweight"),
    ):
        most, least = (
            np.mean([source.target(f"{MACROS}/universal-{sex}-young-{ends}.target.gz")
                     for sex in SEXES], 0)
            for ends in (pattern.format("max"), pattern.format("min"))
        )  # fmt: skip
        result[f"macro-{what}"] = floats64((most - least) / 2)
    return result


def _slider_directions(source: Source) -> dict[str, F64]:
    """MakeHuman's face sliders: a pair of opposite shapes becomes one direction."""
    files = {}
    for folder in FOLDERS:
        for name in source.names(f"{TARGETS}/{folder}/*.target.gz"):
            files[f"{folder}/{name.rpartition('/')[2].removesuffix('.target.gz')}"] = name
    result: dict[str, F64] = {}
    for name, file in files.items():
        stem, _, end = name.rpartition("-")
        forward = next((f"{stem}-{b}" for a, b in OPPOSITES if end == a), None)
        backward = next((f"{stem}-{a}" for a, b in OPPOSITES if end == b), None)
        if forward in files:
            result[forward] = (source.target(files[forward]) - source.target(file)) / 2
        elif backward not in files:
            result[name] = source.target(file)
    return result
