"""What prove_cuda.sh leaves becomes one page, however much of it there is."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from benchmarks import cuda_report

ROOT = Path(__file__).resolve().parents[2]
BENCH: dict[str, Any] = {
    "results": [
        {"gaussians": n, "width": 512, "quality": "exact", "ms_median": ms, "ms_p90": 2 * ms,
         "fps": 1e3 / ms, "device_ms": ms / 2, "psnr_db": 70.0}
        for n, ms in ((78_000, 0.25), (20_000, 0.25))
    ],
}  # fmt: skip
GSPLAT: dict[str, Any] = {
    "device": "Abacus", "gsplat": "1.5.3", "torch": "2",
    "results": [
        {"who": who, "pass": "forward", "ms_events": 1.0, "ms_wall": 2.0, "gaussians": 78_000,
         "width": 512, "alpha_max": 0.999, **more}
        for who, more in (("avatar-rt", {}), ("gsplat", {"ratio_events": 3.5, "ratio_wall": 3.0}))
    ],
}  # fmt: skip
CROWD: dict[str, Any] = {
    "results": [{"way": "together", "avatars": 64, "gaussians": 20_000, "ticks_per_second": 61.0,
                 "enough": True, "tick_ms_median": 16.0, "tick_ms_p99": 17.0,
                 "mib_per_avatar": 20.0}],
}  # fmt: skip
FLOOR: dict[str, Any] = {
    "results": [{"gaussians": 78_000, "width": 512, "gpu": "H100", "entries": 240_000,
                 "warp_steps": 700_000, "us_kernels": 60.0, "us_gaps": 25.0, "us_device": 85.0,
                 "us_frame": 100.0}],
}  # fmt: skip


def test_page_holds_every_part(tmp_path: Path) -> None:
    (tmp_path / "devices.txt").write_text("GPU 0: Abacus\n")
    (tmp_path / "steps.tsv").write_text("build\t0\t90\nmemcheck\t9\t12\n")
    for name, made in (("bench-78000", BENCH), ("against-gsplat", GSPLAT), ("many-avatars", CROWD),
                       ("floor", FLOOR)):  # fmt: skip
        (tmp_path / f"{name}.json").write_text("a library's chatter\n" + json.dumps(made))
    cuda_report.main([str(tmp_path)])
    page = (tmp_path / "report.md").read_text()
    for line in (
        "# The CUDA core on GPU 0: Abacus",
        "| build | passed | 90 |",
        "| memcheck | **failed** (9) | 12 |",
        "| 78,000 | exact | 0.250 | 0.500 | 4,000 | 0.125 | 70.0 | 3,000: yes |",
        "| 20,000 | exact | 0.250 | 0.500 | 4,000 | 0.125 | 70.0 | 5,000: no |",
        "| 78,000 | 512 | forward | gsplat | 1.000 | 2.000 | 3.50 | 3.00 | 0.999 |",
        "| together | 64 | 20,000 | 61.0 | yes | 16.00 | 17.00 | 20.0 |",
        "| 78,000 | 512 | 240,000 | 700,000 | 60 | 25 | 85 | 100 |",
    ):
        assert line in page


def test_what_failed_leaves_the_rest_alone(tmp_path: Path) -> None:
    (tmp_path / "bench-78000.json").write_text("")
    (tmp_path / "many-avatars.json").write_text("Traceback")
    cuda_report.main([str(tmp_path)])
    assert (tmp_path / "report.md").read_text() == "# The CUDA core on no device\n"


@pytest.mark.skipif(shutil.which("nvidia-smi") is not None, reason="there may be a device")
def test_without_a_device_nothing_is_proved(tmp_path: Path) -> None:
    done = subprocess.run(
        ["bash", "scripts/prove_cuda.sh", str(tmp_path / "proof")], cwd=ROOT, check=False,
        capture_output=True, text=True, env={"PATH": os.environ["PATH"]},
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.startswith("no NVIDIA device here")
    assert not (tmp_path / "proof").exists()
