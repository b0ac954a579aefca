"""A client that hangs up while it is answered: what still waits for a thread on its behalf never begins.

Only what changes nothing (GET) is dropped. An upload or an order that was read in full is carried out; a job that
nobody follows is the scheduler's to end.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send

_KEY = "gsjbu.hang_up"


class HangUpMiddleware:
    """Lets ``hang_up`` end a request, as early as what it waits for can be left."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        task = asyncio.current_task()
        if scope["type"] != "http" or scope["method"] != "GET" or task is None:
            await self.app(scope, receive, send)
            return
        gone = False

        def end() -> None:
            nonlocal gone
            gone = True
            task.cancel()

        scope[_KEY] = end
        try:
            await self.app(scope, receive, send)
        except asyncio.CancelledError:
            if not gone:
                raise  # the server stops
            task.uncancel()
            scope["gsjbu.code"] = "client_gone"
        finally:
            del scope[_KEY]


def hang_up(scope: Mapping[str, Any] | None) -> None:
    """To be called when a connection is lost, with the scope of its last request; nothing if that was answered."""
    end: Callable[[], None] | None = None if scope is None else scope.get(_KEY)
    if end is not None:
        end()
