"""Sounds and files that the tests of this room make for themselves."""

from __future__ import annotations

import struct

import numpy as np

from avatar_rt.arrays import I16

RATE = 16_000


def tone(seconds: float = 1.0, rate: int = RATE, hertz: float = 220.0) -> I16:
    """(N,) int16, a sine."""
    times = np.arange(round(seconds * rate)) / rate
    return np.asarray(np.round(8000 * np.sin(2 * np.pi * hertz * times)), np.int16)


def wav_bytes(
    data: bytes,
    *,
    code: int = 1,
    channels: int = 1,
    rate: int = RATE,
    bits: int = 16,
    declared: int | None = None,
) -> bytes:
    """A RIFF file with whatever its header is asked to claim."""
    block = channels * bits // 8
    layout = struct.pack("<HHIIHH", code, channels, rate, rate * block % 2**32, block % 2**16, bits)
    size = len(data) if declared is None else declared
    body = b"WAVEfmt " + struct.pack("<I", 16) + layout + b"data" + struct.pack("<I", size) + data
    return b"RIFF" + struct.pack("<I", min(len(body), 2**32 - 1)) + body
