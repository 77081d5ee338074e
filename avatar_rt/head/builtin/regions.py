"""Soft masks over the head: from painted textures, from what shapes move, and from geometry."""

from __future__ import annotations

import cv2
import numpy as np

from avatar_rt.arrays import F32, F64, floats32, floats64
from avatar_rt.errors import FileFormatError
from avatar_rt.head.builtin.mesh import PARTS, SKIN, HeadMesh
from avatar_rt.head.builtin.mouth import gums
from avatar_rt.head.builtin.source import Source

TEXTURES = "mpfb2/textures"
PAINTED = {"lips": "lips", "eyelids": "eyelids", "ears": "ears", "mouth_interior": "inside-mouth"}
PART_NAMES = ("skin", "left_eye", "right_eye", "upper_teeth", "lower_teeth", "tongue")
NOSE_SHAPES = ("nose/nose-scale-horiz-incr", "nose/nose-volume-incr", "nose/nose-flaring-incr",
               "nose/nose-point-width-incr")  # fmt: skip
HAIRLINE = np.array([[0.062, 0.02], [0.055, -0.03], [0.020, -0.062], [-0.005, -0.078],
                     [-0.015, -0.10], [-0.055, -0.14], [-0.065, -0.25]])  # fmt: skip
"""Height and depth in metres of the line, from the forehead over the temple to behind the ear,
below which hair does not grow."""

JAW_EDGE = np.array([[-0.070, -0.085], [-0.082, -0.055], [-0.113, -0.02], [-0.123, 0.01]])
"""Height and depth in metres of the line below which the face is neck."""


def build_regions(
    source: Source,
    mesh: HeadMesh,
    neutral: F64,
    weights: F32,
    identity: dict[str, F64],
) -> dict[str, F32]:
    """Name → (V,) float32 in [0, 1]; neutral (V, 3) metres, shapes (V, 3) by name."""
    skin = mesh.parts == SKIN
    masks = {name: _painted(source, texture, mesh) * skin for name, texture in PAINTED.items()}
    for part, name in enumerate(PART_NAMES[: len(PARTS)]):
        masks[name] = floats64(mesh.parts == part)
    masks["gums"] = gums(mesh, neutral)
    masks["skin"] = skin * (1.0 - masks["mouth_interior"])
    masks["nose"] = _moved([identity[name] for name in NOSE_SHAPES]) * masks["skin"]
    masks["brows"] = _brows(neutral) * masks["skin"]
    masks["neck"] = np.clip(weights[:, 0] + weights[:, 1], 0.0, 1.0) * masks["skin"]
    masks["scalp"] = _scalp(neutral) * masks["skin"] * (1.0 - masks["ears"]) * (1 - masks["neck"])
    rest = (1.0 - masks["scalp"]) * (1.0 - masks["ears"]) * (1.0 - masks["neck"])
    masks["face"] = masks["skin"] * rest * _front(neutral)
    return {
        name: floats32(np.clip((mask + mask[mesh.mirror]) / 2 if symmetric(name) else mask, 0, 1))
        for name, mask in masks.items()
    }


def symmetric(name: str) -> bool:
    """Whether a region lies on both sides of the face alike."""
    return not name.startswith(("left_", "right_"))


def _painted(source: Source, texture: str, mesh: HeadMesh) -> F64:
    """(V,) a grey texture read at each vertex's texture coordinate."""
    name = f"{TEXTURES}/mpfb_{texture}.jpg"
    image = cv2.imdecode(np.frombuffer(source.bytes(name), np.uint8), cv2.IMREAD_GRAYSCALE)
    if image is None:
        raise FileFormatError(source.folder / name, "image", "is not a picture")
    height, width = image.shape
    # the mean over a few texels smooths the edge of a mask that is coarser than the mesh
    image = cv2.blur(image, (5, 5))
    u, v = mesh.uv[mesh.vertex_uv].T
    x = np.clip((u * width).astype(int), 0, width - 1)
    y = np.clip(((1.0 - v) * height).astype(int), 0, height - 1)
    return floats64(image[y, x] / 255.0)


def _moved(shapes: list[F64]) -> F64:
    """(V,) 1 where shapes move a point by half of their largest movement or more, 0 below 15 %."""
    length = np.max(
        [np.linalg.norm(s, axis=1) / np.linalg.norm(s, axis=1).max() for s in shapes], 0
    )
    return floats64(np.clip((length - 0.15) / 0.35, 0.0, 1.0))


def _brows(neutral: F64) -> F64:
    """(V,) the arches over the eyes where eyebrows grow."""
    across, y, z = np.abs(neutral[:, 0]), neutral[:, 1], neutral[:, 2]
    arch = 0.0185 - 4.0 * (across - 0.034) ** 2
    along = np.clip((across - 0.008) / 0.006, 0, 1) * np.clip((0.056 - across) / 0.01, 0, 1)
    return floats64(np.exp(-(((y - arch) / 0.0035) ** 2)) * along * (z > -0.03))


def _front(neutral: F64) -> F64:
    """(V,) 1 before the ears and above the jaw's edge, which rises from the chin to the ears."""
    edge = np.interp(neutral[:, 2], JAW_EDGE[:, 1], JAW_EDGE[:, 0])
    above = np.clip((neutral[:, 1] - edge) / 0.010, 0.0, 1.0)
    return floats64(above * np.clip((neutral[:, 2] + 0.085) / 0.02, 0.0, 1.0))


def _scalp(neutral: F64) -> F64:
    """(V,) 1 above the hairline, 0 one and a half centimetres below it."""
    _, y, z = neutral.T
    # the sides of the forehead recede with x, as depth does along a round head
    line = np.interp(-z, -HAIRLINE[:, 1], HAIRLINE[:, 0])
    return floats64(np.clip((y - line) / 0.015 + 1.0, 0.0, 1.0))
