"""Pictures of any kind as RGB, and square crops out of them."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from avatar_rt.arrays import F32, F64, U8, floats32, floats64
from avatar_rt.errors import ParameterError


def as_rgb8(image: U8) -> U8:
    """(H, W), (H, W, 1), (H, W, 3) or (H, W, 4) uint8 → (H, W, 3) uint8, C-contiguous.

    Grey is repeated; alpha is laid over mid-grey. Raises ParameterError for any other array.
    """
    a = np.asarray(image)
    if a.dtype != np.uint8 or a.ndim not in (2, 3) or (a.ndim == 3 and a.shape[2] not in (1, 3, 4)):
        raise ParameterError(
            f"an image must be uint8 of shape (H, W), (H, W, 1), (H, W, 3) or (H, W, 4); "
            f"this is {a.dtype} of shape {a.shape}"
        )
    if 0 in a.shape:
        raise ParameterError(f"the image is empty: its shape is {a.shape}")
    if a.ndim == 2:
        a = a[..., None]
    if a.shape[2] == 4:
        alpha = a[..., 3:].astype(np.float32) / 255
        a = (a[..., :3] * alpha + 128 * (1 - alpha) + 0.5).astype(np.uint8)
    elif a.shape[2] == 1:
        a = np.repeat(a, 3, axis=2)
    return np.ascontiguousarray(a)


@dataclass(frozen=True, slots=True)
class Square:
    """A square of a picture, in pixels (pixel centres at half integers), perhaps turned."""

    x: float
    """Centre."""
    y: float
    side: float
    angle: float = 0.0
    """Radians, clockwise as seen: the direction in the picture that becomes the crop's +x."""

    def to_image(self, size: int) -> F64:
        """(2, 3) float64: a point of the size × size crop → the picture."""
        s = self.side / size
        c, n = s * np.cos(self.angle), s * np.sin(self.angle)
        half = size / 2
        return floats64(
            [[c, -n, self.x - (c - n) * half], [n, c, self.y - (n + c) * half]],
        )

    def cut(self, image: U8, size: int, outside: tuple[int, int, int] | None = None) -> U8:
        """The crop, (size, size, 3) uint8; beyond the picture its edge, or the colour `outside`.

        A picture that shrinks by more than half is averaged first, so that nothing aliases.
        """
        a = self.to_image(size)
        shrink = int(self.side / size)
        if shrink >= 2:
            image, a = _shrunk(image, self, a, shrink)
        # OpenCV puts pixel centres at integers
        a = a.copy()
        a[:, 2] += a[:, :2] @ [0.5, 0.5] - 0.5
        mode = cv2.BORDER_REPLICATE if outside is None else cv2.BORDER_CONSTANT
        return np.ascontiguousarray(
            cv2.warpAffine(
                image,
                a,
                (size, size),
                flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
                borderMode=mode,
                borderValue=outside or (0, 0, 0),
            ),
            dtype=np.uint8,
        )

    def points_to_image(self, points: F32, size: int) -> F32:
        """(N, 3) float32 in the crop's pixels → in the picture's; z is scaled alike."""
        a = self.to_image(size)
        return floats32(
            np.column_stack([points[:, :2] @ a[:, :2].T + a[:, 2], points[:, 2] * self.side / size])
        )


def _shrunk(image: U8, square: Square, a: F64, factor: int) -> tuple[U8, F64]:
    """The neighbourhood of `square` shrunk by a whole factor, and `a` rewritten for it."""
    height, width = image.shape[:2]
    reach = square.side * 0.75 + factor  # the half diagonal, and a pixel of the result
    x0, x1 = (int(np.clip(square.x + d, 0, width)) for d in (-reach, reach))
    y0, y1 = (int(np.clip(square.y + d, 0, height)) for d in (-reach, reach))
    w, h = (x1 - x0) // factor, (y1 - y0) // factor
    if w < 1 or h < 1:
        return image, a
    part = image[y0 : y0 + h * factor, x0 : x0 + w * factor]
    small = cv2.resize(part, (w, h), interpolation=cv2.INTER_AREA)
    b = (a - np.array([[0, 0, x0], [0, 0, y0]])) / factor
    return np.ascontiguousarray(small, dtype=np.uint8), floats64(b)
