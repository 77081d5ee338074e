"""NAME.avatar: safetensors whose metadata holds one JSON header. Read, checked, written at once.

A file comes from anywhere. Nothing in it is trusted: its size, its header's length, every tensor's
type and shape are known to be right before an array is made of them, and every value before the
avatar is handed out.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
from safetensors import SafetensorError
from safetensors.numpy import save as to_bytes

from avatar_rt.arkit import ARKIT_NAMES
from avatar_rt.arrays import F32, I32, Array, ints32
from avatar_rt.avatar import codec, header
from avatar_rt.avatar.check import LANDMARKS, MAX_DENSE, MAX_SHAPES, MAX_VERTICES, problems
from avatar_rt.avatar.header import Header, HeaderError
from avatar_rt.avatar.model import Avatar, Gaussians, Landmarks
from avatar_rt.errors import FileFormatError, ParameterError
from avatar_rt.files import read_bytes, write_bytes
from avatar_rt.head.rig import Rig

MAX_FILE_BYTES = 1 << 30
METADATA_KEY = "avatar"
_TYPES = {np.dtype(t): name for t, name in (
    (np.float32, "F32"), (np.float16, "F16"), (np.int32, "I32"), (np.int16, "I16"),
    (np.uint32, "U32"), (np.uint16, "U16"),
)}  # fmt: skip


def save(avatar: Avatar, path: str | Path) -> None:
    """See Avatar.save."""
    metadata = header.completed(avatar.metadata)
    try:
        header.check_metadata(metadata)
        text = header.encode(
            Header(header.MINOR, avatar.gaussians.frame, avatar.rig.expression_names,
                   avatar.rig.joint_names, metadata)
        )  # fmt: skip
    except HeaderError as error:
        raise ParameterError(f"avatar metadata: {error}") from error
    for field, problem in problems(avatar):
        raise ParameterError(f"avatar {field}: {problem}")
    write_bytes(path, to_bytes(_tensors(avatar), {METADATA_KEY: text}))


def load(path: str | Path) -> Avatar:
    """See Avatar.load."""
    path = Path(path)
    data = read_bytes(path, MAX_FILE_BYTES)
    try:
        head = header.decode(_metadata(data))
    except HeaderError as error:
        raise FileFormatError(path, error.field, error.problem) from error
    avatar = _avatar(_Tensors(path, data), head)
    for field, problem in problems(avatar):
        raise FileFormatError(path, field, problem)
    return avatar


def _metadata(data: bytes) -> str:
    """The avatar's header in safetensors' own: 8 bytes of length, then JSON.

    Raises HeaderError for a file that is not safetensors or not an avatar.
    """
    if data[:4] == b"PK\x03\x04":
        raise HeaderError("file", "is a zip; for a LAM avatar use: avatar-rt import FILE.zip")
    length = int.from_bytes(data[:8], "little")
    if len(data) < 8 or data[8:9] != b"{":
        raise HeaderError("file", "is not an avatar file")
    if length > header.MAX_HEADER_BYTES:
        raise HeaderError("header", f"claims {length} bytes, at most {header.MAX_HEADER_BYTES}")
    if 8 + length > len(data):
        raise HeaderError("header", f"claims {length} bytes, the file has {len(data) - 8}")
    try:
        entries = json.loads(data[8 : 8 + length])
    except (ValueError, RecursionError) as error:
        raise HeaderError("header", f"is not JSON: {error}") from error
    metadata = entries.get("__metadata__") if isinstance(entries, dict) else None
    text = metadata.get(METADATA_KEY) if isinstance(metadata, dict) else None
    if not isinstance(text, str):
        raise HeaderError("header", "has no avatar entry: another program's safetensors file?")
    return text


class _Tensors:
    """A file's tensors, each taken once, by name, type and shape."""

    def __init__(self, path: Path, data: bytes) -> None:
        self.path = path
        try:
            self._views: dict[str, dict[str, Any]] = dict(safetensors.deserialize(data))  # type: ignore[no-untyped-call]
        except SafetensorError as error:
            raise FileFormatError(path, "tensors", f"are damaged: {error}") from error

    def __contains__(self, name: str) -> bool:
        return name in self._views

    def dimensions(self, name: str) -> int:
        """How many dimensions a tensor has; 0 where there is none."""
        return len(self._views[name]["shape"]) if name in self._views else 0

    def take(self, name: str, dtype: type[np.generic], *shape: int | str) -> Array:
        """The tensor, which must have that type and shape; a string stands for any size."""
        view = self._views.pop(name, None)
        if view is None:
            raise FileFormatError(self.path, name, "is missing")
        wanted, found = _TYPES[np.dtype(dtype)], tuple(view["shape"])
        fits = len(found) == len(shape) and all(
            isinstance(want, str) or want == have for want, have in zip(shape, found, strict=True)
        )
        if view["dtype"] != wanted or not fits:
            expected = ", ".join(map(str, shape))
            found_text = ", ".join(map(str, found))
            problem = f"is {view['dtype']} ({found_text}), expected {wanted} ({expected})"
            raise FileFormatError(self.path, name, problem)
        return np.frombuffer(view["data"], np.dtype(dtype).newbyteorder("<")).reshape(found)

    def take_sparse(self, name: str, fields: int | str, points: int) -> F32:
        """A stack of displacements, (E, V, 3) float32."""
        step = self.take(f"{name}.step", np.float32, fields)
        start = self.take(f"{name}.start", np.uint32, len(step) + 1)
        point = self.take(f"{name}.point", codec.index_type(points), "M")
        delta = self.take(f"{name}.delta", np.int16, len(point), 3)
        if len(step) * points * 3 > MAX_DENSE:
            problem = f"{len(step)} shapes of {points} vertices are too many"
            raise FileFormatError(self.path, name, problem)
        try:
            return codec.dense_from_sparse(codec.Sparse(start, point, delta, step), points)
        except ValueError as error:
            raise FileFormatError(self.path, name, str(error)) from error

    def take_rows(self, name: str, rows: int | str, columns: int) -> F32:
        """Rows that sum to 1, float32."""
        shares = self.take(name, np.uint16, rows, columns)
        try:
            return codec.rows_from_shares(shares)
        except ValueError as error:
            raise FileFormatError(self.path, name, str(error)) from error

    def take_indices(self, name: str, count: int, *shape: int | str) -> I32:
        """Indices below `count`, int32."""
        found = self.take(name, codec.index_type(count), *shape)
        if found.size and found.max() >= count:
            raise FileFormatError(self.path, name, f"has index {found.max()} of {count}")
        return ints32(found)

    def finish(self, newer: bool) -> None:
        """A tensor that nobody took is a fault, unless a newer version may have added it."""
        if self._views and not newer:
            raise FileFormatError(self.path, min(self._views), "is not a part of an avatar file")


def _tensors(avatar: Avatar) -> dict[str, Array]:
    rig, g = avatar.rig, avatar.gaussians
    V, F = len(rig.vertices), len(rig.faces)
    plain_colors = g.colors.ndim == 2
    tensors: dict[str, Array] = {
        "rig.vertices": rig.vertices,
        "rig.faces": rig.faces.astype(codec.index_type(V)),
        "rig.arkit_to_expression": rig.arkit_to_expression,
        "rig.arkit_to_joints": rig.arkit_to_joints,
        "rig.joints": rig.joints,
        "rig.parents": rig.parents,
        "rig.weights": codec.shares_from_rows(rig.weights),
        "gaussians.triangles": g.triangles.astype(codec.index_type(F)),
        "gaussians.barycentric": codec.shares_from_rows(g.barycentric),
        "gaussians.offsets": g.offsets,
        "gaussians.quats": codec.i16_from_signed(g.quats),
        "gaussians.scales": codec.f16_from_scales(g.scales),
        "gaussians.opacities": codec.u16_from_unit(g.opacities),
        "gaussians.colors": codec.u16_from_unit(g.colors)
        if plain_colors
        else g.colors.astype(np.float16),
    }
    for name, fields in (
        ("rig.expression_basis", rig.expression_basis),
        ("rig.pose_correctives", rig.pose_correctives),
    ):
        for part, array in codec.sparse_from_dense(fields)._asdict().items():
            tensors[f"{name}.{part}"] = array
    if avatar.landmarks is not None:
        tensors["landmarks.faces"] = avatar.landmarks.faces
        tensors["landmarks.barycentric"] = avatar.landmarks.barycentric
    return {name: np.ascontiguousarray(array) for name, array in tensors.items()}


def _avatar(tensors: _Tensors, head: Header) -> Avatar:
    take = tensors.take
    vertices = take("rig.vertices", np.float32, "V", 3)
    V, E, J = len(vertices), len(head.expression_names), len(head.joint_names)
    if V > MAX_VERTICES:
        raise FileFormatError(tensors.path, "rig.vertices", f"has {V}, at most {MAX_VERTICES}")
    if E > MAX_SHAPES:
        raise FileFormatError(tensors.path, "expression_names", f"has {E}, at most {MAX_SHAPES}")
    faces = tensors.take_indices("rig.faces", V, "F", 3)
    rig = Rig(
        _own(vertices),
        faces,
        tensors.take_sparse("rig.expression_basis", E, V),
        head.expression_names,
        _own(take("rig.arkit_to_expression", np.float32, len(ARKIT_NAMES), E)),
        _own(take("rig.arkit_to_joints", np.float32, len(ARKIT_NAMES), J, 3)),
        head.joint_names,
        _own(take("rig.joints", np.float32, J, 3)),
        ints32(take("rig.parents", np.int32, J)),
        tensors.take_rows("rig.weights", V, J),
        tensors.take_sparse("rig.pose_correctives", "P", V),
    )
    triangles = tensors.take_indices("gaussians.triangles", len(faces), "N")
    N = len(triangles)
    gaussians = Gaussians(
        head.frame,
        triangles,
        tensors.take_rows("gaussians.barycentric", N, 3),
        _own(take("gaussians.offsets", np.float32, N, 3)),
        codec.signed_from_i16(take("gaussians.quats", np.int16, N, 4)),
        _own(take("gaussians.scales", np.float16, N, 3)),
        codec.unit_from_u16(take("gaussians.opacities", np.uint16, N)),
        _colors(tensors, N),
    )
    landmarks = None
    if "landmarks.faces" in tensors:
        landmarks = Landmarks(
            ints32(take("landmarks.faces", np.int32, LANDMARKS)),
            _own(take("landmarks.barycentric", np.float32, LANDMARKS, 3)),
        )
    tensors.finish(newer=head.minor > header.MINOR)
    return Avatar(rig, gaussians, head.metadata, landmarks)


def _colors(tensors: _Tensors, count: int) -> F32:
    """Plain colours are uint16 (N, 3), spherical harmonics float16 (N, K, 3)."""
    if tensors.dimensions("gaussians.colors") == 3:
        return _own(tensors.take("gaussians.colors", np.float16, count, "K", 3))
    return codec.unit_from_u16(tensors.take("gaussians.colors", np.uint16, count, 3))


def _own(array: Array) -> F32:
    """A float32 copy that does not hang on the file's bytes."""
    return np.array(array, np.float32, order="C")
