"""LAM avatars as ground truth: people made by others, seen from any side with any expression.

Their mesh begins with FLAME's 5,023 vertices, and flame/mediapipe_landmark_embedding.npz says where
105 of MediaPipe's points lie on FLAME: so how a face moves is known in 3D, without a detector.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from avatar_rt.arrays import F32, I32, floats32, ints32
from avatar_rt.errors import FileFormatError
from avatar_rt.importers import import_lam
from avatar_rt.render import Renderer
from avatar_rt.types import Camera, FaceParams
from trainer.evaluate.alignment import over_backdrop
from trainer.evaluate.assets import asset
from trainer.portrait.points import COUNT

_EMBEDDING, _TOPOLOGY = "flame/mediapipe_landmark_embedding.npz", "lam/flame_topology_arkit51.npz"
_FLAME_FACES = 9976


class LamHead:
    """The person of a LAM zip. Raises FileFormatError for a file that is none."""

    backdrop = 1.0
    """Grey behind the head: what LAM avatars are trained before."""

    def __init__(self, path: Path) -> None:
        self.name = path.stem
        self.photo_expression: dict[str, float] = {}
        """The face is photographed at rest."""
        self._renderer = Renderer(import_lam(path))
        self._known, self._corners, self._barycentric = _embedding()

    def picture(self, camera: Camera, arkit: Mapping[str, float]) -> tuple[F32, F32]:
        """The head with the named ARKit weights: (H, W, 3) over the backdrop, alpha (H, W)."""
        params = FaceParams.from_arkit(arkit)
        return over_backdrop(self._renderer, camera, params, self.backdrop)

    def points(self, arkit: Mapping[str, float]) -> F32:
        """(478, 3) float32 world positions of MediaPipe's points; NaN for those not on FLAME."""
        corners = self._renderer.vertices(FaceParams.from_arkit(arkit))[self._corners]
        points = np.full((COUNT, 3), np.nan, np.float32)
        points[self._known] = (corners * self._barycentric[..., None]).sum(1)
        return points


def _embedding() -> tuple[I32, I32, F32]:
    """Landmark numbers (105,), their triangles' corners (105, 3) and barycentric (105, 3)."""
    path, topology = asset(_EMBEDDING), asset(_TOPOLOGY)
    try:
        with np.load(path, allow_pickle=False) as file:
            numbers, faces = ints32(file["landmark_indices"]), ints32(file["lmk_face_idx"])
            barycentric = floats32(file["lmk_b_coords"])
        with np.load(topology, allow_pickle=False) as file:
            triangles = ints32(file["faces"])
    except (OSError, ValueError, KeyError) as error:
        raise FileFormatError(path, "file", f"not the landmarks of FLAME ({error})") from error
    if (
        triangles.shape != (_FLAME_FACES, 3)
        or len(numbers) != len(faces)
        or faces.max() >= len(triangles)
    ):
        raise FileFormatError(path, "lmk_face_idx", "does not belong to FLAME's 9,976 triangles")
    return numbers, triangles[faces], barycentric
