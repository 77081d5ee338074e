"""Fixtures that every room's tests share, and the closing word on what was skipped."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

_ROOT = Path(__file__).resolve().parents[1]


def asset_root() -> Path:
    """The folder of test assets by others: AVATAR_RT_TEST_ASSETS, else ../shared/assets."""
    return Path(os.environ.get("AVATAR_RT_TEST_ASSETS", _ROOT.parent / "shared" / "assets"))


@pytest.fixture(scope="session")
def assets() -> Callable[[str], Path]:
    """assets("lam/p2-1.zip") → its path; skips, naming the file, where it is absent."""

    def find(name: str) -> Path:
        path = asset_root() / name
        if not path.exists():
            pytest.skip(f"test asset {name} is not in AVATAR_RT_TEST_ASSETS")
        return path

    return find


@pytest.fixture(autouse=True, scope="session")
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Tests build into a cache of their own, unless one was named."""
    os.environ.setdefault("AVATAR_RT_CACHE", str(tmp_path_factory.mktemp("cache")))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    skipped = terminalreporter.stats.get("skipped", [])
    reasons = Counter(str(report.longrepr[2]) for report in skipped)
    terminalreporter.write_sep("-", f"{len(skipped)} tests skipped")
    for reason, count in reasons.most_common():
        terminalreporter.write_line(f"{count:4d}  {reason}")
