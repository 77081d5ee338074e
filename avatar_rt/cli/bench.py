"""`avatar-rt bench`: measure the renderer on this machine."""

from __future__ import annotations

import argparse
import importlib
import json
import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from avatar_rt.cli.bench_gsplat import Row, notes, rows
from avatar_rt.errors import BackendError, ParameterError
from avatar_rt.types import MAX_SIDE

if TYPE_CHECKING:
    from avatar_rt.measure import Report

_WIDE = 90
"""Columns that the whole table needs; in a narrower terminal the stages are left out."""
_ROOMY = 72
"""Columns below which what is left moves closer together."""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("bench", help="measure the renderer on this machine")
    parser.add_argument("--avatar", type=Path, help="an avatar file; default: a made-up head")
    parser.add_argument("--gaussians", type=int, default=78_000, help="of the made-up head")
    parser.add_argument("--size", type=int, default=512, help="pixels a side (default 512)")
    parser.add_argument("--quality", choices=("exact", "fast"), help="default: both")
    parser.add_argument("--threads", type=int, default=0, help="default: all cores, and one")
    parser.add_argument(
        "--backend", choices=("auto", "cpu", "cuda"), default="auto",
        help="auto: the processor, and CUDA where it works",
    )  # fmt: skip
    parser.add_argument("--isa", help="baseline, avx2 or avx512; default: the best there is")
    parser.add_argument("--frames", type=int, default=200, help="animated frames (default 200)")
    parser.add_argument(
        "--no-baselines", action="store_true", help="leave out the renderers to compare with"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Measures what was asked for and prints it."""
    _check(args)
    if args.isa:
        # the core chooses its instruction set once, when it is first imported
        os.environ["AVATAR_RT_ISA"] = args.isa
    try:
        core = importlib.import_module("avatar_rt._core")
    except ImportError as error:
        raise BackendError(f"the native core does not load: {error}") from error
    if args.isa and core.isa() != args.isa:
        runs = ", ".join(core.available_isas())
        raise ParameterError(f"--isa {args.isa}: this processor and build run {runs}")
    report = _measure(args)
    machine = importlib.import_module("avatar_rt.measure").machine()
    against: list[Row] = []
    if not args.no_baselines and any(r.backend == "cuda" for r in report.results):
        with Console(stderr=True, quiet=args.json).status("compare with gsplat"):
            against = rows(args.avatar, args.gaussians, args.size)
    if args.json:
        print(json.dumps({"machine": machine, **asdict(report), "against_gsplat": against}))
    else:
        show(report, machine, Console(highlight=False), against)
    return 0


def _check(args: argparse.Namespace) -> None:
    if args.frames < 1:
        raise ParameterError(f"--frames {args.frames} must be at least 1")
    if not 1 <= args.size <= MAX_SIDE:
        raise ParameterError(f"--size {args.size} must lie within 1 … {MAX_SIDE}")
    if not 0 <= args.threads <= 1024:
        raise ParameterError(f"--threads {args.threads} must lie within 0 … 1024")


def _measure(args: argparse.Namespace) -> Report:
    # found by name, because they load the core, which must not happen before --isa is set
    measure = importlib.import_module("avatar_rt.measure")
    if args.avatar:
        avatar = importlib.import_module("avatar_rt.avatar").Avatar.load(args.avatar)
    else:
        avatar = importlib.import_module("avatar_rt.synthetic").synthetic_head(args.gaussians)
    columns = (
        TextColumn("{task.description:<20}"), BarColumn(), TextColumn("{task.percentage:>3.0f}%"),
        TimeElapsedColumn(),
    )  # fmt: skip
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=args.json) as bar:
        task = bar.add_task("start", total=measure.WORK)
        report: Report = measure.measure(
            avatar,
            measure.moving_faces(args.frames),
            size=args.size,
            threads=(args.threads,) if args.threads else tuple({measure.cores(): 0, 1: 0}),
            backends=_backends(args.backend),
            qualities=(args.quality,) if args.quality else measure.QUALITIES,
            baselines=not args.no_baselines,
            step=lambda what, amount: bar.update(task, description=what, advance=amount),
        )
    return report


def _backends(asked: str) -> tuple[str, ...]:
    if asked != "auto":
        return (asked,)
    works = importlib.import_module("avatar_rt._core").cuda_status() == "available"
    return ("cpu", "cuda") if works else ("cpu",)


def show(
    report: Report, machine: dict[str, object], console: Console, against: Sequence[Row] = ()
) -> None:
    """The human's table, of at most 100 columns. against: gsplat's rows."""
    first = report.results[0]
    devices = {r.device: 0 for r in report.results if r.device is not None}
    where = [f"{machine['processor']}, {machine['cores']} cores", *devices]
    console.print(
        f"[bold]{first.scene}[/] · {first.gaussians:,} Gaussians · {first.width}×{first.height} · "
        f"{first.isa} · {' · '.join(where)}\n"
    )
    stages = list(first.stages_ms) if console.width >= _WIDE else []
    device = ["device"] if devices else []
    rivals = [baseline.name.split()[0] for baseline in report.baselines]
    gap = 2 if console.width >= _ROOMY else 1
    table = Table(box=None, padding=(0, gap, 0, 0), header_style="dim", pad_edge=False)
    table.add_column("quality")
    for head in (
        "threads",
        "FPS",
        "ms",
        "90 %",
        *device,
        *stages,
        "PSNR",
        *(f"× {r}" for r in rivals),
    ):
        table.add_column(head, justify="right", no_wrap=True)
    for r in report.results:
        who = str(r.threads) if r.backend == "cpu" else r.backend
        ratios = [baseline.ratio[r.quality][who] for baseline in report.baselines]
        on_device = "" if r.device_ms is None else f"{r.device_ms:.2f}"
        table.add_row(
            r.quality, who, f"[bold]{r.fps:.0f}[/]", f"{r.ms_median:.2f}",
            f"{r.ms_p90:.2f}", *(on_device for _ in device),
            *(f"{r.stages_ms.get(name, 0):.2f}" for name in stages),
            f"{r.psnr_db:.1f} dB", *(f"{ratio:,.0f}" for ratio in ratios),
        )  # fmt: skip
    below = Table.grid(padding=(0, 2, 0, 0))
    below.add_column(style="dim", no_wrap=True)
    below.add_column(style="dim")
    for name, text in (*_notes(report), *notes(list(against))):
        below.add_row(name, text)
    console.print(table, "", below)


def _notes(report: Report) -> list[tuple[str, str]]:
    """What the table's figures mean."""
    first = report.results[0]
    qualities = {r.quality: r for r in report.results}.values()
    pairs = ", ".join(f"{r.quality} {r.pairs / 1e6:.2f} million" for r in qualities)
    on_head = ", ".join(f"{r.quality} {r.overdraw:.1f}" for r in qualities)
    on_picture = ", ".join(f"{r.overdraw_picture:.1f}" for r in qualities)
    side = first.psnr_size
    return [
        ("ms", "of the whole frame, face parameters to RGB; 90 % of frames are below the second"),
        *(
            [("device", "ms of the drawing alone, by the device's own clock")]
            if any(r.device for r in report.results)
            else []
        ),
        ("PSNR", f"lowest of 24 views × 5 expressions at {side}×{side}, over the head, to float64"),
        ("pairs", f"(Gaussian, pixel) blended a frame: {pairs}"),
        ("overdraw", f"pairs a pixel of the head: {on_head}; of the whole picture: {on_picture}"),
        *(
            (
                f"× {b.name.split()[0]}",
                f"the speed of the {b.name} renderer (exact, one thread: {b.ms_median:,.0f} ms, "
                f"{b.ns_per_pair:.0f} ns a pair)",
            )
            for b in report.baselines
        ),
    ]
