"""The native core's two operators, animate and splat, as torch.autograd.Functions.

CPU tensors of float32 (cameras: float64) go in and out; NumPy sees their memory without a copy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.autograd.function import once_differentiable

from avatar_rt import _core
from avatar_rt.arrays import I32, floats64
from avatar_rt.avatar import TriangleFrame
from avatar_rt.errors import ParameterError
from avatar_rt.types import Quality

_T = TypeVar("_T")


def _array(tensor: Tensor | None) -> NDArray[Any] | None:
    return None if tensor is None else tensor.detach().contiguous().numpy()


def _checked(call: Callable[..., _T], *arguments: Any) -> _T:
    """The core's answer; where it refuses an argument, a ParameterError with its words."""
    try:
        return call(*arguments)
    except ValueError as error:
        raise ParameterError(str(error)) from error


@dataclass(frozen=True, slots=True)
class AnimateCall:
    """What stays fixed in a call of Animate."""

    animator: _core.Animator
    frame: TriangleFrame
    triangles: I32


class Animate(torch.autograd.Function):
    """(call, coefficients, joint_rotations, translation, vertices or None, barycentric, offsets,
    quats, scales) → means, covars, posed vertices, as _core.Animator documents them."""

    @staticmethod
    def forward(ctx: Any, call: AnimateCall, *tensors: Tensor | None) -> tuple[Tensor, ...]:
        """The core's forward pass; keeps its inputs."""
        ctx.call = call
        ctx.save_for_backward(*tensors)
        ctx.set_materialize_grads(False)
        out = _checked(call.animator.forward, *Animate._arguments(call, tensors))
        return tuple(torch.from_numpy(a) for a in out)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, ...]:
        """The core's backward pass, which poses the head again."""
        call: AnimateCall = ctx.call
        arguments = [*Animate._arguments(call, ctx.saved_tensors), *map(_array, gradients)]
        out = call.animator.backward(*arguments)
        wanted = ctx.needs_input_grad[1:]
        return None, *(
            torch.from_numpy(a) if need else None for a, need in zip(out, wanted, strict=True)
        )

    @staticmethod
    def _arguments(call: AnimateCall, tensors: tuple[Tensor | None, ...]) -> list[Any]:
        arrays = [_array(t) for t in tensors]
        return [*arrays[:4], call.frame, call.triangles, *arrays[4:]]


@dataclass(slots=True)
class SplatCall:
    """What stays fixed in a call of Splat, and what its backward pass leaves besides gradients."""

    Ks: Tensor
    width: int
    height: int
    sh_degree: int | None
    quality: Quality
    threads: int
    radii: Tensor | None = field(default=None)


class Splat(torch.autograd.Function):
    """(call, means2d, means, quats, scales, covars, opacities, colors, viewmats, background) →
    images, alphas, as _core.splat documents them; what was not given is None.

    means2d (B, N, 2) is not read: its gradient is that of the centres on the screen.
    """

    @staticmethod
    def forward(
        ctx: Any, call: SplatCall, _means2d: Tensor | None, *tensors: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """The core's forward pass; keeps its inputs and outputs."""
        ctx.call = call
        ctx.set_materialize_grads(False)
        arguments = Splat._arguments(call, tensors)
        out = _checked(_core.splat, *arguments, call.quality, call.threads)
        images, alphas = (torch.from_numpy(a) for a in out)
        ctx.save_for_backward(*tensors, images, alphas)
        return images, alphas

    @staticmethod
    @once_differentiable
    def backward(
        ctx: Any, image_gradient: Tensor | None, alpha_gradient: Tensor | None
    ) -> tuple[Tensor | None, ...]:
        """The core's backward pass."""
        call: SplatCall = ctx.call
        *tensors, images, alphas = ctx.saved_tensors
        of_images = torch.zeros_like(images) if image_gradient is None else image_gradient
        rest = map(_array, (of_images, alpha_gradient, images, alphas))
        arguments = [*Splat._arguments(call, tensors), *rest, call.threads]
        out = _core.splat_backward(*arguments)
        call.radii = torch.from_numpy(out["radii"])
        names = (
            "means2d", "means", "quats", "scales", "covars", "opacities", "colors", "viewmats",
            "background",
        )  # fmt: skip
        needs = dict(zip(names, ctx.needs_input_grad[1:], strict=True))
        gradients: dict[str, Any] = {k: out.get(k) for k in names if needs[k]}
        found = {k: torch.from_numpy(a) for k, a in gradients.items() if a is not None}
        viewmats = tensors[names.index("viewmats") - 1]
        if "viewmats" in found and viewmats is not None:
            found["viewmats"] = found["viewmats"].to(viewmats.dtype)
        return None, *(found.get(name) for name in names)

    @staticmethod
    def _arguments(call: SplatCall, tensors: Iterable[Tensor | None]) -> list[Any]:
        *gaussians, viewmats, background = (_array(t) for t in tensors)
        cameras = [floats64(a) for a in (viewmats, _array(call.Ks)) if a is not None]
        return [*gaussians, call.sh_degree, *cameras, call.width, call.height, background]
