"""Sources of motion: each knows the state of a face at a moment."""

from avatar_rt.drivers.base import Driver, IdleDriver
from avatar_rt.drivers.opening import open_driver
from avatar_rt.drivers.recorded import RecordedDriver
from avatar_rt.drivers.recording import Recording, load_recording, save_recording

__all__ = [
    "Driver",
    "IdleDriver",
    "RecordedDriver",
    "Recording",
    "load_recording",
    "open_driver",
    "save_recording",
]
