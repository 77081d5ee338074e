"""Which way up a photograph is: phones turn pictures, and what they wrote about it gets lost.

The mesh model finds an upright face in anything, upside-down heads included, wherever its crop is
laid. On a real face it says the same for a crop that is tilted a little to either side; on one that
it only believes in, its points follow the crop. How far they do tells one from the other.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from avatar_rt.arrays import U8
from avatar_rt.face import Face, detect_faces
from avatar_rt.face.images import Square
from avatar_rt.face.landmarks import points_in

MOST_ROLL = np.radians(35.0)
"""A head tilted further than this is not one held askew: the picture is."""
STEADY = 0.08
"""Share of the face's size that points may move with the crop: 0.02-0.05 on real faces, and 0.12
and more on faces seen upside down or lying."""
_TILT = np.radians(20.0)
_TRIED = np.radians([-40.0, -20.0, 0.0, 20.0, 40.0])
_CROP_SCALE = 1.5
_BESIDE = (128, 128, 128)


@dataclass(frozen=True, slots=True)
class Stance:
    """How a face stands in a picture."""

    unsteadiness: float
    """How far its points follow the crop, over the face's size; infinite where none are seen."""
    roll: float
    """Radians, clockwise as seen."""

    @property
    def upright(self) -> bool:
        """Whether it is a real face, and no more tilted than heads are."""
        return self.unsteadiness <= STEADY and abs(self.roll) <= MOST_ROLL


_UNSEEN = Stance(float("inf"), 0.0)


@dataclass(frozen=True, slots=True)
class Turn:
    """What makes a picture upright: quarter turns first, then the rest of the way."""

    quarters: int
    """Counterclockwise as seen, 0 to 3."""
    rest: float
    """Radians, counterclockwise; 0 where the head is tilted by no more than MOST_ROLL."""
    unsteadiness: float

    @property
    def degrees(self) -> int:
        """The whole turn, counterclockwise, in (-180, 180]."""
        whole = round(90 * self.quarters + float(np.degrees(self.rest)))
        return 180 - (180 - whole) % 360

    def apply(self, image: U8) -> U8:
        """The picture (H, W, 3) uint8 turned, nothing cut off, grey where it has no pixels."""
        turned = np.ascontiguousarray(np.rot90(image, self.quarters))
        if not self.rest:
            return turned
        height, width = turned.shape[:2]
        c, s = np.cos(self.rest), np.sin(self.rest)
        w, h = (
            int(np.ceil(abs(c) * a + abs(s) * b)) for a, b in ((width, height), (height, width))
        )
        a = np.array([[c, s, 0.0], [-s, c, 0.0]])
        # OpenCV puts pixel centres at integers
        a[:, 2] = [(w - 1) / 2, (h - 1) / 2] - a[:, :2] @ [(width - 1) / 2, (height - 1) / 2]
        laid = cv2.warpAffine(turned, a, (w, h), flags=cv2.INTER_CUBIC, borderValue=_BESIDE)
        return np.ascontiguousarray(laid, np.uint8)


def stance(image: U8, faces: Sequence[Face]) -> Stance:
    """How the first of `faces` stands in a picture (H, W, 3) uint8; three looks of the model."""
    if not faces:
        return _UNSEEN
    square = faces[0].square(_CROP_SCALE)
    found = points_in(image, square)
    if found is None:
        return _UNSEEN
    return _tilted(image, found.square(), found.roll)


def find_turn(image: U8) -> Turn | None:
    """The turn after which the face of a picture (H, W, 3) uint8 stands the most steadily.

    None where no face is seen whichever way it is turned. Some tenths of a second.
    """
    return min(_turns(image), key=lambda turn: turn.unsteadiness, default=None)


def _turns(image: U8) -> Iterator[Turn]:
    for quarters in range(4):
        turned = np.ascontiguousarray(np.rot90(image, quarters))
        for face in detect_faces(turned, thorough=False)[:1]:
            for tilt in _TRIED:
                seen = _tilted(turned, face.square(_CROP_SCALE), float(tilt))
                if np.isfinite(seen.unsteadiness):
                    rest = seen.roll if abs(seen.roll) > MOST_ROLL else 0.0
                    yield Turn(quarters, rest, seen.unsteadiness)


def _tilted(image: U8, square: Square, angle: float) -> Stance:
    """Looks at crops tilted to both sides of `angle`, radians."""
    looks = [
        points_in(image, Square(square.x, square.y, square.side, angle + d))
        for d in (-_TILT, _TILT)
    ]
    one, other = looks
    if one is None or other is None:
        return _UNSEEN
    apart = np.linalg.norm(one.points[:, :2] - other.points[:, :2], axis=1)
    roll = np.angle(np.exp(1j * one.roll) + np.exp(1j * other.roll))
    return Stance(float(apart.mean()) / one.size, float(roll))
