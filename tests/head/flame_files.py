"""Files in FLAME's official format, made up: nobody's model, but every array as the format has it.

Pickles are written as Python 2 and chumpy left them: protocol 2, byte strings as text, shapedirs
and posedirs as chumpy.ch.Ch, the regressor as a scipy csc_matrix.
"""

from __future__ import annotations

import pickle
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np

from avatar_rt.arrays import F64, Array
from avatar_rt.head.flame.read import JOINTS, TRIANGLES, VERTICES


def random_arrays(seed: int = 0, shapes: int = 400) -> dict[str, Array]:
    """Every array of the format, filled with noise that passes its checks."""
    rng = np.random.default_rng(seed)
    weights = rng.uniform(size=(VERTICES, JOINTS))
    regressor = np.zeros((JOINTS, VERTICES))
    for joint in range(JOINTS):
        near = rng.choice(VERTICES, 12, replace=False)
        regressor[joint, near] = rng.dirichlet(np.ones(12))
    return {
        "v_template": rng.normal(size=(VERTICES, 3)) * 0.1,
        "f": rng.integers(0, VERTICES, size=(TRIANGLES, 3)).astype(np.uint32),
        "shapedirs": rng.normal(size=(VERTICES, 3, shapes)).astype(np.float32) * 1e-3,
        "posedirs": rng.normal(size=(VERTICES, 3, 36)).astype(np.float32) * 1e-3,
        "J_regressor": regressor,
        "weights": weights / weights.sum(1, keepdims=True),
        "kintree_table": np.array([[2**32 - 1, 0, 1, 1, 1], [0, 1, 2, 3, 4]], np.uint32),
    }


def write_npz(path: Path, arrays: dict[str, Array]) -> Path:
    np.savez(path, **arrays)
    return path


class Ch:
    """Stands for chumpy.ch.Ch: its numbers are x, its state is a dict."""

    def __init__(self, x: Array) -> None:
        self.x = x
        self.dirty_vars: set[str] = set()

    def __getstate__(self) -> dict[str, Any]:
        return {"x": self.x, "_dirty_vars": list(self.dirty_vars), "_itr": None}


class Select(Ch):
    """Stands for chumpy.reordering.Select: entries `idxs` of `a`."""

    def __init__(self, a: Array, idxs: Array, shape: tuple[int, ...]) -> None:
        self.a, self.idxs, self.preferred_shape = a, idxs, shape

    def __getstate__(self) -> dict[str, Any]:
        return {"a": Ch(self.a), "idxs": self.idxs, "preferred_shape": self.preferred_shape}


def write_pickle(
    path: Path, arrays: dict[str, Array], *, protocol: int = 2, select: bool = False
) -> Path:
    """As the official files are: chumpy objects, a sparse regressor, words beside the arrays."""
    from scipy.sparse import csc_matrix  # noqa: PLC0415

    def chumpy(array: Array) -> Ch:
        if select:
            return Select(array, np.arange(array.size), array.shape)
        return Ch(array)

    made: dict[str, Any] = dict(arrays)
    for name in ("v_template", "shapedirs", "posedirs"):
        if name in made:
            made[name] = chumpy(made[name])
    if "J_regressor" in made:
        made["J_regressor"] = csc_matrix(made["J_regressor"])
    made |= {"bs_type": "lrotmin", "bs_style": "lbs", "J": np.zeros((JOINTS, 3))}
    modules = {
        name: types.ModuleType(name) for name in ("chumpy", "chumpy.ch", "chumpy.reordering")
    }
    homes = {Ch: "chumpy.ch", Select: "chumpy.reordering"}
    before = {kind: kind.__module__ for kind in homes}
    try:
        for kind, home in homes.items():
            kind.__module__ = home
            setattr(modules[home], kind.__name__, kind)
        sys.modules.update(modules)
        path.write_bytes(pickle.dumps(made, protocol=protocol))
    finally:
        for kind, home in before.items():
            kind.__module__ = home
        for name in modules:
            sys.modules.pop(name, None)
    return path


def model_on(
    template: F64, faces: Array, regressor: F64, shapes: dict[str, F64]
) -> dict[str, Array]:
    """A working model on FLAME's template: expressions are principal directions of others' ARKit
    shapes (5023, 3) on it, and the jaw's weights are how far their jawOpen takes a point along."""
    arrays = random_arrays()
    stacked = np.stack(list(shapes.values())).reshape(len(shapes), -1)
    _, spread, directions = np.linalg.svd(stacked, full_matrices=False)
    basis = np.zeros((400, VERTICES, 3))
    basis[300 : 300 + len(shapes)] = (directions * spread[:, None] / np.sqrt(len(shapes))).reshape(
        -1, VERTICES, 3
    )
    rng = np.random.default_rng(0)
    basis[:300] = rng.normal(size=(300, 1, 3)) * 1e-4
    opening = np.linalg.norm(shapes["jawOpen"], axis=1)
    jaw = np.clip(1.3 * opening / opening.max(), 0.0, 1.0)
    weights = np.zeros((VERTICES, JOINTS))
    weights[:, 1], weights[:, 2] = 1 - jaw, jaw
    for joint, ball in ((3, slice(3931, 4477)), (4, slice(4477, VERTICES))):
        weights[ball] = np.eye(JOINTS)[joint]
        basis[:, ball] = 0.0
    return arrays | {
        "v_template": template,
        "f": np.asarray(faces, np.uint32),
        "shapedirs": basis.transpose(1, 2, 0),
        "posedirs": np.zeros((VERTICES, 3, 36)),
        "J_regressor": regressor,
        "weights": weights,
    }
