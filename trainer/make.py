"""`python -m trainer.make PHOTO -o OUT.avatar`: the program that turns photographs into avatars.

It runs as a process of its own, so that neither the command line nor the server carries what only
making needs. With --json each line on stdout is one object: {"step", "fraction"} and, where there
is something to know, "note"; last {"done": path}, or {"error": message} with exit status 2.
SIGTERM and Ctrl-C end it with nothing written.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType
from typing import NoReturn

from avatar_rt.avatar import Avatar
from avatar_rt.errors import AvatarRtError, InputError, ParameterError

Progress = Callable[[str, float], None]
Note = Callable[[str], None]
Maker = Callable[[Path, Progress, Note], Avatar]
CANCELLED = 130


def _instant(photo: Path, progress: Progress, note: Note) -> Avatar:
    from trainer.recipes import instant  # noqa: PLC0415 - only the chosen recipe is imported

    return instant.make_photo(photo, progress=progress, note=note)


RECIPES: dict[str, Maker] = {"instant": _instant}


class _Report:
    """Says how far we are, to a program (JSON lines) or to a person."""

    def __init__(self, as_json: bool) -> None:
        self.as_json = as_json
        self.step, self.fraction = "start", 0.0

    def progress(self, step: str, fraction: float) -> None:
        self.step, self.fraction = step, fraction
        if self.as_json:
            self._line({"step": step, "fraction": round(fraction, 3)})
        else:
            print(f"{fraction:4.0%}  {step}", file=sys.stderr, flush=True)

    def note(self, text: str) -> None:
        if self.as_json:
            self._line({"step": self.step, "fraction": round(self.fraction, 3), "note": text})
        else:
            print(f"      note: {text}", file=sys.stderr, flush=True)

    def done(self, path: Path) -> None:
        if self.as_json:
            self._line({"done": str(path)})
        else:
            print(path)

    def error(self, message: str) -> None:
        if self.as_json:
            self._line({"error": message})
        else:
            print(f"make: {message}", file=sys.stderr)

    @staticmethod
    def _line(content: dict[str, object]) -> None:
        print(json.dumps(content), flush=True)


def _stop(_signal: int, _frame: FrameType | None) -> NoReturn:
    # as an exception, so that whoever is writing a file takes it away again
    raise KeyboardInterrupt


def check_output(path: Path) -> None:
    """Raises ParameterError where no avatar file could be written at `path`."""
    if path.suffix != ".avatar":
        raise ParameterError(f"--output {path}: must end in .avatar")
    if path.is_dir():
        raise ParameterError(f"--output {path}: is a folder")
    if not path.parent.is_dir():
        raise ParameterError(f"--output {path}: the folder {path.parent} does not exist")


def _save(avatar: Avatar, path: Path) -> None:
    try:
        avatar.save(path)
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror or error})") from error


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="trainer.make", description=__doc__.split("\n")[0])
    parser.add_argument("photo", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--recipe", choices=sorted(RECIPES), default="instant")
    parser.add_argument("--json", action="store_true", help="one JSON object a line on stdout")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Makes one avatar; 0, 2 for an error that is said, CANCELLED when stopped."""
    args = build_parser().parse_args(argv)
    signal.signal(signal.SIGTERM, _stop)
    report = _Report(args.json)
    try:
        check_output(args.output)
        avatar = RECIPES[args.recipe](args.photo, report.progress, report.note)
        report.progress("write the file", 0.97)
        _save(avatar, args.output)
    except KeyboardInterrupt:
        return CANCELLED
    except AvatarRtError as error:
        report.error(str(error))
        return 2
    except OSError as error:
        report.error(f"{error.filename or args.photo}: {error.strerror or error}")
        return 2
    except MemoryError:
        report.error(f"{args.photo}: not enough memory; use a smaller photograph")
        return 2
    report.done(args.output)
    return 0


if __name__ == "__main__":
    sys.exit(main())
