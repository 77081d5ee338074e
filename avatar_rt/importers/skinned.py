"""The one mesh of a .glb with its morph targets and its skin, as plain arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from avatar_rt.arkit import ARKIT_NAMES
from avatar_rt.arrays import F32, F64, I32
from avatar_rt.importers.glb import Glb

_MAX_VERTICES = 200_000
_MAX_MORPHS = len(ARKIT_NAMES)
_MAX_BONES, _MAX_DEPTH = 1024, 256
_MAX_METRES = 100.0
_INFLUENCES = 4


@dataclass(frozen=True, slots=True)
class SkinnedMesh:
    """V vertices in the glTF's own place and metres (y up, facing +z); F triangles; B bones."""

    vertices: F32
    """(V, 3)."""
    faces: I32
    """(F, 3)."""
    morphs: dict[str, F32]
    """Displacements (V, 3) by name."""
    bone_lines: tuple[tuple[str, ...], ...]
    """B lines of node names: the bone, its parent, and so on up."""
    bone_positions: F64
    """(B, 3) rest positions."""
    bone_indices: I32
    """(V, 4): which bones move a vertex …"""
    bone_weights: F32
    """(V, 4): … and how much; rows sum to 1."""


def read_skinned_mesh(glb: Glb) -> SkinnedMesh:
    """Raises FileFormatError where the file has no such mesh, or a damaged one."""
    mesh = glb.item("meshes", 0)
    primitives = mesh.get("primitives")
    if not isinstance(primitives, list) or len(primitives) != 1:
        raise glb.error("must have one mesh of one part")
    part: dict[str, Any] = primitives[0] if isinstance(primitives[0], dict) else {}
    if part.get("mode", 4) != 4:
        raise glb.error("its mesh is not made of triangles")
    attributes = part.get("attributes")
    if not isinstance(attributes, dict) or not {"POSITION", "JOINTS_0", "WEIGHTS_0"} <= {
        *attributes
    }:
        raise glb.error("its mesh must have POSITION, JOINTS_0 and WEIGHTS_0")

    vertices = glb.floats(attributes["POSITION"], 3)
    V = len(vertices)
    if not 3 <= V <= _MAX_VERTICES:
        raise glb.error(f"its mesh has {V} vertices, expected 3 … {_MAX_VERTICES}")
    _check_metres(glb, "POSITION", vertices)
    corners = glb.indices(part.get("indices"), 1, V)
    if len(corners) % 3 or not len(corners):
        raise glb.error(f"its mesh has {len(corners)} corners, which do not make triangles")
    lines, positions = _bones(glb)
    weights = glb.floats(attributes["WEIGHTS_0"], _INFLUENCES, V)
    sums = weights.sum(1, keepdims=True)
    if (weights < 0).any() or (np.abs(sums - 1) > 1e-2).any():
        raise glb.error("WEIGHTS_0 must be positive and sum to 1")
    return SkinnedMesh(
        vertices,
        corners.reshape(-1, 3),
        _morphs(glb, mesh, part, V),
        lines,
        positions,
        glb.indices(attributes["JOINTS_0"], _INFLUENCES, len(lines), V),
        weights / sums,
    )


def _morphs(glb: Glb, mesh: dict[str, Any], part: dict[str, Any], V: int) -> dict[str, F32]:
    targets, extras = part.get("targets", []), mesh.get("extras")
    names = extras.get("targetNames") if isinstance(extras, dict) else None
    if not isinstance(targets, list) or not isinstance(names, list) or len(names) != len(targets):
        raise glb.error("must name each of its morph targets (mesh extras.targetNames)")
    if len(names) > _MAX_MORPHS:
        raise glb.error(f"has {len(names)} morph targets, at most {_MAX_MORPHS}")
    morphs: dict[str, F32] = {}
    for name, target in zip(names, targets, strict=True):
        if not isinstance(name, str) or name in morphs:
            raise glb.error(f"has the morph target name {name!r:.40} twice, or it is not a text")
        accessor = target.get("POSITION") if isinstance(target, dict) else None
        morphs[name] = glb.floats(accessor, 3, V)
        _check_metres(glb, f"morph target {name}", morphs[name])
    return morphs


def _check_metres(glb: Glb, name: str, values: F32 | F64) -> None:
    if np.abs(values).max(initial=0) > _MAX_METRES:
        raise glb.error(f"{name} reaches beyond {_MAX_METRES:g} m")


def _bones(glb: Glb) -> tuple[tuple[tuple[str, ...], ...], F64]:
    skin = glb.item("skins", 0)
    joints = skin.get("joints")
    if not isinstance(joints, list) or not 1 <= len(joints) <= _MAX_BONES:
        raise glb.error(f"its skin must have 1 … {_MAX_BONES} joints")
    parents = _parents(glb)
    lines = []
    for joint in joints:
        line, at = [], joint
        while at is not None:
            line.append(str(glb.item("nodes", at).get("name", "")))
            if len(line) > _MAX_DEPTH:
                raise glb.error(f"nodes[{joint}] is its own ancestor, or lies too deep")
            at = parents.get(at)
        lines.append(tuple(line))
    # glTF stores matrices by column; the inverse bind matrix takes the mesh into the joint's frame
    inverse_bind = glb.floats(skin.get("inverseBindMatrices"), 16, len(joints))
    matrices = inverse_bind.reshape(-1, 4, 4).transpose(0, 2, 1).astype(np.float64)
    if np.abs(matrices).max() > 1e6:
        raise glb.error("its skin has an inverse bind matrix without bounds")
    try:
        positions = np.linalg.inv(matrices)[:, :3, 3]
    except np.linalg.LinAlgError as error:
        raise glb.error("its skin has an inverse bind matrix that cannot be inverted") from error
    _check_metres(glb, "inverseBindMatrices", positions)
    return tuple(lines), positions


def _parents(glb: Glb) -> dict[int, int]:
    nodes = glb.document.get("nodes")
    parents: dict[int, int] = {}
    for k in range(len(nodes) if isinstance(nodes, list) else 0):
        children = glb.item("nodes", k).get("children", [])
        if not isinstance(children, list):
            raise glb.error(f"nodes[{k}] has children that are not a list")
        for child in children:
            if type(child) is int:
                parents[child] = k
    return parents
