"""What one exact frame of an avatar costs the CUDA core, counted without a device: which tiles each
Gaussian touches, and the walk of every tile's warps, step by step as csrc/cuda/walk.h goes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from avatar_rt import _core
from avatar_rt.arrays import F32, I64, Bool, floats32
from avatar_rt.baseline import Posed, posed
from avatar_rt.render import Renderer
from avatar_rt.types import Camera, FaceParams

# csrc/cuda/jobs.h, csrc/cuda/cover.h, csrc/math
SIDE, WARP, BLOCK = 16, 32, 256
PATCH_WIDTH, PATCH_HEIGHT = 8, 4
ALONE = 16
_MARGIN, _LOG2_ROOT, _TWO_LN2 = np.float32(1e-3), np.float32(0.8493218), np.float32(1.38629436)
_NEAR, _FRUSTUM_MARGIN = 0.01, 0.3


@dataclass(frozen=True, slots=True)
class Splats:
    """Gaussians on the screen, as csrc/math/project.h has them; N of them."""

    place: F32
    """(N, 3): x and y in pixels, depth in metres."""
    shape: F32
    """(N, 3): l11, l21, l22, times √(log2(e) / 2)."""
    level: F32
    """(N,) log2 of the opacity."""
    boxes: I64
    """(N, 4) tiles: left, top, and one past right and bottom; all 0 where nothing is drawn."""
    colors: F32
    """(N, 3)."""

    def take(self, rows: I64) -> Splats:
        """Some of them."""
        return Splats(
            self.place[rows], self.shape[rows], self.level[rows], self.boxes[rows],
            self.colors[rows],
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Walk:
    """What the warps of a tile did, 8 of them."""

    steps: I64
    """(8,): Gaussians that touched the warp's patch before it closed."""
    chunks: I64
    """(8,): groups of 32 entries that the warp tested."""
    staged: int
    """Entries that were brought into shared memory."""
    pairs: int
    """(Gaussian, pixel) with alpha above the least, on a pixel that is still open."""
    picture: F32
    """(16, 16, 4): colours, premultiplied, and alpha."""


@dataclass(frozen=True, slots=True)
class Counts:
    """A whole frame."""

    gaussians: int
    drawn: int
    """Gaussians that touch a tile."""
    tests: int
    """(Gaussian, tile) of all boxes: each is tested in `project`, and once more in `enter`."""
    test_rounds: int
    """Rounds of those tests, a warp's at a time."""
    entries: int
    entries_of_tile: I64
    """(rows · columns,)."""
    steps_of_warp: I64
    """(tiles, 8), as chunks_of_warp."""
    chunks_of_warp: I64
    staged_of_tile: I64
    pairs: int
    picture: F32
    """(H, W, 4) of what was counted: that it is the core's shows that nothing was missed."""


def project(scene: Posed, camera: Camera, alpha_min: float) -> Splats:
    """Posed Gaussians on the screen: csrc/math/project.h and `settle` of csrc/cuda/settle.h."""
    R, t = camera.viewmat[:3, :3], camera.viewmat[:3, 3]
    fx, fy, cx, cy = (camera.K[k] for k in ((0, 0), (1, 1), (0, 2), (1, 2)))
    m = scene.means.astype(np.float64) @ R.T + t
    with np.errstate(divide="ignore", invalid="ignore"):
        slope = m[:, :2] / m[:, 2:]
        end = np.array([camera.width, camera.height])
        focal, principal = np.array([fx, fy]), np.array([cx, cy])
        margin = _FRUSTUM_MARGIN * end / (2 * focal)
        frozen = slope.clip(-principal / focal - margin, (end - principal) / focal + margin)
        rows = (R[:2] - frozen[..., None] * R[2]) * (focal / m[:, 2:])[..., None]
        S = scene.covars.astype(np.float64)[:, [0, 1, 2, 1, 3, 4, 2, 4, 5]].reshape(-1, 3, 3)
        flat = rows @ S @ rows.transpose(0, 2, 1) + _core.LOW_PASS * np.eye(2)
        xx, xy, yy = flat[:, 0, 0], flat[:, 0, 1], flat[:, 1, 1]
        per_y, per_area = 1 / np.sqrt(yy), 1 / np.sqrt(xx * yy - xy * xy)
        shape = np.stack([yy * per_y * per_area, -xy * per_y * per_area, per_y], -1)
        level = np.log2(np.minimum(scene.opacities, 1), where=scene.opacities > 0,
                        out=np.full(len(m), -1000, np.float32))  # fmt: skip
    place = floats32(np.concatenate([slope * focal + principal, m[:, 2:]], 1))
    least = np.float32(np.log2(alpha_min))
    here = (m[:, 2] >= _NEAR) & (level > least) & np.isfinite(shape).all(1)
    reach = np.sqrt(_TWO_LN2 * (level - least + _MARGIN).clip(0))[:, None] * np.sqrt(
        np.stack([xx, yy], -1).clip(0)
    )
    low = np.ceil(place[:, :2] - reach - 0.5).clip(0, end)
    high = np.floor(place[:, :2] + reach - 0.5).clip(-1, end - 1)
    here &= (low <= high).all(1)
    low, high = np.where(here[:, None], low, 0), np.where(here[:, None], high, -SIDE)
    boxes = np.concatenate([low // SIDE, high // SIDE + 1], 1).astype(np.int64)
    return Splats(place, floats32(_LOG2_ROOT * shape), floats32(level), boxes, scene.colors)


def touches(
    splats: Splats, least: np.float32, left: F32, top: F32, right: F32, bottom: F32
) -> Bool:
    """Whether ellipses reach rectangles of pixel centres; csrc/math/cover.h. All (N,), or (N, 1)
    shaped splats against (K,) rectangles → (N, K)."""
    l11, l21, l22 = (splats.shape[:, k, None] for k in range(3))
    dx = (left - splats.place[:, :1], right - splats.place[:, :1])
    dy = (top - splats.place[:, 1:2], bottom - splats.place[:, 1:2])
    per_x, per_y = -l11 * l21 / (l21 * l21 + l22 * l22), -l21 / l11
    x, y = np.clip(np.float32(0), *dx), np.clip(np.float32(0), *dy)
    beside, below = np.clip(per_x * x, *dy), np.clip(per_y * y, *dx)
    first = np.square(l11 * x + l21 * beside) + np.square(l22 * beside)
    second = np.square(l11 * below + l21 * y) + np.square(l22 * y)
    found: Bool = np.minimum(first, second) <= splats.level[:, None] - least + _MARGIN
    return found


def _entries(splats: Splats, least: np.float32) -> tuple[I64, I64, int, int]:
    """Gaussian and tile (column, row) of each entry; how many tests, in how many rounds."""
    size = splats.boxes[:, 2:] - splats.boxes[:, :2]
    tests = size.prod(1)
    owner = np.repeat(np.arange(len(tests)), tests)
    number = np.arange(len(owner)) - np.repeat(tests.cumsum() - tests, tests)
    columns = size[owner, 0]
    tiles = splats.boxes[owner, :2] + np.stack([number % columns, number // columns], -1)
    corner = floats32(tiles * SIDE + 0.5)
    hit = np.zeros(len(owner), bool)
    for first in range(0, len(owner), 1 << 18):
        part = slice(first, first + (1 << 18))
        x, y = corner[part, :1], corner[part, 1:]
        hit[part] = touches(
            splats.take(owner[part]), least, x, y, x + (SIDE - 1), y + (SIDE - 1)
        )[:, 0]  # fmt: skip
    # a lane goes through its small box alone, while the others wait; large ones take the whole warp
    by_warp = np.pad(tests, (0, -len(tests) % WARP)).reshape(-1, WARP)
    alone = np.where(by_warp > ALONE, 0, by_warp).max(1, initial=0).sum()
    together = np.where(by_warp > ALONE, -(-by_warp // WARP), 0).sum()
    return owner[hit], tiles[hit], len(owner), int(alone + together)


def _ordered(splats: Splats, owner: I64, tiles: I64, columns: int, bits: int) -> tuple[I64, I64]:
    """Entries by tile, then by as much of the depth as a key holds: tile numbers and Gaussians."""
    depth = splats.place[owner, 2].view(np.uint32).astype(np.int64)
    depth -= depth.min() if len(depth) else 0
    needed = int(depth.max(initial=0)).bit_length()
    number = tiles[:, 1] * columns + tiles[:, 0]
    order = np.argsort((number << 32) | (depth >> max(needed - bits, 0)), kind="stable")
    return number[order], owner[order]


def tile_bits(tiles: int) -> int:
    """How many bits of a key are the tile's: csrc/cuda/plan.cpp."""
    return tiles.bit_length()


def _pixels(column: int, row: int) -> tuple[I64, I64]:
    """x and y of a tile's 256 pixels, warp by warp."""
    warp, lane = np.divmod(np.arange(BLOCK), WARP)
    x = column * SIDE + warp % 2 * PATCH_WIDTH + lane % PATCH_WIDTH
    y = row * SIDE + warp // 2 * PATCH_HEIGHT + lane // PATCH_WIDTH
    return x, y


def walk(
    splats: Splats, camera: Camera, column: int, row: int, alpha_min: float, close: float
) -> Walk:
    """A tile's walk over its sorted entries, until all of its warps have closed."""
    least, warps = np.float32(np.log2(alpha_min)), BLOCK // WARP
    x, y = _pixels(column, row)
    inside = (x < camera.width) & (y < camera.height)
    px, py = floats32(x + 0.5), floats32(y + 0.5)
    corner_x, corner_y = px[::WARP], py[::WARP]
    T, sums = np.ones(BLOCK, np.float32), np.zeros((BLOCK, 3), np.float32)
    steps, chunks = np.zeros(warps, np.int64), np.zeros(warps, np.int64)
    open_, staged, pairs = np.ones(warps, bool), 0, 0
    for first in range(0, len(splats.level), BLOCK):
        part = splats.take(np.arange(first, min(first + BLOCK, len(splats.level))))
        staged += len(part.level)
        touch = touches(part, least, corner_x, corner_y, corner_x + (PATCH_WIDTH - 1),
                        corner_y + (PATCH_HEIGHT - 1))  # fmt: skip
        dx, dy = px - part.place[:, :1], py - part.place[:, 1:2]
        u = part.shape[:, :1] * dx + part.shape[:, 1:2] * dy
        power = part.level[:, None] - u * u - np.square(part.shape[:, 2:] * dy)
        seen = (power >= least) & np.repeat(touch, WARP, axis=1)
        alpha = np.where(seen, np.minimum(np.exp2(power), np.float32(_core.ALPHA_MAX)), 0)
        for k in range(0, len(alpha), WARP):
            rows, mine = slice(k, k + WARP), np.repeat(open_, WARP)
            steps += touch[rows].sum(0) * open_
            chunks += open_
            own = np.where(mine, alpha[rows], np.float32(0))
            before = T * np.cumprod(1 - np.vstack([np.zeros((1, BLOCK), np.float32), own]), axis=0)
            weight = own * before[:-1]
            pairs += int(((own > 0) & (before[:-1] >= close) & inside).sum())
            sums += weight.T @ part.colors[rows]
            T = floats32(before[-1])
            open_ = open_ & ((close < T) & inside).reshape(warps, WARP).any(1)
            if not open_.any():
                break
        if not open_.any():
            break
    picture = np.zeros((SIDE, SIDE, 4), np.float32)
    picture[y % SIDE, x % SIDE] = np.concatenate([sums, 1 - T[:, None]], 1)
    return Walk(steps, chunks, staged, pairs, picture)


def count(
    renderer: Renderer,
    face: FaceParams,
    camera: Camera,
    step: Callable[[float], None] = lambda _share: None,
) -> Counts:
    """Counts an exact frame. `step` is told each part's share of the whole."""
    alpha_min, close = _core.thresholds("exact")
    least = np.float32(np.log2(alpha_min))
    splats = project(posed(renderer, face, camera), camera, alpha_min)
    owner, of_tile, tests, rounds = _entries(splats, least)
    columns, rows = -(-camera.width // SIDE), -(-camera.height // SIDE)
    tiles = columns * rows
    bits = 32 - tile_bits(tiles)
    numbers, owner = _ordered(splats, owner, of_tile, columns, bits if bits >= 16 else 32)
    begin = np.searchsorted(numbers, np.arange(tiles + 1))
    step(0.1)
    picture = np.zeros((rows * SIDE, columns * SIDE, 4), np.float32)
    walks = []
    for tile in range(tiles):
        row, column = divmod(tile, columns)
        mine = splats.take(owner[begin[tile] : begin[tile + 1]])
        walks.append(walk(mine, camera, column, row, alpha_min, close))
        picture[row * SIDE :, column * SIDE :][:SIDE, :SIDE] = walks[-1].picture
        step(0.9 / tiles)
    return Counts(
        gaussians=len(splats.level),
        drawn=len(np.unique(owner)),
        tests=tests,
        test_rounds=rounds,
        entries=len(owner),
        entries_of_tile=np.diff(begin),
        steps_of_warp=np.stack([w.steps for w in walks]),
        chunks_of_warp=np.stack([w.chunks for w in walks]),
        staged_of_tile=np.array([w.staged for w in walks]),
        pairs=sum(w.pairs for w in walks),
        picture=picture[: camera.height, : camera.width],
    )
