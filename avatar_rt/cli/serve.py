"""`avatar-rt serve AVATAR`: a page on this machine that shows the avatar live."""

from __future__ import annotations

import argparse
import asyncio
import webbrowser
from pathlib import Path

from rich.console import Console

from avatar_rt.avatar import Avatar
from avatar_rt.cli import arguments
from avatar_rt.errors import ParameterError
from avatar_rt.outputs.encoder import VideoSettings
from avatar_rt.server.drives import SharedDrive
from avatar_rt.server.guard import is_loopback
from avatar_rt.server.run import DEFAULT_PORT, serve
from avatar_rt.server.studio import BACKDROP, StudioSettings

LARGEST_SIDE = 2048


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("serve", help="stream an avatar to a browser page")
    parser.add_argument("avatar", type=Path, help="an .avatar file")
    parser.add_argument(
        "--drive",
        metavar="SPEC",
        default="idle",
        help="what moves the face until a viewer chooses: idle, clip, text:WORDS, or a recording "
        "(.json, .npz), a video or a .wav (default: idle)",
    )
    add_serving_arguments(parser)
    parser.add_argument("--open", action="store_true", help="open the page in your browser")
    parser.set_defaults(run=run)


def add_serving_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags that `serve` and `demo` share."""
    parser.add_argument("--port", type=port, default=DEFAULT_PORT, help="default: %(default)s")
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        help="address to bind; the default keeps strangers out (others may look on, talk through "
        "the avatar and upload photographs where you give another)",
    )
    parser.add_argument("--size", type=arguments.size, default=(512, 512), help="default: 512")
    parser.add_argument("--fps", type=arguments.positive, default=60.0, help="default: 60")
    parser.add_argument(
        "--background", type=backdrop, default=BACKDROP, metavar="#RRGGBB", help="behind the head"
    )
    parser.add_argument("--quality", choices=("exact", "fast"), default="fast")
    parser.add_argument("--backend", choices=("auto", "cpu", "cuda"), default="auto",
                        help="what draws; auto: CUDA where it works")  # fmt: skip


def port(text: str) -> int:
    """A TCP port; 0 takes a free one."""
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"'{text}' is not a port: give 0 to 65535")
    return int(text)


def backdrop(text: str) -> tuple[float, float, float]:
    """An opaque colour: video has no transparency."""
    color = arguments.color(text)
    if color is None:
        raise argparse.ArgumentTypeError("a stream cannot be transparent: write #rrggbb")
    return color


def settings(args: argparse.Namespace) -> StudioSettings:
    """What the flags say. Raises ParameterError for sizes and rates that cannot be streamed."""
    width, height = args.size
    if max(width, height) > LARGEST_SIDE:
        raise ParameterError(f"--size {width}x{height}: at most {LARGEST_SIDE} a side is streamed")
    return StudioSettings(
        VideoSettings(width, height, args.fps), args.quality, args.background, backend=args.backend
    )


def run(args: argparse.Namespace) -> int:
    """Serves until Ctrl-C."""
    chosen = settings(args)
    drive = SharedDrive.of(args.drive)
    avatar = Avatar.load(args.avatar)
    serve_avatar(avatar, drive, chosen, args, open_page=args.open)
    return 0


def serve_avatar(
    avatar: Avatar,
    drive: SharedDrive,
    chosen: StudioSettings,
    args: argparse.Namespace,
    *,
    open_page: bool,
) -> None:
    """Serves until Ctrl-C, and says where."""
    console = Console(highlight=False)

    def ready(url: str) -> None:
        console.print(f"Open [bold]{url}[/]   (Ctrl-C stops)", soft_wrap=True)
        if not is_loopback(args.host):
            console.print("Whoever reaches this address can look on and upload photographs.")
        if open_page:
            webbrowser.open(url)

    asyncio.run(serve(avatar, drive, chosen, host=args.host, port=args.port, ready=ready))
