"""FLAME 2020 and 2023 (T. Li et al., 2017) as a HeadModel, from a file that the user owns.

pickles   arrays out of the official pickle, nothing of which is run
read      the arrays, checked
model     regions, landmarks and ARKit map, carried over from the built-in head
"""

from avatar_rt.head.flame.model import flame_arkit_fit, load_flame

__all__ = ["flame_arkit_fit", "load_flame"]
