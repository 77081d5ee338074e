"""`avatar-rt make PHOTO -o OUT.avatar`: starts the trainer and shows how far it is."""

from __future__ import annotations

import argparse
import importlib.util
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from avatar_rt.errors import AvatarRtError, MissingDependencyError, ParameterError

_NEEDS = {"anny": "anny", "scipy": "scipy", "PIL": "pillow"}
RECIPES = ("instant",)


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("make", help="turn a portrait photograph into an avatar")
    parser.add_argument("photo", type=Path, help="a portrait of someone who agrees to it")
    parser.add_argument("-o", "--output", type=Path, help="default: PHOTO's name with .avatar")
    parser.add_argument("--recipe", choices=RECIPES, default="instant")
    parser.add_argument("--json", action="store_true", help="print progress as JSON lines")
    parser.set_defaults(run=run)


def check_make_extra() -> None:
    """Raises MissingDependencyError where the packages of the extra `make` are not installed."""
    missing = [package for module, package in _NEEDS.items() if not _installed(module)]
    if missing:
        raise MissingDependencyError(
            f"making avatars needs {', '.join(missing)}: "
            "pip install 'avatar-rt[make]' -c constraints.txt"
        )


def _installed(module: str) -> bool:
    return importlib.util.find_spec(module) is not None


def command(photo: Path, output: Path, recipe: str = "instant") -> list[str]:
    """The argument vector that makes an avatar and reports as JSON lines on stdout."""
    maker = [sys.executable, "-m", "trainer.make"]
    return [*maker, str(photo), "-o", str(output), "--recipe", recipe, "--json"]


def run(args: argparse.Namespace) -> int:
    """Makes the avatar; errors of the maker are raised as AvatarRtError with its words."""
    check_make_extra()
    output: Path = args.output or args.photo.with_suffix(".avatar").name
    output = Path(output)
    if output.suffix != ".avatar":
        raise ParameterError(f"-o {output}: an avatar's file name ends in .avatar")
    with _maker(command(args.photo, output, args.recipe)) as reports:
        if args.json:
            for report in reports:
                if "error" not in report:  # main prints errors itself
                    print(json.dumps(report), flush=True)
        else:
            _show(reports)
    return 0


def _show(reports: Iterator[dict[str, Any]]) -> None:
    console = Console(stderr=True)
    columns = (
        TextColumn("[progress.description]{task.description:<28}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}%"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("start", total=1.0)
        for report in reports:
            if "note" in report:
                bar.console.print(f"note: {report['note']}", markup=False)
            elif "step" in report:
                bar.update(task, description=report["step"], completed=report["fraction"])
            elif "done" in report:
                bar.update(task, description="done", completed=1.0)
                bar.console.print(f"{report['done']}: watch it with", markup=False)
                bar.console.print(f"  avatar-rt serve {report['done']}", markup=False)


@contextmanager
def _maker(arguments: list[str]) -> Iterator[Iterator[dict[str, Any]]]:
    """Runs the maker and yields its reports; it is ended when the caller leaves early."""
    with tempfile.TemporaryFile("w+") as log:
        child = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=log, text=True)
        try:
            yield _reports(child)
            status = child.wait()
            if status:
                log.seek(0)
                tail = log.read()[-2000:].strip()
                raise AvatarRtError(f"the maker ended with status {status}\n{tail}")
        finally:
            if child.poll() is None:
                child.terminate()
            child.wait()
            if child.stdout is not None:
                child.stdout.close()


def _reports(child: subprocess.Popen[str]) -> Iterator[dict[str, Any]]:
    assert child.stdout is not None
    for line in child.stdout:
        try:
            report = json.loads(line)
        except json.JSONDecodeError:
            continue  # a library printed something of its own
        if not isinstance(report, dict):
            continue
        yield report
        if "error" in report:
            raise AvatarRtError(str(report["error"]))
