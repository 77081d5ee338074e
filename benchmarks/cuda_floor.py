"""The time below which no frame of the CUDA core can go, from what it has to do, counted here
on the processor: bytes, machine instructions, and the longest row of steps that wait for another.

    python -m benchmarks.cuda_floor [AVATAR …] [--size 512] [--gpu h100] [--json]

Each AVATAR is an avatar file or what `avatar-rt import` takes; without any, the made-up heads of
78,000 and 20,000 Gaussians. docs/cuda.md explains the figures; none of them was measured on a GPU.
"""

from __future__ import annotations

import argparse
import heapq
import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from avatar_rt.avatar import Avatar
from avatar_rt.head.rig import Rig
from avatar_rt.importers import import_avatar
from avatar_rt.render import Renderer
from avatar_rt.synthetic import synthetic_head
from avatar_rt.types import FaceParams
from benchmarks.cuda_counts import BLOCK, WARP, Counts, count, tile_bits


@dataclass(frozen=True, slots=True)
class Gpu:
    """Rates by the vendor's datasheet."""

    name: str
    sms: int
    hz: float
    """The highest clock: 67 TFLOPS of float32 are 132 SMs × 128 lanes × 2 × 1.98 GHz."""
    memory: float
    """Bytes a second."""
    l2: float
    """Bytes a second: 5,120 a cycle (A100 whitepaper; the H100's says no other)."""
    pcie: float = 63e9
    """Bytes a second of PCIe 5 × 16 in one direction, its coding taken off."""

    @property
    def slots(self) -> float:
        """Instructions of warps a second: four schedulers an SM issue one a cycle each."""
        return 4 * self.sms * self.hz


GPUS = {
    "h100": Gpu("H100 SXM", 132, 1.98e9, 3.35e12, 5120 * 1.98e9),
    "h200": Gpu("H200 SXM", 132, 1.98e9, 4.8e12, 5120 * 1.98e9),
}

# Instructions of one warp, as benchmarks/sass_counts.py counts them (sm_90, CUDA 13.0). Of
# straight code all branches count, also those that a frame does not take.
PREPARE, PER_DELTA, PER_INFLUENCE = 162, 27, 37
PROJECT, ENTER, PER_TEST_ROUND = 947, 374, 124
BLEND, PER_BATCH, PER_CHUNK, PER_STEP = 364, 69, 72, 26
# Cycles for which the shared memory's way back to the registers is busy in a step: it carries one
# register a cycle, two where all lanes read the same address, and a step reads ten.
STEP_SHARED = 5

# Cycles that one warp waits, taken to be: 200 for what lies in the L2, 20 for shared memory, 4 for
# arithmetic and 18 for what the special units do. A step waits for shared memory once, for the
# special units three times (two to find the next bit) and for 11 results; the second step of a pair
# does so meanwhile, and adds 6 results.
L2_WAIT = 200
STEP_WAIT = (20 + 3 * 18 + 11 * 4 + 6 * 4) / 2
CHUNK_WAIT = 20 + 30 * 4
BATCH_WAIT = 2 * L2_WAIT + 200
PROJECT_WAIT = 6 * L2_WAIT + 200 * 4
ENTER_WAIT = 5 * L2_WAIT + 100 * 4
DELTA_WAIT = 3 * L2_WAIT / 4
"""The compiler asks for four deltas at once."""

# Seconds, taken to be; the first things to be measured.
NODE = 1.3e-6
"""From the end of a graph's node to the begin of the next."""
LAUNCH = 10e-6
"""From the call that launches the graph to its first node, and from its last to the caller."""

DEPTH_BITS = 24
"""csrc/cuda/jobs.h."""
SORT_DIGIT, SORT_TILE = 8, 384 * 23
"""cub::DeviceRadixSort on sm_90, keys and values of 4 bytes: bits a pass, and entries a block."""


@dataclass(frozen=True, slots=True)
class Stage:
    """What a kernel, a copy or a sort has to do."""

    name: str
    nodes: int
    """Of the graph."""
    mib: float
    """Read and written."""
    million_instructions: float
    """Of warps; 0 where they are not ours."""
    us_bytes: float
    us_issue: float
    us_wait: float
    """Of its longest warp."""
    us: float
    """The largest of the three."""


@dataclass(frozen=True, slots=True)
class Floor:
    """A frame."""

    scene: str
    gpu: str
    width: int
    height: int
    gaussians: int
    drawn: int
    entries: int
    capacity: int
    """Entries that are sorted, used or not."""
    tile_entries: dict[str, float]
    """median, p99, max of the tiles that have any."""
    tiles_with_entries: int
    warp_steps: int
    longest_warp_steps: int
    chunks: int
    pairs: int
    lanes_used: float
    """Share of a step's lanes on which something blends."""
    busiest_sm: float
    """Work of the busiest SM over the mean."""
    stages: list[Stage]
    us_kernels: float
    us_gaps: float
    us_device: float
    us_launch: float
    us_host: float
    """Python and checks around the core's call, measured by the wall here."""
    us_frame: float
    fps_device: float
    fps: float
    psnr_db: float
    """Of the picture that was counted against the core's."""


def roomy(entries: int) -> int:
    """csrc/cuda/plan.cpp."""
    return ((entries + entries // 4) // (1 << 15) + 1) << 15


def capacity_for(gaussians: int, entries: int) -> int:
    """How many entries a frame's plan has room for, once frames of as many were drawn."""
    first = roomy(3 * gaussians)
    return roomy(entries) if entries > first or first // 2 > roomy(entries) else first


def packed(rig: Rig) -> tuple[int, int, int, int]:
    """What csrc/core/pack.cpp makes of a head: deltas and influences of packs of 16 vertices, and
    the most of either that a pack has."""
    packs = -(-len(rig.vertices) // 16) * 16
    basis = np.zeros((len(rig.expression_basis) + len(rig.pose_correctives), packs, 3))
    basis[:, : len(rig.vertices)] = np.concatenate([rig.expression_basis, rig.pose_correctives])
    most = np.abs(basis).reshape(len(basis), -1, 48).max(2)
    deltas = (most > 2.5e-7).sum(0) + (most / 65534 > 2.5e-7).sum(0)
    weights = np.zeros((packs, rig.weights.shape[1]))
    weights[: len(rig.vertices)] = rig.weights
    influences = (weights.reshape(-1, 16, rig.weights.shape[1]) != 0).any(1).sum(1)
    return int(deltas.sum()), int(influences.sum()), int(deltas.max()), int(influences.max())


def _busiest(work_of_tile: list[float], sms: int) -> float:
    """The work of the SM that has most, if a tile goes where there is least."""
    heap = [0.0] * sms
    for work in work_of_tile:
        heapq.heapreplace(heap, heap[0] + work)
    return max(heap)


def stages(
    avatar: Avatar, counts: Counts, gpu: Gpu, picture_bytes: int
) -> tuple[list[Stage], float]:
    """Every node of a frame's graph and the copy of its picture; and by how much the busiest SM's
    work is above the mean."""
    g, rig = avatar.gaussians, avatar.rig
    N, V, E = counts.gaussians, len(rig.vertices), counts.entries
    C = capacity_for(N, E)
    tiles = len(counts.entries_of_tile)
    bits = tile_bits(tiles)
    key, passes = 4 if bits + DEPTH_BITS <= 32 else 8, -(-(bits + DEPTH_BITS) // SORT_DIGIT)
    deltas, influences, most_deltas, most_influences = packed(rig)
    harmonics = g.colors.ndim == 3 and g.colors.shape[1] > 1
    color = 6 * g.colors.shape[1] if harmonics else 16
    out = []

    def stage(name: str, nodes: int, total: float, slots: float, wait: float, *,
              rate: float = gpu.l2, busiest: float = 1) -> None:  # fmt: skip
        by_bytes, issue = 1e6 * total / rate, 1e6 * slots * busiest / gpu.slots
        waits = 1e6 * wait / gpu.hz
        out.append(Stage(name, nodes, total / 2**20, slots / 1e6, by_bytes, issue, waits,
                         max(by_bytes, issue, waits)))  # fmt: skip

    jobs = 1024 + 4 * (len(rig.expression_basis) + 21 * len(rig.joints))
    stage("upload", 1, jobs, 0, 0, rate=gpu.pcie)
    stage(
        "prepare", 1, 28 * V + 104 * deltas + 68 * influences + key * C,
        V / WARP * PREPARE + PER_DELTA * deltas / 2 + PER_INFLUENCE * influences / 2,
        6 * L2_WAIT + DELTA_WAIT * most_deltas + L2_WAIT * most_influences / 2,
    )  # fmt: skip
    stage(
        "project", 1, (52 + color + 16) * N + 12 * len(np.unique(g.triangles)) + 16 * V
        + 32 * counts.drawn, N / WARP * PROJECT + PER_TEST_ROUND * counts.test_rounds, PROJECT_WAIT,
    )  # fmt: skip
    stage(
        "enter", 1, 16 * N + 32 * counts.drawn + (key + 4) * E,
        N / WARP * ENTER + PER_TEST_ROUND * counts.test_rounds, ENTER_WAIT,
    )  # fmt: skip
    # as many SMs as blocks take part, each with 64 bytes a cycle
    sorting = min(gpu.l2, 64 * gpu.hz * min(gpu.sms, -(-C // SORT_TILE)))
    stage("sort", 4 + 2 * passes, key * C + 2 * (key + 4) * C * passes, 0,
          (passes + 1) * (SORT_TILE / 384 * 40 + 6 * L2_WAIT), rate=sorting)  # fmt: skip

    batches = -(-counts.staged_of_tile // BLOCK)
    searches = max(1, int(np.ceil(np.log(max(C, 2)) / np.log(WARP))))
    steps, chunks = counts.steps_of_warp, counts.chunks_of_warp
    work = PER_STEP * steps.sum(1) + PER_CHUNK * chunks.sum(1)
    work = work + BLOCK // WARP * (PER_BATCH * batches + BLEND) + 2 * 23 * searches
    # shared memory serves an SM's four schedulers together
    shared = 4 * STEP_SHARED * steps.sum(1)
    slots = np.maximum(work, shared)
    uneven = _busiest(slots.tolist(), gpu.sms) / (slots.sum() / gpu.sms)
    waits = STEP_WAIT * steps + CHUNK_WAIT * chunks + BATCH_WAIT * batches[:, None]
    stage("blend", 1, 36 * counts.staged_of_tile.sum() + 256 * searches * tiles + picture_bytes,
          float(slots.sum()), float(waits.max()) + L2_WAIT * (3 + searches),
          busiest=uneven)  # fmt: skip
    stage("counts back", 1, 48, 0, 0, rate=gpu.pcie)
    stage("picture back", 1, picture_bytes, 0, 0, rate=gpu.pcie)
    return out, uneven


@cache
def _host_us() -> float:
    """The median time of a picture of nothing, without what its stages take: Python and checks."""
    renderer = Renderer(synthetic_head(0), backend="cpu", threads=1)
    camera, face, times = renderer.camera(width=2, height=2), FaceParams(), []
    for _ in range(300):
        begin = time.perf_counter()
        frame = renderer.render(face, camera)
        times.append(time.perf_counter() - begin - sum(frame.timings.values()))
    return 1e6 * float(np.median(times))


def floor_of(
    avatar: Avatar, size: int, gpu: Gpu, step: Callable[[float], None] = lambda _share: None
) -> Floor:
    """One frame of an avatar, exact, rgb8, seen by its preferred camera."""
    renderer = Renderer(avatar, backend="cpu")
    camera, face = renderer.camera(width=size, height=size), FaceParams()
    counts = count(renderer, face, camera, step)
    core = renderer.render(face, camera, format="float32", quality="exact").pixels
    error = np.square(counts.picture - core).mean()
    parts, uneven = stages(avatar, counts, gpu, 3 * size * size)
    used = counts.entries_of_tile[counts.entries_of_tile > 0]
    steps = int(counts.steps_of_warp.sum())
    kernels, nodes = sum(s.us for s in parts), sum(s.nodes for s in parts)
    gaps, launch, host = 1e6 * NODE * nodes, 1e6 * LAUNCH, _host_us()
    device = kernels + gaps
    return Floor(
        scene=str(avatar.metadata.get("name", "avatar")), gpu=gpu.name, width=size, height=size,
        gaussians=counts.gaussians, drawn=counts.drawn, entries=counts.entries,
        capacity=capacity_for(counts.gaussians, counts.entries),
        tile_entries={
            "median": float(np.median(used)) if len(used) else 0,
            "p99": float(np.percentile(used, 99)) if len(used) else 0,
            "max": float(used.max(initial=0)),
        },
        tiles_with_entries=len(used), warp_steps=steps,
        longest_warp_steps=int(counts.steps_of_warp.max()),
        chunks=int(counts.chunks_of_warp.sum()), pairs=counts.pairs,
        lanes_used=counts.pairs / max(WARP * steps, 1), busiest_sm=uneven, stages=parts,
        us_kernels=kernels, us_gaps=gaps, us_device=device, us_launch=launch, us_host=host,
        us_frame=device + launch + host, fps_device=1e6 / device,
        fps=1e6 / (device + launch + host), psnr_db=-10 * float(np.log10(max(error, 1e-12))),
    )  # fmt: skip


def show(floor: Floor, console: Console) -> None:
    """A human's tables."""
    t = floor.tile_entries
    console.print(
        f"[bold]{floor.scene}[/] · {floor.gaussians:,} Gaussians · {floor.width}×{floor.height} · "
        f"{floor.gpu}, predicted\n"
        f"{floor.entries:,} entries (room for {floor.capacity:,}); a tile has {t['median']:.0f} in "
        f"the median, {t['p99']:.0f} at 99 %, {t['max']:.0f} at most\n"
        f"{floor.warp_steps:,} steps of warps, the longest warp {floor.longest_warp_steps}; "
        f"{floor.pairs / 1e6:.2f} million pairs, {100 * floor.lanes_used:.0f} % of the lanes; "
        f"the busiest SM has {floor.busiest_sm:.2f} of the mean"
    )
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("stage")
    for head in ("nodes", "MiB", "M instr.", "µs bytes", "µs issue", "µs wait", "µs"):
        table.add_column(head, justify="right")
    for s in floor.stages:
        table.add_row(s.name, str(s.nodes), f"{s.mib:.2f}", f"{s.million_instructions:.2f}",
                      f"{s.us_bytes:.1f}", f"{s.us_issue:.1f}", f"{s.us_wait:.1f}",
                      f"[bold]{s.us:.1f}[/]")  # fmt: skip
    console.print(table)
    console.print(
        f"kernels {floor.us_kernels:.0f} + gaps {floor.us_gaps:.0f} = device "
        f"{floor.us_device:.0f} µs ({floor.fps_device:,.0f} a second); + launch "
        f"{floor.us_launch:.0f} + host {floor.us_host:.0f} = frame {floor.us_frame:.0f} µs "
        f"({floor.fps:,.0f} a second)\n"
    )


def main() -> None:
    """Counts and prints."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("avatars", nargs="*", type=Path, help="default: the made-up heads")
    parser.add_argument("--size", type=int, default=512, help="pixels a side (default 512)")
    parser.add_argument("--gaussians", type=int, nargs="*", default=[78_000, 20_000],
                        help="of the made-up heads")  # fmt: skip
    parser.add_argument("--gpu", choices=GPUS, default="h100")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    args = parser.parse_args()
    avatars = [
        Avatar.load(p) if p.suffix == ".avatar" else import_avatar(p) for p in args.avatars
    ] or [synthetic_head(n) for n in args.gaussians]
    floors = []
    with Progress(console=Console(stderr=True), transient=True, disable=args.json) as bar:
        for avatar in avatars:
            task = bar.add_task(str(avatar.metadata.get("name", "avatar")), total=1)
            floors.append(floor_of(avatar, args.size, GPUS[args.gpu],
                                   lambda share, task=task: bar.advance(task, share)))  # type: ignore[misc]  # fmt: skip
    if args.json:
        print(json.dumps({"predicted": True, "results": [asdict(f) for f in floors]}))
        return
    for floor in floors:
        show(floor, Console(highlight=False))


if __name__ == "__main__":
    main()
