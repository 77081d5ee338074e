"""LAM avatars as ground truth: people made by others, seen from any side with any expression."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from avatar_rt.arrays import F32
from avatar_rt.importers import import_lam
from avatar_rt.render import Renderer
from avatar_rt.types import Camera, FaceParams
from trainer.evaluate.alignment import over_backdrop


class LamHead:
    """The person of a LAM zip. Raises FileFormatError for a file that is none."""

    backdrop = 1.0
    """Grey behind the head: what LAM avatars are trained before."""

    def __init__(self, path: Path) -> None:
        self.name = path.stem
        self.photo_expression: dict[str, float] = {}
        """The face is photographed at rest."""
        self._renderer = Renderer(import_lam(path))

    def picture(self, camera: Camera, arkit: Mapping[str, float]) -> tuple[F32, F32]:
        """The head with the named ARKit weights: (H, W, 3) over the backdrop, alpha (H, W)."""
        params = FaceParams.from_arkit(arkit)
        return over_backdrop(self._renderer, camera, params, self.backdrop)
