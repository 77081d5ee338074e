"""`avatar-rt import FILE`: reads an avatar that another program made (LAM's zip)."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from avatar_rt.avatar import Avatar
from avatar_rt.errors import ParameterError
from avatar_rt.fidelity import state_fast_quality
from avatar_rt.importers import import_avatar


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("import", help="read an avatar made by another program (LAM)")
    parser.add_argument("file", type=Path, help="a LAM avatar's zip (skin.glb and offset.ply)")
    parser.add_argument("-o", "--output", type=Path, help="default: FILE's name with .avatar")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Writes the avatar beside the working directory's other files, or where -o says."""
    output = Path(args.output or Path(args.file).with_suffix(".avatar").name)
    if output.suffix != ".avatar":
        raise ParameterError(f"-o {output}: an avatar's file name ends in .avatar")
    avatar = import_avatar(args.file)
    state_fast_quality(avatar)
    avatar.save(output)
    if args.json:
        print(json.dumps({"avatar": str(output), **summary(avatar)}))
    else:
        counts = summary(avatar)
        print(f"{output}: {counts['gaussians']:,} Gaussians, {counts['shapes']} shapes")
        print(f"licence: {avatar.metadata['head_model']['licence']}")
        print(f"next: avatar-rt serve {output}")
    return 0


def summary(avatar: Avatar) -> dict[str, int]:
    """An avatar's counts."""
    rig = avatar.rig
    return {
        "gaussians": len(avatar.gaussians.triangles),
        "vertices": len(rig.vertices),
        "triangles": len(rig.faces),
        "shapes": len(rig.expression_names),
        "joints": len(rig.joint_names),
    }
