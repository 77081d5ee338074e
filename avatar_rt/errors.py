"""The exceptions a user of avatar-rt may meet.

    AvatarRtError
    ├── InputError          something the user gave is wrong: says what, where, and what to do
    │   ├── FileFormatError a file is of the wrong kind, truncated, or holds a bad array
    │   ├── PhotoError      a photograph from which no avatar can be made
    │   └── ParameterError  an argument, flag or weight out of its range
    ├── MissingDependencyError  an optional package or program is not there; says how to get it
    ├── DriverError         a source of motion broke off: a tracker died, a stream ended badly
    └── BackendError        the native core or a device cannot do what was asked

Every message can be shown to a user as it is; a traceback is never needed to understand one.
"""

from __future__ import annotations

from pathlib import Path


class AvatarRtError(Exception):
    """Base of all errors that avatar-rt raises on purpose."""


class InputError(AvatarRtError):
    """Something the user gave is wrong."""


class FileFormatError(InputError):
    """A file that cannot be read as what it should be.

    path: the file. field: the array or header entry that is wrong. problem: what was found and
    what was expected.
    """

    def __init__(self, path: str | Path, field: str, problem: str) -> None:
        self.path, self.field, self.problem = Path(path), field, problem
        super().__init__(f"{path}: {field}: {problem}")


class PhotoError(InputError):
    """A photograph from which no avatar can be made."""


class ParameterError(InputError):
    """An argument, flag or weight that is out of its range."""


class MissingDependencyError(AvatarRtError):
    """An optional package or program is not installed; the message says how to get it."""


class DriverError(AvatarRtError):
    """A source of motion that broke off."""


class BackendError(AvatarRtError):
    """The native core or a device cannot do what was asked."""
