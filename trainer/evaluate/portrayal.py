"""One subject measured: how close an avatar made from one frontal picture comes to the truth.

A LAM avatar is compared as a user would see it: MediaPipe's points on renders of both, brought
together by a similarity in the image. An ICT head is known in 3D, and so is compared without any
detector: the points behind the photo's landmarks, aligned once from the front (scale and shift),
then seen from all sides. Face outlines are left out there: they belong to no fixed point of skin.

Motion is compared in 3D for both, point by point of the meshes; for LAM avatars also as MediaPipe
sees it on renders, where closed lids of a statue or a faint smile drown in its own noise.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from avatar_rt.arrays import F32, F64, I32, U8, Bool, floats64
from avatar_rt.face import face_landmarks
from avatar_rt.rotation import matrix_from_euler
from avatar_rt.types import Camera, FaceParams
from trainer import metrics
from trainer.evaluate.alignment import Portrayed
from trainer.evaluate.ict_truth import IctHead
from trainer.portrait.points import EYES, LIPS, OVAL

POINTS = 468
"""Landmarks of the face without the irises."""
YAWS = (0, 30, -30, 60, -60)
JAW, SMILE, BLINK = "jawOpen 0.6", "smile 0.6", "blink 1.0"
MOTIONS: dict[str, dict[str, float]] = {
    JAW: {"jawOpen": 0.6},
    SMILE: {"mouthSmileLeft": 0.6, "mouthSmileRight": 0.6},
    BLINK: {"eyeBlinkLeft": 1.0, "eyeBlinkRight": 1.0},
}
_WATCHED: dict[str, Bool] = {
    JAW: np.ones(POINTS, np.bool_),
    SMILE: np.isin(np.arange(POINTS), LIPS),
    BLINK: np.isin(np.arange(POINTS), EYES),
}
_INSIDE = ~np.isin(np.arange(POINTS), OVAL)


@dataclass(frozen=True, slots=True)
class Motion:
    """How landmarks moved, ours and the truth's, over the points that a shape is judged by."""

    ours: F64
    """(N, D)"""
    truth: F64
    """(N, D)"""
    unit: float
    """The distance between the eyes, in the same unit."""

    def moved(self) -> Bool:
        """(N,) the points that the truth moves by more than 2 % of the distance between eyes."""
        return np.asarray(np.linalg.norm(self.truth, axis=1) > 0.02 * self.unit, np.bool_)

    def residual(self, gain: float) -> float:
        """Percent of the truth's mean motion that is left when ours is taken `gain` times."""
        return metrics.motion_residual(self.ours, self.truth, self.unit, gain=gain)

    def truth_size(self) -> float:
        """The truth's mean motion over the moved points, percent of the distance between eyes."""
        moved = self.moved()
        if not moved.any():
            return float("nan")
        return float(np.linalg.norm(self.truth[moved], axis=1).mean() / self.unit * 100)


@dataclass(slots=True)
class Row:
    """One view or one motion of one subject. NaN where something does not apply."""

    name: str
    yaw_deg: int
    expression: str
    psnr_db: float
    ssim: float
    landmark_error_pct: float = float("nan")
    mean_head_error_pct: float = float("nan")
    """The same for the baseline: a mean head with the same free-form step."""
    motion: Motion | None = None
    seen_motion: Motion | None = None
    """The same as MediaPipe sees it on renders."""


@dataclass(slots=True)
class Measured:
    """All rows of a subject, and its pictures: (truth, ours) by column title."""

    rows: list[Row] = field(default_factory=list)
    pictures: dict[str, tuple[U8, U8]] = field(default_factory=dict)

    def add_picture(self, title: str, truth: F32, ours: F32) -> None:
        self.pictures[title] = (bytes8(truth), bytes8(ours))


class Pictured(Protocol):
    """A truth that can be looked at, and whose face points are known as they move."""

    name: str
    backdrop: float

    def picture(self, camera: Camera, arkit: Mapping[str, float]) -> tuple[F32, F32]: ...

    def points(self, arkit: Mapping[str, float]) -> F32: ...


def bytes8(image: F32) -> U8:
    """(H, W, 3) in [0, 1] → uint8."""
    return np.asarray(image * 255 + 0.5, np.uint8)


def points_in(image: F32) -> F64 | None:
    """(468, 2) pixels of the face in a picture (H, W, 3); None where none is found."""
    found = face_landmarks(bytes8(image))
    return None if found is None else floats64(found.points[:POINTS, :2])


def measure_pictured(truth: Pictured, ours: Portrayed, mean_head: Portrayed) -> Measured:
    """A truth that is judged by its pictures (LAM)."""
    result, rest = Measured(), FaceParams()
    unit, chin = _scale(truth)
    for yaw in YAWS:
        camera = Camera.orbit(np.radians(yaw))
        image, alpha = truth.picture(camera, {})
        made, made_alpha = ours.picture(rest, camera, truth.backdrop)
        mean, _ = mean_head.picture(rest, camera, truth.backdrop)
        row = _pictured_row(truth.name, yaw, "neutral", (image, alpha), (made, made_alpha), chin)
        row.landmark_error_pct = _seen_error(made, image, unit)
        row.mean_head_error_pct = _seen_error(mean, image, unit)
        result.rows.append(row)
        result.add_picture(f"{yaw}°", image, made)
    front = Camera.orbit()
    still = [points_in(h) for h in (truth.picture(front, {})[0],
                                    ours.picture(rest, front, truth.backdrop)[0])]  # fmt: skip
    for name, weights in MOTIONS.items():
        image, alpha = truth.picture(front, weights)
        made, made_alpha = ours.picture(FaceParams.from_arkit(weights), front, truth.backdrop)
        row = _pictured_row(truth.name, 0, name, (image, alpha), (made, made_alpha), chin)
        moved = [points_in(image), points_in(made)]
        if all(p is not None for p in (*still, *moved)):
            change = [floats64(b) - floats64(a) for a, b in zip(still, moved, strict=True)]  # type: ignore[arg-type]
            watched = _WATCHED[name]
            row.seen_motion = Motion(change[1][watched], change[0][watched], unit)
        solid = (truth.points(weights) - truth.points({}))[:POINTS]
        row.motion = _solid_motion(ours, name, solid, metrics.eye_distance(truth.points({})))
        result.rows.append(row)
        result.add_picture(name, image, made)
    return result


def measure_solid(truth: IctHead, ours: Portrayed, mean_head: F32) -> Measured:
    """A truth that is known in 3D (ICT). mean_head: (478, 3) landmarks of the baseline, in the
    truth's world, as in the photo."""
    result, front = Measured(), Camera.orbit()
    seen = truth.render(front, truth.photo_expression)
    found = face_landmarks(seen.image)
    if found is None:
        return result
    chin = float(found.points[152, 1])
    anchors = truth.anchors(seen, found.points[:POINTS])
    solid = truth.points(anchors, truth.photo_expression)
    made_points, mean_points = ours.landmarks(ours.photo)[:POINTS], mean_head[:POINTS]
    for yaw in YAWS:
        camera = Camera.orbit(np.radians(yaw))
        image, alpha = truth.picture(camera, truth.photo_expression)
        made, made_alpha = ours.picture(ours.photo, camera, truth.backdrop)
        row = _pictured_row(truth.name, yaw, "photo", (image, alpha), (made, made_alpha), chin)
        row.landmark_error_pct = solid_error(made_points, solid, yaw, truth.eye_distance)
        row.mean_head_error_pct = solid_error(mean_points, solid, yaw, truth.eye_distance)
        result.rows.append(row)
        result.add_picture(f"{yaw}°", image, made)
    lips = _lip_anchors(truth, front, anchors)
    for name, weights in MOTIONS.items():
        image, alpha = truth.picture(front, weights)
        made, made_alpha = ours.picture(FaceParams.from_arkit(weights), front, truth.backdrop)
        row = _pictured_row(truth.name, 0, name, (image, alpha), (made, made_alpha), chin)
        solid_motion = truth.points(lips, weights) - truth.points(lips, {})
        row.motion = _solid_motion(ours, name, solid_motion, truth.eye_distance)
        result.rows.append(row)
        result.add_picture(name, image, made)
    return result


def _solid_motion(ours: Portrayed, name: str, truth: F32, unit: float) -> Motion:
    """Our motion `name` beside the truth's (468, 3), over the points that it is judged by."""
    moved = ours.landmarks(FaceParams.from_arkit(MOTIONS[name]))
    own = (moved - ours.landmarks(FaceParams()))[:POINTS]
    watched = _WATCHED[name] & np.isfinite(truth).all(1) & np.isfinite(own).all(1)
    return Motion(floats64(own[watched]), floats64(truth[watched]), unit)


def solid_error(points: F32, truth: F32, yaw: float, unit: float) -> float:
    """Percent of `unit` between (N, 3) points seen from `yaw` degrees, after they were brought
    together from the front by scale and shift; (N, 3) rows with NaN, and outlines, are left out."""
    use = _INSIDE[: len(points)] & np.isfinite(points).all(1) & np.isfinite(truth).all(1)
    a, b = floats64(points[use]), floats64(truth[use])
    a, b = a - a.mean(0), b - b.mean(0)
    scale = float((a[:, :2] * b[:, :2]).sum() / (a[:, :2] ** 2).sum())
    gap = (scale * a - b) @ matrix_from_euler(np.radians(-yaw), 0, 0).T
    return float(np.linalg.norm(gap[:, :2], axis=1).mean() / unit * 100)


def _scale(truth: Pictured) -> tuple[float, float]:
    """Pixels between the eyes, and the chin's row, as the truth is photographed."""
    points = points_in(truth.picture(Camera.orbit(), {})[0])
    if points is None:
        return float("nan"), float("inf")
    return metrics.eye_distance(points), float(points[152, 1])


def _lip_anchors(truth: IctHead, camera: Camera, anchors: tuple[I32, F32]) -> tuple[I32, F32]:
    """`anchors`, with those of the lips taken where an open mouth tells upper from lower."""
    parted = {"jawOpen": 0.4}
    seen = truth.render(camera, parted)
    found = face_landmarks(seen.image)
    if found is None:
        return anchors
    triangle, barycentric = truth.anchors(seen, found.points[:POINTS])
    lips = list(LIPS)
    merged = anchors[0].copy(), anchors[1].copy()
    merged[0][lips], merged[1][lips] = triangle[lips], barycentric[lips]
    return merged


def _seen_error(image: F32, truth: F32, unit: float) -> float:
    a, b = points_in(image), points_in(truth)
    return float("nan") if a is None or b is None else metrics.landmark_error(a, b, unit)


def _pictured_row(
    name: str,
    yaw: int,
    expression: str,
    truth: tuple[F32, F32],
    ours: tuple[F32, F32],
    chin: float,
) -> Row:
    """PSNR and SSIM over either head, down to the chin: shoulders and clothes are not asked for."""
    head = (truth[1] > 0.5) | (ours[1] > 0.5)
    rows = np.arange(head.shape[0])[:, None] + 0.5
    head &= rows < chin
    values = metrics.psnr(ours[0], truth[0], head), metrics.ssim(ours[0], truth[0], head)
    return Row(name, yaw, expression, *values)
