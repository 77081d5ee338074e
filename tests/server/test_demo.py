"""`avatar-rt demo`: made once, kept, made again when the cache is damaged; it says what it does."""

from __future__ import annotations

import argparse
import importlib.util
import io
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest
from rich.console import Console

from avatar_rt.avatar import Avatar
from avatar_rt.cli import demo, make
from avatar_rt.cli.main import build_parser
from avatar_rt.errors import MissingDependencyError
from avatar_rt.server.drives import SharedDrive

pytest.importorskip("skimage", reason="the extra 'make' is not installed")


@pytest.fixture
def makings(egg: Avatar, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The photographs that the maker was given; it answers with the tests' small avatar."""
    given: list[bytes] = []

    def run(args: argparse.Namespace) -> int:
        given.append(args.photo.read_bytes())
        egg.save(args.output)
        return 0

    monkeypatch.setattr(make, "run", run)
    monkeypatch.setenv("AVATAR_RT_CACHE", str(tmp_path))
    return given


def test_the_avatar_is_made_once_and_kept(makings: list[bytes], tmp_path: Path) -> None:
    said = io.StringIO()
    console = Console(file=said)
    assert demo.demo_avatar(console).metadata["name"] == "egg-0"
    assert makings[0].startswith(b"\x89PNG") and "only this first time" in said.getvalue()
    demo.demo_avatar(console)
    assert len(makings) == 1
    (kept,) = tmp_path.glob("demo-*.avatar")
    kept.write_bytes(kept.read_bytes()[:1000])
    demo.demo_avatar(console)
    assert len(makings) == 2 and "is not whole" in said.getvalue()


@pytest.mark.parametrize("package", ["trainer", "avatar_rt.face", "avatar_rt.head"])
def test_it_is_made_again_when_what_makes_it_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, package: str
) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "evaluate").mkdir()
    weights = tmp_path / "data" / "weights.npz"
    weights.write_bytes(b"some")
    real = importlib.util.find_spec

    def find(name: str) -> ModuleSpec | None:
        if name != package:
            return real(name)
        spec = ModuleSpec(name, None, is_package=True)
        spec.submodule_search_locations = [str(tmp_path)]
        return spec

    monkeypatch.setattr(importlib.util, "find_spec", find)
    before = demo._maker_digest()
    (tmp_path / "evaluate" / "measure.py").write_text("a measurement makes nothing")
    assert demo._maker_digest() == before
    weights.write_bytes(b"others")
    assert demo._maker_digest() != before


def test_without_what_makes_avatars_it_says_how_to_get_it(
    makings: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing() -> None:
        raise MissingDependencyError("pip install 'avatar-rt[make]'")

    monkeypatch.setattr(make, "check_make_extra", missing)
    with pytest.raises(MissingDependencyError, match="pip install"):
        demo.demo_avatar(Console(file=io.StringIO()))
    assert not makings


@pytest.mark.parametrize("speaks", [True, False])
def test_it_talks_where_a_speech_engine_is_there_and_says_so_where_not(
    makings: list[bytes],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    speaks: bool,
) -> None:
    served: list[tuple[SharedDrive, bool]] = []

    def serve(avatar: Avatar, drive: SharedDrive, *_: object, open_page: bool) -> None:
        assert avatar.metadata["name"] == "egg-0"
        served.append((drive, open_page))

    monkeypatch.setattr(demo, "serve_avatar", serve)
    monkeypatch.setattr(demo, "text_note", lambda: (speaks, ""))
    args = build_parser("demo").parse_args(["demo", "--no-open"])
    assert args.run(args) == 0
    drive, open_page = served[0]
    assert ("speech" in drive.note) is speaks and not open_page
    assert ("apt install espeak-ng" in capsys.readouterr().out) is not speaks
    assert len(makings) == 1
