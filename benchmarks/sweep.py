"""`python -m benchmarks.sweep`: the renderer on three kinds of heads, by size, instruction set,
threads and quality; it writes docs/figures/renderer.json and .svg, and the tables of
docs/renderer.md. Some seven minutes on two quiet cores.

The heads are the made-up one with 20,000 to 100,000 Gaussians, the astronaut that `avatar-rt demo`
makes, and the LAM avatars of the tests' assets where they are present. Each head is measured with
one instruction set after the other, each in a process of its own.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress

from avatar_rt import _core
from avatar_rt.avatar import Avatar
from avatar_rt.cli.demo import demo_avatar
from avatar_rt.errors import AvatarRtError
from avatar_rt.fidelity import state_fast_quality, worst_psnr_db
from avatar_rt.files import replacing
from avatar_rt.importers import import_avatar
from avatar_rt.measure import QUALITIES, cores, machine, measure, moving_faces
from avatar_rt.render import Renderer
from avatar_rt.synthetic import synthetic_head
from avatar_rt.types import FaceParams
from benchmarks import figures

_ROOT = Path(__file__).resolve().parents[1]
COUNTS, SIZES = (20_000, 50_000, 78_000, 100_000), (256, 512, 1024)
_BESIDE_BASELINES = 78_000, 512
_SECONDS, _FRAMES = 0.8, (10, 200)
"""How long each turn takes in all, and the least and the most frames that this may be."""


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks.sweep", description=__doc__.split("\n")[0])
    assets = os.environ.get("AVATAR_RT_TEST_ASSETS", _ROOT.parent / "shared" / "assets")
    parser.add_argument("--assets", type=Path, default=Path(assets), help="where lam/*.zip are")
    parser.add_argument("--docs", type=Path, default=_ROOT / "docs", help="where figures go")
    parser.add_argument("--gaussians", type=int, nargs="+", default=COUNTS, help="of the made-up")
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="pixels a side")
    parser.add_argument("--made-up-only", action="store_true", help="leave the other heads out")
    parser.add_argument("--draw-only", action="store_true", help="from the JSON that is there")
    parser.add_argument("--head", type=Path, help=argparse.SUPPRESS)  # this is one head's process
    return parser.parse_args(argv)


def heads(args: argparse.Namespace, console: Console) -> Iterator[Avatar]:
    """All the heads that are to be measured; says which are missing."""
    yield from (synthetic_head(count) for count in args.gaussians)
    if args.made_up_only:
        return
    try:
        yield demo_avatar(console)
    except AvatarRtError as error:
        console.print(f"without the astronaut: {error}")
    files = sorted(args.assets.glob("lam/*.zip"))
    if not files:
        console.print(f"without LAM avatars: none in {args.assets / 'lam'}")
    yield from map(import_avatar, files)


def measure_head(avatar: Avatar, sizes: Sequence[int]) -> dict[str, Any]:
    """One head on this process's instruction set."""
    threads = (1, 2) if cores() > 1 else (1,)
    if "fast_haste" not in avatar.metadata:
        state_fast_quality(avatar)
    renderer = Renderer(avatar, threads=cores())
    psnr_db = worst_psnr_db(renderer, QUALITIES)
    slow = Renderer(avatar, threads=1)
    results, baselines = [], []
    best = _core.isa() == _core.available_isas()[-1]
    for size in sizes:
        camera = slow.camera(width=size, height=size)
        slow.render(FaceParams(), camera)
        start = time.perf_counter()
        slow.render(FaceParams(), camera)
        fewest, most = _FRAMES
        frames = int(min(max(_SECONDS / (time.perf_counter() - start), fewest), most))
        beside = best and (len(avatar.gaussians.triangles), size) == _BESIDE_BASELINES
        report = measure(
            avatar, moving_faces(frames), size=size, threads=threads, psnr_db=psnr_db,
            baselines=beside,
        )  # fmt: skip
        results += [asdict(result) | {"frames": frames} for result in report.results]
        baselines += [asdict(baseline) for baseline in report.baselines]
    return {"results": results, "baselines": baselines}


def sweep(args: argparse.Namespace, console: Console) -> dict[str, Any]:
    """Every head on every instruction set, and the machine."""
    found: dict[str, Any] = {"machine": machine(), "results": [], "baselines": []}
    isas = _core.available_isas()
    with tempfile.TemporaryDirectory() as folder:
        files = []
        for k, avatar in enumerate(heads(args, console)):
            files.append(Path(folder) / f"{k}.avatar")
            avatar.save(files[-1])
        with Progress(console=console, transient=True) as bar:
            task = bar.add_task("sweep", total=len(files) * len(isas))
            for k, file in enumerate(files):
                for isa in isas:
                    bar.update(task, description=f"head {k + 1} of {len(files)}, {isa}")
                    sizes = [str(size) for size in args.sizes]
                    command = [sys.executable, "-m", "benchmarks.sweep", "--head", str(file)]
                    done = subprocess.run(
                        [*command, "--sizes", *sizes], stdout=subprocess.PIPE, check=False,
                        cwd=_ROOT, env={**os.environ, "AVATAR_RT_ISA": isa},
                    )  # fmt: skip
                    if done.returncode:
                        raise SystemExit(f"head {k + 1} could not be measured on {isa}")
                    for name, rows in json.loads(done.stdout).items():
                        found[name] += rows
                    bar.advance(task)
    return found


def main(argv: Sequence[str] | None = None) -> int:
    args = parse(argv)
    if args.head:
        print(json.dumps(measure_head(Avatar.load(args.head), args.sizes)))
        return 0
    console = Console(stderr=True, highlight=False)
    target = args.docs / "figures" / "renderer.json"
    if not args.draw_only:
        report = json.dumps(sweep(args, console), indent=1) + "\n"
        target.parent.mkdir(parents=True, exist_ok=True)
        with replacing(target) as file:
            file.write_text(report, "utf-8")
    figures.write(json.loads(target.read_text()), args.docs)
    console.print(f"{target}, {target.with_suffix('.svg')} and the tables of renderer.md are new")
    return 0


if __name__ == "__main__":
    sys.exit(main())
