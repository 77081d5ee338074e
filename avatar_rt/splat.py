"""The low-level public call: Gaussians and a camera in, a picture out, as gsplat defines them."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from avatar_rt import _core
from avatar_rt.arrays import F32, F64, Array, floats32, floats64
from avatar_rt.errors import BackendError, ParameterError
from avatar_rt.types import MAX_SIDE, Backend, Quality


def rasterize(
    means: ArrayLike,
    quats: ArrayLike,
    scales: ArrayLike,
    opacities: ArrayLike,
    colors: ArrayLike,
    viewmat: ArrayLike,
    K: ArrayLike,
    width: int,
    height: int,
    *,
    sh_degree: int | None = None,
    background: ArrayLike | None = None,
    quality: Quality = "exact",
    backend: Backend = "auto",
    threads: int = 0,
) -> _core.Splatted | _core.SplattedViews:
    """Splat N Gaussians of C channels into a picture, or into B pictures.

    means (N, 3), metres; quats (N, 4) wxyz, of any length but zero; scales (N, 3), plain standard
    deviations in metres; opacities (N,) in [0, 1]; colors (N, C), 1 ≤ C ≤ 32; viewmat (4, 4) world
    → camera, OpenCV axes; K (3, 3) in pixels, with pixel centres at half integers; background (C,).
    All are taken as float32, the camera as float64. threads: 0 means all cores. backend: "auto" is
    the processor, in whose memory the arrays are; "cuda" copies them to the first device.

    With sh_degree 0 … 3 colors are spherical harmonics (N, M, 3), M ≥ (sh_degree + 1)², as in
    gsplat: the colour is max(Σ basis·coefficient + 0.5, 0), seen along mean - camera position.

    Any of the arrays but background may have a leading axis of B: many cameras of one pose, many
    poses before one camera, or both. Those without it are shared by all B pictures.

    Returns the pair of image (H, W, C) float32, premultiplied and over `background` where one is
    given, and alpha (H, W) float32; (B, H, W, C) and (B, H, W) where an array has that axis. Its
    attribute `skipped` counts the Gaussians that were left out because a number of theirs is not
    finite; (B,) int64 for B pictures.

    The rules are those of 3D Gaussian splatting (Kerbl et al. 2023): EWA projection with a 0.3 px²
    low-pass, alpha clamped at 0.99 and skipped below 1/255, blending stopped once transmittance has
    fallen below 1e-4, nothing nearer than 0.01 m. A Gaussian reaches as far as its alpha is 1/255,
    not three sigma. One with a number that is not finite, in front of the camera, is skipped and
    spoils no other. Opacities at or below 0 draw nothing, those above 1 count as 1; a negative
    scale draws what its magnitude draws. "fast" relaxes the thresholds of alpha (1.5/255) and
    transmittance (3e-2), fills in what those leave out, and blends three channels roughly.

    Raises ParameterError, naming the argument, for a wrong shape or range; BackendError for a
    backend that this build or machine does not have.
    """
    if backend not in ("auto", "cpu"):
        if backend != "cuda":
            raise ParameterError(f"backend: is {backend!r}, expected 'auto', 'cpu' or 'cuda'")
        status = _core.cuda_status()
        if status != "available":
            raise BackendError(f"backend 'cuda': {status}; use backend='cpu'")
    gaussians = [floats32(a) for a in (means, quats, scales, opacities, colors)]
    camera = floats64(viewmat), floats64(K)
    under = None if background is None else floats32(background)
    batch = _batch_of(gaussians, camera, sh_degree)
    m, q, s, o, c = gaussians
    try:
        if backend == "cuda":
            cameras = _one_per_view(camera, batch or 1)
            views = _on_cuda(gaussians, sh_degree, cameras, width, height, under, quality)
        elif batch is None and sh_degree is None:
            return _core.rasterize(
                m, q, s, None, o, c, *camera, width, height, under, quality, threads
            )
        else:
            views = _core.splat(
                m, q, s, None, o, c, sh_degree, *_one_per_view(camera, batch or 1), width, height,
                under, quality, threads,
            )  # fmt: skip
    except ValueError as error:
        raise ParameterError(str(error)) from None
    except _core.DeviceError as error:
        raise BackendError(f"backend 'cuda': {error}; use backend='cpu'") from error
    if batch is not None:
        return views
    return _core.Splatted((views.image[0], views.alpha[0], int(views.skipped[0])))


def _on_cuda(
    gaussians: list[F32], sh_degree: int | None, cameras: tuple[F64, F64], width: int, height: int,
    background: F32 | None, quality: Quality,
) -> _core.SplattedViews:  # fmt: skip
    """_core.splat by the first CUDA device: arrays there, pictures back."""
    if not (1 <= width <= MAX_SIDE and 1 <= height <= MAX_SIDE):
        raise ParameterError(f"image size {width}x{height} must lie within 1 … {MAX_SIDE} a side")
    m, q, s, o, c = (_core.CudaFloats(a) for a in gaussians)
    size = (len(cameras[0]), height, width)
    images, alphas = _core.CudaFloats((*size, gaussians[-1].shape[-1])), _core.CudaFloats(size)
    drawn = _core.cuda_splat(
        m, q, s, None, o, c, sh_degree, *cameras, width, height, background, quality, images,
        alphas, 0, 0,
    )  # fmt: skip
    parts = images.numpy(), alphas.numpy(), np.array(drawn.skipped, np.int64)
    views: _core.SplattedViews = _core.Splatted(parts)  # type: ignore[arg-type, assignment]
    return views


def _batch_of(gaussians: list[F32], camera: tuple[F64, F64], sh_degree: int | None) -> int | None:
    """B, where an array has that axis. Raises ParameterError where two disagree."""
    names = ("means", "quats", "scales", "opacities", "colors", "viewmat", "K")
    plain = (2, 2, 2, 1, 2 if sh_degree is None else 3, 2, 2)
    batch, first = None, ""
    arrays: list[Array] = [*gaussians, *camera]
    for name, axes, array in zip(names, plain, arrays, strict=True):
        if array.ndim != axes + 1:
            continue
        if batch is None:
            batch, first = len(array), name
        elif batch != len(array):
            raise ParameterError(
                f"{name}: has {len(array)} views in shape {array.shape}, but {first} has {batch}"
            )
    return batch


def _one_per_view(camera: tuple[F64, F64], batch: int) -> tuple[F64, F64]:
    """viewmat (B, 4, 4) and K (B, 3, 3) of arrays that may lack the axis of B."""
    for name, array, size in zip(("viewmat", "K"), camera, (4, 3), strict=True):
        if array.shape[-2:] != (size, size) or array.ndim not in (2, 3):
            raise ParameterError(
                f"{name}: has shape {array.shape}, expected ({size}, {size}) or (B, {size}, {size})"
            )
    viewmats, Ks = (np.broadcast_to(a, (batch, *a.shape[-2:])) for a in camera)
    return floats64(viewmats), floats64(Ks)
