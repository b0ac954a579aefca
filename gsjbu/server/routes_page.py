"""The page, its static files, linked results, and the API's own description at /docs: nothing from another host."""

from __future__ import annotations

import json
import os
from functools import lru_cache
from pathlib import Path

from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import HTMLResponse, Response
from fastapi.templating import Jinja2Templates
from starlette.staticfiles import StaticFiles
from starlette.types import Receive, Scope, Send

from gsjbu.server.clients import introduce
from gsjbu.server.dependencies import Shared
from gsjbu.server.problems import Problem, refusals
from gsjbu.server.service import Service

HERE = Path(__file__).parent
_KINDS = {".png": "image/png", ".json": "application/json"}


router = APIRouter(include_in_schema=False)
_docs = Jinja2Templates(HERE / "docs")


@router.get("/", response_class=HTMLResponse)
async def index(service: Shared, request: Request) -> Response:
    languages = await service.read(lambda: _languages(service.config.static_dir))
    context = {"version": service.version, "languages": languages}
    answer = _page(service.config.templates_dir).TemplateResponse(request, "index.html", context)
    introduce(request, answer)
    return answer


@router.get("/docs", response_class=HTMLResponse)
async def docs_page(request: Request) -> Response:
    app = request.app
    return _docs.TemplateResponse(
        request, "docs.html", {"api": app.openapi(), "operations": _operations(app)}
    )


@router.get("/docs/style.css")
async def docs_style() -> Response:
    return Response((HERE / "docs" / "style.css").read_text(), media_type="text/css")


@router.get("/static/out/{job_id}/{name}", responses=refusals())
async def out(service: Shared, job_id: str, name: str) -> Response:
    data = await service.read(lambda: service.out.read(job_id, name))
    if data is None:
        raise Problem("not_found", "There is no such file; files of results are kept for a while only.")
    kind = _KINDS.get(os.path.splitext(name)[1], "application/octet-stream")
    return Response(data, media_type=kind, headers={"Cache-Control": "private, max-age=3600, immutable"})


@router.get("/static/out/{rest:path}")
async def no_out(rest: str) -> Response:
    raise Problem("not_found", "There is no such file.")


@lru_cache
def _page(folder: Path) -> Jinja2Templates:
    return Jinja2Templates(folder)


class _Whole(StaticFiles):
    """The files are small: each is sent whole, whatever range is asked for."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(name, value) for name, value in scope["headers"] if name.lower() != b"range"]
        await super().__call__({**scope, "headers": headers}, receive, send)


def mount_static(service: Service, app: FastAPI) -> None:
    """The page's own files; to be called last, for a mount takes every address below it."""
    app.mount("/static", _Whole(directory=service.config.static_dir, check_dir=False), name="static")


def _languages(static_dir: Path) -> dict[str, dict[str, str]]:
    """All strings of the page by language; one JSON file per language."""
    files = sorted((static_dir / "lang").glob("*.json"))
    return {file.stem: json.loads(file.read_text("utf-8")) for file in files}


def _operations(app: FastAPI) -> list[dict[str, object]]:
    """The OpenAPI description, flat, in the order of the paths, for the template."""
    out: list[dict[str, object]] = []
    for path, methods in app.openapi()["paths"].items():
        for method, operation in methods.items():
            out.append({"path": path, "method": method.upper(), **operation})
    return out
