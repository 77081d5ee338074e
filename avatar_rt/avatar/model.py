"""What an avatar is: a rig, the Gaussians that ride on it, and where it came from."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from avatar_rt.arrays import F32, I32
from avatar_rt.head.rig import Rig

TriangleFrame = Literal["affine", "similarity"]


@dataclass(frozen=True, slots=True)
class Gaussians:
    """N Gaussians, each in the frame of a triangle of the rig.

    With the triangle's corners v0, v1, v2, e1 = v1 - v0, e2 = v2 - v0 and its unit normal n, the
    frame M is, by column,
      affine:     e1, e2, n·√|e1 × e2|  (a Gaussian stretches with its triangle);
      similarity: s·(a0, n, a0 × n) with a0 = e1/|e1| and s = (|e1| + |(a0 × n)·e2|) / 2, the
                  mean of base and height, as in GaussianAvatars (Qian et al. 2024, §3.2).
    The Gaussian's mean is Σ bᵢvᵢ + M·offset and its covariance M·R(q)·diag(scale²)·R(q)ᵀ·Mᵀ.
    """

    frame: TriangleFrame
    triangles: I32
    """(N,) int32, ascending."""
    barycentric: F32
    """(N, 3) float32, rows sum to 1."""
    offsets: F32
    """(N, 3) float32 in the triangle's frame."""
    quats: F32
    """(N, 4) float32 wxyz, in the triangle's frame."""
    scales: F32
    """(N, 3) float32, plain (not log), in units of the frame."""
    opacities: F32
    """(N,) float32 in [0, 1], plain."""
    colors: F32
    """(N, 3) float32 sRGB in [0, 1]; or (N, K, 3) spherical harmonics, K = 4, 9 or 16."""


@dataclass(frozen=True, slots=True)
class Landmarks:
    """Where the 478 MediaPipe points lie on the mesh. Not needed to play, but to measure."""

    faces: I32
    """(478,) int32 triangle of the rig; -1: not on this head."""
    barycentric: F32
    """(478, 3) float32, rows sum to 1."""


@dataclass(frozen=True, slots=True)
class Avatar:
    """One person, ready to be driven and rendered."""

    rig: Rig
    gaussians: Gaussians
    metadata: dict[str, Any] = field(default_factory=dict)
    """The file's header, JSON values only. Known entries:
      name: str
      head_model: {"name", "hash" (of what the model was read from), "licence": str}
      provenance: {"source", "tool": str, "synthetic": true …}
      camera: {"distance": metres, "focal": × the smaller image side, "target": [x, y, z] metres}
      fast_haste: int, 0 … 3, how much quality "fast" may leave out on this avatar
      fast_psnr_db: float, quality "fast" against "exact" on this avatar (avatar_rt.fidelity)
    """
    landmarks: Landmarks | None = None

    @classmethod
    def load(cls, path: str | Path) -> Avatar:
        """Reads NAME.avatar.

        Raises FileFormatError, naming the array or header entry, for whatever is wrong in it.
        """
        from avatar_rt.avatar.file import load  # noqa: PLC0415 - file.py needs this module's types

        return load(path)

    def save(self, path: str | Path) -> None:
        """Writes NAME.avatar in one step: `path` is the whole file or what it was before.

        Arrays are rounded to what a picture cannot show; a loaded avatar is written back bit for
        bit. Raises ParameterError where an array is not as its docstring says, InputError where
        `path` cannot be written.
        """
        from avatar_rt.avatar.file import save  # noqa: PLC0415 - see load

        save(self, path)
