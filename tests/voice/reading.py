"""The read speech of the test assets and its reference, and how visemes are compared with it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from avatar_rt.arrays import I16
from avatar_rt.drivers.speech_phones import FRAME_S, RATE, PhoneStream, visemes_per_frame
from avatar_rt.drivers.visemes import Phone

RECORDINGS = ("0870", "0880", "0890")


def reference(path: Path) -> list[Phone]:
    """The phones of a pocketsphinx alignment in JSON."""
    words = json.loads(path.read_text("utf-8"))["w"]
    return [Phone(p["b"], p["b"] + p["d"], p["t"]) for word in words for p in word["w"]]


def accuracy(phones: Sequence[Phone], truth: Sequence[Phone]) -> float:
    """Share of the truth's 10 ms frames that show the right one of 14 visemes."""
    told, right = visemes_per_frame(list(phones)), visemes_per_frame(list(truth))
    return sum(a == b for a, b in zip(told, right, strict=False)) / len(right)


def heard_live(samples: I16, lag: float, chunk_s: float = 0.02) -> list[Phone]:
    """One phone per 10 ms, each as a stream knew it `lag` seconds after it was heard."""
    stream = PhoneStream()
    told: list[Phone] = []
    step = round(chunk_s * RATE)
    for begin in range(0, len(samples), step):
        stream.push(samples[begin : begin + step])
        phones = stream.phones()
        while (moment := len(told) * FRAME_S) <= stream.now - lag:
            middle = moment + FRAME_S / 2
            name = next((p.name for p in phones if p.start <= middle < p.end), "SIL")
            told.append(Phone(moment, moment + FRAME_S, name))
    return told
