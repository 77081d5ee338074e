"""How true an avatar is that was made from one photograph, in figures.

    python -m trainer.evaluate photo [--json] [--subjects LAM.zip|ict:SEED …] [--out docs/photo]

LAM avatars and ICT-FaceKit heads are photographed once from the front; what the instant recipe
makes of that picture is compared with them from other sides and in motion. Beside each figure
stands a baseline: the mean head with the same free-form step, and a face that does not move at all
(whose motion residual is 100 % by definition).
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image
from rich.progress import Progress

from avatar_rt.arrays import F32, U8, Bool, floats32
from avatar_rt.avatar import Avatar
from avatar_rt.errors import InputError, ParameterError
from avatar_rt.face import face_landmarks
from avatar_rt.head import HeadModel, load_builtin
from avatar_rt.render import Renderer
from avatar_rt.types import Camera
from trainer import metrics
from trainer.evaluate.alignment import Alignment, Portrayed, over_backdrop
from trainer.evaluate.assets import asset, asset_root
from trainer.evaluate.ict_truth import IctHead
from trainer.evaluate.lam_truth import LamHead
from trainer.evaluate.portrayal import (
    JAW,
    Measured,
    Row,
    bytes8,
    measure_pictured,
    measure_solid,
)
from trainer.evaluate.report import write_report
from trainer.portrait.fit import fit_head
from trainer.portrait.photo import photo_from_array
from trainer.recipes.instant import photo_view
from trainer.recipes.instant.recipe import make_avatar

DEFAULT_SUBJECTS = ("lam/status.zip", "lam/p2-1.zip", *(f"ict:{seed}" for seed in range(8)))
DEFAULT_OUT = Path("docs/photo")
_ALMOST_NOTHING = 1e-4
"""Factor on the spread of a model's identities that leaves its mean head."""


@dataclass(frozen=True, slots=True)
class SelfView:
    """The astronaut, made cold in a process of its own, from the photo's own camera."""

    psnr_db: float
    ssim: float
    make_seconds: float
    photo: U8
    ours: U8


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures, prints, and writes the page. Raises InputError for a subject that is none."""
    given = _arguments(arguments)
    names = given.subjects or [str(asset(n)) if "/" in n else n for n in DEFAULT_SUBJECTS]
    truths = [_truth(name) for name in names]
    with Progress(disable=given.json, transient=True) as progress:
        task = progress.add_task("astronaut", total=len(truths) + 1)
        self_view = measure_self()
        measured = []
        for truth in truths:
            progress.update(task, advance=1, description=truth.name)
            measured.append(measure(truth))
    result = as_json(self_view, measured)
    if given.json:
        print(json.dumps(result))
    out = given.out or (None if given.json else DEFAULT_OUT)
    if out is not None:
        pictures = {rows.rows[0].name: rows.pictures for rows in measured if rows.rows}
        pictures = {"astronaut": {"photo": (self_view.photo, self_view.ours)}, **pictures}
        write_report(result, pictures, out)
        print(f"written: {out.with_suffix('.md')}", file=sys.stderr)
    return 0


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m trainer.evaluate photo")
    parser.add_argument("--json", action="store_true", help="print one JSON object, and no more")
    parser.add_argument(
        "--subjects", nargs="+", metavar="LAM.zip|ict:SEED", help="whom to measure on"
    )
    parser.add_argument(
        "--out", type=Path, help=f"write OUT.md and OUT/*.jpg (without --json: {DEFAULT_OUT})"
    )
    return parser.parse_args(arguments)


def _truth(name: str) -> LamHead | IctHead:
    if name.startswith("ict:"):
        seed = name.removeprefix("ict:")
        if not seed.isdecimal():
            raise ParameterError(f"--subjects {name}: the seed must be a number, as in ict:0")
        asset("ict")
        return IctHead(asset_root(), int(seed))
    return LamHead(Path(name))


def measure_self() -> SelfView:
    """Makes the avatar of scikit-image's astronaut as a user would, and looks at it as the photo
    did: PSNR and SSIM over the hull of the face's points."""
    from skimage import data  # noqa: PLC0415 - only here

    photo = np.ascontiguousarray(data.astronaut())  # type: ignore[no-untyped-call]
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "astronaut.png", Path(folder) / "astronaut.avatar"
        Image.fromarray(photo).save(source)
        command = [sys.executable, "-m", "trainer.make", str(source), "-o", str(target), "--json"]
        start = time.perf_counter()
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        seconds = time.perf_counter() - start
        if done.returncode:
            raise InputError(f"the astronaut could not be made: {done.stderr or done.stdout}")
        avatar = Avatar.load(target)
    found = face_landmarks(photo)
    if found is None:
        raise InputError("no face found in the astronaut's photograph")
    camera, params = photo_view(avatar)
    camera = camera.resized(photo.shape[1], photo.shape[0])
    made, _ = over_backdrop(Renderer(avatar), camera, params, 1.0)
    face = _hull(found.points, photo.shape[0], photo.shape[1])
    real = floats32(photo / 255.0)
    return SelfView(
        metrics.psnr(made, real, face), metrics.ssim(made, real, face), seconds, photo, bytes8(made)
    )


def _hull(points: F32, height: int, width: int) -> Bool:
    mask = np.zeros((height, width), np.uint8)
    cv2.fillConvexPoly(mask, cv2.convexHull(points[:, :2].astype(np.int32)), (1,))
    return mask > 0


def measure(truth: LamHead | IctHead) -> Measured:
    """Photographs a truth from the front, makes avatars of that, and measures them."""
    camera = Camera.orbit()
    image, _ = truth.picture(camera, truth.photo_expression)
    photo = photo_from_array(bytes8(image), truth.name)
    model = load_builtin()
    ours = Portrayed(make_avatar(photo, model=model), camera)
    mean_model = replace(model, identity_std=model.identity_std * np.float32(_ALMOST_NOTHING))
    if isinstance(truth, LamHead):
        mean_head = Portrayed(make_avatar(photo, model=mean_model), camera)
        return measure_pictured(truth, ours, mean_head)
    return measure_solid(truth, ours, _mean_head_points(photo.pixels, mean_model, camera))


def _mean_head_points(image: U8, model: HeadModel, camera: Camera) -> F32:
    """(478, 3) landmarks, in the truth's world, of the baseline fitted to a picture."""
    found = face_landmarks(image)
    if found is None:
        raise InputError("no face found in a rendering that should show one")
    fit = fit_head(image, found, model)
    vertices = floats32((fit.photo_vertices() - fit.translation) @ fit.rotation)
    corners = vertices[model.template.faces[model.landmark_faces]]
    points = floats32((corners * model.landmark_barycentric[..., None]).sum(1))
    return Alignment.by_photo(fit.photo_camera(), camera).points(points)


Gains = dict[tuple[str, str], float]
"""(family of truths, motion) → factor on our amplitude."""


def calibrate(measured: Sequence[Measured], *, seen: bool = False) -> Gains:
    """The one factor per family of truths and motion that suits all its subjects.

    How far a shape moves at 1 is a convention of each truth's rig. The jaw stays as it is.
    seen: of the motion as the detector sees it, instead of the solid one.
    """
    pools: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for row in (row for one in measured for row in one.rows):
        motion = row.seen_motion if seen else row.motion
        if motion is None:
            continue
        moved, scale = motion.moved(), motion.unit**2
        ours, real = motion.ours[moved], motion.truth[moved]
        sums = float((ours * real).sum()) / scale, float((ours**2).sum()) / scale
        pools.setdefault((_family(row), row.expression), []).append(sums)
    gains = {}
    for key, pool in pools.items():
        products, squares = np.sum(pool, axis=0)
        gains[key] = 1.0 if key[1] == JAW or squares <= 0 else float(products / squares)
    return gains


def _family(row: Row) -> str:
    return "ICT" if row.name.startswith("ict:") else "LAM"


def as_json(self_view: SelfView, measured: Sequence[Measured]) -> dict[str, Any]:
    """The one object that --json prints; null where a figure does not apply."""
    gains, seen_gains = calibrate(measured), calibrate(measured, seen=True)
    rows = []
    for row in (row for one in measured for row in one.rows):
        entry: dict[str, Any] = {
            "name": row.name,
            "yaw_deg": row.yaw_deg,
            "expression": row.expression,
            "psnr_db": _number(row.psnr_db),
            "ssim": _number(row.ssim),
            "landmark_error_pct": _number(row.landmark_error_pct),
            "mean_head_landmark_error_pct": _number(row.mean_head_error_pct),
            "motion_residual_pct": None,
        }
        if row.motion is not None:
            gain = gains[_family(row), row.expression]
            entry |= {
                "motion_residual_pct": _number(row.motion.residual(gain)),
                "frozen_face_residual_pct": _number(row.motion.residual(0.0)),
                "motion_gain": _number(gain),
                "uncalibrated_residual_pct": _number(row.motion.residual(1.0)),
                "truth_motion_pct": _number(row.motion.truth_size()),
                "seen_motion_residual_pct": None,
            }
        if row.seen_motion is not None:
            gain = seen_gains[_family(row), row.expression]
            entry["seen_motion_residual_pct"] = _number(row.seen_motion.residual(gain))
        rows.append(entry)
    return {
        "self_view": {"psnr_db": _number(self_view.psnr_db), "ssim": _number(self_view.ssim)},
        "make_seconds": round(self_view.make_seconds, 2),
        "subjects": rows,
    }


def _number(value: float) -> float | None:
    return round(value, 4) if math.isfinite(value) else None
