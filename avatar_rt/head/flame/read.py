"""The arrays of a FLAME file, from the official pickle or from npz, each checked."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from avatar_rt.arrays import F64, I32, Array, floats64, ints32
from avatar_rt.errors import FileFormatError
from avatar_rt.files import read_bytes
from avatar_rt.head.arrays_in_zip import read_npz
from avatar_rt.head.flame.pickles import array_of, read_pickle

VERTICES, TRIANGLES, JOINTS = 5023, 9976, 5
EXPRESSIONS = {400: 100, 150: 50}
"""Length of shapedirs → how many of them, the last, are expressions: the files of 2020 and 2023
hold 300 + 100; cut-down ones 100 + 50."""
LIMIT = 1 << 29
KINTREE_PARENTS = (-1, 0, 1, 1, 1)


@dataclass(frozen=True, slots=True)
class FlameArrays:
    """What a FLAME file holds, in its own frame and metres."""

    template: F64
    """(5023, 3)."""
    faces: I32
    """(9976, 3)."""
    identity: F64
    """(I, 5023, 3)."""
    expressions: F64
    """(E, 5023, 3)."""
    pose_correctives: F64
    """(36, 5023, 3)."""
    joint_regressor: F64
    """(5, 5023)."""
    weights: F64
    """(5023, 5)."""
    parents: I32
    """(5,)."""
    source_hash: str


def read_flame(path: str | Path) -> FlameArrays:
    """Reads a FLAME 2020 or 2023 model.

    Raises FileFormatError, naming the array and what was expected, for a file of another kind, a
    truncated or hostile one, or one whose arrays have other shapes; InputError where it cannot be
    read.
    """
    path = Path(path)
    data = read_bytes(path, LIMIT)
    entries: dict[str, Any]
    if data[:2] == b"PK":
        entries = dict(read_npz(path))
    elif data[:1] in (b"\x80", b"(", b"}", b"c"):
        entries = read_pickle(path, data)
    else:
        raise FileFormatError(path, "file", "is neither a FLAME pickle nor an npz file")

    def array(name: str, *shapes: tuple[int, ...]) -> Array:
        expected = " or ".join(str(shape) for shape in shapes)
        if name not in entries:
            raise FileFormatError(path, name, f"missing; expected shape {expected}")
        entry = entries[name]
        found: Array = entry if isinstance(entry, np.ndarray) else array_of(path, name, entry)
        if found.shape not in shapes:
            raise FileFormatError(path, name, f"found shape {found.shape}, expected {expected}")
        if found.dtype.kind not in "fiu":
            raise FileFormatError(path, name, f"found dtype {found.dtype}, expected numbers")
        if not np.isfinite(found).all():
            raise FileFormatError(path, name, "holds values that are not finite")
        return found

    template = floats64(array("v_template", (VERTICES, 3)))
    faces = array("f", (TRIANGLES, 3))
    if faces.min() < 0 or faces.max() >= VERTICES:
        raise FileFormatError(path, "f", f"indices must lie in [0, {VERTICES})")
    shapes = array("shapedirs", *((VERTICES, 3, n) for n in EXPRESSIONS))
    basis = floats64(shapes.transpose(2, 0, 1))
    count = len(basis) - EXPRESSIONS[len(basis)]
    weights = floats64(array("weights", (VERTICES, JOINTS)))
    if not np.allclose(weights.sum(1), 1.0, atol=1e-3):
        raise FileFormatError(path, "weights", "rows must sum to 1")
    regressor = floats64(array("J_regressor", (JOINTS, VERTICES)))
    if not np.allclose(regressor.sum(1), 1.0, atol=1e-2):
        raise FileFormatError(path, "J_regressor", "rows must sum to 1")
    tree = array("kintree_table", (2, JOINTS))
    # the root's parent is -1, or the same in 32 unsigned bits
    parents = (-1, *(int(p) for p in tree[0, 1:]))
    if parents != KINTREE_PARENTS:
        raise FileFormatError(
            path, "kintree_table", f"found parents {parents}, expected {KINTREE_PARENTS}"
        )
    return FlameArrays(
        template=template,
        faces=ints32(faces),
        identity=basis[:count],
        expressions=basis[count:],
        pose_correctives=floats64(
            array("posedirs", (VERTICES, 3, 9 * (JOINTS - 1))).transpose(2, 0, 1)
        ),
        joint_regressor=regressor,
        weights=weights,
        parents=ints32(parents),
        source_hash=hashlib.sha256(data).hexdigest(),
    )
