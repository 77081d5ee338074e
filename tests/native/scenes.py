"""Small random scenes and a small random rig for the native tests; everything from a seed."""

from __future__ import annotations

from typing import Any

import numpy as np

from avatar_rt import _core
from avatar_rt.arrays import floats32, ints32
from avatar_rt.types import Camera
from tests.native.reference import Splats


def random_scene(
    seed: int,
    count: int = 60,
    width: int = 61,
    height: int = 47,
    channels: int = 3,
    log_scale: float = -4.0,
    spread: float = 0.15,
) -> Splats:
    """Gaussians around the origin; some are needles, flat, faint, solid or behind the camera."""
    rng = np.random.default_rng(seed)
    camera = Camera.orbit(
        rng.uniform(-3, 3), rng.uniform(-1, 1), distance=0.6, width=width, height=height
    )
    means = rng.normal(0, spread, (count, 3))
    scales = np.exp(rng.normal(log_scale, 0.7, (count, 3)))
    kind = rng.integers(0, 6, count)
    scales[kind == 0] *= np.array([8.0, 0.05, 0.05])
    scales[kind == 1] *= np.array([1.0, 1.0, 1e-3])
    opacities = rng.uniform(0, 1, count)
    opacities[kind == 2] = 1.0
    opacities[kind == 3] *= 0.02
    means[kind == 4] *= 4.0
    return Splats(
        floats32(means), floats32(rng.normal(size=(count, 4))), floats32(scales),
        floats32(opacities), floats32(rng.uniform(0, 1, (count, channels))),
        camera.viewmat, camera.K, width, height,
    )  # fmt: skip


def core_render(s: Splats, quality: str = "exact", threads: int = 1, **more: Any) -> Any:
    """A scene through the native core → image, alpha."""
    arguments = {"covars": None, "background": None, "quality": quality, "threads": threads}
    return _core.rasterize(**{**s.arrays(), **arguments, **more})


def random_rig(
    seed: int, frame: str, *, correctives: bool = True, count: int = 300
) -> dict[str, Any]:
    """AvatarCore's arguments for a bumpy sheet of 15 × 13 vertices that bends in four joints."""
    rng = np.random.default_rng(seed)
    nx, ny, J, E = 15, 13, 4, 7
    y, x = np.mgrid[:ny, :nx]
    vertices = np.stack([x / nx - 0.5, y / ny - 0.5, 0 * x], -1).reshape(-1, 3) * 0.2
    vertices += rng.normal(0, 0.002, vertices.shape)
    corner = (y[:-1, :-1] * nx + x[:-1, :-1]).reshape(-1)
    faces = np.concatenate([
        np.stack([corner, corner + 1, corner + nx], 1),
        np.stack([corner + 1, corner + nx + 1, corner + nx], 1),
    ])  # fmt: skip
    basis = rng.normal(0, 0.01, (E, len(vertices), 3))
    basis *= rng.random((E, len(vertices), 1)) < 0.2
    basis[0] = rng.normal(0, 0.04, (len(vertices), 3))  # one that moves everything, and far
    weights = rng.dirichlet(np.ones(J) * 0.3, len(vertices))
    weights[:40] = np.eye(J)[0]
    P = 9 * (J - 1) if correctives else 0
    triangles = np.sort(rng.integers(0, len(faces), count))
    return {
        "vertices": floats32(vertices),
        "faces": ints32(faces),
        "expression_basis": floats32(basis),
        "joints": floats32(rng.normal(0, 0.05, (J, 3))),
        "parents": ints32([-1, 0, 1, 0]),
        "weights": floats32(weights),
        "pose_correctives": floats32(rng.normal(0, 0.003, (P, len(vertices), 3))),
        "frame": frame,
        "triangles": ints32(triangles),
        "barycentric": floats32(rng.dirichlet(np.ones(3), count)),
        "offsets": floats32(rng.normal(0, 0.1, (count, 3))),
        "quats": floats32(rng.normal(size=(count, 4))),
        "scales": floats32(np.exp(rng.normal(-1.5, 0.5, (count, 3)))),
        "opacities": floats32(rng.uniform(0.1, 1, count)),
        "colors": floats32(rng.uniform(0, 1, (count, 3))),
        "threads": 1,
    }


def random_pose(seed: int) -> dict[str, Any]:
    """coefficients, joint_rotations and translation for random_rig."""
    rng = np.random.default_rng(seed)
    return {
        "coefficients": floats32(rng.uniform(0, 1, 7) * (rng.random(7) < 0.7)),
        "joint_rotations": floats32(rng.normal(0, 0.4, (4, 3))),
        "translation": floats32(rng.normal(0, 0.01, 3)),
    }
