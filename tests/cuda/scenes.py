"""Scenes of plain arrays for a device, and the same arrays in its memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from avatar_rt import _core
from avatar_rt.arrays import F32, F64, floats32


@dataclass(frozen=True)
class Arrays:
    """What _core.splat takes; sizes and layout vary with the seed."""

    gaussians: dict[str, Any]
    sh_degree: int | None
    viewmats: F64
    Ks: F64
    width: int
    height: int
    background: F32 | None
    channels: int

    @property
    def fixed(self) -> dict[str, Any]:
        """What stands behind the Gaussians in a call."""
        return {
            "sh_degree": self.sh_degree, "viewmats": self.viewmats, "Ks": self.Ks,
            "width": self.width, "height": self.height, "background": self.background,
        }  # fmt: skip

    @property
    def count(self) -> int:
        """How many Gaussians."""
        return int(self.gaussians["means"].shape[-2])

    def on_device(self) -> dict[str, Any]:
        """The Gaussians in the first device's memory."""
        return {k: None if a is None else _core.CudaFloats(a) for k, a in self.gaussians.items()}


def random_arrays(
    seed: int, count: int = 200, *, channels: int = 3, sh_degree: int | None = None, views: int = 2,
    shared: bool = True, by_covariance: bool = False,
) -> Arrays:  # fmt: skip
    """Gaussians around the origin, some of them large, thin or opaque, seen from one metre away."""
    rng = np.random.default_rng(seed)
    lead = () if shared else (views,)

    def normal(*shape: int) -> F32:
        return rng.standard_normal((*lead, *shape)).astype(np.float32)

    covars = quats = scales = None
    if by_covariance:
        root = normal(count, 3, 3) * 0.02
        full = root @ np.swapaxes(root, -1, -2) + np.eye(3) * 1e-5
        covars = floats32(full[..., [0, 0, 0, 1, 1, 2], [0, 1, 2, 1, 2, 2]])
    else:
        quats, scales = normal(count, 4), floats32(np.exp(0.7 * normal(count, 3) - 4))
    if sh_degree is None:
        colors = floats32(rng.uniform(0, 1, (*lead, count, channels)))
    else:
        colors, channels = floats32(0.3 * normal(count, (sh_degree + 1) ** 2, 3)), 3
    opacities = floats32(rng.uniform(0, 1.1, (*lead, count)))
    width, height = (int(n) for n in rng.integers(20, 90, 2))
    viewmats = np.tile(np.eye(4), (views, 1, 1))
    viewmats[:, :3, 3] = rng.uniform(-0.1, 0.1, (views, 3))
    viewmats[:, 2, 3] += 1
    Ks = np.tile(
        [[1.5 * width, 0, width / 2], [0, 1.5 * width, height / 2], [0, 0, 1]], (views, 1, 1)
    )
    gaussians = {
        "means": 0.15 * normal(count, 3), "quats": quats, "scales": scales, "covars": covars,
        "opacities": opacities, "colors": colors,
    }  # fmt: skip
    background = floats32(rng.uniform(0, 1, channels)) if seed % 2 == 0 else None
    return Arrays(gaussians, sh_degree, viewmats, Ks, width, height, background, channels)
