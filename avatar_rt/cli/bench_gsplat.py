"""gsplat's rows of `avatar-rt bench`: measured by the trainer, in a process of its own, since this
package imports no torch. Where that cannot be done, the only row says why."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

Row = dict[str, Any]
_NEEDS = ("torch", "gsplat")
_NO_WORDS = "python -m trainer.evaluate against_gsplat ended without a word"


def command(avatar: Path | None, gaussians: int, size: int) -> list[str]:
    """The argument vector that measures one scene and prints one JSON object."""
    scene = ["--avatar", str(avatar)] if avatar else ["--gaussians", str(gaussians)]
    return [sys.executable, "-m", "trainer.evaluate", "against_gsplat", *scene,
            "--size", str(size), "--json"]  # fmt: skip


def rows(avatar: Path | None, gaussians: int, size: int) -> list[Row]:
    """What trainer.evaluate.against_gsplat measures, "avatar-rt" and "gsplat" in turns; or one row
    {"who": "gsplat", "error": why}. gsplat compiles its kernels when it is first used: minutes."""
    missing = [name for name in _NEEDS if importlib.util.find_spec(name) is None]
    if missing:
        return [_failed(f"{' and '.join(missing)}: not installed (pip install 'avatar-rt[train]')")]
    done = subprocess.run(
        command(avatar, gaussians, size), check=False, capture_output=True, text=True
    )
    if done.returncode != 0:
        words = done.stderr.strip().splitlines() or [_NO_WORDS]
        return [_failed(words[-1].removeprefix("error: "))]
    # libraries may print before it
    report = json.loads(done.stdout.strip().splitlines()[-1])
    about = {key: report[key] for key in ("device", "gsplat", "torch")}
    return [row | about for row in report["results"]]


def notes(found: list[Row]) -> list[tuple[str, str]]:
    """The rows in words, for people."""
    out = []
    for row in found:
        if "error" in row:
            out.append(("gsplat", f"not measured: {row['error']}"))
        elif row["who"] == "gsplat":
            out.append((
                f"gsplat {row['gsplat']}",
                f"{row['pass']}: {row['ratio_events']:.1f}× as long as this core by the device's "
                f"events ({row['ms_events']:.3f} ms), {row['ratio_wall']:.1f}× by the wall",
            ))  # fmt: skip
    return out


def _failed(why: str) -> Row:
    return {"who": "gsplat", "error": why}
