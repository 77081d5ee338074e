"""Head models: the built-in one, FLAME, and files of our own; one HeadModel for all."""

from avatar_rt.head.arkit_fit import ArkitFit
from avatar_rt.head.builtin import load_builtin
from avatar_rt.head.flame import flame_arkit_fit, load_flame
from avatar_rt.head.lids import close_lids
from avatar_rt.head.model import HeadModel
from avatar_rt.head.rig import Rig, RigPose
from avatar_rt.head.store import load_head, save_head

__all__ = [
    "ArkitFit",
    "HeadModel",
    "Rig",
    "RigPose",
    "close_lids",
    "flame_arkit_fit",
    "load_builtin",
    "load_flame",
    "load_head",
    "save_head",
]
