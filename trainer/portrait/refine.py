"""Colours fitted to the photograph: with fixed blending weights, pixels are linear in them."""

from __future__ import annotations

import numpy as np

from avatar_rt import _core
from avatar_rt.arrays import F32, floats32
from trainer.portrait.scene import Scene
from trainer.portrait.surface import Samples


def refine(
    scene: Scene, samples: Samples, colors: F32, freedom: F32, steps: int, relaxation: float = 1.2
) -> F32:
    """Colours (N, 3) after `steps` of a simultaneous projection (SIRT, Gilbert 1972): each Gaussian
    moves by the mean error of the pixels that it paints, weighted by how much it paints them.

    freedom: (N,) in [0, 1], how far each may follow. Only the head's own pixels count.
    """
    rig, view = scene.rig, scene.view
    pose = rig.pose(scene.params)
    gaussians = samples.gaussians(colors)
    core = _core.AvatarCore(
        rig.vertices, rig.faces, rig.expression_basis, rig.joints, rig.parents, rig.weights,
        rig.pose_correctives, gaussians.frame, gaussians.triangles, gaussians.barycentric,
        gaussians.offsets, gaussians.quats, gaussians.scales, gaussians.opacities,
        gaussians.colors, 0,
    )  # fmt: skip
    means, covars = core.gaussians(pose.coefficients, pose.joint_rotations, pose.translation)
    height, width = view.shape
    viewmat, K = scene.camera.viewmat, scene.camera.K
    weight = scene.masks.head[..., None]
    out = floats32(np.clip(colors, 0, 1))
    ground = np.full(3, 0.5, np.float32)
    for _ in range(steps):
        image, _ = _core.rasterize(
            means, None, None, covars, samples.opacities, out, viewmat, K, width, height, ground,
            "exact", 0,
        )  # fmt: skip
        error = floats32((view.image - image) * weight)
        total, share = _core.rasterize_colors_adjoint(
            means, None, None, covars, samples.opacities, viewmat, K, error, 0
        )
        move = total / np.maximum(share, 0.15)[:, None]
        out = floats32(np.clip(out + relaxation * freedom[:, None] * move, 0, 1))
    return out
