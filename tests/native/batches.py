"""Batches of random views and the native gradients of each."""

from __future__ import annotations

from typing import Any

import numpy as np

from avatar_rt import _core
from avatar_rt.arrays import floats32
from tests.native import reference
from tests.native.reference import Splats
from tests.native.scenes import random_scene

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
    """`views` random scenes through as many cameras; arrays named in `shared` are the first's."""
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
    forward = {k: v for k, v in arguments.items() if k != "quality"}
    return dict(_core.splat_backward(**{**forward, **loss, "images": None, "alphas": None, **more}))


KINDS = ("c1", "c3", "c5", "covars", "sh0", "sh1", "sh2", "sh3")


def scene_arguments(kind: str, seed: int) -> dict[str, Any]:
    """One of the ways in which splat may be called."""
    background = np.array([0.2, 0.7, 0.4, 0.1, 0.9], np.float32)
    if kind.startswith("sh"):
        return {
            **with_harmonics(random_scene(seed), int(kind[2:]), seed),
            "background": background[:3],
        }
    if kind == "covars":
        return with_covariances(random_scene(seed))
    channels = int(kind[1:])
    return one_view(random_scene(seed, channels=channels), background=background[:channels])
