"""Threads as many as asked for, memory within its budget, and objects that survive a failure.

Each test looks at a process of its own, so that no other test's threads and memory are in it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.skipif(
    not Path("/proc/self/clear_refs").exists(), reason="reads what Linux says of a process"
)

PRELUDE = """
import json, os, resource, sys
import numpy as np
from avatar_rt import _core
from avatar_rt.arrays import floats32
from avatar_rt.measure import moving_faces
from avatar_rt.render import Renderer
from avatar_rt.synthetic import synthetic_head
from avatar_rt.types import Camera, FaceParams
from tests.native.scenes import core_render, random_scene
from tests.native.test_sizes_and_counts import crowd

def threads():
    return len(os.listdir("/proc/self/task"))

def megabytes(field):
    with open("/proc/self/status") as status:
        return next(int(x.split()[1]) for x in status if x.startswith(field)) / 1024

def growth(work):
    '''The most that work() had in memory at one time, beside what was there before; MB.'''
    with open("/proc/self/clear_refs", "w") as peak:
        peak.write("5")
    before = megabytes("VmRSS")
    work()
    return megabytes("VmHWM") - before
"""


def measured(script: str) -> Any:
    """What a process prints that runs PRELUDE and then `script`."""
    done = subprocess.run(
        [sys.executable, "-c", PRELUDE + script], cwd=ROOT, capture_output=True, text=True,
        check=False,
        # what is freed goes back to the system, or the next one would be had without any growth
        env={**os.environ, "PYTHONPATH": str(ROOT), "MALLOC_MMAP_THRESHOLD_": "65536",
             "MALLOC_TRIM_THRESHOLD_": "65536"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_threads_are_those_asked_for() -> None:
    started = measured("""
scene, found = random_scene(1, 40_000, 200, 200, log_scale=-5), []
before = threads()
avatar = synthetic_head(20_000)
alone = Renderer(avatar, threads=1)
cameras = [alone.camera(0.3 * k, width=96, height=96) for k in range(5)]
alone.render_batch(FaceParams(), cameras)
alone.vertices(FaceParams()), alone.gaussians(FaceParams())
core_render(scene, threads=1)
found.append(threads() - before)
Renderer(avatar, threads=2).render_batch(FaceParams(), cameras)
found.append(threads() - before)
core_render(scene, threads=4)
found.append(threads() - before)
core_render(scene, threads=2)
found.append(threads() - before)
print(json.dumps(found))
""")
    assert started == [0, 1, 3, 3]


def test_more_threads_than_cores_draw_the_same() -> None:
    same = measured("""
scene = random_scene(1, 40_000, 200, 200, log_scale=-5)
one, many = core_render(scene, threads=1), core_render(scene, threads=64)
avatar = synthetic_head(20_000)
alone, crowd_ = Renderer(avatar, threads=1), Renderer(avatar, threads=48)
cameras = [alone.camera(0.1 * k, width=64, height=64) for k in range(60)]
a, b = (r.render_batch(FaceParams(), cameras) for r in (alone, crowd_))
print(json.dumps([np.array_equal(one.image, many.image),
                  all(np.array_equal(x.pixels, y.pixels) for x, y in zip(a, b))]))
""")
    assert same == [True, True]


@pytest.mark.parametrize(("size", "most"), [(512, 64), (1024, 64)])
def test_a_head_is_drawn_in_64_megabytes(size: int, most: int) -> None:
    used = measured(f"""
renderer = Renderer(synthetic_head(78_000), threads=2)
camera, faces = renderer.camera(width={size}, height={size}), moving_faces(4)
def draw():
    for face in faces:
        renderer.render(face, camera)
        renderer.render(face, camera, quality="fast", format="i420")
print(json.dumps(growth(draw)))
""")
    assert 1 < used < most


def test_a_batch_keeps_views_for_its_threads_only() -> None:
    few, many = measured("""
renderer = Renderer(synthetic_head(78_000), threads=2)
def draw(count):
    return lambda: renderer.render_batch(
        FaceParams(), [renderer.camera(0.1 * k, width=256, height=256) for k in range(count)])
print(json.dumps([growth(draw(2)), growth(draw(40))]))
""")
    assert few < 64
    assert many < 40 * 256 * 256 * 3 / 2**20 + 8  # the pixels, and nothing to speak of


def test_a_twin_weighs_little() -> None:
    first, second, drawn = measured("""
avatar, kept = synthetic_head(300_000), []
first = growth(lambda: kept.append(Renderer(avatar, threads=1)))
second = growth(lambda: kept.append(kept[0].twin()))
camera = kept[0].camera(width=256, height=256)
kept[0].render(FaceParams(), camera)
drawn = growth(lambda: kept[1].render(FaceParams(), camera))
print(json.dumps([first, second, drawn]))
""")
    assert first > 10
    assert second < 1
    assert drawn < 64


def test_crowds_stay_within_the_budget() -> None:
    """Entries of tiles have a budget of 256 MiB, whatever is to be drawn."""
    all_over, one_tile = measured("""
def drawn(scene):
    return growth(lambda: core_render(scene, threads=2))
print(json.dumps([drawn(crowd(2_000, 3072, 2.0, 0.1, 0.9)),
                  drawn(crowd(1_000_000, 32, 0.15, 0.7, 0.2))]))
""")
    picture = 3072 * 3072 * 4 * 4 / 2**20
    assert all_over < picture + 256 + 64
    assert one_tile < 256


def test_memory_that_runs_out_leaves_a_renderer_that_works() -> None:
    """The limit is raised step by step, so that one allocation after the other fails."""
    failures, same = measured("""
renderer = Renderer(synthetic_head(20_000), threads=2)
small, large = renderer.camera(width=64, height=64), renderer.camera(width=2000, height=2000)
expected = renderer.render(FaceParams(), small).pixels
renderer.render(FaceParams(), large)  # so that all is there but for a twin's memory
same, failures = [], 0
none = resource.RLIM_INFINITY
for room in range(200):
    twin = renderer.twin()
    if room % 2:
        twin.render(FaceParams(), small)
    taken = int(megabytes("VmSize") * 2**20)
    resource.setrlimit(resource.RLIMIT_AS, (taken + room * 2**18, none))
    try:
        twin.render(FaceParams(), large)
        ended = True
    except MemoryError:
        failures += 1
        ended = False
    resource.setrlimit(resource.RLIMIT_AS, (none, none))
    same.append(bool(np.array_equal(twin.render(FaceParams(), small).pixels, expected)))
    if ended:
        break
print(json.dumps([failures, all(same)]))
""")
    assert failures > 20
    assert same


def test_arguments_that_are_refused_leave_a_renderer_that_works() -> None:
    same = measured("""
from avatar_rt.errors import ParameterError
renderer = Renderer(synthetic_head(2_000), threads=2)
camera = renderer.camera(width=64, height=64)
expected, refused = renderer.render(FaceParams(), camera).pixels, 0
for wrong in ({"format": "bmp"}, {"background": (2, 0, 0)}, {"quality": "best"}):
    for go in (renderer.render, renderer.render_batch):
        try:
            go(FaceParams(), camera, **wrong)
        except ParameterError:
            refused += 1
same = np.array_equal(renderer.render(FaceParams(), camera).pixels, expected)
print(json.dumps([refused, bool(same)]))
""")
    assert same == [6, True]


def test_memory_that_runs_out_in_a_crowded_tile_leaves_a_renderer_that_works() -> None:
    failures, same = measured("""
renderer = Renderer(synthetic_head(100_000), threads=1)
camera = renderer.camera(width=16, height=16)
few = renderer.camera(width=16, height=16)
few.viewmat[2, 3] = -1  # all is behind it: a twin gets what does not depend on the tile
expected = renderer.render(FaceParams(), camera).pixels
same, failures = [], 0
none = resource.RLIM_INFINITY
for room in range(100):
    twin = renderer.twin()
    twin.render(FaceParams(), few)
    taken = int(megabytes("VmSize") * 2**20)
    resource.setrlimit(resource.RLIMIT_AS, (taken + room * 2**17, none))
    try:
        twin.render(FaceParams(), camera)
        ended = True
    except MemoryError:
        failures += 1
        ended = False
    resource.setrlimit(resource.RLIMIT_AS, (none, none))
    same.append(bool(np.array_equal(twin.render(FaceParams(), camera).pixels, expected)))
    if ended:
        break
print(json.dumps([failures, all(same)]))
""")
    assert failures > 20
    assert same
