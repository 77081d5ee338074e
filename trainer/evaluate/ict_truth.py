"""Heads of the ICT-FaceKit light model as ground truth: any seed is a person, known in 3D.

Li et al., Learning Formation of Physically-Based Face Attributes, CVPR 2020. The test asset
ict/ict_facekit_light_f16.npz holds the neutral (centimetres), quads, 57 expression deltas named
like ARKit's and 100 identity deltas of one standard deviation each.
"""

from __future__ import annotations

import functools
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from avatar_rt import _core
from avatar_rt.arrays import F32, F64, I32, U8, Bool, floats32, ints32
from avatar_rt.errors import FileFormatError
from avatar_rt.types import Camera

ASSET = "ict/ict_facekit_light_f16.npz"
# vertex ranges of the model's parts, as its documentation lists them
_SKIN = 11248
_MOUTH, _TEETH, _LEFT_EYE, _RIGHT_EYE, _END = 11248, 17039, 21451, 23021, 24591
_SPREAD = 0.8
"""Standard deviations per identity coefficient: beyond it the model draws noses that nobody has."""
_SHAPES: dict[str, tuple[int, ...] | None] = {
    "neutral": (26719, 3),
    "faces": (26384, 4),
    "identity": (100, 26719, 3),
    "expr": (57, 26719, 3),
    "expr_names": (57,),
}


@dataclass(frozen=True, slots=True)
class _Model:
    neutral: F32
    identity: F32
    expression: dict[str, F32]
    triangles: I32
    skin: Bool


@functools.lru_cache(maxsize=1)
def _model(path: Path) -> _Model:
    try:
        with np.load(path, allow_pickle=False) as file:
            data = {name: file[name] for name in _SHAPES}
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise FileFormatError(path, "file", f"not ICT-FaceKit's light model ({error})") from error
    for name, shape in _SHAPES.items():
        if data[name].shape != shape:
            found = data[name].shape
            raise FileFormatError(path, name, f"has shape {found}, expected {shape}")
    quads = data["faces"][(data["faces"] < _END).all(1)]
    second = quads[quads[:, 3] >= 0]
    triangles = ints32(np.concatenate([quads[:, :3], second[:, [0, 2, 3]]]))
    metres = 0.01
    names = [str(name) for name in data["expr_names"]]
    return _Model(
        floats32(data["neutral"]) * metres,
        floats32(data["identity"]) * metres,
        {n: floats32(d) * metres for n, d in zip(names, data["expr"], strict=True)},
        triangles,
        (triangles < _SKIN).all(1),
    )


def _ict_names(arkit_name: str, known: Mapping[str, F32]) -> list[str]:
    """ARKit's name → ICT's: sides are _L and _R, and two middle shapes are split in sides."""
    for side, letter in (("Left", "_L"), ("Right", "_R")):
        if arkit_name.endswith(side) and arkit_name.removesuffix(side) + letter in known:
            return [arkit_name.removesuffix(side) + letter]
    return [n for n in (arkit_name, arkit_name + "_L", arkit_name + "_R") if n in known]


@dataclass(frozen=True, slots=True)
class Seen:
    """A rendering, with the surface point behind each pixel."""

    image: U8
    """(H, W, 3) uint8."""
    triangle: I32
    """(2H, 2W) int32 at twice the size, -1 for none."""
    barycentric: F32
    """(2H, 2W, 3) float32."""


class IctHead:
    """The person behind a seed. World: metres, y up, looks along +z, origin at the eyes."""

    backdrop = 0.6
    """Grey behind the head."""

    def __init__(self, assets: Path, seed: int) -> None:
        self._model = _model(assets / ASSET)
        self.name = f"ict:{seed}"
        random = np.random.default_rng(seed)
        count = len(self._model.identity)
        weights = random.normal(0, _SPREAD, count).astype(np.float32)
        vertices = self._model.neutral + np.tensordot(weights, self._model.identity, 1)
        eyes = [vertices[a:b].mean(0) for a, b in ((_LEFT_EYE, _RIGHT_EYE), (_RIGHT_EYE, _END))]
        self._neutral = floats32(vertices - (eyes[0] + eyes[1]) / 2)
        self.eye_distance = float(np.linalg.norm(eyes[0] - eyes[1]))
        """Metres between the eyeballs' centres."""
        smile = float(max(0.0, random.uniform(-0.6, 0.6)))
        self.photo_expression = {"mouthSmileLeft": smile, "mouthSmileRight": smile}
        """What the person does while being photographed: half of them smile."""

    @property
    def triangles(self) -> I32:
        """(F, 3) int32."""
        return self._model.triangles

    def vertices(self, arkit: Mapping[str, float]) -> F32:
        """(V, 3) float32 metres with the named ARKit weights."""
        moved = self._neutral.copy()
        for name, weight in arkit.items():
            for part in _ict_names(name, self._model.expression):
                moved += np.float32(weight) * self._model.expression[part]
        return moved

    def render(self, camera: Camera, arkit: Mapping[str, float]) -> Seen:
        """The head under a soft light from above, without hair, before a grey backdrop."""
        vertices = self.vertices(arkit)
        points = vertices @ camera.viewmat[:3, :3].T + camera.viewmat[:3, 3]
        image = points @ camera.K.T
        pixels = np.column_stack([2 * image[:, :2] / image[:, 2:], points[:, 2]])
        width, height = camera.width, camera.height
        triangle, barycentric, _ = _core.rasterize_mesh(
            floats32(pixels), self.triangles, 2 * width, 2 * height, 0
        )
        light = _normals(vertices, self.triangles) @ np.array([0.2, 0.35, 0.9])
        colors = _colors(vertices) * (0.45 + 0.6 * np.clip(light, 0, 1))[:, None]
        picture = np.full((2 * height, 2 * width, 3), self.backdrop)
        hit = triangle >= 0
        picture[hit] = (colors[self.triangles[triangle[hit]]] * barycentric[hit][..., None]).sum(1)
        small = cv2.resize(picture.clip(0, 1), (width, height), interpolation=cv2.INTER_AREA)
        return Seen(np.asarray(small * 255 + 0.5, np.uint8), triangle, barycentric)

    def picture(self, camera: Camera, arkit: Mapping[str, float]) -> tuple[F32, F32]:
        """The same as (H, W, 3) float32 in [0, 1], with its alpha (H, W)."""
        seen = self.render(camera, arkit)
        covered = (seen.triangle >= 0).astype(np.float32)
        alpha = cv2.resize(covered, (camera.width, camera.height), interpolation=cv2.INTER_AREA)
        return floats32(seen.image / 255.0), floats32(alpha)

    def anchors(self, seen: Seen, landmarks: F32) -> tuple[I32, F32]:
        """The skin points that lie behind (N, 2 or 3) landmarks of a rendering: triangle (N,)
        int32, -1 where there is none, and barycentric (N, 3)."""
        height, width = seen.triangle.shape
        x, y = np.floor(2 * landmarks[:, :2]).astype(int).T
        inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
        x, y = np.clip(x, 0, width - 1), np.clip(y, 0, height - 1)
        triangle = np.where(inside, seen.triangle[y, x], -1)
        triangle = np.where((triangle >= 0) & self._model.skin[triangle], triangle, -1)
        return ints32(triangle), seen.barycentric[y, x]

    def points(self, anchors: tuple[I32, F32], arkit: Mapping[str, float]) -> F32:
        """(N, 3) float32 world positions of anchored points; NaN where there is no anchor."""
        triangle, barycentric = anchors
        corners = self.vertices(arkit)[self.triangles[triangle]]
        points = (corners * barycentric[..., None]).sum(1)
        points[triangle < 0] = np.nan
        return floats32(points)


def _normals(vertices: F32, triangles: I32) -> F64:
    a, b, c = (vertices[triangles[:, k]] for k in range(3))
    each = np.cross(b - a, c - a)
    total = np.stack(
        [np.bincount(triangles.ravel(), np.repeat(each[:, k], 3), len(vertices)) for k in range(3)],
        axis=1,
    )
    length = np.linalg.norm(total, axis=1, keepdims=True)
    return np.asarray(total / np.maximum(length, 1e-20), np.float64)


def _colors(vertices: F32) -> F64:
    colors = np.tile(np.array([0.80, 0.62, 0.53]), (len(vertices), 1))
    colors[_MOUTH:_TEETH] = (0.5, 0.2, 0.2)
    colors[_TEETH:_LEFT_EYE] = (0.9, 0.88, 0.8)
    for a, b in ((_LEFT_EYE, _RIGHT_EYE), (_RIGHT_EYE, _END)):
        axis = vertices[a:b] - vertices[a:b].mean(0)
        forward = axis[:, 2] / np.linalg.norm(axis, axis=1)
        colors[a:b] = (0.93, 0.92, 0.9)
        colors[a:b][forward > np.cos(np.radians(28))] = (0.35, 0.22, 0.12)
        colors[a:b][forward > np.cos(np.radians(12))] = (0.03, 0.03, 0.03)
    return colors
