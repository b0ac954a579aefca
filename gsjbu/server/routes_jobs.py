"""Runs: the one-shot form, jobs with progress and cancel, and everything one can ask of a finished job."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Header, Request
from fastapi.responses import Response, StreamingResponse
from fastapi.sse import EventSourceResponse
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

from gsjbu.server import forms, results, schemas
from gsjbu.server.events import last_event_id, sse
from gsjbu.server.jobs import Job
from gsjbu.server.problems import internal, refusals
from gsjbu.server.routes_images import image_of
from gsjbu.server.schemas import ClientId, Id, PixelX, PixelY
from gsjbu.server.service import Answer, Service
from gsjbu.server.uploads import read_form

JSON = "application/json"
_EVENT = {
    "type": "object",
    "properties": {"event": {"type": "string"}, "data": {"type": "string"}, "id": {"type": "string"}},
}
_EVENTS: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/event-stream": {"itemSchema": _EVENT}}, "description": "Server-sent events."},
    204: {"description": "Nothing is left to send: the terminal event has been seen."},
}
_ZIP: dict[int | str, dict[str, Any]] = {
    200: {"content": {"application/zip": schemas.BINARY}, "description": "A zip."}
}


def routes(service: Service) -> APIRouter:
    """POST /api/run and all of /api/jobs."""
    router = APIRouter(tags=["jobs"])

    @router.post(
        "/api/run", response_class=Response, openapi_extra=forms.RUN_FORM, summary="Upload, run and get the result",
        responses={200: {"model": schemas.ResultBody}, **refusals(408, 409, 413, 415, 429)},
    )  # fmt: skip
    async def run(request: Request, client_id: ClientId = None) -> Response:
        limits = service.limits
        allowed = {"file": limits.image_bytes, "signal": limits.signal_bytes}
        async with read_form(request, limits, service.buffers, allowed) as form:
            settings = forms.settings_of(form)
            answer = Answer("files" if forms.flag(form, "return_files") else "png")
            image_id = service.store.add("image", await image_of(service, form))
            signal_id = None
            if "signal" in form.files:
                signal = await service.signal_from_file(form.files["signal"])
                signal_id = service.store.add("signal", signal)
        job = await service.submit(request, image_id, settings, signal_id, answer)
        await _wait(service, request, job)
        if job.state != "done":
            raise job.error.plain() if job.error else internal()
        bundle = service.result(job.id)
        return Response(bundle.body, media_type=JSON, headers={"X-Job-Id": job.id})

    @router.post(
        "/api/jobs", status_code=202, response_model=schemas.JobMade, responses=refusals(413, 429),
        summary="Start a run on a kept image",
    )  # fmt: skip
    async def start(
        request: Request, response: Response, wanted: schemas.JobRequest, client_id: ClientId = None
    ) -> dict[str, str]:
        settings = schemas.strict_settings(wanted.settings)
        answer = Answer("files" if wanted.return_files else wanted.panels)
        job = await service.submit(request, wanted.image_id, settings, wanted.signal_id, answer)
        response.headers["Location"] = f"/api/jobs/{job.id}"
        return {"job_id": job.id}

    @router.get(
        "/api/jobs/{job_id}", response_class=Response, summary="State, progress, and the result when done",
        responses={200: {"model": schemas.JobState}, **refusals()},
    )  # fmt: skip
    async def state(job_id: Id) -> Response:
        job = service.jobs.get(job_id)
        head: dict[str, Any] = {"job_id": job.id, "state": job.state, "progress": job.progress}
        if job.state == "done":
            # The result was written as JSON once, when the job ended; it is put in as it is.
            text = results.to_json(head)[:-1] + b',"result":' + service.result(job_id).body + b"}"
            return Response(text, media_type=JSON)
        if job.error is not None:
            head["error"] = job.error.body()
        return Response(results.to_json(head), media_type=JSON)

    @router.delete(
        "/api/jobs/{job_id}", response_class=Response, summary="Cancel",
        responses={200: {"model": schemas.JobState}, **refusals()},
    )  # fmt: skip
    async def cancel(job_id: Id) -> Response:
        job = service.jobs.get(job_id)
        service.jobs.cancel(job)
        return Response(
            results.to_json({"job_id": job.id, "state": job.state, "progress": job.progress}), media_type=JSON
        )

    @router.get("/api/jobs/{job_id}/events", response_class=Response, responses={**_EVENTS, **refusals()})
    async def events(
        job_id: Id, seen: Annotated[str | None, Header(alias="Last-Event-ID")] = None
    ) -> Response:
        """Progress as server-sent events: `progress`, then one of `done`, `failed`, `cancelled`."""
        job = service.jobs.get(job_id)
        last = last_event_id(seen)
        if job.events.ended and last >= job.events.last:
            return Response(status_code=204)
        return EventSourceResponse(
            _watched(job, last), headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        )

    @router.get(
        "/api/jobs/{job_id}/panels/{name}.png", response_class=Response, responses={**schemas.PNG, **refusals(409)},
        summary="One panel",
    )  # fmt: skip
    async def panel(job_id: Id, name: str) -> Response:
        bundle = service.result(job_id)
        data = await service.read(lambda: bundle.png(name))
        headers = {"Cache-Control": "private, max-age=1800, immutable"}
        return Response(data, media_type="image/png", headers=headers)

    @router.get("/api/jobs/{job_id}/pixel", response_model=schemas.Pixel, responses=refusals(409))
    async def pixel(job_id: Id, x: PixelX, y: PixelY) -> Response:
        """Every panel's values at one pixel of the image."""
        bundle = service.result(job_id)
        values = await service.read(lambda: bundle.pixel(x, y))
        return Response(results.to_json({"x": x, "y": y, "values": values}), media_type=JSON)

    @router.get(
        "/api/jobs/{job_id}/similarity", response_model=schemas.Similarity,
        responses={200: {"content": {"application/octet-stream": schemas.BINARY}}, **refusals(409)},
    )  # fmt: skip
    async def similarity(job_id: Id, x: PixelX, y: PixelY, format: Literal["png", "u16"] = "png") -> Response:
        """Cosine similarity of the HR features to those at one pixel, bilinear and GS-JBU.

        `format=u16`: both maps as H × W little-endian uint16 numbers instead of PNGs; X-Low and X-High give the scale.
        """
        bundle = service.result(job_id)
        if format == "u16":
            data, headers = await service.read(lambda: results.similarity_u16(bundle, x, y))
            return Response(data, media_type="application/octet-stream", headers=headers)
        body = await service.read(lambda: results.to_json(results.similarity(bundle, x, y)))
        return Response(body, media_type=JSON)

    @router.get("/api/jobs/{job_id}/kernel", response_model=schemas.KernelWindow, responses=refusals(409))
    async def kernel(job_id: Id, x: PixelX, y: PixelY) -> Response:
        """The LR pixels that one pixel is mixed from, with their weights and Gaussians."""
        bundle = service.result(job_id)
        bundle.check_pixel(x, y)
        cell = bundle.result.kernel.grid.cell_of(x, y)
        window = await service.read(lambda: bundle.result.window(x, y))
        return Response(results.to_json({"x": x, "y": y, "cell": cell, "window": window}), media_type=JSON)

    @router.get("/api/jobs/{job_id}/kernels", response_model=schemas.Ellipses, responses=refusals(409))
    async def kernels(job_id: Id) -> Response:
        """All Gaussians, to be drawn as ellipses."""
        bundle = service.result(job_id)
        return Response(
            await service.read(lambda: results.to_json(results.ellipses(bundle))), media_type=JSON
        )

    @router.get("/api/jobs/{job_id}/download", response_class=Response, responses={**_ZIP, **refusals(409)})
    async def download(job_id: Id) -> Response:
        """Panels, parameters, HR signal, metrics, settings and versions in one zip."""
        bundle = service.result(job_id)
        file, size = await service.read(lambda: results.zip_file(bundle, service.temporary))
        headers = {
            "Content-Disposition": f'attachment; filename="gsjbu-{job_id[:8]}.zip"',
            "Content-Length": str(size),
        }
        return _FileAnswer(service, file, media_type="application/zip", headers=headers)

    return router


async def _watched(job: Job, last: int) -> AsyncIterator[bytes]:
    with job.watched():
        async for chunk in sse(job.events, last):
            yield chunk


async def _wait(service: Service, request: Request, job: Job) -> None:
    """Until the job has ended; a client that hangs up takes its job along."""

    async def to_the_end() -> None:
        async for _ in job.events.follow(job.events.last):
            pass

    task = asyncio.create_task(to_the_end())
    try:
        with job.watched():
            while not task.done():
                await asyncio.wait({task}, timeout=0.25)
                if not task.done() and await request.is_disconnected():
                    service.jobs.cancel(job, "client_gone", "The client hung up, so the job was cancelled.")
                    raise ClientDisconnect
    finally:
        task.cancel()


class _FileAnswer(StreamingResponse):
    """A file sent piece by piece and closed in any case, even if nobody reads it."""

    def __init__(self, service: Service, file: Any, **rest: Any) -> None:
        super().__init__(self._pieces(service, file), **rest)
        self._file = file

    @staticmethod
    async def _pieces(service: Service, file: Any) -> AsyncIterator[bytes]:
        while piece := await service.read(lambda: file.read(256 * 1024)):
            yield piece

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._file.close()
