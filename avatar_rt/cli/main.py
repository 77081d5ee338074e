"""The `avatar-rt` command: a table of contents. Each command is a module of its own beside this.

Modules are imported by name only for the command that was asked for, so that `--help` is quick and
a command never fails for want of what another one needs.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

from avatar_rt import __version__
from avatar_rt.errors import AvatarRtError

COMMANDS = {
    "demo": ("demo", "make the astronaut's avatar and serve it, talking, to your browser"),
    "make": ("make", "turn a portrait photograph into an avatar"),
    "serve": ("serve", "stream an avatar to a browser page"),
    "render": ("render", "an avatar, a driver and a camera → png or mp4"),
    "import": ("import_", "read an avatar made by another program (LAM)"),
    "info": ("info", "say what an avatar file holds"),
    "bench": ("bench", "measure the renderer on this machine"),
    "doctor": ("doctor", "say what this machine has and lacks, and what to do about it"),
}
_EPILOG = "`avatar-rt COMMAND --help` tells more.  Start with: avatar-rt demo"


def build_parser(only: str | None = None) -> argparse.ArgumentParser:
    """The whole parser; with `only`, just that command's options are filled in."""
    parser = argparse.ArgumentParser(
        prog="avatar-rt",
        description="One portrait photograph becomes a 3D head avatar, streamed live.",
        epilog=_EPILOG,
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for name, (module, text) in COMMANDS.items():
        if only is None or name == only:
            importlib.import_module(f"avatar_rt.cli.{module}").add_parser(commands)
        else:
            commands.add_parser(name, help=text)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command; its errors become one line on stderr and exit status 2."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    chosen = next((a for a in arguments if a in COMMANDS), "")
    as_json = "--json" in arguments
    try:
        with _ended_by_term():
            args = build_parser(chosen).parse_args(arguments)
            status = int(args.run(args))
            sys.stdout.flush()
            return status
    except AvatarRtError as error:
        return _failed(str(error), as_json)
    except ImportError as error:
        # a library of the system is missing, or AVATAR_RT_ISA names what this processor lacks
        return _failed(f"{error}; `avatar-rt doctor` says what to do", as_json)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # the reader of our output went away; nothing is left to say to it
        _drop_stdout()
        return 141
    except OSError as error:
        _drop_stdout()
        return _failed(str(error), as_json=False)


def _failed(message: str, as_json: bool) -> int:
    if as_json:
        print(json.dumps({"error": message}))
    print(f"avatar-rt: {message}", file=sys.stderr)
    return 2


def _drop_stdout() -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextmanager
def _ended_by_term() -> Iterator[None]:
    """SIGTERM ends what is under way like an exception, so that it is tidied up."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(_signal: int, _frame: FrameType | None) -> NoReturn:
        raise SystemExit(143)

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


if __name__ == "__main__":
    sys.exit(main())
