"""The process: uvicorn with a clock on idle connections, a shutdown that lets jobs end, and exit status 0."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import HANDLED_SIGNALS

from gsjbu.core import allocator
from gsjbu.server import logs
from gsjbu.server.app import create_app
from gsjbu.server.config import LOCAL_HOSTS, Config
from gsjbu.server.descriptors import connections_within, raise_limit
from gsjbu.server.hangup import hang_up
from gsjbu.server.limits import Limits
from gsjbu.server.listening import refusal

log = logging.getLogger("gsjbu.server")
# After everything has been closed, threads may take this long to come out of their last computation.
LEAVE_SECONDS = 1.0
# How long a thread that computes in Python may keep the one that answers waiting.
SWITCH_SECONDS = 0.001


class TimedProtocol(H11Protocol):
    """HTTP/1.1 that drops connections whose header does not come, that do not read, or that are too many."""

    limits: Limits
    _header_timer: asyncio.TimerHandle | None = None
    _write_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        if len(self.connections) > self.limits.connections:
            transport.abort()
            return
        self._start_clock()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_clock()
        self._stop_write_clock()
        super().connection_lost(exc)
        hang_up(self.scope)

    def handle_events(self) -> None:
        before = self.cycle
        super().handle_events()
        if self.cycle is not before:
            self._stop_clock()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if not self.transport.is_closing() and (self.cycle is None or self.cycle.response_complete):
            self._start_clock()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._stop_write_clock()
        self._write_timer = self.loop.call_later(self.limits.write_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        self._stop_write_clock()
        super().resume_writing()

    def _stop_write_clock(self) -> None:
        if self._write_timer is not None:
            self._write_timer.cancel()
            self._write_timer = None

    def _start_clock(self) -> None:
        self._stop_clock()
        self._header_timer = self.loop.call_later(self.limits.header_seconds, self.transport.abort)

    def _stop_clock(self) -> None:
        if self._header_timer is not None:
            self._header_timer.cancel()
            self._header_timer = None


def timed_protocol(limits: Limits) -> type[TimedProtocol]:
    """The protocol with these limits; uvicorn makes its own instances of it."""
    return type("TimedProtocol", (TimedProtocol,), {"limits": limits})


class Server(uvicorn.Server):
    """Lets running jobs end before it closes connections, and leaves with 0 after SIGTERM or Ctrl+C."""

    async def startup(self, sockets: list[Any] | None = None) -> None:
        try:
            await super().startup(sockets)
        except OSError as error:  # another server, which started at the same time, was the first to listen
            await self.lifespan.shutdown()
            raise refusal(self.config.host, self.config.port, error) from error
        host = f"[{self.config.host}]" if ":" in self.config.host else self.config.host
        where = f"Upsample Anything is at http://{host}:{self.servers[0].sockets[0].getsockname()[1]}"
        log.info(where)
        if sys.stdout is not None and sys.stdout.isatty():
            print(f"{where} (Ctrl+C to stop)", flush=True)

    async def shutdown(self, sockets: list[Any] | None = None) -> None:
        await self.config.app.state.service.drain()  # type: ignore[union-attr]
        await super().shutdown(sockets)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        # uvicorn raises the signal again at the end, which would make the exit status 143 of a clean stop.
        before = {sig: signal.signal(sig, self.handle_exit) for sig in HANDLED_SIGNALS}
        try:
            yield
        finally:
            for sig, handler in before.items():
                signal.signal(sig, handler)


def make_server(config: Config) -> Server:
    """The server, ready to run."""
    return Server(
        uvicorn.Config(
            create_app(config), host=config.host, port=config.port, http=timed_protocol(config.limits), ws="none",
            loop="asyncio", lifespan="on", log_config=None, access_log=False, server_header=False,
            proxy_headers=False, timeout_keep_alive=30, timeout_graceful_shutdown=3, backlog=512,
            h11_max_incomplete_event_size=int(config.limits.header_bytes),
        )
    )  # fmt: skip


def serve(config: Config, sockets: list[socket.socket]) -> None:
    """Run on bound ``sockets`` until SIGTERM or Ctrl+C."""
    logs.set_up()
    allocator.tune()
    sys.setswitchinterval(SWITCH_SECONDS)
    limits = config.limits
    connections = connections_within(limits.connections, raise_limit())
    if connections < limits.connections:
        log.warning("few file descriptors: fewer connections", extra={"connections": connections})
        config = replace(config, limits=replace(limits, connections=connections))
    if not config.is_local:
        log.warning(exposure(config))
    make_server(config).run(sockets)
    _leave()


def exposure(config: Config) -> str:
    """What whoever lets others reach the server should know."""
    text = f"listening on {config.host}: whoever can reach this address can use this machine's cores."
    if set(config.allowed_hosts) <= set(LOCAL_HOSTS):
        text += " It answers to addresses, but to no name but localhost until you add --allowed-host NAME."
    return text


def _leave() -> None:
    """Python would wait for threads that are still deep in a computation, whose jobs have ended long since."""
    end = time.monotonic() + LEAVE_SECONDS
    mine = threading.current_thread()
    while any(t is not mine and not t.daemon for t in threading.enumerate()) and time.monotonic() < end:
        time.sleep(0.02)
    logging.shutdown()
    if sys.stdout is not None:
        sys.stdout.flush()
    os._exit(0)
