"""The process that makes avatars: its progress is passed on, and it is ended when nobody waits.

A short program stands in for the maker here, so that each of its endings can be tried in a moment;
tests/browser makes an avatar with the real one.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from avatar_rt.avatar import Avatar
from avatar_rt.config import cache_dir
from avatar_rt.server import maker
from avatar_rt.server.workshop import in_words
from tests.server.client import until, viewer
from tests.server.conftest import Serve

_SAY = "import json, sys, time\nsay = lambda **o: print(json.dumps(o), flush=True)\n"
_GOOD = (
    "say(step='find the face', fraction=0.1)\nprint('a library chatters')\n"
    "say(step='fit', fraction=7)\nopen(sys.argv[1], 'wb').write(b'x')\nsay(done=sys.argv[1])\n"
)


def program(tmp_path: Path, text: str) -> tuple[list[str], Path]:
    script, output = tmp_path / "maker.py", tmp_path / "out.avatar"
    script.write_text(_SAY + text)
    return [sys.executable, str(script), str(output)], output


async def run(tmp_path: Path, text: str, seconds: float = 60) -> list[maker.Progress]:
    arguments, output = program(tmp_path, text)
    async with contextlib.aclosing(maker.make(arguments, output, seconds)) as steps:
        return [step async for step in steps]


async def test_progress_is_passed_on_and_chatter_is_not(tmp_path: Path) -> None:
    steps = await run(tmp_path, _GOOD)
    assert steps == [maker.Progress("find the face", 0.1), maker.Progress("fit", 1.0)]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("say(error='there is no face in it')", "no face"),
        ("sys.exit(3)", "status 3: it said nothing"),
        ("raise ValueError('seven')", "seven"),
        ("say(done=sys.argv[1])", "ended with status 0"),
        ("open(sys.argv[1], 'w').close()", "ended with status 0"),
        ("print('x' * 200_000)", "more in one line"),
        ("import os\nos.kill(os.getpid(), 9)", "status -9"),
    ],
)
async def test_failures_become_words(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(maker.MakeError, match=said):
        await run(tmp_path, text)


async def test_it_is_stopped_after_its_time(tmp_path: Path) -> None:
    with pytest.raises(maker.MakeError, match="longer than 1 s"):
        await run(tmp_path, "say(step='wait', fraction=0)\ntime.sleep(60)", seconds=1)


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{pid}/stat")
    return not stat.exists() or stat.read_text().rsplit(")", 1)[1].split()[0] != "Z"


async def test_whoever_stops_waiting_ends_it_and_its_children(tmp_path: Path) -> None:
    text = (
        "import os, subprocess\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        "say(step=f'{os.getpid()} {child.pid}', fraction=0)\ntime.sleep(60)\n"
    )
    arguments, output = program(tmp_path, text)
    async with contextlib.aclosing(maker.make(arguments, output, 60)) as steps:
        first = await anext(steps)
        pids = [int(word) for word in first.step.split()]
        assert all(alive(pid) for pid in pids)
    await until(lambda: not any(alive(pid) for pid in pids))


async def test_a_photograph_becomes_the_viewers_own_avatar_and_goes_with_the_call(
    serve: Serve, egg: Avatar, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = tmp_path / "made.avatar"
    egg.save(made)
    script = tmp_path / "maker.py"
    script.write_text(
        _SAY + "import shutil\nassert open(sys.argv[1], 'rb').read() == b'a photograph'\n"
        "say(step='copy', fraction=0.5)\n"
        f"shutil.copy({str(made)!r}, sys.argv[2])\nsay(done=sys.argv[2])\n"
    )
    monkeypatch.setattr(maker, "can_make", lambda: True)
    monkeypatch.setattr(
        maker, "command", lambda photo, out: [sys.executable, str(script), str(photo), str(out)]
    )
    before = set(cache_dir().glob("make-*"))
    async with serve() as running:
        async with viewer(running) as caller, viewer(running) as other:
            headers = {"X-Session": caller.session, "X-Consent": "yes"}
            url = f"{running.url}api/photo"
            async with running.http.post(url, data=b"a photograph", headers=headers) as response:
                assert response.status == 202
            await until(lambda: (caller.newest("make") or {}).get("done"))
            await until(lambda: (caller.newest("state") or {})["avatar"]["which"] == "mine")
            assert [m.get("step") for m in caller.messages if m["type"] == "make"] == ["copy", None]
            assert len(running.studio.scenes) == 2
            assert (other.newest("state") or {})["avatar"]["which"] == "shared"
            async with running.http.get(
                f"{running.url}api/avatar", headers={"X-Session": caller.session}
            ) as response:
                assert await response.read() == made.read_bytes()
            await caller.fresh_picture()
            caller.say(type="avatar", which="shared")
            await until(lambda: len(running.studio.scenes) == 1)
        await until(lambda: set(cache_dir().glob("make-*")) == before)


_HOLD = (
    "from avatar_rt.server import maker\n"
    "folder = maker.workshop()\n"
    "(folder / 'portrait').write_bytes(b'a photograph')\n"
    "print(folder, flush=True)\n"
    "input()\n"
)


def test_the_workshop_of_a_killed_server_is_swept_away_and_of_a_live_one_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AVATAR_RT_CACHE", str(tmp_path))
    (tmp_path / "make-notes").write_text("no folder")
    mine = maker.workshop()
    arguments = [sys.executable, "-c", _HOLD]
    with subprocess.Popen(
        arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout is not None
        theirs = Path(server.stdout.readline().strip())
        maker.sweep()
        assert (theirs / "portrait").exists() and mine.is_dir()
        server.kill()
    assert (theirs / "portrait").exists()
    maker.sweep()
    assert not theirs.exists() and mine.is_dir()
    maker.clear(mine)
    assert [path.name for path in tmp_path.iterdir()] == ["make-notes"]


async def test_a_starting_server_sweeps(serve: Serve) -> None:
    left = cache_dir() / "make-left"
    left.mkdir()
    (left / "made.avatar").write_bytes(b"somebody")
    async with serve():
        assert not left.exists()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "portrait: no face found; give a portrait",
            "No face was found in the photograph; give a portrait",
        ),
        ("portrait: the file is empty", "The file is empty"),
        ("/cache/make-1/portrait: the file is empty", "The file is empty"),
        ("/cache/make-1/made.avatar: head: is short", "made.avatar: head: is short"),
        ("", ""),
    ],
)
def test_the_maker_is_quoted_without_names_that_are_ours(text: str, said: str) -> None:
    assert in_words(text, Path("/cache/make-1/portrait")) == said


async def test_making_ends_with_the_call_that_asked_for_it(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = tmp_path / "maker.py"
    script.write_text(_SAY + "import os\nsay(step=str(os.getpid()), fraction=0)\ntime.sleep(60)")
    monkeypatch.setattr(maker, "can_make", lambda: True)
    monkeypatch.setattr(maker, "command", lambda *_: [sys.executable, str(script)])
    async with serve() as running:
        for leave in ("cancel", "hang up"):
            async with viewer(running) as caller:
                headers = {"X-Session": caller.session, "X-Consent": "yes"}
                url = f"{running.url}api/photo"
                async with running.http.post(url, data=b"x", headers=headers) as response:
                    assert response.status == 202
                await until(lambda c=caller: (c.newest("make") or {}).get("step"))
                pid = int((caller.newest("make") or {})["step"])
                async with running.http.post(url, data=b"x", headers=headers) as response:
                    assert response.status == 503, "one at a time"
                if leave == "cancel":
                    caller.say(type="cancel")
                    await until(lambda c=caller: (c.newest("make") or {}).get("cancelled"))
            await until(lambda p=pid: not alive(p))
        await until(lambda: not list(cache_dir().glob("make-*")))
