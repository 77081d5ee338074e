"""`python -m trainer.sheet AVATAR -o OUT.jpg`: an avatar from all sides and with several faces.

Beside the picture it measures what the eye may miss: how opaque the silhouette is from each side.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps
from scipy import ndimage

from avatar_rt.arrays import F32, U8, floats32
from avatar_rt.avatar import Avatar
from avatar_rt.errors import AvatarRtError
from avatar_rt.render import Renderer
from avatar_rt.types import FaceParams

YAWS = (0, 30, 60, 90, 135, 180, 225, 270, 300, 330)
FACES: tuple[tuple[Mapping[str, float], float], ...] = (
    ({"jawOpen": 0.6}, 0),
    ({"mouthSmileLeft": 0.7, "mouthSmileRight": 0.7, "cheekSquintLeft": 0.4,
      "cheekSquintRight": 0.4}, 0),
    ({"eyeBlinkLeft": 1, "eyeBlinkRight": 1}, 0),
    ({"mouthPucker": 0.8}, 0),
    ({"browInnerUp": 1, "browOuterUpLeft": 1, "browOuterUpRight": 1}, 0),
    ({"eyeLookOutLeft": 0.7, "eyeLookInRight": 0.7}, 0),
    ({"jawOpen": 0.6}, 45),
    ({"eyeBlinkLeft": 1, "eyeBlinkRight": 1}, 45),
    ({"mouthFunnel": 0.8, "jawOpen": 0.2}, 0),
    ({"jawOpen": 1.0}, 0),
)  # fmt: skip
"""ARKit weights and the yaw in degrees from which they are seen."""
COLUMNS = 5
BANNER: tuple[tuple[Mapping[str, float], float], ...] = (
    ({}, 30),
    ({"jawOpen": 0.4, "mouthFunnel": 0.2, "browInnerUp": 0.5}, 0),
    ({"mouthSmileLeft": 0.8, "mouthSmileRight": 0.8, "cheekSquintLeft": 0.5,
      "cheekSquintRight": 0.5}, -25),
    ({"eyeBlinkLeft": 1, "eyeBlinkRight": 1}, 15),
    ({}, 120),
)  # fmt: skip
"""The same for the one row beside the photograph."""


def views(
    renderer: Renderer, moments: Sequence[tuple[Mapping[str, float], float]], size: int
) -> list[F32]:
    """Of each moment (ARKit weights, yaw in degrees) the (size, size, 4) premultiplied picture from
    the avatar's own camera, turned by the yaw."""
    faces = [FaceParams.from_arkit(weights) for weights, _ in moments]
    cameras = [renderer.camera(np.radians(yaw), 0.0, size, size) for _, yaw in moments]
    frames = renderer.render_batch(faces, cameras, format="float32")
    return [floats32(frame.pixels) for frame in frames]


def opacity(alpha: F32) -> float:
    """Mean alpha inside a silhouette: alpha > 0.5 with its holes filled. NaN without one."""
    inside = ndimage.binary_fill_holes(alpha > 0.5)
    return float(alpha[inside].mean()) if inside.any() else float("nan")


def over_white(tile: F32) -> U8:
    """Premultiplied RGBA → (H, W, 3) uint8 over white."""
    return np.clip((tile[..., :3] + 1 - tile[..., 3:]) * 255 + 0.5, 0, 255).astype(np.uint8)


def banner(photo: Image.Image, avatar: Avatar, size: int) -> U8:
    """One row: the photograph's middle square, then its avatar in five moments."""
    faces = views(Renderer(avatar), BANNER, size)
    square = np.asarray(ImageOps.fit(photo.convert("RGB"), (size, size), centering=(0.5, 0.0)))
    return np.hstack([square, *(over_white(face) for face in faces)])


def draw(avatar: Avatar, size: int) -> tuple[U8, dict[str, float]]:
    """The sheet over white, and the opacity of each side."""
    renderer = Renderer(avatar)
    sides = views(renderer, [({}, yaw) for yaw in YAWS], size)
    tiles = [over_white(t) for t in (*sides, *views(renderer, FACES, size))]
    rows = [np.hstack(tiles[k : k + COLUMNS]) for k in range(0, len(tiles), COLUMNS)]
    return np.vstack(rows), {
        f"{yaw}": round(opacity(side[..., 3]), 4) for yaw, side in zip(YAWS, sides, strict=True)
    }


def main(argv: Sequence[str] | None = None) -> int:
    """Draws the sheet and prints the opacities as one JSON object."""
    parser = argparse.ArgumentParser(prog="trainer.sheet", description=__doc__.split("\n")[0])
    parser.add_argument("avatar", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--size", type=int, default=320, help="pixels of each tile's side")
    parser.add_argument("--photo", type=Path, help="one row beside this photograph instead")
    args = parser.parse_args(argv)
    try:
        avatar = Avatar.load(args.avatar)
        sheet, opacities = draw(avatar, args.size)
        if args.photo is not None:
            with Image.open(args.photo) as photo:
                sheet = banner(photo, avatar, args.size)
        Image.fromarray(sheet).save(args.output, quality=88)
    except (AvatarRtError, OSError, ValueError) as error:
        print(f"sheet: {error}", file=sys.stderr)
        return 2
    print(json.dumps({"opacity": opacities}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
