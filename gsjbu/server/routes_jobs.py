"""Runs: the one-shot form, jobs with progress and cancel, and the stream of their events."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Header, Request
from fastapi.responses import Response
from fastapi.sse import EventSourceResponse
from starlette.requests import ClientDisconnect

from gsjbu.server import forms, results, schemas, shapes
from gsjbu.server.clients import client_of
from gsjbu.server.dependencies import Shared
from gsjbu.server.events import last_event_id, sse
from gsjbu.server.jobs import Job
from gsjbu.server.problems import OF_BODIES, internal, refusals
from gsjbu.server.runs import Panels
from gsjbu.server.schemas import ClientId, Id
from gsjbu.server.service import Service
from gsjbu.server.strict import StrictRoute
from gsjbu.server.uploads import read_form

_EVENT = {
    "type": "object",
    "properties": {"event": {"type": "string"}, "data": {"type": "string"}, "id": {"type": "string"}},
}
_EVENTS: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/event-stream": {"itemSchema": _EVENT}}, "description": "Server-sent events."},
    204: {"description": "Nothing is left to send: the terminal event has been seen."},
}

router = APIRouter(tags=["jobs"], route_class=StrictRoute)


@router.post(
    "/api/run", response_class=Response, openapi_extra=forms.RUN_FORM, summary="Upload, run and get the result",
    responses={200: {"model": shapes.ResultBody}, **refusals(*OF_BODIES, 409, 429, 507)},
)  # fmt: skip
async def run(service: Shared, request: Request, client_id: ClientId = None) -> Response:
    async with read_form(request, service.limits, service.buffers) as form:
        settings = forms.settings_of(form)
        panels: Panels = "files" if forms.flag(form, "return_files") else "png"
        if "signal" not in form.files:
            forms.no_signal_words(form)
        if "truth" not in form.files:
            forms.no_entry(form, "truth_entry")
        image_id = service.store.add("image", await service.inputs.image_of(form))
        signal_id = None
        if "signal" in form.files:
            words, entry = forms.signal_words(form), form.fields.get("entry")
            signal = await service.inputs.signal_from_file(form.files["signal"], words, entry)
            signal_id = service.store.add("signal", signal)
        truth = await service.inputs.truth_of(form)
        truth_id = None if truth is None else service.store.add("truth", truth)
    job = (await service.submit(client_of(request), image_id, settings, signal_id, panels, truth_id)).job
    assert job is not None  # it was not asked how long it takes
    await _wait(service, request, job)
    if job.state != "done":
        raise job.error.plain() if job.error else internal()
    bundle = service.result(job.id)
    headers = {"X-Job-Id": job.id}
    if bundle.refusal is not None:
        request.scope["gsjbu.code"] = bundle.refusal.code  # nothing is raised, so nobody else notes it
        refused = bundle.refusal.response()
        refused.headers.update(headers)
        return refused
    return Response(bundle.body, media_type=results.JSON, headers=headers)


@router.post(
    "/api/jobs", status_code=202, response_model=schemas.JobMade,
    responses={
        200: {"model": schemas.JobMade, "description": "It would take longer than patience_s."},
        **refusals(*OF_BODIES, 429),
    },
    summary="Start a run on a kept image",
)  # fmt: skip
async def start(
    service: Shared, request: Request, response: Response, wanted: schemas.JobRequest, client_id: ClientId = None
) -> dict[str, Any]:
    settings = schemas.strict_settings(wanted.settings)
    panels: Panels = "files" if wanted.return_files else wanted.panels
    accepted = await service.submit(
        client_of(request), wanted.image_id, settings, wanted.signal_id, panels, wanted.truth_id, wanted.patience_s
    )  # fmt: skip
    body = {"estimate": results.of_estimate(accepted.cost, accepted.download)}
    if accepted.job is None:
        response.status_code = 200
        return {"job_id": None, **body}
    response.headers["Location"] = f"/api/jobs/{accepted.job.id}"
    return {"job_id": accepted.job.id, **body}


@router.get(
    "/api/jobs/{job_id}", response_class=Response, summary="State, progress, and the result when done",
    responses={200: {"model": shapes.JobState}, **refusals()},
)  # fmt: skip
async def state(service: Shared, job_id: Id) -> Response:
    job = service.jobs.get(job_id)
    head = _head(job)
    if job.state == "done":
        # The result was written as JSON once, when the job ended; it is put in as it is.
        text = results.to_json(head)[:-1] + b',"result":' + service.result(job_id).body + b"}"
        return Response(text, media_type=results.JSON)
    if job.error is not None:
        head["error"] = job.error.body()
    return Response(results.to_json(head), media_type=results.JSON)


@router.delete(
    "/api/jobs/{job_id}", response_class=Response, summary="Cancel",
    responses={200: {"model": shapes.JobState}, **refusals()},
)  # fmt: skip
async def cancel(service: Shared, job_id: Id) -> Response:
    job = service.jobs.get(job_id)
    service.jobs.cancel(job)
    return Response(results.to_json(_head(job)), media_type=results.JSON)


@router.get("/api/jobs/{job_id}/events", response_class=Response, responses={**_EVENTS, **refusals()})
async def events(
    service: Shared, job_id: Id, seen: Annotated[str | None, Header(alias="Last-Event-ID")] = None
) -> Response:
    """Server-sent events: `queued` if it waits for a place, `running` once it has one; `progress`; once `pictures`,
    panels of the image that can be had while the run goes on; then one of `done`, `failed`, `cancelled`."""
    job = service.jobs.get(job_id)
    last = last_event_id(seen)
    if job.events.ended and last >= job.events.last:
        return Response(status_code=204)
    if job.state == "done":
        service.result(job_id)  # the last event gives its address: refused like that once it has gone
    return EventSourceResponse(_watched(job, last), headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})


def _head(job: Job) -> dict[str, Any]:
    return {"job_id": job.id, "state": job.state, "progress": job.progress}


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
