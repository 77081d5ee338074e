"""The renderers that anyone would write first, timed beside the core."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from avatar_rt.arrays import Array, floats32
from avatar_rt.baseline import Posed, numpy_picture, plain_picture, posed
from avatar_rt.errors import BackendError
from avatar_rt.fidelity import head_psnr_db
from avatar_rt.measure.turns import Turn, ratio
from avatar_rt.render import Renderer
from avatar_rt.types import Camera, FaceParams, Quality

Picture = Callable[[Posed, Camera], tuple[Array, Array, int]]
_SAME_PICTURE_DB = 60.0


@dataclass(frozen=True, slots=True)
class Baseline:
    """A renderer to compare with, on one thread, exact. The core animates, it does the rest."""

    name: str
    ms_median: float
    """Of the whole frame, the core's animation included."""
    ns_per_pair: float
    """Of that frame without the animation, per blended pair."""
    psnr_db: float
    """One picture of it against the core's exact one, over the head."""
    ratio: dict[str, dict[str, float]]
    """How many times as long as the core it takes: ratio[quality][threads], or
    ratio[quality]["cuda"]."""


class Rival:
    """A baseline while it is measured. Where it draws another picture than the core, its time would
    mean nothing: then its constructor raises BackendError."""

    def __init__(
        self, name: str, picture: Picture, renderer: Renderer, camera: Camera, every: int
    ) -> None:
        """every: as Turn has it."""
        self.name = name
        self.turn = Turn(self._draw, every)
        self.psnr_db = _psnr_db(picture, renderer, camera)
        if self.psnr_db < _SAME_PICTURE_DB:
            raise BackendError(
                f"the {name} renderer and the core draw different pictures: {self.psnr_db:.1f} dB"
            )
        self._picture, self._renderer, self._camera = picture, renderer, camera
        self._ns_per_pair: list[float] = []

    def _draw(self, face: FaceParams) -> Mapping[str, float]:
        start = time.perf_counter()
        scene = posed(self._renderer, face, self._camera)
        animated = time.perf_counter()
        pairs = self._picture(scene, self._camera)[2]
        end = time.perf_counter()
        self._ns_per_pair.append(1e9 * (end - animated) / max(pairs, 1))
        return {"animate": animated - start, "splat": end - animated}

    def measured(self, core: Mapping[tuple[Quality, str], Turn]) -> Baseline:
        """What came out, beside the core's turns by quality and number of threads or device."""
        ratios: dict[str, dict[str, float]] = {}
        for (quality, who), turn in core.items():
            ratios.setdefault(quality, {})[who] = ratio(self.turn, turn)
        return Baseline(
            self.name,
            float(np.median(self.turn.ms())),
            float(np.median(self._ns_per_pair)),
            self.psnr_db,
            ratios,
        )


def rivals(renderer: Renderer, camera: Camera) -> list[Rival]:
    """Both baselines; the slower, the rarer."""
    return [
        Rival("plain scalar", plain_picture, renderer, camera, every=2),
        Rival("NumPy", numpy_picture, renderer, camera, every=5),
    ]


def _psnr_db(picture: Picture, renderer: Renderer, camera: Camera) -> float:
    face = FaceParams()
    image, alpha, _ = picture(posed(renderer, face, camera), camera)
    core = renderer.render(face, camera, format="float32", quality="exact").pixels
    return head_psnr_db(floats32(np.dstack([image, alpha])), floats32(core))
