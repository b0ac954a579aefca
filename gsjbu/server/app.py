"""The app: a FastAPI application, what stands before its routes, and its life from start to stop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from fastapi import FastAPI

from gsjbu.server import problems, routes_images, routes_jobs, routes_meta, routes_page
from gsjbu.server.config import Config
from gsjbu.server.logs import RequestLog
from gsjbu.server.security import Guard
from gsjbu.server.service import Service
from gsjbu.server.uploads import Intake

# Longest time for which a start waits for the warm-up.
WARM_UP_SECONDS = 5.0


def create_app(config: Config | None = None) -> FastAPI:
    """One server. ``config.run`` takes the place of the pipeline's; ``app.state.service`` is what it shares."""
    config = config or Config()
    service = Service(config)

    @asynccontextmanager
    async def life(app: FastAPI) -> AsyncIterator[None]:
        service.decoder.start()
        if config.warm_up:
            # Mostly everything was compiled in an earlier run, and this is a matter of a few seconds; where it is
            # not, the page comes up meanwhile and the first runs take the slower form.
            await asyncio.to_thread(service.warm_up().join, WARM_UP_SECONDS)
        watch = asyncio.create_task(service.watch())
        try:
            yield
        finally:
            watch.cancel()
            with suppress(asyncio.CancelledError):
                await watch
            service.close()

    app = FastAPI(
        title="Upsample Anything (GS-JBU + TTO)",
        version=service.version,
        summary="Upsample any low-resolution signal along the edges of its image.",
        docs_url=None, redoc_url=None, openapi_url="/openapi.json", lifespan=life,
    )  # fmt: skip
    app.state.service = service
    problems.install(app)
    app.include_router(routes_jobs.routes(service))
    app.include_router(routes_images.routes(service))
    app.include_router(routes_meta.routes(service))
    app.include_router(routes_page.routes(service, app))
    routes_page.mount_static(service, app)
    # The last one added is the outermost: log, then guard, then the body's bounds, then the catch of faults.
    app.add_middleware(problems.Crash)
    app.add_middleware(Intake, limits=config.limits)
    app.add_middleware(Guard, allowed_hosts=config.allowed_hosts, limits=config.limits)
    app.add_middleware(RequestLog, meters=service.meters)
    return app
