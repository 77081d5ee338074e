"""`avatar-rt bench`: measure the renderer on this machine."""

from __future__ import annotations

import argparse
import importlib
import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from avatar_rt.errors import BackendError, ParameterError
from avatar_rt.types import Quality

if TYPE_CHECKING:
    from avatar_rt.measure import Result

QUALITIES: tuple[Quality, ...] = ("exact", "fast")


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("bench", help="measure the renderer on this machine")
    parser.add_argument("--avatar", type=Path, help="an avatar file; default: a made-up head")
    parser.add_argument("--gaussians", type=int, default=78_000, help="of the made-up head")
    parser.add_argument("--size", type=int, default=512, help="pixels a side (default 512)")
    parser.add_argument("--quality", choices=QUALITIES, help="default: both")
    parser.add_argument("--threads", type=int, default=0, help="default: all cores")
    parser.add_argument("--isa", help="baseline, avx2 or avx512; default: the best there is")
    parser.add_argument("--frames", type=int, default=200, help="animated frames (default 200)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Measures what was asked for and prints it."""
    if args.frames < 1:
        raise ParameterError(f"--frames {args.frames} must be at least 1")
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
    results = _measure(args)
    if args.json:
        machine = importlib.import_module("avatar_rt.measure").machine()
        print(json.dumps({"machine": machine, "results": [asdict(r) for r in results]}))
    else:
        _show(results)
    return 0


def _measure(args: argparse.Namespace) -> list[Result]:
    # found by name, because they load the core, which must not happen before --isa is set
    measure = importlib.import_module("avatar_rt.measure")
    if args.avatar:
        avatar = importlib.import_module("avatar_rt.avatar").Avatar.load(args.avatar)
    else:
        avatar = importlib.import_module("avatar_rt.synthetic").synthetic_head(args.gaussians)
    renderer = importlib.import_module("avatar_rt.render").Renderer(avatar, threads=args.threads)
    camera = renderer.camera(width=args.size, height=args.size)
    faces = measure.moving_faces(args.frames)
    qualities = (args.quality,) if args.quality else QUALITIES
    with Progress(transient=True, disable=args.json) as progress:
        task = progress.add_task("rendering", total=len(qualities))
        results = []
        for quality in qualities:
            progress.update(task, description=f"rendering, {quality}")
            threads = args.threads or measure.cores()
            results.append(measure.measure(renderer, faces, camera, quality, threads))
            progress.advance(task)
    return results


def _show(results: list[Result]) -> None:
    first = results[0]
    console = Console(highlight=False)
    console.print(
        f"{first.scene}: {first.gaussians:,} Gaussians at {first.width}×{first.height}, "
        f"{first.isa}, {first.threads} threads"
    )
    table = Table("quality", "frames a second", "median ms", "90 % ms", "PSNR", "stages, ms")
    for r in results:
        psnr = "" if r.psnr_db is None else f"{r.psnr_db:.1f} dB"
        stages = ", ".join(f"{name} {ms:.2f}" for name, ms in r.stages_ms.items())
        numbers = f"{r.fps:.0f}", f"{r.ms_median:.2f}", f"{r.ms_p90:.2f}"
        table.add_row(r.quality, *numbers, psnr, stages)
    console.print(table)
