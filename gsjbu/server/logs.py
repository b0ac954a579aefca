"""Structured logs: one JSON object per line on stderr, one line per request and per job; never file contents."""

from __future__ import annotations

import json
import logging
import sys
import threading
import time
import traceback
from collections.abc import Callable
from concurrent.futures import Future
from datetime import UTC, datetime
from typing import Any

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gsjbu.server.meters import Meters
from gsjbu.server.store import new_id

log = logging.getLogger("gsjbu.server")
# So many lines of one kind within so many seconds; of so many kinds at a time.
REPEATS, REPEAT_SECONDS, _KINDS = 20, 10.0, 1000
_STANDARD = set(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "color_message"}


def tell_failure(done: Future[Any]) -> None:
    """Write down what ended work that nobody waits for."""
    if not done.cancelled() and done.exception() is not None:
        log.error("work in the background failed", exc_info=done.exception())


class JsonLines(logging.Formatter):
    """A record as one line of JSON; JSON's escapes keep a client's text from forging lines."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
        }
        line.update({k: v for k, v in vars(record).items() if k not in _STANDARD})
        if record.exc_info and record.exc_info[1] is not None:
            line["error"] = "".join(traceback.format_exception(record.exc_info[1]))
        return json.dumps(line, default=str)


class Repeats(logging.Filter):
    """Lets a warning or an error through so often within a while; beyond that it is counted, and told with the next."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._seen: dict[tuple[str, str], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        if record.levelno < logging.WARNING:
            return True
        now, key = self._clock(), (record.name, str(record.msg)[:200])
        since, count = self._seen.get(key, (now, 0))
        if now - since > REPEAT_SECONDS:
            if count > REPEATS:
                record.repeated = count - REPEATS
            since, count = now, 0
        if len(self._seen) > _KINDS:
            self._seen.clear()
        self._seen[key] = (since, count + 1)
        return count < REPEATS


def set_up() -> None:
    """Send everything, other libraries' lines and errors that nobody caught too, to stderr as JSON."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    handler.addFilter(Repeats())
    logging.captureWarnings(True)
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.WARNING)
    for name in ("gsjbu.server", "uvicorn.error"):
        logger = logging.getLogger(name)
        logger.handlers = []
        logger.propagate = True
        logger.setLevel(logging.INFO)
    sys.excepthook = lambda kind, error, trace: log.critical("not caught", exc_info=(kind, error, trace))
    threading.excepthook = lambda args: log.error("a thread ended", exc_info=args.exc_value)
    sys.unraisablehook = lambda args: log.error("not raised", exc_info=args.exc_value)


class RequestLogMiddleware:
    """The outermost: one line and one count per request."""

    def __init__(self, app: ASGIApp, meters: Meters) -> None:
        self.app = app
        self.meters = meters

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began = time.perf_counter()
        scope["gsjbu.request_id"] = new_id()[:16]
        status, bytes_in, bytes_out = 0, 0, 0

        async def counted_receive() -> Message:
            nonlocal bytes_in
            message = await receive()
            count = len(message.get("body", b""))
            bytes_in += count
            self.meters.body_bytes.inc(count)
            return message

        async def counted_send(message: Message) -> None:
            nonlocal status, bytes_out
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)["X-Request-Id"] = scope["gsjbu.request_id"]
            bytes_out += len(message.get("body", b""))
            await send(message)

        try:
            await self.app(scope, counted_receive, counted_send)
        finally:
            self._note(scope, status, bytes_in, bytes_out, time.perf_counter() - began)

    def _note(self, scope: Scope, status: int, bytes_in: int, bytes_out: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", None) or "other"
        method = scope["method"] if scope["method"] in ("GET", "HEAD", "POST", "DELETE", "OPTIONS") else "other"
        code = scope.get("gsjbu.code")
        self.meters.requests.labels(method, route, str(status)).inc()
        self.meters.request_s.labels(route).observe(seconds)
        if code is not None:
            self.meters.refusals.labels(code).inc()
        client = scope.get("client")
        log.info(
            "request",
            extra={
                "id": scope["gsjbu.request_id"], "method": method, "route": route, "path": scope["path"][:200],
                "status": status, "ms": round(1000 * seconds, 2), "bytes_in": bytes_in, "bytes_out": bytes_out,
                "client": client[0] if client else None, "code": code,
            },
        )  # fmt: skip
