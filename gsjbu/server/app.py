"""The app: a FastAPI application, what stands before its routes, and its life from start to stop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from fastapi import FastAPI

from gsjbu.server import problems, routes_images, routes_jobs, routes_meta, routes_page, routes_results, routes_truths
from gsjbu.server.config import Config
from gsjbu.server.hangup import HangUpMiddleware
from gsjbu.server.logs import RequestLogMiddleware
from gsjbu.server.security import GuardMiddleware
from gsjbu.server.service import Service
from gsjbu.server.uploads import IntakeMiddleware

# Longest time for which a start waits for the warm-up.
WARM_UP_SECONDS = 5.0


def create_app(config: Config | None = None) -> FastAPI:
    """One server. ``config.run`` takes the place of the pipeline's; ``app.state.service`` is what it shares."""
    config = config or Config()
    service = Service(config)

    @asynccontextmanager
    async def life(app: FastAPI) -> AsyncIterator[None]:
        service.inputs.start()
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
        docs_url=None, redoc_url=None, openapi_url=None, lifespan=life,  # routes_page has them
        redirect_slashes=False,  # behind a proxy of TLS it would lead to http
    )  # fmt: skip
    app.state.service = service
    problems.install(app)
    for routes in (routes_jobs, routes_results, routes_images, routes_truths, routes_meta, routes_page):
        app.include_router(routes.router)
    routes_page.mount_static(service, app)
    # The last one added is the outermost: log, guard, the body's bounds, the catch of faults, the end of hung-up ones.
    app.add_middleware(HangUpMiddleware)
    app.add_middleware(problems.CrashMiddleware)
    app.add_middleware(IntakeMiddleware, limits=config.limits, is_stopping=lambda: service.jobs.stopping)
    app.add_middleware(
        GuardMiddleware, allowed_hosts=config.allowed_hosts, frame_ancestors=config.frame_ancestors,
        limits=config.limits,
    )  # fmt: skip
    app.add_middleware(RequestLogMiddleware, meters=service.meters)
    return app
