"""Makes a driven face move as a face does, and an undriven one live."""

from avatar_rt.motion.idle import Idle
from avatar_rt.motion.layers import Layer, blend, mix
from avatar_rt.motion.limits import limited
from avatar_rt.motion.motion import Motion

__all__ = ["Idle", "Layer", "Motion", "blend", "limited", "mix"]
