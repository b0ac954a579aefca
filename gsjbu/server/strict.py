"""Nothing that is sent is ignored: parameters that a route does not know are refused, and names that come twice."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any, get_origin

from fastapi import Request, Response
from fastapi.routing import APIRoute

from gsjbu.server.problems import Problem


def once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """The object of JSON's ``pairs`` (an ``object_pairs_hook``); json itself takes the last of those of one name."""
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            detail = f"The JSON has the name {name[:60]!r} twice; it must say once what is meant."
            raise Problem("json_invalid", detail, setting=name[:60])
        found[name] = value
    return found


class _StrictRequest(Request):
    async def json(self) -> Any:
        return json.loads(await self.body(), object_pairs_hook=once_each)


class StrictRoute(APIRoute):
    """The ``route_class`` of the API's routers."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()
        if not self.path.startswith("/api/"):  # probes of health and metrics may send what they like
            return handle
        known = {one.alias: get_origin(one.field_info.annotation) for one in self.dependant.query_params}

        async def strict(request: Request) -> Response:
            for name, count in Counter(name for name, _ in request.query_params.multi_items()).items():
                if name not in known:
                    has = f"it has {', '.join(known)}" if known else "it has none"
                    detail = f"The address has no parameter {name[:60]!r}; {has}."
                    raise Problem("request_invalid", detail, setting=name[:60])
                if count > 1 and known[name] is not list:
                    detail = f"The address has the parameter {name!r} twice; it must say once what is meant."
                    raise Problem("request_invalid", detail, setting=name)
            return await handle(_StrictRequest(request.scope, request.receive))

        return strict
