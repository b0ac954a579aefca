"""Who asks: an address, and within it the id that the page's cookie or an X-Client-Id header gives."""

from __future__ import annotations

import ipaddress
import re
import secrets

from starlette.requests import Request
from starlette.responses import Response

COOKIE = "gsjbu_client"
PATTERN = "^[A-Za-z0-9_-]{8,64}$"
WRONG_ID = "X-Client-Id must be 8 to 64 letters, digits, - or _."


def client_of(request: Request) -> tuple[str, str]:
    """(address, id); the id is empty where none was given or it is not one of ours."""
    address = _network(request.client.host) if request.client else "unknown"
    given = request.headers.get("x-client-id") or request.cookies.get(COOKIE) or ""
    return address, given if is_id(given) else ""


def is_id(text: str) -> bool:
    """Whether a client may be called so."""
    return re.fullmatch(PATTERN, text) is not None


def _network(host: str) -> str:
    """Whoever has one IPv6 address has 2^64 of them: those count as one."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    if address.version == 4 or address.is_loopback:
        return host
    return str(ipaddress.ip_network((address, 64), strict=False))


def introduce(request: Request, answer: Response, framed: bool) -> None:
    """Give a client that keeps cookies an identity of its own, if it has none; ``framed``: in another site's frame too.

    A browser sends a strict cookie from no such frame; a partitioned one it keeps for each of those sites.
    """
    if not request.cookies.get(COOKIE) and "x-client-id" not in request.headers:
        words = "SameSite=None; Secure; Partitioned" if framed else "SameSite=Strict"
        cookie = f"{COOKIE}={secrets.token_urlsafe(16)}; HttpOnly; Path=/; {words}"
        answer.headers.append("Set-Cookie", cookie)
