"""Reads the arrays of a FLAME pickle without running what the pickle says.

A pickle is a program: it names functions and calls them. This reader knows a handful of names,
those that arrays are made of, and gives each a stand-in of ours that only keeps what it is handed.
Nothing is imported, nothing of NumPy, SciPy or chumpy is called, and any other name is refused.
"""

from __future__ import annotations

import pickletools
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from avatar_rt.arrays import Array
from avatar_rt.errors import FileFormatError

NUMBERS = {"f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "b1"}
MOST_SPARSE = 1 << 28
LITERALS = frozenset((
    "INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT", "STRING",
    "BINSTRING", "SHORT_BINSTRING", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8",
    "BINBYTES", "SHORT_BINBYTES", "BINBYTES8",
))  # fmt: skip
CONSTANTS: dict[str, Any] = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}
TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}


class PickleFaultError(Exception):
    """The pickle does what a file of arrays does not."""


@dataclass(frozen=True, slots=True)
class _Name:
    """A name that the pickle may mention."""

    kind: str


@dataclass(eq=False, slots=True)
class _Inert:
    """Something a pickle made: what it was called with, and what was built into it."""

    kind: str
    arguments: tuple[Any, ...] = ()
    state: Any = None


def _kind(module: str, name: str) -> str | None:
    """What a global stands for; None where it is not one that arrays need."""
    known = {
        ("numpy", "ndarray"): "class",
        ("numpy", "dtype"): "dtype",
        ("numpy.core.multiarray", "_reconstruct"): "array",
        ("numpy._core.multiarray", "_reconstruct"): "array",
        ("numpy.core.multiarray", "scalar"): "scalar",
        ("numpy._core.multiarray", "scalar"): "scalar",
        ("_codecs", "encode"): "encode",
        ("copy_reg", "_reconstructor"): "reconstructor",
        ("copyreg", "_reconstructor"): "reconstructor",
        ("__builtin__", "object"): "class",
        ("builtins", "object"): "class",
    }
    if module.split(".", maxsplit=1)[0] == "chumpy" and name.isidentifier():
        return f"chumpy {name}"
    if module.startswith("scipy.sparse.") and name in ("csc_matrix", "csr_matrix"):
        return name
    return known.get((module, name))


@dataclass(slots=True)
class _Machine:
    """The part of the pickle machine that arrays need. It calls nothing: what the pickle wants
    called becomes an _Inert, and every opcode without a rule here is refused."""

    stack: list[Any] = field(default_factory=list)
    marks: list[int] = field(default_factory=list)
    memo: dict[int, Any] = field(default_factory=dict)

    def run(self, data: bytes) -> Any:
        """The object that the pickle ends with."""
        for opcode, argument, _ in pickletools.genops(data):
            if opcode.name == "STOP":
                return self.stack.pop()
            self.step(opcode.name, argument)
        raise PickleFaultError("it has no end")

    def step(self, name: str, argument: Any) -> None:
        known = self.push(name, argument) or self.collect(name) or self.make(name, argument)
        if not known and name not in ("PROTO", "FRAME"):
            raise PickleFaultError(f"it uses {name}, which no file of arrays needs")

    def push(self, name: str, argument: Any) -> bool:
        """Opcodes that only put something on the stack or into the memo."""
        if name in LITERALS:
            self.stack.append(argument)
        elif name in CONSTANTS:
            self.stack.append(CONSTANTS[name])
        elif name in ("EMPTY_LIST", "EMPTY_DICT"):
            self.stack.append([] if name == "EMPTY_LIST" else {})
        elif name in ("PUT", "BINPUT", "LONG_BINPUT"):
            self.memo[argument] = self.stack[-1]
        elif name == "MEMOIZE":
            self.memo[len(self.memo)] = self.stack[-1]
        elif name in ("GET", "BINGET", "LONG_BINGET"):
            self.stack.append(self.memo[argument])
        elif name == "MARK":
            self.marks.append(len(self.stack))
        else:
            return False
        return True

    def collect(self, name: str) -> bool:
        """Opcodes that gather what lies on the stack."""
        if name in TUPLES:
            self.marks.append(len(self.stack) - TUPLES[name])
            self.stack.append(tuple(self.since_mark()))
        elif name == "TUPLE":
            self.stack.append(tuple(self.since_mark()))
        elif name == "LIST":
            self.stack.append(self.since_mark())
        elif name == "DICT":
            self.stack.append(_pairs(self.since_mark()))
        elif name in ("APPEND", "APPENDS"):
            added = [self.stack.pop()] if name == "APPEND" else self.since_mark()
            self.top(list).extend(added)
        elif name in ("SETITEM", "SETITEMS"):
            if name == "SETITEM":
                self.marks.append(len(self.stack) - 2)
            entries = _pairs(self.since_mark())
            self.top(dict).update(entries)
        else:
            return False
        return True

    def make(self, name: str, argument: Any) -> bool:
        """Opcodes that would import, call and fill; here they only write down what was wanted."""
        if name == "GLOBAL":
            self.stack.append(_name(*argument.split(" ", 1)))
        elif name == "STACK_GLOBAL":
            wanted = self.stack.pop()
            self.stack.append(_name(str(self.stack.pop()), str(wanted)))
        elif name in ("REDUCE", "NEWOBJ"):
            arguments = self.stack.pop()
            self.stack.append(_call(self.stack.pop(), arguments))
        elif name == "BUILD":
            state = self.stack.pop()
            self.top(_Inert).state = state
        else:
            return False
        return True

    def since_mark(self) -> list[Any]:
        start = self.marks.pop()
        if start < 0:
            raise PickleFaultError("it takes more than it put down")
        items = self.stack[start:]
        del self.stack[start:]
        return items

    def top(self, kind: type) -> Any:
        if not isinstance(self.stack[-1], kind):
            raise PickleFaultError("it puts something into what does not hold it")
        return self.stack[-1]


def _pairs(items: list[Any]) -> dict[Any, Any]:
    return dict(zip(items[::2], items[1::2], strict=True))


def _name(module: str, name: str) -> _Name:
    kind = _kind(module, name)
    if kind is None:
        raise PickleFaultError(
            f"it asks for {f'{module}.{name}'[:80]!r}, which is no part of a head model; nothing "
            "of it was run"
        )
    return _Name(kind)


def _call(name: Any, arguments: Any) -> Any:
    if not isinstance(name, _Name) or not isinstance(arguments, tuple):
        raise PickleFaultError("it calls something that is no array")
    if name.kind == "encode":
        text, coding = arguments
        if coding not in ("latin1", "latin-1") or not isinstance(text, str):
            raise PickleFaultError("it holds bytes in an unexpected coding")
        return text.encode("latin1")
    if name.kind == "reconstructor":
        # copyreg._reconstructor(cls, object, None): an instance without its __init__
        return _call(arguments[0], ())
    return _Inert(name.kind, arguments)


def read_pickle(path: Path, data: bytes) -> dict[str, Any]:
    """The entries of a pickled dict; `array_of` gives the array of each.

    Raises FileFormatError, naming the global, for a pickle that asks for anything but arrays, and
    for one that is truncated or no pickle.
    """
    try:
        found = _Machine().run(data)
    except (
        PickleFaultError, ValueError, TypeError, AttributeError, LookupError, OverflowError,
        MemoryError, RecursionError,
    ) as error:  # fmt: skip
        raise FileFormatError(path, "pickle", str(error) or type(error).__name__) from None
    if not isinstance(found, dict):
        raise FileFormatError(path, "pickle", "holds no dictionary of arrays")
    return {key: value for key, value in found.items() if isinstance(key, str)}


def array_of(path: Path, key: str, value: Any) -> Array:
    """The array that an entry of a pickle describes. Raises FileFormatError where it is none."""
    try:
        return _array(value)
    except (
        ValueError,
        TypeError,
        LookupError,
        AttributeError,
        OverflowError,
        MemoryError,
    ) as error:
        raise FileFormatError(path, key, f"is no array that can be read ({error})") from None


def _array(value: Any, depth: int = 0) -> Array:
    """What an inert value describes. Raises ValueError where it does not add up."""
    if depth > 4:
        raise ValueError("nested too deeply")
    if isinstance(value, int | float | list | tuple):
        plain = np.asarray(value)
        if plain.dtype.kind not in "fiub":
            raise ValueError("holds no numbers")
        return plain
    if not isinstance(value, _Inert):
        raise ValueError(f"found {type(value).__name__}")
    if value.kind == "array":
        _, shape, dtype, fortran, raw = value.state or (None,) * 5
        return _from_bytes(shape, dtype, fortran, raw)
    if value.kind == "scalar":
        dtype, raw = value.arguments
        return _from_bytes((), dtype, False, raw)
    if value.kind.startswith("chumpy"):
        return _chumpy(value, depth)
    if value.kind in ("csc_matrix", "csr_matrix"):
        return _sparse(value, depth)
    raise ValueError(f"found {value.kind}")


def _from_bytes(shape: Any, dtype: Any, fortran: Any, raw: Any) -> Array:
    if not isinstance(dtype, _Inert) or dtype.kind != "dtype":
        raise ValueError("has no dtype")
    name = str(dtype.arguments[0]).lstrip("<>|=")
    order = dtype.state[1] if isinstance(dtype.state, tuple) else "<"
    if name not in NUMBERS or order not in ("<", ">", "|", "="):
        raise ValueError(f"dtype {name!r} is no plain number")
    kind = np.dtype(("<" if order in "|=" else order) + name)
    data = raw.encode("latin1") if isinstance(raw, str) else raw
    if not isinstance(data, bytes) or not isinstance(shape, tuple):
        raise ValueError("has no data")
    if len(shape) > 4 or not all(isinstance(n, int) and 0 <= n < 2**32 for n in shape):
        raise ValueError("has no sensible shape")
    size = kind.itemsize
    for n in shape:
        size *= n
    if size != len(data):
        raise ValueError(f"shape {shape} needs {size} bytes, {len(data)} are there")
    array: Array = np.frombuffer(data, kind).reshape(shape, order="F" if fortran else "C")
    return array.astype(kind.newbyteorder("="))


def _chumpy(value: _Inert, depth: int) -> Array:
    """chumpy's leaves hold their numbers as x; a Select picks entries of another (a, idxs)."""
    state = value.state
    if not isinstance(state, dict):
        raise ValueError(f"{value.kind} has no state")
    if "x" in state:
        return _array(state["x"], depth + 1)
    if {"a", "idxs"} <= state.keys():
        source, index = _array(state["a"], depth + 1), _array(state["idxs"], depth + 1)
        shape = tuple(
            int(n) for n in _array(state.get("preferred_shape", (len(index),)), depth + 1)
        )
        return source.ravel()[index.astype(np.int64)].reshape(shape)
    raise ValueError(f"{value.kind} is computed from others; only leaves can be read")


def _sparse(value: _Inert, depth: int) -> Array:
    """A compressed sparse matrix, dense: at most MOST_SPARSE entries."""
    state = value.state
    if not isinstance(state, dict):
        raise ValueError("sparse matrix without state")
    shape = state["_shape"] if "_shape" in state else state["shape"]
    data, index, start = (_array(state[k], depth + 1) for k in ("data", "indices", "indptr"))
    rows, columns = (int(n) for n in shape)
    if value.kind == "csr_matrix":
        rows, columns = columns, rows
    fits = (
        rows >= 0 and columns >= 0 and rows * columns <= MOST_SPARSE
        and start.shape == (columns + 1,) and index.shape == data.shape == (int(start[-1]),)
        and start[0] == 0 and (np.diff(start.astype(np.int64)) >= 0).all()
        and (len(index) == 0 or (index.min() >= 0 and index.max() < rows))
    )  # fmt: skip
    if not fits:
        raise ValueError("the parts of a sparse matrix do not fit together")
    dense = np.zeros((columns, rows))
    which = np.repeat(np.arange(columns), np.diff(start.astype(np.int64)))
    np.add.at(dense, (which, index.astype(np.int64)), data)
    return dense if value.kind == "csr_matrix" else dense.T
