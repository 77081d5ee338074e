"""How fast the CUDA core splats beside gsplat, on the same posed Gaussians, in the same run.

    python -m trainer.evaluate against_gsplat [--avatar FILE] [--gaussians N …] [--size S …]

Both get means, covariances, opacities and plain colours as CUDA tensors, draw one exact picture,
and take turns. Where this build clamps alpha elsewhere than gsplat (see docs/cuda.md), opacities
are cut to the lower of the two, so that neither clamps and both draw the same picture.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from rich.console import Console
from rich.progress import track
from rich.table import Table
from torch import Tensor

from avatar_rt import _core
from avatar_rt.arrays import Array
from avatar_rt.avatar import Avatar
from avatar_rt.baseline import posed
from avatar_rt.errors import BackendError, ParameterError
from avatar_rt.render import Renderer
from avatar_rt.synthetic import synthetic_head
from avatar_rt.types import MAX_SIDE, FaceParams
from trainer import gsplat_operator, rasterize

Who = Literal["avatar-rt", "gsplat"]
Pass = Literal["forward", "forward+backward"]
WHO: tuple[Who, ...] = ("avatar-rt", "gsplat")
PASSES: tuple[Pass, ...] = ("forward", "forward+backward")
GSPLAT_ALPHA_MAX = 0.999
"""gsplat 1.5.3 has it in its kernels, where nobody can set it."""
ROUNDS, CALLS, WARM_UP = 9, 20, 5
SAME_DB, SAME_GRADIENT = 45.0, 2e-2
"""Below which, or beyond which, two pictures and their gradients are not of the same thing."""


@dataclass(frozen=True, slots=True)
class Scene:
    """An avatar's Gaussians in one pose before one camera, as tensors of one device."""

    name: str
    means: Tensor
    covars: Tensor
    """(N, 6) as xx xy xz yy yz zz."""
    opacities: Tensor
    colors: Tensor
    viewmats: Tensor
    """(1, 4, 4)."""
    Ks: Tensor
    width: int
    height: int
    alpha_max: float
    """Where alpha is clamped in both, or which no opacity exceeds."""
    image_gradient: Tensor
    """(H, W, 3): the loss's, which the way back begins with."""
    alpha_gradient: Tensor
    """(H, W)."""

    def leaves(self, who: Who) -> list[Tensor]:
        """Means, covariances as `who` takes them, opacities and colours, of which gradients are
        taken."""
        covars = self.covars
        if who == "gsplat":
            covars = covars[:, [0, 1, 2, 1, 3, 4, 2, 4, 5]].reshape(-1, 3, 3)
        return [
            t.detach().clone().requires_grad_()
            for t in (self.means, covars, self.opacities, self.colors)
        ]


def scene_of(avatar: Avatar, size: int, device: torch.device) -> Scene:
    """An avatar with its face at rest, seen by its preferred camera; harmonics are shaded here."""
    renderer = Renderer(avatar, backend="cpu")
    camera = renderer.camera(width=size, height=size)
    means, covars, opacities, colors = posed(renderer, FaceParams(), camera)
    alpha_max = min(_core.ALPHA_MAX, GSPLAT_ALPHA_MAX)
    if abs(_core.ALPHA_MAX - GSPLAT_ALPHA_MAX) > 1e-6:
        opacities = np.minimum(opacities, np.float32(alpha_max))
    generator = torch.Generator().manual_seed(0)

    def here(array: Array) -> Tensor:
        return torch.tensor(array, dtype=torch.float32, device=device)

    return Scene(
        str(avatar.metadata.get("name", "avatar")), here(means), here(covars), here(opacities),
        here(colors), here(camera.viewmat[None]), here(camera.K[None]), size, size, alpha_max,
        torch.randn(size, size, 3, generator=generator).to(device),
        torch.randn(size, size, generator=generator).to(device),
    )  # fmt: skip


Draw = Callable[[Scene, list[Tensor]], tuple[Tensor, Tensor]]
"""A scene and its leaves → image (H, W, 3), premultiplied, and alpha (H, W)."""


def draw_ours(scene: Scene, leaves: list[Tensor]) -> tuple[Tensor, Tensor]:
    """By trainer.rasterize.splat."""
    means, covars, opacities, colors = leaves
    seen = rasterize.splat(means, opacities, colors, scene.viewmats, scene.Ks, scene.width,
                           scene.height, covars=covars)  # fmt: skip
    return seen.images[0], seen.alphas[0]


def draw_by(rasterization: Any) -> Draw:
    """By gsplat.rasterization, or what takes its arguments."""

    def draw(scene: Scene, leaves: list[Tensor]) -> tuple[Tensor, Tensor]:
        means, covars, opacities, colors = leaves
        unread = covars[:, 0]  # gsplat asks for quaternions and scales, and takes covars instead
        images, alphas, _ = rasterization(
            means=means, quats=unread, scales=unread, covars=covars, opacities=opacities,
            colors=colors, viewmats=scene.viewmats, Ks=scene.Ks, width=scene.width,
            height=scene.height, sh_degree=None, packed=False, render_mode="RGB",
        )  # fmt: skip
        return images[0], alphas[0, ..., 0]

    return draw


def run_pass(draw: Draw, scene: Scene, leaves: list[Tensor], which: Pass) -> Sequence[Tensor]:
    """One picture, or its leaves' gradients."""
    if which == "forward":
        with torch.no_grad():
            return draw(scene, leaves)
    return torch.autograd.grad(
        draw(scene, leaves), leaves, [scene.image_gradient, scene.alpha_gradient]
    )


def check_same(scene: Scene, draws: dict[Who, Draw]) -> float:
    """PSNR between the two, in dB. Raises BackendError where pictures or gradients are not the
    same: then neither's time would mean anything."""
    found = {}
    for who in WHO:
        leaves = scene.leaves(who)
        image = run_pass(draws[who], scene, leaves, "forward")[0]
        gradients = run_pass(draws[who], scene, leaves, "forward+backward")
        found[who] = image, gradients[0]
    (ours, our_gradient), (theirs, their_gradient) = (found[who] for who in WHO)
    db = -10 * float(torch.log10((ours - theirs).square().mean().clamp_min(1e-12)))
    off = float((our_gradient - their_gradient).norm() / their_gradient.norm().clamp_min(1e-20))
    if db < SAME_DB or not off < SAME_GRADIENT:
        raise BackendError(
            f"{scene.name}: avatar-rt and gsplat draw different things: {db:.1f} dB, and the means'"
            f" gradients differ by {off:.1e} of their size"
        )
    return db


def _timed(call: Callable[[], object], device: torch.device, calls: int) -> tuple[float, float]:
    """Milliseconds a call, by the device's events and by the wall. Without a device both are the
    wall's."""
    if device.type != "cuda":
        begin = time.perf_counter()
        for _ in range(calls):
            call()
        ms = 1e3 * (time.perf_counter() - begin) / calls
        return ms, ms
    first, last = (torch.cuda.Event(enable_timing=True) for _ in range(2))  # type: ignore[no-untyped-call]
    torch.cuda.synchronize(device)
    begin = time.perf_counter()
    first.record()
    for _ in range(calls):
        call()
    last.record()
    torch.cuda.synchronize(device)
    wall = 1e3 * (time.perf_counter() - begin) / calls
    return first.elapsed_time(last) / calls, wall


def compare(
    scene: Scene,
    draws: dict[Who, Draw],
    *,
    rounds: int = ROUNDS,
    calls: int = CALLS,
    warm_up: int = WARM_UP,
) -> list[dict[str, object]]:
    """Four rows: who, pass, and the medians of the rounds; those of gsplat with how many times as
    long it takes, `ratio_events` and `ratio_wall`, each the median of the rounds' ratios."""
    db = check_same(scene, draws)
    device = scene.means.device
    out: list[dict[str, object]] = []
    for which in PASSES:
        turns = {}
        for who in WHO:
            turns[who] = partial(run_pass, draws[who], scene, scene.leaves(who), which)
            for _ in range(warm_up):
                turns[who]()
        ms = np.array([[_timed(turns[who], device, calls) for who in WHO] for _ in range(rounds)])
        ratios = np.median(ms[:, 1] / ms[:, 0], axis=0)
        for k, who in enumerate(WHO):
            row: dict[str, object] = {
                "who": who, "pass": which, "ms_events": float(np.median(ms[:, k, 0])),
                "ms_wall": float(np.median(ms[:, k, 1])), "rounds": rounds, "calls": calls,
                "scene": scene.name, "gaussians": len(scene.means), "width": scene.width,
                "height": scene.height, "alpha_max": scene.alpha_max,
                "alpha_max_of_build": _core.ALPHA_MAX, "psnr_db": db,
            }  # fmt: skip
            if who == "gsplat":
                row |= {"ratio_events": float(ratios[0]), "ratio_wall": float(ratios[1])}
            out.append(row)
    return out


def device_and_gsplat() -> tuple[torch.device, Any]:
    """The CUDA device and gsplat's function. Raises BackendError where there is no device or this
    build cannot use it, MissingDependencyError where gsplat is not installed."""
    if not torch.cuda.is_available():
        raise BackendError("comparing with gsplat needs a CUDA device that PyTorch can use: none")
    device = torch.device("cuda", torch.cuda.current_device())
    if rasterize.operators(device) == "gsplat":
        raise BackendError(f"there is only gsplat to measure: {_core.cuda_status()}")
    return device, gsplat_operator.rasterization()


def main(arguments: list[str]) -> int:
    """Compares and prints; --json prints one object."""
    parser = argparse.ArgumentParser(prog="python -m trainer.evaluate against_gsplat",
                                     description=(__doc__ or "").partition("\n")[0])  # fmt: skip
    parser.add_argument("--avatar", type=Path, help="an avatar file; default: made-up heads")
    parser.add_argument("--gaussians", type=int, nargs="+", default=[78_000, 20_000])
    parser.add_argument("--size", type=int, nargs="+", default=[512, 1024])
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    args = parser.parse_args(arguments)
    for size in args.size:
        if not 1 <= size <= MAX_SIDE:
            raise ParameterError(f"--size {size} must lie within 1 … {MAX_SIDE}")
    if args.rounds < 1:
        raise ParameterError(f"--rounds {args.rounds} must be at least 1")
    device, rasterization = device_and_gsplat()
    draws: dict[Who, Draw] = {"avatar-rt": draw_ours, "gsplat": draw_by(rasterization)}
    avatars = (
        [Avatar.load(args.avatar)] if args.avatar else [synthetic_head(n) for n in args.gaussians]
    )
    jobs = [(avatar, size) for avatar in avatars for size in args.size]
    rows: list[dict[str, object]] = []
    for avatar, size in track(jobs, "compare", console=Console(stderr=True), transient=True,
                              disable=args.json):  # fmt: skip
        rows += compare(scene_of(avatar, size, device), draws, rounds=args.rounds)
    report = {"device": torch.cuda.get_device_name(device), "gsplat": version("gsplat"),
              "torch": torch.__version__, "results": rows}  # fmt: skip
    if args.json:
        print(json.dumps(report))
    else:
        _show(report, Console(highlight=False))
    return 0


def _show(report: dict[str, Any], console: Console) -> None:
    console.print(f"{report['device']} · gsplat {report['gsplat']} · torch {report['torch']}\n")
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("scene", "size", "pass", "who", "ms events", "ms wall", "× events", "× wall"):
        table.add_column(name, justify="left" if name in ("scene", "pass", "who") else "right")
    for row in report["results"]:
        ratios = [f"{row[k]:.2f}" if k in row else "" for k in ("ratio_events", "ratio_wall")]
        table.add_row(
            f"{row['gaussians']:,}", str(row["width"]), row["pass"], row["who"],
            f"{row['ms_events']:.3f}", f"{row['ms_wall']:.3f}", *ratios,
        )  # fmt: skip
    console.print(table)
