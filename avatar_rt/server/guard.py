"""Who may talk to the server, and what its answers tell browsers.

A page from elsewhere must not reach a server on this machine: its browser sends an Origin that is
not ours, and after DNS rebinding a Host that is a name we don't know. Addresses are no names, so
any literal address is accepted as Host.
"""

from __future__ import annotations

import ipaddress
import logging
import socket
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.typedefs import Middleware

from avatar_rt.errors import AvatarRtError
from avatar_rt.server.studio import BudgetError

_log = logging.getLogger(__name__)

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; img-src 'self' blob:; media-src 'self' blob:; "
        "frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "camera=(self), microphone=(self)",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def is_loopback(host: str) -> bool:
    """Whether a name or address means this machine only."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def host_is_ours(host_header: str, own_names: frozenset[str]) -> bool:
    """Whether a Host header names this server: a literal address, or one of its names."""
    name = urlsplit(f"//{host_header}").hostname
    if name is None:
        return False
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return name in own_names
    return True


def own_names(host: str) -> frozenset[str]:
    """The names under which a server bound to `host` may be asked for."""
    if is_loopback(host):
        return frozenset({"localhost"})
    return frozenset({"localhost", host.lower(), socket.gethostname().lower()})


def error_response(status: int, text: str) -> web.Response:
    """An error as every error of this server looks: {"error": text}."""
    return web.json_response({"error": text}, status=status)


def middleware(host: str) -> Middleware:
    """Checks Host and Origin, turns errors into JSON, and adds the headers above."""
    names = own_names(host)

    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        response = _refusal(request, names) or await _answered(request, handler)
        response.headers.update(HEADERS)
        return response

    return guard


def _refusal(request: web.Request, names: frozenset[str]) -> web.Response | None:
    try:
        ours = host_is_ours(request.host, names)
        origin = urlsplit(request.headers.get("Origin", f"//{request.host}")).netloc
    except ValueError:
        return error_response(400, "The Host or Origin header cannot be read.")
    if not ours:
        return error_response(403, "This server does not go by that name; use its address.")
    if origin != request.host:
        return error_response(403, "Pages from elsewhere may not use this server.")
    return None


async def _answered(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except BudgetError as error:
        return error_response(503, str(error))
    except AvatarRtError as error:
        return error_response(400, str(error))
    except web.HTTPException as error:
        if error.status < 400:
            raise
        return error_response(error.status, error.reason)
    except ConnectionError:
        raise
    except Exception:
        _log.exception("%s %s failed", request.method, request.path)
        return error_response(500, "The server made a mistake; its log says more.")
