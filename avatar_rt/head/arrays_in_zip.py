"""Reads npz files with care: no pickles, and no more memory than the file can fill."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np

from avatar_rt.arrays import Array
from avatar_rt.errors import FileFormatError
from avatar_rt.files import read_bytes

LIMIT = 1 << 30


def read_npz(path: Path, wanted: Collection[str] | None = None) -> dict[str, Array]:
    """Name → array of an npz file, of all or of the `wanted` entries that it has.

    Raises FileFormatError where the file is no npz, is truncated or larger than 1 GiB unpacked, or
    holds an array of objects.
    """
    data = read_bytes(path, LIMIT)
    arrays: dict[str, Array] = {}
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = [e for e in archive.infolist() if e.filename.endswith(".npy")]
            entries = [e for e in entries if wanted is None or e.filename[:-4] in wanted]
            if sum(entry.file_size for entry in entries) > LIMIT:
                raise FileFormatError(path, "file", "unpacks to more than 1 GiB")
            for entry in entries:
                name = entry.filename.removesuffix(".npy")
                with archive.open(entry) as file:
                    arrays[name] = _array(path, name, file.read(entry.file_size + 1))
    except (
        OSError, EOFError, ValueError, KeyError, RuntimeError, NotImplementedError, MemoryError,
        zipfile.BadZipFile, zlib.error,
    ) as error:  # fmt: skip
        raise FileFormatError(path, "file", f"is not a readable npz ({error})") from None
    return arrays


def _array(path: Path, name: str, data: bytes) -> Array:
    file = io.BytesIO(data)
    try:
        shape, fortran, dtype = _header(file)
    except (ValueError, KeyError, TypeError, SyntaxError, RecursionError) as error:
        raise FileFormatError(path, name, f"is not an array ({error})") from None
    if dtype.hasobject or dtype.itemsize == 0:
        raise FileFormatError(path, name, "holds objects; plain numbers were expected")
    size = dtype.itemsize
    for n in shape:
        size *= int(n)
    rest = data[file.tell() :]
    if size != len(rest):
        raise FileFormatError(
            path, name, f"shape {shape} needs {size} bytes, {len(rest)} are there"
        )
    array: Array = np.frombuffer(rest, dtype).reshape(shape, order="F" if fortran else "C")
    return array


def _header(file: io.BytesIO) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Shape, Fortran order and dtype, as NumPy's format 1.0 or 2.0 writes them."""
    version = np.lib.format.read_magic(file)  # type: ignore[no-untyped-call]
    readers = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }
    shape, fortran, dtype = readers[version](file)  # type: ignore[no-untyped-call]
    return shape, fortran, dtype
