"""Pictures with gradients: `animate` poses the Gaussians of a head, `splat` draws them.

Both take batches and choose by the tensors' device: the native core for the CPU, and its CUDA half
for CUDA. Where that was not built or does not work, PyTorch poses and gsplat splats, with the same
arguments and conventions (what differs: trainer.gsplat_operator).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from avatar_rt import _core
from avatar_rt.errors import BackendError, ParameterError
from avatar_rt.head.rig import Rig
from avatar_rt.types import Quality
from trainer import gsplat_operator, torch_rig
from trainer.cuda_animate import CudaAnimate, CudaAnimateCall, CudaHead
from trainer.cuda_operator import CudaCall, CudaSplat, TorchMemory
from trainer.native_operators import Animate, AnimateCall, Splat, SplatCall
from trainer.torch_rig import Animated, BoundGaussians, Poses, RigTensors

__all__ = ["Animated", "BoundGaussians", "Head", "Poses", "Screen", "Splatted", "animate", "splat"]

Operators = Literal["native", "cuda", "gsplat"]


def operators(device: torch.device) -> Operators:
    """Who works on tensors of `device`. Raises BackendError where nobody does."""
    if device.type == "cpu":
        return "native"
    if device.type == "cuda":
        return "cuda" if _core.cuda_status() == "available" else "gsplat"
    raise BackendError(f"tensors on {device}: expected the CPU or a CUDA device")


class Head:
    """A rig made ready to be animated with gradients, on whichever device its poses come."""

    def __init__(self, rig: Rig, *, threads: int = 0) -> None:
        """threads: of the native core; 0 means all cores."""
        self.rig = rig
        self._threads = threads
        self._animator: _core.Animator | None = None
        self._on_devices: dict[int, CudaHead] = {}
        self._tensors: dict[torch.device, RigTensors] = {}

    @property
    def animator(self) -> _core.Animator:
        """The native core's, made when it is first needed."""
        if self._animator is None:
            r = self.rig
            self._animator = _core.Animator(
                r.vertices, r.faces, r.expression_basis, r.joints, r.parents, r.weights,
                r.pose_correctives, self._threads,
            )  # fmt: skip
        return self._animator

    def on_device(self, device: int) -> CudaHead:
        """That of the native core's CUDA half, made when it is first needed."""
        if device not in self._on_devices:
            self._on_devices[device] = CudaHead(self.rig, device)
        return self._on_devices[device]

    def tensors(self, device: torch.device) -> RigTensors:
        """The rig as float32 tensors on `device`, made when they are first needed."""
        if device not in self._tensors:
            self._tensors[device] = RigTensors.of(self.rig, device)
        return self._tensors[device]


def animate(
    head: Head, poses: Poses, gaussians: BoundGaussians, vertices: Tensor | None = None
) -> Animated:
    """B poses of a head and of the Gaussians on it.

    poses, gaussians: float32 tensors of one device, shaped as their classes say. vertices (V, 3):
    the head at rest, in place of the rig's own, where the shape is learned; the joints stay.

    Returns means (B, N, 3), covars (B, N, 6) and posed vertices (B, V, 3). Gradients reach all
    inputs but the frame and the triangles.

    Raises ParameterError, naming the argument, for a wrong shape, dtype or device, and for numbers
    that are not finite in poses or vertices (on CUDA those of vertices are found by the way back).
    """
    named = {
        **poses._asdict(), "vertices": vertices, "triangles": gaussians.triangles,
        "barycentric": gaussians.barycentric, "offsets": gaussians.offsets,
        "quats": gaussians.quats, "scales": gaussians.scales,
    }  # fmt: skip
    device = _common_device(named)
    who = operators(device)
    if who == "gsplat":
        return torch_rig.animate(head.tensors(device), poses, gaussians, vertices)
    bound = (gaussians.barycentric, gaussians.offsets, gaussians.quats, gaussians.scales)
    if who == "cuda":
        memory = TorchMemory(device)
        there = head.on_device(memory.device)
        on_device = CudaAnimateCall(
            there, gaussians.frame, there.triangles(gaussians.triangles), memory
        )
        out = CudaAnimate.apply(on_device, *poses, vertices, *bound)  # type: ignore[no-untyped-call]
        return Animated(*out)
    triangles = gaussians.triangles.detach().to(torch.int32).contiguous().numpy()
    call = AnimateCall(head.animator, gaussians.frame, triangles)
    return Animated(*Animate.apply(call, *poses, vertices, *bound))  # type: ignore[no-untyped-call]


@dataclass(frozen=True, slots=True)
class Screen:
    """What densification asks of a picture's Gaussians, once its loss has gone backward."""

    _views: int
    _means2d: Tensor | None
    _radii: SplatCall | CudaCall | Tensor

    @property
    def means2d_gradient(self) -> Tensor | None:
        """(B, N, 2) ∂loss/∂ of the centres on the screen, per pixel; None before."""
        grad = None if self._means2d is None else self._means2d.grad
        return None if grad is None else grad.reshape(self._views, -1, 2)

    @property
    def radii(self) -> Tensor | None:
        """(B, N) float32 pixels: how far a Gaussian reaches in x or y; 0: not seen. None before."""
        if isinstance(self._radii, Tensor):
            return self._radii.amax(-1).reshape(self._views, -1).float()
        return self._radii.radii


class Splatted(NamedTuple):
    """B pictures."""

    images: Tensor
    """(B, H, W, C), premultiplied, over the background where one was given."""
    alphas: Tensor
    """(B, H, W)."""
    screen: Screen


def splat(
    means: Tensor,
    opacities: Tensor,
    colors: Tensor,
    viewmats: Tensor,
    Ks: Tensor,
    width: int,
    height: int,
    *,
    covars: Tensor | None = None,
    quats: Tensor | None = None,
    scales: Tensor | None = None,
    sh_degree: int | None = None,
    background: Tensor | None = None,
    quality: Quality = "exact",
    threads: int = 0,
) -> Splatted:
    """Draw N Gaussians in B views.

    means (N, 3), opacities (N,), colors (N, C), and either covars (N, 6), as `animate` returns
    them, or quats (N, 4) and scales (N, 3): float32, for all views, or with a leading axis of B for
    each view's own. With sh_degree colors are spherical harmonics (N, K, 3), as in _core.splat.
    viewmats (B, 4, 4) and Ks (B, 3, 3): float32 or float64, OpenCV, pixel centres at half integers.
    background (C,). threads: 0 means all cores.

    Gradients reach all tensors but Ks; they need quality "exact". The rules are those of
    avatar_rt.splat.rasterize.

    Raises ParameterError, naming the argument, for a wrong shape, dtype or device.
    """
    optional = {"covars": covars, "quats": quats, "scales": scales, "background": background}
    required = {"means": means, "opacities": opacities, "colors": colors, "viewmats": viewmats}
    device = _common_device({**required, **optional, "Ks": Ks})
    for name, tensor, ranks in (("means", means, (2, 3)), ("viewmats", viewmats, (3,))):
        if tensor.dim() not in ranks:
            raise ParameterError(f"{name}: has shape {tuple(tensor.shape)}")
    views = len(viewmats)
    who = operators(device)
    if who == "gsplat":
        images, alphas, means2d, radii = gsplat_operator.splat(
            means, quats, scales, covars, opacities, colors, sh_degree, viewmats, Ks, width,
            height, background,
        )  # fmt: skip
        return Splatted(images, alphas, Screen(views, means2d, radii))
    learns = any(
        t is not None and t.requires_grad for t in (*required.values(), *optional.values())
    )
    screen = None
    if learns and torch.is_grad_enabled():
        if quality != "exact":
            raise ParameterError(f"quality: is {quality!r}; only 'exact' has gradients")
        screen = torch.zeros(views, means.shape[-2], 2, device=device, requires_grad=True)
    tensors = (
        screen, means, quats, scales, covars, opacities, colors, viewmats, background
    )  # fmt: skip
    call: SplatCall | CudaCall
    if who == "cuda":
        call = CudaCall(Ks, width, height, sh_degree, quality, TorchMemory(device))
        images, alphas = CudaSplat.apply(call, *tensors)  # type: ignore[no-untyped-call]
    else:
        call = SplatCall(Ks, width, height, sh_degree, quality, threads)
        images, alphas = Splat.apply(call, *tensors)  # type: ignore[no-untyped-call]
    return Splatted(images, alphas, Screen(views, screen, call))


def _common_device(named: dict[str, Tensor | None]) -> torch.device:
    given = {name: t for name, t in named.items() if t is not None}
    first = next(iter(given))
    device = given[first].device
    for name, tensor in given.items():
        if tensor.device != device:
            raise ParameterError(f"{name}: is on {tensor.device}, but {first} is on {device}")
        if tensor.is_floating_point() and tensor.dtype not in (torch.float32, torch.float64):
            raise ParameterError(f"{name}: is {tensor.dtype}, expected torch.float32")
    return device
