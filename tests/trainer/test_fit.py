from dataclasses import replace

import numpy as np
import pytest

from avatar_rt import _core
from avatar_rt.arkit import ARKIT_INDEX
from avatar_rt.arrays import F32, F64, floats32, floats64
from avatar_rt.errors import ParameterError, PhotoError
from avatar_rt.face import Landmarks
from avatar_rt.head import HeadModel, load_builtin
from avatar_rt.rotation import axis_angle_from_matrix, matrix_from_euler
from avatar_rt.types import Camera, FaceParams
from tests.factory import small_avatar
from trainer.portrait.fit import fit_head, nose_shift
from trainer.portrait.freeform import Surface
from trainer.portrait.geometry import posed_vertices
from trainer.portrait.headfit import HeadFit
from trainer.portrait.landmark_rig import LandmarkRig
from trainer.portrait.points import INNER_LIPS, LIPS, NOSE_BASE, NOSE_TIP
from trainer.portrait.solve import CAMERA_AXES, project

SIZE = 512
IMAGE = np.zeros((SIZE, SIZE, 3), np.uint8)
K = floats64([[2.2 * SIZE, 0.0, SIZE / 2], [0.0, 2.2 * SIZE, SIZE / 2], [0.0, 0.0, 1.0]])
TURN = CAMERA_AXES @ matrix_from_euler(0.2, -0.08, 0.05)
PLACE = np.array([0.02, -0.01, 1.1])
PHOTO = FaceParams.from_arkit({"jawOpen": 0.3, "mouthSmileLeft": 0.4, "mouthSmileRight": 0.4})


@pytest.fixture(scope="module")
def model() -> HeadModel:
    return load_builtin()


@pytest.fixture(scope="module")
def identity(model: HeadModel) -> F64:
    rng = np.random.default_rng(5)
    return floats64(0.15 * model.identity_std * rng.normal(size=len(model.identity_std)))


def seen(model: HeadModel, vertices: F32) -> Landmarks:
    corners = vertices[model.template.faces[model.landmark_faces]]
    local = floats64((corners * model.landmark_barycentric[..., None]).sum(1))
    camera = local @ TURN.T + PLACE
    return Landmarks(floats32(np.column_stack([project(camera, K), np.zeros(len(local))])))


@pytest.fixture(scope="module")
def photo(model: HeadModel, identity: F64) -> Landmarks:
    gaze = replace(PHOTO, eye_pose=floats32([[0.1, 0.25, 0.0], [0.1, 0.25, 0.0]]))
    return seen(model, posed_vertices(model.bake(identity), gaze))


@pytest.fixture(scope="module")
def fit(model: HeadModel, photo: Landmarks) -> HeadFit:
    return fit_head(IMAGE, photo, model)


def test_landmarks_are_met(fit: HeadFit) -> None:
    assert np.nanmean(fit.residuals[:468]) < 0.006
    assert np.nanmax(fit.residuals[:468]) < 0.05


def test_pose_and_expression_are_found(fit: HeadFit) -> None:
    off = np.degrees(np.linalg.norm(axis_angle_from_matrix(fit.rotation @ TURN.T)))
    assert off < 2.5
    assert fit.expression[ARKIT_INDEX["jawOpen"]] == pytest.approx(0.3, abs=0.08)
    assert fit.expression[ARKIT_INDEX["mouthSmileLeft"]] > 0.15
    assert ((fit.expression >= 0) & (fit.expression <= 1)).all()


def test_gaze_is_found(fit: HeadFit) -> None:
    np.testing.assert_allclose(fit.eye_pose[:, :2], [[0.1, 0.25]] * 2, atol=np.radians(4))


def test_depth_comes_from_the_model(fit: HeadFit, model: HeadModel, identity: F64) -> None:
    truth = posed_vertices(model.bake(identity), PHOTO) @ TURN.T + PLACE
    face = model.regions["face"] > 0.5
    gap = (fit.photo_vertices() - truth)[face] * (PLACE[2] / fit.translation[2])
    gap -= gap.mean(0)
    assert np.linalg.norm(gap, axis=1).mean() < 0.0025


def test_the_unseen_skull_keeps_its_shape(fit: HeadFit, model: HeadModel) -> None:
    behind = (model.regions["scalp"] > 0.5) & (model.template.vertices[:, 2] < -0.12)
    change = (fit.rig().vertices - model.template.vertices)[behind]
    assert np.linalg.norm(change - change.mean(0), axis=1).max() < 0.012


def test_lips_close_at_rest(fit: HeadFit, model: HeadModel) -> None:
    vertices = fit.rig().vertices
    points = (vertices[model.template.faces[model.landmark_faces]]
              * model.landmark_barycentric[..., None]).sum(1)  # fmt: skip
    upper, lower = (points[list(side)] for side in zip(*INNER_LIPS, strict=True))
    assert np.abs((upper - lower)[:, 1]).max() < 0.002


def test_eyes_are_at_the_origin(fit: HeadFit) -> None:
    rig = fit.rig()
    eyes = [rig.joints[rig.joint_names.index(name)] for name in ("left_eye", "right_eye")]
    np.testing.assert_allclose(np.mean(eyes, axis=0), 0, atol=1e-6)


def test_pixels_and_camera_say_the_same(fit: HeadFit) -> None:
    local = posed_vertices(fit.rig(), fit.params(), fit.photo_offsets)
    camera: Camera = fit.photo_camera()
    points = local @ camera.viewmat[:3, :3].T + camera.viewmat[:3, 3]
    np.testing.assert_allclose(points, fit.photo_vertices(), atol=1e-6)
    np.testing.assert_allclose(project(points, camera.K), fit.photo_pixels()[:, :2], atol=1e-2)


def test_another_focal_length_moves_the_head_not_the_picture(
    model: HeadModel, photo: Landmarks
) -> None:
    near = fit_head(IMAGE, photo, model, focal=1.5 * SIZE)
    assert near.translation[2] == pytest.approx(1.1 * 1.5 / 2.2, rel=0.05)
    assert np.nanmean(near.residuals[:468]) < 0.01


def test_a_picture_on_its_head_is_the_same_head(model: HeadModel, photo: Landmarks) -> None:
    turned = photo.points.copy()
    turned[:, :2] = SIZE - turned[:, :2]
    fit = fit_head(IMAGE, Landmarks(turned), model)
    assert np.nanmean(fit.residuals[:468]) < 0.006
    half_turn = np.diag([-1.0, -1.0, 1.0])
    off = axis_angle_from_matrix(half_turn @ fit.rotation @ TURN.T)
    assert np.degrees(np.linalg.norm(off)) < 2.5


def test_what_cannot_be_fitted_is_refused(model: HeadModel, photo: Landmarks) -> None:
    with pytest.raises(ParameterError, match="focal length -3"):
        fit_head(IMAGE, photo, model, focal=-3)
    bare = replace(model, landmark_faces=np.full(478, -1, np.int32))
    with pytest.raises(ParameterError, match="0 of the 478"):
        fit_head(IMAGE, photo, bare)
    for broken in (np.full((478, 3), np.nan), np.zeros((478, 3))):
        with pytest.raises(PhotoError, match="do not form a face"):
            fit_head(IMAGE, Landmarks(floats32(broken)), model)


def test_skinning_is_the_native_cores() -> None:
    avatar = small_avatar()
    rig, g = avatar.rig, avatar.gaussians
    core = _core.AvatarCore(
        rig.vertices, rig.faces, rig.expression_basis, rig.joints, rig.parents, rig.weights,
        rig.pose_correctives, g.frame, g.triangles, g.barycentric, g.offsets, g.quats, g.scales,
        g.opacities, g.colors, 1,
    )  # fmt: skip
    params = replace(
        FaceParams.from_arkit({"jawOpen": 0.7, "eyeBlinkLeft": 0.4}),
        head_pose=floats32([0.2, -0.4, 0.1]),
        neck_pose=floats32([0.0, 0.3, 0.0]),
        translation=floats32([0.01, 0.0, -0.02]),
    )
    pose = rig.pose(params)
    native = core.vertices(pose.coefficients, pose.joint_rotations, pose.translation)
    np.testing.assert_allclose(posed_vertices(rig, params), native, atol=2e-6)


def test_landmark_derivatives(model: HeadModel, identity: F64) -> None:
    rig = LandmarkRig.of(model)
    arkit = floats64(PHOTO.arkit)
    points, by_identity, by_arkit = rig.linearized(identity, arkit)
    np.testing.assert_allclose(points, rig.points(identity, arkit), atol=1e-12)
    rng = np.random.default_rng(0)
    for derivative, of_identity in ((by_identity, True), (by_arkit, False)):
        step = 1e-4 * rng.normal(size=len(derivative))
        there = (identity + step, arkit) if of_identity else (identity, arkit + step)
        change = np.tensordot(step, derivative, 1)
        error = rig.points(*there) - points - change
        assert np.abs(error).max() < 0.06 * np.abs(change).max()


def test_a_flat_nose_is_moved_forward_only_as_far_as_missing(model: HeadModel) -> None:
    rig = LandmarkRig.of(model)
    shift = nose_shift(rig)
    assert 0.001 < shift[NOSE_TIP] < 0.006
    assert shift[NOSE_BASE] == 0
    again = rig.shifted(floats64(shift[:, None] * [0.0, 0.0, 1.0]))
    np.testing.assert_allclose(nose_shift(again), 0, atol=1e-9)


def test_bending_is_local_and_carries_loose_parts(model: HeadModel) -> None:
    surface = Surface.of(model)
    assert len(surface.loose) >= 4
    lips = np.isin(np.arange(478), LIPS)
    shifts = np.where(lips[:, None], [[0.002, 0.001]], 0.0)
    moved = surface.bend(shifts, np.ones(478), 0.1, lips, 0.035)
    np.testing.assert_allclose((surface.landmarks @ moved)[lips], shifts[lips], atol=8e-4)
    far = np.linalg.norm(model.template.vertices - [0, -0.07, 0.0], axis=1) > 0.09
    assert np.abs(moved[far]).max() == 0
    for part, _ in surface.loose:
        assert np.ptp(moved[part], axis=0).max() < 1e-9
