"""`avatar-rt demo`: from nothing to a talking head in the browser, with one command."""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import tempfile
from pathlib import Path

from rich.console import Console

from avatar_rt.avatar import Avatar
from avatar_rt.cli import make
from avatar_rt.cli.serve import add_serving_arguments, serve_avatar, settings
from avatar_rt.config import cache_dir
from avatar_rt.errors import FileFormatError, MissingDependencyError
from avatar_rt.server.drives import SharedDrive, text_note

GREETING = (
    "Hello! A moment ago I was one photograph. Now I can talk, blink, and turn my head. "
    "Drag me, to look at me from another side. "
    "Or choose your webcam, and I will do what you do."
)

_MAKERS = ("trainer", "avatar_rt.face", "avatar_rt.head", "avatar_rt.avatar")
"""What an avatar is made by: the recipe, what finds the face, the head, and the file's format."""
_NO_MAKER = frozenset({"evaluate", "__pycache__"})


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("demo", help="make the astronaut's avatar and serve it, talking")
    add_serving_arguments(parser)
    parser.add_argument("--no-open", action="store_true", help="do not open the page")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Makes the avatar the first time, then serves it until Ctrl-C."""
    chosen = settings(args)
    console = Console(highlight=False)
    speaks, _ = text_note()
    if speaks:
        drive = SharedDrive.of(f"text:{GREETING}")
    else:
        console.print("No speech engine is installed, so she moves without talking.")
        console.print("She talks after: apt install espeak-ng")
        drive = SharedDrive.of("clip")
    avatar = demo_avatar(console)
    serve_avatar(avatar, drive, chosen, args, open_page=not args.no_open)
    return 0


def demo_avatar(console: Console) -> Avatar:
    """The astronaut's avatar, from the cache or made now.

    Raises MissingDependencyError where it has to be made and the extra `make` is not installed.
    """
    path = cache_dir() / f"demo-{_maker_digest()}.avatar"
    if path.exists():
        try:
            return Avatar.load(path)
        except FileFormatError as error:
            console.print(
                f"The cached avatar is not whole ({error.problem}): making it again.",
                soft_wrap=True,
            )
    make.check_make_extra()
    console.print("Making an avatar of NASA's portrait of Eileen Collins; only this first time.")
    with tempfile.TemporaryDirectory() as folder:
        photo = Path(folder) / "astronaut.png"
        photo.write_bytes(_astronaut())
        wanted = argparse.Namespace(photo=photo, output=path, recipe="instant", json=False)
        make.run(wanted)
    return Avatar.load(path)


def _astronaut() -> bytes:
    """The public-domain portrait that comes with scikit-image, as PNG."""
    try:
        # only making needs scikit-image, which playing must do without
        from skimage import data  # noqa: PLC0415
    except ImportError as error:
        raise MissingDependencyError(
            "the portrait comes with scikit-image: pip install 'avatar-rt[make]' -c constraints.txt"
        ) from error
    return (Path(data.__file__).parent / "astronaut.png").read_bytes()


def _maker_digest() -> str:
    """Changes when what makes avatars changes, so that the cache holds the present one."""
    digest = hashlib.sha256()
    for package in _MAKERS:
        spec = importlib.util.find_spec(package)
        for folder in (spec and spec.submodule_search_locations) or []:
            for path in _made_of(Path(folder)):
                digest.update(f"{package}/{path.relative_to(folder)}".encode())
                digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def _made_of(folder: Path) -> list[Path]:
    """The sources and data files of a package that can change what it makes."""
    return [
        path
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not _NO_MAKER.intersection(path.relative_to(folder).parts)
    ]
