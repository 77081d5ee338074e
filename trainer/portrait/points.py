"""Which of MediaPipe's 478 face points mean what, as far as fitting cares.

The numbering is MediaPipe's; left and right are the subject's.
"""

from __future__ import annotations

import numpy as np

from avatar_rt.arrays import F64

COUNT = 478
OVAL = (
    10, 21, 54, 58, 67, 93, 103, 109, 127, 132, 136, 148, 149, 150, 152, 162, 172, 176,
    234, 251, 284, 288, 297, 323, 332, 338, 356, 361, 365, 377, 378, 379, 389, 397, 400, 454,
)  # fmt: skip
"""The face's outline. It slides over the surface as the head turns: where the outline lies is
known, which point of the skin it is, hardly."""
LIPS = (
    0, 13, 14, 17, 37, 39, 40, 61, 78, 80, 81, 82, 84, 87, 88, 91, 95, 146, 178, 181, 185, 191,
    267, 269, 270, 291, 308, 310, 311, 312, 314, 317, 318, 321, 324, 375, 402, 405, 409, 415,
)  # fmt: skip
INNER_LIPS = ((13, 14), (82, 87), (312, 317), (81, 178), (311, 402), (80, 88), (310, 318))
"""(upper, lower) points that touch when the mouth is closed."""
RIGHT_EYE = (7, 33, 133, 144, 145, 153, 154, 155, 157, 158, 159, 160, 161, 163, 173, 246)
LEFT_EYE = (249, 263, 362, 373, 374, 380, 381, 382, 384, 385, 386, 387, 388, 390, 398, 466)
EYES = RIGHT_EYE + LEFT_EYE
RIGHT_IRIS, LEFT_IRIS = (468, 469, 470, 471, 472), (473, 474, 475, 476, 477)
"""The pupil's centre first, then four points of the rim."""

NOSE_TIP, NOSE_BASE = 4, 2
NOSE_RIDGE = {
    168: 0.3, 6: 0.75, 197: 0.95, 195: 1.0, 5: 1.0, 4: 1.0, 1: 0.9, 19: 0.6, 94: 0.3,
    122: 0.2, 351: 0.2, 196: 0.6, 419: 0.6, 3: 0.75, 248: 0.75, 51: 0.75, 281: 0.75,
    45: 0.8, 275: 0.8, 44: 0.7, 274: 0.7, 174: 0.35, 399: 0.35, 236: 0.35, 456: 0.35,
    134: 0.35, 363: 0.35, 220: 0.5, 440: 0.5, 237: 0.55, 457: 0.55,
}  # fmt: skip
"""How far each point goes along when the tip of a nose stands out further; wings and base stay."""


def fitting_weights() -> F64:
    """(478,) how much each point says about shape: lids and lips most, the outline least."""
    weights = np.ones(COUNT)
    weights[list(OVAL)] = 0.4
    weights[list(LIPS)] = 1.5
    weights[list(EYES)] = 2.0
    # irises move with the gaze, which is fitted by itself
    weights[list(RIGHT_IRIS + LEFT_IRIS)] = 0.0
    return weights
