"""Things that are sent once and used by many runs: images and signals."""

from __future__ import annotations

from functools import lru_cache
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from gsjbu.io.pictures import png_bytes, shrink, shrunk_size, to_uint8
from gsjbu.io.words import WORDS
from gsjbu.samples import SAMPLES
from gsjbu.server import forms, schemas
from gsjbu.server.clients import introduce
from gsjbu.server.dependencies import Shared
from gsjbu.server.inputs import StoredImage, StoredSignal, check_sample
from gsjbu.server.problems import OF_BODIES, Problem, refusals
from gsjbu.server.strict import StrictRoute
from gsjbu.server.uploads import read_form
from gsjbu.settings import Settings

THUMB = 160  # px, long side of a kept image's small picture

router = APIRouter(tags=["images"], route_class=StrictRoute)


@router.post(
    "/api/images", status_code=201, response_model=schemas.ImageMade,
    responses=refusals(*OF_BODIES, 429), openapi_extra=forms.IMAGE_FORM, summary="Keep an image for later runs",
)  # fmt: skip
async def images(service: Shared, request: Request, response: Response) -> dict[str, object]:
    introduce(request, response, service.config.is_framed)
    async with read_form(request, service.limits, service.buffers) as form:
        forms.only(form, "sample")
        stored = await service.inputs.image_of(form)
    return _about_image(service.store.add("image", stored), stored)


@router.get("/api/images/{image_id}", response_model=schemas.ImageMade, responses=refusals())
async def image(service: Shared, image_id: schemas.Id) -> dict[str, object]:
    """A kept image: its size and name."""
    return _about_image(image_id, service.store.get("image", image_id))


@router.get(
    "/api/images/{image_id}/thumb.png", response_class=Response, responses={**schemas.PNG, **refusals()},
    summary="A kept image, small",
)  # fmt: skip
async def thumb(service: Shared, image_id: schemas.Id) -> Response:
    found: StoredImage = service.store.get("image", image_id)
    usual = Settings().resolution
    reduced = service.inputs.reduced
    data = await service.make(lambda: png_bytes(to_uint8(shrink(reduced(found, usual), THUMB))))
    return Response(data, media_type="image/png", headers={"Cache-Control": "private, max-age=1800"})


@router.post(
    "/api/signals", status_code=201, response_model=schemas.SignalMade,
    responses=refusals(*OF_BODIES, 429), openapi_extra=forms.SIGNAL_FORM, summary="Keep a signal for later runs",
)  # fmt: skip
async def signals(service: Shared, request: Request) -> dict[str, object]:
    async with read_form(request, service.limits, service.buffers) as form:
        forms.only(form, *WORDS, "entry")
        if "file" not in form.files:
            raise Problem("file_missing", "The form has no file; attach the signal in the field 'file'.")
        words, entry = forms.signal_words(form), form.fields.get("entry")
        stored = await service.inputs.signal_from_file(form.files["file"], words, entry)
    return about_signal(service.store.add("signal", stored), stored)


@router.get("/api/signals/{signal_id}", response_model=schemas.SignalMade, responses=refusals())
async def signal(
    service: Shared, signal_id: schemas.Id, image: schemas.UnderImage = None, resolution: schemas.AtResolution = None
) -> dict[str, object]:
    """A kept signal: what it is; with `image`, as a run on that image has it, whose size decides between axes and
    says how many tokens lie in a row."""
    stored: StoredSignal = service.store.get("signal", signal_id)
    if image is not None:
        under: StoredImage = service.store.get("image", image)
        size = shrunk_size(under.height, under.width, resolution or Settings().resolution)
        stored = await service.make(lambda: stored.over(size))
    return about_signal(signal_id, stored)


@router.patch(
    "/api/signals/{signal_id}", response_model=schemas.SignalMade, responses=refusals(*OF_BODIES),
    summary="A kept signal, taken for something else",
)  # fmt: skip
async def understood_as(service: Shared, signal_id: schemas.Id, wanted: schemas.SignalWords) -> dict[str, object]:
    """A kept signal taken for something else: a new one, made of the same file."""
    stored = await service.inputs.signal_anew(service.store.get("signal", signal_id), wanted.words())
    return about_signal(service.store.add("signal", stored), stored)


@router.get(
    "/api/samples/{name}.png", response_class=Response, responses={**schemas.PNG, **refusals()},
    summary="A built-in scene",
)  # fmt: skip
async def sample(service: Shared, name: str, size: Annotated[int, Query(ge=16, le=512)] = 512) -> Response:
    check_sample(name)
    data = await service.make(lambda: _drawn(name, size))
    return Response(data, media_type="image/png", headers={"Cache-Control": "max-age=3600"})


@lru_cache(maxsize=16)
def _drawn(name: str, size: int) -> bytes:
    """A built-in scene as PNG, its long side ``size`` px: every visitor's page asks for the same few."""
    return png_bytes(to_uint8(shrink(SAMPLES[name].image, size)))


def _about_image(image_id: str, stored: StoredImage) -> dict[str, object]:
    return {"image_id": image_id, "width": stored.width, "height": stored.height, "name": stored.name}


def about_signal(signal_id: str, stored: StoredSignal) -> dict[str, object]:
    """A signal as the API tells of it."""
    found = stored.signal
    return {
        "signal_id": signal_id, "shape": [found.classes, *found.shape[1:]], "kind": found.kind, "name": stored.name,
        "note": found.note, "reason": found.reason, "runner_up": found.runner_up, "gaps": found.gaps,
        "layout": found.layout.lower(), "names": list(found.names[:256]), "doubts": found.doubts,
        "words": stored.words, "made": stored.made, "entry": stored.entry,
    }  # fmt: skip
