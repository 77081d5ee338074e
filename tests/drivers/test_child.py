"""A child process is born, answers, fails, dies and is closed, and its parent never hangs."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

import pytest

from avatar_rt.drivers.child import Child
from avatar_rt.errors import DriverError, InputError

_PATIENCE = 30.0
"""Seconds that a busy machine may take; reached only where something is wrong."""


def doubling(pipe: Connection) -> None:
    while True:
        pipe.send(2 * pipe.recv())


def failing(pipe: Connection, message: str) -> None:
    pipe.recv()
    raise InputError(message)


def breaking(pipe: Connection) -> None:
    pipe.send(1 // int(pipe.recv()))


def deaf(pipe: Connection) -> None:
    pipe.send("begun")
    while True:
        time.sleep(60)


def awaited(child: Child, enough: Callable[[list[Any]], bool] = bool) -> list[Any]:
    """What the child says, once it is enough."""
    answers: list[Any] = []
    for _ in range(int(_PATIENCE / 0.01)):
        answers += child.poll()
        if enough(answers):
            return answers
        time.sleep(0.01)
    raise AssertionError("the child says nothing")


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def test_it_answers_and_is_closed() -> None:
    child = Child(doubling, name="doubler")
    pid = child.pid
    assert pid is not None
    child.send(21)
    child.send(4)
    assert awaited(child, lambda a: len(a) == 2) == [42, 8]
    assert child.poll() == []
    child.close()
    child.close()
    assert gone(pid)
    assert child.pid is None
    assert child.poll() == []
    child.send(1)


@pytest.mark.parametrize(
    ("work", "arguments", "message"),
    [(failing, ("no such film",), "no such film"), (breaking, (), "ZeroDivisionError")],
)
def test_its_failure_is_told(
    work: Callable[..., None], arguments: tuple[str, ...], message: str
) -> None:
    child = Child(work, *arguments, name="worker")
    child.send(0)
    with pytest.raises(DriverError, match=f"worker: .*{message}"):
        awaited(child)
    with pytest.raises(DriverError, match=message):
        child.poll()
    child.close()


def test_its_death_is_noticed() -> None:
    child = Child(doubling, name="doubler")
    child.send(1)
    awaited(child)
    assert child.pid is not None
    os.kill(child.pid, signal.SIGKILL)
    with pytest.raises(DriverError, match=r"doubler: ended unexpectedly \(signal SIGKILL\)"):
        awaited(child)
    child.close()


def test_a_deaf_one_is_ended_by_force() -> None:
    child = Child(deaf, name="deaf")
    awaited(child)
    pid = child.pid
    assert pid is not None
    child.close()
    assert gone(pid)
