"""What there is and how it is: settings, estimate, health, metrics."""

from __future__ import annotations

import time
from dataclasses import asdict
from functools import lru_cache
from typing import Any

from fastapi import APIRouter
from fastapi.responses import Response
from prometheus_client import CONTENT_TYPE_LATEST

from gsjbu.core.threads import available
from gsjbu.io.colours import MAPS, stops
from gsjbu.samples import SAMPLES
from gsjbu.server import results, schemas
from gsjbu.server.dependencies import Shared
from gsjbu.server.problems import OF_BODIES, refusals, stopping
from gsjbu.server.ready import Ready
from gsjbu.server.service import Service
from gsjbu.server.strict import StrictRoute
from gsjbu.settings import schema

router = APIRouter(tags=["server"], route_class=StrictRoute)
#: Which models are there is looked up on the disk, at most so often.
SETTINGS_SECONDS = 1.0


@router.get("/api/settings", response_model=schemas.SettingsBody, responses=refusals())
async def settings(service: Shared) -> Response:
    """Everything the page builds its controls from: settings, limits, built-in scenes, models, devices."""
    return Response(await _settings_of(service).get(service.read), media_type=results.JSON)


@router.post("/api/estimate", response_model=schemas.EstimateBody, responses=refusals(*OF_BODIES))
async def estimate(service: Shared, wanted: schemas.EstimateRequest) -> Response:
    """How long a run would take, how much memory, and what would make it quicker."""
    asked = schemas.strict_settings(wanted.settings)
    signal = service.signal(wanted.signal_id)
    cost = await service.read(lambda: service.estimate(wanted.width, wanted.height, asked, signal))
    download = await service.read(lambda: service.download_note(wanted.width, wanted.height, asked, signal))
    return Response(results.to_json(results.of_estimate(cost, download)), media_type=results.JSON)


@router.head("/healthz", include_in_schema=False)
@router.get("/healthz", response_model=schemas.Health, responses=refusals())
async def healthz(service: Shared) -> dict[str, Any]:
    """Quick, and never waits for a computation; refused with `server_stopping` (503) once the server stops."""
    if service.jobs.stopping:
        raise stopping()
    decoders = service.inputs.decoders
    return {
        "status": "degraded" if decoders.broken else "ok",
        "warm": service.warm,
        "backend": service.backend,
        "version": service.version,
        "running": service.jobs.running,
        "queued": service.jobs.queued,
        "uptime_s": round(time.monotonic() - service.started, 1),
        "helpers_lost": decoders.lost,
    }


@router.head("/metrics", include_in_schema=False)
@router.get(
    "/metrics", response_class=Response, summary="Prometheus text",
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}, **refusals()},
)  # fmt: skip
async def metrics(service: Shared) -> Response:
    return Response(await service.read(service.meters.text), media_type=CONTENT_TYPE_LATEST)


@lru_cache(maxsize=8)
def _settings_of(service: Service) -> Ready:
    return Ready(lambda: results.to_json(_settings(service)), SETTINGS_SECONDS)


def _settings(service: Service) -> dict[str, Any]:
    entries = schema()
    choices = {entry["name"]: entry["choices"] for entry in entries}
    samples = [{**about, "thumb_url": f"/api/samples/{about['name']}.png?size=160"} for about in SAMPLES.about()]
    models = [{**c, "kind": kind} for kind in ("backbone", "segmentation") for c in choices[kind]]
    return {
        "settings": entries,
        "limits": asdict(service.limits),
        "samples": samples,
        "models": models,
        "devices": choices["device"],
        "colour_maps": {name: stops(name) for name in MAPS},
        "version": service.version,
        "threads": available(),
    }
