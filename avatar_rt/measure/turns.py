"""Taking turns while being timed. Machines drift by half within an hour, so what is compared
renders alternately in small rounds, and a ratio is the median of the ratios within the rounds."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from avatar_rt.types import FaceParams

Draw = Callable[[FaceParams], Mapping[str, float]]
"""Renders a frame; says what is known of its stages (seconds)."""
ROUNDS = 10
_WARM_UP = 3


@dataclass
class Turn:
    """Somebody who renders when it is their turn."""

    draw: Draw
    every: int = 1
    """1: takes part in every round with all its faces. More: in every so manieth, with one face."""
    seconds: dict[int, list[float]] = field(default_factory=dict)
    """Per round, of every frame."""
    stages: list[Mapping[str, float]] = field(default_factory=list)

    def take(self, round_: int, faces: Sequence[FaceParams]) -> None:
        """Renders those faces, timed."""
        mine = self.seconds.setdefault(round_, [])
        for face in faces:
            start = time.perf_counter()
            stages = self.draw(face)
            mine.append(time.perf_counter() - start)
            self.stages.append(stages)

    def ms(self) -> list[float]:
        """Milliseconds of every frame."""
        return [1e3 * seconds for times in self.seconds.values() for seconds in times]

    def stages_ms(self) -> dict[str, float]:
        """The median of each stage, milliseconds."""
        names = self.stages[0] if self.stages else ()
        return {name: 1e3 * float(np.median([s[name] for s in self.stages])) for name in names}


def take_turns(
    turns: Sequence[Turn], faces: Sequence[FaceParams], done: Callable[[float], None]
) -> None:
    """Lets everybody render all the faces, some a round; `done` is told each round's share."""
    rounds = min(ROUNDS, len(faces))
    for turn in turns:
        if turn.every == 1:
            for face in faces[:_WARM_UP]:
                turn.draw(face)
    for k in range(rounds):
        part = faces[len(faces) * k // rounds : len(faces) * (k + 1) // rounds]
        for turn in turns:
            if k % turn.every == 0:
                turn.take(k, part if turn.every == 1 else part[:1])
        done(1 / rounds)


def ratio(slow: Turn, quick: Turn) -> float:
    """How many times as long `slow` takes as `quick`: the median over the rounds that both had."""
    common = [
        np.median(slow.seconds[k]) / np.median(quick.seconds[k])
        for k in slow.seconds.keys() & quick.seconds.keys()
    ]
    return float(np.median(common))
