"""How fast the renderer is here, and how long others take for the same pictures."""

from avatar_rt.measure.frames import (
    QUALITIES,
    WORK,
    Overdraw,
    Report,
    Result,
    Step,
    measure,
    moving_faces,
    overdraw,
)
from avatar_rt.measure.machine import cores, machine
from avatar_rt.measure.rivals import Baseline, Rival
from avatar_rt.measure.turns import Turn, ratio, take_turns

__all__ = [
    "QUALITIES",
    "WORK",
    "Baseline",
    "Overdraw",
    "Report",
    "Result",
    "Rival",
    "Step",
    "Turn",
    "cores",
    "machine",
    "measure",
    "moving_faces",
    "overdraw",
    "ratio",
    "take_turns",
]
