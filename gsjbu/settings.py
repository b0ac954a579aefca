"""Every parameter of a run, declared once: default, bounds, unit and one sentence.

The page builds its controls from ``schema()``, the server checks requests with ``Settings.parse``, the
command line makes its options from ``SETTINGS`` and the README's table is held against it by a test.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

from gsjbu.errors import SettingError

#: A whole number as text; int() takes 1_0 and the digits of other scripts as well.
WHOLE = re.compile("[+-]?[0-9]{1,18}")
_TRUTH_WORDS = dict.fromkeys(("true", "1", "yes", "on"), True) | dict.fromkeys(("false", "0", "no", "off"), False)

Kind = Literal["int", "bool", "choice"]


@dataclass(frozen=True)
class Offer:
    """What this machine has of a setting's choices: further ones (value -> label), and why one cannot be had."""

    choices: Callable[[], Mapping[str, str]] = dict
    unavailable_reason: Callable[[str], str | None] = lambda value: None


#: Handed in by ``gsjbu.run.offers``: nothing that lies above the settings is known here.
_offers: dict[str, Offer] = {}


def hand_in(name: str, offer: Offer) -> None:
    """Let the setting ``name`` know what this machine has."""
    _offers[name] = offer


#: Beside settings' names, what a remark may ask for: that a signal was brought.
SIGNAL = "signal"


@dataclass(frozen=True)
class Remark:
    """What a setting does beside certain values of others (and ``signal``: True); it may have no ``effect``."""

    when: Mapping[str, tuple[bool | str, ...]]
    sentence: str
    effect: bool = False


@dataclass(frozen=True)
class Setting:
    """One parameter. ``low``/``high`` bound an int; ``choices`` maps a choice's value to its label. Of its ``remarks``
    the first that holds is said."""

    name: str
    kind: Kind
    default: int | bool | str
    label: str
    sentence: str
    group: str = "fit"
    low: int | None = None
    high: int | None = None
    unit: str = ""
    choices: Mapping[str, str] | None = None
    remarks: tuple[Remark, ...] = ()

    def all_choices(self) -> dict[str, str]:
        """Declared choices and those that only this machine knows, value -> label."""
        return {**(self.choices or {}), **_offers.get(self.name, Offer()).choices()}

    def parse(self, raw: Any) -> int | bool | str:
        """The checked value of ``raw`` (a number or its text); raises SettingError with the bounds."""
        if self.kind == "int":
            return self._parse_int(raw)
        if self.kind == "bool":
            return self._parse_bool(raw)
        choices = self.all_choices()
        if isinstance(raw, str) and raw in choices:
            return raw
        raise SettingError(self.name, f"{self.name} is {_shown(raw)}; it must be one of {', '.join(choices)}.")

    def _parse_int(self, raw: Any) -> int:
        right = f"it must be a whole number from {self.low} to {self.high}{' ' + self.unit if self.unit else ''}"
        value: int | None = None
        if hasattr(raw, "__index__") and not is_truth(raw):  # NumPy's whole numbers are ones too
            with suppress(TypeError):
                value = operator.index(raw)
        elif (isinstance(raw, float) and raw.is_integer()) or (isinstance(raw, str) and WHOLE.fullmatch(raw.strip())):
            value = int(raw)
        if value is None:
            raise SettingError(self.name, f"{self.name} is {_shown(raw)}; {right}.")
        assert self.low is not None and self.high is not None
        if not self.low <= value <= self.high:
            raise SettingError(self.name, f"{self.name} is {value}; {right}.", code="setting_out_of_bounds")
        return value

    def _parse_bool(self, raw: Any) -> bool:
        if isinstance(raw, int) and raw in (0, 1):
            return bool(raw)
        said = truth_word(raw) if isinstance(raw, str) else None
        if said is None:
            raise SettingError(self.name, f"{self.name} is {_shown(raw)}; it must be true or false.")
        return said


def truth_word(text: str) -> bool | None:
    """What a word for true or false says; None: it is none."""
    return _TRUTH_WORDS.get(text.strip().lower())


def is_truth(raw: Any) -> bool:
    """Whether ``raw`` is True or False, which Python counts with: torch's and NumPy's included."""
    return isinstance(raw, bool) or str(getattr(raw, "dtype", "")) in ("bool", "torch.bool")


def flag(name: str, given: Any) -> bool:
    """``given`` if it is True or False, NumPy's included: any text would be true. Raises SettingError."""
    if type(given).__name__ in ("bool", "bool_"):
        return bool(given)
    raise SettingError(name, f"{name} is {_shown(given)}; it must be True or False.")


def _shown(raw: Any) -> str:
    try:
        text = repr(raw)
    except RecursionError:  # brackets within brackets, a thousand deep
        text = f"a {type(raw).__name__} of many levels"
    return text if len(text) <= 60 else text[:57] + "…"


WARM_ITERS = 8  # steps of each further frame of a film
OF_BACKBONE = ("stride", "backbone", "seed")  # have no part in a batch of signals that are brought

_STEPS_OF_AUTO = (
    "What suits a signal takes its own steps: up to twice as many, but 20 at most, in each of one or two fits; none "
    "where there is nothing to fit."
)
_NO_FEATURES = Remark({"features": (False,)}, "Without effect while features are off.")
_AVERAGED = (
    "With a fit to a signal, or beside a signal, auto is the mean of the cell; where the signal is samples, what "
    "suits it takes samples."
)
_NO_MODEL = "Without effect while no model segments."

_ALL = (
    Setting(
        "stride", "int", 16, "Stride", low=2, high=64, unit="px",
        sentence="How many image pixels, each way, one low-resolution pixel stands for; larger is coarser.",
        remarks=(
            Remark(
                {SIGNAL: (True,)},
                "Not used with a signal: its own grid is taken. Remove the signal to choose.",
            ),
        ),
    ),
    Setting(
        "iters", "int", 10, "Iterations", low=0, high=1000, unit="steps",
        sentence="Steps of test-time optimisation; 0 is the fixed kernel, the same Gaussian everywhere.",
        remarks=(
            Remark({"objective": ("auto",)}, _STEPS_OF_AUTO, effect=True),
            Remark({"objective": ("suited",), SIGNAL: (True,)}, _STEPS_OF_AUTO, effect=True),
        ),
    ),
    Setting(
        "radius", "int", 2, "Radius", low=1, high=8, unit="LR px",
        sentence="Reach of the window: each pixel mixes (2·radius + 1)² low-resolution pixels.",
    ),
    Setting(
        "resolution", "int", 512, "Resolution", low=32, high=4096, unit="px",
        sentence="Long side to which the image is reduced before anything else; it is never enlarged.",
    ),
    Setting(
        "objective", "choice", "suited", "Objective",
        sentence="What the fit has to give back: the image's colours, the low-resolution signal, or what suits each.",
        choices={
            "suited": "Suited: RGB, auto for signals",
            "rgb": "RGB: reconstruct the image",
            "signal": "Signal: give back the LR signal",
            "auto": "Auto: what measures best for the signal",
        },
    ),
    Setting(
        "optimiser", "choice", "log-adam", "Optimiser",
        sentence="How a fit on RGB takes its steps: few ones on logarithms, or the paper's on the raw values.",
        choices={"log-adam": "Adam on logarithms", "adam": "Adam on raw values"},
        remarks=(
            Remark(
                {"objective": ("signal", "auto"), "methods": ("pair",)},
                "Without effect on this objective: only a fit on RGB takes its steps so.",
            ),
        ),
    ),
    Setting(
        "lr_image", "choice", "auto", "LR image",
        sentence="How the low-resolution image is made: sampled at each cell's centre as in the paper, or averaged.",
        choices={
            "auto": "Auto: sampled for RGB, mostly averaged for a signal",
            "bilinear": "Sampled as in the paper",
            "area": "Mean of the cell",
        },
        remarks=(
            Remark({"objective": ("signal", "auto")}, _AVERAGED, effect=True),
            Remark({SIGNAL: (True,)}, _AVERAGED, effect=True),
        ),
    ),
    Setting(
        "methods", "choice", "pair", "Methods",
        sentence="Which ways of upsampling to compare: the pair, or bicubic, the fixed kernel and both fits as well.",
        choices={
            "pair": "Bilinear and GS-JBU",
            "all": "All: also bicubic, fixed kernel, TTO on RGB, TTO on the signal",
        },
    ),
    Setting(
        "device", "choice", "auto", "Device",
        sentence="Where to compute; auto takes CUDA, then Apple's MPS, then the CPU.",
        choices={"auto": "Auto", "cpu": "CPU", "cuda": "GPU (CUDA)", "mps": "GPU (Apple MPS)"},
    ),
    Setting(
        "seed", "int", 0, "Seed", low=0, high=2**31 - 1,
        sentence="Seed of the random backbone weights that stand in where no pretrained ones are to be had.",
        remarks=(_NO_FEATURES,),
    ),
    Setting(
        "features", "bool", True, "Features", group="features",
        sentence="Whether to extract backbone features and upsample them.",
    ),
    Setting(
        "backbone", "choice", "auto", "Backbone", group="features",
        sentence="The network whose features are upsampled; auto takes ResNet-18 if its weights are to be had, "
        "else EfficientNet-Lite0.",
        choices={"auto": "Auto", "resnet18": "ResNet-18 (torchvision)"},
        remarks=(_NO_FEATURES,),
    ),
    Setting(
        "segmentation", "choice", "off", "Segmentation", group="segmentation",
        sentence="A model that segments the reduced image, or a built-in scene's own labels.",
        choices={"off": "Off", "labels": "Exact labels of the built-in scene (not a model)"},
    ),
    Setting(
        "seg_resolution", "int", 256, "Segmentation resolution", group="segmentation", low=64, high=1024, unit="px",
        sentence="Long side of the image that the segmentation model sees; smaller is faster.",
        remarks=(Remark({"segmentation": ("off", "labels")}, _NO_MODEL),),
    ),
    Setting(
        "seg_input", "choice", "classes", "Segmentation signal", group="segmentation",
        sentence="What is upsampled: the class map (nearest, one-hot) or the class probabilities.",
        choices={"classes": "Class map", "probabilities": "Probabilities"},
        remarks=(Remark({"segmentation": ("off",)}, "Without effect while the segmentation is off."),),
    ),
)  # fmt: skip

SETTINGS: dict[str, Setting] = {s.name: s for s in _ALL}


def default(name: str) -> Any:
    """The default of the setting ``name``: the one place that says it."""
    return SETTINGS[name].default


@dataclass(frozen=True)
class Settings:
    """A checked set of settings; make one with ``Settings.parse`` unless the values are known good."""

    stride: int = default("stride")
    iters: int = default("iters")
    radius: int = default("radius")
    resolution: int = default("resolution")
    objective: str = default("objective")
    optimiser: str = default("optimiser")
    lr_image: str = default("lr_image")
    methods: str = default("methods")
    device: str = default("device")
    seed: int = default("seed")
    features: bool = default("features")
    backbone: str = default("backbone")
    segmentation: str = default("segmentation")
    seg_resolution: int = default("seg_resolution")
    seg_input: str = default("seg_input")

    @classmethod
    def parse(cls, given: Mapping[str, Any]) -> Settings:
        """Check ``given`` (numbers or their text); what is not given keeps its default."""
        unknown = [name for name in given if name not in SETTINGS]
        if unknown:
            name = str(unknown[0])
            raise SettingError(
                name[:60],
                f"There is no setting {_shown(name)}; the settings are {', '.join(SETTINGS)}.",
                code="setting_unknown",
            )
        return cls(**{name: SETTINGS[name].parse(raw) for name, raw in given.items()})  # type: ignore[arg-type]

    def as_dict(self) -> dict[str, int | bool | str]:
        """Name -> value, in the order of declaration."""
        return asdict(self)


def schema() -> list[dict[str, Any]]:
    """What a page needs to build the controls; choices that are not available here say why."""
    return [_entry(s) for s in _ALL]


def _entry(s: Setting) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "name": s.name, "kind": s.kind, "default": s.default, "low": s.low, "high": s.high, "unit": s.unit,
        "label": s.label, "sentence": s.sentence, "group": s.group, "choices": None,
        "remarks": [asdict(remark) for remark in s.remarks],
    }  # fmt: skip
    if s.kind == "choice":
        entry["choices"] = [
            {"value": value, "label": label, "available": reason is None, "reason": reason}
            for value, label in s.all_choices().items()
            for reason in [unavailable_reason(s.name, value)]
        ]
    return entry


def unavailable_reason(name: str, value: str) -> str | None:
    """Why a choice cannot be had on this machine, or None if it can."""
    return _offers.get(name, Offer()).unavailable_reason(value)


assert [f.name for f in fields(Settings)] == list(SETTINGS), "Settings and SETTINGS must name the same things"
