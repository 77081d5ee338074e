"""Members of a zip from a stranger: found by their last name, read in memory, never unpacked."""

from __future__ import annotations

import io
import zipfile
import zlib
from pathlib import Path

from avatar_rt.errors import FileFormatError
from avatar_rt.files import read_bytes

MAX_ZIP_BYTES = 256 << 20
MAX_ENTRIES = 10_000
_MAX_DIRECTORY_BYTES = 2 << 20
_END = b"PK\x05\x06"
"""Begins the record at a zip's end; a comment of up to 65,535 bytes may follow it."""


class Archive:
    """A zip whose folders do not matter. Raises FileFormatError for all that is wrong in it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        data = read_bytes(path, MAX_ZIP_BYTES)
        if _directory_bytes(data) > _MAX_DIRECTORY_BYTES:
            raise FileFormatError(path, "zip", "has too long a table of contents")
        try:
            self._zip = zipfile.ZipFile(io.BytesIO(data))
            entries = self._zip.infolist()
        # zipfile passes on what struct, codecs and its own arithmetic raise for damaged tables
        except (zipfile.BadZipFile, ValueError, OSError, LookupError, NotImplementedError) as error:
            raise FileFormatError(path, "zip", f"is damaged: {error}") from error
        if len(entries) > MAX_ENTRIES:
            raise FileFormatError(path, "zip", f"has {len(entries)} entries, too many")
        self._found: dict[str, list[zipfile.ZipInfo]] = {}
        for entry in entries:
            folders, _, name = entry.filename.replace("\\", "/").rpartition("/")
            if name and "__MACOSX" not in folders:
                self._found.setdefault(name, []).append(entry)

    def read(self, name: str, limit: int) -> bytes:
        """The bytes of the one member with that last name, at most `limit` of them."""
        found = self._found.get(name, [])
        if len(found) != 1:
            problem = "is not in the zip" if not found else f"is in the zip {len(found)} times"
            raise FileFormatError(self.path, name, problem)
        entry = found[0]
        if entry.flag_bits & 1:
            raise FileFormatError(self.path, name, "is encrypted")
        try:
            with self._zip.open(entry) as member:
                # the size that the zip declares is a claim; what counts is what comes out
                data = member.read(limit + 1)
        except (
            zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, NotImplementedError,
            RuntimeError,
        ) as error:  # fmt: skip
            raise FileFormatError(self.path, name, f"cannot be unpacked: {error}") from error
        if len(data) > limit:
            raise FileFormatError(self.path, name, f"is larger than {limit >> 20} MB")
        return data


def _directory_bytes(data: bytes) -> int:
    """The largest size that an end record claims for the table of contents: zipfile makes objects
    of all of it before it can be asked how many there are."""
    tail = data[-(22 + 65_535) :]
    claims, at = [0], tail.find(_END)
    while at >= 0:
        claims.append(int.from_bytes(tail[at + 12 : at + 16], "little"))
        at = tail.find(_END, at + 1)
    return max(claims)
