"""Splatting in torch, slowly, in float64 and differentiable: what the gradients are held to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tests.native.reference import ALPHA_MAX, ALPHA_MIN, LOW_PASS, NEAR, TRANSMITTANCE_MIN


@dataclass(frozen=True)
class Inputs:
    """One view's tensors, float64: means (N, 3); quats (N, 4) and scales (N, 3), or covars (N, 6);
    opacities (N,); colors (N, C), or harmonics (N, K, 3) with sh_degree; viewmat (4, 4); K (3, 3);
    background (C,) or None."""

    means: Tensor
    quats: Tensor | None
    scales: Tensor | None
    covars: Tensor | None
    opacities: Tensor
    colors: Tensor
    viewmat: Tensor
    K: Tensor
    width: int
    height: int
    background: Tensor | None = None
    sh_degree: int | None = None


def covariances(quats: Tensor, scales: Tensor) -> Tensor:
    """(N, 3, 3) = R diag(scale²) Rᵀ."""
    w, x, y, z = (quats / quats.norm(dim=1, keepdim=True)).unbind(1)
    rows = [
        1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y),
        2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x),
        2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y),
    ]  # fmt: skip
    root = torch.stack(rows, 1).reshape(-1, 3, 3) * scales[:, None]
    return root @ root.mT


def basis(d: Tensor, degree: int) -> Tensor:
    """(N, (degree + 1)²) real spherical harmonics of unit directions (N, 3), in 3DGS's order and
    with its signs: associated Legendre polynomials with the Condon-Shortley phase, written out."""
    x, y, z = d.unbind(1)
    one = torch.ones_like(x)
    pi = np.pi
    out = [np.sqrt(1 / (4 * pi)) * one]
    if degree > 0:
        a = np.sqrt(3 / (4 * pi))
        out += [-a * y, a * z, -a * x]
    if degree > 1:
        a, b = np.sqrt(15 / (4 * pi)), np.sqrt(5 / (16 * pi))
        out += [a * x * y, -a * y * z, b * (3 * z * z - 1), -a * x * z, a / 2 * (x * x - y * y)]
    if degree > 2:
        a, b = np.sqrt(35 / (32 * pi)), np.sqrt(105 / (4 * pi))
        c, e = np.sqrt(21 / (32 * pi)), np.sqrt(7 / (16 * pi))
        out += [
            -a * y * (3 * x * x - y * y), b * x * y * z, -c * y * (5 * z * z - 1),
            e * z * (5 * z * z - 3), -c * x * (5 * z * z - 1), b / 2 * z * (x * x - y * y),
            -a * x * (x * x - 3 * y * y),
        ]  # fmt: skip
    return torch.stack(out, 1)


def shade(i: Inputs) -> Tensor:
    """(N, C) colours as this view sees them."""
    if i.sh_degree is None:
        return i.colors
    eye = torch.linalg.inv(i.viewmat)[:3, 3]
    d = i.means - eye
    b = basis(d / d.norm(dim=1, keepdim=True), i.sh_degree)
    return (torch.einsum("nk,nkc->nc", b, i.colors[:, : b.shape[1]]) + 0.5).clamp_min(0)


def project(i: Inputs) -> tuple[Tensor, Tensor, Tensor]:
    """→ pixel centres (N, 2), 2D covariances with low-pass (N, 2, 2), depths (N,)."""
    R, t = i.viewmat[:3, :3], i.viewmat[:3, 3]
    m = i.means @ R.mT + t
    if i.covars is not None:
        cov = i.covars[:, [0, 1, 2, 1, 3, 4, 2, 4, 5]].reshape(-1, 3, 3)
    else:
        assert i.quats is not None and i.scales is not None
        cov = covariances(i.quats, i.scales)
    fx, fy, cx, cy = (float(i.K[k]) for k in ((0, 0), (1, 1), (0, 2), (1, 2)))
    x, y, z = m.unbind(1)
    u, v, zero = x / z, y / z, torch.zeros_like(z)
    margin_x, margin_y = 0.15 * i.width / fx, 0.15 * i.height / fy
    ju = u.clamp(-cx / fx - margin_x, (i.width - cx) / fx + margin_x)
    jv = v.clamp(-cy / fy - margin_y, (i.height - cy) / fy + margin_y)
    J = torch.stack([fx / z, zero, -fx * ju / z, zero, fy / z, -fy * jv / z], 1).reshape(-1, 2, 3)
    J = J @ R
    flat = J @ cov @ J.mT + LOW_PASS * torch.eye(2, dtype=z.dtype)
    return torch.stack([fx * u + cx, fy * v + cy], 1), flat, z


@dataclass(frozen=True)
class Rules:
    """The thresholds of splatting."""

    alpha_min: float = ALPHA_MIN
    alpha_max: float = ALPHA_MAX
    transmittance_min: float = TRANSMITTANCE_MIN


EXACT = Rules()


def blend(
    centres: Tensor, flat: Tensor, depth: Tensor, colors: Tensor, i: Inputs, rules: Rules = EXACT
) -> tuple[Tensor, Tensor]:
    """→ image (H, W, C), alpha (H, W) of what project() and shade() gave. Gaussians with a number
    that is not finite take no part."""
    sound = flat.detach().flatten(1).isfinite().all(1) & centres.detach().isfinite().all(1)
    drawn = sound & (depth >= NEAR) & (i.opacities >= rules.alpha_min)
    nearest_first = torch.argsort(depth, stable=True)
    order = nearest_first[drawn[nearest_first]]
    y, x = (torch.from_numpy(a) for a in np.mgrid[: i.height, : i.width] + 0.5)
    conic = torch.linalg.inv(flat[order])[:, None, None]
    dx, dy = x - centres[order, 0, None, None], y - centres[order, 1, None, None]
    distance = conic[..., 0, 0] * dx * dx + conic[..., 1, 1] * dy * dy
    distance = distance + 2 * conic[..., 0, 1] * dx * dy
    raw = i.opacities[order, None, None].clamp_max(1.0) * torch.exp(-0.5 * distance)
    # a clamped alpha stands still
    alpha = torch.where(raw >= rules.alpha_min, raw.clamp_max(rules.alpha_max), 0.0)
    # a pixel's transmittance only falls: it is closed behind the first that takes it too low
    before = torch.cat([torch.ones(1, *x.shape, dtype=x.dtype), (1 - alpha).cumprod(0)])[:-1]
    alpha = torch.where(before.detach() >= rules.transmittance_min, alpha, 0.0)
    through = torch.cat([torch.ones(1, *x.shape, dtype=x.dtype), (1 - alpha).cumprod(0)])
    image = torch.einsum("nhw,nc->hwc", alpha * through[:-1], colors[order])
    T = through[-1]
    if i.background is not None:
        image = image + T[..., None] * i.background
    return image, 1 - T


def splat(
    i: Inputs, rules: Rules = EXACT, centres_out: list[Tensor] | None = None
) -> tuple[Tensor, Tensor]:
    """→ image (H, W, C), alpha (H, W). centres_out receives the pixel centres (N, 2), which then
    keep their gradient."""
    centres, flat, depth = project(i)
    if centres_out is not None:
        centres.retain_grad()
        centres_out.append(centres)
    return blend(centres, flat, depth, shade(i), i, rules)


def gradients(
    arrays: dict[str, Any],
    image_gradient: Any,
    alpha_gradient: Any | None = None,
    rules: Rules = EXACT,
) -> dict[str, Any]:
    """∂L/∂ of every floating array of Inputs (NumPy in and out, float64), and of means2d, for
    L = Σ image·image_gradient + Σ alpha·alpha_gradient."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # so small, that a second thread only waits
    try:
        return _gradients(arrays, image_gradient, alpha_gradient, rules)
    finally:
        torch.set_num_threads(threads)


def _gradients(
    arrays: dict[str, Any], image_gradient: Any, alpha_gradient: Any | None, rules: Rules
) -> dict[str, Any]:
    tensors: dict[str, Any] = {}
    for name, value in arrays.items():
        if isinstance(value, np.ndarray):
            tensors[name] = torch.from_numpy(np.array(value, np.float64)).requires_grad_(
                name != "K"
            )
        else:
            tensors[name] = value
    centres: list[Tensor] = []
    image, alpha = splat(Inputs(**tensors), rules, centres)
    loss = (image * torch.from_numpy(np.asarray(image_gradient, np.float64))).sum()
    if alpha_gradient is not None:
        loss = loss + (alpha * torch.from_numpy(np.asarray(alpha_gradient, np.float64))).sum()
    out: dict[str, Any] = {"image": image.detach().numpy(), "alpha": alpha.detach().numpy()}
    if not loss.requires_grad:
        return out
    loss.backward()  # type: ignore[no-untyped-call]
    for name, tensor in (*tensors.items(), ("means2d", centres[0])):
        if isinstance(tensor, Tensor) and tensor.grad is not None:
            out[name] = tensor.grad.numpy()
    return out
