"""LAM avatars (He et al. 2025, "LAM: Large Avatar Model for One-shot Animatable Gaussian Head").

The zip that LAM exports holds `skin.glb`, a FLAME head subdivided once with ARKit morph targets
and a skeleton, and `offset.ply`, one Gaussian per vertex: xyz is an offset from the vertex (12 mm
in the median, up to 150 for hair and shoulders: the mesh is nobody's in particular), f_dc plain
RGB, opacity a logit, scales logarithms, rot wxyz at rest.

A LAM Gaussian moves as its vertex does, however far from it. In a frame of the generic mesh such an
offset would swing about with each triangle; so the mesh is moved to the Gaussians instead, and each
Gaussian then lies in a corner of a triangle. Its mean moves exactly as LAM's.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from avatar_rt.arkit import ARKIT_INDEX, ARKIT_NAMES
from avatar_rt.arrays import F32, F64, I32, floats32, floats64, ints32
from avatar_rt.avatar import Avatar, Gaussians, triangle_frames
from avatar_rt.avatar.check import problems
from avatar_rt.errors import FileFormatError
from avatar_rt.head.rig import Rig
from avatar_rt.importers.archive import Archive
from avatar_rt.importers.glb import Glb
from avatar_rt.importers.ply import Ply
from avatar_rt.importers.skinned import SkinnedMesh, read_skinned_mesh
from avatar_rt.rotation import (
    axis_angle_from_matrix,
    matrices_from_quaternions,
    matrix_from_axis_angle,
    quaternions_from_matrices,
)

_MAX_MEMBER_BYTES = 64 << 20
_INVISIBLE = 1 / 255
"""An opacity that the renderer never draws."""
_MAX_OFFSET = 5.0
_MAX_ROUNDS = 64
"""In which the parts of a mesh are found; a head takes four."""
_STILL = 1e-4
"""Metres by which a shape must move an eyeball to count as turning it."""
_JOINTS = ("root", "neck", "head", "left_eye", "right_eye")
_ROOT, _NECK, _HEAD, _LEFT_EYE, _RIGHT_EYE = range(5)


def import_lam(path: str | Path) -> Avatar:
    """A LAM zip → Avatar, with the origin between the eyeballs.

    Raises FileFormatError naming the member and what is wrong in it.
    """
    path = Path(path)
    archive = Archive(path)
    skin = archive.read("skin.glb", _MAX_MEMBER_BYTES)
    glb = Glb(path, "skin.glb", skin)
    mesh = read_skinned_mesh(glb)
    cloud = _read_cloud(path, archive.read("offset.ply", _MAX_MEMBER_BYTES), len(mesh.vertices))
    eyes = _eyeballs(glb, mesh)
    origin = (eyes[0].centre + eyes[1].centre) / 2

    vertices = mesh.vertices + cloud.offsets
    if not (np.ptp(vertices, 0) > 1e-2).all() or np.abs(vertices - origin).max() > 5:
        raise FileFormatError(path, "offset.ply", "is not a head in metres")
    rig = _rig(glb, mesh, eyes, vertices, origin)
    avatar = Avatar(rig, _bind(path, rig, cloud), {
        "name": path.stem,
        "head_model": {
            "name": "flame-lam",
            "hash": hashlib.sha256(skin).hexdigest(),
            "licence": "FLAME topology, CC-BY-4.0; made with LAM, whose weights are CC-BY-NC-4.0",
        },
        "provenance": {"source": f"LAM avatar {path.name}", "imported": "lam"},
        "camera": {"distance": 1.0, "focal": 2.2, "target": [0.0, -0.02, -0.05]},
    })  # fmt: skip
    for field, problem in problems(avatar):
        raise FileFormatError(path, field, problem)
    return avatar


@dataclass(frozen=True, slots=True)
class _Cloud:
    offsets: F32
    colors: F32
    opacities: F32
    scales: F32
    rotations: F64
    """(N, 3, 3)."""


def _read_cloud(path: Path, data: bytes, vertices: int) -> _Cloud:
    ply = Ply(path, "offset.ply", data)
    if len(ply) != vertices:
        problem = f"has {len(ply)} Gaussians for the {vertices} vertices of skin.glb"
        raise FileFormatError(path, "offset.ply", problem)
    quats = ply.columns("rot_0", "rot_1", "rot_2", "rot_3").astype(np.float64)
    lengths = np.linalg.norm(quats, axis=1, keepdims=True)
    if (lengths < 1e-6).any():
        row = int(lengths.argmin())
        raise FileFormatError(path, "offset.ply", f"rot of vertex {row} has no direction")
    offsets = ply.columns("x", "y", "z")
    if np.abs(offsets).max() > _MAX_OFFSET:
        raise FileFormatError(path, "offset.ply", f"has offsets beyond {_MAX_OFFSET:g} m")
    logits = ply.columns("opacity")[:, 0].astype(np.float64)
    logs = ply.columns("scale_0", "scale_1", "scale_2").astype(np.float64)
    return _Cloud(
        offsets,
        np.clip(ply.columns("f_dc_0", "f_dc_1", "f_dc_2"), 0, 1),
        floats32(1 / (1 + np.exp(-np.clip(logits, -50, 50)))),
        # beyond a nanometre and a metre a scale is noise
        floats32(np.exp(np.clip(logs, np.log(1e-9), 0.0))),
        matrices_from_quaternions(quats / lengths),
    )


@dataclass(frozen=True, slots=True)
class _Eyeball:
    vertices: I32
    centre: F64
    """(3,) of the sphere through its vertices."""


def _eyeballs(glb: Glb, mesh: SkinnedMesh) -> tuple[_Eyeball, _Eyeball]:
    """Left and right: the two parts of the mesh that are not connected to its largest one."""
    part = _connected_parts(glb, mesh)
    names, sizes = np.unique(part, return_counts=True)
    if len(names) != 3:
        raise glb.error(f"its mesh has {len(names)} separate parts, expected a head and two eyes")
    eyes = []
    for name in np.delete(names, sizes.argmax()):
        at = np.flatnonzero(part == name)
        v = mesh.vertices[at].astype(np.float64)
        # |v - c|² = r²  ⇔  2c·v + (r² - |c|²) = |v|², linear in c and the bracket
        system = np.column_stack([2 * v, np.ones(len(v))])
        solution = np.linalg.lstsq(system, np.square(v).sum(1), rcond=None)[0]
        eyes.append(_Eyeball(ints32(at), solution[:3]))
    one, other = eyes
    return (one, other) if one.centre[0] > other.centre[0] else (other, one)


def _connected_parts(glb: Glb, mesh: SkinnedMesh) -> I32:
    """(V,) the smallest vertex of the part that each vertex belongs to."""
    part = np.arange(len(mesh.vertices), dtype=np.int32)
    for _ in range(_MAX_ROUNDS):
        met = part[mesh.faces]
        smallest = met.min(1)
        if (met == smallest[:, None]).all():
            return part
        # parts that meet in a triangle follow the smallest of them, and all theirs with them
        for k in range(3):
            np.minimum.at(part, met[:, k], smallest)
        while (part != part[part]).any():
            part = part[part]
    raise glb.error("its mesh is too tangled to tell its parts")


def _rig(
    glb: Glb, mesh: SkinnedMesh, eyes: tuple[_Eyeball, _Eyeball], vertices: F32, origin: F64
) -> Rig:
    joints, bone_joint = _joints(glb, mesh)
    weights = np.zeros((len(vertices), len(_JOINTS)))
    rows = np.arange(len(vertices))[:, None]
    np.add.at(weights, (rows, bone_joint[mesh.bone_indices]), mesh.bone_weights)
    names = tuple(name for name in ARKIT_NAMES if name in mesh.morphs)
    if unknown := sorted(set(mesh.morphs) - set(names)):
        raise glb.error(f"its morph target '{unknown[0]}' is not an ARKit shape")
    basis = np.stack([mesh.morphs[name] for name in names]).astype(np.float64)
    arkit_to_expression = np.zeros((len(ARKIT_NAMES), len(names)))
    arkit_to_expression[[ARKIT_INDEX[name] for name in names], np.arange(len(names))] = 1
    arkit_to_joints = np.zeros((len(ARKIT_NAMES), len(_JOINTS), 3))
    for joint, eye in zip((_LEFT_EYE, _RIGHT_EYE), eyes, strict=True):
        joints[joint] = eye.centre
        weights[eye.vertices] = np.eye(len(_JOINTS))[joint]
        for e, name in enumerate(names):
            if np.abs(basis[e, eye.vertices]).max() > _STILL:
                turn = _take_rotation_out(basis[e], eye, mesh.vertices, vertices)
                arkit_to_joints[ARKIT_INDEX[name], joint] = turn
    return Rig(
        floats32(vertices - origin),
        mesh.faces,
        floats32(basis),
        names,
        floats32(arkit_to_expression),
        floats32(arkit_to_joints),
        _JOINTS,
        floats32(joints - origin),
        ints32([-1, _ROOT, _NECK, _HEAD, _HEAD]),
        floats32(weights / weights.sum(1, keepdims=True)),
        np.zeros((0, len(vertices), 3), np.float32),
    )


def _take_rotation_out(shape: F64, eye: _Eyeball, mesh_vertices: F32, vertices: F32) -> F64:
    """The rotation (axis-angle) that a shape gives to an eyeball; `shape` (V, 3) keeps what the
    joint, turned so, leaves to be done, so that at weight 1 all lies where the shape put it."""
    at = eye.vertices
    rest = mesh_vertices[at] - eye.centre
    turn = axis_angle_from_matrix(_rotation_between(rest, rest + shape[at]))
    R = matrix_from_axis_angle(turn)
    carried = vertices[at] - eye.centre
    shape[at] = (carried + shape[at]) @ R - carried
    return turn


def _rotation_between(a: F64, b: F64) -> F64:
    """The rotation R with R a ≈ b for rows of a and b (Kabsch 1976)."""
    u, _, vt = np.linalg.svd(b.T @ a)
    return floats64(u @ np.diag([1, 1, np.sign(np.linalg.det(u @ vt))]) @ vt)


def _joints(glb: Glb, mesh: SkinnedMesh) -> tuple[F64, I32]:
    """Rest positions of our joints (5, 3), and for each bone of the skeleton the joint it follows.

    A bone follows the first of its ancestors, itself included, that is called head or neck…
    """
    roles: list[int] = []
    tops: dict[int, tuple[int, F64]] = {}
    for line, position in zip(mesh.bone_lines, mesh.bone_positions, strict=True):
        known = [_HEAD if n == "head" else _NECK for n in line if n == "head" or n[:4] == "neck"]
        role = known[0] if known else _ROOT
        roles.append(role)
        # a joint turns where the topmost of its bones does
        if role not in tops or len(line) < tops[role][0]:
            tops[role] = len(line), position
    for role in (_NECK, _HEAD):
        if role not in tops:
            raise glb.error(f"its skeleton has no bone called {_JOINTS[role]}")
    joints = np.zeros((len(_JOINTS), 3))
    # nothing turns the root: the shoulders hang on it
    joints[_ROOT] = joints[_NECK] = tops[_NECK][1]
    joints[_HEAD] = tops[_HEAD][1]
    return joints, ints32(roles)


def _bind(path: Path, rig: Rig, cloud: _Cloud) -> Gaussians:
    """Each visible Gaussian into the corner of a triangle, at rest exactly where it was."""
    best = _best_triangles(rig)
    kept = np.flatnonzero((cloud.opacities >= _INVISIBLE) & (best >= 0))
    if not len(kept):
        raise FileFormatError(path, "offset.ply", "has no Gaussian that can be seen")
    kept = kept[np.argsort(best[kept], kind="stable")]
    triangles = best[kept]
    frames = triangle_frames(rig.vertices, rig.faces[triangles], "similarity")
    scale = np.linalg.norm(frames[:, :, 0], axis=1)
    axes = frames / scale[:, None, None]
    local = axes.transpose(0, 2, 1) @ cloud.rotations[kept]
    return Gaussians(
        "similarity",
        ints32(triangles),
        floats32(rig.faces[triangles] == kept[:, None]),
        np.zeros((len(kept), 3), np.float32),
        floats32(quaternions_from_matrices(local)),
        floats32(cloud.scales[kept] / scale[:, None]),
        cloud.opacities[kept],
        cloud.colors[kept],
    )


def _best_triangles(rig: Rig) -> I32:
    """(V,) for each vertex the triangle around it that is least a needle: its frame is the one
    that small motions disturb least. -1: none has an area."""
    a, b, c = np.moveaxis(rig.vertices[rig.faces].astype(np.float64), 1, 0)
    doubled_area = np.linalg.norm(np.cross(b - a, c - a), axis=1)
    longest = np.sqrt(np.max([np.square(p - q).sum(1) for p, q in ((a, b), (b, c), (c, a))], 0))
    height = doubled_area / np.maximum(longest, 1e-12)
    sound = np.flatnonzero(height > 1e-6)
    order = sound[np.argsort(height[sound], kind="stable")]
    best = np.full(len(rig.vertices), -1, np.int32)
    # where a vertex comes several times, the last assignment holds: its highest triangle
    best[rig.faces[order].ravel()] = np.repeat(order, 3)
    return best
