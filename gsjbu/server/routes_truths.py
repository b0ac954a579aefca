"""The truth of a signal: kept once, measured against by many runs, and reduced to a signal where there is none."""

from __future__ import annotations

from fastapi import APIRouter, Request

from gsjbu.server import forms, schemas
from gsjbu.server.dependencies import Shared
from gsjbu.server.inputs import StoredTruth
from gsjbu.server.problems import OF_BODIES, Problem, refusals
from gsjbu.server.routes_images import about_signal
from gsjbu.server.strict import StrictRoute
from gsjbu.server.uploads import read_form

router = APIRouter(tags=["images"], route_class=StrictRoute)


@router.post(
    "/api/truths", status_code=201, response_model=schemas.TruthMade,
    responses=refusals(*OF_BODIES, 429), openapi_extra=forms.TRUTH_FORM, summary="Keep a signal's truth",
)  # fmt: skip
async def truths(service: Shared, request: Request) -> dict[str, object]:
    async with read_form(request, service.limits, service.buffers) as form:
        forms.only(form, "sample", "what", "entry")
        if "file" in form.files:
            for name in ("sample", "what"):
                if name in form.fields:
                    detail = f"Send either a truth's file or a built-in scene's own, not both: leave out {name!r}."
                    raise Problem("request_invalid", detail, setting=name)
            stored = await service.inputs.truth_from_file(form.files["file"], form.fields.get("entry"))
        elif "sample" in form.fields:
            stored = await service.inputs.truth_of_sample(form.fields["sample"], form.fields.get("what", ""))
        else:
            raise Problem("file_missing", "The form has no file; attach the truth in the field 'file'.")
    return _about(service.store.add("truth", stored), stored)


@router.get("/api/truths/{truth_id}", response_model=schemas.TruthMade, responses=refusals())
async def truth(service: Shared, truth_id: schemas.Id) -> dict[str, object]:
    """A kept truth: its shape and name."""
    return _about(truth_id, service.store.get("truth", truth_id))


@router.post(
    "/api/truths/{truth_id}/signal",
    status_code=201,
    response_model=schemas.SignalMade,
    responses=refusals(*OF_BODIES),
    summary="The signal that a truth gives",
)
async def reduced(service: Shared, truth_id: schemas.Id, wanted: schemas.TruthReduced) -> dict[str, object]:
    """The low-resolution signal that a kept truth gives: cell means, of classes each one's share."""
    truth: StoredTruth = service.store.get("truth", truth_id)
    stored = await service.inputs.signal_of_truth(truth, wanted.rows, wanted.cols, wanted.kind)
    return about_signal(service.store.add("signal", stored), stored)


def _about(truth_id: str, stored: StoredTruth) -> dict[str, object]:
    return {
        "truth_id": truth_id, "shape": list(stored.brought.array.shape), "name": stored.name,
        "sample": stored.sample, "what": stored.kind, "entry": stored.entry,
    }  # fmt: skip
