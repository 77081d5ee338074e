"""Speech engines that may be installed beside avatar-rt, each a program or library of its own."""

from avatar_rt.drivers.synth.engines import find_engine as find_engine
from avatar_rt.drivers.synth.engines import installed_engines as installed_engines
from avatar_rt.drivers.synth.engines import speak as speak
