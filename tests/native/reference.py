"""Splatting and animation once more, slowly and in float64: what the core is held to."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import lpmv

from avatar_rt import _core
from avatar_rt.arrays import F64
from avatar_rt.rotation import matrix_from_axis_angle

ALPHA_MIN, TRANSMITTANCE_MIN = 1 / 255, 1e-4
ALPHA_MAX: float = _core.ALPHA_MAX
"""0.99; in a build for comparisons with gsplat 0.999, which all of these tests run with too."""
LOW_PASS, NEAR = 0.3, 0.01


@dataclass(frozen=True)
class Splats:
    """One call of rasterize: see avatar_rt.rasterize for the shapes."""

    means: NDArray[np.float32]
    quats: NDArray[np.float32]
    scales: NDArray[np.float32]
    opacities: NDArray[np.float32]
    colors: NDArray[np.float32]
    viewmat: F64
    K: F64
    width: int
    height: int

    def arrays(self) -> dict[str, Any]:
        return {f.name: getattr(self, f.name) for f in fields(self)}


def rotations(quats: NDArray[Any]) -> F64:
    """(N, 4) wxyz → (N, 3, 3)."""
    q = np.asarray(quats, np.float64)
    w, x, y, z = (q / np.linalg.norm(q, axis=1, keepdims=True)).T
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]
    return np.moveaxis(np.array(rows, np.float64).reshape(3, 3, -1), -1, 0)


def covariances(quats: NDArray[Any], scales: NDArray[Any]) -> F64:
    """(N, 3, 3) = R diag(scale²) Rᵀ."""
    root = rotations(quats) * np.asarray(scales, np.float64)[:, None]
    return np.asarray(root @ root.transpose(0, 2, 1), np.float64)


def project(s: Splats) -> tuple[F64, F64, F64]:
    """→ pixel centres (N, 2), 2D covariances with low-pass (N, 2, 2), depths (N,)."""
    return flatten(s.means.astype(np.float64), covariances(s.quats, s.scales), s)


def flatten(means: F64, covariance: F64, s: Splats) -> tuple[F64, F64, F64]:
    """project, for means (N, 3) and covariances (N, 3, 3); of `s` only the camera is read."""
    R, t = s.viewmat[:3, :3], s.viewmat[:3, 3]
    m = means @ R.T + t
    cov = R @ covariance @ R.T
    fx, fy, cx, cy = s.K[0, 0], s.K[1, 1], s.K[0, 2], s.K[1, 2]
    with np.errstate(all="ignore"):
        u, v, z = m[:, 0] / m[:, 2], m[:, 1] / m[:, 2], m[:, 2]
        tan_x, tan_y = 0.5 * s.width / fx, 0.5 * s.height / fy
        ju = np.clip(u, -cx / fx - 0.3 * tan_x, (s.width - cx) / fx + 0.3 * tan_x)
        jv = np.clip(v, -cy / fy - 0.3 * tan_y, (s.height - cy) / fy + 0.3 * tan_y)
        J = np.zeros((len(z), 2, 3))
        J[:, 0, 0], J[:, 0, 2] = fx / z, -fx * ju / z
        J[:, 1, 1], J[:, 1, 2] = fy / z, -fy * jv / z
        flat = J @ cov @ J.transpose(0, 2, 1) + LOW_PASS * np.eye(2)
        centres = np.stack([fx * u + cx, fy * v + cy], 1)
    return centres, flat, z


def weights(s: Splats) -> tuple[NDArray[np.intp], F64, F64]:
    """→ the order in which Gaussians are blended (M,), the weight of each in each pixel (M, H, W),
    and the transmittance that is left (H, W)."""
    centres, flat, depth = project(s)
    y, x = np.mgrid[: s.height, : s.width] + 0.5
    T = np.ones((s.height, s.width))
    open_ = np.ones((s.height, s.width), bool)
    order = np.argsort(depth, kind="stable")
    used = [i for i in order if depth[i] >= NEAR and s.opacities[i] >= ALPHA_MIN]
    out = np.zeros((len(used), s.height, s.width))
    for k, i in enumerate(used):
        conic = np.linalg.inv(flat[i])
        dx, dy = x - centres[i, 0], y - centres[i, 1]
        sigma = 0.5 * (conic[0, 0] * dx**2 + conic[1, 1] * dy**2) + conic[0, 1] * dx * dy
        raw = min(float(s.opacities[i]), 1.0) * np.exp(-sigma)
        alpha = np.where((raw >= ALPHA_MIN) & open_, np.minimum(raw, ALPHA_MAX), 0.0)
        out[k] = alpha * T
        T = T - out[k]
        open_ &= T >= TRANSMITTANCE_MIN
    return np.array(used, np.intp), out, T


def render(s: Splats, background: NDArray[Any] | None = None) -> tuple[F64, F64]:
    """→ image (H, W, C), alpha (H, W)."""
    return blend(*project(s), s, background)


def blend(
    centres: F64, flat: F64, depth: F64, s: Splats, background: NDArray[Any] | None = None
) -> tuple[F64, F64]:
    """render, for Gaussians as project() gives them; of `s` only colours, opacities and size are
    read. Each is blended where its alpha can reach ALPHA_MIN: a box around its ellipse."""
    image = np.zeros((s.height, s.width, s.colors.shape[1]))
    T = np.ones((s.height, s.width))
    open_ = np.ones((s.height, s.width), bool)
    opacity = np.clip(s.opacities.astype(np.float64), 0, 1)
    with np.errstate(all="ignore"):
        conic = np.linalg.inv(flat)
        sides = np.sqrt(np.diagonal(flat, axis1=1, axis2=2))
        half = sides * np.sqrt(2 * np.log(np.maximum(opacity / ALPHA_MIN, 1)))[:, None]
        size = np.array([s.width, s.height])
        low = np.clip(np.floor(centres - half - 1), 0, size).astype(int)
        high = np.clip(np.ceil(centres + half + 1), 0, size).astype(int)
    drawn = (depth >= NEAR) & (opacity >= ALPHA_MIN) & (low < high).all(1)
    order = np.argsort(depth, kind="stable")
    for i in order[drawn[order]]:
        box = slice(low[i, 1], high[i, 1]), slice(low[i, 0], high[i, 0])
        dx = np.arange(low[i, 0], high[i, 0]) + 0.5 - centres[i, 0]
        dy = (np.arange(low[i, 1], high[i, 1]) + 0.5 - centres[i, 1])[:, None]
        a, b, c = conic[i, 0, 0], conic[i, 0, 1], conic[i, 1, 1]
        raw = opacity[i] * np.exp(-0.5 * (a * dx**2 + c * dy**2) - b * dx * dy)
        alpha = np.where((raw >= ALPHA_MIN) & open_[box], np.minimum(raw, ALPHA_MAX), 0.0)
        weight = alpha * T[box]
        image[box] += weight[..., None] * s.colors[i].astype(np.float64)
        T[box] -= weight
        open_[box] &= T[box] >= TRANSMITTANCE_MIN
    if background is not None:
        image = image + T[..., None] * background
    return image, 1 - T


def psnr(a: NDArray[Any], b: NDArray[Any]) -> float:
    """Decibels for values in [0, 1]; at most 200."""
    error = float(np.mean((np.asarray(a, np.float64) - b) ** 2)) if np.size(a) else 0.0
    return 200.0 if error < 1e-20 else -10 * float(np.log10(error))


def harmonics(directions: F64, degree: int) -> F64:
    """(N, 3) directions of any length → (N, (degree + 1)²) real spherical harmonics with the
    Condon-Shortley phase, from their definition by Legendre functions; l ascends, then m."""
    x, y, z = (directions / np.linalg.norm(directions, axis=1, keepdims=True)).T
    around, columns = np.arctan2(y, x), []
    for l in range(degree + 1):  # noqa: E741 - as the books have it
        for m in range(-l, l + 1):
            k = abs(m)
            norm = math.sqrt((2 * l + 1) / (4 * math.pi) * math.factorial(l - k)
                             / math.factorial(l + k))  # fmt: skip
            wave = 1.0 if m == 0 else math.sqrt(2) * (np.cos if m > 0 else np.sin)(k * around)
            columns.append(norm * wave * lpmv(k, l, z))
    return np.stack(columns, 1)


def pose_vertices(
    rig: dict[str, Any], coefficients: NDArray[Any], turns: NDArray[Any], translation: NDArray[Any]
) -> F64:
    """Blendshapes, pose correctives and linear blend skinning, as avatar_rt.head.rig says."""
    R = matrix_from_axis_angle(turns)
    shaped = rig["vertices"] + np.tensordot(
        coefficients.astype(np.float64), rig["expression_basis"].astype(np.float64), 1
    )
    if len(rig["pose_correctives"]):
        features = (R[1:] - np.eye(3)).reshape(-1)
        shaped = shaped + np.tensordot(features, rig["pose_correctives"].astype(np.float64), 1)
    joints = rig["joints"].astype(np.float64)
    world: list[F64] = []
    for j, parent in enumerate(rig["parents"]):
        local = np.eye(4)
        local[:3, :3] = R[j]
        local[:3, 3] = joints[j] - (joints[parent] if parent >= 0 else 0)
        world.append(local if parent < 0 else world[parent] @ local)
    skin = np.stack(world)
    skin[:, :3, 3] -= np.einsum("jab,jb->ja", skin[:, :3, :3], joints)
    blended = np.einsum("vj,jab->vab", rig["weights"].astype(np.float64), skin)
    return np.asarray(
        np.einsum("vab,vb->va", blended[:, :3, :3], shaped) + blended[:, :3, 3] + translation,
        np.float64,
    )


def place_gaussians(rig: dict[str, Any], vertices: F64) -> tuple[F64, F64]:
    """→ means (N, 3) and covariances (N, 3, 3), by the frames that avatar_rt.avatar documents."""
    corners = vertices[rig["faces"][rig["triangles"]]]
    e1, e2 = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    cross = np.cross(e1, e2)
    area = np.linalg.norm(cross, axis=1, keepdims=True)
    n = cross / area
    if rig["frame"] == "affine":
        M = np.stack([e1, e2, n * np.sqrt(area)], -1)
    else:
        length = np.linalg.norm(e1, axis=1, keepdims=True)
        a0 = e1 / length
        a1 = np.cross(a0, n)
        s = (length + np.abs(np.sum(a1 * e2, 1, keepdims=True))) / 2
        M = np.stack([s * a0, s * n, s * a1], -1)
    means = np.einsum("nk,nka->na", rig["barycentric"].astype(np.float64), corners)
    means = means + np.einsum("nab,nb->na", M, rig["offsets"].astype(np.float64))
    cov = M @ covariances(rig["quats"], rig["scales"]) @ M.transpose(0, 2, 1)
    return np.asarray(means, np.float64), np.asarray(cov, np.float64)
