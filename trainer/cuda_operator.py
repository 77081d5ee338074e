"""Splatting of CUDA tensors by the native CUDA core, as a torch.autograd.Function.

Arrays stay on the device; cameras and the background, a few numbers each, go through the processor.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from avatar_rt import _core
from avatar_rt.arrays import F32, floats64
from avatar_rt.errors import BackendError, ParameterError
from avatar_rt.types import Quality

_T = TypeVar("_T")

GAUSSIANS = ("means", "quats", "scales", "covars", "opacities", "colors")


class Memory(Protocol):
    """How tensors are shown to the core, which takes whatever has a __cuda_array_interface__."""

    device: int
    stream: int

    def put(self, tensor: Tensor) -> Any:
        """The tensor's memory, without gaps, as the core takes it."""

    def zeros(self, *shape: int) -> Any:
        """New memory of float32."""

    def take(self, array: Any) -> Tensor:
        """What zeros() gave, as a tensor."""


class TorchMemory:
    """CUDA tensors as they are, on the stream that torch works on now."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self.device = torch.cuda.current_device() if device.index is None else device.index
        self.stream: int = torch.cuda.current_stream(device).cuda_stream

    def put(self, tensor: Tensor) -> Any:
        """See Memory."""
        return tensor.detach().contiguous()

    def zeros(self, *shape: int) -> Any:
        """See Memory."""
        return torch.zeros(shape, dtype=torch.float32, device=self._device)

    def take(self, array: Any) -> Tensor:
        """See Memory."""
        tensor: Tensor = array
        return tensor


@dataclass(slots=True)
class CudaCall:
    """What stays fixed in a call of CudaSplat, and what its backward pass leaves besides."""

    Ks: Tensor
    width: int
    height: int
    sh_degree: int | None
    quality: Quality
    memory: Memory
    radii: Tensor | None = field(default=None)


class CudaSplat(torch.autograd.Function):
    """(call, means2d, means, quats, scales, covars, opacities, colors, viewmats, background) →
    images, alphas, as _core.splat documents them; what was not given is None.

    means2d (B, N, 2) is not read: its gradient is that of the centres on the screen.
    """

    @staticmethod
    def forward(
        ctx: Any, call: CudaCall, _means2d: Tensor | None, *tensors: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """The core's forward pass; keeps its inputs and outputs, and the splats in their order."""
        ctx.call = call
        ctx.set_materialize_grads(False)
        *gaussians, viewmats, background = tensors
        memory = call.memory
        views = 0 if viewmats is None else len(viewmats)
        colors = tensors[GAUSSIANS.index("colors")]
        channels = 0 if colors is None else colors.shape[-1]
        images = memory.zeros(views, call.height, call.width, channels)
        alphas = memory.zeros(views, call.height, call.width)
        shown = [None if t is None else memory.put(t) for t in gaussians]
        cameras = [floats64(t.detach().cpu().numpy()) for t in (viewmats, call.Ks) if t is not None]
        under: F32 | None = None if background is None else background.detach().cpu().numpy()
        drawn = checked(
            _core.cuda_splat, *shown, call.sh_degree, *cameras, call.width, call.height, under,
            call.quality, images, alphas, memory.device, memory.stream,
        )  # fmt: skip
        ctx.drawn = drawn if any(ctx.needs_input_grad) else None
        out = memory.take(images), memory.take(alphas)
        ctx.save_for_backward(*tensors, *out)
        return out

    @staticmethod
    @once_differentiable
    def backward(
        ctx: Any, image_gradient: Tensor | None, alpha_gradient: Tensor | None
    ) -> tuple[Tensor | None, ...]:
        """The core's backward pass."""
        call: CudaCall = ctx.call
        *tensors, images, alphas = ctx.saved_tensors
        memory = call.memory
        of_images = torch.zeros_like(images) if image_gradient is None else image_gradient
        given = {k: t for k, t in zip(GAUSSIANS, tensors, strict=False) if t is not None}
        count = given["means"].shape[-2]
        gradients = {name: memory.zeros(*tensor.shape) for name, tensor in given.items()}
        gradients["means2d"] = memory.zeros(len(images), count, 2)
        gradients["radii"] = memory.zeros(len(images), count)
        of_alphas = None if alpha_gradient is None else memory.put(alpha_gradient)
        of_cameras = checked(
            ctx.drawn.backward, memory.put(images), memory.put(alphas), memory.put(of_images),
            of_alphas, gradients,
        )  # fmt: skip
        found = {name: memory.take(array) for name, array in gradients.items()}
        call.radii = found.pop("radii")
        for name, tensor in zip(("viewmats", "background"), tensors[len(GAUSSIANS) :], strict=True):
            if name in of_cameras and tensor is not None:
                found[name] = torch.from_numpy(of_cameras[name]).to(tensor)
        names = ("means2d", *GAUSSIANS, "viewmats", "background")
        needs = dict(zip(names, ctx.needs_input_grad[1:], strict=True))
        return None, *(found.get(name) if needs[name] else None for name in names)


def checked(call: Callable[..., _T], *arguments: Any) -> _T:
    """The core's answer. Raises ParameterError where it refuses an argument, BackendError where
    the device fails."""
    try:
        return call(*arguments)
    except ValueError as error:
        raise ParameterError(str(error)) from error
    except _core.DeviceError as error:
        raise BackendError(str(error)) from error
