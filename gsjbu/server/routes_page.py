"""The page, its static files, linked results, and the API's own description at /docs: nothing from another host."""

from __future__ import annotations

import json
import os
from functools import lru_cache
from pathlib import Path
from typing import Any

from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import HTMLResponse, Response
from jinja2 import Environment, FileSystemLoader
from starlette.staticfiles import StaticFiles
from starlette.types import Receive, Scope, Send

from gsjbu.server.clients import introduce
from gsjbu.server.config import WEB
from gsjbu.server.dependencies import Shared
from gsjbu.server.problems import Problem, refusals
from gsjbu.server.service import Service

HERE = Path(__file__).parent
PAGE = WEB / "templates" / "index.html"
_KINDS = {".png": "image/png", ".json": "application/json"}
GET = ["GET", "HEAD"]  # whoever watches whether a server is up asks for the head alone
router = APIRouter(include_in_schema=False)


@router.api_route("/", methods=GET, response_class=HTMLResponse)
async def index(service: Shared, request: Request) -> Response:
    answer = HTMLResponse(PAGE.read_text("utf-8"))
    introduce(request, answer, service.config.is_framed)
    return answer


@router.api_route("/openapi.json", methods=GET)
async def openapi(request: Request) -> Response:
    return Response(_described(request.app), media_type=_KINDS[".json"])


@router.api_route("/docs", methods=GET, response_class=HTMLResponse)
async def docs_page(request: Request) -> Response:
    return HTMLResponse(_docs_of(request.app))


@router.api_route("/docs/style.css", methods=GET)
async def docs_style() -> Response:
    return Response((HERE / "docs" / "style.css").read_text(), media_type="text/css")


@router.api_route("/static/out/{job_id}/{name}", methods=GET, responses=refusals())
async def out(service: Shared, job_id: str, name: str) -> Response:
    data = await service.read(lambda: service.out.read(job_id, name))
    if data is None:
        raise Problem("not_found", "There is no such file; files of results are kept for a while only.")
    kind = _KINDS.get(os.path.splitext(name)[1], "application/octet-stream")
    return Response(data, media_type=kind, headers={"Cache-Control": "private, max-age=3600, immutable"})


@router.api_route("/static/out/{rest:path}", methods=GET)
async def no_out(rest: str) -> Response:
    raise Problem("not_found", "There is no such file.")


@lru_cache(maxsize=8)
def _described(app: FastAPI) -> bytes:
    return json.dumps(app.openapi(), ensure_ascii=False, separators=(",", ":")).encode()


@lru_cache(maxsize=8)
def _docs_of(app: FastAPI) -> str:
    template = Environment(loader=FileSystemLoader(HERE / "docs"), autoescape=True).get_template("docs.html")
    return template.render(api=app.openapi(), operations=_operations(app))


class _Whole(StaticFiles):
    """The files are small: each is sent whole, whatever range is asked for."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(name, value) for name, value in scope["headers"] if name.lower() != b"range"]
        await super().__call__({**scope, "headers": headers}, receive, send)

    def file_response(self, *args: Any, **more: Any) -> Response:
        response = super().file_response(*args, **more)
        response.headers["Accept-Ranges"] = "none"
        return response


def mount_static(service: Service, app: FastAPI) -> None:
    """The page's own files; to be called last, for a mount takes every address below it."""
    app.mount("/static", _Whole(directory=service.config.static_dir, check_dir=False), name="static")


def _operations(app: FastAPI) -> list[dict[str, object]]:
    """The OpenAPI description, flat, in the order of the paths, for the template."""
    out: list[dict[str, object]] = []
    for path, methods in app.openapi()["paths"].items():
        for method, operation in methods.items():
            out.append({"path": path, "method": method.upper(), **operation})
    return out
