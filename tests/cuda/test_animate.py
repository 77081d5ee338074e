"""Animation with gradients on a device, against the processor's, and in torch."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from avatar_rt import _core
from avatar_rt.arrays import F32, Array, floats32, ints32
from avatar_rt.errors import BackendError, ParameterError
from avatar_rt.head.rig import Rig
from tests.cuda.devices import needs_cuda, needs_emulator
from tests.cuda.memory import CopiedMemory
from tests.native.posed import INPUTS, backward, call_of, gradients_of, head_of
from trainer import rasterize
from trainer.cuda_animate import CudaAnimate, CudaAnimateCall, CudaHead
from trainer.native_operators import Animate, AnimateCall
from trainer.rasterize import BoundGaussians, Head, Poses

pytestmark = needs_cuda

FRAMES = ["affine", "similarity"]
ON_DEVICE = ("vertices", "barycentric", "offsets", "quats", "scales")
OUTPUTS = ("means", "covars", "posed")


class OnDevice:
    """An Animator's calls, made of the first device's."""

    def __init__(self, head: dict[str, Any], stream: int = 0) -> None:
        self.animator = _core.CudaAnimator(**head, device=0)
        self.vertex_count = len(head["vertices"])
        self.stream = stream

    def put(self, call: dict[str, Any]) -> dict[str, Any]:
        """Those of its arrays that the device keeps, there."""
        there = {k: _core.CudaFloats(call[k]) for k in ON_DEVICE if call[k] is not None}
        return {**call, **there, "stream": self.stream}

    def forward(self, call: dict[str, Any]) -> tuple[F32, ...]:
        """What Animator.forward returns."""
        batch, count = len(call["coefficients"]), len(call["triangles"])
        shapes = (batch, count, 3), (batch, count, 6), (batch, self.vertex_count, 3)
        out: dict[str, Any] = {k: _core.CudaFloats(s) for k, s in zip(OUTPUTS, shapes, strict=True)}
        self.animator.forward(**self.put(call), **out)
        return tuple(a.numpy() for a in out.values())

    def backward(
        self, call: dict[str, Any], gradients: tuple[Array | None, ...]
    ) -> dict[str, Array]:
        """What Animator.backward returns. The device's arrays hold rubbish before."""
        given: dict[str, Any] = {
            f"{k}_gradient": None if g is None else _core.CudaFloats(g)
            for k, g in zip(OUTPUTS, gradients, strict=True)
        }
        shapes = {k: (len(call["triangles"]), 4 if k == "quats" else 3) for k in ON_DEVICE}
        shapes["vertices"] = self.vertex_count, 3
        out = {k: _core.CudaFloats(np.full(s, 7, np.float32)) for k, s in shapes.items()}
        poses = self.animator.backward(**self.put(call), **given, gradients=out)
        return dict(zip(INPUTS, (*poses, *(out[k].numpy() for k in ON_DEVICE)), strict=True))


def _same(found: dict[str, Array], expected: dict[str, Array]) -> None:
    for name, theirs in expected.items():
        ours = found[name]
        assert ours.shape == theirs.shape
        off = np.linalg.norm(ours.astype(float) - theirs)
        assert off <= 1e-3 * np.linalg.norm(theirs) + 1e-5, name


@pytest.mark.parametrize("batch", [0, 1, 3])
@pytest.mark.parametrize("own", [True, False], ids=["own vertices", "the rig's vertices"])
@pytest.mark.parametrize("frame", FRAMES)
def test_poses_and_gradients_are_the_processors(frame: str, own: bool, batch: int) -> None:
    head = head_of(1, correctives=own)
    call = call_of(1, frame, batch=batch)
    if not own:
        call["vertices"] = None
    theirs, ours = _core.Animator(**head, threads=1), OnDevice(head)
    expected = theirs.forward(**call)
    for found, wanted in zip(ours.forward(call), expected, strict=True):
        assert found.shape == wanted.shape
        assert np.linalg.norm(found - wanted) <= 1e-5 * np.linalg.norm(wanted)
    gradients = gradients_of(expected)
    _same(ours.backward(call, gradients), backward(theirs, call, gradients))


@pytest.mark.parametrize("only", range(4))
def test_each_output_alone_and_none(only: int) -> None:
    head, call = head_of(2), call_of(2, "similarity")
    theirs = _core.Animator(**head, threads=1)
    every = gradients_of(theirs.forward(**call))
    alone = tuple(g if k == only else None for k, g in enumerate(every))
    _same(OnDevice(head).backward(call, alone), backward(theirs, call, alone))


@pytest.mark.parametrize("count", [0, 1, 31, 257])
def test_any_number_of_gaussians(count: int) -> None:
    head, call = head_of(3), call_of(3, "affine", count=count)
    theirs, ours = _core.Animator(**head, threads=1), OnDevice(head)
    expected = theirs.forward(**call)
    for found, wanted in zip(ours.forward(call), expected, strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-3, atol=1e-6)
    gradients = gradients_of(expected)
    _same(ours.backward(call, gradients), backward(theirs, call, gradients))


def test_many_gaussians_of_a_triangle_in_any_order() -> None:
    """Neighbours in one triangle are summed by the warp; equal ones apart must not be twice."""
    head, call = head_of(4), call_of(4, "similarity", count=700)
    theirs, ours = _core.Animator(**head, threads=1), OnDevice(head)
    rng = np.random.default_rng(4)
    gradients = gradients_of(theirs.forward(**call))
    runs = np.repeat(rng.integers(0, 3, 700), rng.integers(1, 6, 700))[:700]
    for triangles in (np.sort(call["triangles"]), np.full(700, 9), runs):
        call["triangles"] = ints32(triangles)
        _same(ours.backward(call, gradients), backward(theirs, call, gradients))


def test_what_is_broken_pulls_at_nothing() -> None:
    head, call = head_of(5), call_of(5, "similarity")
    broken = {"offsets": np.nan, "quats": np.inf, "scales": np.nan, "barycentric": np.inf}
    for k, (name, value) in enumerate(broken.items()):
        call[name][7 * k, 1:] = value
    call["quats"][50:60] = 0
    theirs, ours = _core.Animator(**head, threads=1), OnDevice(head)
    gradients = gradients_of(theirs.forward(**call))
    found = ours.backward(call, gradients)
    _same(found, backward(theirs, call, gradients))
    assert not found["quats"][50:60].any()
    for name in ON_DEVICE[1:]:
        assert not found[name][[0, 7, 14, 21]].any()


@pytest.mark.parametrize("frame", FRAMES)
def test_triangles_without_area_stay_finite(frame: str) -> None:
    head, call = head_of(6), call_of(6, frame)
    for name in ("expression_basis", "pose_correctives"):
        head[name][:] = 0
    call["vertices"][:90] = 0.01  # points
    call["vertices"][90:] = floats32(np.linspace(0, 0.1, 105)[:, None] * [1.0, 0, 0])  # lines
    call["joint_rotations"][:] = 0
    ours = OnDevice(head)
    outputs = ours.forward(call)
    found = ours.backward(call, gradients_of(outputs))
    assert all(np.isfinite(a).all() for a in (*outputs, *found.values()))


def test_calls_follow_each_other_with_other_poses_and_triangles() -> None:
    head = head_of(7)
    theirs, ours = _core.Animator(**head, threads=1), OnDevice(head)
    for seed, batch, count in ((7, 1, 40), (8, 4, 300), (9, 2, 300), (8, 4, 300)):
        call = call_of(seed, FRAMES[batch % 2], batch=batch, count=count)
        for found, wanted in zip(ours.forward(call), theirs.forward(**call), strict=True):
            assert np.linalg.norm(found - wanted) <= 1e-5 * np.linalg.norm(wanted)


def test_threads_with_streams_of_their_own_wait_for_each_other() -> None:
    head = head_of(8)
    theirs = _core.Animator(**head, threads=1)
    ours = OnDevice(head, stream=2)  # cudaStreamPerThread
    calls = [call_of(k, FRAMES[k % 2], batch=1 + k, count=100 * (4 - k)) for k in range(4)]
    expected = [theirs.forward(**call) for call in calls]
    gradients = [gradients_of(out) for out in expected]
    wanted = [backward(theirs, *each) for each in zip(calls, gradients, strict=True)]
    with ThreadPoolExecutor(4) as pool:
        for _ in range(3):
            for found, out in zip(pool.map(ours.forward, calls), expected, strict=True):
                for a, b in zip(found, out, strict=True):
                    assert np.linalg.norm(a - b) <= 1e-5 * np.linalg.norm(b)
            for back, way in zip(pool.map(ours.backward, calls, gradients), wanted, strict=True):
                _same(back, way)


@needs_emulator
@pytest.mark.parametrize("how", [("MEMORY", "1000"), ("FAIL_AFTER", "0"), ("FAIL_AFTER", "1")])
def test_a_call_that_fails_leaves_the_next_one_sound(
    how: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    head, call = head_of(9), call_of(9, "affine")
    theirs, ours = _core.Animator(**head, threads=1), OnDevice(head)
    expected = theirs.forward(**call)
    there, gradients = ours.put(call), gradients_of(expected)
    out: dict[str, Any] = {
        k: _core.CudaFloats(a.shape) for k, a in zip(OUTPUTS, expected, strict=True)
    }
    monkeypatch.setenv(f"AVATAR_RT_EMULATED_{how[0]}", how[1])
    with pytest.raises(_core.DeviceError, match="CUDA: "):
        ours.animator.forward(**there, **out)
    monkeypatch.undo()
    for found, wanted in zip(ours.forward(call), expected, strict=True):
        assert np.linalg.norm(found - wanted) <= 1e-5 * np.linalg.norm(wanted)
    _same(ours.backward(call, gradients), backward(theirs, call, gradients))


BAD: list[tuple[str, Any, str]] = [
    ("coefficients", np.zeros((2, 6), np.float32), "coefficients: has shape"),
    ("joint_rotations", np.full((2, 4, 3), np.nan, np.float32), "joint_rotations: holds"),
    ("translation", np.zeros((1, 3), np.float32), "translation: has shape"),
    ("vertices", np.zeros((194, 3), np.float32), "vertices: has shape"),
    ("frame", "rigid", "frame: is 'rigid'"),
    ("triangles", np.full(300, 336, np.int32), r"triangles: index 336 is outside \[0, 336\)"),
    ("triangles", np.zeros(300, np.int64), "triangles: has dtype int64"),
    ("barycentric", np.zeros((299, 3), np.float32), "barycentric: has shape"),
    ("quats", np.zeros((300, 3), np.float32), "quats: has shape"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "value", "message"), BAD)
def test_wrong_arguments_are_named(name: str, value: Any, message: str) -> None:
    ours, call = OnDevice(head_of(10)), call_of(10, "affine")
    with pytest.raises(ValueError, match=message):
        ours.forward({**call, name: value})
    with pytest.raises(ValueError, match=message):
        ours.backward({**call, name: value}, (None, None, None))


def test_wrong_memory_is_named() -> None:
    ours, call = OnDevice(head_of(11)), call_of(11, "affine")
    out: dict[str, Any] = {
        "means": _core.CudaFloats((2, 300, 3)), "covars": _core.CudaFloats((2, 300, 6)),
        "posed": _core.CudaFloats((2, 195, 3)),
    }  # fmt: skip
    there = ours.put(call)
    with pytest.raises(ValueError, match="offsets: expected a CUDA array"):
        ours.animator.forward(**{**there, "offsets": call["offsets"]}, **out)
    with pytest.raises(ValueError, match=r"covars: has shape \(2, 300, 3\)"):
        ours.animator.forward(**there, **{**out, "covars": out["means"]})
    none: dict[str, Any] = {f"{k}_gradient": None for k in OUTPUTS}
    with pytest.raises(ValueError, match="gradients: holds no vertices"):
        ours.animator.backward(**there, **none, gradients={})
    with pytest.raises(ValueError, match="means_gradient: has shape"):
        ours.backward(call, (np.zeros((2, 299, 3), np.float32), None, None))


def test_vertices_that_are_not_finite_are_named_by_the_way_back() -> None:
    ours, call = OnDevice(head_of(12)), call_of(12, "affine")
    call["vertices"][194, 2] = np.nan
    gradients = gradients_of(ours.forward(call))
    with pytest.raises(ValueError, match="vertices: holds a value that is not finite"):
        ours.backward(call, gradients)


def _rig(head: dict[str, Any]) -> Rig:
    E, J = len(head["expression_basis"]), len(head["joints"])
    return Rig(
        **head, expression_names=tuple(map(str, range(E))), joint_names=tuple(map(str, range(J))),
        arkit_to_expression=np.zeros((52, E), "f4"), arkit_to_joints=np.zeros((52, J, 3), "f4"),
    )  # fmt: skip


def _learned(
    head: dict[str, Any], call: dict[str, Any], cuda: bool, frozen: tuple[str, ...] = ()
) -> dict[str, Tensor]:
    """Outputs and gradients of a loss, by the device or the processor."""
    leaves = {
        k: None if call[k] is None else torch.tensor(call[k], requires_grad=k not in frozen)
        for k in INPUTS
    }
    triangles = torch.from_numpy(call["triangles"].astype(np.int64))
    if cuda:
        there = CudaHead(_rig(head), 0)
        numbers = there.triangles(triangles)
        assert there.triangles(triangles) is numbers
        on_device = CudaAnimateCall(there, call["frame"], numbers, CopiedMemory())
        out = CudaAnimate.apply(on_device, *leaves.values())  # type: ignore[no-untyped-call]
    else:
        animator = _core.Animator(**head, threads=1)
        here = AnimateCall(animator, call["frame"], call["triangles"])
        out = Animate.apply(here, *leaves.values())  # type: ignore[no-untyped-call]
    means, covars, _ = out
    torch.autograd.backward(means.square().sum() + 100 * covars.sum())
    found = dict(zip(OUTPUTS, out, strict=True))
    found |= {k: t.grad for k, t in leaves.items() if t is not None and t.grad is not None}
    return {k: t.detach() for k, t in found.items()}


@pytest.mark.parametrize("own", [True, False], ids=["own vertices", "the rig's vertices"])
@pytest.mark.parametrize("frozen", [(), ("joint_rotations", "offsets")], ids=str)
def test_torchs_gradients_reach_what_they_reach_on_the_processor(
    frozen: tuple[str, ...], own: bool
) -> None:
    head, call = head_of(13), call_of(13, "similarity")
    if not own:
        call["vertices"] = None
    ours, theirs = (_learned(head, call, cuda, frozen) for cuda in (True, False))
    assert set(ours) == set(theirs)
    for name, expected in theirs.items():
        assert ours[name].dtype == expected.dtype
        assert (ours[name] - expected).norm() <= 1e-3 * expected.norm() + 1e-6, name


def test_the_public_call_animates_by_the_core(monkeypatch: pytest.MonkeyPatch) -> None:
    head, call = head_of(16), call_of(16, "affine")
    monkeypatch.setattr(rasterize, "operators", lambda _: "cuda")
    monkeypatch.setattr(rasterize, "TorchMemory", lambda _: CopiedMemory())
    tensors = [torch.from_numpy(call[k]) for k in INPUTS]
    bound = BoundGaussians("affine", torch.from_numpy(call["triangles"]), *tensors[4:])
    found = rasterize.animate(Head(_rig(head)), Poses(*tensors[:3]), bound, tensors[3])
    expected = _core.Animator(**head, threads=1).forward(**call)
    for ours, theirs in zip(found, expected, strict=True):
        assert np.linalg.norm(ours.numpy() - theirs) <= 1e-5 * np.linalg.norm(theirs)


def test_triangles_are_fetched_again_where_they_change() -> None:
    there = CudaHead(_rig(head_of(14)), 0)
    triangles = torch.arange(9)
    assert there.triangles(triangles).dtype == np.int32
    triangles[3] = 7
    assert there.triangles(triangles)[3] == 7
    with torch.inference_mode():
        numbers = torch.arange(4)
        assert there.triangles(numbers).tolist() == [0, 1, 2, 3]


def test_wrong_arrays_and_failing_devices_have_the_houses_errors(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    head, call = head_of(15), call_of(15, "affine")
    with pytest.raises(ParameterError, match="scales: has shape"):
        _learned(head, {**call, "scales": np.zeros((3, 3), np.float32)}, True)

    def fails(*_: Any) -> None:
        raise _core.DeviceError("CUDA: taking memory failed")

    monkeypatch.setattr(_core, "CudaAnimator", fails)
    with pytest.raises(BackendError, match="taking memory failed"):
        _learned(head, call, True)
