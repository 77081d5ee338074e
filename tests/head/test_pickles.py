"""Hostile pickles: refused by name, nothing run, nothing big set aside."""

from __future__ import annotations

import pickle
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from avatar_rt.errors import FileFormatError
from avatar_rt.head import load_flame
from avatar_rt.head.flame.pickles import array_of, read_pickle


class Calls:
    """Pickles as a call of `function` with `arguments`."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.function, self.arguments = function, arguments

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return self.function, self.arguments


def touch(path: Path) -> str:
    return f"__import__('pathlib').Path({str(path)!r}).write_text('ran')"


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("kind", ["system", "eval", "exec", "popen", "open", "nested", "state"])
def test_calls_are_refused_and_not_made(tmp_path: Path, kind: str, protocol: int) -> None:
    import os  # noqa: PLC0415

    mark = tmp_path / "ran"
    thing: Any = {
        "system": Calls(os.system, f"echo ran > {mark}"),
        "eval": Calls(eval, touch(mark)),
        "exec": Calls(exec, touch(mark)),
        "popen": Calls(subprocess.Popen, ["touch", str(mark)]),
        "open": Calls(open, str(mark), "w"),
        "nested": {"v_template": [({"x": Calls(eval, touch(mark))},)]},
        "state": Calls(np.ndarray, Calls(eval, touch(mark))),
    }[kind]
    data = pickle.dumps({"v_template": thing}, protocol=protocol)
    path = tmp_path / "model.pkl"
    path.write_bytes(data)
    with pytest.raises(
        FileFormatError, match=r"it asks for '.*', which is no part of a head model"
    ):
        load_flame(path)
    assert not mark.exists()


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("numpy", "load"), ("numpy", "fromfile"), ("numpy", "save"),
        ("numpy.core.multiarray", "zeros"), ("numpy.testing._private.utils", "runstring"),
        ("numpy", "memmap"), ("numpy.f2py", "compile"),
        ("builtins", "getattr"), ("builtins", "__import__"), ("__builtin__", "eval"),
        ("importlib", "import_module"), ("operator", "attrgetter"), ("functools", "partial"),
        ("chumpyx.ch", "Ch"), ("scipy.sparse", "load_npz"), ("scipy.io", "loadmat"),
        ("posix", "system"), ("nt", "system"), ("avatar_rt.head.store", "save_head"),
        ("numpy", "ndarray.tofile"), ("chumpy.ch", "Ch.__init__.__globals__"),
    ],
)  # fmt: skip
def test_other_names_are_refused(tmp_path: Path, module: str, name: str) -> None:
    stacked = b"\x80\x04" + short(module) + short(name) + b"\x93."
    with pytest.raises(FileFormatError, match="which is no part of a head model"):
        read_pickle(tmp_path / "x.pkl", stacked)
    named = b"c" + f"{module}\n{name}\n".encode() + b"."
    with pytest.raises(FileFormatError, match="which is no part of a head model"):
        read_pickle(tmp_path / "x.pkl", named)


def short(text: str) -> bytes:
    return b"\x8c" + bytes([len(text)]) + text.encode()


RECONSTRUCT = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85C\x01b\x87R"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "pickle"),
        (b"garbage", "pickle"),
        (b"\x80\x02}", "pickle"),
        (b"\x80\x02K\x01.", "no dictionary"),
        (b"\x80\x02X\xff\xff\xff\x7fabc.", "pickle"),
        (b"\x80\x04\x8d" + struct.pack("<Q", 2**62) + b".", "pickle"),
        (b"\x80\x05\x96" + struct.pack("<Q", 2**40) + b"abc.", "pickle"),
        (b"\x80\x05\x960\x00\x00\x00\x00\x00\x00\x00" + b"a" * 48 + b".", "BYTEARRAY8"),
        (b"\x80\x02}r\xff\xff\xff\xffh\x00.", "pickle"),
        (b"\x80\x02\x8b\xff\xff\xff\x7f\x00.", "pickle"),
        (b"\x80\x02}(K\x01u.", "pickle"),
        (b"\x80\x02u.", "pickle"),
        (b"\x80\x02R.", "pickle"),
        (b"\x80\x02}K\x01b.", "into what does not hold it"),
        (b"\x80\x02K\x01)R.", "calls something that is no array"),
        (b"\x80\x02cnumpy\nndarray\nK\x01R.", "calls something that is no array"),
        (b"\x80\x02cnumpy\nndarray\n}b.", "into what does not hold it"),
        (b"\x80\x02Pabc\n.", "PERSID"),
        (b"\x80\x02\x82\x01.", "EXT1"),
        (b"(cposix\nsystem\nX\x02\x00\x00\x00lsio.", "no part of a head model"),
        (b"(ios\nsystem\n.", "INST"),
        (b"\x80\x02c_codecs\nencode\nX\x01\x00\x00\x00aX\x04\x00\x00\x00zlib\x86R.", "coding"),
        (b"I" + b"9" * 5000 + b"\n.", "pickle"),
        (b"\x80\x02h\x05.", "pickle"),
    ],
)
def test_broken_and_greedy_pickles(tmp_path: Path, data: bytes, message: str) -> None:
    with pytest.raises(FileFormatError, match=message):
        read_pickle(tmp_path / "x.pkl", data)


def entry(state: bytes) -> Any:
    """The single entry "a" of a pickle that builds an array from `state`."""
    return read_pickle(Path("x.pkl"), b"\x80\x02}U\x01a" + RECONSTRUCT + state + b"bs.")["a"]


FLOATS = (
    b"cnumpy\ndtype\nU\x02f8K\x00K\x01\x87R(K\x03U\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
)
OBJECTS = FLOATS.replace(b"f8", b"O8")


def test_an_array_is_read() -> None:
    state = b"(K\x01K\x02\x85" + FLOATS + b"\x89C\x10" + struct.pack("<2d", 1.5, -2.0) + b"t"
    np.testing.assert_array_equal(array_of(Path("x.pkl"), "a", entry(state)), [1.5, -2.0])


@pytest.mark.parametrize(
    ("state", "message"),
    [
        (
            b"(K\x01J\xff\xff\xff\x7f\x85" + FLOATS + b"\x89C\x08abcdefght",
            "needs .* bytes, 8 are there",
        ),
        (b"(K\x01K\x03\x85" + FLOATS + b"\x89C\x08abcdefght", "needs 24 bytes, 8 are there"),
        (b"(K\x01J\xff\xff\xff\xff\x85" + FLOATS + b"\x89C\x08abcdefght", "no sensible shape"),
        (b"(K\x01K\x01\x85" + OBJECTS + b"\x89]t", "no plain number"),
        (b"(K\x01K\x01\x85N\x89C\x08abcdefght", "no dtype"),
        (b"(K\x01N" + FLOATS + b"\x89C\x08abcdefght", "no data"),
        (b"(K\x01K\x01\x85" + FLOATS + b"\x89Nt", "no data"),
        (b"K\x07", "no array"),
    ],
)
def test_arrays_that_do_not_add_up(state: bytes, message: str) -> None:
    with pytest.raises(FileFormatError, match=message):
        array_of(Path("x.pkl"), "a", entry(state))


def test_ten_thousand_levels_deep(tmp_path: Path) -> None:
    deep = b"\x80\x02}U\x01a" + b"]" * 10_000 + b"a" * 9_999 + b"s."
    value = read_pickle(tmp_path / "x.pkl", deep)["a"]
    with pytest.raises(FileFormatError):
        array_of(tmp_path / "x.pkl", "a", value)


def test_nothing_of_scipy_or_chumpy_is_imported(tmp_path: Path) -> None:
    """Reading needs numpy only: the runtime has no scipy, and no Python has chumpy any more."""
    from tests.head.flame_files import random_arrays, write_pickle  # noqa: PLC0415

    path = write_pickle(tmp_path / "model.pkl", random_arrays(shapes=150))
    script = (
        "import sys; sys.modules['scipy'] = None; sys.modules['chumpy'] = None\n"
        "from avatar_rt.head import load_flame\n"
        f"print(load_flame({str(path)!r}, fit=False).joint_regressor.shape)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.stdout.strip() == "(5, 5023)", done.stderr
