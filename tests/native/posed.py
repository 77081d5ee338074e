"""random_rig's arrays as a call of the Animator, and the same call in torch and float64."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from avatar_rt import _core
from avatar_rt.arrays import F64, Array, floats32, ints32
from tests.native.scenes import random_rig
from trainer.torch_rig import Animated, BoundGaussians, Poses, RigTensors, animate

HEAD = (
    "vertices", "faces", "expression_basis", "joints", "parents", "weights", "pose_correctives",
)  # fmt: skip
INPUTS = (
    "coefficients", "joint_rotations", "translation", "vertices", "barycentric", "offsets",
    "quats", "scales",
)  # fmt: skip


def head_of(seed: int, *, correctives: bool = True) -> dict[str, Any]:
    """The Animator's arguments but the threads."""
    rig = random_rig(seed, "affine", correctives=correctives)
    return {name: rig[name] for name in HEAD}


def call_of(seed: int, frame: str, *, batch: int = 2, count: int = 300) -> dict[str, Any]:
    """The arguments of forward: Gaussians in no order, quaternions of many lengths, and a head at
    rest that is not the Animator's own."""
    rig = random_rig(seed, frame, count=count)
    rng = np.random.default_rng(seed + 100)
    order = rng.permutation(count)
    return {
        "coefficients": floats32(
            rng.uniform(-0.5, 0.5, (batch, 7)) * (rng.random((batch, 7)) < 0.8)
        ),
        "joint_rotations": floats32(rng.normal(0, 0.5, (batch, 4, 3))),
        "translation": floats32(rng.normal(0, 0.01, (batch, 3))),
        "vertices": floats32(rig["vertices"] + rng.normal(0, 0.001, rig["vertices"].shape)),
        "frame": frame,
        "triangles": ints32(rig["triangles"][order]),
        "barycentric": rig["barycentric"],
        "offsets": rig["offsets"],
        "quats": rig["quats"] * np.exp(rng.normal(0, 1, (count, 1))).astype(np.float32),
        "scales": rig["scales"],
    }


def gradients_of(outputs: tuple[Array, ...], seed: int = 0) -> tuple[Array, ...]:
    """A loss's gradient of each output; covariances are small numbers and get large ones."""
    rng = np.random.default_rng(seed + 200)
    sizes = (1.0, 50.0, 0.3)
    return tuple(floats32(rng.normal(0, s, a.shape)) for a, s in zip(outputs, sizes, strict=True))


def rig64(head: dict[str, Any]) -> RigTensors:
    tensors: dict[str, Any] = {k: torch.from_numpy(head[k].astype(np.float64)) for k in HEAD}
    tensors["faces"] = torch.from_numpy(head["faces"].astype(np.int64))
    tensors["parents"] = tuple(int(p) for p in head["parents"])
    return RigTensors(**tensors)


def inputs64(call: dict[str, Any]) -> dict[str, Tensor]:
    """The inputs that have gradients, as float64 leaves."""
    return {k: torch.tensor(call[k], dtype=torch.float64, requires_grad=True) for k in INPUTS}


def animate64(head: dict[str, Any], call: dict[str, Any], inputs: dict[str, Tensor]) -> Animated:
    poses = Poses(*(inputs[k] for k in INPUTS[:3]))
    triangles = torch.from_numpy(call["triangles"]).long()
    gaussians = BoundGaussians(call["frame"], triangles, *(inputs[k] for k in INPUTS[4:]))
    return animate(rig64(head), poses, gaussians, inputs["vertices"])


def expected(
    head: dict[str, Any], call: dict[str, Any], gradients: tuple[Array | None, ...]
) -> dict[str, F64]:
    """The gradients of INPUTS by autograd in float64."""
    inputs = inputs64(call)
    loss = torch.zeros((), dtype=torch.float64)
    for output, gradient in zip(animate64(head, call, inputs), gradients, strict=True):
        if gradient is not None:
            loss = loss + (output * torch.from_numpy(gradient.astype(np.float64))).sum()
    loss.backward()  # type: ignore[no-untyped-call]
    return {
        k: np.zeros(call[k].shape) if t.grad is None else t.grad.numpy() for k, t in inputs.items()
    }


def backward(
    animator: _core.Animator, call: dict[str, Any], gradients: tuple[Array | None, ...]
) -> dict[str, Array]:
    means, covars, posed = gradients
    out = animator.backward(
        **call, means_gradient=means, covars_gradient=covars, posed_gradient=posed
    )
    return dict(zip(INPUTS, out, strict=True))


def relative(got: Array, want: Array) -> float:
    """The error's norm to that of what is wanted, or to 0.1 where that is smaller."""
    error = float(np.linalg.norm(np.asarray(got, np.float64) - want))
    return error / max(float(np.linalg.norm(want)), 0.1)
