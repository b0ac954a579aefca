"""Shapes of a run's answers, for the OpenAPI description: the state of a job, its result, what is read out of it."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from gsjbu.server.problems import ProblemBody
from gsjbu.server.schemas import settings_schema


class Progress(BaseModel):
    """How far a run is; all is missing before its first stage."""

    stage: str | None = None
    step: int | None = Field(None, description="Of the fit.")
    steps: int | None = None
    loss: float | None = None
    share: float | None = Field(None, ge=0, le=1, description="Of the whole run.")
    eta_s: float | None = Field(None, description="Seconds left, by what has passed.")


class ImageSizes(BaseModel):
    """Of the image that was worked on and of its LR grid, in pixels."""

    width: int
    height: int
    lr_width: int
    lr_height: int
    step_x: float = Field(description="Pixels across of one cell.")
    step_y: float


class BarBody(BaseModel):
    """What a panel's colours mean where they stand for one number."""

    low: float
    high: float
    unit: str
    map: str
    stops: list[str] = Field(description="Colours from low to high, at even distances, as #rrggbb.")


class LegendEntry(BaseModel):
    """One class of a panel of classes."""

    name: str
    colour: str = Field(description="#rrggbb")
    share: float | None = Field(None, description="Of the panel's pixels, 0–1; not of segments.")
    index: int = Field(description="Its number.")


class PanelBody(BaseModel):
    """One picture of a result; ``png`` or ``url`` says where it is."""

    name: str
    group: str
    title: str
    sentence: str
    width: int
    height: int
    unit: str
    bar: BarBody | None
    legend: list[LegendEntry] | None
    png: str | None = Field(None, description="The file in base64, where panels are asked for so.")
    url: str | None = Field(None, description="Its address otherwise.")


class Histogram(BaseModel):
    """Of one parameter over all kernels."""

    edges: list[float] = Field(description="One more than there are counts.")
    counts: list[int]
    unit: str


class MethodBody(BaseModel):
    """One way of upsampling in one group of panels."""

    group: str
    id: str = Field(description="What its panels' names end in, and its key in the metrics.")
    role: Literal["plain", "paper", "suited", "unfitted", "chosen"] = Field(
        description="plain: looks at no image; paper: one kernel that gives back the image's colours; suited: what "
        "suits the signal, fitted to it where there is something to fit; unfitted: no steps taken; chosen: the "
        "objective that was asked for."
    )
    measured_best: bool = Field(description="Whether it measured best for signals of this family.")
    family: str | None = Field(description="Of signals; null for the image itself.")
    steps: int | None = Field(description="That its fit took; null where there is none, or it is not made yet.")


class MeasuredBody(BaseModel):
    """A row of the measurements that the choice rests on."""

    family: str
    row: str
    figure: str
    best: str
    bilinear: float
    gsjbu: float = Field(description="The paper's kernel, fitted to the image's colours.")
    auto: float
    why: str
    sentence: str


class ResultBody(BaseModel):
    """A whole result."""

    job_id: str
    settings: dict[str, Any] = Field(json_schema_extra=settings_schema())
    device: str
    backend: str
    backend_reason: str | None
    image: ImageSizes
    lr_image: str = Field(description="How the LR image was made: bilinear or area.")
    panels: list[PanelBody]
    methods: list[MethodBody] = Field(description="The ways that are compared, group by group.")
    measured: dict[str, MeasuredBody] = Field(
        description="By group: which way was measured best for such a signal, on pictures with ground truth. Only "
        "where that way is among those of the run and was followed, and what it mixes is no random network's."
    )
    metrics: dict[str, dict[str, Any]] = Field(
        description="By group, then by way of upsampling, its figures: numbers, or null where one is infinite or "
        "cannot be had. Figures of a group as a whole stand beside the ways."
    )
    losses: list[float | None]
    fits: list[int] = Field(description="Steps of each fit whose losses are joined in ``losses``.")
    histograms: dict[str, Histogram] = Field(description="By the kernels' parameter.")
    fitted_to: Literal["image", "signal"] = Field(
        description="What the fit of ``losses``, ``histograms`` and the panels of the group kernel gives back."
    )
    pretrained: bool | None = Field(description="Whether the features' network is; null where there are none.")
    status: dict[str, str] = Field(description="Sentences for a person: what was done, and why.")
    timings_ms: dict[str, float] = Field(description="By stage.")


class JobState(BaseModel):
    """Where a job is."""

    job_id: str
    state: Literal["queued", "running", "done", "failed", "cancelled"]
    progress: Progress
    result: ResultBody | None = None
    error: ProblemBody | None = None


class Pixel(BaseModel):
    """Every panel's values at one pixel."""

    x: int
    y: int
    values: dict[str, list[float | None]] = Field(description="By panel, one a channel; null for a gap.")


class Spread(BaseModel):
    """What one panel has in a rectangle: per channel, or of classes their shares."""

    model_config = ConfigDict(extra="forbid")

    pixels: int = Field(description="Those that are no gap.")
    mean: list[float | None] | None = None
    std: list[float | None] | None = None
    low: list[float | None] | None = None
    high: list[float | None] | None = None
    shares: list[tuple[int, float]] | None = Field(None, description="[class number, share] each.")


class Region(BaseModel):
    """Every panel's mean and spread in a rectangle of pixels, or the share of each of its classes."""

    x0: int
    y0: int
    x1: int
    y1: int
    values: dict[str, Spread]


class Similarity(BaseModel):
    """Two cosine-similarity maps as base64 PNGs on one scale; ``x``, ``y`` is the last of ``points``, if any."""

    x: int | None = None
    y: int | None = None
    points: list[list[int]]
    low: float
    high: float
    map: str
    bilinear: str
    gsjbu: str


class WindowCell(BaseModel):
    """One LR pixel that a pixel is mixed from."""

    qx: int = Field(description="Column in the LR grid.")
    qy: int
    cx: float = Field(description="Its centre in the image, in pixels.")
    cy: float
    weight: float = Field(description="All weights of a window sum to 1.")
    spatial: float | None = Field(description="Its factor of distance; an interpolation has none.")
    range: float | None = Field(description="Its factor of colour; an interpolation has none.")
    colour: list[float]
    sigma_x: float | None = Field(description="Of its Gaussian, as the next three; an interpolation has none.")
    sigma_y: float | None
    theta: float | None
    sigma_r: float | None


class KernelWindow(BaseModel):
    """What one pixel is made of by one method."""

    x: int
    y: int
    cell: list[int]
    group: str
    method: str
    window: list[WindowCell] = Field(
        description="Heaviest first, without LR pixels that have no value; empty where no other is in reach."
    )
    notes: list[str] = Field(description="Sentences on what else happens to a value, before and after mixing.")


class Ellipses(BaseModel):
    """All Gaussians, flat lists in LR order (row by row)."""

    cx: list[float]
    cy: list[float]
    sigma_x: list[float]
    sigma_y: list[float]
    theta: list[float]
