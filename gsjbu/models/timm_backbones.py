"""Any backbone of timm by its name: the stage whose stride is nearest, and where its values lie on the image."""

from __future__ import annotations

import math
import re
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from gsjbu.errors import ModelError
from gsjbu.models.centres import Centres, watched
from gsjbu.models.feature_map import FeatureMap, normalised
from gsjbu.models.networks import MAX_PATCHES, failing_as, fit_to, nearest, resized, served
from gsjbu.models.torchvision_compat import torchvision

#: What goes before timm's own name, tag and all: ``timm:vit_small_patch14_dinov2.lvd142m``.
PREFIX = "timm:"
NAME = re.compile(r"\w{1,100}(\.\w{1,60})?")


@dataclass
class Pyramid:
    """A network's stages. ``unit``: what an image's sides must be multiples of; ``size``: the only size it takes."""

    network: nn.Module
    label: str
    status: str
    pretrained: bool
    mean: tuple[float, ...]
    std: tuple[float, ...]
    strides: dict[str, int]  # stage → stride; of several with one stride, the deepest
    outputs: dict[str, int]  # stage → place among what the network gives
    channels_last: bool  # the network gives [1, rows, cols, C]
    centres: Centres
    unit: int
    size: tuple[int, int] | None
    lock: threading.Lock = field(default_factory=threading.Lock)

    @torch.inference_mode()
    def features(self, image: Tensor, stride: float, device: torch.device) -> FeatureMap:
        """``image`` [3, H, W] in [0, 1] → the map whose stride, in pixels of this image, is nearest ``stride``."""
        x = normalised(self._fitted(image).to(device), self.mean, self.std)[None]
        scale_y, scale_x = image.shape[1] / x.shape[2], image.shape[2] / x.shape[3]
        strides = {stage: s * math.sqrt(scale_y * scale_x) for stage, s in self.strides.items()}
        stage = nearest(strides, stride)
        with self.lock, failing_as(self.label, device):  # the network may be on one device at a time
            out = self.network.to(device)(x.contiguous(memory_format=torch.channels_last))
        found = out[self.outputs[stage]][0].to("cpu", torch.float32)
        found = found.permute(2, 0, 1) if self.channels_last else found
        step, first = self.strides[stage], self.centres(self.strides[stage]) + 0.5
        name = f"{stage}, stride {strides[stage]:.0f}"
        return FeatureMap(
            found, (step * scale_y, step * scale_x), (first * scale_y, first * scale_x), name,
            served(strides, stage),
        )  # fmt: skip

    def _fitted(self, image: Tensor) -> Tensor:
        if self.size is not None:
            return resized(image, self.size)
        # one grid of tokens: attention's memory grows with the square of their number
        return fit_to(image, self.unit, MAX_PATCHES if len(self.strides) == 1 else None)


def package() -> Any:
    """timm, which takes two seconds to import."""
    torchvision()
    import timm

    return timm


def known(name: str) -> bool:
    """Whether timm has ``name`` (with a tag or without)."""
    if not NAME.fullmatch(name):
        return False
    timm = package()
    return bool(timm.is_model(name) and (("." not in name) or timm.is_model_pretrained(name)))


def repository(name: str) -> str:
    """Where the weights of ``name`` are on the model hub, or nothing where timm knows of none."""
    about = package().get_pretrained_cfg(name)
    return str(about.hf_hub_id or "") if about is not None else ""


def load(name: str, weights: Path | None, label: str, status: str, seed: int = 0) -> Pyramid:
    """timm's ``name`` with the weights of a safetensors file, or random ones from ``seed``."""
    try:
        network = _created(name, weights, seed)
    except Exception as error:  # whatever a file of another model causes
        text = f"{label} cannot be loaded ({type(error).__name__}): the file must hold the weights of timm's {name}."
        raise ModelError("model_corrupt", text) from error
    about = network.pretrained_cfg
    return pyramid(network, label, status, weights is not None, tuple(about["mean"]), tuple(about["std"]))


def _created(name: str, weights: Path | None, seed: int) -> Any:
    timm = package()
    overlay: dict[str, Any] = {}
    if weights is not None:
        overlay = {"file": str(weights), "custom_load": False}
        if not getattr(timm.get_pretrained_cfg(name), "label_offset", 0):
            overlay["classifier"] = None  # keep it, and every tensor is held against the file
    options = {"pretrained": weights is not None, "pretrained_cfg_overlay": overlay, "features_only": True}
    # What a constructor draws comes from the global generator, which is not ours to move.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for sizes in ({"dynamic_img_size": True}, {"strict_img_size": False}):
            try:
                return timm.create_model(name, **options, **sizes).eval()
            except TypeError:  # a network that knows no such option
                torch.manual_seed(seed)
        return timm.create_model(name, **options).eval()


def pyramid(
    network: Any, label: str, status: str, pretrained: bool, mean: tuple[float, ...], std: tuple[float, ...]
) -> Pyramid:
    """A ``features_only`` network of timm as a :class:`Pyramid`; runs it once to see its sizes and centres."""
    reductions = [int(r) for r in network.feature_info.reduction()]
    strides: dict[str, int] = {}
    outputs: dict[str, int] = {}
    for i, r in enumerate(reductions):
        if i + 1 == len(reductions) or reductions[i + 1] != r:
            stage = f"stage {len(strides) + 1}" if len(set(reductions)) > 1 else "last layer"
            strides[stage], outputs[stage] = r, i
    unit = max(reductions)
    (maps, centres), size = _first_run(network, unit)
    made = maps[outputs[next(iter(outputs))]].shape
    channels = network.feature_info.channels()[outputs[next(iter(outputs))]]
    network.to(memory_format=torch.channels_last)
    return Pyramid(
        network, label, status, pretrained, mean, std, strides, outputs,
        channels_last=made[1] != channels, centres=centres, unit=unit, size=size,
    )  # fmt: skip


def _first_run(network: Any, unit: int) -> tuple[tuple[Any, Centres], tuple[int, int] | None]:
    """On a picture of 4×6 units; a network that cannot take it gets the size of its training, always."""
    try:
        return watched(network, torch.zeros(1, 3, 4 * unit, 6 * unit, dtype=torch.float32)), None
    except (AssertionError, RuntimeError, ValueError):
        height, width = network.pretrained_cfg["input_size"][1:]
        return watched(network, torch.zeros(1, 3, height, width, dtype=torch.float32)), (height, width)
