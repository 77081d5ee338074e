"""trainer.cuda_operator, on a device whose memory torch may not know (memory.py)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from avatar_rt import _core
from avatar_rt.errors import BackendError, ParameterError
from tests.cuda.devices import needs_cuda, needs_emulator
from tests.cuda.memory import CopiedMemory
from tests.cuda.scenes import Arrays, random_arrays
from trainer import rasterize
from trainer.cuda_operator import GAUSSIANS, CudaCall, CudaSplat
from trainer.native_operators import Splat, SplatCall

pytestmark = needs_cuda


def _leaves(scene: Arrays) -> dict[str, Tensor | None]:
    tensors: dict[str, Tensor | None] = {
        k: None
        if scene.gaussians[k] is None
        else torch.tensor(scene.gaussians[k], requires_grad=True)
        for k in GAUSSIANS
    }
    tensors["viewmats"] = torch.tensor(scene.viewmats, requires_grad=True)
    tensors["background"] = (
        None if scene.background is None else torch.tensor(scene.background, requires_grad=True)
    )
    return tensors


def _drawn(scene: Arrays, cuda: bool) -> tuple[dict[str, Tensor], CudaCall | SplatCall]:
    leaves = _leaves(scene)
    means2d = torch.zeros(len(scene.viewmats), scene.count, 2, requires_grad=True)
    Ks, size = torch.tensor(scene.Ks), (scene.width, scene.height)
    call: CudaCall | SplatCall
    if cuda:
        call = CudaCall(Ks, *size, scene.sh_degree, "exact", CopiedMemory())
        images, alphas = CudaSplat.apply(call, means2d, *leaves.values())  # type: ignore[no-untyped-call]
    else:
        call = SplatCall(Ks, *size, scene.sh_degree, "exact", 1)
        images, alphas = Splat.apply(call, means2d, *leaves.values())  # type: ignore[no-untyped-call]
    weights = torch.linspace(-1, 1, images.numel()).reshape(images.shape)
    torch.autograd.backward((images * weights).sum() + alphas.square().sum())
    found = {"images": images, "alphas": alphas, "means2d": means2d.grad}
    found |= {k: t.grad for k, t in leaves.items() if t is not None}
    return {k: t.detach() for k, t in found.items() if t is not None}, call


@pytest.mark.parametrize("case", [{}, {"sh_degree": 2}, {"by_covariance": True, "shared": False}])
def test_gradients_reach_what_they_reach_on_the_processor(case: dict[str, Any]) -> None:
    scene = random_arrays(0, **case)
    (ours, call), (theirs, _) = _drawn(scene, True), _drawn(scene, False)
    assert set(ours) == set(theirs)
    for name, expected in theirs.items():
        assert ours[name].dtype == expected.dtype
        assert (ours[name] - expected).norm() <= 2e-3 * expected.norm() + 1e-6, name
    assert call.radii is not None
    assert call.radii.shape == (2, scene.count)


def test_wrong_arrays_and_failing_devices_have_the_houses_errors(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scene = random_arrays(1)
    scene.gaussians["scales"] = np.zeros((3, 3), np.float32)
    with pytest.raises(ParameterError, match="scales"):
        _drawn(scene, True)

    def fails(*_: Any) -> None:
        raise _core.DeviceError("CUDA: splatting failed")

    monkeypatch.setattr(_core, "cuda_splat", fails)
    with pytest.raises(BackendError, match="splatting failed"):
        _drawn(random_arrays(1), True)


@needs_emulator
def test_cuda_tensors_are_splatted_by_the_core_where_it_can() -> None:
    assert rasterize.operators(torch.device("cuda", 0)) == "cuda"
