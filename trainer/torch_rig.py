"""Animation in plain PyTorch: any device, any float type, gradients by autograd.

What trains on a GPU without the CUDA core, and what the native core's gradients are held to.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import normalize

from avatar_rt.avatar import TriangleFrame
from avatar_rt.head.rig import Rig

_TINY = 1e-30  # of a squared area in m⁴ or a squared length: keeps what has none finite


class Animated(NamedTuple):
    """B poses of one set of N Gaussians on a head of V vertices."""

    means: Tensor
    """(B, N, 3) metres."""
    covars: Tensor
    """(B, N, 6) square metres: xx xy xz yy yz zz."""
    vertices: Tensor
    """(B, V, 3) metres, posed."""


class Poses(NamedTuple):
    """B poses of a rig: RigPose of avatar_rt.head.rig, batched."""

    coefficients: Tensor
    """(B, E) weights of the expression basis."""
    joint_rotations: Tensor
    """(B, J, 3) axis-angle of each joint relative to its parent."""
    translation: Tensor
    """(B, 3) metres."""


class BoundGaussians(NamedTuple):
    """N Gaussians in the frames of triangles, as avatar_rt.avatar defines those."""

    frame: TriangleFrame
    triangles: Tensor
    """(N,) integers, in any order; the native core is fastest with ascending int32, the same tensor
    at every call."""
    barycentric: Tensor
    """(N, 3); the first is taken to be what the other two leave of one, its gradient is zero."""
    offsets: Tensor
    """(N, 3)."""
    quats: Tensor
    """(N, 4) wxyz, of any length but zero."""
    scales: Tensor
    """(N, 3) standard deviations."""


@dataclass(frozen=True, slots=True)
class RigTensors:
    """A rig's arrays as tensors of one device and float type; see avatar_rt.head.rig.Rig."""

    vertices: Tensor
    faces: Tensor
    expression_basis: Tensor
    joints: Tensor
    parents: tuple[int, ...]
    weights: Tensor
    pose_correctives: Tensor

    @classmethod
    def of(
        cls, rig: Rig, device: torch.device | str = "cpu", dtype: torch.dtype = torch.float32
    ) -> RigTensors:
        """`rig` on `device`, its numbers as `dtype`."""
        return cls(
            torch.tensor(rig.vertices, dtype=dtype, device=device),
            torch.tensor(rig.faces, dtype=torch.int64, device=device),
            torch.tensor(rig.expression_basis, dtype=dtype, device=device),
            torch.tensor(rig.joints, dtype=dtype, device=device),
            tuple(int(p) for p in rig.parents),
            torch.tensor(rig.weights, dtype=dtype, device=device),
            torch.tensor(rig.pose_correctives, dtype=dtype, device=device),
        )


def rotation_matrices(axis_angle: Tensor) -> Tensor:
    """(…, 3) radians → (…, 3, 3) by Rodrigues' formula, smooth through no rotation at all."""
    square = axis_angle.square().sum(-1)[..., None, None]
    small = square < 1e-8
    angle = torch.where(small, torch.ones_like(square), square).sqrt()
    a = torch.where(small, 1 - square / 6, angle.sin() / angle)
    b = torch.where(small, 0.5 - square / 24, 2 * ((angle / 2).sin() / angle).square())
    x, y, z = axis_angle.unbind(-1)
    none = torch.zeros_like(x)
    K = torch.stack([none, -z, y, z, none, -x, -y, x, none], -1).reshape(*x.shape, 3, 3)
    still = torch.eye(3, dtype=K.dtype, device=K.device)
    return still + a * K + b * (K @ K)


def quaternion_matrices(quats: Tensor) -> Tensor:
    """(…, 4) wxyz of any length but zero → (…, 3, 3)."""
    w, x, y, z = normalize(quats, dim=-1, eps=1e-15).unbind(-1)
    rows = [
        1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y),
        2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x),
        2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y),
    ]  # fmt: skip
    return torch.stack(rows, -1).reshape(*w.shape, 3, 3)


def posed_vertices(rig: RigTensors, poses: Poses, vertices: Tensor | None = None) -> Tensor:
    """(B, V, 3) metres: SMPL, Loper et al. 2015, §3, eqs. 2–4 and 9.

    vertices (V, 3) takes the place of the rig's own at rest; the joints stay.
    """
    coefficients, joint_rotations, translation = poses
    turns = rotation_matrices(joint_rotations)
    rest = rig.vertices if vertices is None else vertices
    shaped = rest + torch.tensordot(coefficients, rig.expression_basis, 1)
    if len(rig.pose_correctives):
        still = torch.eye(3, dtype=turns.dtype, device=turns.device)
        features = (turns[:, 1:] - still).flatten(1)
        shaped = shaped + torch.tensordot(features, rig.pose_correctives, 1)
    rotation: list[Tensor] = []
    shift: list[Tensor] = []
    for joint, parent in enumerate(rig.parents):
        here = rig.joints[joint]
        place = here.expand(len(turns), 3)
        if parent >= 0:
            place = rotation[parent] @ here + shift[parent]
        rotation.append(turns[:, joint] if parent < 0 else rotation[parent] @ turns[:, joint])
        shift.append(place - rotation[joint] @ here)
    blended = torch.einsum("vj,bjac->bvac", rig.weights, torch.stack(rotation, 1))
    moved: Tensor = torch.einsum("bvac,bvc->bva", blended, shaped)
    moved = moved + rig.weights @ torch.stack(shift, 1)
    return moved + translation[:, None]


def triangle_axes(corners: Tensor, frame: TriangleFrame) -> Tensor:
    """Corners (…, 3, 3) → the frames' axes as columns (…, 3, 3), as avatar_rt.avatar defines them.

    Smooth where a triangle has an area; where it has none, finite.
    """
    e1, e2 = corners[..., 1, :] - corners[..., 0, :], corners[..., 2, :] - corners[..., 0, :]
    normal = torch.linalg.cross(e1, e2)
    area = normal.square().sum(-1, keepdim=True).clamp(min=_TINY).sqrt()
    if frame == "affine":
        return torch.stack([e1, e2, normal / area.sqrt()], -1)
    a0 = e1 / e1.square().sum(-1, keepdim=True).clamp(min=_TINY).sqrt()
    n = normal / area
    a1 = torch.linalg.cross(a0, n)
    base, height = (a0 * e1).sum(-1, keepdim=True), (a1 * e2).sum(-1, keepdim=True).abs()
    scale: Tensor = (base + height) / 2
    return scale[..., None] * torch.stack([a0, n, a1], -1)


def place(vertices: Tensor, faces: Tensor, gaussians: BoundGaussians) -> tuple[Tensor, Tensor]:
    """Gaussians on posed vertices (B, V, 3) → means (B, N, 3) and covars (B, N, 6)."""
    frame, triangles, barycentric, offsets, quats, scales = gaussians
    corners = vertices[:, faces[triangles]]
    axes = triangle_axes(corners, frame)
    edges = corners[:, :, 1:] - corners[:, :, :1]
    means = corners[:, :, 0] + (barycentric[:, 1:, None] * edges).sum(-2)
    means = means + (axes @ offsets[:, :, None])[..., 0]
    root = axes @ (quaternion_matrices(quats) * scales[:, None])
    covars = (root @ root.mT).flatten(-2)
    return means, covars[..., [0, 1, 2, 4, 5, 8]]


def animate(
    rig: RigTensors, poses: Poses, gaussians: BoundGaussians, vertices: Tensor | None = None
) -> Animated:
    """Poses of a rig and of the Gaussians on it; vertices (V, 3) as for `posed_vertices`."""
    posed = posed_vertices(rig, poses, vertices)
    return Animated(*place(posed, rig.faces, gaussians), posed)
