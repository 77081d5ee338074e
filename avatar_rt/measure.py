"""How fast an avatar renders here, stage by stage, and how near "fast" comes to "exact"."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from avatar_rt import _core
from avatar_rt.arkit import ARKIT_NAMES
from avatar_rt.arrays import F64, floats64
from avatar_rt.render import Renderer
from avatar_rt.types import Camera, FaceParams, Quality

_WARM_UP = 5
_COMPARED = 8


@dataclass(frozen=True, slots=True)
class Result:
    """One avatar at one size, quality and number of threads."""

    scene: str
    gaussians: int
    width: int
    height: int
    isa: str
    threads: int
    quality: str
    ms_median: float
    ms_p90: float
    fps: float
    psnr_db: float | None
    """The worst of some frames against quality "exact", over the picture; None for "exact"."""
    stages_ms: dict[str, float]


def machine() -> dict[str, object]:
    """What the figures are measured on."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [x for x in cpuinfo.read_text().splitlines() if x.startswith("model name")]
        model = names[0].partition(":")[2].strip() if names else model
    return {"processor": model, "cores": cores(), "python": platform.python_version()}


def cores() -> int:
    """The processor cores that this process may use."""
    return len(os.sched_getaffinity(0))


def moving_faces(count: int) -> list[FaceParams]:
    """`count` frames of a head that turns while a third of its 52 shapes move: no two alike."""
    shapes = np.arange(0, len(ARKIT_NAMES), 3)

    def face(k: int) -> FaceParams:
        arkit = np.zeros(len(ARKIT_NAMES), np.float32)
        arkit[shapes] = 0.5 + 0.5 * np.sin(0.05 * k * (1 + 0.03 * shapes) + shapes)
        turn = np.array([0, 0.3 * np.sin(0.05 * k), 0], np.float32)
        return FaceParams(arkit=arkit, head_pose=turn)

    return [face(k) for k in range(count)]


def measure(
    renderer: Renderer, faces: Iterable[FaceParams], camera: Camera, quality: Quality, threads: int
) -> Result:
    """Times the whole frame, from FaceParams to RGB, once for each face.

    `threads` is only reported: the renderer was made with it.
    """
    faces = list(faces)
    for face in faces[:_WARM_UP]:
        renderer.render(face, camera, quality=quality)
    seconds, stages = [], []
    for face in faces:
        start = time.perf_counter()
        frame = renderer.render(face, camera, quality=quality)
        seconds.append(time.perf_counter() - start)
        stages.append(frame.timings)
    ms = 1e3 * np.asarray(seconds)
    avatar = renderer.avatar
    compared = faces[:: max(1, len(faces) // _COMPARED)]
    return Result(
        scene=str(avatar.metadata.get("name", "avatar")),
        gaussians=len(avatar.gaussians.triangles),
        width=camera.width,
        height=camera.height,
        isa=_core.isa(),
        threads=threads,
        quality=quality,
        ms_median=float(np.median(ms)),
        ms_p90=float(np.percentile(ms, 90)),
        fps=float(1e3 / np.median(ms)),
        psnr_db=None if quality == "exact" else _fast_psnr_db(renderer, compared, camera),
        stages_ms={k: 1e3 * float(np.median([s[k] for s in stages])) for k in stages[0]},
    )


def _fast_psnr_db(renderer: Renderer, faces: Iterable[FaceParams], camera: Camera) -> float:
    def picture(face: FaceParams, quality: Quality) -> F64:
        return floats64(renderer.render(face, camera, format="float32", quality=quality).pixels)

    errors = (np.square(picture(f, "exact") - picture(f, "fast"))[..., :3].mean() for f in faces)
    return float(-10 * np.log10(max(*errors, 1e-12)))
