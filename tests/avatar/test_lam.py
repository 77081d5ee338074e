"""LAM avatars: read exactly at rest, moved as LAM moves them, broken ones refused by name."""

from __future__ import annotations

import json
import struct
import zipfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from avatar_rt.arkit import ARKIT_INDEX
from avatar_rt.arrays import Array, floats32
from avatar_rt.avatar import Avatar
from avatar_rt.errors import AvatarRtError, FileFormatError, InputError
from avatar_rt.importers import import_avatar
from avatar_rt.importers.archive import Archive
from avatar_rt.importers.ply import Ply
from avatar_rt.render import Renderer
from avatar_rt.rotation import matrices_from_quaternions
from avatar_rt.types import FaceParams
from tests.avatar import lam_maker as lam
from tests.factory import small_avatar

SUBJECTS = ("p2-1", "status")
Find = Callable[[str], Path]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("lam") / "egg.zip"
    path.write_bytes(lam.lam_zip())
    return path


def covariances(table: Array) -> Array:
    """Those that offset.ply's rows mean, (N, 6)."""
    quats = table[:, 13:17].astype(float)
    axes = matrices_from_quaternions(quats / np.linalg.norm(quats, axis=1, keepdims=True))
    m = axes * np.exp(table[:, None, 10:13].astype(float))
    c = m @ m.transpose(0, 2, 1)
    return np.stack([c[:, i, j] for i, j in ((0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2))], 1)


def test_rest_is_exact(made: Path) -> None:
    avatar = import_avatar(made)
    table = lam.cloud()
    vertex = avatar.rig.faces[avatar.gaussians.triangles][avatar.gaussians.barycentric == 1]
    means, covars = Renderer(avatar).gaussians(FaceParams())
    source = small_avatar().rig.vertices + table[:, :3]
    assert np.allclose(means, source[vertex], atol=1e-6)
    assert np.allclose(covars, covariances(table)[vertex], rtol=2e-4, atol=1e-9)
    assert np.allclose(avatar.gaussians.colors, table[vertex, 6:9])
    assert len(vertex) == len(np.unique(vertex)) > 200


def test_shapes_move_gaussians_as_their_vertices(made: Path) -> None:
    avatar, rig = import_avatar(made), small_avatar().rig
    renderer = Renderer(avatar)
    vertex = avatar.rig.faces[avatar.gaussians.triangles][avatar.gaussians.barycentric == 1]
    rest, _ = renderer.gaussians(FaceParams())
    for name in ("mouthSmileLeft", "browInnerUp", "jawOpen"):
        moved, _ = renderer.gaussians(FaceParams.from_arkit({name: 1.0}))
        expected = rig.expression_basis[rig.expression_names.index(name)][vertex]
        assert np.abs(expected).max() > 1e-3
        assert np.allclose(moved - rest, expected, atol=2e-6)


def test_gaze_shapes_become_rotations_and_never_count_twice(made: Path) -> None:
    avatar = import_avatar(made)
    source = small_avatar().rig
    left = avatar.rig.joint_names.index("left_eye")
    turn = avatar.rig.arkit_to_joints[ARKIT_INDEX["eyeLookOutLeft"], left]
    known = source.arkit_to_joints[
        ARKIT_INDEX["eyeLookOutLeft"], source.joint_names.index("left_eye")
    ]
    assert np.allclose(turn, known, atol=1e-4)
    renderer = Renderer(avatar)
    by_weight = FaceParams.from_arkit({"eyeLookOutLeft": 1.0})
    given = by_weight.with_changes(eye_pose=floats32([turn, np.zeros(3)]))
    assert np.allclose(renderer.vertices(by_weight), renderer.vertices(given), atol=1e-6)


def test_origin_joints_and_header(made: Path) -> None:
    avatar = import_avatar(made)
    rig = avatar.rig
    eyes = [rig.joints[rig.joint_names.index(f"{side}_eye")] for side in ("left", "right")]
    assert np.allclose(np.mean(eyes, 0), 0, atol=1e-5)
    assert eyes[0][0] > 0.02
    head = rig.joints[rig.joint_names.index("head")]
    assert head[1] == pytest.approx(1.62 - 1.67, abs=1e-4)
    assert not rig.arkit_to_expression[ARKIT_INDEX["tongueOut"]].any()
    assert avatar.metadata["name"] == "egg"
    assert len(avatar.metadata["head_model"]["hash"]) == 64
    assert "NC" in avatar.metadata["head_model"]["licence"]


def test_survives_its_file(made: Path, tmp_path: Path) -> None:
    import_avatar(made).save(tmp_path / "egg.avatar")
    avatar = Avatar.load(tmp_path / "egg.avatar")
    assert avatar.metadata["provenance"]["imported"] == "lam"


def test_gaussians_that_nothing_shows_are_left_out(tmp_path: Path) -> None:
    table = lam.cloud()
    table[:50, 9] = -6
    path = tmp_path / "egg.zip"
    path.write_bytes(lam.zipped({"skin.glb": lam.skin().data(), "offset.ply": lam.ply(table)}))
    assert len(import_avatar(path).gaussians.triangles) == len(table) - 50


# --- broken ones ---------------------------------------------------------------------------------


def document(change: Callable[[dict[str, Any]], None]) -> Callable[[], dict[str, bytes]]:
    """A zip whose skin.glb has a changed JSON."""

    def make() -> dict[str, bytes]:
        glb = lam.skin()
        change(glb.document)
        return {"skin.glb": glb.data(), "offset.ply": lam.ply(lam.cloud())}

    return make


def gaussians(data: Callable[[], bytes]) -> Callable[[], dict[str, bytes]]:
    """A zip with another offset.ply."""
    return lambda: {"skin.glb": lam.skin().data(), "offset.ply": data()}


def glb(change: Callable[[bytes], bytes]) -> Callable[[], dict[str, bytes]]:
    """A zip whose skin.glb has changed bytes."""
    return lambda: {"skin.glb": change(lam.skin().data()), "offset.ply": lam.ply(lam.cloud())}


def put(path: str, value: Any) -> Callable[[dict[str, Any]], None]:
    """Sets an entry of the JSON, such as "accessors.0.count"."""

    def change(found: Any) -> None:
        *way, last = [int(k) if k.isdecimal() else k for k in path.split(".")]
        for key in way:
            found = found[key]
        found[last] = value

    return change


def replaced(old: bytes, new: bytes) -> Callable[[], bytes]:
    return lambda: lam.ply(lam.cloud()).replace(old, new, 1)


def binary(at: int, value: float, count: int = 1) -> Callable[[], dict[str, bytes]]:
    """A zip whose skin.glb has other numbers at the at-th float of its data."""

    def make() -> dict[str, bytes]:
        glb = lam.skin()
        numbers = np.frombuffer(glb.binary, np.float32)
        numbers[at : at + count or None] = value
        return {"skin.glb": glb.data(), "offset.ply": lam.ply(lam.cloud())}

    return make


def deep(found: dict[str, Any]) -> None:
    """Hangs the skeleton under three thousand nodes."""
    nodes = found["nodes"]
    first = len(nodes)
    nodes += [{"name": "rope", "children": [first + k + 1]} for k in range(3000)]
    nodes.append({"name": "rope", "children": [0]})


PART = "meshes.0.primitives.0"
BROKEN: dict[str, tuple[str, Callable[[], dict[str, bytes]]]] = {
    "no skin.glb": ("skin.glb", lambda: {"offset.ply": lam.ply(lam.cloud())}),
    "no offset.ply": ("offset.ply", lambda: {"skin.glb": lam.skin().data()}),
    "two of a kind": ("skin.glb", lambda: {"a/skin.glb": b"", "b/skin.glb": b""}),
    "glb empty": ("skin.glb", glb(lambda _: b"")),
    "glb is a picture": ("skin.glb", glb(lambda _: b"\x89PNG" + b"\0" * 50)),
    "glb of version 1": ("skin.glb", glb(lambda d: d[:4] + struct.pack("<I", 1) + d[8:])),
    "glb cut": ("skin.glb", glb(lambda d: d[:-100])),
    "glb cut in a header": (
        "skin.glb",
        glb(lambda d: d[:8] + struct.pack("<I", 16) + d[12:16]),
    ),
    "glb chunk too long": ("skin.glb", glb(lambda d: d[:12] + b"\xff\xff\xff\x7f" + d[16:])),
    "glb without JSON": ("skin.glb", glb(lambda d: d[:16] + b"NOSJ" + d[20:])),
    "glb JSON broken": ("skin.glb", glb(lambda _: lam.glb_of(b"{{{{", b""))),
    "glb JSON deep": ("skin.glb", glb(lambda _: lam.glb_of(b"[" * 100_000, b""))),
    "glb JSON a list": ("skin.glb", glb(lambda _: lam.glb_of(b"[1]", b""))),
    "glb JSON not text": ("skin.glb", glb(lambda _: lam.glb_of(b"\xff\xfe{}", b""))),
    "glb JSON large": ("skin.glb", glb(lambda _: lam.glb_of(b"[" + b"[]," * 2_000_000, b""))),
    "no mesh": ("skin.glb", document(lambda d: d.pop("meshes"))),
    "meshes an object": ("skin.glb", document(put("meshes", {"a": 1}))),
    "mesh of two parts": ("skin.glb", document(put("meshes.0.primitives", [{}, {}]))),
    "mesh of lines": ("skin.glb", document(put(f"{PART}.mode", 1))),
    "no skin": ("skin.glb", document(lambda d: d.pop("skins"))),
    "no weights": ("skin.glb", document(put(f"{PART}.attributes", {"POSITION": 0}))),
    "position missing": ("skin.glb", document(put(f"{PART}.attributes.POSITION", 999))),
    "position a text": ("skin.glb", document(put(f"{PART}.attributes.POSITION", "first"))),
    "position negative": ("skin.glb", document(put(f"{PART}.attributes.POSITION", -1))),
    "accessor too long": ("skin.glb", document(put("accessors.0.count", 100_000))),
    "accessor endless": ("skin.glb", document(put("accessors.0.count", 10**15))),
    "accessor negative": ("skin.glb", document(put("accessors.0.count", -3))),
    "accessor of text": ("skin.glb", document(put("accessors.0.componentType", 9))),
    "accessor of lists": ("skin.glb", document(put("accessors.0.componentType", [5126]))),
    "accessor narrow": ("skin.glb", document(put("accessors.0.type", "VEC2"))),
    "accessor past the end": ("skin.glb", document(put("accessors.0.byteOffset", 10**9))),
    "view missing": ("skin.glb", document(put("accessors.0.bufferView", 10**6))),
    "view elsewhere": ("skin.glb", document(put("bufferViews.0.buffer", 1))),
    "view past the end": ("skin.glb", document(put("bufferViews.0.byteOffset", 2**39))),
    "view stride small": ("skin.glb", document(put("bufferViews.0.byteStride", 1))),
    "view stride large": ("skin.glb", document(put("bufferViews.0.byteStride", 2**30))),
    "sparse a number": ("skin.glb", document(put("accessors.5.sparse", 7))),
    "sparse too many": ("skin.glb", document(put("accessors.5.sparse.count", 10**6))),
    "sparse no values": ("skin.glb", document(put("accessors.5.sparse.values", None))),
    "corners as floats": ("skin.glb", document(put(f"{PART}.indices", 0))),
    "corners not by three": ("skin.glb", document(put("accessors.3.count", 100))),
    "names missing": ("skin.glb", document(put("meshes.0.extras", {}))),
    "names too few": ("skin.glb", document(put("meshes.0.extras.targetNames", ["jawOpen"]))),
    "name twice": ("skin.glb", document(put("meshes.0.extras.targetNames.1", "eyeBlinkLeft"))),
    "name unknown": ("skin.glb", document(put("meshes.0.extras.targetNames.1", "earWiggle"))),
    "name a number": ("skin.glb", document(put("meshes.0.extras.targetNames.1", 5))),
    "target not there": ("skin.glb", document(put(f"{PART}.targets.0", {"NORMAL": 0}))),
    "joints of none": ("skin.glb", document(put("skins.0.joints", []))),
    "joints of thousands": ("skin.glb", document(put("skins.0.joints", [0] * 5000))),
    "joint not there": ("skin.glb", document(put("skins.0.joints.1", 77))),
    "no head bone": ("skin.glb", document(put("nodes.2.name", "tail"))),
    "bones in a circle": ("skin.glb", document(put("nodes.2.children", [0]))),
    "bones of great depth": ("skin.glb", document(deep)),
    "vertices far off": ("skin.glb", binary(0, 1e30)),
    "vertex not a number": ("skin.glb", binary(0, np.nan)),
    "bones far off": ("skin.glb", binary(-20, 1e30)),
    "bone matrix of zeros": ("skin.glb", binary(-24, 0.0, 16)),
    "children a text": ("skin.glb", document(put("nodes.0.children", "all"))),
    "nodes of numbers": ("skin.glb", document(put("nodes.0", 3))),
    "ply empty": ("offset.ply", gaussians(lambda: b"")),
    "ply is text": ("offset.ply", gaussians(replaced(b"binary_little_endian", b"ascii"))),
    "ply big-endian": ("offset.ply", gaussians(replaced(b"little", b"big"))),
    "ply cut": ("offset.ply", gaussians(lambda: lam.ply(lam.cloud())[:-1])),
    "ply too long": ("offset.ply", gaussians(lambda: lam.ply(lam.cloud()) + b"\0")),
    "ply of fewer": ("offset.ply", gaussians(lambda: lam.ply(lam.cloud()[:-1]))),
    "ply endless": ("offset.ply", gaussians(replaced(b"vertex 268", b"vertex 99999999999999"))),
    "ply of none": ("offset.ply", gaussians(replaced(b"vertex 268", b"vertex 0"))),
    "ply count a word": ("offset.ply", gaussians(replaced(b"vertex 268", b"vertex many"))),
    "ply without end": ("offset.ply", gaussians(replaced(b"end_header", b"end_of_it"))),
    "ply of lists": ("offset.ply", gaussians(replaced(b"float nx", b"list uchar int nx"))),
    "ply lacks opacity": ("offset.ply", gaussians(replaced(b"opacity", b"density"))),
    "ply property twice": ("offset.ply", gaussians(replaced(b"float nx", b"float ny"))),
    "ply of strings": ("offset.ply", gaussians(replaced(b"float nx", b"string nx"))),
    "not a number": ("offset.ply", gaussians(lambda: lam.ply(lam.cloud({"y": np.nan})))),
    "infinite": ("offset.ply", gaussians(lambda: lam.ply(lam.cloud({"opacity": np.inf})))),
    "no rotation": (
        "offset.ply",
        gaussians(lambda: lam.ply(lam.cloud({f"rot_{k}": 0 for k in range(4)}))),
    ),
    "endlessly far": ("offset.ply", gaussians(lambda: lam.ply(lam.cloud({"x": 3e38})))),
    "a kilometre off": ("offset.ply", gaussians(lambda: lam.ply(lam.cloud({"x": 1000.0})))),
    "all invisible": ("offset.ply", gaussians(lambda: lam.ply(lam.cloud({"opacity": -9})))),
}  # fmt: skip


@pytest.mark.parametrize("case", BROKEN)
def test_broken(case: str, tmp_path: Path) -> None:
    field, make = BROKEN[case]
    path = tmp_path / "bad.zip"
    path.write_bytes(lam.zipped(make()))
    with pytest.raises(FileFormatError) as caught:
        import_avatar(path)
    assert caught.value.field == field, str(caught.value)
    assert len(str(caught.value)) < 400


def test_mesh_of_one_piece_has_no_eyes(tmp_path: Path) -> None:
    glb = lam.skin()
    indices = glb.document["accessors"][3]
    indices["count"] = 396 * 3  # the skin's triangles come first
    path = tmp_path / "bad.zip"
    path.write_bytes(lam.zipped({"skin.glb": glb.data(), "offset.ply": lam.ply(lam.cloud())}))
    with pytest.raises(FileFormatError, match="expected a head and two eyes"):
        import_avatar(path)


@pytest.mark.parametrize("data", [
    b"", b"PK", b"PK\x03\x04" + b"\0" * 40, b"PK\x05\x06" + b"\xff" * 18, b"GIF89a" + b"\0" * 30,
])  # fmt: skip
def test_no_zip(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "bad.zip"
    path.write_bytes(data)
    with pytest.raises(FileFormatError):
        import_avatar(path)


def test_zip_cut_or_damaged_anywhere(made: Path, tmp_path: Path) -> None:
    good = made.read_bytes()
    path = tmp_path / "bad.zip"
    rng = np.random.default_rng(0)
    for end in np.linspace(0, len(good) - 1, 15).astype(int):
        path.write_bytes(good[:end])
        with pytest.raises(FileFormatError):
            import_avatar(path)
    for _ in range(60):
        data = bytearray(good)
        data[int(rng.integers(len(data)))] ^= 1 << int(rng.integers(8))
        data[-int(rng.integers(1, 1500))] ^= 1 << int(rng.integers(8))
        path.write_bytes(bytes(data))
        try:
            import_avatar(path)
        except AvatarRtError:
            continue


def test_zip_bomb_is_not_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("skin.glb", bytes(3 << 20))
    # whatever size the directory claims, no more than the limit comes out
    data = path.read_bytes().replace(struct.pack("<I", 3 << 20), struct.pack("<I", 1000))
    for content in (path.read_bytes(), data):
        path.write_bytes(content)
        with pytest.raises(FileFormatError, match=r"skin\.glb"):
            Archive(path).read("skin.glb", 1 << 20)


def test_zip_whose_table_of_contents_is_endless(tmp_path: Path) -> None:
    path = tmp_path / "bad.zip"
    entry = b"PK\x01\x02" + bytes(42)
    table = entry * 100_000
    end = struct.pack("<4sHHHHIIH", b"PK\x05\x06", 0, 0, 9, 9, len(table), 0, 0)
    path.write_bytes(table + end)
    with pytest.raises(FileFormatError):
        import_avatar(path)
    path.write_bytes(b"PK\x03\x04" + table + end)
    with pytest.raises(FileFormatError, match="table of contents"):
        import_avatar(path)


def test_encrypted_member(tmp_path: Path) -> None:
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("skin.glb", b"glTF")
    data = bytearray(buffer.getvalue())
    for signature, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(signature) + at] |= 1
    path = tmp_path / "bad.zip"
    path.write_bytes(bytes(data))
    with pytest.raises(FileFormatError, match="encrypted"):
        import_avatar(path)


def test_folder_and_missing_file(tmp_path: Path) -> None:
    with pytest.raises(FileFormatError, match="folder"):
        import_avatar(tmp_path)
    with pytest.raises(InputError, match="cannot be read"):
        import_avatar(tmp_path / "no.zip")


# --- real ones -----------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=SUBJECTS)
def subject(request: pytest.FixtureRequest, assets: Find) -> Path:
    return assets(f"lam/{request.param}.zip")


def test_real_avatar_is_exact_at_rest(subject: Path) -> None:
    avatar = import_avatar(subject)
    data = Archive(subject).read("offset.ply", 1 << 24)
    ply = Ply(subject, "offset.ply", data)
    table = ply.columns(*lam.PLY_PROPERTIES)
    vertex = avatar.rig.faces[avatar.gaussians.triangles][avatar.gaussians.barycentric == 1]
    _, covars = Renderer(avatar).gaussians(FaceParams())
    scale = np.exp(2 * table[vertex, 10:13].max(1))
    assert (np.abs(covars - covariances(table)[vertex]) / scale[:, None]).max() < 1e-3
    assert len(vertex) > 17_000
    assert len(avatar.rig.expression_names) == 51


def test_real_avatar_keeps_its_picture_and_size_in_a_file(subject: Path, tmp_path: Path) -> None:
    avatar = import_avatar(subject)
    path = tmp_path / "a.avatar"
    avatar.save(path)
    assert path.stat().st_size < 4e6
    face = FaceParams.from_arkit({"jawOpen": 0.6, "eyeBlinkLeft": 1})
    pictures = []
    for one in (avatar, Avatar.load(path)):
        renderer = Renderer(one)
        frame = renderer.render(face, renderer.camera(0.3, 0, 256, 256), format="float32")
        pictures.append(frame.pixels.astype(float))
    assert 10 * np.log10(1 / np.square(pictures[0] - pictures[1]).mean()) >= 60
    again = tmp_path / "b.avatar"
    Avatar.load(path).save(again)
    assert again.read_bytes() == path.read_bytes()


def test_document_of_a_real_avatar_is_read_as_it_is(subject: Path) -> None:
    data = Archive(subject).read("skin.glb", 1 << 24)
    length = int.from_bytes(data[12:16], "little")
    names = json.loads(data[20 : 20 + length])["meshes"][0]["extras"]["targetNames"]
    assert set(names) == set(import_avatar(subject).rig.expression_names)
