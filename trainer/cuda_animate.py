"""Animation of CUDA tensors by the native CUDA core, as a torch.autograd.Function.

Gaussians and vertices stay on the device; poses, a few numbers each, go through the processor.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from avatar_rt import _core
from avatar_rt.arrays import F32, I32, ints32
from avatar_rt.avatar import TriangleFrame
from avatar_rt.head.rig import Rig
from trainer.cuda_operator import Memory, checked

POSES = ("coefficients", "joint_rotations", "translation")
SHARED = ("vertices", "barycentric", "offsets", "quats", "scales")


class CudaHead:
    """A rig in a device's memory."""

    def __init__(self, rig: Rig, device: int) -> None:
        """Raises BackendError where the device fails."""
        self.vertex_count = len(rig.vertices)
        self.animator = checked(
            _core.CudaAnimator, rig.vertices, rig.faces, rig.expression_basis, rig.joints,
            rig.parents, rig.weights, rig.pose_correctives, device,
        )  # fmt: skip
        self._last: tuple[Tensor, int, I32] | None = None

    def triangles(self, tensor: Tensor) -> I32:
        """(N,) integers as the core takes them. Fetched once for a tensor that stays the same: each
        time would be a wait for the device."""
        if tensor.is_inference():  # it does not say when it changes
            return ints32(_fetched(tensor))
        if self._last is None or self._last[0] is not tensor or self._last[1] != tensor._version:
            self._last = tensor, tensor._version, ints32(_fetched(tensor)).copy()
        return self._last[2]


@dataclass(frozen=True, slots=True)
class CudaAnimateCall:
    """What stays fixed in a call of CudaAnimate."""

    head: CudaHead
    frame: TriangleFrame
    triangles: I32
    memory: Memory


class CudaAnimate(torch.autograd.Function):
    """(call, coefficients, joint_rotations, translation, vertices or None, barycentric, offsets,
    quats, scales) → means, covars, posed vertices, as _core.Animator documents them."""

    @staticmethod
    def forward(
        ctx: Any, call: CudaAnimateCall, *tensors: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """The core's forward pass; keeps its inputs."""
        ctx.call = call
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(*tensors)
        ctx.poses = [_fetched(t) for t in tensors[: len(POSES)] if t is not None]
        memory, batch = call.memory, len(ctx.poses[0]) if ctx.poses[0].ndim else 0
        means = memory.zeros(batch, len(call.triangles), 3)
        covars = memory.zeros(batch, len(call.triangles), 6)
        posed = memory.zeros(batch, call.head.vertex_count, 3)
        arguments = CudaAnimate._arguments(call, ctx.poses, tensors)
        checked(call.head.animator.forward, *arguments, means, covars, posed, memory.stream)
        return memory.take(means), memory.take(covars), memory.take(posed)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *of_outputs: Tensor | None) -> tuple[Tensor | None, ...]:
        """The core's backward pass, which poses the head again."""
        call: CudaAnimateCall = ctx.call
        memory, count = call.memory, len(call.triangles)
        gradients = {name: memory.zeros(count, 4 if name == "quats" else 3) for name in SHARED}
        gradients["vertices"] = memory.zeros(call.head.vertex_count, 3)
        arguments = CudaAnimate._arguments(call, ctx.poses, ctx.saved_tensors)
        shown = [None if g is None else memory.put(g) for g in of_outputs]
        of_poses = checked(
            call.head.animator.backward, *arguments, *shown, gradients, memory.stream
        )
        needs = ctx.needs_input_grad[1:]
        found = [
            torch.from_numpy(gradient).to(pose.device) if need else None
            for gradient, pose, need in zip(of_poses, ctx.saved_tensors, needs, strict=False)
        ]
        found += [
            memory.take(gradients[name]) if need else None
            for name, need in zip(SHARED, needs[len(POSES) :], strict=True)
        ]
        return None, *found

    @staticmethod
    def _arguments(
        call: CudaAnimateCall, poses: list[F32], tensors: tuple[Tensor | None, ...]
    ) -> list[Any]:
        vertices, *bound = (
            None if t is None else call.memory.put(t) for t in tensors[len(POSES) :]
        )
        return [*poses, vertices, call.frame, call.triangles, *bound]


def _fetched(tensor: Tensor) -> Any:
    return tensor.detach().cpu().contiguous().numpy()
