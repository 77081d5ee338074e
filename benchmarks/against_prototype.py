"""`python -m benchmarks.against_prototype FOLDER`: beside a CPU prototype, in the same minute.

FOLDER holds scene.h, ref.h and fast.h of the prototype that docs/renderer.md speaks of. It is
compiled into a temporary folder, and its own head becomes an avatar of ours: the same mesh, shapes,
joints, Gaussians and camera, frame by frame. Both pictures are first held to its double-precision
reference; then both render the same frames alternately, in small rounds. The prototype's threads
spin while they wait, so it is stopped (SIGSTOP) whenever it is not its turn.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from avatar_rt import _core
from avatar_rt.arrays import F64, floats32, floats64, ints32
from avatar_rt.avatar import Avatar, Gaussians
from avatar_rt.fidelity import state_fast_quality
from avatar_rt.head.rig import Rig
from avatar_rt.measure import QUALITIES, machine
from avatar_rt.render import Renderer
from avatar_rt.rotation import axis_angle_from_matrix
from avatar_rt.types import Camera, FaceParams, Quality

_ROOT = Path(__file__).resolve().parents[1]
_ISAS = {
    "avx512": "-march=native -mprefer-vector-width=512",
    "avx2": "-march=haswell -mtune=znver3",
}
_FLAGS = "-O3 -std=gnu++17 -ffast-math -fno-math-errno -pthread -w -DEXPCVT"
_RULES = {"exact": "1e-4 1 -2", "fast": "5e-3 1.5 -0.4"}
"""Transmittance to stop at, least alpha in 255ths, cosine beyond which it culls back faces."""
_GAUSSIANS, _SIZE, _LOOKED_AT = 78_000, 512, (10, 45, 80)
_FRAMES = 20
_EXACT_DB = 60.0

Frame = tuple[FaceParams, Camera]


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="benchmarks.against_prototype", description=__doc__.split("\n")[0]
    )
    parser.add_argument("prototype", type=Path, help="the folder of scene.h, ref.h and fast.h")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--rounds", type=int, default=10, help="of 20 frames each (default 10)")
    parser.add_argument("--built", type=Path, help=argparse.SUPPRESS)  # this is one ISA's process
    args = parser.parse_args(argv)
    if args.built:
        print(json.dumps(compare(args.built, args.rounds)))
        return 0
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        isas = [isa for isa in _ISAS if isa in _core.available_isas()]
        build(args.prototype, folder, isas)
        for isa in isas:
            done = subprocess.run(
                [sys.executable, "-m", "benchmarks.against_prototype", str(args.prototype),
                 "--built", name, "--rounds", str(args.rounds)],
                stdout=subprocess.PIPE, check=False, cwd=_ROOT,
                env={**os.environ, "AVATAR_RT_ISA": isa},
            )  # fmt: skip
            if done.returncode:
                return done.returncode
            rows += json.loads(done.stdout)
    if args.json:
        print(json.dumps({"machine": machine(), "results": rows}))
    else:
        show(rows)
    return 0


def build(prototype: Path, folder: Path, isas: Sequence[str]) -> None:
    """Compiles the driver with the prototype's headers, and dumps its head into the folder."""
    for header in ("scene.h", "ref.h", "fast.h"):
        if not (prototype / header).is_file():
            raise SystemExit(f"{prototype}: has no {header}, so it is not the prototype's folder")
    if not isas:
        raise SystemExit("the prototype needs a processor with AVX2")
    for isa in isas:
        command = ["g++", *_FLAGS.split(), *_ISAS[isa].split(), "-I", str(prototype.resolve())]
        source = str(Path(__file__).with_name("prototype_driver.cpp"))
        subprocess.run([*command, source, "-o", str(folder / isa)], check=True)
    frames = [str(k) for k in _LOOKED_AT]
    scene = [str(_GAUSSIANS), str(_SIZE)]
    subprocess.run([str(folder / isas[0]), *scene, "dump", *frames], cwd=folder, check=True)


def head_of(folder: Path) -> tuple[Avatar, list[Frame]]:
    """The prototype's head as an avatar, and its hundred frames.

    Its third axis of a triangle is n × a0 where ours is a0 × n: positions and rotations are
    mirrored in it. Its pixel centres lie at whole numbers and its principal point at (W - 1)/2;
    with both half a pixel further, as here, the picture is the same.
    """
    vertices = np.fromfile(folder / "vertices", np.float32).reshape(-1, 3)
    basis = np.fromfile(folder / "basis", np.float32).reshape(-1, *vertices.shape)
    weights = np.fromfile(folder / "weights", np.float32).reshape(len(vertices), -1)
    poses = floats64(np.fromfile(folder / "poses", np.float32).reshape(100, -1))
    shapes, joints = len(basis), weights.shape[1]
    coefficients, rest = poses[:, :shapes], poses[:, shapes:]
    motions = rest[:, : 12 * joints].reshape(-1, joints, 3, 4)
    turned, shift, focal = rest[:, -13:-4].reshape(-1, 3, 3), rest[:, -4:-1], rest[:, -1]
    # all joints hang on the first, which turns about the origin: that goes into the camera
    root = motions[:, 0, :, :3]
    local = root.transpose(0, 2, 1)[:, None] @ motions
    turns = [[axis_angle_from_matrix(m[:, :3]) for m in frame] for frame in local]
    centres = [_centre(local[:, j]) for j in range(joints)]
    rig = Rig(
        floats32(vertices), ints32(np.fromfile(folder / "faces", np.int32).reshape(-1, 3)),
        floats32(basis), tuple(f"shape {k}" for k in range(shapes)),
        np.zeros((52, shapes), np.float32), np.zeros((52, joints, 3), np.float32),
        ("root", "head", "jaw", "left_eye", "right_eye"), floats32(centres),
        ints32([-1] + [0] * (joints - 1)), floats32(weights),
        np.zeros((0, *vertices.shape), np.float32),
    )  # fmt: skip
    g = np.fromfile(folder / "gaussians", np.float32).reshape(_GAUSSIANS, 14)
    gaussians = Gaussians(
        "similarity",
        ints32(np.fromfile(folder / "triangles", np.int32)),
        np.full((_GAUSSIANS, 3), 1 / 3, np.float32),
        floats32(g[:, :3] * [1, 1, -1]),
        floats32(g[:, 3:7] * [1, -1, -1, 1]),
        floats32(g[:, 7:10]),
        floats32(g[:, 10]),
        floats32(g[:, 11:]),
    )
    frames = []
    for k in range(len(poses)):
        face = FaceParams(
            expression=floats32(coefficients[k]), head_pose=floats32(turns[k][1]),
            jaw_pose=floats32(turns[k][2]), eye_pose=floats32(turns[k][3:5]),
        )  # fmt: skip
        viewmat = np.eye(4)
        viewmat[:3, :3], viewmat[:3, 3] = turned[k] @ root[k], shift[k]
        K = np.array([[focal[k], 0, _SIZE / 2], [0, focal[k], _SIZE / 2], [0, 0, 1]])
        frames.append((face, Camera(floats64(viewmat), floats64(K), _SIZE, _SIZE)))
    return Avatar(rig, gaussians, {"name": "the prototype's head"}), frames


def _centre(motions: F64) -> F64:
    """The point (3,) that rigid motions (K, 3, 4) leave where it is, in least squares."""
    rows = (np.eye(3) - motions[:, :, :3]).reshape(-1, 3)
    return floats64(np.linalg.lstsq(rows, motions[:, :, 3].reshape(-1), rcond=None)[0])


class Prototype:
    """The prototype in a process of its own, which stands still unless it renders."""

    def __init__(self, folder: Path, threads: int, quality: Quality) -> None:
        self._seen = folder / f"seen-{quality}-{threads}"
        self._process = subprocess.Popen(
            [str(folder / _core.isa()), str(_GAUSSIANS), str(_SIZE), str(threads),
             *_RULES[quality].split(), str(self._seen)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    def render(self, first: int, count: int) -> list[float]:
        """Seconds of each of those frames."""
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        process.send_signal(signal.SIGCONT)
        process.stdin.write(f"{first} {count}\n")
        process.stdin.flush()
        line = process.stdout.readline()
        process.send_signal(signal.SIGSTOP)
        if not line:
            raise SystemExit("the prototype broke off")
        return [float(word) for word in line.split()]

    def picture(self, frame: int) -> F64:
        """(H, W, 3) premultiplied."""
        self.render(-frame, 0)
        return floats64(np.fromfile(self._seen, np.float32).reshape(_SIZE, _SIZE, 3))

    def close(self) -> None:
        """Ends the process."""
        self._process.send_signal(signal.SIGCONT)
        self._process.kill()
        self._process.communicate()


def compare(folder: Path, rounds: int) -> list[dict[str, Any]]:
    """Both on this process's instruction set, with one thread and two, exact and fast."""
    avatar, frames = head_of(folder)
    state_fast_quality(avatar)
    rows = []
    for threads in (1, 2):
        renderer = Renderer(avatar, threads=threads)
        with contextlib.ExitStack() as stack:
            prototypes: dict[Quality, Prototype] = {}
            for quality in QUALITIES:
                prototypes[quality] = Prototype(folder, threads, quality)
                stack.callback(prototypes[quality].close)
            fidelity = {q: _fidelity(folder, renderer, p, q, frames) for q, p in prototypes.items()}
            times = _alternate(renderer, prototypes, frames, rounds)
        for quality, (ours, theirs) in times.items():
            psnr_db, prototype_psnr_db = fidelity[quality]
            rows.append({
                "isa": _core.isa(), "threads": threads, "quality": quality,
                "ms_median": 1e3 * float(np.median(ours)),
                "prototype_ms_median": 1e3 * float(np.median(theirs)),
                "ratio": float(np.median(np.median(theirs, 1) / np.median(ours, 1))),
                "psnr_db": psnr_db, "prototype_psnr_db": prototype_psnr_db,
            })  # fmt: skip
    return rows


def _alternate(
    renderer: Renderer, prototypes: Mapping[Quality, Prototype], frames: list[Frame], rounds: int
) -> dict[Quality, tuple[F64, F64]]:
    """Seconds (rounds, frames a round) of ours and of the prototype's, by quality."""
    ours: dict[Quality, list[list[float]]] = {quality: [] for quality in prototypes}
    theirs: dict[Quality, list[list[float]]] = {quality: [] for quality in prototypes}
    for k in range(-1, rounds):  # the first warms up
        first = _FRAMES * max(k, 0) % len(frames)
        for quality, prototype in prototypes.items():
            mine = []
            for face, camera in frames[first : first + _FRAMES]:
                start = time.perf_counter()
                renderer.render(face, camera, quality=quality)
                mine.append(time.perf_counter() - start)
            other = prototype.render(first, _FRAMES)
            if k >= 0:
                ours[quality].append(mine)
                theirs[quality].append(other)
    return {q: (floats64(ours[q]), floats64(theirs[q])) for q in prototypes}


def _fidelity(
    folder: Path, renderer: Renderer, prototype: Prototype, quality: Quality, frames: list[Frame]
) -> tuple[float, float]:
    """The lowest PSNR of ours and of the prototype's pictures against its reference, over the head,
    on black. Ends the program where our exact one is another picture."""
    ours: list[float] = []
    theirs: list[float] = []
    for k in _LOOKED_AT:
        truth = np.fromfile(folder / f"picture{k}").reshape(_SIZE, _SIZE, 3)
        head = np.fromfile(folder / f"left{k}").reshape(_SIZE, _SIZE) < 0.5
        face, camera = frames[k]
        pixels = renderer.render(face, camera, format="float32", quality=quality).pixels[..., :3]
        for found, picture in ((ours, pixels), (theirs, prototype.picture(k))):
            found.append(-10 * float(np.log10(np.square(picture - truth)[head].mean())))
    if quality == "exact" and min(ours) < _EXACT_DB:
        raise SystemExit(f"our picture of the prototype's head has only {min(ours):.1f} dB")
    return min(ours), min(theirs)


def show(rows: Sequence[Mapping[str, Any]]) -> None:
    """The rows as a table."""
    console = Console(highlight=False)
    console.print(
        f"The prototype's head, {_GAUSSIANS:,} Gaussians at {_SIZE}×{_SIZE}, whole frames to RGB, "
        f"in turns; {machine()['processor']}\n"
    )
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", pad_edge=False)
    for head in ("", "quality", "threads", "ms", "prototype", "ratio", "PSNR", "prototype's"):
        table.add_column(head, justify="left" if head in ("", "quality") else "right")
    for r in rows:
        table.add_row(
            r["isa"], r["quality"], str(r["threads"]), f"{r['ms_median']:.2f}",
            f"{r['prototype_ms_median']:.2f}", f"[bold]{r['ratio']:.2f}×[/]",
            f"{r['psnr_db']:.1f} dB", f"{r['prototype_psnr_db']:.1f} dB",
        )  # fmt: skip
    console.print(table)


if __name__ == "__main__":
    sys.exit(main())
