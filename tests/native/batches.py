"""Batches of random views, the native gradients of each, and the float64 ones beside them."""

from __future__ import annotations

from typing import Any

import numpy as np

from avatar_rt import _core
from avatar_rt.arrays import F64, Array, floats32, floats64
from tests.native import gradient_reference, reference
from tests.native.gradient_reference import EXACT, Rules
from tests.native.reference import Splats
from tests.native.scenes import random_scene

WITHIN = 1e-3
# how far a threshold must move to be surely on the other side of what float32 made of a pixel
BAND = 3e-4
LOOSE = Rules(EXACT.alpha_min * (1 - BAND), EXACT.alpha_max * (1 - BAND), 0.0)
TIGHT = Rules(
    EXACT.alpha_min * (1 + BAND), EXACT.alpha_max * (1 + BAND),
    EXACT.transmittance_min * (1 + BAND),
)  # fmt: skip

GAUSSIANS = ("means", "quats", "scales", "covars", "opacities", "colors")


def one_view(scene: Splats, **more: Any) -> dict[str, Any]:
    """_core.splat's arguments for a scene seen once."""
    arrays = scene.arrays()
    viewmat, K = arrays.pop("viewmat"), arrays.pop("K")
    rest = {
        "covars": None, "sh_degree": None, "background": None, "quality": "exact", "threads": 1,
    }  # fmt: skip
    return {**arrays, **rest, "viewmats": viewmat[None], "Ks": K[None], **more}


def with_harmonics(scene: Splats, degree: int, seed: int) -> dict[str, Any]:
    """The scene's arguments, its colours replaced by harmonics; some colours come out below 0."""
    rng = np.random.default_rng(seed)
    stored = (degree + 1) ** 2 + seed % 2
    sh = floats32(rng.normal(0, 0.6, (len(scene.means), stored, 3)))
    return one_view(scene, colors=sh, sh_degree=degree)


def with_covariances(scene: Splats) -> dict[str, Any]:
    """The scene's arguments, its shapes given as covariances."""
    cov = reference.covariances(scene.quats, scene.scales)
    upper = floats32(cov[:, [0, 0, 0, 1, 1, 2], [0, 1, 2, 1, 2, 2]])
    return one_view(scene, quats=None, scales=None, covars=upper)


def many_views(seed: int, views: int, shared: tuple[str, ...] = (), **scene: Any) -> dict[str, Any]:
    """`views` random scenes through as many cameras; the arrays named in `shared` are the first's."""
    each = [one_view(random_scene(seed + v, **scene)) for v in range(views)]
    out = dict(each[0])
    for name in (*GAUSSIANS, "viewmats", "Ks"):
        if name in shared or out[name] is None:
            continue
        join = np.concatenate if name in ("viewmats", "Ks") else np.stack
        out[name] = np.ascontiguousarray(join([a[name] for a in each]))
    return out


def losses(arguments: dict[str, Any], seed: int, with_alpha: bool = True) -> dict[str, Any]:
    """Random image_gradients and alpha_gradients for the pictures of these arguments."""
    rng = np.random.default_rng(seed + 1000)
    shape = (len(arguments["viewmats"]), arguments["height"], arguments["width"])
    channels = 3 if arguments["sh_degree"] is not None else arguments["colors"].shape[-1]
    return {
        "image_gradients": floats32(rng.normal(size=(*shape, channels))),
        "alpha_gradients": floats32(rng.normal(size=shape)) if with_alpha else None,
    }


def backward(arguments: dict[str, Any], loss: dict[str, Any], **more: Any) -> dict[str, Any]:
    """_core.splat_backward, which draws the pictures itself."""
    return dict(_core.splat_backward(**{**arguments, **loss, "images": None, "alphas": None, **more}))


def expected(
    arguments: dict[str, Any], loss: dict[str, Any], rules: Rules = EXACT
) -> dict[str, F64]:
    """What backward() should give, in float64; only arrays that have a gradient."""
    out: dict[str, F64] = {}
    for v in range(len(arguments["viewmats"])):
        view = {"viewmat": arguments["viewmats"][v], "K": arguments["Ks"][v]}
        own = set()
        for name in GAUSSIANS:
            value = arguments[name]
            axes = 1 if name == "opacities" else 2
            axes += name == "colors" and arguments["sh_degree"] is not None
            if value is not None and value.ndim > axes:
                own.add(name)
                value = value[v]
            view[name] = value
        for name in ("width", "height", "background", "sh_degree"):
            view[name] = arguments[name]
        alpha = loss["alpha_gradients"]
        got = gradient_reference.gradients(
            view, loss["image_gradients"][v], None if alpha is None else alpha[v], rules
        )
        for name, value in got.items():
            if name in ("image", "alpha"):
                continue
            if name in own or name in ("viewmat", "means2d"):
                key = "viewmats" if name == "viewmat" else name
                whole = np.zeros((len(arguments["viewmats"]), *value.shape))
                out.setdefault(key, whole)[v] = value
            else:
                out[name] = out.get(name, np.zeros(value.shape)) + value
    if "viewmats" in out:
        out["viewmats"][:, 3] = 0
    return out


def norm(values: Array) -> float:
    return float(np.linalg.norm(floats64(values)))


def relative(got: Array, want: Array) -> float:
    """The norm of the difference over the norm of what is wanted."""
    return norm(floats64(got) - want) / max(norm(want), 1e-12)


def check(arguments: dict[str, Any], loss: dict[str, Any], got: dict[str, Any]) -> None:
    """Every gradient within WITHIN of float64's, and besides as far as it moves where pixels that
    lie on a threshold fall to its other side."""
    want = expected(arguments, loss)
    loose = tight = None
    for name, value in want.items():
        error = norm(got[name] - value)
        size = norm(value)
        if name == "viewmats":  # sums over all Gaussians that may cancel
            size = max(size, 0.1 * float(np.abs(want["means"]).sum()))
        if error <= WITHIN * size:
            continue
        if loose is None or tight is None:
            loose, tight = expected(arguments, loss, LOOSE), expected(arguments, loss, TIGHT)
        flips = norm(loose[name] - value) + norm(tight[name] - value)
        assert error <= WITHIN * size + flips, f"{name}: {error / size:.1e}, {flips / size:.1e}"
