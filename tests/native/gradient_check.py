"""The native gradients against the float64 ones, with room for pixels that lie on a threshold."""

from __future__ import annotations

from typing import Any

import numpy as np

from avatar_rt.arrays import F64, Array, floats64
from tests.native import gradient_reference
from tests.native.batches import GAUSSIANS, losses
from tests.native.gradient_reference import EXACT, Rules

WITHIN = 1e-3
# how far a threshold must move to be surely on the other side of what float32 made of a pixel
BAND = 3e-4
LOOSE = Rules(EXACT.alpha_min * (1 - BAND), EXACT.alpha_max * (1 - BAND), 0.0)
TIGHT = Rules(
    EXACT.alpha_min * (1 + BAND), EXACT.alpha_max * (1 + BAND),
    EXACT.transmittance_min * (1 + BAND),
)  # fmt: skip


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
    """Every gradient within WITHIN of float64's, in norm, and besides as far as it moves where
    pixels that lie on a threshold fall to its other side. The random losses of these tests may
    cancel in a Gaussian: then the size counts that such losses give on average."""
    want = expected(arguments, loss)
    for name, value in want.items():
        error = norm(got[name] - value)
        if error <= WITHIN * norm(value):
            continue
        others = (losses(arguments, 7 + k, loss["alpha_gradients"] is not None) for k in range(4))
        size = max(
            norm(value), float(np.mean([norm(expected(arguments, o)[name]) for o in others]))
        )
        flips = sum(norm(expected(arguments, loss, r)[name] - value) for r in (LOOSE, TIGHT))
        assert error <= WITHIN * size + flips, f"{name}: {error / size:.1e}, {flips / size:.1e}"
