"""How fast an avatar renders here, stage by stage, how faithfully, and how long anyone's first
renderer takes for the same."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal

import numpy as np

from avatar_rt import _core
from avatar_rt.arkit import ARKIT_NAMES
from avatar_rt.avatar import Avatar
from avatar_rt.baseline import plain_picture, posed
from avatar_rt.errors import ParameterError
from avatar_rt.fidelity import PICTURES, SIZE, state_fast_quality, worst_psnr_db
from avatar_rt.measure.machine import cores
from avatar_rt.measure.rivals import Baseline, rivals
from avatar_rt.measure.turns import Draw, Turn, take_turns
from avatar_rt.render import Renderer
from avatar_rt.types import MAX_SIDE, Camera, FaceParams, Quality

QUALITIES: tuple[Quality, ...] = ("exact", "fast")
_COMPARING, _COUNTING, _TIMING = 80.0, 20.0, 160.0
WORK = _COMPARING + _COUNTING + _TIMING
"""What the amounts that measure() tells `step` add up to."""
Step = Callable[[str, float], None]
"""Told what is being done and how much of it is done now."""
Drawn = Literal["cpu", "cuda"]
Key = tuple[Quality, str]
"""Quality, and the number of threads or "cuda"."""


@dataclass(frozen=True, slots=True)
class Result:
    """One avatar at one size and quality, drawn by so many threads or by a CUDA device."""

    scene: str
    gaussians: int
    width: int
    height: int
    backend: Drawn
    device: str | None
    """The CUDA device's name; None where the processor draws."""
    isa: str
    """The processor's instruction set; "cuda" on a device."""
    threads: int
    """0 on a device."""
    quality: Quality
    ms_median: float
    """Of the whole frame, FaceParams to RGB in the processor's memory, by the wall's clock."""
    ms_p90: float
    spread: float
    """ms_p90 / ms_median."""
    fps: float
    psnr_db: float
    """Against float64: the lowest of 120 pictures, over the head. See avatar_rt.fidelity."""
    psnr_size: int
    """Pixels a side of those pictures."""
    pairs: int
    """Blended (Gaussian, pixel) pairs of a frame: above the quality's least alpha, on a pixel that
    is still open."""
    overdraw: float
    """pairs per pixel of the head (alpha above one half)."""
    overdraw_picture: float
    """pairs per pixel of the picture."""
    stages_ms: dict[str, float]
    device_ms: float | None
    """Of a frame by the device's own clock, in a row of them, without reading them back."""


@dataclass(frozen=True, slots=True)
class Report:
    """What one run measured."""

    results: list[Result]
    baselines: list[Baseline]


@dataclass(frozen=True, slots=True)
class Overdraw:
    """How much is blended in a frame."""

    pairs: int
    per_head_pixel: float
    per_pixel: float


def moving_faces(count: int) -> list[FaceParams]:
    """`count` frames of a head that turns while a third of its 52 shapes move: no two alike."""
    shapes = np.arange(0, len(ARKIT_NAMES), 3)

    def face(k: int) -> FaceParams:
        arkit = np.zeros(len(ARKIT_NAMES), np.float32)
        arkit[shapes] = 0.5 + 0.5 * np.sin(0.05 * k * (1 + 0.03 * shapes) + shapes)
        turn = np.array([0, 0.3 * np.sin(0.05 * k), 0], np.float32)
        return FaceParams(arkit=arkit, head_pose=turn)

    return [face(k) for k in range(count)]


def overdraw(
    renderer: Renderer, faces: Sequence[FaceParams], camera: Camera, quality: Quality
) -> Overdraw:
    """The mean over those faces, counted by the plain renderer with the quality's thresholds."""
    scenes = [posed(renderer, face, camera) for face in faces]
    with ThreadPoolExecutor(cores()) as pool:
        drawn = list(
            pool.map(
                lambda scene: plain_picture(scene, camera, quality, haste=renderer.haste), scenes
            )
        )
    pairs = sum(count for _, _, count in drawn) / len(drawn)
    head = sum(int((alpha > 0.5).sum()) for _, alpha, _ in drawn) / len(drawn)
    return Overdraw(round(pairs), pairs / max(head, 1), pairs / (camera.width * camera.height))


def measure(
    avatar: Avatar,
    faces: Sequence[FaceParams],
    *,
    size: int = 512,
    threads: Sequence[int] = (1,),
    backends: Sequence[Drawn] = ("cpu",),
    qualities: Sequence[Quality] = QUALITIES,
    baselines: bool = True,
    psnr_db: Mapping[Quality, float] | None = None,
    step: Step = lambda _what, _amount: None,
) -> Report:
    """Times the whole frame, from FaceParams to RGB, once for each face, quality and number of
    threads or device, all taking turns, with the baselines between them.

    psnr_db: the processor's, where it is known already from worst_psnr_db at its usual size.
    Raises ParameterError for a size beyond 1 … 4096, BackendError where a backend cannot draw here
    or a baseline draws another picture than the core.
    """
    if not 1 <= size <= MAX_SIDE:
        raise ParameterError(f"image size {size}x{size} must lie within 1 … {MAX_SIDE} a side")
    if "fast" in qualities and "fast_haste" not in avatar.metadata:
        state_fast_quality(avatar)
    renderers: dict[str, Renderer] = {}
    if "cpu" in backends:
        renderers = {str(n): Renderer(avatar, threads=n, backend="cpu") for n in threads}
    if "cuda" in backends:
        renderers["cuda"] = Renderer(avatar, backend="cuda")
    first = next(iter(renderers.values()))
    camera = first.camera(width=size, height=size)
    psnr = _fidelity(renderers.values(), qualities, min(size, SIZE), psnr_db, step)
    drawn = {}
    for quality in qualities:
        drawn[quality] = overdraw(first, (faces[0], faces[len(faces) // 2]), camera, quality)
        step("count pairs", _COUNTING / len(qualities))

    core = {
        (quality, who): Turn(_frame_of(renderer, camera, quality))
        for who, renderer in renderers.items()
        for quality in qualities
    }
    others = rivals(first, camera) if baselines else []
    turns = [*core.values(), *(other.turn for other in others)]
    take_turns(turns, faces, lambda share: step("render", share * _TIMING))
    results = []
    for (quality, who), turn in core.items():
        renderer = renderers[who]
        known = psnr[renderer.backend][quality]
        device_ms = _device_ms(renderer, faces, camera, quality)
        results.append(
            _result(renderer, camera, (quality, who), turn, known, drawn[quality], device_ms)
        )
    return Report(results, [other.measured(core) for other in others])


def _fidelity(
    renderers: Iterable[Renderer],
    qualities: Sequence[Quality],
    size: int,
    known: Mapping[Quality, float] | None,
    step: Step,
) -> dict[Drawn, dict[Quality, tuple[float, int]]]:
    """PSNR in dB of each backend in each quality, and the size of the pictures it was found by."""
    by_backend = {renderer.backend: renderer for renderer in renderers}
    share = _COMPARING / PICTURES / len(by_backend)
    found: dict[Drawn, dict[Quality, tuple[float, int]]] = {}
    for backend, renderer in by_backend.items():
        if known is not None and backend == "cpu":
            found[backend] = {quality: (known[quality], SIZE) for quality in qualities}
            continue
        worst = worst_psnr_db(
            renderer, qualities, size, lambda: step("compare with float64", share)
        )
        found[backend] = {quality: (worst[quality], size) for quality in qualities}
    return found


def _frame_of(renderer: Renderer, camera: Camera, quality: Quality) -> Draw:
    return lambda face: renderer.render(face, camera, quality=quality).timings


def _device_ms(
    renderer: Renderer, faces: Sequence[FaceParams], camera: Camera, quality: Quality
) -> float | None:
    if renderer.backend == "cpu":
        return None
    seconds = renderer.device_seconds(faces[0], camera, quality=quality, frames=len(faces))
    return 1e3 * seconds


def _result(
    renderer: Renderer,
    camera: Camera,
    key: Key,
    turn: Turn,
    psnr: tuple[float, int],
    drawn: Overdraw,
    device_ms: float | None,
) -> Result:
    avatar, ms = renderer.avatar, turn.ms()
    on_device = renderer.backend == "cuda"
    median, p90 = float(np.median(ms)), float(np.percentile(ms, 90))
    return Result(
        scene=str(avatar.metadata.get("name", "avatar")),
        gaussians=len(avatar.gaussians.triangles),
        width=camera.width,
        height=camera.height,
        backend=renderer.backend,
        device=_core.cuda_devices()[0].name if on_device else None,
        isa="cuda" if on_device else _core.isa(),
        threads=0 if on_device else int(key[1]),
        quality=key[0],
        ms_median=median,
        ms_p90=p90,
        spread=p90 / median,
        fps=1e3 / median,
        psnr_db=psnr[0],
        psnr_size=psnr[1],
        pairs=drawn.pairs,
        overdraw=drawn.per_head_pixel,
        overdraw_picture=drawn.per_pixel,
        stages_ms=turn.stages_ms(),
        device_ms=device_ms,
    )
