"""`avatar-rt render X.avatar -o out.png`: an avatar, a face or a driver, and a camera → a file."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from avatar_rt.arkit import ARKIT_INDEX
from avatar_rt.arrays import F32, floats32, floats64
from avatar_rt.avatar import Avatar
from avatar_rt.cli import arguments
from avatar_rt.cli.progress import LateBar
from avatar_rt.drivers import Driver, open_driver
from avatar_rt.errors import ParameterError
from avatar_rt.motion import Motion
from avatar_rt.outputs.file import film, write_png
from avatar_rt.render import WHITE, Renderer
from avatar_rt.rotation import axis_angle_from_matrix, matrix_from_axis_angle, matrix_from_euler
from avatar_rt.types import Camera, FaceParams

MAX_SECONDS = 3600.0
_TEXT = "text:"
_FULL_LOOK = np.radians([30.0, 25.0])
"""Gaze, sideways and up or down, at which ARKit's eyeLook weights are taken to be 1."""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("render", help="an avatar, a driver and a camera → png or mp4")
    add = parser.add_argument
    add("avatar", type=Path, help="NAME.avatar")
    add("-o", "--output", type=Path, required=True, help="a .png, or a .mp4 (with sound)")
    face = parser.add_argument_group("face")
    add = face.add_argument
    add("--arkit", type=arguments.weights, default={}, metavar="NAME=WEIGHT,…",
        help="ARKit blendshapes, such as jawOpen=0.6,mouthSmileLeft=1")  # fmt: skip
    for name, way in (("yaw", "to its own left"), ("pitch", "down"), ("roll", "to its right")):
        add(f"--head-{name}", type=arguments.degrees, metavar="DEGREES", help=f"head, {way}")
    add("--gaze", type=arguments.direction, metavar="YAW,PITCH",
        help="eyes, in degrees to its own left and down (negative: --gaze=-10,5)")  # fmt: skip
    add("--drive", metavar="SPEC",
        help="a recording (.json, .npz), a video, a .wav, text:WORDS to say, or idle")  # fmt: skip
    add("--at", type=arguments.number, metavar="SECONDS", help="png: the moment of --drive")
    camera = parser.add_argument_group("camera")
    add = camera.add_argument
    add("--yaw", type=arguments.degrees, default=0.0, metavar="DEGREES",
        help="around the avatar, towards its left")  # fmt: skip
    add("--pitch", type=arguments.degrees, default=0.0, metavar="DEGREES", help="upwards")
    add("--roll", type=arguments.degrees, default=0.0, metavar="DEGREES", help="picture, clockwise")
    add("--orbit", type=arguments.positive, metavar="SECONDS", help="mp4: a full turn in that time")
    picture = parser.add_argument_group("picture")
    add = picture.add_argument
    add("--size", type=arguments.size, default=(512, 512), metavar="N|WxH", help="default: 512")
    add("--background", type=arguments.color, default=WHITE, metavar="#RRGGBB",
        help="or transparent (png); default: white")  # fmt: skip
    add("--fps", type=arguments.positive, default=30.0, help="mp4: default 30")
    add("--seconds", type=arguments.positive, help="mp4: default is as long as drive or orbit")
    add("--quality", choices=("exact", "fast"), default="exact")
    add("--backend", choices=("auto", "cpu", "cuda"), default="auto",
        help="what draws; auto: CUDA where it works")  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Renders to args.output, whose suffix says which kind of file."""
    suffix = args.output.suffix.lower()
    if suffix not in (".png", ".mp4"):
        raise ParameterError(f"-o {args.output}: the name must end in .png or .mp4")
    renderer = Renderer(Avatar.load(args.avatar), quality=args.quality, backend=args.backend)
    with ExitStack() as stack:
        driver = None
        if args.drive is not None:
            driver = stack.enter_context(opened(args.drive))
        shot = Shot(args, renderer, driver)
        report = shot.picture() if suffix == ".png" else shot.film()
    if args.json:
        print(json.dumps({"output": str(args.output), **report}))
    return 0


def opened(spec: str) -> Driver:
    """The driver that --drive names, to be read at any pace. Raises what opening it raises."""
    if spec.startswith(_TEXT):
        from avatar_rt.drivers.text import TextDriver  # noqa: PLC0415 - slow to import

        return TextDriver(spec.removeprefix(_TEXT))
    with LateBar("read the drive") as bar:
        return open_driver(spec, loop=False, live=False, progress=bar)


@dataclass(frozen=True, slots=True)
class Shot:
    """One picture or film, as the command line describes it."""

    args: argparse.Namespace
    renderer: Renderer
    driver: Driver | None

    def picture(self) -> dict[str, object]:
        """Writes the png; returns what was done."""
        args = self.args
        for flag, value in (("--orbit", args.orbit), ("--seconds", args.seconds)):
            if value is not None:
                raise ParameterError(f"{flag} makes a film: -o must end in .mp4, not .png")
        face = FaceParams()
        if self.driver is not None:
            self.driver.read(0.0)  # a recording begins when it is first read
            face = self.driver.read(args.at or 0.0)
        elif args.at is not None:
            raise ParameterError("--at is a moment of a drive: give --drive too")
        transparent = args.background is None
        began = time.perf_counter()
        frame = self.renderer.render(
            self._posed(face),
            self._camera(0.0),
            background=args.background or WHITE,
            format="rgba8" if transparent else "rgb8",
        )
        seconds = time.perf_counter() - began
        write_png(args.output, frame.pixels)
        width, height = args.size
        return {
            "frames": 1,
            "width": width,
            "height": height,
            "backend": self.renderer.backend,
            "render_seconds": seconds,
        }

    def film(self) -> dict[str, object]:
        """Writes the mp4; returns what was done."""
        args = self.args
        if args.background is None:
            raise ParameterError("--background transparent: an mp4 has no transparency, a png has")
        if args.at is not None:
            raise ParameterError("--at is for a png; a film has --seconds")
        seconds = self._seconds()
        motion = Motion() if self.driver is not None else None
        spent = 0.0
        frames = max(1, round(seconds * args.fps))
        width, height = args.size
        sound = getattr(self.driver, "audio", None)
        with film(args.output, width, height, args.fps, sound) as movie:
            for k in watched(frames):
                now = k / args.fps
                face = FaceParams()
                if self.driver is not None and motion is not None:
                    face = motion.step(now, self.driver.read(now))
                began = time.perf_counter()
                frame = self.renderer.render(
                    self._posed(face),
                    self._camera(now),
                    background=args.background,
                    format="i420",
                )
                spent += time.perf_counter() - began
                movie.add(frame.pixels)
        return {
            "frames": frames,
            "seconds": frames / args.fps,
            "width": width,
            "height": height,
            "backend": self.renderer.backend,
            "render_seconds": spent,
            "render_fps": frames / spent,
        }

    def _seconds(self) -> float:
        """How long the film is: as said, or as long as the drive, or one orbit."""
        args = self.args
        drive = getattr(self.driver, "duration", None)
        for known in (args.seconds, drive, args.orbit):
            if known is not None:
                return min(float(known), MAX_SECONDS)
        raise ParameterError("how long is the film? give --seconds, --orbit, or --drive FILE")

    def _posed(self, face: FaceParams) -> FaceParams:
        """The face with what the command line says in place of what drives it."""
        args = self.args
        arkit = face.arkit.copy()
        if args.gaze is not None:
            arkit = looking(arkit, *args.gaze)
            yaw, pitch = args.gaze
            eye = axis_angle_from_matrix(matrix_from_euler(yaw, pitch, 0))
            face = face.with_changes(eye_pose=floats32([eye, eye]))
        for name, weight in args.arkit.items():
            arkit[ARKIT_INDEX[name]] = weight
        turn = (args.head_yaw, args.head_pitch, args.head_roll)
        if any(angle is not None for angle in turn):
            head = axis_angle_from_matrix(matrix_from_euler(*(angle or 0.0 for angle in turn)))
            face = face.with_changes(head_pose=floats32(head), neck_pose=np.zeros(3, np.float32))
        return face.with_changes(arkit=arkit)

    def _camera(self, now: float) -> Camera:
        args = self.args
        turn = 2 * np.pi * now / args.orbit if args.orbit else 0.0
        camera = self.renderer.camera(args.yaw + turn, args.pitch, *args.size)
        if not args.roll:
            return camera
        rolled = camera.viewmat.copy()
        rolled[:3] = matrix_from_axis_angle([0, 0, args.roll]) @ camera.viewmat[:3]
        return Camera(floats64(rolled), camera.K, camera.width, camera.height)


def looking(arkit: F32, yaw: float, pitch: float) -> F32:
    """ARKit weights whose eyeLook shapes, and with them the lids, follow a gaze (radians, to the
    subject's left and down)."""
    arkit = arkit.copy()
    side, down = np.clip(np.array([yaw, pitch]) / _FULL_LOOK, -1, 1)
    shares = {
        "eyeLookOutLeft": side, "eyeLookInRight": side, "eyeLookInLeft": -side,
        "eyeLookOutRight": -side, "eyeLookDownLeft": down, "eyeLookDownRight": down,
        "eyeLookUpLeft": -down, "eyeLookUpRight": -down,
    }  # fmt: skip
    for name, share in shares.items():
        arkit[ARKIT_INDEX[name]] = max(share, 0.0)
    return arkit


def watched(count: int) -> Iterator[int]:
    """0 … count - 1, with a progress bar on stderr once that takes longer than two seconds."""
    with LateBar("render") as bar:
        for k in range(count):
            yield k
            bar((k + 1) / count)
