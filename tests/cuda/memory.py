"""A device's memory for tensors that torch has in the processor's: they are copied there and back,
by the same seam through which CUDA tensors go as they are."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from avatar_rt import _core


class CopiedMemory:
    """Memory of the first device, for tensors of the processor's."""

    device = 0
    stream = 0

    def put(self, tensor: Tensor) -> Any:
        return _core.CudaFloats(tensor.detach().contiguous().numpy())

    def zeros(self, *shape: int) -> Any:
        return _core.CudaFloats(shape)

    def take(self, array: Any) -> Tensor:
        return torch.from_numpy(array.numpy())
