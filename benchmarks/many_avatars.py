"""Many different avatars on one device, a picture of each at every tick: how many ticks a second?

    python -m benchmarks.many_avatars [--avatars 64] [--gaussians N …] [--backend cuda] [--json]

Every avatar is a made-up head of its own seed and moves by itself. A tick draws NV12, as encoders
take it, into the processor's memory: one avatar after the other; by a few threads, each with its
own avatars; and in one call of render_together, which a CUDA device takes as one launch.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass

import numpy as np
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from avatar_rt import _core
from avatar_rt.measure import machine, moving_faces
from avatar_rt.render import Renderer
from avatar_rt.synthetic import synthetic_head
from avatar_rt.together import render_together
from avatar_rt.types import Backend, Camera, FaceParams, Frame, Quality

WANTED = 60.0
"""Pictures a second of each avatar."""
THREADS = 4
WARM_UP = 3
Order = tuple[Renderer, FaceParams, Camera | None]
Tick = Callable[[list[Order]], list[Frame]]


@dataclass(frozen=True, slots=True)
class Result:
    """One number of Gaussians, drawn in one way."""

    way: str
    """ "one by one", "threads" or "together"."""
    backend: str
    device: str | None
    avatars: int
    gaussians: int
    """Of each avatar."""
    size: int
    quality: Quality
    ticks: int
    ticks_per_second: float
    """What each avatar gets, if nothing else is to be done."""
    enough: bool
    """At least WANTED."""
    tick_ms_median: float
    """From the tick's begin to its last picture in the processor's memory."""
    tick_ms_p99: float
    mib_per_avatar: float | None
    """Of the device's memory, plans and pictures included; None where there is none."""


def one_by_one(quality: Quality) -> Tick:
    """Each waits for the one before."""

    def tick(orders: list[Order]) -> list[Frame]:
        return [r.render(face, view, format="nv12", quality=quality) for r, face, view in orders]

    return tick


def by_threads(quality: Quality, pool: ThreadPoolExecutor, threads: int) -> Tick:
    """Each thread draws every `threads`-th avatar."""
    alone = one_by_one(quality)

    def tick(orders: list[Order]) -> list[Frame]:
        parts = list(pool.map(lambda k: alone(orders[k::threads]), range(threads)))
        return [parts[k % threads][k // threads] for k in range(len(orders))]

    return tick


def together(quality: Quality) -> Tick:
    """All in one call."""
    return lambda orders: render_together(orders, format="nv12", quality=quality)


def _free() -> int | None:
    devices = _core.cuda_devices()
    return devices[0].memory_free if devices else None


def measure(
    avatars: int,
    gaussians: int,
    *,
    size: int = 512,
    ticks: int = 200,
    backend: Backend = "auto",
    quality: Quality = "exact",
    threads: int = THREADS,
    step: Callable[[float], None] = lambda _share: None,
) -> list[Result]:
    """A result for each way of drawing them all. Raises BackendError and ParameterError as Renderer
    does."""
    before = _free()
    renderers = []
    for seed in range(avatars):
        renderers.append(Renderer(synthetic_head(gaussians, seed), backend=backend, threads=1))
        step(0.4 / avatars)
    cameras = [r.camera(width=size, height=size) for r in renderers]
    faces = moving_faces(ticks + WARM_UP + avatars)

    def orders(tick: int) -> list[Order]:
        return [
            (r, faces[tick + k], c) for k, (r, c) in enumerate(zip(renderers, cameras, strict=True))
        ]

    on_device = renderers[0].backend == "cuda"
    out = []
    with ThreadPoolExecutor(threads) as pool:
        ways = {
            "one by one": one_by_one(quality),
            "threads": by_threads(quality, pool, threads),
            "together": together(quality),
        }
        for name, draw in ways.items():
            for k in range(WARM_UP):
                draw(orders(k))
            after = _free()
            seconds = []
            for k in range(ticks):
                todo = orders(WARM_UP + k)
                begin = time.perf_counter()
                draw(todo)
                seconds.append(time.perf_counter() - begin)
                step(0.6 / ticks / len(ways))
            rate = ticks / sum(seconds)
            used = None
            if on_device and before is not None and after is not None:
                used = (before - after) / 2**20 / avatars
            result = Result(
                name, renderers[0].backend, _core.cuda_devices()[0].name if on_device else None,
                avatars, gaussians, size, quality, ticks, rate, rate >= WANTED,
                1e3 * float(np.median(seconds)), 1e3 * float(np.percentile(seconds, 99)), used,
            )  # fmt: skip
            out.append(result)
    return out


def _show(results: list[Result], console: Console) -> None:
    first = results[0]
    console.print(f"{first.avatars} avatars · {first.size}×{first.size} NV12 · {first.quality} · "
                  f"{first.device or 'processor'}\n")  # fmt: skip
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("way")
    for head in ("Gaussians", "ticks/s", "≥ 60", "ms", "99 %", "MiB each"):
        table.add_column(head, justify="right")
    for r in results:
        table.add_row(
            r.way, f"{r.gaussians:,}", f"[bold]{r.ticks_per_second:.1f}[/]",
            "yes" if r.enough else "no", f"{r.tick_ms_median:.2f}", f"{r.tick_ms_p99:.2f}",
            "" if r.mib_per_avatar is None else f"{r.mib_per_avatar:.1f}",
        )  # fmt: skip
    console.print(table)


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--avatars", type=int, default=64)
    parser.add_argument("--gaussians", type=int, nargs="+", default=[20_000, 78_000])
    parser.add_argument("--size", type=int, default=512, help="pixels a side (default 512)")
    parser.add_argument("--ticks", type=int, default=200)
    parser.add_argument("--threads", type=int, default=THREADS)
    parser.add_argument("--backend", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument("--quality", choices=("exact", "fast"), default="exact")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    args = parser.parse_args()
    if min(args.avatars, args.ticks, args.threads) < 1:
        parser.error("--avatars, --ticks and --threads must be at least 1")
    results: list[Result] = []
    with Progress(console=Console(stderr=True), transient=True, disable=args.json) as bar:
        for gaussians in args.gaussians:
            task = bar.add_task(f"{gaussians:,} Gaussians", total=1)
            results += measure(
                args.avatars, gaussians, size=args.size, ticks=args.ticks, backend=args.backend,
                quality=args.quality, threads=args.threads,
                step=lambda share, task=task: bar.advance(task, share),  # type: ignore[misc]
            )  # fmt: skip
    if args.json:
        print(json.dumps({"machine": machine(), "results": [asdict(r) for r in results]}))
    else:
        _show(results, Console(highlight=False))


if __name__ == "__main__":
    main()
