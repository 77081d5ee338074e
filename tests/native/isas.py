"""The core on every instruction set at once: one process each, for it is chosen when it loads."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import Any

from avatar_rt import _core
from avatar_rt.arrays import Array
from tests.native.reference import Splats
from tests.native.scenes import core_render


def _isa() -> str:
    return _core.isa()


def _render(scene: Splats) -> tuple[Array, Array]:
    image, alpha = core_render(scene)
    return image, alpha


def _render_avatar(
    rig: dict[str, Any], pose: dict[str, Any], camera: dict[str, Any]
) -> tuple[Array, Array]:
    core = _core.AvatarCore(**rig)
    rgba, _ = core.render(**pose, **camera, quality="exact", format="float32")
    return rgba[..., :3], rgba[..., 3]


class Isas:
    """A process for each instruction set that this machine runs."""

    def __init__(self, pools: dict[str, ProcessPoolExecutor]) -> None:
        self._pools = pools

    def rasterize(self, scene: Splats) -> dict[str, tuple[Array, Array]]:
        """→ per instruction set: image (H, W, C) and alpha (H, W)."""
        return self._all(_render, scene)

    def render(
        self, rig: dict[str, Any], pose: dict[str, Any], camera: dict[str, Any]
    ) -> dict[str, tuple[Array, Array]]:
        """AvatarCore(**rig) in that pose → per instruction set: image (H, W, 3), alpha (H, W)."""
        return self._all(_render_avatar, rig, pose, camera)

    def _all(self, work: Any, *arguments: Any) -> dict[str, Any]:
        running = {isa: pool.submit(work, *arguments) for isa, pool in self._pools.items()}
        return {isa: future.result(timeout=120) for isa, future in running.items()}


@contextmanager
def every_isa() -> Iterator[Isas]:
    """Starts the processes and ends them."""
    before = os.environ.get("AVATAR_RT_ISA")
    pools: dict[str, ProcessPoolExecutor] = {}
    with ExitStack() as stack:
        try:
            for isa in _core.available_isas():
                os.environ["AVATAR_RT_ISA"] = isa  # what the process to come inherits
                spawn = multiprocessing.get_context("spawn")
                pool = stack.enter_context(ProcessPoolExecutor(1, mp_context=spawn))
                assert pool.submit(_isa).result(timeout=120) == isa
                pools[isa] = pool
        finally:
            os.environ.pop("AVATAR_RT_ISA")
            if before is not None:
                os.environ["AVATAR_RT_ISA"] = before
        yield Isas(pools)
