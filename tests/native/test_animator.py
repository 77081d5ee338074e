"""The Animator against float64: its outputs, and every gradient by autograd and differences."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from avatar_rt import _core
from avatar_rt.arrays import floats32, ints32
from tests.native import reference
from tests.native.posed import (
    INPUTS,
    animate64,
    backward,
    call_of,
    expected,
    gradients_of,
    head_of,
    inputs64,
    relative,
)
from trainer.torch_rig import rotation_matrices

FRAMES = ["affine", "similarity"]
ROOT = Path(__file__).resolve().parents[2]


def animator_of(head: dict[str, Any], threads: int = 1) -> _core.Animator:
    return _core.Animator(**head, threads=threads)


@pytest.mark.parametrize("correctives", [True, False])
@pytest.mark.parametrize("frame", FRAMES)
@pytest.mark.parametrize("seed", range(2))
def test_forward(seed: int, frame: str, correctives: bool) -> None:
    head, call = head_of(seed, correctives=correctives), call_of(seed, frame)
    means, covars, posed = animator_of(head).forward(**call)
    for b in range(2):
        rig = {**head, **call}
        pose = [call[k][b] for k in ("coefficients", "joint_rotations", "translation")]
        vertices = reference.pose_vertices(rig, *pose)
        want, cov = reference.place_gaussians(rig, vertices)
        np.testing.assert_allclose(posed[b], vertices, atol=1.5e-6)
        np.testing.assert_allclose(means[b], want, atol=3e-6)
        upper = cov[:, [0, 0, 0, 1, 1, 2], [0, 1, 2, 1, 2, 2]]
        size = np.trace(cov, axis1=1, axis2=2)[:, None]
        assert np.abs((covars[b] - upper) / size).max() < 2e-3  # on slivers of triangles
        assert np.median(np.abs((covars[b] - upper) / size)) < 2e-5


@pytest.mark.parametrize("frame", FRAMES)
def test_it_moves_gaussians_as_a_live_avatar_does(frame: str) -> None:
    call = call_of(3, frame, batch=1)
    order = np.argsort(call["triangles"], kind="stable")
    bound: dict[str, Any] = {
        k: np.ascontiguousarray(call[k][order])
        for k in ("triangles", "barycentric", "offsets", "quats", "scales")
    }
    head = {**head_of(3), "vertices": call["vertices"]}
    white = np.ones((300, 3), np.float32)
    look: dict[str, Any] = {"frame": frame, "opacities": white[:, 0].copy(), "colors": white}
    live = _core.AvatarCore(**head, **bound, **look, threads=1)
    pose = [call[k][0] for k in ("coefficients", "joint_rotations", "translation")]
    means, covars = live.gaussians(*pose)
    got = animator_of(head).forward(**{**call, **bound, "vertices": None})
    np.testing.assert_allclose(got[0][0], means, atol=1e-6)
    np.testing.assert_allclose(got[1][0], covars, rtol=1e-3, atol=1e-8)
    np.testing.assert_array_equal(got[2][0], live.vertices(*pose))


@pytest.mark.parametrize("correctives", [True, False])
@pytest.mark.parametrize("frame", FRAMES)
@pytest.mark.parametrize("seed", range(4))
def test_every_gradient(seed: int, frame: str, correctives: bool) -> None:
    head, call = head_of(seed, correctives=correctives), call_of(seed, frame, batch=1 + seed)
    animator = animator_of(head)
    gradients = gradients_of(animator.forward(**call), seed)
    got, want = backward(animator, call, gradients), expected(head, call, gradients)
    for name in INPUTS:
        assert got[name].shape == call[name].shape
        assert relative(got[name], want[name]) < 1e-3, name
        assert np.abs(got[name] - want[name]).max() < 1e-3 * np.abs(want[name]).max(), name
    assert not got["barycentric"][:, 0].any()


@pytest.mark.parametrize("only", range(3))
@pytest.mark.parametrize("frame", FRAMES)
def test_each_output_alone(frame: str, only: int) -> None:
    head, call = head_of(5), call_of(5, frame)
    animator = animator_of(head)
    every = gradients_of(animator.forward(**call))
    alone = tuple(g if k == only else None for k, g in enumerate(every))
    got, want = backward(animator, call, alone), expected(head, call, alone)
    for name in INPUTS:
        assert relative(got[name], want[name]) < 1e-3, name
    zeros = tuple(np.zeros_like(g) if a is None else a for g, a in zip(every, alone, strict=True))
    explicit = backward(animator, call, zeros)
    for name in INPUTS:
        np.testing.assert_array_equal(got[name], explicit[name])


@pytest.mark.parametrize("name", INPUTS)
@pytest.mark.parametrize("frame", FRAMES)
def test_the_float64_version_against_finite_differences(frame: str, name: str) -> None:
    """So that native and torch are not wrong together."""
    head, call = head_of(6), call_of(6, frame, count=40)
    inputs = inputs64(call)
    rng = np.random.default_rng(6)
    weights = [torch.from_numpy(rng.normal(0, s, (2, n, c)))
               for n, c, s in ((40, 3, 1.0), (40, 6, 50.0), (195, 3, 0.3))]  # fmt: skip

    def loss(value: torch.Tensor) -> torch.Tensor:
        outputs = animate64(head, call, {**inputs, name: value})
        return torch.stack([(w * out).sum() for w, out in zip(weights, outputs, strict=True)]).sum()

    (gradient,) = torch.autograd.grad(loss(inputs[name]), inputs[name])
    for _ in range(3):
        way = torch.from_numpy(rng.normal(size=inputs[name].shape))
        step = 1e-6 / float(way.norm())
        with torch.no_grad():
            ahead, behind = loss(inputs[name] + step * way), loss(inputs[name] - step * way)
        slope = float(ahead - behind) / (2 * step)
        assert slope == pytest.approx(float((gradient * way).sum()), rel=1e-5, abs=1e-5)


@pytest.mark.parametrize("angle", [0.0, 1e-12, 1e-7, 1e-3, 0.0199, 0.0201, 1.0, np.pi, 6.0])
def test_rotations_of_any_size(angle: float) -> None:
    head, call = head_of(7), call_of(7, "affine", batch=1)
    axis = np.array([0.36, -0.48, 0.8])
    call["joint_rotations"] = floats32(np.tile(angle * axis, (1, 4, 1)))
    animator = animator_of(head)
    gradients = gradients_of(animator.forward(**call))
    got, want = backward(animator, call, gradients), expected(head, call, gradients)
    assert relative(got["joint_rotations"], want["joint_rotations"]) < 1e-4
    turns = torch.tensor(call["joint_rotations"][0], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(rotation_matrices, (turns,), eps=1e-7, atol=1e-6)


def big_call() -> dict[str, Any]:
    """Gaussians enough for several items of work, most of them in few triangles."""
    call = call_of(8, "similarity", count=20_000)
    rng = np.random.default_rng(8)
    call["triangles"][:9_000] = 17
    call["triangles"] = ints32(rng.permutation(call["triangles"]))
    return call


@pytest.mark.parametrize("ascending", [True, False])
def test_threads_do_not_change_a_bit(ascending: bool) -> None:
    head, call = head_of(8), big_call()
    if ascending:
        call["triangles"] = np.sort(call["triangles"])
    outputs = [animator_of(head, t).forward(**call) for t in (1, 2, 4)]
    gradients = gradients_of(outputs[0])
    all_of_them = [
        (*out, *backward(animator_of(head, t), call, gradients).values())
        for out, t in zip(outputs, (1, 2, 4), strict=True)
    ]
    for other in all_of_them[1:]:
        for a, b in zip(all_of_them[0], other, strict=True):
            np.testing.assert_array_equal(a, b)


def test_the_order_of_gaussians_does_not_matter() -> None:
    head, call = head_of(8), big_call()
    animator = animator_of(head, 2)
    outputs = animator.forward(**call)
    gradients = gradients_of(outputs)
    order = np.argsort(call["triangles"], kind="stable")
    per_gaussian = ("triangles", "barycentric", "offsets", "quats", "scales")
    ordered: dict[str, Any] = {k: np.ascontiguousarray(v[order]) if k in per_gaussian else v
               for k, v in call.items()}  # fmt: skip
    again = animator.forward(**ordered)
    np.testing.assert_array_equal(again[0], outputs[0][:, order])
    np.testing.assert_array_equal(again[1], outputs[1][:, order])
    means, covars, posed = gradients
    ordered_gradients = (
        np.ascontiguousarray(means[:, order]), np.ascontiguousarray(covars[:, order]), posed,
    )  # fmt: skip
    got = backward(animator, call, gradients)
    want = backward(animator, ordered, ordered_gradients)
    for name in INPUTS:
        if name in per_gaussian:
            np.testing.assert_array_equal(got[name][order], want[name])
        else:
            assert relative(got[name], want[name]) < 1e-5, name


SCRIPT = """
import sys, numpy as np
from avatar_rt import _core
for path in sys.argv[1:]:
    with np.load(path) as saved:
        call = dict(saved)
    head = {k[5:]: call.pop(k) for k in list(call) if k.startswith("head_")}
    call["frame"] = str(call["frame"])
    forward = {k: v for k, v in call.items() if not k.endswith("_gradient")}
    animator = _core.Animator(**head, threads=1)
    np.savez(path, *animator.forward(**forward), *animator.backward(**call))
"""


@pytest.mark.parametrize("isa", _core.available_isas())
def test_every_instruction_set(isa: str, tmp_path: Path) -> None:
    head = head_of(9)
    calls = {tmp_path / f"{frame}.npz": call_of(9, frame) for frame in FRAMES}
    gradients = gradients_of(animator_of(head).forward(**call_of(9, "affine")))
    named = dict(zip(("means_gradient", "covars_gradient", "posed_gradient"), gradients,
                     strict=True))  # fmt: skip
    for path, call in calls.items():
        np.savez(path, **{f"head_{k}": v for k, v in head.items()}, **call, **named)
    subprocess.run(
        [sys.executable, "-c", SCRIPT, *map(str, calls)], check=True, cwd=ROOT,
        env={**os.environ, "AVATAR_RT_ISA": isa, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    for path, call in calls.items():
        with np.load(path) as saved:
            arrays = [saved[k] for k in saved.files]
        for a, b in zip(arrays, animator_of(head).forward(**call), strict=False):
            np.testing.assert_allclose(a, b, rtol=2e-3, atol=2e-6)
        want = expected(head, call, gradients)
        for name, got in zip(INPUTS, arrays[3:], strict=True):
            assert relative(got, want[name]) < 1e-3, name


@pytest.mark.parametrize("frame", FRAMES)
def test_triangles_without_area_stay_finite(frame: str) -> None:
    head, call = head_of(10), call_of(10, frame)
    head["expression_basis"][:] = 0
    head["pose_correctives"][:] = 0
    call["vertices"][:90] = 0.01  # points
    call["vertices"][90:] = floats32(np.linspace(0, 0.1, 105)[:, None] * [1.0, 0, 0])  # lines
    animator = animator_of(head)
    outputs = animator.forward(**call)
    assert all(np.isfinite(a).all() for a in outputs)
    means, covars, posed = gradients_of(outputs)
    got = backward(animator, call, (means, covars, posed))
    assert all(np.isfinite(a).all() for a in got.values())
    moved = means.sum((0, 1), np.float64) + posed.sum((0, 1), np.float64)
    np.testing.assert_allclose(got["translation"].sum(0), moved, rtol=1e-3, atol=1e-2)


def test_quaternions_of_any_length() -> None:
    head, call = head_of(11), call_of(11, "affine")
    animator = animator_of(head)
    outputs = animator.forward(**call)
    gradients = gradients_of(outputs)
    factor = floats32(2.0 ** np.random.default_rng(0).integers(-20, 20, (300, 1)))
    longer = {**call, "quats": call["quats"] * factor}
    for a, b in zip(outputs, animator.forward(**longer), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-7)
    got, other = (backward(animator, c, gradients)["quats"] for c in (call, longer))
    np.testing.assert_allclose(other * factor, got, rtol=1e-3, atol=1e-5)
    none = {**call, "quats": np.zeros_like(call["quats"])}
    still = {**call, "quats": np.tile(floats32([1, 0, 0, 0]), (300, 1))}
    for a, b in zip(animator.forward(**none), animator.forward(**still), strict=True):
        np.testing.assert_array_equal(a, b)
    assert not backward(animator, none, gradients)["quats"].any()


def test_broken_gaussians_pull_at_nothing() -> None:
    head, call = head_of(12), call_of(12, "similarity")
    keep = np.ones(300, bool)
    for k, name in enumerate(["offsets", "quats", "scales", "barycentric"]):
        call[name][7 * k, 1:] = [np.nan, np.inf][k % 2]
        keep[7 * k] = False
    animator = animator_of(head)
    means, covars, posed = gradients_of(animator.forward(**call))
    got = backward(animator, call, (means, covars, posed))
    per_gaussian = ("triangles", "barycentric", "offsets", "quats", "scales")
    sound = {k: np.ascontiguousarray(v[keep]) if k in per_gaussian else v for k, v in call.items()}
    left = (np.ascontiguousarray(means[:, keep]), np.ascontiguousarray(covars[:, keep]), posed)
    want = backward(animator, sound, left)
    for name in INPUTS:
        here = got[name][keep] if name in per_gaussian else got[name]
        np.testing.assert_allclose(here, want[name], rtol=1e-3, atol=1e-3)
        if name in per_gaussian:
            assert not got[name][~keep].any()


def test_nothing_at_all() -> None:
    head, call = head_of(13), call_of(13, "affine", batch=2, count=0)
    animator = animator_of(head)
    means, covars, posed = animator.forward(**call)
    assert means.shape == (2, 0, 3)
    assert covars.shape == (2, 0, 6)
    got = backward(animator, call, (means, covars, np.ones_like(posed)))
    np.testing.assert_allclose(got["translation"], 195, rtol=1e-5)
    none = call_of(13, "affine", batch=0)
    assert animator.forward(**none)[0].shape == (0, 300, 3)
    empty = backward(animator, none, (None, None, None))
    assert not any(a.any() for a in empty.values())


def test_calls_from_several_threads_wait_for_each_other() -> None:
    head = head_of(14)
    animator = animator_of(head)
    calls = [call_of(k, FRAMES[k % 2]) for k in range(4)]
    want = [animator.forward(**c) for c in calls]
    with ThreadPoolExecutor(4) as pool:
        for _ in range(5):
            for got, one in zip(
                pool.map(lambda c: animator.forward(**c), calls), want, strict=True
            ):
                for a, b in zip(got, one, strict=True):
                    np.testing.assert_array_equal(a, b)


BAD: list[tuple[str, Any, str]] = [
    ("coefficients", np.zeros((2, 6), np.float32), "coefficients: has shape"),
    ("coefficients", np.full((2, 7), np.nan, np.float32), "coefficients: holds"),
    ("joint_rotations", np.zeros((1, 4, 3), np.float32), "joint_rotations: has shape"),
    ("translation", np.full((2, 3), np.inf, np.float32), "translation: holds"),
    ("vertices", np.zeros((194, 3), np.float32), "vertices: has shape"),
    ("vertices", np.full((195, 3), np.nan, np.float32), "vertices: holds"),
    ("frame", "rigid", "frame: is 'rigid'"),
    ("triangles", np.full(300, 336, np.int32), r"triangles: index 336 is outside \[0, 336\)"),
    ("triangles", np.full(300, -1, np.int32), "triangles: index -1"),
    ("triangles", np.zeros(300, np.int64), "triangles: has dtype int64"),
    ("barycentric", np.zeros((299, 3), np.float32), "barycentric: has shape"),
    ("offsets", np.zeros((300, 3)), "offsets: has dtype float64"),
    ("quats", np.zeros((300, 3), np.float32), "quats: has shape"),
    ("scales", np.zeros((300, 6), np.float32)[:, ::2], "scales: must be C-contiguous"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "value", "message"), BAD, ids=[b[2][:24] for b in BAD])
def test_bad_calls_are_named(name: str, value: Any, message: str) -> None:
    animator, call = animator_of(head_of(0)), {**call_of(0, "affine"), name: value}
    with pytest.raises(ValueError, match=message):
        animator.forward(**call)
    with pytest.raises(ValueError, match=message):
        backward(animator, call, (None, None, None))


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("faces", np.full((3, 3), 195, np.int32), r"faces: index 195 is outside \[0, 195\)"),
        ("parents", ints32([-1, 0, 3, 0]), "parents: a parent"),
        ("pose_correctives", np.zeros((9, 195, 3), np.float32), "pose_correctives: has 9 shapes"),
        ("weights", np.zeros((195, 5), np.float32), "weights: has shape"),
        ("joints", np.zeros((0, 3), np.float32), "joints: expected 1 to 64"),
        ("vertices", np.full((195, 3), np.nan, np.float32), "vertices: holds"),
        ("threads", -2, "threads: must be"),
    ],
)
def test_bad_heads_are_named(name: str, value: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        _core.Animator(**{**head_of(0), "threads": 1, name: value})


@pytest.mark.parametrize("which", ["means", "covars", "posed"])
def test_bad_gradients_are_named(which: str) -> None:
    animator, call = animator_of(head_of(0)), call_of(0, "affine")
    given: dict[str, Any] = {f"{k}_gradient": None for k in ("means", "covars", "posed")}
    given[f"{which}_gradient"] = np.zeros((1, 300, 3), np.float32)
    with pytest.raises(ValueError, match=f"{which}_gradient: has shape"):
        animator.backward(**call, **given)
