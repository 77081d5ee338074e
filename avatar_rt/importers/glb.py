"""Binary glTF 2.0: as much of it as a skinned mesh with morph targets needs, read strictly.

Follows the Khronos glTF 2.0 specification, §4.4 (GLB) and §3.6 (accessors).
"""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np

from avatar_rt.arrays import F32, I32, Array, floats32, ints32
from avatar_rt.errors import FileFormatError

_MAX_NUMBERS = 16_000_000
_MAX_JSON_BYTES = 4 << 20
"""JSON grows some twentyfold as Python objects."""
_COMPONENTS = {5120: "<i1", 5121: "<u1", 5122: "<i2", 5123: "<u2", 5125: "<u4", 5126: "<f4"}
_WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT4": 16}
_JSON, _BIN = 0x4E4F534A, 0x004E4942


class Glb:
    """A .glb in memory. Raises FileFormatError, naming `name` and the part, for all faults."""

    def __init__(self, path: Path, name: str, data: bytes) -> None:
        self.path, self.name = path, name
        chunks = self._chunks(data)
        if _JSON not in chunks:
            raise self.error("has no JSON chunk")
        if len(chunks[_JSON]) > _MAX_JSON_BYTES:
            raise self.error(f"its JSON chunk is larger than {_MAX_JSON_BYTES >> 20} MB")
        try:
            document = json.loads(chunks[_JSON].decode("utf-8"))
        except (ValueError, RecursionError) as error:
            raise self.error(f"its JSON chunk cannot be read: {error}") from error
        if not isinstance(document, dict):
            raise self.error("its JSON chunk is not an object")
        self.document: dict[str, Any] = document
        self._binary = chunks.get(_BIN, b"")

    def error(self, problem: str) -> FileFormatError:
        return FileFormatError(self.path, self.name, problem)

    def item(self, kind: str, index: object) -> dict[str, Any]:
        """The index-th object of a top-level list ("nodes", "meshes" …)."""
        items = self.document.get(kind)
        if not isinstance(items, list) or not items:
            raise self.error(f"has no {kind}")
        if type(index) is not int or not 0 <= index < len(items):
            raise self.error(f"refers to {kind}[{index!r:.20}], which does not exist")
        if not isinstance(items[index], dict):
            raise self.error(f"{kind}[{index}] is not an object")
        return dict(items[index])

    def floats(self, index: object, width: int, count: int | None = None) -> F32:
        """An accessor as (N, width) float32, finite; normalized integers become fractions."""
        found = self._accessor(index, width, count)
        if self.item("accessors", index).get("normalized") and found.dtype.kind in "iu":
            found = np.maximum(found / np.float32(np.iinfo(found.dtype).max), -1)
        if not np.isfinite(found).all():
            raise self.error(f"accessors[{index}] holds numbers that are not finite")
        return floats32(found)

    def indices(self, index: object, width: int, below: int, count: int | None = None) -> I32:
        """An accessor of whole numbers below `below`, as (N, width) int32."""
        found = self._accessor(index, width, count)
        if found.dtype.kind not in "iu":
            raise self.error(f"accessors[{index}] holds floats, expected whole numbers")
        if found.size and (found.min() < 0 or found.max() >= below):
            raise self.error(f"accessors[{index}] holds index {found.max()} of {below}")
        return ints32(found)

    def _chunks(self, data: bytes) -> dict[int, bytes]:
        if len(data) < 12 or data[:4] != b"glTF":
            raise self.error("is not a binary glTF file")
        version, length = struct.unpack_from("<II", data, 4)
        if version != 2:
            raise self.error(f"is glTF version {version}, expected 2")
        if length != len(data):
            raise self.error(f"claims {length} bytes but has {len(data)}")
        chunks: dict[int, bytes] = {}
        at = 12
        while at < len(data):
            if at + 8 > len(data):
                raise self.error("ends within a chunk's header")
            size, kind = struct.unpack_from("<II", data, at)
            if at + 8 + size > len(data):
                raise self.error("ends within a chunk")
            chunks.setdefault(kind, data[at + 8 : at + 8 + size])
            at += 8 + size
        return chunks

    def _accessor(self, index: object, width: int, count: int | None) -> Array:
        a = self.item("accessors", index)
        where = f"accessors[{index}]"
        if _WIDTHS.get(str(a.get("type"))) != width:
            raise self.error(f"{where} has type {a.get('type')!r:.20}, expected {width} wide")
        found = self._whole(a, "count", where)
        if found * width > _MAX_NUMBERS:
            raise self.error(f"{where} claims {found} entries, too many")
        if count is not None and found != count:
            raise self.error(f"{where} has {found} entries, expected {count}")
        dtype = self._component(a, where)
        if "bufferView" in a:
            values = self._view(a, dtype, found, width, where)
        else:
            values = np.zeros((found, width), dtype)
        return self._overwritten(values, a, where) if "sparse" in a else values

    def _overwritten(self, values: Array, a: dict[str, Any], where: str) -> Array:
        """§3.6.2.3: a sparse accessor replaces some of the entries."""
        sparse = self._part(a, "sparse", where)
        count = self._whole(sparse, "count", where)
        if count > len(values):
            raise self.error(f"{where} replaces {count} of {len(values)} entries")
        index, value = (self._part(sparse, part, where) for part in ("indices", "values"))
        at = self._view(index, self._component(index, where), count, 1, where)[:, 0]
        if at.dtype.kind != "u" or (count and at.max() >= len(values)):
            raise self.error(f"{where} replaces an entry that does not exist")
        new = self._view(value, values.dtype, count, values.shape[1], where)
        values = values.copy()
        values[at] = new
        return values

    def _view(
        self, part: dict[str, Any], dtype: np.dtype[Any], count: int, width: int, where: str
    ) -> Array:
        view = self.item("bufferViews", part.get("bufferView"))
        if view.get("buffer") != 0:
            raise self.error(f"{where} lies in a file of its own, expected inside the .glb")
        entry = dtype.itemsize * width
        stride = self._whole(view, "byteStride", where, entry)
        inner = self._whole(part, "byteOffset", where, 0)
        start = self._whole(view, "byteOffset", where, 0) + inner
        room = self._whole(view, "byteLength", where) - inner
        needed = (count - 1) * stride + entry if count else 0
        if stride < entry or needed > room or start + needed > len(self._binary):
            raise self.error(f"{where} reaches past the end of its data")
        buffer = np.frombuffer(self._binary, np.uint8)[start : start + needed]
        rows = np.lib.stride_tricks.as_strided(buffer, (count, entry), (stride, 1))
        return np.ascontiguousarray(rows).view(dtype).reshape(count, width)

    def _component(self, part: dict[str, Any], where: str) -> np.dtype[Any]:
        code = part.get("componentType")
        if not isinstance(code, int) or code not in _COMPONENTS:
            raise self.error(f"{where} has component type {code!r:.20}, which glTF lacks")
        return np.dtype(_COMPONENTS[code])

    def _whole(
        self, part: dict[str, Any], field: str, where: str, default: int | None = None
    ) -> int:
        value = part.get(field, default)
        if type(value) is not int or not 0 <= value <= 1 << 40:
            raise self.error(f"{where} has {field} {value!r:.20}")
        return int(value)

    def _part(self, part: dict[str, Any], field: str, where: str) -> dict[str, Any]:
        found = part.get(field)
        if not isinstance(found, dict):
            raise self.error(f"{where} lacks its {field}")
        return found
