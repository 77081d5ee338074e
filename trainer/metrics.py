"""How far a picture, a shape or a motion is from the truth: the figures that evaluation reports."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from skimage.metrics import structural_similarity

from avatar_rt.arrays import F64, Array, Bool, floats64
from avatar_rt.errors import ParameterError


def _pair(a: ArrayLike, b: ArrayLike) -> tuple[F64, F64]:
    x, y = floats64(a), floats64(b)
    if x.shape != y.shape:
        raise ParameterError(f"cannot compare arrays of shapes {x.shape} and {y.shape}")
    return x, y


def psnr(image: ArrayLike, truth: ArrayLike, mask: Bool | None = None) -> float:
    """Peak signal-to-noise ratio in dB of (H, W, C) images in [0, 1], over `mask` (H, W) if given.

    Infinite for equal pictures, NaN for an empty mask. Raises ParameterError for unequal shapes.
    """
    a, b = _pair(image, truth)
    squares = (a - b) ** 2 if mask is None else ((a - b) ** 2)[mask]
    if not squares.size:
        return float("nan")
    mean = float(squares.mean())
    return float("inf") if mean == 0 else float(-10 * np.log10(mean))


def ssim(image: ArrayLike, truth: ArrayLike, mask: Bool | None = None) -> float:
    """Structural similarity (Wang et al. 2004: Gaussian window, σ = 1.5) of (H, W, C) images in
    [0, 1]; the mean of its map over `mask` (H, W) if given, NaN for an empty mask.

    Raises ParameterError for unequal shapes.
    """
    a, b = _pair(image, truth)
    _, each = structural_similarity(  # type: ignore[no-untyped-call]
        a, b, channel_axis=2, data_range=1.0, full=True,
        gaussian_weights=True, sigma=1.5, use_sample_covariance=False,
    )  # fmt: skip
    values: Array = each if mask is None else each[mask]
    return float(values.mean()) if values.size else float("nan")


def iou(a: Bool, b: Bool) -> float:
    """Intersection over union of two masks; 1 where both are empty."""
    union = int(np.logical_or(a, b).sum())
    return float(np.logical_and(a, b).sum() / union) if union else 1.0


def eye_distance(landmarks: ArrayLike) -> float:
    """Distance between the eyes' centres, each the middle of its two corners: (478, 2 or 3)
    MediaPipe landmarks → in their own unit."""
    points = floats64(landmarks)
    return float(np.linalg.norm(points[[33, 133]].mean(0) - points[[263, 362]].mean(0)))


def align_similarity(points: ArrayLike, truth: ArrayLike) -> F64:
    """`points` (N, D) after the scale, rotation and shift that bring them closest to `truth`
    (N, D) in the least-squares sense (Umeyama 1991, eqs. 40–42); never a reflection."""
    a, b = _pair(points, truth)
    a0, b0 = a - a.mean(0), b - b.mean(0)
    u, s, vt = np.linalg.svd(b0.T @ a0)
    sign = np.ones(a.shape[1])
    sign[-1] = np.sign(np.linalg.det(u @ vt))
    spread = float((a0**2).sum())
    scale = float((s * sign).sum()) / spread if spread > 0 else 1.0
    return floats64(scale * a0 @ ((u * sign) @ vt).T + b.mean(0))


def landmark_error(points: ArrayLike, truth: ArrayLike, unit: float) -> float:
    """Mean distance, in percent of `unit`, of (N, 2 or 3) points to `truth` after a similarity
    alignment. Rows that are not finite in either are left out; NaN where fewer than three stay."""
    a, b = _pair(points, truth)
    ok = np.isfinite(a).all(1) & np.isfinite(b).all(1)
    if ok.sum() < 3:
        return float("nan")
    gap = align_similarity(a[ok], b[ok]) - b[ok]
    return float(np.linalg.norm(gap, axis=1).mean() / unit * 100)


def motion_residual(
    motion: ArrayLike, truth: ArrayLike, unit: float, *, threshold: float = 0.02, gain: float = 1.0
) -> float:
    """What is left of the truth's motion, in percent of its own mean size.

    motion, truth: (N, 2 or 3) displacements of the same points; only points that the truth moves
    by more than `threshold` × unit count, and `motion` is multiplied by `gain` first. A frozen face
    scores 100; NaN where the truth moves no point far enough.
    """
    a, b = _pair(motion, truth)
    size = np.linalg.norm(b, axis=1)
    moved = (size > threshold * unit) & np.isfinite(a).all(1)
    if not moved.any():
        return float("nan")
    left = np.linalg.norm(gain * a[moved] - b[moved], axis=1)
    return float(left.mean() / size[moved].mean() * 100)


def best_gain(motion: ArrayLike, truth: ArrayLike) -> float:
    """The factor on `motion` (N, D) that brings it closest to `truth` in the least-squares sense;
    zero where nothing moves."""
    a, b = _pair(motion, truth)
    ok = np.isfinite(a).all(1) & np.isfinite(b).all(1)
    square = float((a[ok] ** 2).sum())
    return float((a[ok] * b[ok]).sum()) / square if square > 0 else 0.0
