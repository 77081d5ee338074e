"""The machine that figures are measured on."""

from __future__ import annotations

import os
import platform
from pathlib import Path

from avatar_rt import _core


def machine() -> dict[str, object]:
    """What the figures are measured on."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [x for x in cpuinfo.read_text().splitlines() if x.startswith("model name")]
        model = names[0].partition(":")[2].strip() if names else model
    return {
        "processor": model,
        "cores": cores(),
        "isas": _core.available_isas(),
        "load": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
    }


def cores() -> int:
    """The processor cores that this process may use."""
    return len(os.sched_getaffinity(0))
