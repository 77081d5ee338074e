"""The low-level public call: Gaussians and a camera in, a picture out, as gsplat defines them."""

from __future__ import annotations

from numpy.typing import ArrayLike

from avatar_rt import _core
from avatar_rt.arrays import floats32, floats64
from avatar_rt.errors import BackendError, ParameterError
from avatar_rt.types import Backend, Quality


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
    background: ArrayLike | None = None,
    quality: Quality = "exact",
    backend: Backend = "auto",
    threads: int = 0,
) -> _core.Splatted:
    """Splat N Gaussians of C channels into a picture.

    means (N, 3), metres; quats (N, 4) wxyz, of any length but zero; scales (N, 3), plain standard
    deviations in metres; opacities (N,) in [0, 1]; colors (N, C), 1 ≤ C ≤ 32; viewmat (4, 4) world
    → camera, OpenCV axes; K (3, 3) in pixels, with pixel centres at half integers; background (C,).
    All are taken as float32, the camera as float64. threads: 0 means all cores.

    Returns the pair of image (H, W, C) float32, premultiplied and over `background` where one is
    given, and alpha (H, W) float32; its attribute `skipped` counts the Gaussians that were left out
    because a number of theirs is not finite.

    The rules are those of 3D Gaussian splatting (Kerbl et al. 2023): EWA projection with a 0.3 px²
    low-pass, alpha clamped at 0.99 and skipped below 1/255, blending stopped once transmittance has
    fallen below 1e-4, nothing nearer than 0.01 m. A Gaussian reaches as far as its alpha is 1/255,
    not three sigma. One with a number that is not finite, in front of the camera, is skipped and
    spoils no other. Opacities at or below 0 draw nothing, those above 1 count as 1; a negative
    scale draws what its magnitude draws. "fast" relaxes the thresholds of alpha (1.5/255) and
    transmittance (5e-3).

    Raises ParameterError, naming the argument, for a wrong shape or range; BackendError for a
    backend that this build or machine does not have.
    """
    if backend not in ("auto", "cpu"):
        if backend != "cuda":
            raise ParameterError(f"backend: is {backend!r}, expected 'auto', 'cpu' or 'cuda'")
        status = _core.cuda_status()
        if status != "available":
            raise BackendError(f"backend 'cuda': {status}; use backend='cpu'")
    try:
        return _core.rasterize(
            floats32(means),
            floats32(quats),
            floats32(scales),
            None,
            floats32(opacities),
            floats32(colors),
            floats64(viewmat),
            floats64(K),
            width,
            height,
            None if background is None else floats32(background),
            quality,
            threads,
        )
    except ValueError as error:
        raise ParameterError(str(error)) from None
