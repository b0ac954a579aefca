"""Everything one can ask of a job that is done: panels, read-outs at a pixel, the kernels, the zip."""

from __future__ import annotations

from typing import Any, Literal

from fastapi import APIRouter, Request
from fastapi.responses import Response

from gsjbu.io.point_clouds import POINT_BYTES
from gsjbu.server import archive, readouts, results, schemas, shapes
from gsjbu.server.clients import client_of
from gsjbu.server.dependencies import Shared
from gsjbu.server.problems import refusals
from gsjbu.server.schemas import Id, MixedGroup, Mixer, MorePixels, PixelsElsewhere, PixelX, PixelY, SomeElsewhere
from gsjbu.server.service import Service
from gsjbu.server.strict import StrictRoute

_SIZE: dict[str, Any] = {
    "X-Height": {"schema": {"type": "integer"}, "description": "Rows."},
    "X-Width": {"schema": {"type": "integer"}, "description": "Columns."},
}
_ZIP: dict[int | str, dict[str, Any]] = {200: {"content": {"application/zip": schemas.BINARY}, "description": "A zip."}}

router = APIRouter(tags=["jobs"], route_class=StrictRoute)


@router.get(
    "/api/jobs/{job_id}/panels/{name}.png", response_class=Response, responses={**schemas.PNG, **refusals(409)},
    summary="One panel",
)  # fmt: skip
async def panel(service: Shared, job_id: Id, name: str) -> Response:
    # While the run goes on, figures and features are still made.
    early = service.jobs.get(job_id).pictures.get(name)
    if early is not None:
        data = await service.read(early.png)
    else:
        bundle = service.result(job_id)
        data = await service.make(lambda: bundle.png(name), readouts.of_panel(bundle, name))
    headers = {"Cache-Control": "private, max-age=1800, immutable"}
    return Response(data, media_type="image/png", headers=headers)


@router.get(
    "/api/jobs/{job_id}/panels/{name}.f32", response_class=Response,
    responses={
        200: {
            "content": {"application/octet-stream": schemas.BINARY},
            "description": "h × w little-endian float32, NaN for none.",
            "headers": _SIZE,
        },
        **refusals(409),
    },
    summary="One panel's values",
)  # fmt: skip
async def values(service: Shared, job_id: Id, name: str) -> Response:
    """h × w little-endian float32 of a panel of one number a pixel, NaN for none; X-Width and X-Height say the size."""
    bundle = service.result(job_id)
    found, _ = await service.make(lambda: bundle.heights(name), readouts.of_values(bundle, name))
    headers = {"X-Height": str(found.shape[0]), "X-Width": str(found.shape[1])}
    return Response(found.astype("<f4").tobytes(), media_type="application/octet-stream", headers=headers)


@router.get(
    "/api/jobs/{job_id}/panels/{name}.ply", response_class=Response,
    responses={200: {"content": {"application/octet-stream": schemas.BINARY}}, **refusals(409, 413, 429)},
    summary="One panel as a point cloud",
)  # fmt: skip
async def cloud(service: Shared, request: Request, job_id: Id, name: str) -> Response:
    """Binary PLY of a panel of one number a pixel: x and y in pixels, z the value, in the picture's colours."""
    bundle = service.result(job_id)
    service.check_download(bundle.image["width"] * bundle.image["height"] * POINT_BYTES, "point cloud")
    pieces = await service.make(lambda: results.cloud(bundle, name), readouts.of_values(bundle, name))
    release = service.jobs.take_place(client_of(request))
    headers = {"Content-Disposition": f'attachment; filename="gsjbu-{job_id[:8]}.ply"'}
    return await service.streams.answer(pieces, release, media_type="application/octet-stream", headers=headers)


@router.get(
    "/api/jobs/{job_id}/pixel", response_model=shapes.Pixel, responses=refusals(409), summary="All panels at a pixel"
)
async def pixel(service: Shared, job_id: Id, x: PixelX, y: PixelY) -> Response:
    """Every panel's values at one pixel of the image."""
    bundle = service.result(job_id)
    values = await service.look(lambda: bundle.pixel(x, y), readouts.of_pixel(bundle))
    return Response(results.to_json({"x": x, "y": y, "values": values}), media_type=results.JSON)


@router.get(
    "/api/jobs/{job_id}/region",
    response_model=shapes.Region,
    responses=refusals(409),
    summary="All panels in a rectangle",
)
async def region(service: Shared, job_id: Id, x0: PixelX, y0: PixelY, x1: PixelX, y1: PixelY) -> Response:
    """Every panel's mean, standard deviation, least and greatest value in a rectangle, both corners included."""
    bundle = service.result(job_id)
    values = await service.make(lambda: bundle.region(x0, y0, x1, y1), readouts.of_region(bundle))
    told = {"x0": x0, "y0": y0, "x1": x1, "y1": y1, "values": values}
    return Response(results.to_json(told), media_type=results.JSON)


Format = Literal["png", "u16"]
_MAPS: dict[int | str, dict[str, Any]] = {
    200: {
        "content": {"application/octet-stream": schemas.BINARY},
        "headers": {
            name: {**header, "description": f"{header['description']} With `format=u16`."}
            for name, header in {
                **_SIZE,
                "X-Low": {"schema": {"type": "number"}, "description": "What 0 stands for."},
                "X-High": {"schema": {"type": "number"}, "description": "What 65535 stands for."},
            }.items()
        },
    },
    **refusals(409),
}


@router.get(
    "/api/jobs/{job_id}/similarity", response_model=shapes.Similarity, responses=_MAPS, summary="Similarity to a pixel"
)
async def similarity(
    service: Shared,
    job_id: Id,
    x: PixelX,
    y: PixelY,
    also: MorePixels = [],  # noqa: B006  (FastAPI copies it)
    elsewhere: PixelsElsewhere = [],  # noqa: B006
    format: Format = "png",
) -> Response:
    """Cosine similarity of the HR features to those at a pixel, bilinear and GS-JBU; with `also`, and with `elsewhere`
    for pixels of other jobs, to the likest.

    `format=u16`: both maps as H × W little-endian uint16 numbers instead of PNGs; X-Low and X-High give the scale.
    """
    return await _similarity(service, job_id, [*map(results.point, also), (x, y)], elsewhere, format)


@router.get(
    "/api/jobs/{job_id}/similarity/elsewhere",
    response_model=shapes.Similarity,
    responses=_MAPS,
    summary="Similarity to pixels of other pictures",
)
async def similarity_elsewhere(
    service: Shared, job_id: Id, elsewhere: SomeElsewhere, format: Format = "png"
) -> Response:
    """The same to pixels of other jobs' pictures alone: what is most like them here."""
    return await _similarity(service, job_id, [], elsewhere, format)


async def _similarity(
    service: Service, job_id: str, points: results.Points, elsewhere: list[str], format: Format
) -> Response:
    bundle = service.result(job_id)
    others = [(service.result(one[:32]), results.point(one[33:])) for one in elsewhere]
    need = readouts.of_similarity(bundle, len(points) + len(others))
    if format == "u16":
        data, headers = await service.make(lambda: results.similarity_u16(bundle, points, others), need)
        return Response(data, media_type="application/octet-stream", headers=headers)
    body = await service.make(lambda: results.to_json(results.similarity(bundle, points, others)), need)
    return Response(body, media_type=results.JSON)


@router.get(
    "/api/jobs/{job_id}/kernel",
    response_model=shapes.KernelWindow,
    responses=refusals(409),
    summary="What a pixel is made of",
)
async def kernel(
    service: Shared, job_id: Id, x: PixelX, y: PixelY, group: MixedGroup = "rgb", method: Mixer = "gsjbu"
) -> Response:
    """The LR pixels that one pixel is mixed from, with their weights and Gaussians, and what else happens to it.

    Of the image's own colours by GS-JBU, where no other `group` and `method` are named.
    """
    bundle = service.result(job_id)
    bundle.check_pixel(x, y)
    told = await service.look(lambda: bundle.window(x, y, group, method), readouts.of_mixer(bundle, group, method))
    return Response(results.to_json(told), media_type=results.JSON)


@router.get(
    "/api/jobs/{job_id}/kernels", response_model=shapes.Ellipses, responses=refusals(409), summary="All Gaussians"
)
async def kernels(service: Shared, job_id: Id, group: MixedGroup = "rgb", method: Mixer = "gsjbu") -> Response:
    """All Gaussians that a `method` mixes a `group` by, to be drawn as ellipses; an interpolation has none."""
    bundle = service.result(job_id)
    need = readouts.of_mixer(bundle, group, method)
    mixer = await service.make(lambda: bundle.result.mixer(group, method), need)
    return await service.streams.answer(results.ellipses(mixer), media_type=results.JSON)


@router.get(
    "/api/jobs/{job_id}/download", response_class=Response, responses={**_ZIP, **refusals(409, 413, 429)},
    summary="All of it as a zip",
)  # fmt: skip
async def download(service: Shared, request: Request, job_id: Id) -> Response:
    """Panels, parameters, HR signal, metrics, settings and versions in one zip."""
    bundle = service.result(job_id)
    release = service.take_download(client_of(request), bundle)
    headers = {"Content-Disposition": f'attachment; filename="gsjbu-{job_id[:8]}.zip"'}
    return await service.streams.answer(archive.pieces(bundle), release, media_type="application/zip", headers=headers)
