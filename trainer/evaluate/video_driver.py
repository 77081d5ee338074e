"""How well the video driver reads a face whose every movement is known.

    python -m trainer.evaluate video_driver [AVATAR.zip] [--expressions FILE.json] [--json]

A LAM avatar, made by others, is rendered into films: talking (recorded expressions), turning its
head, looking about, and all at once. The driver tracks each film as it would a user's; beside it
stands the best that a constant could say.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from avatar_rt.arkit import ARKIT_INDEX
from avatar_rt.arrays import F32, F64, floats32, floats64
from avatar_rt.drivers.recording import Recording, load_recording
from avatar_rt.drivers.video import track_video
from avatar_rt.errors import InputError
from avatar_rt.face.standard import DEFAULT_FOCAL
from avatar_rt.importers import import_avatar
from avatar_rt.render import Renderer
from avatar_rt.rotation import (
    axis_angle_from_matrix,
    euler_from_matrix,
    matrix_from_axis_angle,
    matrix_from_euler,
)
from avatar_rt.types import FaceParams

FPS = 30
REST = 1.0
"""Seconds at rest at the beginning of each film, from which the driver learns the face."""
TURN = np.radians([35.0, 20.0, 15.0])
"""How far yaw, pitch and roll go …"""
TURN_PERIODS = np.array([4.1, 5.3, 3.1])
"""… and in how many seconds there and back."""
LOOK, LOOK_PERIODS = np.radians([25.0, 15.0]), np.array([2.3, 3.7])
SWAY = np.radians([3.0, 2.0, 1.0])
"""Of the head while it talks."""
READ = ("jawOpen", "eyeBlinkLeft", "eyeBlinkRight")
OTHERS = ("mouthPucker", "mouthStretchLeft", "mouthUpperUpLeft", "mouthLowerDownLeft")
LEAST = {"jawOpen": 0.9, "eyeBlinkLeft": 0.8, "eyeBlinkRight": 0.8}
"""Correlation over the talking film."""
MOST_DEGREES = 3.0
"""Mean error of yaw, of pitch and of roll over the turning film."""


@dataclass(frozen=True)
class Film:
    """What happens in one film: T states, 30 a second."""

    name: str
    states: list[FaceParams]
    turn: F64
    """(T, 3) yaw, pitch, roll, radians."""
    look: F64
    """(T, 2) yaw, pitch of both eyes, radians."""


def films(talk: Recording) -> list[Film]:
    """The four films."""
    still = np.zeros((int(7 * FPS), 52), np.float32)
    spoken = np.concatenate([still[: int(REST * FPS)], talk.arkit])
    return [
        _film("talk", spoken, SWAY, np.zeros(2)),
        _film("turn", still, TURN, np.zeros(2)),
        _film("look", still, np.zeros(3), LOOK),
        _film("all at once", spoken, TURN, LOOK),
    ]


def _film(name: str, arkit: F32, turn: F64, look: F64) -> Film:
    seconds = np.arange(len(arkit))[:, None] / FPS - REST
    begun = np.clip(seconds, 0, 1)
    turns = floats64(begun * turn * np.sin(2 * np.pi * seconds / TURN_PERIODS))
    looks = floats64(begun * look * np.sin(2 * np.pi * seconds / LOOK_PERIODS))
    states = []
    for weights, (yaw, pitch, roll), (left, down) in zip(arkit, turns, looks, strict=True):
        eye = floats32(axis_angle_from_matrix(matrix_from_euler(left, down, 0)))
        head = floats32(axis_angle_from_matrix(matrix_from_euler(yaw, pitch, roll)))
        states.append(FaceParams(arkit=weights, head_pose=head, eye_pose=np.stack([eye, eye])))
    return Film(name, states, turns, looks)


def write_film(film: Film, renderer: Renderer, path: Path) -> None:
    """The film as an H.264 file, as a camera would record it."""
    with av.open(str(path), "w") as file:
        stream = file.add_stream("libx264", rate=FPS, options={"crf": "20", "preset": "veryfast"})
        stream.width = stream.height = 512
        stream.pix_fmt = "yuv420p"
        for state in track(film.states, f"filming: {film.name}", console=Console(stderr=True)):
            picture = renderer.render(state, renderer.camera()).pixels
            file.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        file.mux(stream.encode(None))


@dataclass(frozen=True)
class Told:
    """What somebody says happens in a film."""

    arkit: F64
    """(T, 52)."""
    turn: F64
    """(T, 3)."""
    look: F64
    """(T, 2)."""
    milliseconds: float = 0.0
    """Per picture."""


def tracked(path: Path, focal: float | None, use_task: bool) -> Told:
    """What the driver says; focal None: it is not told what camera this is."""
    began = time.perf_counter()
    seen = track_video(path, use_task=use_task, focal=DEFAULT_FOCAL if focal is None else focal)
    spent = time.perf_counter() - began
    rest = np.zeros((len(seen.times), 3), np.float32)
    head, neck = (rest if p is None else p for p in (seen.head_pose, seen.neck_pose))
    turns = [
        euler_from_matrix(matrix_from_axis_angle(n) @ matrix_from_axis_angle(h))
        for n, h in zip(neck, head, strict=True)
    ]
    eyes = np.zeros((len(rest), 2, 3)) if seen.eye_pose is None else seen.eye_pose
    looks = [euler_from_matrix(matrix_from_axis_angle(e.mean(0)))[:2] for e in eyes]
    return Told(
        floats64(seen.arkit), floats64(turns), floats64(looks), 1e3 * spent / len(seen.times)
    )


def constant(film: Film) -> Told:
    """The best that a constant can say: the median of the truth."""

    def same(rows: F64) -> F64:
        return floats64(np.broadcast_to(np.median(rows, axis=0), rows.shape))

    return Told(same(floats64([s.arkit for s in film.states])), same(film.turn), same(film.look))


def scores(film: Film, told: Told) -> dict[str, Any]:
    """Correlations (0 for a constant), mean and 95th percentile errors in degrees."""
    truth = floats64([s.arkit for s in film.states])
    talks = [n for n in (*READ, *OTHERS) if np.ptp(truth[:, ARKIT_INDEX[n]]) > 0.05]
    turn, look = (np.degrees(np.abs(a - b))
                  for a, b in ((told.turn, film.turn), (told.look, film.look)))  # fmt: skip
    return {
        "correlation": {
            n: _correlation(told.arkit[:, ARKIT_INDEX[n]], truth[:, ARKIT_INDEX[n]]) for n in talks
        },
        "false_weight": {
            n: round(float(told.arkit[:, ARKIT_INDEX[n]].max()), 3) for n in READ if n not in talks
        },
        "turn_error_deg": _named(("yaw", "pitch", "roll"), turn.mean(0)),
        "turn_error_p95_deg": _named(("yaw", "pitch", "roll"), np.percentile(turn, 95, axis=0)),
        "gaze_error_deg": _named(("yaw", "pitch"), look.mean(0)),
        "gaze_correlation": _named(
            ("yaw", "pitch"), [_correlation(told.look[:, k], film.look[:, k]) for k in (0, 1)]
        ),
        "milliseconds_per_picture": round(told.milliseconds, 2),
    }


def _named(names: tuple[str, ...], values: Any) -> dict[str, float]:
    return {n: round(float(v), 3) for n, v in zip(names, values, strict=True)}


def _correlation(a: F64, b: F64) -> float:
    if min(a.std(), b.std()) < 1e-9:
        return 0.0
    return round(float(np.corrcoef(a, b)[0, 1]), 3)


def passes(result: dict[str, dict[str, Any]]) -> bool:
    """Whether one predictor's scores meet what the issue asks."""
    read = result["talk"]["correlation"]
    turn = result["turn"]["turn_error_deg"]
    return all(read[n] >= least for n, least in LEAST.items()) and (
        max(turn.values()) <= MOST_DEGREES
    )


def measure(avatar: Path, expressions: Path, *, use_task: bool) -> dict[str, Any]:
    """Films, tracks and scores: one object that holds all of them."""
    renderer = Renderer(import_avatar(avatar))
    camera = renderer.camera()
    focal = float(camera.K[0, 0]) / max(camera.width, camera.height)
    predictors: dict[str, Callable[[Film, Path], Told]] = {
        "driver": lambda _, path: tracked(path, None, use_task),
        "driver, camera known": lambda _, path: tracked(path, focal, use_task),
        "constant": lambda film, _: constant(film),
    }
    results: dict[str, dict[str, Any]] = {name: {} for name in predictors}
    with tempfile.TemporaryDirectory() as folder:
        for film in films(load_recording(expressions)):
            path = Path(folder) / f"{film.name}.mp4"
            write_film(film, renderer, path)
            for name, predict in predictors.items():
                results[name][film.name] = scores(film, predict(film, path))
    return {
        "subject": avatar.stem,
        "task_file": use_task,
        "predictors": results,
        "passed": {name: passes(result) for name, result in results.items()},
    }


def show(measured: dict[str, Any]) -> None:
    """The same as a table."""
    table = Table("film", "what", *measured["predictors"])
    columns = list(measured["predictors"].values())
    for film in columns[0]:
        for group in columns[0][film]:
            values = [c[film][group] for c in columns]
            if not isinstance(values[0], dict):
                table.add_row(film, group, *(f"{v:g}" for v in values))
                continue
            for name in values[0]:
                table.add_row(film, f"{group} {name}", *(f"{v[name]:g}" for v in values))
    table.add_row("", "passed", *(str(p) for p in measured["passed"].values()), end_section=True)
    Console().print(table)


def main(arguments: list[str]) -> int:
    """0 where the driver passes and the constant fails."""
    assets = Path(os.environ.get("AVATAR_RT_TEST_ASSETS", "../shared/assets"))
    parser = argparse.ArgumentParser("python -m trainer.evaluate video_driver")
    parser.add_argument("avatar", type=Path, nargs="?", default=assets / "lam/p2-1.zip")
    parser.add_argument("--expressions", type=Path, help="ARKit JSON; default: status.zip's own")
    parser.add_argument(
        "--task", action="store_true", help="with face_landmarker.task, where the user has it"
    )
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        expressions = given.expressions or _bs_data(assets / "lam/status.zip", Path(folder))
        measured = measure(given.avatar, expressions, use_task=given.task)
    if given.json:
        print(json.dumps(measured))
    else:
        show(measured)
    return 0 if measured["passed"]["driver"] and not measured["passed"]["constant"] else 1


def _bs_data(archive: Path, folder: Path) -> Path:
    """The expressions that lie in a LAM avatar's zip, as a file."""

    try:
        with zipfile.ZipFile(archive) as file:
            name = next(n for n in file.namelist() if n.endswith("bsData.json"))
            path = folder / "bsData.json"
            path.write_bytes(file.read(name))
            return path
    except (OSError, zipfile.BadZipFile, StopIteration) as error:
        raise InputError(
            f"{archive}: has no bsData.json; name a recording with --expressions"
        ) from error
