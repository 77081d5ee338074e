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
_GOALS = """What is asked for is asked of the means of a family, not of each subject."""
_VIEW_GOALS: Mapping[tuple[str, int], float] = {
    ("ICT", 30): 2.8, ("ICT", 60): 4.5, ("LAM", 0): 1.5, ("LAM", 30): 5.0,
}  # fmt: skip
"""(family, size of the turn in degrees) → most percent of the distance between the eyes."""
_BETTER_THAN_MEAN = {("ICT", 30), ("ICT", 60)}
_MOTION_GOALS: Mapping[str, float] = {"jawOpen": 40, "smile": 70, "blink": 70}
"""Motion → most percent that may be left of it."""
_FACE_DB, _FACE_SSIM, _SECONDS = 28.0, 0.93, 10.0
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
        f"{_fixed(own['ssim'], 3)}; made in {_fixed(result['make_seconds'], 1)} s, cold. "
        f"Asked for: ≥ {_FACE_DB:.0f} dB, ≥ {_FACE_SSIM}, ≤ {_SECONDS:.0f} s: "
        f"{_self_verdict(result)}.\n"
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
    yield from _table(
        ("family", "turn °", "landmarks %", "mean head %", "asked for", "verdict"),
        list(_means(still)),
    )
    yield f"\n{_GOALS} Single subjects above it: {_listed(_misses(still))}."
    yield f"\nNo better than the mean head: {_listed(_no_better(still))}."
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
    moving = [row for row in rows if row["motion_residual_pct"] is not None]
    yield "\nMeans per family:\n"
    yield from _table(
        ("family", "motion", "residual %", "asked for", "verdict"), list(_motion_means(moving))
    )
    yield f"\nSingle subjects above it: {_listed(_motion_misses(moving))}."
    yield "\n## Pictures"


def _self_verdict(result: Mapping[str, Any]) -> str:
    own, missed = result["self_view"], []
    if own["psnr_db"] is None or own["psnr_db"] < _FACE_DB:
        missed.append("PSNR")
    if own["ssim"] is None or own["ssim"] < _FACE_SSIM:
        missed.append("SSIM")
    if result["make_seconds"] > _SECONDS:
        missed.append("time")
    return f"missed by {', '.join(missed)}" if missed else "met"


def _family(row: Mapping[str, Any]) -> str:
    return "ICT" if row["name"].startswith("ict:") else "LAM"


def _means(rows: Iterable[Mapping[str, Any]]) -> Iterator[tuple[str, ...]]:
    groups: dict[tuple[str, int], list[tuple[float, float]]] = {}
    for row in rows:
        values = row["landmark_error_pct"], row["mean_head_landmark_error_pct"]
        if None not in values:
            groups.setdefault((_family(row), abs(row["yaw_deg"])), []).append(values)
    for key, pairs in groups.items():
        ours, mean = (float(value) for value in np.mean(pairs, axis=0))
        most, better = _VIEW_GOALS.get(key), key in _BETTER_THAN_MEAN
        asked = "–" if most is None else f"≤ {most}" + (", better than the mean head" * better)
        met = most is None or (ours <= most and (ours < mean or not better))
        family, turn = key
        yield (
            family, f"±{turn}" if turn else "0", _fixed(ours), _fixed(mean), asked,
            "–" if most is None else _verdict(met),
        )  # fmt: skip


def _motion_means(rows: Iterable[Mapping[str, Any]]) -> Iterator[tuple[str, ...]]:
    groups: dict[tuple[str, str], list[float]] = {}
    for row in rows:
        groups.setdefault((_family(row), row["expression"]), []).append(row["motion_residual_pct"])
    for (family, motion), values in groups.items():
        mean, most = float(np.mean(values)), _motion_goal(motion)
        yield family, motion, _fixed(mean, 0), f"≤ {most:.0f}", _verdict(mean <= most)


def _motion_goal(expression: str) -> float:
    return _MOTION_GOALS.get(expression.split(maxsplit=1)[0], 100.0)


def _verdict(met: bool) -> str:
    return "met" if met else "missed"


def _misses(rows: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    for row in rows:
        error = row["landmark_error_pct"]
        most = _VIEW_GOALS.get((_family(row), abs(row["yaw_deg"])))
        if error is not None and most is not None and error > most:
            yield f"{row['name']} at {row['yaw_deg']}° ({error:.2f} > {most})"


def _no_better(rows: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    for row in rows:
        error, mean = row["landmark_error_pct"], row["mean_head_landmark_error_pct"]
        if None not in (error, mean) and error >= mean:
            yield f"{row['name']} at {row['yaw_deg']}° ({error:.2f}, mean head {mean:.2f})"


def _motion_misses(rows: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    for row in rows:
        residual, most = row["motion_residual_pct"], _motion_goal(row["expression"])
        if residual > most:
            yield f"{row['name']}, {row['expression']} ({residual:.0f} > {most:.0f})"


def _listed(items: Iterable[str]) -> str:
    return "; ".join(items) or "none"


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
