"""The emulator's own tests: what runs well must, and every mistake must be found by its build.

scripts/emulate_cuda.sh builds the program; a scenario is one run of it.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

_ROOT = Path(__file__).resolve().parents[2]

KINDS = ("plain", "address", "races")
API = ["graphs", "refusals", "forks", "shapes", "memory", "failures", "late"]
KERNELS = ["sums", "scans", "sorts", "library_sorts", "collectives", "halves", "shuffles", "speed"]
PAIRS = [
    *["neighbour", "loop", "lanes", "half_warps", "bytes"],
    *["blocks", "counter", "unwritten", "last_block", "chain"],
]

# What a mistake's report says, whatever the build.
MEETINGS = {
    "two_barriers": "while others wait in __syncthreads",
    "barrier_and_collective": "deadlock; 0 threads have returned\n  32 wait in __syncthreads",
    "returned_lane": "return",
    "shuffle_from_outside": "shuffles from lane 9, which the mask leaves out",
    "stranger": "gives a mask without itself",
    "two_masks": "with another mask",
    "waits_for_a_later_block": "spins on something that no thread of this block",
}
# What each build says of memory that is not there; plain ones crash at best.
_NOT_THERE = "where no memory of the device is"
MEMORY = {
    "store_behind": {"address": "heap-buffer-overflow", "races": _NOT_THERE},
    "store_before": {"address": "heap-buffer-overflow", "races": _NOT_THERE},
    "shared_store_behind": {"address": "index 64 out of bounds"},
    "shared_store_behind_in_template": {"address": "index 64 out of bounds"},
    "freed": {"plain": "", "address": "use-after-free", "races": _NOT_THERE},
    "of_the_host": {"races": _NOT_THERE},
    "by_the_host": {"races": "code of the host touches the device's memory"},
    "deep": {"plain": "", "address": "stack-overflow", "races": ""},
}


def _run(kind: str, scenario: str, seed: int) -> subprocess.CompletedProcess[str]:
    program = _ROOT / f"build/emulated/{kind}/build/tests/cuda/emulator/emulator_selftest"
    if not program.exists():
        pytest.skip(f"not built: scripts/emulate_cuda.sh {kind}")
    environment = {**os.environ, "AVATAR_RT_EMULATED_SEED": str(seed), "LD_PRELOAD": ""}
    return subprocess.run(
        [program, scenario],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("scenario", [*API, *KERNELS, *(f"safe_{name}" for name in PAIRS)])
def test_what_is_sound_runs(kind: str, scenario: str) -> None:
    for seed in range(3):
        run = _run(kind, scenario, seed)
        assert run.returncode == 0, run.stderr


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("scenario", MEETINGS)
def test_meetings_that_cannot_take_place(kind: str, scenario: str) -> None:
    for seed in range(3):
        run = _run(kind, scenario, seed)
        assert run.returncode < 0
        assert MEETINGS[scenario] in run.stderr
        assert "emulated CUDA: launch 1, kernel " in run.stderr


@pytest.mark.parametrize(
    ("kind", "scenario"), [(kind, name) for name, by in MEMORY.items() for kind in by]
)
def test_memory_that_is_not_there(kind: str, scenario: str) -> None:
    run = _run(kind, scenario, 1)
    assert run.returncode != 0
    assert MEMORY[scenario][kind] in run.stderr


@pytest.mark.parametrize("name", PAIRS)
def test_races(name: str) -> None:
    for seed in range(5):
        run = _run("races", f"racy_{name}", seed)
        assert run.returncode < 0, f"seed {seed}"
        unwritten = name == "unwritten"
        assert ("nobody in this block has written" if unwritten else "data race on ") in run.stderr
        assert f"{name}<false>" in run.stderr
        assert run.stderr.count("races.cu:") >= 2
