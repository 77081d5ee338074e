"""Many avatars at once: every way of drawing them draws the same pictures."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from avatar_rt.measure import moving_faces
from avatar_rt.render import Renderer
from avatar_rt.synthetic import synthetic_head
from benchmarks import many_avatars


def orders(count: int) -> list[many_avatars.Order]:
    renderers = [Renderer(synthetic_head(200, k), backend="cpu", threads=1) for k in range(count)]
    faces = moving_faces(count)
    return [(r, f, r.camera(width=32, height=24)) for r, f in zip(renderers, faces, strict=True)]


def test_all_ways_draw_the_same() -> None:
    todo = orders(5)
    alone = many_avatars.one_by_one("exact")(todo)
    with ThreadPoolExecutor(2) as pool:
        ways = [many_avatars.by_threads("exact", pool, 2), many_avatars.together("exact")]
        for found in (way(todo) for way in ways):
            for a, b in zip(alone, found, strict=True):
                np.testing.assert_array_equal(a.pixels, b.pixels)
                assert a.format == b.format == "nv12"


def test_results_say_what_was_drawn() -> None:
    shares: list[float] = []
    found = many_avatars.measure(
        3, 100, size=16, ticks=4, backend="cpu", threads=2, step=shares.append
    )
    assert [r.way for r in found] == ["one by one", "threads", "together"]
    assert sum(shares) == pytest.approx(1)
    for r in found:
        assert (r.avatars, r.gaussians, r.backend, r.device) == (3, 100, "cpu", None)
        assert r.mib_per_avatar is None
        assert r.tick_ms_p99 >= r.tick_ms_median > 0
        assert r.enough == (r.ticks_per_second >= 60)


@pytest.mark.parametrize("more", [[], ["--json"]])
def test_the_command(
    more: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", [
        "many_avatars", "--avatars", "2", "--gaussians", "50", "--size", "16", "--ticks", "3",
        "--backend", "cpu", *more,
    ])  # fmt: skip
    many_avatars.main()
    out = capsys.readouterr().out
    if more:
        assert {r["avatars"] for r in json.loads(out)["results"]} == {2}
    else:
        assert "ticks/s" in out


def test_no_avatars_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["many_avatars", "--avatars", "0"])
    with pytest.raises(SystemExit):
        many_avatars.main()
