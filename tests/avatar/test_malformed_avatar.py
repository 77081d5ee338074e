"""Avatar files with one thing wrong each: a clear error that names it, never anything else."""

from __future__ import annotations

import json
import os
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load as from_bytes
from safetensors.numpy import save as to_bytes

from avatar_rt.arrays import Array
from avatar_rt.avatar import Avatar
from avatar_rt.errors import AvatarRtError, FileFormatError
from tests.factory import small_avatar

Tensors = dict[str, Array]
Header = dict[str, Any]


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("good") / "a.avatar"
    small_avatar().save(path)
    return path.read_bytes()


def parts(data: bytes) -> tuple[Tensors, Header]:
    length = int.from_bytes(data[:8], "little")
    text = json.loads(data[8 : 8 + length])["__metadata__"]["avatar"]
    return from_bytes(data), json.loads(text)


def refused(data: bytes, folder: Path) -> FileFormatError:
    path = folder / "bad.avatar"
    path.write_bytes(data)
    with pytest.raises(FileFormatError) as caught:
        Avatar.load(path)
    assert str(path) in str(caught.value)
    return caught.value


TENSORS = [
    "gaussians.barycentric", "gaussians.colors", "gaussians.offsets", "gaussians.opacities",
    "gaussians.quats", "gaussians.scales", "gaussians.triangles", "rig.arkit_to_expression",
    "rig.arkit_to_joints", "rig.expression_basis.delta", "rig.expression_basis.point",
    "rig.expression_basis.start", "rig.expression_basis.step", "rig.faces", "rig.joints",
    "rig.parents", "rig.pose_correctives.delta", "rig.pose_correctives.point",
    "rig.pose_correctives.start", "rig.pose_correctives.step", "rig.vertices", "rig.weights",
]  # fmt: skip


def test_the_list_of_tensors_is_complete(good: bytes) -> None:
    assert sorted(parts(good)[0]) == TENSORS


@pytest.mark.parametrize("name", TENSORS)
def test_tensor_missing(name: str, good: bytes, tmp_path: Path) -> None:
    tensors, header = parts(good)
    del tensors[name]
    error = refused(to_bytes(tensors, {"avatar": json.dumps(header)}), tmp_path)
    assert (error.field, error.problem) == (name, "is missing")


@pytest.mark.parametrize("name", TENSORS)
def test_tensor_of_another_type(name: str, good: bytes, tmp_path: Path) -> None:
    tensors, header = parts(good)
    other = np.float64 if tensors[name].dtype.kind == "f" else np.int64
    tensors[name] = tensors[name].astype(other)
    error = refused(to_bytes(tensors, {"avatar": json.dumps(header)}), tmp_path)
    assert error.field == name
    assert "expected" in error.problem


@pytest.mark.parametrize("name", TENSORS)
@pytest.mark.parametrize("change", ["flat", "row less", "row more"])
def test_tensor_of_another_shape(name: str, change: str, good: bytes, tmp_path: Path) -> None:
    tensors, header = parts(good)
    array = tensors[name]
    if (name, change) == ("rig.faces", "row more"):
        return  # one triangle more is a good mesh
    if change == "flat":
        tensors[name] = np.ascontiguousarray(array.reshape(1, -1, 1, 1))
    else:
        rows = len(array) + (1 if change == "row more" else -1)
        tensors[name] = np.ascontiguousarray(np.resize(array, (rows, *array.shape[1:])))
    error = refused(to_bytes(tensors, {"avatar": json.dumps(header)}), tmp_path)
    # which of two arrays that do not fit each other is the wrong one, nobody can tell
    assert error.field.partition(".")[0] in ("rig", "gaussians")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 3e4])
@pytest.mark.parametrize("name", [
    "gaussians.offsets", "gaussians.scales", "rig.arkit_to_expression", "rig.arkit_to_joints",
    "rig.joints", "rig.vertices", "rig.expression_basis.step", "rig.pose_correctives.step",
])  # fmt: skip
def test_number_out_of_range(name: str, value: float, good: bytes, tmp_path: Path) -> None:
    tensors, header = parts(good)
    array = tensors[name].copy()
    array.flat[array.size // 2] = value
    tensors[name] = array
    error = refused(to_bytes(tensors, {"avatar": json.dumps(header)}), tmp_path)
    assert error.field == name.removesuffix(".step")


def _set(name: str, index: Any, value: Any) -> Callable[[Tensors, Header], None]:
    def change(tensors: Tensors, _: Header) -> None:
        tensors[name] = tensors[name].copy()
        tensors[name][index] = value

    return change


def _reverse(name: str) -> Callable[[Tensors, Header], None]:
    def change(tensors: Tensors, _: Header) -> None:
        tensors[name] = np.ascontiguousarray(tensors[name][::-1])

    return change


def _add_tensor(tensors: Tensors, _: Header) -> None:
    tensors["identity_basis"] = np.zeros(3, np.float32)


def _flat_triangle(tensors: Tensors, _: Header) -> None:
    tensors["rig.vertices"] = tensors["rig.vertices"].copy()
    a, b, c = tensors["rig.faces"][200]
    tensors["rig.vertices"][c] = tensors["rig.vertices"][[a, b]].mean(0)


def _harmonics(shape: tuple[int, ...], value: float) -> Callable[[Tensors, Header], None]:
    def change(tensors: Tensors, _: Header) -> None:
        count = len(tensors["gaussians.triangles"])
        tensors["gaussians.colors"] = np.full((count, *shape), value, np.float16)

    return change


CONTENT: dict[str, tuple[str, Callable[[Tensors, Header], None]]] = {
    "face index": ("rig.faces", _set("rig.faces", (5, 1), 60000)),
    "triangle index": ("gaussians.triangles", _set("gaussians.triangles", -1, 524)),
    "moved vertex": ("rig.expression_basis", _set("rig.expression_basis.point", 0, 9999)),
    "moved vertex order": ("rig.expression_basis", _reverse("rig.expression_basis.point")),
    "ranges begin": ("rig.expression_basis", _set("rig.expression_basis.start", 0, 1)),
    "ranges end": ("rig.pose_correctives", _set("rig.pose_correctives.start", -1, 7)),
    "ranges order": ("rig.expression_basis", _set("rig.expression_basis.start", 3, 4_000_000_000)),
    "step zero": ("rig.expression_basis", _set("rig.expression_basis.step", 2, 0)),
    "step negative": ("rig.pose_correctives", _set("rig.pose_correctives.step", 2, -1)),
    "parent of itself": ("rig.parents", _set("rig.parents", 2, 2)),
    "parent after child": ("rig.parents", _set("rig.parents", 1, 4)),
    "parent out of range": ("rig.parents", _set("rig.parents", 1, -2)),
    "weights do not sum to 1": ("rig.weights", _set("rig.weights", (9, 0), 40000)),
    "barycentric sum": ("gaussians.barycentric", _set("gaussians.barycentric", (3, 0), 65535)),
    "quaternion long": ("gaussians.quats", _set("gaussians.quats", 11, 32767)),
    "quaternion zero": ("gaussians.quats", _set("gaussians.quats", 11, 0)),
    "scale zero": ("gaussians.scales", _set("gaussians.scales", (4, 1), 0)),
    "scale negative": ("gaussians.scales", _set("gaussians.scales", (4, 1), -0.5)),
    "triangles unsorted": ("gaussians.triangles", _reverse("gaussians.triangles")),
    "triangle without area": ("gaussians.triangles", _flat_triangle),
    "unknown tensor": ("identity_basis", _add_tensor),
    "harmonics of five": ("gaussians.colors", _harmonics((5, 3), 0.1)),
    "harmonics not finite": ("gaussians.colors", _harmonics((4, 3), np.inf)),
    "colours of four": ("gaussians.colors", _harmonics((4,), 0.1)),
}


@pytest.mark.parametrize("case", CONTENT)
def test_content(case: str, good: bytes, tmp_path: Path) -> None:
    field, change = CONTENT[case]
    tensors, header = parts(good)
    change(tensors, header)
    assert refused(to_bytes(tensors, {"avatar": json.dumps(header)}), tmp_path).field == field


HEADERS: dict[str, tuple[str, dict[str, Any]]] = {
    "newer": ("version", {"version": [2, 0]}),
    "version text": ("version", {"version": "1.0"}),
    "version negative": ("version", {"version": [1, -1]}),
    "version true": ("version", {"version": [True, False]}),
    "version zero": ("version", {"version": [0, 9]}),
    "version long": ("version", {"version": [1, 0, 0]}),
    "no version": ("version", {"version": None}),
    "other format": ("format", {"format": "gaussian soup"}),
    "frame": ("frame", {"frame": "spherical"}),
    "frame number": ("frame", {"frame": 7}),
    "names text": ("expression_names", {"expression_names": "jawOpen"}),
    "names numbers": ("expression_names", {"expression_names": [1, 2]}),
    "names many": ("expression_names", {"expression_names": [f"s{k}" for k in range(2000)]}),
    "names fewer": ("rig.expression_basis.step", {"expression_names": ["jawOpen"]}),
    "names twice": ("expression_names", {"expression_names": ["jawOpen"] * 52}),
    "joint unknown": (
        "joint_names",
        {"joint_names": ["root", "neck", "head", "jaw", "left_eye", "third_eye"]},
    ),
    "joints none": ("rig.arkit_to_joints", {"joint_names": []}),
    "name missing": ("name", {"name": None}),
    "name number": ("name", {"name": 5}),
    "name endless": ("name", {"name": "x" * 5000}),
    "model text": ("head_model", {"head_model": "flame"}),
    "licence missing": ("head_model.licence", {"head_model": {"name": "a", "hash": ""}}),
    "provenance list": ("provenance", {"provenance": []}),
    "not synthetic": (
        "provenance.synthetic",
        {"provenance": {"source": "", "tool": "", "synthetic": False}},
    ),
    "camera list": ("camera", {"camera": [1, 2, 3]}),
    "camera far": (
        "camera.distance",
        {"camera": {"distance": 1e9, "focal": 2, "target": [0, 0, 0]}},
    ),
    "camera flat": ("camera.focal", {"camera": {"distance": 1, "focal": 0, "target": [0, 0, 0]}}),
    "camera target": ("camera.target", {"camera": {"distance": 1, "focal": 2, "target": [0]}}),
    "camera words": (
        "camera.target.1",
        {"camera": {"distance": 1, "focal": 2, "target": [0, "up", 0]}},
    ),
    "psnr text": ("fast_psnr_db", {"fast_psnr_db": "good"}),
}


@pytest.mark.parametrize("case", HEADERS)
def test_header_entry(case: str, good: bytes, tmp_path: Path) -> None:
    field, changes = HEADERS[case]
    tensors, header = parts(good)
    text = json.dumps({**header, **changes})
    assert refused(to_bytes(tensors, {"avatar": text}), tmp_path).field == field


def test_a_newer_major_version_says_to_upgrade(good: bytes, tmp_path: Path) -> None:
    tensors, header = parts(good)
    text = json.dumps({**header, "version": [7, 1]})
    error = refused(to_bytes(tensors, {"avatar": text}), tmp_path)
    assert "7.1" in error.problem
    assert "pip install --upgrade avatar-rt" in error.problem


def test_a_newer_minor_version_may_hold_more(good: bytes, tmp_path: Path) -> None:
    tensors, header = parts(good)
    tensors["hair.strands"] = np.zeros(3, np.float32)
    text = json.dumps({**header, "version": [1, 3], "hair": "long"})
    (tmp_path / "a.avatar").write_bytes(to_bytes(tensors, {"avatar": text}))
    assert Avatar.load(tmp_path / "a.avatar").metadata["hair"] == "long"


@pytest.mark.parametrize("metadata", [
    None, {}, {"avatar": ""}, {"avatar": "{"}, {"avatar": "[]"}, {"avatar": "null"},
    {"avatar": '{"format": NaN}'}, {"avatar": "[" * 100_000}, {"avatar": "1" * 10_000},
    {"title": "weights of some network"},
], ids=lambda m: str(m)[:24])  # fmt: skip
def test_avatar_entry(metadata: dict[str, str] | None, good: bytes, tmp_path: Path) -> None:
    assert refused(to_bytes(parts(good)[0], metadata), tmp_path).field in ("header", "format")


def test_truncated_anywhere(good: bytes, tmp_path: Path) -> None:
    length = int.from_bytes(good[:8], "little")
    near = [0, 1, 7, 8, 9, 100, 8 + length - 1, 8 + length, 8 + length + 1, len(good) - 1]
    for end in [*near, *np.linspace(20, len(good) - 2, 40).astype(int)]:
        refused(good[:end], tmp_path)


@pytest.mark.parametrize("length", [0, 1, 2**20 + 1, 2**31, 2**63, 2**64 - 1])
def test_header_length_lies(length: int, good: bytes, tmp_path: Path) -> None:
    error = refused(length.to_bytes(8, "little") + good[8:], tmp_path)
    assert error.field in ("header", "tensors")


def test_bytes_after_the_end(good: bytes, tmp_path: Path) -> None:
    assert refused(good + b"more", tmp_path).field == "tensors"


def test_tensor_sizes_that_nothing_holds(good: bytes, tmp_path: Path) -> None:
    length = int.from_bytes(good[:8], "little")
    for shape in ([2**62, 3], [2**32, 2**32], [10**9, 3], [-1, 3]):
        header = json.loads(good[8 : 8 + length])
        header["rig.vertices"]["shape"] = shape
        text = json.dumps(header).encode()
        refused(len(text).to_bytes(8, "little") + text + good[8 + length :], tmp_path)


def test_a_small_file_cannot_ask_for_much_memory(tmp_path: Path) -> None:
    names = [f"s{k}" for k in range(1000)]
    V = 400_000
    tensors: Tensors = {
        "rig.vertices": np.zeros((V, 3), np.float32),
        "rig.faces": np.zeros((1, 3), np.uint32),
        "rig.expression_basis.step": np.ones(1000, np.float32),
        "rig.expression_basis.start": np.zeros(1001, np.uint32),
        "rig.expression_basis.point": np.zeros(0, np.uint32),
        "rig.expression_basis.delta": np.zeros((0, 3), np.int16),
    }
    header = {
        "format": "avatar-rt avatar", "version": [1, 0], "frame": "affine", "name": "bomb",
        "expression_names": names, "joint_names": ["root"],
        "head_model": {"name": "", "hash": "", "licence": ""},
        "provenance": {"source": "", "tool": "", "synthetic": True},
    }  # fmt: skip
    data = to_bytes(tensors, {"avatar": json.dumps(header)})
    tracemalloc.start()
    try:
        error = refused(data, tmp_path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert error.field == "rig.expression_basis"
    assert peak < 10 * len(data)


@pytest.mark.parametrize("data", [
    b"", b"\0", b"{}", b"\0" * 64, b"hello, I am an avatar", b"\x89PNG\r\n\x1a\n" + b"\0" * 99,
    b"glTF\x02\0\0\0" + b"\0" * 50, bytes(range(256)) * 40,
], ids=lambda d: d[:8].hex() or "empty")  # fmt: skip
def test_another_kind_of_file(data: bytes, tmp_path: Path) -> None:
    refused(data, tmp_path)


def test_a_zip_says_how_to_import_it(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "z", "w") as archive:
        archive.writestr("skin.glb", b"")
    assert "avatar-rt import" in refused((tmp_path / "z").read_bytes(), tmp_path).problem


def test_a_folder_and_a_pipe(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.avatar")
    for path in (tmp_path, tmp_path / "pipe.avatar"):
        with pytest.raises(FileFormatError):
            Avatar.load(path)


def test_random_damage_never_does_worse(good: bytes, tmp_path: Path) -> None:
    """A flipped bit may go unseen (a colour changes) or be an error, and nothing else."""
    rng = np.random.default_rng(0)
    length = int.from_bytes(good[:8], "little")
    path = tmp_path / "a.avatar"
    refusals = 0
    for k in range(150):
        data = bytearray(good)
        where = rng.integers(0, 8 + length if k % 2 else len(good), 1 + k % 3)
        data[int(where[0])] ^= 1 << int(rng.integers(8))
        for at in where[1:]:
            data[int(at)] = int(rng.integers(256))
        path.write_bytes(bytes(data))
        try:
            Avatar.load(path)
        except AvatarRtError:
            refusals += 1
    assert refusals > 50
