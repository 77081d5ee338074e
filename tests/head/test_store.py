"""Heads in files of our own: round trips, and every kind of fault named."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from avatar_rt.arrays import Array
from avatar_rt.errors import FileFormatError, InputError
from avatar_rt.head import HeadModel, Rig, load_head, save_head

Arrays = dict[str, Array]


def small_head(seed: int = 0) -> HeadModel:
    """A made-up head of 12 vertices with everything that a head can have."""
    rng = np.random.default_rng(seed)

    def some(*shape: int) -> Any:
        return rng.normal(size=shape).astype(np.float32)

    weights = np.abs(some(12, 3)) + 0.1
    faces = rng.integers(0, 12, size=(9, 3)).astype(np.int32)
    rig = Rig(
        vertices=some(12, 3), faces=faces, expression_basis=some(2, 12, 3),
        expression_names=("a", "b"), arkit_to_expression=some(52, 2),
        arkit_to_joints=some(52, 3, 3), joint_names=("root", "head", "jaw"), joints=some(3, 3),
        parents=np.array([-1, 0, 1], np.int32), weights=weights / weights.sum(1, keepdims=True),
        pose_correctives=some(18, 12, 3),
    )  # fmt: skip
    return HeadModel(
        name="small", licence="CC0-1.0", source_hash="0" * 64, template=rig, uv=some(14, 2),
        uv_faces=faces, identity_basis=some(4, 12, 3), identity_names=("i", "j", "k", "l"),
        identity_std=np.ones(4, np.float32), joint_regressor=some(3, 12),
        regions={"face": rng.uniform(size=12).astype(np.float32)},
        landmark_faces=np.full(478, -1, np.int32),
        landmark_barycentric=np.zeros((478, 3), np.float32), mirror=np.arange(12, dtype=np.int32),
    )  # fmt: skip


def test_round_trip(tmp_path: Path) -> None:
    head = small_head()
    save_head(head, tmp_path / "head.npz")
    again = load_head(tmp_path / "head.npz")
    assert (again.name, again.licence, again.source_hash) == ("small", "CC0-1.0", "0" * 64)
    assert again.template.joint_names == ("root", "head", "jaw")
    assert again.identity_names == head.identity_names
    np.testing.assert_array_equal(again.template.vertices, head.template.vertices)
    np.testing.assert_array_equal(again.identity_basis, head.identity_basis)
    np.testing.assert_array_equal(again.template.pose_correctives, head.template.pose_correctives)
    np.testing.assert_array_equal(again.regions["face"], head.regions["face"])
    assert [p.name for p in tmp_path.iterdir()] == ["head.npz"], "nothing left beside it"


def test_half_precision_of_identities(tmp_path: Path) -> None:
    head = small_head()
    save_head(head, tmp_path / "half.npz", half=True)
    again = load_head(tmp_path / "half.npz")
    assert again.identity_basis.dtype == np.float32
    np.testing.assert_allclose(again.identity_basis, head.identity_basis, rtol=1e-3, atol=1e-6)


def edited(path: Path, change: Callable[[Arrays], object]) -> Path:
    """A file like `path` whose arrays went through `change`."""
    with np.load(path) as file:
        arrays: Arrays = {name: file[name] for name in file.files}
    change(arrays)
    target = path.with_name("edited.npz")
    np.savez(target, **arrays)
    return target


def without(name: str) -> Callable[[Arrays], object]:
    return lambda arrays: arrays.pop(name)


def with_value(name: str, index: Any, value: float) -> Callable[[Arrays], object]:
    def change(arrays: Arrays) -> None:
        arrays[name] = arrays[name].copy()
        arrays[name][index] = value

    return change


def as_array(name: str, make: Callable[[Array], Any]) -> Callable[[Arrays], object]:
    return lambda arrays: arrays.update({name: make(arrays[name])})


def header(**entries: Any) -> Callable[[Arrays], object]:
    def change(arrays: Arrays) -> None:
        found = json.loads(arrays["header"].tobytes()) | entries
        arrays["header"] = np.frombuffer(json.dumps(found).encode(), np.uint8)

    return change


FAULTS: dict[str, tuple[Callable[[Arrays], object], str]] = {
    "no vertices": (without("vertices"), r"vertices: missing"),
    "no mirror": (without("mirror"), r"mirror: missing; expected shape \(12\)"),
    "no header": (without("header"), r"header: this is not a head file"),
    "flat weights": (as_array("weights", np.ravel),
                     r"weights: found shape \(36,\), expected \(12, 3\)"),
    "short regressor": (as_array("joint_regressor", lambda a: a[:, :5]),
                        r"joint_regressor: found shape \(3, 5\), expected \(3, 12\)"),
    "other landmarks": (as_array("landmark_faces", lambda a: a[:468]), r"expected \(478\)"),
    "faces out of range": (with_value("faces", (0, 0), 99),
                           r"faces: indices must lie in \[0, 12\)"),
    "negative faces": (with_value("faces", (0, 0), -1), r"faces: indices"),
    "landmark beyond faces": (with_value("landmark_faces", 3, 9), r"landmark_faces: indices"),
    "not a number": (with_value("joints", 0, np.nan), r"joints: holds values that are not finite"),
    "infinite": (with_value("identity_std", 0, np.inf), r"identity_std: holds"),
    "weights do not sum": (with_value("weights", 0, 0.9), r"weights: rows must sum to 1"),
    "a child first": (with_value("parents", 1, 2), r"parents: a parent must come before"),
    "integers for floats": (as_array("uv", lambda a: a.astype(np.int32)), r"uv: found dtype int32"),
    "floats for indices": (as_array("faces", lambda a: a * 1.0), r"faces: found dtype float64"),
    "objects": (as_array("joints", lambda a: a.astype(object)), r"joints: holds objects"),
    "correctives": (as_array("pose_correctives", lambda a: a[:5]), r"pose_correctives: found 5"),
    "a mask above one": (with_value("region face", 0, 1.5), r"region face: must lie in \[0, 1\]"),
    "unknown joint": (header(joint_names=["root", "head", "tail"]), r"joint_names: \['tail'\]"),
    "names missing": (header(expression_names=None), r"expression_names: missing"),
    "too many names": (header(expression_names=["a", "b", "c"]), r"expected \(3, 12, 3\)"),
    "another format": (header(format="something else"), r"header: this is not a head file"),
}  # fmt: skip


@pytest.mark.parametrize("name", FAULTS)
def test_faults_are_named(name: str, tmp_path: Path) -> None:
    change, message = FAULTS[name]
    save_head(small_head(), tmp_path / "head.npz")
    with pytest.raises(FileFormatError, match=message):
        load_head(edited(tmp_path / "head.npz", change))


def test_files_of_other_kinds(tmp_path: Path) -> None:
    path = tmp_path / "head.npz"
    with pytest.raises(InputError, match="cannot be read"):
        load_head(path)
    for data in (b"", b"PK\x03\x04", b"hello", b"\x80\x02}q\x00."):
        path.write_bytes(data)
        with pytest.raises(FileFormatError, match="not a readable npz"):
            load_head(path)
    save_head(small_head(), path)
    whole = path.read_bytes()
    for part in (0.3, 0.7, 0.99):
        path.write_bytes(whole[: int(part * len(whole))])
        with pytest.raises(FileFormatError):
            load_head(path)


def test_a_shape_that_promises_too_much(tmp_path: Path) -> None:
    """The header of an array may claim any size: only what the file holds is set aside."""
    path = tmp_path / "bomb.npz"
    claim = b"{'descr': '<f4', 'fortran_order': False, 'shape': (4000000000000, 3), }"
    claim += b" " * (117 - len(claim)) + b"\n"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("vertices.npy", b"\x93NUMPY\x01\x00" + b"\x76\x00" + claim + b"1234")
    with pytest.raises(FileFormatError, match=r"vertices: shape .* 4 are there"):
        load_head(path)


def test_saving_refuses_an_unsound_head(tmp_path: Path) -> None:
    head = small_head()
    head.template.vertices[0, 0] = np.nan
    with pytest.raises(FileFormatError, match="vertices"):
        save_head(head, tmp_path / "head.npz")
    assert not list(tmp_path.iterdir())
