"""Splatting of CUDA tensors by gsplat, where the native CUDA core was not built.

It differs from the native core where gsplat does: alpha is clamped at 0.999 instead of 0.99, and a
Gaussian ends at the box of 3.33 sigma where that is nearer than alpha = 1/255. It draws exactly;
there is no "fast" quality.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from avatar_rt.errors import MissingDependencyError


def rasterization() -> Any:
    """gsplat's function. Raises MissingDependencyError where gsplat is not installed."""
    try:
        from gsplat import rasterization as of_gsplat  # noqa: PLC0415 - compiles its kernels
    except ImportError as error:
        raise MissingDependencyError(
            "CUDA tensors are splatted by gsplat, which is not installed: "
            "pip install 'avatar-rt[train]', or move the tensors to the CPU"
        ) from error
    return of_gsplat


def splat(
    means: Tensor,
    quats: Tensor | None,
    scales: Tensor | None,
    covars: Tensor | None,
    opacities: Tensor,
    colors: Tensor,
    sh_degree: int | None,
    viewmats: Tensor,
    Ks: Tensor,
    width: int,
    height: int,
    background: Tensor | None,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The arguments of _core.splat as CUDA tensors → images (B, H, W, C), alphas (B, H, W), and of
    gsplat's meta means2d (…, N, 2), whose gradient is kept, and radii (…, N, 2)."""
    views = len(viewmats)
    rank = {"means": 2, "quats": 2, "scales": 2, "covars": 2, "opacities": 1,
            "colors": 2 if sh_degree is None else 3}  # fmt: skip
    given = {"means": means, "quats": quats, "scales": scales, "covars": covars,
             "opacities": opacities, "colors": colors}  # fmt: skip
    tensors = {k: t for k, t in given.items() if t is not None}
    cameras = {"viewmats": viewmats.float(), "Ks": Ks.float()}
    if background is not None:
        cameras["backgrounds"] = background.expand(views, -1)
    # gsplat knows many cameras of one set of Gaussians, or, as a batch, one set for each
    if any(t.dim() > rank[k] for k, t in tensors.items()):
        tensors = {
            k: t if t.dim() > rank[k] else t.expand(views, *t.shape) for k, t in tensors.items()
        }
        cameras = {k: t[:, None] for k, t in cameras.items()}
    if covars is not None:
        full = tensors["covars"][..., [[0, 1, 2], [1, 3, 4], [2, 4, 5]]]
        tensors |= {"covars": full, "quats": full[..., 0], "scales": full[..., 0]}  # those: unread
    images, alphas, meta = rasterization()(
        **tensors, **cameras, width=width, height=height, sh_degree=sh_degree, packed=False
    )
    if torch.is_grad_enabled() and meta["means2d"].requires_grad:
        meta["means2d"].retain_grad()
    shape = (views, height, width)
    return images.reshape(*shape, -1), alphas.reshape(shape), meta["means2d"], meta["radii"]
