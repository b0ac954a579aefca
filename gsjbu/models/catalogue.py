"""One place that knows the models: which there are, where their weights lie, and how they are loaded.

Weights are looked for on this machine first: the folder ``GSJBU_MODELS_DIR``, this package's own cache, the caches of
huggingface_hub and torch.hub. Only then is the network asked, by a probe of at most 2.5 s whose answer is
remembered, and only for the models listed below and timm's own: no name from outside ever becomes an address. Files
are safetensors, never pickles (torchvision's own ResNet-18 file in torch.hub's cache and EfficientNet-Lite0's in its
package are the exceptions: they are read with ``weights_only`` after their checksum). One model of a kind is held in
memory.
"""

from __future__ import annotations

import gc
import hashlib
import json
import os
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from platformdirs import user_cache_path

from gsjbu.core import allocator
from gsjbu.errors import ModelError
from gsjbu.models import downloads, lite0, networks, timm_backbones

#: Called while weights are being fetched, with bytes done, bytes in all and a sentence; may raise to give up.
Progress = Callable[[int, int, str], object]

KINDS = ("backbone", "segmentation")
FOLDER_VARIABLE = "GSJBU_MODELS_DIR"
#: Names on the model hub and timm's (``timm:NAME``), separated by commas, that whoever runs the server adds to the
#: list below.
NAMES_VARIABLE = "GSJBU_MODEL_NAMES"
WEIGHTS = "model.safetensors"
#: Long enough for a fast line to bring ResNet-18's 47 MB; after that, random weights for now.
PATIENCE_S = 10.0


@dataclass(frozen=True)
class Spec:
    """One model: ``value`` names it in settings; ``repo`` is where it may be fetched, empty for local folders;
    ``timm`` is timm's name of what timm builds."""

    value: str
    kind: str
    label: str
    repo: str = ""
    megabytes: int = 0
    folder: Path | None = None
    timm: str = ""


#: The server's own list. To add one: a line here; anything AutoBackbone or Mask2Former can load will do.
CATALOGUE = (
    Spec("resnet18", "backbone", "ResNet-18 (torchvision)", "timm/resnet18.tv_in1k", 47),
    Spec(lite0.VALUE, "backbone", lite0.LABEL, megabytes=lite0.MEGABYTES),
    Spec("dinov2-small", "backbone", "DINOv2 small", "facebook/dinov2-small", 88),
    Spec("dinov2-base", "backbone", "DINOv2 base", "facebook/dinov2-base", 346),
    Spec("dinov2-reg-small", "backbone", "DINOv2 small, registers", "facebook/dinov2-with-registers-small", 88),
    Spec("dinov3-small", "backbone", "DINOv3 small", "facebook/dinov3-vits16-pretrain-lvd1689m", 87),
    Spec("convnext-tiny", "backbone", "ConvNeXt tiny", "facebook/convnextv2-tiny-1k-224", 115),
    Spec("swin-tiny", "backbone", "Swin tiny", "microsoft/swin-tiny-patch4-window7-224", 113),
    Spec("resnet50", "backbone", "ResNet-50", "microsoft/resnet-50", 103),
    Spec("mask2former-ade", "segmentation", "Mask2Former tiny, ADE20K (150 classes)",
         "facebook/mask2former-swin-tiny-ade-semantic", 190),
    Spec("mask2former-cityscapes", "segmentation", "Mask2Former tiny, Cityscapes (19 classes)",
         "facebook/mask2former-swin-tiny-cityscapes-semantic", 190),
    Spec("mask2former-coco", "segmentation", "Mask2Former tiny, COCO (133 classes)",
         "facebook/mask2former-swin-tiny-coco-panoptic", 190),
)  # fmt: skip
_SEGMENTERS = ("mask2former", "maskformer")
_REPO = re.compile(r"[A-Za-z0-9][\w.-]{0,60}/[A-Za-z0-9][\w.-]{0,95}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")

_lock = threading.RLock()
_held: dict[str, tuple[Any, Any]] = {}  # kind -> (key, loaded model)
_named: list[str] = []  # what a person at this machine named beyond the list


# ----------------------------------------------------------------------------------- what there is


def catalogue() -> tuple[Spec, ...]:
    """The server's own list: CATALOGUE, and what the operator added by ``GSJBU_MODEL_NAMES``."""
    added: list[Spec] = []
    for repo in [*map(str.strip, os.environ.get(NAMES_VARIABLE, "").split(",")), *_named]:
        if (timm := _timm_spec(repo)) is not None:
            added += [timm] if timm not in added else []
        elif _REPO.fullmatch(repo) and all(repo != s.repo for s in (*CATALOGUE, *added)):
            kind = "segmentation" if any(word in repo.lower() for word in _SEGMENTERS) else "backbone"
            added.append(Spec(repo.replace("/", "--"), kind, repo, repo))
    return (*CATALOGUE, *added)


def name(value: str) -> None:
    """List ``timm:NAME`` for this process: who types on this machine is who runs it. Other words change nothing."""
    if _timm_spec(value) is not None:
        _named.append(value)


def _timm_spec(value: str) -> Spec | None:
    """``timm:NAME`` as an entry of the list; whether timm has it is asked when it is used."""
    timm = value.removeprefix(timm_backbones.PREFIX)
    if timm == value or not timm_backbones.NAME.fullmatch(timm):
        return None
    return Spec(value, "backbone", f"{timm} (timm)", f"timm/{timm}", timm=timm)


def folder() -> Path | None:
    """The folder of local models, if one is set."""
    given = os.environ.get(FOLDER_VARIABLE, "").strip()
    return Path(given).expanduser() if given else None


def local() -> list[Spec]:
    """Models in the local folder: each subfolder with a config.json, whatever its architecture."""
    root = folder()
    if root is None or not root.is_dir():
        return []
    known = {name for spec in catalogue() for name in _folder_names(spec)}
    found = []
    for place in sorted(root.iterdir()):
        config = _config(place)
        if config is None or not _NAME.fullmatch(place.name) or place.name in known:
            continue
        kind = "segmentation" if config.get("model_type") in _SEGMENTERS else "backbone"
        timm = "" if "model_type" in config else str(config.get("architecture", ""))  # as timm writes it
        label = f"{place.name} (local {config.get('model_type') or timm or 'model'})"
        found.append(Spec(f"local:{place.name}", kind, label, folder=place, timm=timm))
    return found


def local_choices(kind: str) -> Mapping[str, str]:
    """Choices beyond the settings' own, value → label, for ``backbone`` or ``segmentation``; local folders last."""
    return {s.value: s.label for s in (*catalogue(), *local()) if s.kind == kind and s.value != "resnet18"}


def unavailable_reason(value: str) -> str | None:
    """Why a choice cannot be had here as far as is known without asking anyone, or None."""
    if value in ("off", "labels", "auto", "resnet18"):  # these always work
        return None
    if value == lite0.VALUE:
        return lite0.unavailable_reason()
    try:
        spec = spec_of(value)
    except ModelError as error:
        return error.message
    if find(spec) is not None:
        return None
    if spec.folder is not None:
        return f"The folder {spec.folder.name} holds no {WEIGHTS}; other weight files are not read."
    why = downloads.known_failure(spec.repo)
    return why and f"{why[0].upper()}{why[1:]} {downloads.instead(spec.value)}"


def spec_of(value: str) -> Spec:
    """The model called ``value`` in settings, or timm's of ``timm:NAME``; anything else is refused."""
    for spec in (*catalogue(), *local()):
        if spec.value == value:
            return spec
    timm = _timm_spec(value)
    if timm is not None and timm_backbones.known(timm.timm):
        return timm
    raise ModelError("model_unknown", f"There is no model {value[:60]!r}; the page lists the ones there are.")


def find(spec: Spec) -> Path | None:
    """The folder with the model's weights on this machine, or None."""
    return next((p for p in _places(spec) if _complete(p, spec)), None)


def cache() -> Path:
    """Where fetched models are kept."""
    return user_cache_path("gsjbu", appauthor=False) / "models"


def _places(spec: Spec) -> Iterator[Path]:
    if spec.folder is not None:
        yield spec.folder
        return
    root = folder()
    if root is not None:
        yield from (root / name for name in _folder_names(spec))
        yield root / spec.repo
    yield cache() / spec.value
    hub = os.environ.get("HF_HUB_CACHE") or Path(os.environ.get("HF_HOME") or "~/.cache/huggingface") / "hub"
    repo = Path(hub).expanduser() / ("models--" + spec.repo.replace("/", "--"))
    with suppress(OSError):  # no such cache
        yield repo / "snapshots" / (repo / "refs" / "main").read_text().strip()


def _folder_names(spec: Spec) -> tuple[str, ...]:
    return (spec.value, spec.repo.split("/")[-1], spec.repo.replace("/", "--"))


def _complete(place: Path, spec: Spec) -> bool:
    sharded = place / (WEIGHTS + ".index.json")
    has_weights = (place / WEIGHTS).is_file() or sharded.is_file()
    return has_weights and (_weights_alone(spec) or (place / "config.json").is_file())


def _weights_alone(spec: Spec) -> bool:
    """Whether the architecture is known without a file that says it."""
    return spec.value == "resnet18" or bool(spec.timm)


def _config(place: Path) -> dict[str, Any] | None:
    try:
        config = json.loads((place / "config.json").read_text("utf-8"))
    except (OSError, ValueError):
        return None  # not a model's folder
    return config if isinstance(config, dict) else None


# -------------------------------------------------------------------------------------- loading


def obtain(spec: Spec, progress: Progress | None = None, patience: float | None = None) -> tuple[Path, str]:
    """The folder with the model's weights and a phrase on where that is, fetching them if need be.

    Raises ModelError with a sentence where they are not to be had; what ``progress`` raises passes through and
    gives the download up. ``patience``: seconds to wait before leaving the download to go on by itself.
    """
    place = find(spec)
    if place is not None:
        return place, "from this machine"
    if spec.folder is not None or not spec.repo:
        raise ModelError("model_missing", unavailable_reason(spec.value) or f"{spec.label} has no weights here.")
    target = cache() / spec.value
    wanted = (WEIGHTS,) if _weights_alone(spec) else ("config.json", "preprocessor_config.json", WEIGHTS)
    repo = spec.repo if not spec.timm else timm_backbones.repository(spec.timm) or spec.repo
    try:
        downloads.fetch(repo, wanted, target, spec.label, progress, patience)
    except downloads.Unavailable as error:
        raise ModelError("model_unavailable", f"{spec.label}: {error}") from error
    return target, "fetched from the model hub"


def backbone(value: str, seed: int = 0, progress: Progress | None = None) -> Any:
    """The backbone ``value``, ready to run (see ``networks``).

    ``auto`` is ResNet-18 where its weights are here or to be had, else EfficientNet-Lite0, else ResNet-18 with
    random weights from ``seed``, which ``resnet18`` falls back on as well; ``status`` says which and why, to each who
    asks: what they share is the network and its lock.
    """
    if value in ("auto", "resnet18"):
        return _resnet18(value, seed, progress)
    spec = spec_of(value)
    if spec.kind != "backbone":
        raise ModelError("model_unknown", f"{spec.label} is not a backbone.")
    if value == lite0.VALUE:
        return _lite0()
    place, where = obtain(spec, progress)
    return _hold("backbone", (value, _stamp(place)), lambda: _any_backbone(spec, place, where))


def _any_backbone(spec: Spec, place: Path, where: str) -> Any:
    if not spec.timm:
        return networks.any_backbone(place, spec.label, where)
    if not timm_backbones.known(spec.timm):
        raise ModelError("model_unsuitable", f"{spec.label}: timm knows no {spec.timm[:60]!r}.")
    return timm_backbones.load(spec.timm, place / WEIGHTS, spec.label, f"{spec.label}, {where}.")


def _resnet18(value: str, seed: int, progress: Progress | None) -> Any:
    place, where = _resnet18_weights(spec_of("resnet18"), progress)
    if place is None and value == "auto":
        try:
            made = _lite0()
        except ModelError as error:
            where += f" {error.message}"
        else:
            return replace(made, status=made.status + f" It stands in for ResNet-18: {where}")
    key = ("resnet18", seed if place is None else _stamp(place))
    made = _hold("backbone", key, lambda: networks.resnet18(place, seed))
    pretrained = f"ResNet-18, pretrained on ImageNet, {where}."
    drawn = f"ResNet-18 with random weights from seed {seed}, not pretrained ones: {where}"
    return replace(made, status=drawn if place is None else pretrained)


def _lite0() -> Any:
    made = _hold("backbone", (lite0.VALUE, str(lite0.weights())), lite0.load)
    return replace(made, status=f"{lite0.LABEL}, pretrained on ImageNet, from this machine.")


def weights_state(value: str) -> object:
    """Changes when the weights of the backbone ``value`` come, go or are replaced: for those who keep its features."""
    spec = spec_of("resnet18" if value == "auto" else value)
    places = [find(spec), *_resnet18_files(), lite0.weights()]
    return tuple(_stamp(place) for place in places if place is not None)


def _resnet18_files() -> tuple[Path | None, Path]:
    """Where ResNet-18 may lie besides: as one file among a person's models, and in torch.hub's cache."""
    root = folder()
    flat = root / "resnet18.safetensors" if root is not None else None
    return flat, Path(torch.hub.get_dir()) / "checkpoints" / "resnet18-f37072fd.pth"


def _resnet18_weights(spec: Spec, progress: Progress | None) -> tuple[Path | None, str]:
    """The file and a phrase on where it is, or None and why there is none."""
    flat, hub = _resnet18_files()
    if flat is not None and flat.is_file():
        return flat, "from this machine"
    if find(spec) is None and hub.is_file() and _sha256(*_stamp(hub)).startswith("f37072fd"):
        return hub, "from torch.hub's cache"
    try:
        place, where = obtain(spec, progress, PATIENCE_S)
    except ModelError as error:
        return None, error.message.removeprefix(f"{spec.label}: ")
    return place / WEIGHTS, where


def segmenter(value: str, progress: Progress | None = None) -> Any:
    """The segmentation model ``value``, ready to run (see ``networks``)."""
    spec = spec_of(value)
    if spec.kind != "segmentation":
        raise ModelError("model_unknown", f"{spec.label} is not a segmentation model.")
    place, where = obtain(spec, progress)
    return _hold("segmentation", (value, _stamp(place)), lambda: networks.mask2former(place, spec.label, where))


def release(kind: str | None = None) -> None:
    """Forget the held model of a kind (or all) and give its memory back to the system."""
    with _lock:
        gone = [k for k in list(_held) if kind in (None, k)]
        for k in gone:
            del _held[k]
    if gone:
        give_back_memory()


def give_back_memory() -> None:
    """Collect cycles, then return freed heap pages: switching models would grow otherwise."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    allocator.give_back()


def _hold(kind: str, key: Any, make: Callable[[], Any]) -> Any:
    with _lock:  # two runs asking at once load once
        if kind in _held and _held[kind][0] == key:
            return _held[kind][1]
        release(kind)  # before the next is loaded: never two of a kind
        made = make()
        _held[kind] = (key, made)
        return made


def _stamp(place: Path) -> tuple[str, int]:
    """A model replaced on disk is loaded again."""
    file = place if place.is_file() else place / WEIGHTS
    return str(place), file.stat().st_mtime_ns if file.exists() else 0


@lru_cache(maxsize=4)
def _sha256(file: str, _changed: int) -> str:
    with Path(file).open("rb") as f:
        return hashlib.file_digest(f, "sha256").hexdigest()
