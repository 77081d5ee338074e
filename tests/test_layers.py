"""The arrows of docs/layout.md point one way: who may import whom, and what the C++ may include."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

BASE = {"arkit", "arrays", "errors", "rotation", "types", "config", "clock", "files", "_core"}
MAY_IMPORT: dict[str, set[str]] = {
    "head": BASE,
    "face": BASE,
    "avatar": BASE | {"head"},
    "importers": BASE | {"head", "avatar"},
    "splat": BASE,
    "device": BASE,
    "picture": BASE,
    "render": BASE | {"head", "avatar", "device", "picture"},
    "together": BASE | {"render"},
    "audio": BASE,
    "drivers": BASE | {"head", "face", "audio"},
    "synthetic": BASE | {"head", "avatar"},
    "baseline": BASE | {"render", "avatar"},
    "fidelity": BASE | {"render", "avatar", "baseline"},
    "measure": BASE | {"render", "avatar", "baseline", "fidelity"},
    "motion": BASE,
    "pipeline": BASE | {"drivers", "motion", "render", "head", "avatar", "audio"},
    "outputs": BASE | {"audio", "device"},
    "server": BASE
    | {"pipeline", "outputs", "drivers", "motion", "render", "avatar", "head", "audio"},
}
TRAINER_MAY = BASE | {"head", "face", "avatar", "render", "fidelity", "importers", "splat"}
EVALUATE_MAY = TRAINER_MAY | {"drivers", "pipeline", "motion", "synthetic", "baseline"}
CPP_MAY = {
    "math": {"math"},
    "core": {"core", "math"},
    "cpu": {"cpu", "core", "math"},
    "cuda": {"cuda", "core", "math"},
    "bind": {"bind", "core", "cpu", "cuda", "math"},
}


def imports(path: Path) -> Iterator[str]:
    """Every module that a file imports, anywhere in it, as a dotted name."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert not node.level, f"{path.name}: relative imports hide which room is entered"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def room(dotted: str) -> str | None:
    """The room of avatar_rt that a dotted import enters; None for other packages."""
    parts = dotted.split(".")
    return parts[1] if parts[0] == "avatar_rt" and len(parts) > 1 else None


def python_files(folder: str) -> list[Path]:
    return sorted((ROOT / folder).rglob("*.py"))


def room_of(path: Path) -> str:
    part = path.relative_to(ROOT / "avatar_rt").parts[0]
    return part.removesuffix(".py")


@pytest.mark.parametrize("path", python_files("avatar_rt"), ids=lambda p: str(p.relative_to(ROOT)))
def test_runtime_imports_point_one_way(path: Path) -> None:
    names = list(imports(path))
    assert not [n for n in names if n.split(".")[0] in ("torch", "trainer", "tests")]
    here = room_of(path)
    if here in {"cli", "__init__", "__main__"}:
        return
    assert here in MAY_IMPORT or here in BASE, f"the room {here} has no rule"
    entered = {r for n in names if (r := room(n)) is not None and r != here}
    assert entered <= MAY_IMPORT.get(here, BASE), f"{here} imports {entered}"


@pytest.mark.parametrize("path", python_files("trainer"), ids=lambda p: str(p.relative_to(ROOT)))
def test_trainer_stands_on_the_runtime_only_where_it_may(path: Path) -> None:
    allowed = EVALUATE_MAY if "evaluate" in path.parts else TRAINER_MAY
    entered = {r for n in imports(path) if (r := room(n)) is not None}
    assert entered <= allowed, f"{path.name} imports {entered - allowed}"


@pytest.mark.parametrize("folder", [d for d in CPP_MAY if (ROOT / "csrc" / d).exists()])
def test_native_includes_point_one_way(folder: str) -> None:
    for path in (ROOT / "csrc" / folder).rglob("*.[hc]*"):
        for target in re.findall(r'#include "(?:\.\./)*(\w+)/', path.read_text("utf-8")):
            assert target in CPP_MAY[folder], f"{path.name} includes {target}/"
