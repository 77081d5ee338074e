"""Avatars made by other programs, turned into ours."""

from __future__ import annotations

from pathlib import Path

from avatar_rt.avatar import Avatar
from avatar_rt.errors import FileFormatError, InputError
from avatar_rt.importers.lam import import_lam

__all__ = ["import_avatar", "import_lam"]


def import_avatar(path: str | Path) -> Avatar:
    """Reads an avatar of another program, told by the file's first bytes: a LAM zip.

    Raises FileFormatError for whatever is wrong in it, InputError where it cannot be read.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            start = file.read(4)
    except IsADirectoryError as error:
        raise FileFormatError(path, "file", "is a folder, expected a LAM avatar's zip") from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error
    if start[:2] != b"PK":
        raise FileFormatError(path, "file", "is not a zip; LAM avatars are (skin.glb, offset.ply)")
    return import_lam(path)
