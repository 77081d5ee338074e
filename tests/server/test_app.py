"""The HTTP side: who is let in, what is served, and what an upload may be."""

from __future__ import annotations

from pathlib import Path

import pytest

from avatar_rt.server import guard, maker
from avatar_rt.server.limits import RateLimit
from tests.server.client import viewer
from tests.server.conftest import Serve

PAGE = Path(guard.__file__).parent / "page"


async def test_the_page_and_its_files_are_served_with_strict_headers(serve: Serve) -> None:
    async with serve() as running:
        for name in ["", *(p.name for p in PAGE.iterdir() if p.name != "index.html")]:
            async with running.http.get(running.url + name) as response:
                assert response.status == 200, name
                assert "default-src 'self'" in response.headers["Content-Security-Policy"]
                assert response.headers["X-Content-Type-Options"] == "nosniff"
                body = await response.text()
        assert "https://" not in body.replace("http://www.w3.org", "")


def test_the_page_needs_nothing_from_elsewhere() -> None:
    for path in PAGE.iterdir():
        text = path.read_text("utf-8").replace("http://www.w3.org/2000/svg", "")
        assert "http://" not in text and "https://" not in text, path.name
        assert "style=" not in text and "onclick=" not in text, f"{path.name}: against the policy"


@pytest.mark.parametrize(
    "path", ["../app.py", "%2e%2e/app.py", "page/../run.py", "etc/passwd", "index.html", "app.pyc"]
)
async def test_no_path_reaches_the_file_system(serve: Serve, path: str) -> None:
    async with serve() as running, running.http.get(running.url + path) as response:
        assert response.status == 404
        assert await response.json() == {"error": "Not Found"}


async def test_names_and_origins_from_elsewhere_are_refused(serve: Serve) -> None:
    async with serve() as running:
        port = running.url.rsplit(":", 1)[1].strip("/")
        own = f"127.0.0.1:{port}"
        cases = {
            "evil.example": ({"Host": "evil.example"}, 403),
            "rebound": ({"Host": f"evil.example:{port}"}, 403),
            "localhost": ({"Host": f"localhost:{port}"}, 200),
            "own origin": ({"Origin": f"http://{own}"}, 200),
            "foreign origin": ({"Origin": "https://evil.example"}, 403),
            "other port": ({"Origin": "http://127.0.0.1:1"}, 403),
            "opaque origin": ({"Origin": "null"}, 403),
            "unreadable origin": ({"Origin": "http://[::1"}, 400),
        }
        for name, (headers, expected) in cases.items():
            async with running.http.get(f"{running.url}api/health", headers=headers) as response:
                assert response.status == expected, name


def test_which_hosts_are_ours() -> None:
    names = guard.own_names("127.0.0.1")
    assert guard.host_is_ours("127.0.0.1:8765", names)
    assert guard.host_is_ours("[::1]:8765", names)
    assert guard.host_is_ours("localhost", names)
    assert not guard.host_is_ours("localhost.evil.example", names)
    assert not guard.host_is_ours("", names)
    assert guard.is_loopback("127.0.0.2") and guard.is_loopback("::1")
    assert not guard.is_loopback("0.0.0.0") and not guard.is_loopback("192.0.2.1")


async def test_offers_must_be_json(serve: Serve) -> None:
    async with serve() as running:
        url = f"{running.url}api/offer"
        async with running.http.post(url, data="type=offer") as response:
            assert response.status == 400
            assert "application/json" in (await response.json())["error"]
        async with running.http.get(url) as response:
            assert response.status == 405


async def test_uploads_need_a_call_consent_and_a_size(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(maker, "can_make", lambda: True)
    async with serve(upload_bytes=1000) as running, viewer(running) as caller:
        mine = {"X-Session": caller.session}
        agreed = {**mine, "X-Consent": "yes"}
        cases = [
            ({}, b"x", "no such call"),
            ({"X-Session": "../../etc"}, b"x", "no such call"),
            (mine, b"x", "must consent"),
            (agreed, b"", "empty"),
            (agreed, b"x" * 1001, "larger"),
        ]
        for headers, body, said in cases:
            url = f"{running.url}api/photo"
            async with running.http.post(url, data=body, headers=headers) as response:
                assert response.status == 400
                assert said in (await response.json())["error"]
        async with running.http.get(f"{running.url}api/avatar", headers=mine) as response:
            assert response.status == 400


async def test_without_what_makes_avatars_the_page_says_how_to_get_it(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(maker, "can_make", lambda: False)
    async with serve() as running, viewer(running) as caller:
        headers = {"X-Session": caller.session, "X-Consent": "yes"}
        url = f"{running.url}api/photo"
        async with running.http.post(url, data=b"x", headers=headers) as response:
            assert response.status == 400
            assert "pip install" in (await response.json())["error"]
        await caller.fresh_picture()
        state = caller.newest("state")
        assert state is not None and not state["make"]["available"]
        assert "pip install" in state["make"]["hint"]


def test_a_rate_limit_lets_a_burst_through_and_then_its_rate() -> None:
    limit = RateLimit(10.0, now=0.0)
    assert sum(limit.allows(0.0) for _ in range(30)) == 10
    assert sum(limit.allows(0.5) for _ in range(30)) == 5
    assert sum(limit.allows(100.0) for _ in range(30)) == 10
