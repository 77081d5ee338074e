"""What scripts/prove_cuda.sh found, in one page: FOLDER/report.md from its JSON files.

python -m benchmarks.cuda_report FOLDER
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from avatar_rt.files import write_bytes

Rows = list[Sequence[object]]
_GOALS = {78_000: 3_000, 20_000: 5_000}
"""Whole frames a second that are asked for at 512×512."""


def table(heads: Sequence[str], rows: Rows) -> str:
    """Markdown; numbers to the right of the first column."""
    lines = [heads, ["---", *("---:" for _ in heads[1:])], *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines) + "\n"


def steps(text: str) -> str:
    """steps.tsv: name, exit status and seconds of each step."""
    rows: Rows = []
    for line in text.splitlines():
        name, status, seconds = line.split("\t")
        rows.append([name, "passed" if status == "0" else f"**failed** ({status})", seconds])
    return "## Steps\n\n" + table(["step", "", "s"], rows)


def bench(reports: Sequence[dict[str, Any]]) -> str:
    """`avatar-rt bench --json --backend cuda`, once for each scene."""
    rows: Rows = []
    for report in reports:
        for r in report["results"]:
            goal = _GOALS.get(r["gaussians"]) if r["width"] == 512 else None
            rows.append([
                f"{r['gaussians']:,}", r["quality"], f"{r['ms_median']:.3f}", f"{r['ms_p90']:.3f}",
                f"{r['fps']:,.0f}", "" if r["device_ms"] is None else f"{r['device_ms']:.3f}",
                f"{r['psnr_db']:.1f}",
                "" if goal is None else f"{goal:,}: {'yes' if r['fps'] >= goal else 'no'}",
            ])  # fmt: skip
    heads = ["Gaussians", "quality", "ms", "ms, 90 %", "FPS", "ms by events", "PSNR", "goal"]
    return "## Frames, FaceParams to RGB in the processor's memory\n\n" + table(heads, rows)


def against_gsplat(report: dict[str, Any]) -> str:
    """`python -m trainer.evaluate against_gsplat --json`."""
    rows: Rows = []
    for r in report["results"]:
        ratios = [f"{r[k]:.2f}" if k in r else "" for k in ("ratio_events", "ratio_wall")]
        rows.append([
            f"{r['gaussians']:,}", r["width"], r["pass"], r["who"], f"{r['ms_events']:.3f}",
            f"{r['ms_wall']:.3f}", *ratios, r["alpha_max"],
        ])  # fmt: skip
    heads = ["Gaussians", "size", "pass", "who", "ms by events", "ms by the wall", "× events",
             "× wall", "clamp"]  # fmt: skip
    return (
        f"## Beside gsplat {report['gsplat']}, torch {report['torch']}, {report['device']}\n\n"
        "Asked for: at least 3 × forward, 2 × with the way back.\n\n" + table(heads, rows)
    )


def many_avatars(report: dict[str, Any]) -> str:
    """`python -m benchmarks.many_avatars --json`."""
    rows: Rows = [
        [
            r["way"], r["avatars"], f"{r['gaussians']:,}", f"{r['ticks_per_second']:.1f}",
            "yes" if r["enough"] else "no", f"{r['tick_ms_median']:.2f}",
            f"{r['tick_ms_p99']:.2f}",
            "" if r["mib_per_avatar"] is None else f"{r['mib_per_avatar']:.1f}",
        ]
        for r in report["results"]
    ]  # fmt: skip
    heads = ["way", "avatars", "Gaussians", "ticks/s", "≥ 60", "ms", "ms, 99 %", "MiB each"]
    return "## Different avatars on one device, NV12\n\n" + table(heads, rows)


def floor(report: dict[str, Any]) -> str:
    """`python -m benchmarks.cuda_floor --json`: predictions."""
    rows: Rows = [
        [
            f"{r['gaussians']:,}", r["width"], f"{r['entries']:,}", f"{r['warp_steps']:,}",
            f"{r['us_kernels']:.0f}", f"{r['us_gaps']:.0f}", f"{r['us_device']:.0f}",
            f"{r['us_frame']:.0f}",
        ]
        for r in report["results"]
    ]  # fmt: skip
    heads = ["Gaussians", "size", "entries", "steps", "µs kernels", "µs gaps", "µs device",
             "µs frame"]  # fmt: skip
    name = report["results"][0]["gpu"]
    return f"## Floor, predicted for {name}\n\n" + table(heads, rows)


def _read(path: Path) -> Any | None:
    """The JSON object on a file's last line; None where a step left none."""
    lines = path.read_text("utf-8").strip().splitlines() if path.exists() else []
    try:
        return json.loads(lines[-1]) if lines else None
    except json.JSONDecodeError:
        return None


def report(folder: Path) -> str:
    """The whole page, of whatever the steps have left."""
    devices = folder / "devices.txt"
    names = devices.read_text("utf-8").strip() if devices.exists() else "no device"
    parts = [f"# The CUDA core on {names}\n"]
    if (folder / "steps.tsv").exists():
        parts.append(steps((folder / "steps.tsv").read_text("utf-8")))
    benches = [found for path in sorted(folder.glob("bench-*.json")) if (found := _read(path))]
    if benches:
        parts.append(bench(benches))
    others: dict[str, Callable[[Any], str]] = {
        "against-gsplat": against_gsplat, "many-avatars": many_avatars, "floor": floor,
    }  # fmt: skip
    for name, page in others.items():
        found = _read(folder / f"{name}.json")
        if found:
            parts.append(page(found))
    return "\n".join(parts)


def main(arguments: Sequence[str] | None = None) -> None:
    """Writes the page."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path)
    args = parser.parse_args(arguments)
    write_bytes(args.folder / "report.md", report(args.folder).encode())


if __name__ == "__main__":
    main()
