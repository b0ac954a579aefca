"""Shapes of requests and answers, for the checks of JSON bodies and for the OpenAPI description."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import Header, Path, Query
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StrictBool, StrictInt, WithJsonSchema

from gsjbu.errors import SettingError
from gsjbu.io.words import WORDS
from gsjbu.run import offers  # noqa: F401  (the settings know this machine's models before they are described)
from gsjbu.server.clients import PATTERN
from gsjbu.settings import SETTINGS, WHOLE, Kind, Settings, unavailable_reason

Id = Annotated[str, Path(max_length=64, description="As given when the thing was made.", examples=["0" * 32])]
UnderImage = Annotated[str | None, Query(max_length=64, description="Id of the image that a signal goes with.")]


def _in_digits(value: Any) -> Any:
    """An address's whole number in ASCII digits; pydantic takes 1_0 for 10."""
    if isinstance(value, str) and not WHOLE.fullmatch(value):
        raise ValueError("must be a whole number, in digits")
    return value


_DIGITS = BeforeValidator(_in_digits)  # after the bounds, or the description loses them
AtResolution = Annotated[
    int | None,
    Query(
        ge=SETTINGS["resolution"].low, le=SETTINGS["resolution"].high,
        description="The setting of the run that is meant; its default where not given.",
    ),
    _DIGITS,
]  # fmt: skip
PixelX = Annotated[int, Query(ge=0, le=65535, description="Column of the image, from 0 at the left."), _DIGITS]
PixelY = Annotated[int, Query(ge=0, le=65535, description="Row of the image, from 0 at the top."), _DIGITS]
MixedGroup = Annotated[str, Query(max_length=60, description="What is mixed: a group of the result's methods.")]
Mixer = Annotated[str, Query(max_length=60, description="Which of its methods: the id.")]
MorePixels = Annotated[
    list[Annotated[str, Field(pattern="^[0-9]{1,5},[0-9]{1,5}$")]],
    Query(max_length=15, description="Further pixels, each as `column,row`."),
]
_Elsewhere = list[Annotated[str, Field(pattern="^[0-9a-f]{32},[0-9]{1,5},[0-9]{1,5}$")]]
_SAID_ELSEWHERE = "Pixels of other jobs' pictures, each as `job,column,row`."
PixelsElsewhere = Annotated[_Elsewhere, Query(max_length=15, description=_SAID_ELSEWHERE)]
SomeElsewhere = Annotated[_Elsewhere, Query(min_length=1, max_length=16, description=_SAID_ELSEWHERE)]
ClientId = Annotated[
    str | None,
    Header(
        alias="X-Client-Id",
        description="Tells several clients at one address apart; browsers do it with the page's cookie.",
    ),
    WithJsonSchema({"type": "string", "pattern": PATTERN}),  # GuardMiddleware holds all requests to it
]
BINARY: dict[str, Any] = {"schema": {"type": "string", "contentMediaType": "application/octet-stream"}}
PNG: dict[int | str, dict[str, Any]] = {200: {"content": {"image/png": BINARY}, "description": "A PNG."}}


def settings_schema() -> dict[str, Any]:
    """JSON schema of ``settings``, from the one place that declares them."""
    properties: dict[str, Any] = {}
    for s in SETTINGS.values():
        entry: dict[str, Any] = {"description": s.sentence, "default": s.default}
        if s.kind == "int":
            entry.update(type="integer", minimum=s.low, maximum=s.high)
        elif s.kind == "bool":
            entry.update(type="boolean")
        else:
            # A choice that this machine has not is refused, so the description does not offer it.
            entry.update(type="string", enum=[v for v in s.all_choices() if unavailable_reason(s.name, v) is None])
        properties[s.name] = entry
    return {"type": "object", "properties": properties, "additionalProperties": False}


def strict_settings(given: dict[str, Any]) -> Settings:
    """Settings from JSON, where a number is a number and a truth value is one (forms and addresses have only text)."""
    for name, value in given.items():
        kind = SETTINGS[name].kind if name in SETTINGS else ""
        if kind == "int" and isinstance(value, str):
            raise SettingError(name, f"{name} is the text {value[:40]!r}; in JSON it must be a whole number.")
        if kind == "bool" and not isinstance(value, bool):
            raise SettingError(name, f"{name} is {str(value)[:40]!r}; in JSON it must be true or false.")
    return Settings.parse(given)


_settings: Any = Field(default_factory=dict, json_schema_extra=settings_schema())


class Strict(BaseModel):
    """A JSON body: unknown names are refused."""

    model_config = ConfigDict(extra="forbid")


class JobRequest(Strict):
    """What to run on which image."""

    image_id: str = Field(max_length=64)
    settings: dict[str, Any] = _settings
    signal_id: str | None = Field(None, max_length=64)
    truth_id: str | None = Field(
        None, max_length=64, description="A kept truth of the signal, to measure every method against."
    )
    return_files: StrictBool = Field(False, description="Write the panels under /static/out and give links.")
    panels: Literal["png", "links"] = Field(
        "png", description="png: panels inside the result. links: addresses, each PNG made when it is asked for."
    )
    patience_s: float | None = Field(
        None, ge=0, le=86_400, strict=True,
        description="Start the run only if it is estimated to take no more seconds than this.",
    )  # fmt: skip


def _whole(value: Any) -> Any:
    """JSON's 512.0 is an integer; text is not."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


Side = Annotated[
    StrictInt,
    Field(ge=1, le=65535),
    BeforeValidator(_whole),
    WithJsonSchema({"type": "integer", "minimum": 1, "maximum": 65535}),
]


class EstimateRequest(Strict):
    """A run that might be."""

    width: Side = Field(description="Pixels across, of the image as uploaded.")
    height: Side = Field(description="Pixels down.")
    settings: dict[str, Any] = _settings
    signal_id: str | None = Field(None, max_length=64, description="A kept signal that would be upsampled too.")


class ImageMade(BaseModel):
    """An image that is kept for a while."""

    image_id: str
    width: int
    height: int
    name: str


class SignalMade(BaseModel):
    """A signal that is kept for a while."""

    signal_id: str
    shape: list[int] = Field(description="[channels, rows, columns]")
    kind: str = Field(description="What it was taken for.")
    name: str
    note: str | None = None
    reason: str = Field("", description="Why it was taken for that.")
    runner_up: str | None = Field(None, description="What it is about as likely to be.")
    gaps: str = Field("", description="A sentence on cells without a value; empty where there are none.")
    layout: str = Field("", description="Which axis was taken for what: chw, hwc or tokens.")
    names: list[str] = Field(default_factory=list, description="Of its classes.")
    doubts: list[str] = Field(default_factory=list, description="Choices that a person may know better.")
    words: dict[str, str | bool] = Field(default_factory=dict, description="What was said of it: kind, invalid, …")
    made: bool = Field(False, description="It was made of a truth: its cell means, of classes each one's share.")
    entry: str | None = Field(None, description="Which of its file's arrays it is, where that was named.")


class TruthMade(BaseModel):
    """A truth at full resolution that is kept for a while."""

    truth_id: str
    shape: list[int]
    name: str
    sample: str | None = Field(None, description="The built-in scene whose own it is.")
    what: str | None = Field(None, description="Which of that scene's: depth or labels.")
    entry: str | None = Field(None, description="Which of its file's arrays it is, where that was named.")


class TruthReduced(Strict):
    """How a truth is to be reduced to a signal."""

    rows: Side = Field(description="Cells down.")
    cols: Side = Field(description="Cells across.")
    kind: Literal["depth", "labels", "heat_map", "features"] | None = Field(
        None, description="What it is; looked at where not given."
    )


def _word(name: str, longest: int | None = None) -> Any:
    """A field for one of the words on a signal."""
    return Field(WORDS[name].usual, description=WORDS[name].sentence, max_length=longest)


class SignalWords(Strict):
    """What a signal is, where its reader should not guess."""

    kind: str = _word("kind", 40)
    invalid: str = _word("invalid", 200)
    layout: str = _word("layout", 40)
    names: str = _word("names")
    fill: bool = _word("fill")

    def words(self) -> dict[str, Any]:
        """Those that were said, as a form has them."""
        return self.model_dump(exclude_defaults=True)


class AdviceBody(BaseModel):
    """One setting that would make a run cheaper."""

    setting: str
    value: bool | int | str
    seconds: float = Field(description="What the run would then take.")
    sentence: str


class EstimateBody(BaseModel):
    """What a run would take."""

    seconds: float
    bytes: int
    stages: dict[str, float] = Field(description="Seconds of each.")
    download: str | None = Field(description="Why its zip will be refused, where shapes tell it.")
    advice: list[AdviceBody] = Field(description="Best first; only for slow or large runs on a CPU.")


class JobMade(BaseModel):
    """A job that was accepted, or none where it would take longer than was asked for."""

    job_id: str | None
    estimate: EstimateBody


class Health(BaseModel):
    """Whether the server is well."""

    status: Literal["ok", "degraded"] = Field(
        description="degraded: files cannot be decoded, see helpers_lost; jobs on kept images run."
    )
    warm: bool
    backend: str
    version: str
    running: int
    queued: int
    uptime_s: float
    helpers_lost: int = Field(description="Decoding helpers that ended for no fault of a file.")


class ChoiceBody(BaseModel):
    """One thing that a setting can be."""

    value: str
    label: str
    available: bool
    reason: str | None = Field(description="Why it cannot be had on this machine.")


class ModelBody(ChoiceBody):
    """A network, by the setting that takes it."""

    kind: str = Field(description="backbone or segmentation.")


class RemarkBody(BaseModel):
    """What is to be said at a setting, of several the first that holds."""

    when: dict[str, list[bool | str]] = Field(
        description="It holds where each of these settings, and `signal` (whether one was brought), is one of these."
    )
    sentence: str
    effect: bool = Field(description="False: the setting does nothing then.")


class SettingBody(BaseModel):
    """What a control needs to know of a setting."""

    name: str
    kind: Kind
    default: bool | int | str
    low: int | None
    high: int | None
    unit: str
    label: str
    sentence: str
    group: str
    choices: list[ChoiceBody] | None
    remarks: list[RemarkBody]


class SampleBody(BaseModel):
    """A built-in scene."""

    name: str
    title: str
    sentence: str
    width: int
    height: int
    thumb_url: str


class SettingsBody(BaseModel):
    """All that the page builds its controls from."""

    settings: list[SettingBody]
    limits: dict[str, float]
    samples: list[SampleBody]
    models: list[ModelBody]
    devices: list[ChoiceBody]
    colour_maps: dict[str, list[str]] = Field(description="Colours from low to high, at even distances.")
    version: str
    threads: int
