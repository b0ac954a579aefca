"""What stands before every route: Host and Origin checks, bounded headers, and the headers of every answer.

A page on another site can make a browser send requests to 127.0.0.1. Two checks stop it: the Host header must be
an address or a name that this server answers to (DNS rebinding brings a stranger's name, and no DNS leads an address
elsewhere), and an unsafe request that says where it comes from must come from the page itself (cross-site POST): by
the browser's own word, or from the same host. Programs that send no Origin are not browsers.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gsjbu.server.clients import WRONG_ID, is_id
from gsjbu.server.hosts import is_address, name_of
from gsjbu.server.limits import Limits
from gsjbu.server.problems import Problem

CSP = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data: blob:",
        "media-src 'self' blob:",
        "connect-src 'self'",
        "font-src 'self'",
        "manifest-src 'self'",
        "worker-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "object-src 'none'",
    )
)
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=(), payment=(), usb=()",
}
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
# Tells no secret, and is asked by probes that know the server by names of their own, or send no Host.
PROBED = "/healthz"


def headers_of(ancestors: tuple[str, ...]) -> dict[str, str]:
    """The headers of every answer; ``ancestors``: the sites that may show the page in a frame."""
    if not ancestors:
        return {
            **HEADERS, "Content-Security-Policy": f"{CSP}; frame-ancestors 'none'", "X-Frame-Options": "DENY",
        }  # fmt: skip
    return {**HEADERS, "Content-Security-Policy": f"{CSP}; frame-ancestors {' '.join(ancestors)}"}


class GuardMiddleware:
    """Refuses strangers before anything is read; the outermost but for the log."""

    def __init__(
        self, app: ASGIApp, allowed_hosts: tuple[str, ...], frame_ancestors: tuple[str, ...], limits: Limits
    ) -> None:
        self.app = app
        self.allowed = frozenset(allowed_hosts)
        self.headers = headers_of(frame_ancestors)
        self.limits = limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self.headers.items():
                    headers.setdefault(name, value)
                headers.setdefault("Cache-Control", "no-store" if scope["path"].startswith("/api/") else "no-cache")
            await send(message)

        problem = self._refusal(scope)
        if problem is not None:
            scope["gsjbu.code"] = problem.code
            await problem.response()(scope, receive, send_with_headers)
            return
        await self.app(scope, receive, send_with_headers)

    def _refusal(self, scope: Scope) -> Problem | None:
        headers: list[tuple[bytes, bytes]] = scope["headers"]
        size = sum(len(name) + len(value) for name, value in headers)
        if len(headers) > self.limits.header_count or size > self.limits.header_bytes:
            return Problem("headers_too_large", "The request has too many or too large headers.", close=True)
        values = {name: value.decode("latin-1") for name, value in headers}
        is_probe = scope["path"] == PROBED and scope["method"] in SAFE_METHODS
        if not (is_probe or self._answers_to(values.get(b"host", ""))):
            return Problem(
                "host_not_allowed",
                "This server does not answer to that host name; open it as http://127.0.0.1 with its port, "
                "or start it with --allowed-host.",
                close=True,
            )
        if scope["method"] in SAFE_METHODS and not scope["path"].startswith("/api/"):
            return None
        if b"x-client-id" in values and not is_id(values[b"x-client-id"]):
            return Problem("request_invalid", WRONG_ID, setting="X-Client-Id", close=True)
        if self._is_foreign(scope["method"], values):
            return Problem("origin_not_allowed", "Requests from pages of another site are not accepted.", close=True)
        return None

    def _answers_to(self, host: str) -> bool:
        name = name_of(host)
        return name is not None and (name in self.allowed or is_address(name))

    @staticmethod
    def _is_foreign(method: str, values: dict[bytes, str]) -> bool:
        site = values.get(b"sec-fetch-site")
        if method in SAFE_METHODS:
            return site == "cross-site" and values.get(b"sec-fetch-mode") != "navigate"
        if site in ("cross-site", "same-origin"):
            return site == "cross-site"  # no page can write it, and a proxy may have changed Host
        origin = values.get(b"origin")
        if origin is None:
            return False
        try:
            return urlsplit(origin).netloc.lower() != values[b"host"].lower()
        except ValueError:
            return True
