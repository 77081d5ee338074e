"""`avatar-rt doctor`: what this machine has and lacks, one line each with what to do about it."""

from __future__ import annotations

import argparse
import importlib
import importlib.metadata
import importlib.util
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Literal

from rich.console import Console

from avatar_rt.config import cache_dir
from avatar_rt.errors import AvatarRtError

Level = Literal["ok", "optional", "problem"]
_PROCESSOR = "not needed: the processor renders"
_WITHOUT_CUDA = (
    ("no device", _PROCESSOR),
    ("cannot be used", f"{_PROCESSOR}; docs/cuda.md says how to compile for other devices"),
    ("driver", f"{_PROCESSOR}; an NVIDIA device needs a newer driver"),
    ("built", f"{_PROCESSOR}; docs/cuda.md says how to build it"),
    ("", _PROCESSOR),
)
"""What to do, by the first of these words that cuda_status() holds."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the doctor's report."""

    name: str
    level: Level
    """ok; optional: a feature is off; problem: avatar-rt cannot do its main job."""
    found: str
    advice: str = ""


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _python() -> Finding:
    found = sys.version.split()[0]
    if (3, 11) <= sys.version_info[:2] <= (3, 12):
        return Finding("Python", "ok", found)
    return Finding("Python", "problem", found, "mediapipe 0.10.21 needs Python 3.11 or 3.12")


def _native_core() -> Finding:
    try:
        core = importlib.import_module("avatar_rt._core")
    except ImportError as error:
        return Finding("native core", "problem", str(error), "reinstall with: pip install .")
    runs = ", ".join(core.available_isas())
    return Finding("native core", "ok", f"{core.isa()} (this processor runs {runs})")


def _processor() -> Finding:
    return Finding("processor", "ok", f"{len(os.sched_getaffinity(0))} cores to use")


def _cuda() -> Finding:
    try:
        core = importlib.import_module("avatar_rt._core")
    except ImportError:
        return Finding("CUDA", "optional", "the native core is missing", "pip install .")
    status = core.cuda_status()
    if status != "available":
        advice = next(advice for word, advice in _WITHOUT_CUDA if word in status)
        return Finding("CUDA", "optional", status, advice)
    devices = "; ".join(
        f"{d.number}: {d.name}, compute capability {d.capability[0]}.{d.capability[1]}, "
        f"{d.memory_free / 2**30:.1f} of {d.memory_total / 2**30:.1f} GiB free"
        for d in core.cuda_devices()
    )
    try:
        _draw_by_cuda()
    except AvatarRtError as error:
        advice = "the processor renders; end what else uses the device, or update its driver"
        return Finding("CUDA", "optional", f"{devices}; {error}", advice)
    return Finding("CUDA", "ok", devices)


def _draw_by_cuda() -> None:
    """Draws a small picture. Raises BackendError where that fails."""
    avatar = importlib.import_module("avatar_rt.synthetic").synthetic_head(100)
    renderer = importlib.import_module("avatar_rt.render").Renderer(avatar, backend="cuda")
    face = importlib.import_module("avatar_rt.types").FaceParams()
    renderer.render(face, renderer.camera(width=64, height=64))


def _opencv() -> Finding:
    try:
        cv2 = importlib.import_module("cv2")
    except ImportError as error:
        package = "libgl1 libglib2.0-0" if "lib" in str(error) else "opencv-contrib-python"
        verb = "apt install" if "lib" in str(error) else "pip install"
        return Finding("OpenCV", "problem", str(error), f"{verb} {package}")
    doubled = [p for p in ("opencv-python", "opencv-python-headless") if _version(p)]
    if doubled:
        advice = f"pip uninstall {' '.join(doubled)}: two OpenCV packages overwrite each other"
        return Finding("OpenCV", "problem", f"also {', '.join(doubled)}", advice)
    return Finding("OpenCV", "ok", str(cv2.__version__))


def _video() -> Finding:
    try:
        av = importlib.import_module("av")
    except ImportError as error:
        return Finding("video", "problem", str(error), "pip install av==18.1.0")
    encoders = [name for name in ("libx264", "libvpx", "h264_nvenc") if name in av.codecs_available]
    return Finding("video", "ok", f"PyAV {av.__version__}: {', '.join(encoders)}")


def _face_landmarks() -> Finding:
    found = _version("mediapipe")
    if found == "0.10.21":
        return Finding("face landmarks", "ok", f"mediapipe {found} with its own models")
    advice = "pip install mediapipe==0.10.21, the last release that carries its models"
    return Finding("face landmarks", "problem", found or "no mediapipe", advice)


def _face_landmarker_task() -> Finding:
    named = os.environ.get("AVATAR_RT_FACE_LANDMARKER")
    path = named or str(cache_dir() / "face_landmarker.task")
    if os.path.exists(path):  # noqa: PTH110 - the variable may hold anything
        return Finding("face_landmarker.task", "ok", path)
    advice = "a better webcam driver: put the file there, or name it in AVATAR_RT_FACE_LANDMARKER"
    return Finding("face_landmarker.task", "optional", f"not at {path}", advice)


def _speech() -> Finding:
    found = _version("pocketsphinx")
    if found:
        return Finding("speech → mouth", "ok", f"pocketsphinx {found}")
    return Finding("speech → mouth", "problem", "missing", "pip install pocketsphinx==5.1.1")


def _text_to_speech() -> Finding:
    synth = importlib.import_module("avatar_rt.drivers.synth")
    names = [engine.name for engine in synth.installed_engines()]
    if names:
        return Finding("text → speech", "ok", ", ".join(names))
    return Finding("text → speech", "optional", "no engine", "apt install espeak-ng")


def _make() -> Finding:
    missing = [p for p in ("anny", "scipy", "scikit-image", "pillow") if not _version(p)]
    if not missing:
        return Finding("photo → avatar", "ok", f"anny {_version('anny')}")
    advice = "pip install 'avatar-rt[make]' -c constraints.txt"
    return Finding("photo → avatar", "optional", f"missing {', '.join(missing)}", advice)


def _browser() -> Finding:
    for program in ("chromium", "google-chrome", "chromium-browser", "firefox"):
        if found := shutil.which(program):
            return Finding("browser", "ok", found)
    advice = "any browser on any machine that reaches this one will do"
    return Finding("browser", "optional", "none on this machine's path", advice)


_CHECKS: tuple[Callable[[], Finding], ...] = (
    _python, _processor, _native_core, _cuda, _opencv, _video, _face_landmarks,
    _face_landmarker_task, _speech, _text_to_speech, _make, _browser,
)  # fmt: skip


def examine() -> Iterator[Finding]:
    """Every finding, in the order in which a newcomer meets the parts."""
    for check in _CHECKS:
        try:
            yield check()
        except (AvatarRtError, ImportError, OSError) as error:
            name = check.__name__.strip("_").replace("_", " ")
            yield Finding(name, "problem", f"{type(error).__name__}: {error}", "reinstall")


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("doctor", help="say what this machine has and lacks")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(run=run)


def _cuda_facts() -> dict[str, object]:
    """CUDA for programs that read the report."""
    try:
        core = importlib.import_module("avatar_rt._core")
    except ImportError as error:
        return {"status": str(error), "devices": []}
    facts = ("number", "name", "capability", "memory_free", "memory_total")
    devices = [{fact: getattr(device, fact) for fact in facts} for device in core.cuda_devices()]
    return {"status": core.cuda_status(), "devices": devices}


def run(args: argparse.Namespace) -> int:
    """Prints the report; exit status 1 where something that is needed is missing."""
    findings = list(examine())
    if args.json:
        print(json.dumps({"findings": [asdict(f) for f in findings], "cuda": _cuda_facts()}))
    else:
        console = Console(highlight=False)
        marks = {"ok": "[green]✓[/]", "optional": "[yellow]–[/]", "problem": "[red]✗[/]"}
        for f in findings:
            console.print(f"{marks[f.level]} [bold]{f.name}[/]: {f.found}", soft_wrap=True)
            if f.advice:
                console.print(f"    → {f.advice}", soft_wrap=True, markup=False)
    return int(any(f.level == "problem" for f in findings))
