"""Head models: the built-in one, FLAME, and files of our own; one HeadModel for all."""

from avatar_rt.head.builtin import load_builtin
from avatar_rt.head.model import HeadModel
from avatar_rt.head.rig import Rig, RigPose
from avatar_rt.head.store import load_head, save_head

__all__ = ["HeadModel", "Rig", "RigPose", "load_builtin", "load_head", "save_head"]
