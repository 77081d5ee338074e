"""Small films of a real face, made where they are needed."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

from avatar_rt.arrays import U8
from tests.face.portraits import astronaut


def tilting(frames: int, degrees: float = 12.0) -> list[U8]:
    """The astronaut's head leaning to and fro, 256 × 256, a full sway in 20 pictures."""
    crop = astronaut()[0:256, 98:354]
    pictures = []
    for k in range(frames):
        angle = degrees * np.sin(2 * np.pi * k / 20)
        turn = cv2.getRotationMatrix2D((128.0, 130.0), angle, 1.0)
        turned = cv2.warpAffine(crop, turn, (256, 256), borderMode=cv2.BORDER_REPLICATE)
        pictures.append(np.asarray(turned, np.uint8))
    return pictures


def write(path: Path, pictures: list[U8], fps: int = 20) -> Path:
    """An H.264 film of the pictures."""
    with av.open(str(path), "w") as file:
        stream = file.add_stream("libx264", rate=Fraction(fps), options={"preset": "ultrafast"})
        stream.width, stream.height = pictures[0].shape[1], pictures[0].shape[0]
        stream.pix_fmt = "yuv420p"
        for picture in pictures:
            file.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        file.mux(stream.encode(None))
    return path
