"""The pool of threads as the operating system sees it: idle, alone, and on one core.

Each question is asked in a process of its own, where no other test has started threads. Times are
processor time, so that a busy machine does not change the answers.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

# arguments: scene seeds are fixed; `frame(threads)` draws one picture of some milliseconds
_PREAMBLE = """
import os, resource, time
from tests.native.scenes import core_render, random_scene
scene = random_scene(1, 20_000, 256, 256, log_scale=-5.5)
def frame(threads):
    core_render(scene, threads=threads)
def cpu():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime
def tasks():
    return len(os.listdir("/proc/self/task"))
"""

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads Linux's /proc")


def answer(question: str) -> list[float]:
    """The numbers that a fresh process prints when it runs `question`."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", _PREAMBLE + question], cwd=ROOT, env=environment, check=True,
        capture_output=True, text=True,
    )  # fmt: skip
    return [float(number) for number in done.stdout.split()]


def test_an_idle_pool_sleeps() -> None:
    (seconds,) = answer("""
for _ in range(5):
    frame(4)
time.sleep(0.05)
before = cpu()
time.sleep(0.5)
print(cpu() - before)
""")
    assert seconds < 0.01


def test_threads_are_started_as_asked_and_kept() -> None:
    before, alone, three, again = answer("""
print(tasks())
for threads in (1, 3, 3):
    frame(threads)
    print(tasks())
""")
    assert alone == before
    assert three == again == before + 2


def test_all_cores_are_those_that_the_process_may_use() -> None:
    before, after = answer("""
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
print(tasks())
frame(0)
print(tasks())
""")
    assert after == before


def test_one_core_wastes_little_on_several_threads() -> None:
    one, four = answer("""
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
spent = {1: [], 4: []}
for _ in range(25):
    for threads in spent:
        before = cpu()
        frame(threads)
        spent[threads].append(cpu() - before)
for threads in spent:
    print(sorted(spent[threads])[12])
""")
    # measured 1.1; a helper that spins while its caller waits for the core would cost far more
    assert four < 1.5 * one
