"""A consumer of DLPack that trusts nobody: reads what a capsule says, by its C layout alone."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from avatar_rt.arrays import Array

_TYPES: dict[tuple[int, int], Any] = {(1, 8): np.uint8, (2, 32): np.float32}
COPIED = 2
"""A flag of DLPack's."""


class Device(ctypes.Structure):
    _fields_: ClassVar[Sequence[Any]] = [("type", ctypes.c_int32), ("number", ctypes.c_int32)]


class Tensor(ctypes.Structure):
    _fields_: ClassVar[Sequence[Any]] = [
        ("data", ctypes.c_void_p),
        ("device", Device),
        ("ndim", ctypes.c_int32),
        ("code", ctypes.c_uint8),
        ("bits", ctypes.c_uint8),
        ("lanes", ctypes.c_uint16),
        ("shape", ctypes.POINTER(ctypes.c_int64)),
        ("strides", ctypes.POINTER(ctypes.c_int64)),
        ("byte_offset", ctypes.c_uint64),
    ]


class Managed(ctypes.Structure):
    """ "dltensor"."""

    _fields_: ClassVar[Sequence[Any]] = [
        ("tensor", Tensor),
        ("context", ctypes.c_void_p),
        ("deleter", ctypes.c_void_p),
    ]


class Versioned(ctypes.Structure):
    """ "dltensor_versioned"."""

    _fields_: ClassVar[Sequence[Any]] = [
        ("major", ctypes.c_uint32),
        ("minor", ctypes.c_uint32),
        ("context", ctypes.c_void_p),
        ("deleter", ctypes.c_void_p),
        ("flags", ctypes.c_uint64),
        ("tensor", Tensor),
    ]


def _api(name: str, result: Any, *arguments: Any) -> Any:
    function = getattr(ctypes.pythonapi, name)
    function.restype, function.argtypes = result, arguments
    return function


_is_valid = _api("PyCapsule_IsValid", ctypes.c_int, ctypes.py_object, ctypes.c_char_p)
_pointer = _api("PyCapsule_GetPointer", ctypes.c_void_p, ctypes.py_object, ctypes.c_char_p)
_rename = _api("PyCapsule_SetName", ctypes.c_int, ctypes.py_object, ctypes.c_char_p)


@dataclass
class Taken:
    """An array that was taken over from a capsule, until let_go()."""

    managed: Managed | Versioned
    address: int

    @property
    def tensor(self) -> Tensor:
        tensor: Tensor = self.managed.tensor
        return tensor

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.tensor.shape[: self.tensor.ndim])

    @property
    def strides(self) -> tuple[int, ...]:
        return tuple(self.tensor.strides[: self.tensor.ndim])

    @property
    def device(self) -> tuple[int, int]:
        return self.tensor.device.type, self.tensor.device.number

    @property
    def dtype(self) -> np.dtype[Any]:
        assert self.tensor.lanes == 1
        return np.dtype(_TYPES[self.tensor.code, self.tensor.bits])

    def read(self) -> Array:
        """What lies there, where the processor can reach it. Rows without gaps."""
        count = int(np.prod(self.shape))
        begin = self.tensor.data + self.tensor.byte_offset
        raw = ctypes.string_at(begin, count * self.dtype.itemsize)
        array: Array = np.frombuffer(raw, self.dtype).reshape(self.shape)
        return array

    def let_go(self) -> None:
        """Calls the producer's deleter, as the consumer must, once."""
        ctypes.CFUNCTYPE(None, ctypes.c_void_p)(self.managed.deleter)(self.address)


def take(capsule: object) -> Taken:
    """Takes a capsule's array over, so that the capsule means nothing any more."""
    versioned = bool(_is_valid(capsule, b"dltensor_versioned"))
    name = b"dltensor_versioned" if versioned else b"dltensor"
    assert _is_valid(capsule, name)
    address = _pointer(capsule, name)
    assert _rename(capsule, b"used_dltensor_versioned" if versioned else b"used_dltensor") == 0
    kind = Versioned if versioned else Managed
    return Taken(kind.from_address(address), address)
