"""What draws: the processor or a CUDA device, what happens where the device fails, and pictures
that stay on it."""

from avatar_rt.device.core import SafeCore
from avatar_rt.device.cuda import CUDA, Cuda
from avatar_rt.device.frame import DeviceFrame, DevicePlane

__all__ = ["CUDA", "Cuda", "DeviceFrame", "DevicePlane", "SafeCore"]
