"""`avatar-rt info X.avatar`: what an avatar file holds, whose head it is, under which licence."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from avatar_rt.arkit import ARKIT_NAMES
from avatar_rt.avatar import Avatar
from avatar_rt.cli.import_ import summary


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("info", help="say what an avatar file holds")
    parser.add_argument("avatar", type=Path, help="NAME.avatar")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Prints the whole report; reading it checks the whole file."""
    avatar = Avatar.load(args.avatar)
    report = describe(avatar, args.avatar)
    if args.json:
        print(json.dumps(report))
    else:
        _show(report)
    return 0


def describe(avatar: Avatar, path: Path) -> dict[str, Any]:
    """Everything worth knowing about an avatar file, as JSON values."""
    rig, g = avatar.rig, avatar.gaussians
    moves = np.abs(rig.arkit_to_expression).max(1, initial=0) + np.abs(rig.arkit_to_joints).max(
        (1, 2)
    )
    low, high = rig.vertices.min(0), rig.vertices.max(0)
    return {
        "file": str(path),
        "bytes": path.stat().st_size,
        **avatar.metadata,
        **summary(avatar),
        "pose_correctives": len(rig.pose_correctives),
        "joint_names": list(rig.joint_names),
        "arkit_missing": [n for n, m in zip(ARKIT_NAMES, moves, strict=True) if m == 0],
        "frame": g.frame,
        "colors": "RGB" if g.colors.ndim == 2 else f"SH with {g.colors.shape[1]} coefficients",
        "size_m": [round(float(v), 4) for v in high - low],
        "landmarks": avatar.landmarks is not None,
    }


def _show(report: dict[str, Any]) -> None:
    head, provenance = report["head_model"], report["provenance"]
    width, height, depth = (f"{100 * v:.1f}" for v in report["size_m"])
    rows = {
        "file": f"{report['file']} ({report['bytes'] / 1e6:.1f} MB)",
        "head model": f"{head['name']} {head['hash'][:12]}",
        "licence": head["licence"],
        "from": provenance["source"],
        "made by": f"{provenance['tool']} (synthetic)",
        "Gaussians": f"{report['gaussians']:,}, {report['colors']}, {report['frame']} frames",
        "mesh": f"{report['vertices']:,} vertices, {report['triangles']:,} triangles",
        "size": f"{width} × {height} × {depth} cm",
        "shapes": f"{report['shapes']}, {report['pose_correctives']} pose correctives",
        "joints": ", ".join(report["joint_names"]),
        "ARKit lacks": ", ".join(report["arkit_missing"]) or "nothing",
        "landmarks": "478" if report["landmarks"] else "none",
    }
    if report.get("camera"):
        camera = report["camera"]
        rows["camera"] = f"{camera['distance']:g} m away, focal {camera['focal']:g} × image size"
    if report.get("fast_psnr_db") is not None:
        rows["fast quality"] = f"{report['fast_psnr_db']:.1f} dB against exact"
    table = Table(title=report["name"], show_header=False, title_justify="left", box=None)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for name, value in rows.items():
        table.add_row(name, value)
    Console(markup=False, highlight=False).print(table)
