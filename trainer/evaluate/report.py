"""The page that evaluation writes: tables in markdown, and pictures of truth and avatar."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from avatar_rt.arrays import U8
from avatar_rt.files import replacing

_CELL = 190
"""Width of a picture on a sheet, pixels."""
_QUALITY = 85
_INTRODUCTION = """# One photograph, measured against the truth

Written by `python -m trainer.evaluate photo`; do not edit. Each subject is photographed once, from
the front, at 512×512; the `instant` recipe makes an avatar of that picture alone. LAM avatars are
compared by MediaPipe's points on renders of both, after a similarity alignment. ICT-FaceKit heads
are compared in 3D, without a detector, aligned once from the front by scale and shift. Errors are
percentages of the distance between the eyes. PSNR and SSIM are taken over both heads down to the
chin and have no threshold: LAM avatars break up past 30°, and ICT heads have no hair.

Baselines: the *mean head* goes through the same free-form step, without identity shapes; a *frozen
face* leaves 100 % of every motion.
"""
_MOTION = """A residual is what is left of the truth's mean motion, over the points that the truth
moves by more than 2 %; for smile and blink over lip and lid points, after one factor on our
amplitude per shape and family of truths. The jaw has no such factor. Both are measured in 3D, mesh
against mesh; the last column is what MediaPipe makes of renders of both (LAM only), which for a
statue's lids and a faint smile is mostly its own noise.
"""
Columns = Mapping[str, tuple[U8, U8]]


def write_report(result: Mapping[str, Any], pictures: Mapping[str, Columns], out: Path) -> None:
    """Writes OUT.md and OUT/NAME.jpg, each whole or not at all.

    result: what --json prints. pictures: subject → column title → (truth, ours) uint8 RGB.
    """
    out.mkdir(parents=True, exist_ok=True)
    links = []
    for name, columns in pictures.items():
        file = out / f"{name.replace(':', '-')}.jpg"
        with replacing(file) as path:
            _write_jpeg(path, _sheet(columns))
        titles = ", ".join(columns)
        links += [
            f"\n{name}: truth above, avatar below; {titles}.\n",
            f"![]({out.name}/{file.name})",
        ]
    with replacing(out.with_suffix(".md")) as path:
        path.write_text("\n".join([*_page(result), *links]) + "\n", encoding="utf-8")


def _page(result: Mapping[str, Any]) -> Iterator[str]:
    yield _INTRODUCTION
    own = result["self_view"]
    yield (
        f"Astronaut, from the photo's own camera, over the face: {_fixed(own['psnr_db'])} dB, SSIM "
        f"{_fixed(own['ssim'], 3)}; made in {_fixed(result['make_seconds'], 1)} s, cold.\n"
    )
    rows: list[Mapping[str, Any]] = result["subjects"]
    still = [row for row in rows if row["motion_residual_pct"] is None]
    yield "## Other views\n"
    yield from _table(
        ("subject", "yaw °", "landmarks %", "mean head %", "PSNR dB", "SSIM"),
        [
            (row["name"], str(row["yaw_deg"]), _fixed(row["landmark_error_pct"]),
             _fixed(row["mean_head_landmark_error_pct"]), _fixed(row["psnr_db"], 1),
             _fixed(row["ssim"], 3))
            for row in still
        ],
    )  # fmt: skip
    yield "\nMeans per family and size of the turn:\n"
    yield from _table(("family", "turn °", "landmarks %", "mean head %"), list(_means(still)))
    yield "\n## Motion\n"
    yield _MOTION
    yield from _table(
        ("subject", "motion", "truth moves %", "residual %", "factor", "residual without %",
         "frozen %", "seen by MediaPipe %"),
        [
            (row["name"], row["expression"], _fixed(row["truth_motion_pct"]),
             _fixed(row["motion_residual_pct"], 0), _fixed(row["motion_gain"]),
             _fixed(row["uncalibrated_residual_pct"], 0),
             _fixed(row["frozen_face_residual_pct"], 0),
             _fixed(row["seen_motion_residual_pct"], 0))
            for row in rows if row["motion_residual_pct"] is not None
        ],
    )  # fmt: skip
    yield "\n## Pictures"


def _means(rows: Iterable[Mapping[str, Any]]) -> Iterator[tuple[str, ...]]:
    groups: dict[tuple[str, int], list[tuple[float, float]]] = {}
    for row in rows:
        values = row["landmark_error_pct"], row["mean_head_landmark_error_pct"]
        if None not in values:
            family = "ICT" if row["name"].startswith("ict:") else "LAM"
            groups.setdefault((family, abs(row["yaw_deg"])), []).append(values)
    for (family, turn), pairs in groups.items():
        ours, mean = np.mean(pairs, axis=0)
        yield family, f"±{turn}" if turn else "0", _fixed(ours), _fixed(mean)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield f"|{'---|' * len(head)}"
    for row in rows:
        yield f"| {' | '.join(row)} |"


def _fixed(value: float | None, digits: int = 2) -> str:
    return "–" if value is None else f"{value:.{digits}f}"


def _sheet(columns: Columns) -> U8:
    """Truth in the upper row, ours in the lower, one column per title."""
    return np.concatenate(
        [np.concatenate([_cell(a), _cell(b)]) for a, b in columns.values()], axis=1
    )


def _cell(image: U8) -> U8:
    """The picture's middle, where heads are, at the size of a cell."""
    height, width = image.shape[:2]
    left, top = round(width * 0.12), round(height * 0.04)
    return _resized(image[top : height - 2 * top, left : width - left], _CELL, round(_CELL * 1.16))


def _resized(image: U8, width: int, height: int) -> U8:
    return np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def _write_jpeg(path: Path, image: U8) -> None:
    _, data = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    path.write_bytes(data.tobytes())
