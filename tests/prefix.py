"""A proxy that serves another server under a path of its own, as nginx's ``location /upsample/`` does."""

from __future__ import annotations

import contextlib
import http.client
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import urlsplit

PREFIX = "/up/sample"


@contextlib.contextmanager
def under_prefix(url: str) -> Iterator[str]:
    """The address, without a slash at its end, under which a proxy that cuts the prefix off serves ``url``."""
    behind = urlsplit(url).netloc

    class Proxy(BaseHTTPRequestHandler):
        def _pass_on(self) -> None:
            if not self.path.startswith(PREFIX + "/"):
                self.send_error(404, "outside the prefix")
                return
            there = http.client.HTTPConnection(behind, timeout=60)
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            there.request(self.command, self.path.removeprefix(PREFIX), body or None, dict(self.headers))
            answer = there.getresponse()
            self.send_response(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in ("connection", "transfer-encoding", "date"):
                    self.send_header(name, value)
            self.send_header("Connection", "close")
            self.end_headers()
            with contextlib.suppress(OSError):  # who asked may have gone
                while some := answer.read1(65536):  # events as they come
                    self.wfile.write(some)
            there.close()

        do_GET = do_HEAD = do_POST = do_PATCH = do_DELETE = _pass_on

        def log_message(self, *words: object) -> None:
            """Nobody reads it."""

    proxy = ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
    Thread(target=proxy.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{proxy.server_port}{PREFIX}"
    finally:
        proxy.shutdown()
        proxy.server_close()
