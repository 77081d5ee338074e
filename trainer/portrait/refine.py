"""Colours fitted to the photograph: with fixed blending weights, pixels are linear in them."""

from __future__ import annotations

import cv2
import numpy as np

from avatar_rt import _core
from avatar_rt.arrays import F32, F64, I32, floats32, floats64, ints32
from trainer.portrait.scene import Scene
from trainer.portrait.surface import Samples

_DEEP = 0.03
"""Metres behind the front surface at which nothing shows through any more."""


def refine(
    scene: Scene, samples: Samples, colors: F32, freedom: F32, steps: int, relaxation: float = 1.2
) -> F32:
    """Colours (N, 3) after `steps` of a simultaneous projection (SIRT, Gilbert 1972): each Gaussian
    moves by the mean error of the pixels that it paints, weighted by how much it paints them.

    freedom: (N,) in [0, 1], how far each may follow. Only the head's own pixels count.
    """
    rig = scene.rig
    image, weight, K = _native(scene)
    pose = rig.pose(scene.params)
    gaussians = samples.gaussians(colors)
    core = _core.AvatarCore(
        rig.vertices, rig.faces, rig.expression_basis, rig.joints, rig.parents, rig.weights,
        rig.pose_correctives, gaussians.frame, gaussians.triangles, gaussians.barycentric,
        gaussians.offsets, gaussians.quats, gaussians.scales, gaussians.opacities,
        gaussians.colors, 0,
    )  # fmt: skip
    means, covars = core.gaussians(pose.coefficients, pose.joint_rotations, pose.translation)
    front = _front(scene, means)
    means, covars, opacities = means[front], covars[front], samples.opacities[front]
    height, width = image.shape[:2]
    viewmat = scene.camera.viewmat
    out, move_by = floats32(np.clip(colors[front], 0, 1)), relaxation * freedom[front, None]
    ground = np.full(3, 0.5, np.float32)
    for _ in range(steps):
        drawn, _ = _core.rasterize(
            means, None, None, covars, opacities, out, viewmat, K, width, height, ground,
            "exact", 0,
        )  # fmt: skip
        error = floats32((image - drawn) * weight)
        total, share = _core.rasterize_colors_adjoint(
            means, None, None, covars, opacities, viewmat, K, error, 0
        )
        move = total / np.maximum(share, 0.15)[:, None]
        out = floats32(np.clip(out + move_by * move, 0, 1))
    whole = floats32(np.clip(colors, 0, 1))
    whole[front] = out
    return whole


def _front(scene: Scene, means: F32) -> I32:
    """Indices of the Gaussians that can show in the photograph: none far behind the surface."""
    height, width = scene.view.shape
    _, _, depth = _core.rasterize_mesh(scene.pixels, scene.rig.faces, width, height, 0)
    points = means @ scene.camera.viewmat[:3, :3].T + scene.camera.viewmat[:3, 3]
    image = points @ scene.camera.K.T
    u = np.clip((image[:, 0] / image[:, 2]).astype(int), 0, width - 1)
    v = np.clip((image[:, 1] / image[:, 2]).astype(int), 0, height - 1)
    return ints32(np.flatnonzero(points[:, 2] < depth[v, u] + _DEEP))


def _native(scene: Scene) -> tuple[F32, F32, F64]:
    """The view at the photograph's own resolution: image (H, W, 3), weight (H, W, 1), intrinsics.
    An enlarged photograph holds nothing more, and takes longer."""
    view, masks = scene.view, scene.masks
    size = (round(view.shape[1] / view.unit), round(view.shape[0] / view.unit))
    image, weight = (
        cv2.resize(a, size, interpolation=cv2.INTER_AREA) for a in (view.image, masks.head)
    )
    K = np.diag([size[0] / view.shape[1], size[1] / view.shape[0], 1.0]) @ scene.camera.K
    return floats32(image), floats32(weight)[..., None], floats64(K)
