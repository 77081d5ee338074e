"""What the tests of CUDA need: a device, be it real or emulated on the processor (emulator/), and
avatars small enough for the emulated one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from avatar_rt import _core
from avatar_rt.arrays import F32, Array, floats32
from avatar_rt.fidelity import SAME_DB
from avatar_rt.types import Camera
from tests.native.scenes import random_pose, random_rig

STATUS = _core.cuda_status()
DEVICES = _core.cuda_devices()
EMULATED = bool(DEVICES) and DEVICES[0].name == "emulated"

needs_cuda = pytest.mark.skipif(STATUS != "available", reason=f"needs a CUDA device: {STATUS}")
needs_emulator = pytest.mark.skipif(
    not EMULATED, reason="needs the emulated device, which can be made to fail"
)
UNDER = floats32([0.2, 0.5, 0.9])


def rig(seed: int, frame: str, *, degree: int | None = None, **more: Any) -> dict[str, Any]:
    """AvatarCore's arguments for a small made-up avatar; with spherical harmonics of a degree."""
    made = random_rig(seed, frame, **more)
    if degree is not None:
        rng = np.random.default_rng(seed)
        shape = len(made["triangles"]), (degree + 1) ** 2, 3
        made["colors"] = floats32(rng.normal(0, 0.4, shape))
    return made


def both(arguments: dict[str, Any]) -> tuple[_core.AvatarCore, _core.AvatarCore]:
    """That avatar drawn by the processor, and by CUDA."""
    return _core.AvatarCore(**arguments), _core.AvatarCore(**arguments, backend="cuda")


def draw(core: _core.AvatarCore, camera: Camera, pose: int = 1, **more: Any) -> Array:
    """A picture of random_rig's avatar, float32 unless said otherwise."""
    options = {"background": UNDER, "format": "float32", "quality": "exact", **more}
    return core.render(
        **random_pose(pose), viewmat=camera.viewmat, K=camera.K, width=camera.width,
        height=camera.height, **options,
    )[0]  # fmt: skip


def psnr_db(picture: Array, truth: Array) -> float:
    """Of two (H, W, 4) float32 pictures with colours within 0 … 1, or of bytes."""
    scale = 255.0 if picture.dtype == np.uint8 else 1.0
    error = (picture.astype(float) - truth.astype(float)) / scale
    return min(SAME_DB, -10 * float(np.log10(max(float(np.square(error).mean()), 1e-12))))


def covered(picture: F32) -> float:
    """How much of a float32 picture is more than half covered."""
    return float((picture[..., 3] > 0.5).mean())
