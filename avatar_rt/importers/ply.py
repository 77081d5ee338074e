"""Binary PLY with one element of scalar properties, as 3D Gaussian splatting programs write it."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from avatar_rt.arrays import F32, Array, floats32
from avatar_rt.errors import FileFormatError

_MAX_HEADER_BYTES = 1 << 16
_TYPES = {
    "char": "i1", "int8": "i1", "uchar": "u1", "uint8": "u1",
    "short": "<i2", "int16": "<i2", "ushort": "<u2", "uint16": "<u2",
    "int": "<i4", "int32": "<i4", "uint": "<u4", "uint32": "<u4",
    "float": "<f4", "float32": "<f4", "double": "<f8", "float64": "<f8",
}  # fmt: skip
_END = re.compile(rb"end_header\r?\n")


class Ply:
    """The vertex table of a PLY file. name: what errors call it."""

    def __init__(self, path: Path, name: str, data: bytes) -> None:
        self.path, self.name = path, name
        end = _END.search(data, 0, _MAX_HEADER_BYTES)
        if not data.startswith((b"ply\n", b"ply\r\n")) or end is None:
            raise self._error("is not a PLY file")
        count, properties = self._parse(data[: end.start()].decode("latin-1").splitlines())
        try:
            dtype = np.dtype(properties)
        except ValueError as error:
            raise self._error(f"has a property twice: {error}") from error
        size, found = count * dtype.itemsize, len(data) - end.end()
        if found != size:
            raise self._error(f"holds {found} bytes after its header, expected {size}")
        self._table = np.frombuffer(data, dtype, count, end.end())

    def __len__(self) -> int:
        return len(self._table)

    def columns(self, *names: str) -> F32:
        """(N, len(names)) float32, finite."""
        if missing := [n for n in names if n not in (self._table.dtype.names or ())]:
            raise self._error(f"has no property {', '.join(missing)}")
        columns: Array = np.stack([self._table[n].astype(np.float32) for n in names], 1)
        if not np.isfinite(columns).all():
            row, column = np.argwhere(~np.isfinite(columns))[0]
            raise self._error(f"{names[column]} of vertex {row} is not a finite number")
        return floats32(columns)

    def _parse(self, lines: list[str]) -> tuple[int, list[tuple[str, str]]]:
        count: int | None = None
        properties: list[tuple[str, str]] = []
        for line in lines[1:]:
            match line.split():
                case [] | ["comment" | "obj_info", *_]:
                    continue
                case ["format", kind, "1.0"]:
                    if kind != "binary_little_endian":
                        raise self._error(f"is {kind}, expected binary_little_endian")
                case ["element", "vertex", number] if count is None and number.isdecimal():
                    count = int(number[:12])
                case ["property", kind, prop] if kind in _TYPES and count is not None:
                    properties.append((prop, _TYPES[kind]))
                case _:
                    raise self._error(f"has an unexpected header line: {line[:60]!r}")
        if not count or not properties:
            raise self._error("has no vertices")
        return count, properties

    def _error(self, problem: str) -> FileFormatError:
        return FileFormatError(self.path, self.name, problem)
