"""What nvcc makes of the kernels, where the emulator cannot see it. Needs nvcc, but no device."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

CSRC = Path(__file__).resolve().parents[2] / "csrc"
NVCC = shutil.which("nvcc")

pytestmark = pytest.mark.skipif(NVCC is None, reason="needs nvcc")


def _ptx(name: str, folder: Path) -> str:
    out = folder / "kernel.ptx"
    assert NVCC is not None
    options = ["-std=c++20", "-arch=compute_90", f"-I{CSRC}", "-ptx"]
    plain = {
        k: v for k, v in os.environ.items() if k != "LD_PRELOAD"
    }  # a sanitizer is not for nvcc
    subprocess.run([NVCC, *options, CSRC / "cuda" / name, "-o", out], check=True, env=plain)
    return out.read_text()


def test_a_block_waits_for_those_before_it(tmp_path: Path) -> None:
    """A weak load, a cached one or not, is made once where its loop changes nothing: the assembler
    takes the loop away, and what has not been counted yet counts as nothing."""
    ptx = _ptx("enter.cu", tmp_path)
    kernels = ptx.count(".entry")
    assert kernels == 2
    assert ptx.count("ld.relaxed.gpu.global.u64") >= kernels
    assert "ld.global.cv" not in ptx
    # and what is waited for is published as one word
    assert ptx.count("atom.global.exch.b64") >= 2 * kernels


def test_sums_are_added_to_global_memory_at_once(tmp_path: Path) -> None:
    """Where a pointer might be to shared memory too, a sum of floats becomes a loop."""
    ptx = _ptx("blend_adjoint.cu", tmp_path)
    assert "red.global.add.f32" in ptx or "atom.global.add.f32" in ptx
    assert "atom.add.f64" not in ptx.replace("atom.global.add.f64", "")
