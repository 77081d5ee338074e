"""How faithful a quality is on one avatar: one definition for the avatar file, the command and the
docs.

An avatar is seen in 24 views (8 around × 3 heights) with 5 expressions, over white. In each of
these 120 pictures PSNR is taken over the head, the pixels that the truth covers by more than half;
the lowest counts.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np

from avatar_rt import _core
from avatar_rt.arrays import F32, floats32
from avatar_rt.avatar import Avatar
from avatar_rt.baseline import plain_picture, seen_from
from avatar_rt.render import Renderer
from avatar_rt.types import Camera, FaceParams, Quality

SIZE = 256
"""Pixels a side of the pictures."""
YAWS = tuple(np.deg2rad(np.arange(0, 360, 45)).tolist())
PITCHES = tuple(np.deg2rad([-20.0, 0.0, 20.0]).tolist())
EXPRESSIONS = tuple(
    FaceParams.from_arkit(named)
    for named in (
        {},
        {"jawOpen": 0.6, "eyeBlinkLeft": 1.0, "mouthSmileRight": 1.0},
        {"eyeBlinkLeft": 1.0, "eyeBlinkRight": 1.0, "mouthPucker": 0.8},
        {"mouthSmileLeft": 1.0, "mouthSmileRight": 1.0, "cheekSquintLeft": 0.7,
         "cheekSquintRight": 0.7},
        {"jawOpen": 1.0, "browInnerUp": 1.0, "eyeWideLeft": 1.0, "eyeWideRight": 1.0,
         "eyeLookOutLeft": 0.8, "eyeLookInRight": 0.8},
    )
)  # fmt: skip
PICTURES = len(YAWS) * len(PITCHES) * len(EXPRESSIONS)
ENOUGH_DB = 46.0
"""What quality "fast" must reach in each picture, where the avatar allows it."""
SAME_DB = 99.0
"""What two equal pictures count as."""


def head_psnr_db(picture: F32, truth: F32) -> float:
    """PSNR in dB of two pictures over white, over the pixels that `truth` covers by more than half.

    Both are (H, W, 4) float32 premultiplied RGB and alpha. At most SAME_DB, also without a head.
    """
    head = truth[..., 3] > 0.5
    error = picture[head] - truth[head]
    over_white = error[:, :3] - error[:, 3:]
    mean = float(np.square(over_white).mean(dtype=np.float64)) if head.any() else 0.0
    return min(SAME_DB, -10 * float(np.log10(max(mean, 1e-12))))


def cameras(renderer: Renderer, size: int = SIZE) -> list[Camera]:
    """The 24 views of one avatar."""
    return [renderer.camera(yaw, pitch, size, size) for pitch in PITCHES for yaw in YAWS]


def state_fast_quality(avatar: Avatar, size: int = SIZE) -> None:
    """Finds how much quality "fast" may leave out on this avatar, and how near it then comes to
    "exact": sets metadata["fast_haste"] and metadata["fast_psnr_db"].

    What "fast" leaves out can show through gaps, which each avatar has in other places. The most
    that leaves ENOUGH_DB in each picture is taken, or the least there is. The truth is the core's
    "exact", so that it takes about a second; worst_psnr_db asks more.
    """
    renderer = Renderer(avatar, backend="cpu")  # a file's figures do not depend on its machine
    worst = [SAME_DB] * _core.HASTES
    for face in EXPRESSIONS:
        for view in cameras(renderer, size):
            truth = _picture(renderer, face, view, "exact")
            for haste in range(_core.HASTES):
                if haste > 0 and worst[haste] < ENOUGH_DB:
                    continue
                renderer.haste = haste
                found = head_psnr_db(_picture(renderer, face, view, "fast"), truth)
                worst[haste] = min(worst[haste], found)
    chosen = max(haste for haste in range(_core.HASTES) if haste == 0 or worst[haste] >= ENOUGH_DB)
    avatar.metadata["fast_haste"] = chosen
    avatar.metadata["fast_psnr_db"] = round(worst[chosen], 1)


def worst_psnr_db(
    renderer: Renderer,
    qualities: Sequence[Quality],
    size: int = SIZE,
    seen: Callable[[], None] = lambda: None,
) -> dict[Quality, float]:
    """The lowest PSNR, in dB, of each quality against the truth: the posed Gaussians splatted by
    the plain renderer in float64. `seen` is called after each of the 120 pictures."""
    worst: dict[Quality, float] = dict.fromkeys(qualities, SAME_DB)
    for face, view, truth in _truths(renderer, size):
        for quality in qualities:
            picture = _picture(renderer, face, view, quality)
            worst[quality] = min(worst[quality], head_psnr_db(picture, truth))
        seen()
    return worst


def _picture(renderer: Renderer, face: FaceParams, view: Camera, quality: Quality) -> F32:
    return floats32(renderer.render(face, view, format="float32", quality=quality).pixels)


def _truths(renderer: Renderer, size: int) -> Iterator[tuple[FaceParams, Camera, F32]]:
    """Every face and view with its true picture, (H, W, 4). The views of a face are drawn side by
    side, because the plain renderer keeps to one core."""
    views = cameras(renderer, size)
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        for face in EXPRESSIONS:
            draw = partial(_true_picture, renderer.avatar, renderer.gaussians(face))
            for view, truth in zip(views, pool.map(draw, views), strict=True):
                yield face, view, truth


def _true_picture(avatar: Avatar, shape: tuple[F32, F32], view: Camera) -> F32:
    scene = seen_from(view, avatar, *shape)
    image, alpha, _ = plain_picture(scene, view, "exact", "float64")
    return floats32(np.dstack([image, alpha]))
