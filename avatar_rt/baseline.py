"""Renderers that anyone would write first. They give the speed of the real one a meaning, and in
float64 the plain one is the truth that fidelity is measured against.

Both take Gaussians that the core has posed, so animation costs them as little as the core's own.
"""

from __future__ import annotations

from typing import Literal, NamedTuple, overload

import numpy as np

from avatar_rt import _core
from avatar_rt.arrays import F32, F64, floats32, floats64
from avatar_rt.avatar import Avatar
from avatar_rt.render import Renderer
from avatar_rt.types import Camera, FaceParams, Quality

_NEAR, _FRUSTUM_MARGIN = 0.01, 0.3


class Posed(NamedTuple):
    """Gaussians in one pose, with the colours that one camera sees."""

    means: F32
    """(N, 3) metres."""
    covars: F32
    """(N, 6) as xx xy xz yy yz zz, square metres."""
    opacities: F32
    """(N,)."""
    colors: F32
    """(N, 3) sRGB."""


def posed(renderer: Renderer, face: FaceParams, camera: Camera) -> Posed:
    """An avatar's Gaussians with that face, as that camera sees them."""
    return seen_from(camera, renderer.avatar, *renderer.gaussians(face))


def seen_from(camera: Camera, avatar: Avatar, means: F32, covars: F32) -> Posed:
    """An avatar's Gaussians, posed to means (N, 3) and covars (N, 6), as that camera sees them."""
    g = avatar.gaussians
    return Posed(means, covars, g.opacities, seen_colors(g.colors, means, camera))


def seen_colors(colors: F32, means: F32, camera: Camera) -> F32:
    """Plain colours (N, 3) as they are; spherical harmonics (N, K, 3) seen from the camera.

    The basis is 3DGS's: real harmonics of degree 0 to 3 in the order and with the signs of Sloan,
    "Efficient Spherical Harmonic Evaluation", 2013; 0.5 is added and what is below 0 is cut.
    """
    if colors.ndim == 2:
        return colors
    rotation, translation = camera.viewmat[:3, :3], camera.viewmat[:3, 3]
    direction = means + rotation.T @ translation
    x, y, z = (direction / np.linalg.norm(direction, axis=1, keepdims=True)).T
    xx, yy, zz = x * x, y * y, z * z
    basis = np.stack([
        np.full_like(x, np.sqrt(1 / np.pi) / 2),
        *(np.sqrt(3 / np.pi) / 2 * v for v in (-y, z, -x)),
        *(np.sqrt(15 / np.pi) / 2 * v for v in (x * y, -y * z)),
        np.sqrt(5 / np.pi) / 4 * (2 * zz - xx - yy),
        np.sqrt(15 / np.pi) / 2 * -x * z,
        np.sqrt(15 / np.pi) / 4 * (xx - yy),
        np.sqrt(35 / (2 * np.pi)) / 4 * -y * (3 * xx - yy),
        np.sqrt(105 / np.pi) / 2 * x * y * z,
        np.sqrt(21 / (2 * np.pi)) / 4 * -y * (4 * zz - xx - yy),
        np.sqrt(7 / np.pi) / 4 * z * (2 * zz - 3 * xx - 3 * yy),
        np.sqrt(21 / (2 * np.pi)) / 4 * -x * (4 * zz - xx - yy),
        np.sqrt(105 / np.pi) / 4 * z * (xx - yy),
        np.sqrt(35 / (2 * np.pi)) / 4 * -x * (xx - 3 * yy),
    ])  # fmt: skip
    shaded = np.einsum("kn,nkc->nc", basis[: colors.shape[1]], colors)
    return floats32(np.maximum(shaded + 0.5, 0))


@overload
def plain_picture(
    scene: Posed,
    camera: Camera,
    quality: Quality = "exact",
    precision: Literal["float32"] = ...,
    haste: int = 0,
) -> tuple[F32, F32, int]: ...
@overload
def plain_picture(
    scene: Posed,
    camera: Camera,
    quality: Quality,
    precision: Literal["float64"],
    haste: int = 0,
) -> tuple[F64, F64, int]: ...
def plain_picture(
    scene: Posed,
    camera: Camera,
    quality: Quality = "exact",
    precision: Literal["float32", "float64"] = "float32",
    haste: int = 0,
) -> tuple[F32, F32, int] | tuple[F64, F64, int]:
    """The plain scalar renderer: premultiplied image (H, W, 3), alpha (H, W) and blended pairs.

    One thread, no vector code, a box around each Gaussian: csrc/core/plain.cpp. Of a quality and
    its haste it takes the two thresholds; whatever else they leave out, this draws.
    """
    thresholds = _core.thresholds(quality, haste)
    return _core.rasterize_plain(
        *scene, camera.viewmat, camera.K, camera.width, camera.height, None, *thresholds, precision
    )


def numpy_picture(scene: Posed, camera: Camera) -> tuple[F64, F64, int]:
    """The same by NumPy in float64, exact.

    Projection is one array operation after another over all Gaussians; blending one over the
    pixels of each Gaussian's box, front to back. Splatting as in Kerbl et al. 2023.
    """
    width, height = camera.width, camera.height
    focal, principal = camera.K[[0, 1], [0, 1]], camera.K[:2, 2]
    R = camera.viewmat[:3, :3]
    m = floats64(scene.means) @ R.T + camera.viewmat[:3, 3]
    alpha_min, transmittance_min = _core.thresholds("exact")
    order = np.argsort(m[:, 2], kind="stable")
    order = order[(m[order, 2] >= _NEAR) & (scene.opacities[order] >= alpha_min)]
    m, opacities = m[order], np.minimum(floats64(scene.opacities[order]), 1)
    slope, end = m[:, :2] / m[:, 2:], np.array([width, height])
    margin = _FRUSTUM_MARGIN * end / (2 * focal)
    frozen = slope.clip(-principal / focal - margin, (end - principal) / focal + margin)
    rows = (R[:2] - frozen[..., None] * R[2]) * (focal / m[:, 2:])[..., None]
    S = floats64(scene.covars[order])[:, [0, 1, 2, 1, 3, 4, 2, 4, 5]].reshape(-1, 3, 3)
    flat = rows @ S @ rows.transpose(0, 2, 1) + _core.LOW_PASS * np.eye(2)
    conic = np.linalg.inv(flat)[:, [0, 0, 1], [0, 1, 1]] * [-0.5, -1, -0.5]
    centre = slope * focal + principal
    reach = np.sqrt(2 * np.log(opacities / alpha_min)[:, None] * flat[:, [0, 1], [0, 1]])
    low = np.ceil(centre - reach - 0.5).clip(0, end).astype(int)
    high = 1 + np.floor(centre + reach - 0.5).clip(-1, end - 1).astype(int)

    image, left, pairs = np.zeros((height, width, 3)), np.ones((height, width)), 0
    across, down = np.arange(width) + 0.5, np.arange(height)[:, None] + 0.5
    colors = floats64(scene.colors[order])
    boxes = np.hstack([low, high]).tolist()
    numbers = np.hstack([centre, conic, opacities[:, None]]).tolist()
    for (x0, y0, x1, y1), (x, y, xx, xy, yy, opacity), color in zip(
        boxes, numbers, colors, strict=True
    ):
        if x0 >= x1 or y0 >= y1:
            continue
        dx, dy = across[x0:x1] - x, down[y0:y1] - y
        weight = opacity * np.exp((xx * dx) * dx + (xy * dx + yy * dy) * dy)
        open_ = left[y0:y1, x0:x1]
        drawn = (weight >= alpha_min) & (open_ >= transmittance_min)
        weight *= drawn
        np.minimum(weight, _core.ALPHA_MAX, out=weight)
        weight *= open_
        image[y0:y1, x0:x1] += weight[..., None] * color
        open_ -= weight
        pairs += np.count_nonzero(drawn)
    return image, 1 - left, pairs
