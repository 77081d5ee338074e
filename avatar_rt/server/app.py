"""The HTTP side of the server: the page, the answer to an offer, a photograph in, an avatar out.

    GET  /                      the page and its files, read once at the start
    POST /api/offer             {"type": "offer", "sdp": …} → {"type": "answer", "sdp", "session"}
    POST /api/photo             the photograph's bytes; X-Session, X-Consent: yes → {"ok": true}
    GET  /api/avatar            X-Session → the avatar file that was made of it
    GET  /api/health            {"ok": true, "viewers": …}
    GET  /api/stats             what each view renders and encodes

All else goes over each call's control channel (control.py). Paths are looked up in tables, never in
the file system.
"""

from __future__ import annotations

import time
from pathlib import Path

from aiohttp import web

from avatar_rt.clock import monotonic
from avatar_rt.errors import AvatarRtError, ParameterError
from avatar_rt.server import guard, maker
from avatar_rt.server.offer import parse_offer
from avatar_rt.server.session import Session
from avatar_rt.server.studio import BudgetError, Studio

STUDIO: web.AppKey[Studio] = web.AppKey("studio", Studio)
HOST: web.AppKey[str] = web.AppKey("host", str)

_PAGE = Path(__file__).parent / "page"
_KINDS = {
    ".html": "text/html",
    ".js": "text/javascript",
    ".css": "text/css",
    ".svg": "image/svg+xml",
}
_CHUNK = 1 << 16


def create_app(studio: Studio, host: str) -> web.Application:
    """The application that serves `studio`, which must be open, on a socket bound to `host`."""
    app = web.Application(middlewares=[guard.middleware(host)], client_max_size=1 << 20)
    app[STUDIO], app[HOST] = studio, host
    for path in sorted(_PAGE.iterdir()):
        if path.suffix in _KINDS:
            url = "/" if path.name == "index.html" else f"/{path.name}"
            app.router.add_get(url, _file(path))
    app.router.add_post("/api/offer", offer)
    app.router.add_post("/api/photo", photo)
    app.router.add_get("/api/avatar", made_avatar)
    app.router.add_get("/api/health", health)
    app.router.add_get("/api/stats", stats)
    return app


def _file(path: Path) -> guard.Handler:
    body, kind = path.read_bytes(), _KINDS[path.suffix]

    async def serve(_request: web.Request) -> web.Response:
        return web.Response(body=body, content_type=kind, charset="utf-8")

    return serve


async def _body(request: web.Request, most: int, what: str) -> bytes:
    """The whole body, if it is not larger than `most` bytes."""
    too_large = f"{what} is larger than {most} bytes"
    if request.content_length is not None and request.content_length > most:
        raise ParameterError(too_large)
    body = bytearray()
    async for chunk in request.content.iter_chunked(_CHUNK):
        body += chunk
        if len(body) > most:
            raise ParameterError(too_large)
    return bytes(body)


def _session(request: web.Request) -> Session:
    """The session that the request names. Raises ParameterError where there is none."""
    session = request.app[STUDIO].sessions.get(request.headers.get("X-Session", ""))
    if session is None:
        raise ParameterError("There is no such call any more; reload the page.")
    return session


async def offer(request: web.Request) -> web.Response:
    """Begins a call."""
    studio = request.app[STUDIO]
    limits = studio.settings.limits
    if request.content_type != "application/json":
        raise ParameterError("the offer must be sent as application/json")
    asked = parse_offer(await _body(request, limits.offer_bytes, "the offer"), limits)
    if len(studio.sessions) >= limits.sessions:
        raise BudgetError(f"{limits.sessions} viewers are here already; try again later.")
    session = Session(studio, loopback_only=guard.is_loopback(request.app[HOST]))
    studio.sessions[session.id] = session
    try:
        sdp = await session.answer(asked)
    except BaseException:  # also where the caller has gone meanwhile
        await session.close()
        raise
    return web.json_response({"type": "answer", "sdp": sdp, "session": session.id})


async def photo(request: web.Request) -> web.Response:
    """Takes a photograph and starts making an avatar of it; progress goes over the call."""
    session = _session(request)
    if request.headers.get("X-Consent") != "yes":
        raise ParameterError("Whoever is pictured must consent; tick the box that says so.")
    if not maker.can_make():
        raise ParameterError(maker.GET_MAKER)
    most = request.app[STUDIO].settings.limits.upload_bytes
    body = await _body(request, most, "the photograph")
    if not body:
        raise ParameterError("The photograph is empty.")
    folder = maker.workshop()
    try:
        path = folder / "portrait"
        path.write_bytes(body)
        session.workshop.begin(folder, path)
    except (AvatarRtError, OSError):
        maker.clear(folder)
        raise
    return web.json_response({"ok": True}, status=202)


async def made_avatar(request: web.Request) -> web.StreamResponse:
    """The avatar that was made in this call."""
    session = _session(request)
    if session.workshop.file is None:
        raise ParameterError("No avatar has been made in this call.")
    return web.FileResponse(session.workshop.file)


async def health(request: web.Request) -> web.Response:
    """Says that the server serves."""
    return web.json_response({"ok": True, "viewers": len(request.app[STUDIO].sessions)})


async def stats(request: web.Request) -> web.Response:
    """What is rendered and encoded, with the clocks that tie it to other measurements."""
    studio, now = request.app[STUDIO], monotonic()
    used = time.process_time()
    return web.json_response(
        {
            "now": now,
            "wall": time.time(),
            "epoch": studio.epoch,
            "cpu_seconds": used,
            "sent": [session.sent for session in studio.sessions.values()],
            "views": [
                {
                    "rendered": view.rendered.total,
                    "encoded": view.encoded.total,
                    "replaced": view.replaced,
                    "skipped": scene.skipped,
                    "render_ms": view.rendered.summary(now)["ms"],
                    "encode_ms": view.encoded.summary(now)["ms"],
                    "watchers": len(view.fanout.tracks),
                }
                for scene in studio.scenes
                for view in scene.views
            ],
        }
    )
