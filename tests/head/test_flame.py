"""FLAME from files in the official format: arrays, faults, and what is carried over to it."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.sparse import csc_matrix

from avatar_rt.arkit import ARKIT_INDEX, ARKIT_NAMES
from avatar_rt.arrays import F64, Array
from avatar_rt.errors import FileFormatError, InputError
from avatar_rt.head import ArkitFit, HeadModel, load_flame
from avatar_rt.head.animate import posed_vertices
from avatar_rt.head.arkit_fit import arkit_targets, fit_arkit
from avatar_rt.head.closest import on_surface
from avatar_rt.head.flame.model import bare_flame
from avatar_rt.head.flame.pickles import array_of, read_pickle
from avatar_rt.head.flame.read import read_flame
from avatar_rt.head.transfer import eyeballs, overlay
from avatar_rt.types import FaceParams
from tests.head.flame_files import model_on, random_arrays, write_npz, write_pickle

AssetFinder = Callable[[str], Path]


@pytest.fixture(scope="module")
def arrays() -> dict[str, Array]:
    return random_arrays(shapes=150)


@pytest.mark.parametrize("protocol", [2, 3, 4])
@pytest.mark.parametrize("select", [False, True])
def test_pickle_and_npz_say_the_same(
    arrays: dict[str, Array], tmp_path: Path, protocol: int, select: bool
) -> None:
    packed = read_flame(
        write_pickle(tmp_path / "model.pkl", arrays, protocol=protocol, select=select)
    )
    plain = read_flame(write_npz(tmp_path / "model.npz", arrays))
    for name in ("template", "faces", "identity", "expressions", "pose_correctives",
                 "joint_regressor", "weights", "parents"):  # fmt: skip
        np.testing.assert_array_equal(getattr(packed, name), getattr(plain, name), name)
    np.testing.assert_array_equal(packed.template, arrays["v_template"])
    np.testing.assert_allclose(packed.joint_regressor, arrays["J_regressor"])
    assert packed.expressions.shape == (50, 5023, 3) and packed.identity.shape == (100, 5023, 3)
    np.testing.assert_array_equal(packed.expressions[7], arrays["shapedirs"][:, :, 107])
    np.testing.assert_array_equal(packed.parents, [-1, 0, 1, 1, 1])
    assert packed.source_hash != plain.source_hash


def test_the_full_length_has_300_and_100(tmp_path: Path) -> None:
    full = read_flame(write_npz(tmp_path / "model.npz", random_arrays(shapes=400)))
    assert full.identity.shape[0] == 300 and full.expressions.shape[0] == 100


def test_without_the_make_extra(arrays: dict[str, Array], tmp_path: Path) -> None:
    head = load_flame(write_npz(tmp_path / "model.npz", arrays), fit=False)
    rig = head.template
    assert rig.joint_names == ("root", "neck", "jaw", "left_eye", "right_eye")
    np.testing.assert_allclose(rig.joints[3:5].mean(0), 0.0, atol=1e-6)
    np.testing.assert_allclose(head.joint_regressor @ rig.vertices, rig.joints, atol=1e-5)
    assert rig.pose_correctives.shape == (36, 5023, 3)
    assert (head.landmark_faces == -1).all()
    assert head.uv.min() >= 0 and head.uv.max() <= 1 and head.uv_faces.max() < len(head.uv)
    turned = rig.pose(FaceParams(head_pose=np.array([0, 0.3, 0], np.float32)))
    assert turned.joint_rotations[1][1] == pytest.approx(0.3), "the neck turns for the head"


def change(name: str, make: Callable[[Array], Any]) -> Callable[[dict[str, Any]], None]:
    def apply(arrays: dict[str, Any]) -> None:
        arrays[name] = make(arrays[name])

    return apply


def poked(index: Any, value: float) -> Callable[[Array], Array]:
    def make(array: Array) -> Array:
        array = array.copy()
        array[index] = value
        return array

    return make


FAULTS: dict[str, tuple[Callable[[dict[str, Any]], Any], str]] = {
    "no template": (lambda a: a.pop("v_template"), r"v_template: missing; .* \(5023, 3\)"),
    "no regressor": (lambda a: a.pop("J_regressor"), r"J_regressor: missing; .* \(5, 5023\)"),
    "short template": (change("v_template", lambda v: v[:5000]), r"v_template: found shape \(5000"),
    "other faces": (change("f", lambda f: f[:9000]), r"f: found shape \(9000, 3\), .*\(9976, 3\)"),
    "faces out of range": (change("f", poked((0, 0), 6000)), r"f: indices must lie in \[0, 5023\)"),
    "few shapes": (change("shapedirs", lambda s: s[..., :10]),
                   r"shapedirs: .* expected \(5023, 3, 400\) or \(5023, 3, 150\)"),
    "other posedirs": (change("posedirs", lambda p: p[..., :9]), r"posedirs: .*\(5023, 3, 36\)"),
    "flat posedirs": (change("posedirs", lambda p: p.reshape(-1, 36)), r"posedirs: found shape"),
    "six joints": (change("weights", lambda w: np.hstack([w, w[:, :1]])), r"weights: found shape"),
    "weights": (change("weights", lambda w: w * 2), r"weights: rows must sum to 1"),
    "regressor": (change("J_regressor", lambda j: j * 2), r"J_regressor: rows must sum to 1"),
    "transposed regressor": (change("J_regressor", np.transpose), r"J_regressor: found shape"),
    "not a number": (change("v_template", poked((0, 0), np.nan)), r"v_template: .* not finite"),
    "another tree": (change("kintree_table", poked((0, 2), 3)), r"kintree_table: found parents"),
    "no tree": (lambda a: a.pop("kintree_table"), r"kintree_table: missing"),
}  # fmt: skip


@pytest.mark.parametrize("kind", ["pkl", "npz"])
@pytest.mark.parametrize("name", FAULTS)
def test_the_wrong_array_is_named(
    arrays: dict[str, Array], name: str, kind: str, tmp_path: Path
) -> None:
    apply, message = FAULTS[name]
    changed = dict(arrays)
    apply(changed)
    write = write_pickle if kind == "pkl" else write_npz
    path = write(tmp_path / f"model.{kind}", changed)
    with pytest.raises(FileFormatError, match=message):
        load_flame(path)


def test_text_where_an_array_belongs(arrays: dict[str, Array], tmp_path: Path) -> None:
    changed: dict[str, Any] = arrays | {"f": "triangles"}
    with pytest.raises(FileFormatError, match=r"f: is no array that can be read \(found str\)"):
        load_flame(write_pickle(tmp_path / "model.pkl", changed))


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ("indices", np.full(3, 7, np.int32)),
        ("indices", np.array([-1, 0, 1], np.int32)),
        ("indptr", np.array([0, 3], np.int32)),
        ("indptr", np.array([0, 2, 1, 3], np.int32)),
        ("indptr", np.array([0, 1, 2, 9], np.int32)),
        ("data", np.ones(2)),
        ("_shape", (5, 2**31)),
        ("_shape", (5,)),
        ("_shape", None),
    ],
)
def test_sparse_parts_that_do_not_fit(tmp_path: Path, part: str, value: Any) -> None:
    matrix = csc_matrix(np.eye(5, 3))
    with pytest.raises(FileFormatError, match=r"J_regressor: is no array"):
        data = pickle.dumps({"J_regressor": matrix}, protocol=2)
        found = read_pickle(tmp_path / "x.pkl", data)
        np.testing.assert_array_equal(
            array_of(tmp_path / "x.pkl", "J_regressor", found["J_regressor"]), matrix.toarray()
        )
        matrix.__dict__[part] = value
        data = pickle.dumps({"J_regressor": matrix}, protocol=2)
        array_of(tmp_path / "x.pkl", "J_regressor", read_pickle(tmp_path, data)["J_regressor"])


def test_files_of_other_kinds(arrays: dict[str, Array], tmp_path: Path) -> None:
    path = tmp_path / "model.pkl"
    with pytest.raises(InputError, match="cannot be read"):
        load_flame(path)
    with pytest.raises(FileFormatError, match="folder"):
        load_flame(tmp_path)
    for data in (b"", b"solid cube", b"ply\nformat ascii 1.0\n", b"PK\x05\x06" + bytes(18)):
        path.write_bytes(data)
        with pytest.raises(FileFormatError):
            load_flame(path)
    whole = write_pickle(path, arrays).read_bytes()
    for part in (0.001, 0.2, 0.9, 0.9999):
        path.write_bytes(whole[: int(part * len(whole))])
        with pytest.raises(FileFormatError, match="pickle"):
            load_flame(path)


def test_the_fit_finds_what_the_basis_can_make(head: HeadModel) -> None:
    """Shapes that the basis holds exactly come back with hardly an error."""
    rig = head.template
    shapes = np.zeros((52, len(rig.vertices), 3))
    for k in (ARKIT_INDEX["mouthSmileLeft"], ARKIT_INDEX["browInnerUp"], ARKIT_INDEX["jawOpen"]):
        params = FaceParams(arkit=np.eye(52, dtype=np.float32)[k])
        shapes[k] = posed_vertices(rig, rig.pose(params)) - rig.vertices
    fit = fit_arkit(head, shapes, rig.arkit_to_joints[:, 4:6])
    for name in ("mouthSmileLeft", "browInnerUp"):
        k = ARKIT_INDEX[name]
        assert fit.error[k] < 0.02
        assert fit.arkit_to_expression[k, k] == pytest.approx(1.0, abs=0.15)
    k = ARKIT_INDEX["jawOpen"]
    assert fit.error[k] < 0.05
    jaw = rig.joint_names.index("jaw")
    np.testing.assert_allclose(
        fit.arkit_to_joints[k, jaw], rig.arkit_to_joints[k, jaw], atol=np.radians(1.6)
    )
    assert np.isnan(fit.error[ARKIT_INDEX["cheekPuff"]]), "a shape that moves nothing"
    np.testing.assert_allclose(fit.arkit_to_joints[:, 4:6], rig.arkit_to_joints[:, 4:6])


def test_a_head_laid_over_another_of_its_family(head: HeadModel) -> None:
    """Known correspondence: every point of another identity finds its own place again."""
    from dataclasses import replace  # noqa: PLC0415

    rng = np.random.default_rng(3)
    identity = rng.normal(size=len(head.identity_names)) * head.identity_std
    baked = head.bake(identity)
    bigger = replace(
        baked, vertices=np.asarray(baked.vertices * 1.1, np.float32),
        joints=np.asarray(baked.joints * 1.1, np.float32),
    )  # fmt: skip
    target = replace(head, template=bigger)
    over = overlay(head, target)
    face = (head.regions["face"] > 0.9) & (head.regions["skin"] > 0.9)
    carried = over.carry(head.template.faces, head.template.vertices.astype(float))
    slid = np.linalg.norm(carried - head.template.vertices, axis=1)[face]
    # on the mean head's surface, the point found under a vertex against that vertex itself
    assert np.median(slid) < 0.003
    assert np.percentile(slid, 95) < 0.005
    assert 0.98 < over.scale < 1.25


def flame_ply(path: Path) -> tuple[F64, Array]:
    """Vertices and triangles of the template among the test assets."""
    data = path.read_bytes()
    start = data.index(b"end_header\n") + 11
    vertices = np.frombuffer(data, "<f4", 3 * 5023, start).reshape(-1, 3).astype(float)
    face = np.dtype([("count", "u1"), ("corner", "<i4", 3)])
    return vertices, np.frombuffer(data, face, 9976, start + 12 * 5023)["corner"]


@pytest.fixture(scope="module")
def others(assets: AssetFinder) -> dict[str, F64]:
    """ARKit shapes on FLAME's topology, made by others."""
    with np.load(assets("lam/flame_topology_arkit51.npz")) as file:
        deltas = file["arkit_deltas"].astype(float)
        return {str(name): shape for name, shape in zip(file["arkit_names"], deltas, strict=True)}


@pytest.fixture(scope="module")
def flame_path(
    others: dict[str, F64], assets: AssetFinder, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A working model on FLAME's own template."""
    vertices, faces = flame_ply(assets("flame/template.ply"))
    with np.load(assets("flame/flame2020_joint_regressor.npz")) as file:
        made = model_on(vertices, faces, file["joint_regressor"], others)
    return write_npz(tmp_path_factory.mktemp("flame") / "flame.npz", made)


@pytest.fixture(scope="module")
def flame(flame_path: Path) -> HeadModel:
    return load_flame(flame_path)


@pytest.fixture(scope="module")
def fit_and_shapes(flame_path: Path, head: HeadModel) -> tuple[ArkitFit, F64]:
    """The map with its errors, and the shapes that it was fitted to."""
    bare = bare_flame(read_flame(flame_path))
    shapes = arkit_targets(head, overlay(head, bare), bare)
    return fit_arkit(bare, shapes, head.template.arkit_to_joints[:, 4:6]), shapes


def test_landmarks_against_others(flame: HeadModel, assets: AssetFinder) -> None:
    """Ours, carried over from our own renders, against the published embedding of 105 points."""
    with np.load(assets("flame/mediapipe_landmark_embedding.npz")) as published:
        index = published["landmark_indices"]
        triangle, weight = published["lmk_face_idx"].astype(int), published["lmk_b_coords"]
    vertices, faces = flame.template.vertices.astype(float), flame.template.faces
    assert (flame.landmark_faces >= 0).all()
    theirs = on_surface(vertices, faces, triangle, weight)
    ours = on_surface(
        vertices,
        faces,
        flame.landmark_faces[index],
        flame.landmark_barycentric[index].astype(float),
    )
    apart = np.linalg.norm(ours - theirs, axis=1)
    assert np.median(apart) < 0.0035 and np.percentile(apart, 95) < 0.010


def test_regions_against_others(flame: HeadModel, assets: AssetFinder) -> None:
    with np.load(assets("flame/FLAME_masks.npz"), allow_pickle=False) as masks:
        theirs = {name: masks[name] for name in ("left_ear", "right_ear", "lips", "nose", "scalp")}
        balls = {"left_eye": masks["left_eyeball"], "right_eye": masks["right_eyeball"]}
    theirs["ears"] = np.concatenate([theirs.pop("left_ear"), theirs.pop("right_ear")])
    for name, index in theirs.items():
        own, other = flame.regions[name] > 0.5, np.zeros(5023, bool)
        other[index] = True
        overlap = np.count_nonzero(own & other) / np.count_nonzero(own | other)
        assert overlap > {"ears": 0.8, "nose": 0.6}.get(name, 0.5), name
    for name, index in balls.items():
        np.testing.assert_array_equal(np.flatnonzero(flame.regions[name] > 0.5), np.sort(index))


def test_shapes_against_others(
    fit_and_shapes: tuple[ArkitFit, F64], flame: HeadModel, others: dict[str, F64]
) -> None:
    """Our 52 on FLAME's topology against the 51 of other artists: alike in direction where both
    mean the same movement."""
    _, shapes = fit_and_shapes
    skin = ~eyeballs(flame)
    alike = {}
    for k, name in enumerate(ARKIT_NAMES):
        if name in others:
            a, b = shapes[k][skin].ravel(), others[name][skin].ravel()
            alike[name] = float(a @ b / (np.linalg.norm(a) * np.linalg.norm(b) + 1e-12))
    assert np.median(list(alike.values())) > 0.75
    for name in ("jawOpen", "mouthLeft", "eyeBlinkLeft", "cheekPuff", "mouthStretchRight"):
        assert alike[name] > 0.85, name
    left, right = alike["eyeBlinkLeft"], alike["eyeBlinkRight"]
    assert left == pytest.approx(right, abs=0.05)


def test_the_map_moves_flame(flame: HeadModel, fit_and_shapes: tuple[ArkitFit, F64]) -> None:
    rig = flame.template
    jaw = rig.joint_names.index("jaw")
    opened = rig.pose(FaceParams.from_arkit({"jawOpen": 1.0}))
    assert np.degrees(opened.joint_rotations[jaw][0]) > 5
    lips = flame.regions["lips"] > 0.5
    moved = posed_vertices(rig, opened) - rig.vertices
    assert moved[lips][:, 1].min() < -0.02
    looked = rig.pose(FaceParams.from_arkit({"eyeLookOutLeft": 1.0}))
    assert np.degrees(looked.joint_rotations[3][1]) == pytest.approx(35, abs=4)
    fit, _ = fit_and_shapes
    np.testing.assert_allclose(fit.arkit_to_expression, rig.arkit_to_expression, atol=1e-4)
    assert fit.error.shape == (52,) and np.nanmedian(fit.error) < 0.6
    assert fit.error[ARKIT_INDEX["jawOpen"]] < 0.3
