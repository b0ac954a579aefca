"""Refusals: a stable code, a sentence, and problem+json (RFC 9457) for every one of them.

A ``detail`` is a sentence for a person. It never holds a path of this machine or a traceback: what a client has
not caused is answered with ``internal`` and told in full to the log alone.
"""

from __future__ import annotations

import errno
import logging
from dataclasses import asdict
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gsjbu.errors import GsjbuError, SettingError, SignalError
from gsjbu.server.codes import STATUS

log = logging.getLogger("gsjbu.server")

# When whatever starts servers may have another one up.
RETRY_SECONDS = 5
_NO_JSON = "The body is no JSON: it must be UTF-8, nested less deep, with numbers of at most 4300 digits."
_OF_STATUS = {400: "request_invalid", 404: "not_found", 405: "method_not_allowed", 413: "body_too_large"}


def _encodable(text: str) -> str:
    """``text`` without lone surrogates, which JSON can bring in and UTF-8 cannot take out."""
    return text.encode("utf-8", "replace").decode()


class Problem(HTTPException):
    """A refusal with a stable ``code`` and a sentence that says what would be right.

    An HTTPException, because FastAPI lets only those pass from the reading of a body unchanged.
    """

    def __init__(
        self,
        code: str,
        detail: str,
        *,
        setting: str | None = None,
        retry_after: int | None = None,
        advice: list[dict[str, Any]] | None = None,
        close: bool = False,
    ) -> None:
        self.status = STATUS.get(code, 422)
        super().__init__(self.status, _encodable(detail))
        self.code, self.setting = code, None if setting is None else _encodable(setting)
        self.retry_after, self.advice, self.close = retry_after, advice, close

    def plain(self) -> Problem:
        """The same refusal without the traceback, which would keep the frames of the work alive."""
        return Problem(
            self.code, self.detail, setting=self.setting, retry_after=self.retry_after, advice=self.advice,
            close=self.close,
        )  # fmt: skip

    def body(self) -> dict[str, Any]:
        """The problem+json object."""
        out: dict[str, Any] = {
            "type": f"urn:gsjbu:problem:{self.code}",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
            "code": self.code,
        }
        if self.setting is not None:
            out["setting"] = self.setting
        if self.advice is not None:
            out["advice"] = self.advice
        return out

    def response(self) -> JSONResponse:
        """The answer; ``close`` ends the connection where the rest of a body is not wanted."""
        headers = {}
        if self.retry_after is not None:
            headers["Retry-After"] = str(self.retry_after)
        if self.close:
            headers["Connection"] = "close"
        return JSONResponse(self.body(), self.status, headers, media_type="application/problem+json")


class ProblemBody(BaseModel):
    """How every refusal looks."""

    type: str = Field(description="urn:gsjbu:problem:<code>")
    title: str
    status: int
    detail: str = Field(description="One sentence for a person: what was wrong, what would be right.")
    code: str = Field(description="Stable; programs should look at this one.")
    setting: str | None = Field(None, description="The setting or parameter that was refused.")
    advice: list[dict[str, Any]] | None = Field(
        None,
        description="What to change, where that is known: a setting or, of a refused signal, a word (kind, layout, "
        "entry), with its value (empty where only a person knows it) and the sentence of detail that says so.",
    )


def from_error(error: GsjbuError) -> Problem:
    """gsjbu's own error as a refusal."""
    advice = None
    if isinstance(error, SignalError) and error.remedies:
        advice = [asdict(remedy) for remedy in error.remedies]
    setting = error.name if isinstance(error, SettingError) else None
    return Problem(error.code, error.message, setting=setting, advice=advice)


def of_crash(error: BaseException) -> Problem:
    """What a client is told of an error that it has not caused: what the machine has run out of, if that is it."""
    code = error.errno if isinstance(error, OSError) else None
    if code in (errno.ENOSPC, errno.EDQUOT, errno.EROFS):
        return Problem("storage_full", "The server has no room for files left; its log says where.")
    if code in (errno.EMFILE, errno.ENFILE):
        detail = "The server has too many files and connections open; please try again soon."
        return Problem("files_exhausted", detail, retry_after=2)
    if code == errno.ENOMEM or _is_out_of_memory(error):
        return Problem("out_of_memory", "The server ran out of memory; lower resolution or radius.")
    return internal()


def _is_out_of_memory(error: BaseException) -> bool:
    """Whether memory was short; torch and threads say so with a RuntimeError."""
    words = ("allocate memory", "out of memory", "start new thread")
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and any(word in str(error) for word in words)
    )


def stopping() -> Problem:
    """What whoever brings new work is told after SIGTERM."""
    detail = "The server is shutting down; please try again later."
    return Problem("server_stopping", detail, retry_after=RETRY_SECONDS)


def internal() -> Problem:
    """What a client is told where nothing is known."""
    return Problem("internal", "Something went wrong inside the server; its log says what. Please try again.")


#: What a route that takes a body may also answer: too slow, too large, of the wrong kind.
OF_BODIES = (408, 413, 415)


def refusals(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The ``responses=`` of a route: its own refusals and those that any route may answer."""
    common = (400, 403, 404, 405, 422, 431, 500, 503)
    body = {"$ref": f"#/components/schemas/{ProblemBody.__name__}"}
    described = {"content": {"application/problem+json": {"schema": body}}}
    out: dict[int | str, dict[str, Any]] = {}
    for status in sorted({*common, *statuses}):
        out[status] = {**described, "description": HTTPStatus(status).phrase}
        if status in (429, 503):
            out[status]["headers"] = {"Retry-After": {"schema": {"type": "integer"}, "description": "Seconds."}}
    return out


def _of_validation(first: dict[str, Any]) -> Problem:
    """What is wrong with a request's body, address or headers."""
    if first["type"] == "json_invalid":
        return Problem("json_invalid", f"The body is no JSON: it goes wrong at character {first['loc'][-1]}.")
    if first["loc"] == ("body",):
        return Problem("request_invalid", "The body must be a JSON object, sent as application/json.")
    where = ".".join(str(part) for part in first["loc"] if part not in ("body", "query", "path", "header"))
    name = where[:60] or "the request"
    said = first["msg"].removeprefix("Value error, ")  # Pydantic's, before a sentence of ours
    return Problem("request_invalid", f"{name}: {said}.", setting=where[:60] or None)


def install(app: FastAPI) -> None:
    """Turn every error into problem+json."""

    @app.exception_handler(Problem)
    async def _problem(request: Request, error: Problem) -> JSONResponse:
        return _answer(request, error)

    @app.exception_handler(GsjbuError)
    async def _core(request: Request, error: GsjbuError) -> JSONResponse:
        return _answer(request, from_error(error))

    @app.exception_handler(RequestValidationError)
    async def _validation(request: Request, error: RequestValidationError) -> JSONResponse:
        return _answer(request, _of_validation(error.errors()[0]))

    @app.exception_handler(HTTPException)
    async def _http(request: Request, error: HTTPException) -> JSONResponse:
        if isinstance(error.__cause__, ValueError | RecursionError):  # of FastAPI's reading of a JSON body
            return _answer(request, Problem("json_invalid", _NO_JSON))
        sentences = {
            404: "There is nothing at this address; /docs lists what there is.",
            405: f"{request.method} is not possible here; the Allow header lists what is.",
            400: "The request cannot be read; /docs says what is expected.",
        }
        code = _OF_STATUS.get(error.status_code, "request_invalid" if error.status_code < 500 else "internal")
        answer = _answer(request, Problem(code, sentences.get(error.status_code, "The request cannot be served.")))
        for name, value in (error.headers or {}).items():
            answer.headers[name] = value
        if error.status_code == 405:
            # The router knows only the first route that has the path; the description knows all.
            path = getattr(request.scope.get("route"), "path", "")
            methods = [m.upper() for m in app.openapi()["paths"].get(path, {})]
            if methods:
                answer.headers["Allow"] = ", ".join(methods)
        return answer


class CrashMiddleware:
    """What no handler knew is logged in full and answered with ``internal``."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = False

        async def watched(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self.app(scope, receive, watched)
        except ClientDisconnect:
            scope["gsjbu.code"] = "client_gone"
        except Exception as error:
            log.error("request crashed", exc_info=error)
            problem = of_crash(error)
            scope["gsjbu.code"] = problem.code
            if started:
                raise  # half an answer is out; the connection is all that is left to close
            await problem.response()(scope, receive, send)


def _answer(request: Request, problem: Problem) -> JSONResponse:
    request.scope["gsjbu.code"] = problem.code  # for the request's log line and the count of refusals
    return problem.response()
