"""A HeadModel in a file: plain npz without pickles, every array checked when read.

The layout of a file is the list FIELDS: a name, a dtype, and a shape in the letters of HeadModel's
docstring (V vertices, F triangles, I identities, E expressions, J joints, T texture vertices, P
pose correctives). The same checks hold for the cache of built heads.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from avatar_rt.arrays import Array, floats32, ints32
from avatar_rt.errors import FileFormatError
from avatar_rt.files import replacing
from avatar_rt.head.arrays_in_zip import read_npz
from avatar_rt.head.model import HeadModel
from avatar_rt.head.rig import JOINT_NAMES, Rig

FORMAT = "avatar-rt head 1"
LANDMARKS = 478
ARKIT = 52
FIELDS: dict[str, tuple[str, tuple[str | int, ...]]] = {
    "vertices": ("float", ("V", 3)),
    "faces": ("index V", ("F", 3)),
    "expression_basis": ("float", ("E", "V", 3)),
    "arkit_to_expression": ("float", (ARKIT, "E")),
    "arkit_to_joints": ("float", (ARKIT, "J", 3)),
    "joints": ("float", ("J", 3)),
    "parents": ("parent J", ("J",)),
    "weights": ("float", ("V", "J")),
    "pose_correctives": ("float", ("P", "V", 3)),
    "uv": ("float", ("T", 2)),
    "uv_faces": ("index T", ("F", 3)),
    "identity_basis": ("float", ("I", "V", 3)),
    "identity_std": ("float", ("I",)),
    "joint_regressor": ("float", ("J", "V")),
    "landmark_faces": ("landmark F", (LANDMARKS,)),
    "landmark_barycentric": ("float", (LANDMARKS, 3)),
    "mirror": ("index V", ("V",)),
}
REGION = "region "


def save_head(head: HeadModel, path: str | Path, *, half: bool = False) -> None:
    """Writes a head atomically. half=True stores the identity basis as float16: half the size, at
    an error below 0.05 % of each displacement. Raises FileFormatError where it is not sound."""
    path = Path(path)
    arrays = _arrays(head)
    header = {
        "format": FORMAT,
        "name": head.name,
        "licence": head.licence,
        "source_hash": head.source_hash,
        "expression_names": head.template.expression_names,
        "identity_names": head.identity_names,
        "joint_names": head.template.joint_names,
    }
    _check(path, arrays, header)
    if half:
        arrays["identity_basis"] = arrays["identity_basis"].astype(np.float16)
    arrays["header"] = np.frombuffer(json.dumps(header).encode(), np.uint8)
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.savez(file, **arrays)


def load_head(path: str | Path) -> HeadModel:
    """Reads a head that save_head wrote.

    Raises FileFormatError, naming the array and what was expected, for a file of another kind, a
    truncated one, or one whose arrays do not fit each other; InputError where it is not there.
    """
    path = Path(path)
    arrays = read_npz(path)
    header = _header(path, arrays)
    _check(path, arrays, header)
    return _head(arrays, header)


def _arrays(head: HeadModel) -> dict[str, Array]:
    rig = head.template
    arrays: dict[str, Array] = {
        name: np.asarray(getattr(rig if hasattr(rig, name) else head, name)) for name in FIELDS
    }
    return arrays | {REGION + name: mask for name, mask in head.regions.items()}


def _header(path: Path, arrays: dict[str, Array]) -> dict[str, Any]:
    try:
        header: dict[str, Any] = json.loads(arrays.pop("header").astype(np.uint8).tobytes())
        wrong = not isinstance(header, dict) or header.get("format") != FORMAT
    except (KeyError, ValueError, UnicodeDecodeError):
        wrong = True
    if wrong:
        raise FileFormatError(path, "header", f"this is not a head file ('{FORMAT}')")
    for field in ("name", "licence", "source_hash"):
        if not isinstance(header.get(field), str):
            raise FileFormatError(path, field, "missing from the header; expected a string")
    for field in ("expression_names", "identity_names", "joint_names"):
        names = header.get(field)
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise FileFormatError(path, field, "missing from the header; expected names")
    return header


def _check(path: Path, arrays: Mapping[str, Array], header: Mapping[str, Any]) -> None:
    """Every shape, dtype, range and finiteness; raises FileFormatError at the first fault."""
    sizes: dict[str, int] = {
        "E": len(header["expression_names"]),
        "I": len(header["identity_names"]),
        "J": len(header["joint_names"]),
    }
    for name, (kind, shape) in FIELDS.items():
        if name not in arrays:
            raise FileFormatError(path, name, f"missing; expected shape {_expected(shape, sizes)}")
        _check_shape(path, name, arrays[name], shape, sizes)
        _check_values(path, name, arrays[name], kind, sizes)
    for name, mask in arrays.items():
        if name.startswith(REGION):
            _check_shape(path, name, mask, ("V",), sizes)
            _check_values(path, name, mask, "float", sizes)
            if mask.size and (mask.min() < 0 or mask.max() > 1):
                raise FileFormatError(path, name, "must lie in [0, 1]")
    if sizes["P"] not in (0, 9 * (sizes["J"] - 1)):
        raise FileFormatError(
            path, "pose_correctives", f"found {sizes['P']}, expected 0 or 9 per joint but the first"
        )
    unknown = set(header["joint_names"]) - set(JOINT_NAMES)
    if unknown:
        raise FileFormatError(path, "joint_names", f"{sorted(unknown)} are not among {JOINT_NAMES}")
    if not np.allclose(arrays["weights"].sum(1), 1.0, atol=1e-3):
        raise FileFormatError(path, "weights", "rows must sum to 1")


def _expected(shape: tuple[str | int, ...], sizes: Mapping[str, int]) -> str:
    return "(" + ", ".join(str(sizes.get(str(d), d)) for d in shape) + ")"


def _check_shape(
    path: Path, name: str, array: Array, shape: tuple[str | int, ...], sizes: dict[str, int]
) -> None:
    fits = array.ndim == len(shape)
    for letter, size in zip(shape, array.shape, strict=False):
        known = letter if isinstance(letter, int) else sizes.setdefault(letter, size)
        fits = fits and known == size
    if not fits:
        raise FileFormatError(
            path, name, f"found shape {array.shape}, expected {_expected(shape, sizes)}"
        )


def _check_values(path: Path, name: str, array: Array, kind: str, sizes: Mapping[str, int]) -> None:
    what, _, letter = kind.partition(" ")
    if what == "float":
        if array.dtype.kind != "f":
            raise FileFormatError(path, name, f"found dtype {array.dtype}, expected floats")
        if not np.isfinite(array).all():
            raise FileFormatError(path, name, "holds values that are not finite")
        return
    if array.dtype.kind != "i":
        raise FileFormatError(path, name, f"found dtype {array.dtype}, expected integers")
    if what == "parent":
        if (array >= np.arange(len(array))).any() or (array < -1).any():
            raise FileFormatError(path, name, "a parent must come before its children")
        return
    least = -1 if what == "landmark" else 0
    if array.size and (array.min() < least or array.max() >= sizes[letter]):
        raise FileFormatError(path, name, f"indices must lie in [{least}, {sizes[letter]})")


def _head(arrays: Mapping[str, Array], header: Mapping[str, Any]) -> HeadModel:
    rig = Rig(
        vertices=floats32(arrays["vertices"]),
        faces=ints32(arrays["faces"]),
        expression_basis=floats32(arrays["expression_basis"]),
        expression_names=tuple(header["expression_names"]),
        arkit_to_expression=floats32(arrays["arkit_to_expression"]),
        arkit_to_joints=floats32(arrays["arkit_to_joints"]),
        joint_names=tuple(header["joint_names"]),
        joints=floats32(arrays["joints"]),
        parents=ints32(arrays["parents"]),
        weights=floats32(arrays["weights"]),
        pose_correctives=floats32(arrays["pose_correctives"]),
    )
    return HeadModel(
        name=header["name"],
        licence=header["licence"],
        source_hash=header["source_hash"],
        template=rig,
        uv=floats32(arrays["uv"]),
        uv_faces=ints32(arrays["uv_faces"]),
        identity_basis=floats32(arrays["identity_basis"]),
        identity_names=tuple(header["identity_names"]),
        identity_std=floats32(arrays["identity_std"]),
        joint_regressor=floats32(arrays["joint_regressor"]),
        regions={
            name.removeprefix(REGION): floats32(mask)
            for name, mask in arrays.items()
            if name.startswith(REGION)
        },
        landmark_faces=ints32(arrays["landmark_faces"]),
        landmark_barycentric=floats32(arrays["landmark_barycentric"]),
        mirror=ints32(arrays["mirror"]),
    )
