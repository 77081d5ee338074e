import numpy as np
import pytest

from avatar_rt.errors import ParameterError
from avatar_rt.rotation import matrix_from_axis_angle
from trainer import metrics

RNG = np.random.default_rng(3)


def test_psnr_of_a_known_error() -> None:
    truth = np.full((8, 8, 3), 0.5)
    assert metrics.psnr(truth + 0.1, truth) == pytest.approx(20.0)
    assert metrics.psnr(truth, truth) == np.inf


def test_psnr_and_ssim_look_only_inside_the_mask() -> None:
    truth = RNG.random((24, 24, 3))
    image, mask = truth.copy(), np.zeros((24, 24), bool)
    image[:, 18:] = 0
    mask[4:20, :6] = True
    assert metrics.psnr(image, truth, mask) == np.inf
    assert metrics.ssim(image, truth, mask) == pytest.approx(1.0)
    assert metrics.ssim(image, truth) < 0.9
    assert np.isnan(metrics.psnr(image, truth, np.zeros((24, 24), bool)))


def test_unequal_shapes_are_refused() -> None:
    with pytest.raises(ParameterError, match=r"\(2, 2, 3\)"):
        metrics.psnr(np.zeros((2, 2, 3)), np.zeros((2, 3, 3)))


def test_iou() -> None:
    a, b = np.zeros((4, 4), bool), np.zeros((4, 4), bool)
    assert metrics.iou(a, b) == 1
    a[:2], b[1:3] = True, True
    assert metrics.iou(a, b) == pytest.approx(1 / 3)


@pytest.mark.parametrize("dimensions", [2, 3])
def test_alignment_undoes_a_similarity(dimensions: int) -> None:
    truth = RNG.normal(size=(30, dimensions))
    turn = matrix_from_axis_angle([0, 0, 0.7] if dimensions == 2 else [0.3, -0.5, 0.7])
    moved = 2.5 * truth @ turn[:dimensions, :dimensions].T + np.arange(dimensions)
    np.testing.assert_allclose(metrics.align_similarity(moved, truth), truth, atol=1e-12)
    assert metrics.landmark_error(moved, truth, 1.0) == pytest.approx(0, abs=1e-10)


def test_alignment_never_mirrors() -> None:
    truth = RNG.normal(size=(30, 2))
    assert metrics.landmark_error(truth * [-1, 1], truth, 1.0) > 20


def test_landmark_error_leaves_out_points_that_are_not_there() -> None:
    truth = RNG.normal(size=(10, 3))
    broken = truth.copy()
    broken[3] = np.nan
    assert metrics.landmark_error(broken, truth, 1.0) == pytest.approx(0, abs=1e-10)
    broken[1:9] = np.nan
    assert np.isnan(metrics.landmark_error(broken, truth, 1.0))


def test_motion_residual() -> None:
    truth = np.zeros((5, 2))
    truth[:3, 1] = 4.0
    assert metrics.motion_residual(np.zeros((5, 2)), truth, 100.0) == pytest.approx(100)
    assert metrics.motion_residual(truth, truth, 100.0) == 0
    assert metrics.motion_residual(2 * truth, truth, 100.0, gain=0.5) == 0
    # points that hardly move do not count, however wrong they are
    noisy = truth.copy()
    noisy[4] = 50
    assert metrics.motion_residual(noisy, truth, 100.0) == 0
    assert np.isnan(metrics.motion_residual(truth, truth, 1000.0))


def test_best_gain() -> None:
    truth = RNG.normal(size=(20, 3))
    assert metrics.best_gain(2 * truth, truth) == pytest.approx(0.5)
    assert metrics.best_gain(0 * truth, truth) == 0
