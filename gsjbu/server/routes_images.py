"""Things that are sent once and used by many runs: images and signals."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from gsjbu.io.pictures import png_bytes, shrink, to_uint8
from gsjbu.server import forms, schemas
from gsjbu.server.problems import Problem, refusals
from gsjbu.server.service import Service, StoredImage, StoredSignal
from gsjbu.server.uploads import Form, read_form
from gsjbu.settings import Settings

THUMB = 160  # px, long side of a kept image's small picture


def routes(service: Service) -> APIRouter:
    """POST and GET /api/images and /api/signals, GET /api/samples/{name}.png."""
    router = APIRouter(tags=["images"])

    @router.post(
        "/api/images", status_code=201, response_model=schemas.ImageMade,
        responses=refusals(408, 413, 415, 429), openapi_extra=forms.IMAGE_FORM, summary="Keep an image for later runs",
    )  # fmt: skip
    async def images(request: Request, response: Response) -> dict[str, object]:
        service.introduce(request, response)
        limits = service.limits
        async with read_form(request, limits, service.buffers, {"file": limits.image_bytes}) as form:
            forms.only(form, "sample")
            image = await image_of(service, form)
        image_id = service.store.add("image", image)
        return {"image_id": image_id, "width": image.width, "height": image.height, "name": image.name}

    @router.get("/api/images/{image_id}", response_model=schemas.ImageMade, responses=refusals())
    async def image(image_id: schemas.Id) -> dict[str, object]:
        """A kept image: its size and name."""
        found: StoredImage = service.store.get("image", image_id)
        return {"image_id": image_id, "width": found.width, "height": found.height, "name": found.name}

    @router.get(
        "/api/images/{image_id}/thumb.png", response_class=Response, responses={**schemas.PNG, **refusals()},
        summary="A kept image, small",
    )  # fmt: skip
    async def thumb(image_id: schemas.Id) -> Response:
        found: StoredImage = service.store.get("image", image_id)
        usual = Settings().resolution
        data = await service.read(lambda: png_bytes(to_uint8(shrink(service.reduced(found, usual), THUMB))))
        return Response(data, media_type="image/png", headers={"Cache-Control": "private, max-age=1800"})

    @router.post(
        "/api/signals", status_code=201, response_model=schemas.SignalMade,
        responses=refusals(408, 413, 415, 429), openapi_extra=forms.SIGNAL_FORM, summary="Keep a signal for later runs",
    )  # fmt: skip
    async def signals(request: Request) -> dict[str, object]:
        limits = service.limits
        async with read_form(request, limits, service.buffers, {"file": limits.signal_bytes}) as form:
            forms.only(form)
            if "file" not in form.files:
                raise Problem("file_missing", "The form has no file; attach the signal in the field 'file'.")
            stored = await service.signal_from_file(form.files["file"])
        return _about(service.store.add("signal", stored), stored)

    @router.get("/api/signals/{signal_id}", response_model=schemas.SignalMade, responses=refusals())
    async def signal(signal_id: schemas.Id) -> dict[str, object]:
        """A kept signal: what it is."""
        return _about(signal_id, service.store.get("signal", signal_id))

    @router.get(
        "/api/samples/{name}.png", response_class=Response, responses={**schemas.PNG, **refusals()},
        summary="A built-in scene",
    )  # fmt: skip
    async def sample(name: str, size: Annotated[int, Query(ge=16, le=512)] = 512) -> Response:
        image = await service.image_from_sample(name)
        data = await service.read(lambda: png_bytes(to_uint8(service.reduced(image, size))))
        return Response(data, media_type="image/png", headers={"Cache-Control": "max-age=3600"})

    return router


def _about(signal_id: str, stored: StoredSignal) -> dict[str, object]:
    signal = stored.signal
    return {
        "signal_id": signal_id,
        "shape": list(signal.values.shape),
        "kind": signal.kind,
        "name": stored.name,
        "note": signal.note,
    }


async def image_of(service: Service, form: Form) -> StoredImage:
    """The image that a form brings: a file, or a built-in scene by name."""
    if "file" in form.files:
        if "sample" in form.fields:
            raise Problem(
                "request_invalid", "Send either a file or a sample's name, not both.", setting="sample"
            )
        return await service.image_from_file(form.files["file"])
    if "sample" in form.fields:
        return await service.image_from_sample(form.fields["sample"])
    raise Problem("file_missing", "The form has no file; attach the picture in the field 'file'.")
