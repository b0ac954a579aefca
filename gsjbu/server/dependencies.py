"""What routes ask FastAPI for: the app's service."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request

from gsjbu.server.service import Service


async def service_of(request: Request) -> Service:
    """The one service of the app that answers."""
    service: Service = request.app.state.service
    return service


Shared = Annotated[Service, Depends(service_of)]
