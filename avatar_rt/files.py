"""Files in and out with care: read only what is a file of bearable size; written whole or not at
all, beside their place and then moved into it."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from avatar_rt.errors import FileFormatError, InputError


def read_bytes(path: str | Path, limit: int) -> bytes:
    """The whole of a regular file.

    Raises FileFormatError for a folder, a device, or more than `limit` bytes; InputError where it
    cannot be read.
    """
    path = Path(path)
    try:
        # a pipe that nobody writes to must not make us wait before we can see that it is one
        with open(os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0)), "rb") as file:  # noqa: PTH123
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise FileFormatError(path, "file", "is not a regular file")
            if status.st_size > limit:
                size, most = (f"{n / 1e6:.0f} MB" for n in (status.st_size, limit))
                raise FileFormatError(path, "file", f"has {size}, at most {most} are read")
            # asking for the limit would set that much memory aside
            return file.read(status.st_size)
    except IsADirectoryError as error:
        raise FileFormatError(path, "file", "is a folder, a file was expected") from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Gives a temporary path in the folder of `path`, with its suffix; when the block ends well the
    file written there takes the place of `path`, else it is removed.

    Raises InputError where the folder does not exist or cannot be written to.
    """
    path = Path(path)
    if path.is_dir():
        raise InputError(f"{path}: is a folder; name a file in it")
    try:
        handle, name = tempfile.mkstemp(path.suffix, f".{path.stem[:40]}-", path.parent)
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror}") from error
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        # mkstemp makes files that only their owner may read; a result is an ordinary file
        mask = os.umask(0)
        os.umask(mask)
        temporary.chmod(0o666 & ~mask)
        temporary.replace(path)
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror or error}") from error
    finally:
        temporary.unlink(missing_ok=True)


def write_bytes(path: str | Path, data: bytes) -> None:
    """Writes a whole file in one step. Raises InputError where it cannot."""
    with replacing(path) as temporary, temporary.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
