"""A small LAM avatar in LAM's own format, from the made-up avatar: to be read, or to be broken."""

from __future__ import annotations

import io
import json
import struct
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from avatar_rt.arkit import ARKIT_INDEX
from avatar_rt.arrays import F32, Array, floats32
from avatar_rt.rotation import matrix_from_axis_angle
from tests.factory import EYE_RADIUS, EYES, small_avatar

OFFSET = np.array([0.0, 1.67, 0.02])
"""Where LAM's heads are: at the height of a standing person's."""
PLY_PROPERTIES = (
    *("x", "y", "z", "nx", "ny", "nz", "f_dc_0", "f_dc_1", "f_dc_2", "opacity"),
    *("scale_0", "scale_1", "scale_2", "rot_0", "rot_1", "rot_2", "rot_3"),
)
_COMPONENT = {"u1": 5121, "u2": 5123, "u4": 5125, "f4": 5126}
_TYPE = {1: "SCALAR", 3: "VEC3", 4: "VEC4", 16: "MAT4"}


@dataclass
class GlbMaker:
    """A .glb under construction: `document` is its JSON, `binary` what its accessors point to."""

    document: dict[str, Any] = field(default_factory=dict)
    binary: bytearray = field(default_factory=bytearray)

    def view(self, array: Array) -> int:
        """Stores an array; returns its bufferView."""
        self.binary += bytes(-len(self.binary) % 4)
        views = self.document.setdefault("bufferViews", [])
        size = array.nbytes
        views.append({"buffer": 0, "byteOffset": len(self.binary), "byteLength": size})
        self.binary += array.tobytes()
        return len(views) - 1

    def accessor(self, array: Array, *, sparse: bool = False) -> int:
        """Stores an array (N, width); returns its accessor."""
        accessors = self.document.setdefault("accessors", [])
        entry: dict[str, Any] = {
            "componentType": _COMPONENT[array.dtype.str[1:]],
            "count": len(array),
            "type": _TYPE[array.shape[1]],
        }
        if sparse:
            moved = np.flatnonzero(array.any(1)).astype(np.uint16)
            entry["sparse"] = {
                "count": len(moved),
                "indices": {"bufferView": self.view(moved), "componentType": 5123},
                "values": {"bufferView": self.view(array[moved])},
            }
        else:
            entry["bufferView"] = self.view(array)
        accessors.append(entry)
        return len(accessors) - 1

    def data(self) -> bytes:
        """The whole file."""
        self.document["asset"] = {"version": "2.0"}
        self.document["buffers"] = [{"byteLength": len(self.binary)}]
        text = json.dumps(self.document).encode()
        text += b" " * (-len(text) % 4)
        return glb_of(text, bytes(self.binary))


def glb_of(text: bytes, binary: bytes) -> bytes:
    """GLB around a JSON chunk and a binary chunk."""
    chunks = struct.pack("<II", len(text), 0x4E4F534A) + text
    chunks += struct.pack("<II", len(binary), 0x004E4942) + binary
    return struct.pack("<4sII", b"glTF", 2, 12 + len(chunks)) + chunks


def skin() -> GlbMaker:
    """skin.glb: the made-up head with its shapes (but tongueOut) on a hip–neck–head skeleton."""
    rig = small_avatar().rig
    glb = GlbMaker()
    V = len(rig.vertices)
    on_neck = rig.weights[:, rig.joint_names.index("neck")]
    weights = np.zeros((V, 4), np.float32)
    weights[:, 0], weights[:, 1] = on_neck, 1 - on_neck
    bones = np.tile(np.array([1, 2, 0, 0], np.uint8), (V, 1))
    inverse_bind = np.tile(np.eye(4, dtype=np.float32), (3, 1, 1))
    for k, y in enumerate((1.0, 1.54, 1.62)):
        inverse_bind[k, 3, :3] = (0, -y, 0)  # by column, as glTF stores matrices
    names = [name for name in rig.expression_names if name != "tongueOut"]
    position = glb.accessor(floats32(rig.vertices + OFFSET))
    attributes = {
        "POSITION": position,
        "JOINTS_0": glb.accessor(bones),
        "WEIGHTS_0": glb.accessor(weights),
    }
    indices = glb.accessor(rig.faces.reshape(-1, 1).astype(np.uint16))
    shapes = [rig.expression_basis[rig.expression_names.index(name)] for name in names]
    looks = (rig.arkit_to_joints, rig.joint_names)
    targets = [
        {"POSITION": glb.accessor(_with_eyes(shape, name, rig.vertices, looks), sparse=True)}
        for name, shape in zip(names, shapes, strict=True)
    ]
    glb.document |= {
        "meshes": [
            {
                "primitives": [{"attributes": attributes, "indices": indices, "targets": targets}],
                "extras": {"targetNames": names},
            }
        ],
        "skins": [{"joints": [0, 1, 2], "inverseBindMatrices": glb.accessor(
            inverse_bind.reshape(3, 16))}],
        "nodes": [
            {"name": "hip", "children": [1]},
            {"name": "neckLower", "children": [2]},
            {"name": "head"},
            {"name": "body", "mesh": 0, "skin": 0},
        ],
    }  # fmt: skip
    return glb


def _with_eyes(shape: F32, name: str, vertices: F32, looks: tuple[F32, tuple[str, ...]]) -> F32:
    """LAM's eyeLook shapes turn the eyeballs by themselves: give ours that too."""
    shape = shape.copy()
    turns, joints = looks
    for eye, joint in zip(EYES, ("left_eye", "right_eye"), strict=True):
        turn = turns[ARKIT_INDEX[name], joints.index(joint)]
        ball = np.abs(np.linalg.norm(vertices - eye, axis=1) - EYE_RADIUS) < 1e-4
        rest = vertices[ball] - eye
        shape[ball] += floats32(rest @ matrix_from_axis_angle(turn).T - rest)
    return shape


def cloud(changes: Mapping[str, Any] | None = None) -> Array:
    """offset.ply's table: a Gaussian at each vertex; `changes` sets columns."""
    V = len(small_avatar().rig.vertices)
    rng = np.random.default_rng(0)
    table = np.zeros((V, len(PLY_PROPERTIES)), np.float32)
    column = {name: k for k, name in enumerate(PLY_PROPERTIES)}
    table[:, :3] = rng.normal(size=(V, 3)) * 0.002
    table[:, 6:9] = rng.random((V, 3))
    table[:, column["opacity"]] = rng.normal(size=V) + 3
    table[:, 10:13] = np.log(rng.uniform(0.003, 0.009, (V, 3)))
    table[:, 13:17] = rng.normal(size=(V, 4))
    for name, value in (changes or {}).items():
        table[:, column[name]] = value
    return table


def ply(table: Array, properties: tuple[str, ...] = PLY_PROPERTIES) -> bytes:
    """A binary PLY of that table."""
    lines = ["ply", "format binary_little_endian 1.0", f"element vertex {len(table)}"]
    lines += [f"property float {name}" for name in properties]
    return "\n".join([*lines, "end_header", ""]).encode() + table.astype("<f4").tobytes()


def zipped(members: Mapping[str, bytes]) -> bytes:
    """A zip with those members in a folder, as LAM's exporter packs them, and a Mac's droppings."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(f"egg/{name}", data)
            archive.writestr(f"__MACOSX/egg/._{name}", b"\0" * 20)
            archive.writestr(f"__MACOSX/egg/{name}", b"not this one")
    return buffer.getvalue()


def lam_zip() -> bytes:
    """The whole, good avatar."""
    return zipped({"skin.glb": skin().data(), "offset.ply": ply(cloud())})
