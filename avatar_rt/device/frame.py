"""Pictures that stay on the device that draws them, for encoders and array libraries there."""

from __future__ import annotations

from avatar_rt import _core
from avatar_rt.arrays import F32, U8
from avatar_rt.errors import BackendError, ParameterError
from avatar_rt.types import PixelFormat


class DevicePlane:
    """An array on a CUDA device, to be handed on by DLPack without a copy: `torch.from_dlpack`,
    `cupy.from_dlpack`, `av.VideoFrame.from_dlpack`. Whoever takes it waits for the picture on the
    stream that they name, and may keep it as long as they like."""

    def __init__(self, array: _core.DeviceArray) -> None:
        self._array = array

    @property
    def shape(self) -> tuple[int, ...]:
        """As Frame.pixels would have it; rows lie without gaps."""
        return self._array.shape

    @property
    def device(self) -> int:
        """The CUDA device's number."""
        return self._array.device

    def numpy(self) -> U8 | F32:
        """A copy in the processor's memory, once the picture is drawn. Raises BackendError where
        the device failed."""
        try:
            return self._array.numpy()
        except _core.DeviceError as error:
            raise _failed(error) from error

    def __dlpack__(
        self,
        *,
        stream: int | None = None,
        max_version: tuple[int, int] | None = None,
        dl_device: tuple[int, int] | None = None,
        copy: bool | None = None,
    ) -> object:
        """See the Python array API standard. dl_device (1, 0) asks for a copy in the processor's
        memory. Raises BufferError for another device, BackendError where this one failed."""
        try:
            return self._array.__dlpack__(
                stream=stream, max_version=max_version, dl_device=dl_device, copy=copy
            )
        except _core.DeviceError as error:
            raise _failed(error) from error

    def __dlpack_device__(self) -> tuple[int, int]:
        """(2, number): 2 is DLPack's word for CUDA."""
        return self._array.__dlpack_device__()


class DeviceFrame(DevicePlane):
    """A picture on the device that drew it, or still draws it."""

    def __init__(self, array: _core.DeviceArray, format: PixelFormat) -> None:
        super().__init__(array)
        self.format: PixelFormat = format
        """What its bytes mean: see Frame.pixels."""

    def planes(self) -> tuple[DevicePlane, DevicePlane]:
        """Luma (H, W) and chroma (H/2, W/2, 2) uint8 of an nv12 picture, as encoders want them.
        Raises ParameterError for other formats."""
        if self.format != "nv12":
            raise ParameterError(f"format {self.format} has no two planes: render nv12")
        luma, chroma = self._array.planes()
        return DevicePlane(luma), DevicePlane(chroma)


def _failed(error: _core.DeviceError) -> BackendError:
    return BackendError(f"the picture was lost with its device: {error}")
