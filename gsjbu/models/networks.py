"""The networks themselves: ResNet-18 of torchvision, any backbone of transformers, and Mask2Former.

Each is read from files on this machine and offers one function from an image to a map; where the map's values
lie on the image is part of the answer.
"""

from __future__ import annotations

import inspect
import json
import math
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from gsjbu.core.grid import size_text
from gsjbu.errors import ModelError
from gsjbu.models.feature_map import IMAGENET_MEAN, IMAGENET_STD, FeatureMap, normalised
from gsjbu.models.torchvision_compat import torchvision

RESNET_STRIDES = {"stem": 2, "layer1": 4, "layer2": 8, "layer3": 16, "layer4": 32}
#: Attention's memory grows with the square of the number of patches; above this the image is reduced first.
MAX_PATCHES = 9216

# ---------------------------------------------------------------------------------------- ResNet-18


@dataclass
class ResNet18:
    """torchvision's ResNet-18, run up to the stage whose stride is nearest the one asked for."""

    network: nn.Module
    status: str
    pretrained: bool
    label: str = "ResNet-18"
    lock: threading.Lock = field(default_factory=threading.Lock)

    @torch.inference_mode()
    def features(self, image: Tensor, stride: float, device: torch.device) -> FeatureMap:
        """``image`` [3, H, W] in [0, 1] → the stage's feature map."""
        stage = nearest(RESNET_STRIDES, stride)
        with self.lock:  # the network may be on one device at a time
            net: Any = self.network.to(device)
            x = normalised(image.to(device))[None].contiguous(memory_format=torch.channels_last)
            x = net.relu(net.bn1(net.conv1(x)))
            if stage != "stem":
                x = net.maxpool(x)
                for name in ("layer1", "layer2", "layer3", "layer4"):
                    x = getattr(net, name)(x)
                    if name == stage:
                        break
        step = float(RESNET_STRIDES[stage])
        name = f"{stage}, stride {step:.0f}"
        return FeatureMap(x[0].to("cpu"), (step, step), (0.5, 0.5), name, served(RESNET_STRIDES, stage))


def resnet18(weights: Path | None, seed: int) -> ResNet18:
    """With the weights of a safetensors file (or torchvision's own, checked, .pth), or random ones from ``seed``."""
    network = empty_resnet18(seed)
    if weights is not None:
        if weights.suffix == ".pth":
            state = torch.load(weights, map_location="cpu", weights_only=True)
        else:
            from safetensors.torch import load_file

            state = load_file(weights)
        try:
            missing, unknown = network.load_state_dict(state, strict=False)
            if unknown or [name for name in missing if not name.endswith("num_batches_tracked")]:
                raise RuntimeError("other tensors")
        except RuntimeError as error:
            raise ModelError("model_corrupt", f"{weights.name} does not hold torchvision's ResNet-18.") from error
    return ResNet18(streamlined(network), "", pretrained=weights is not None)


def streamlined(network: Any) -> nn.Module:
    """The same function at about half the time on a CPU: batch norms folded into the convolutions, pixels last."""
    fold = torch.nn.utils.fuse_conv_bn_eval
    network.conv1, network.bn1 = fold(network.conv1, network.bn1), nn.Identity()
    for layer in (network.layer1, network.layer2, network.layer3, network.layer4):
        for block in layer:
            block.conv1, block.bn1 = fold(block.conv1, block.bn1), nn.Identity()
            block.conv2, block.bn2 = fold(block.conv2, block.bn2), nn.Identity()
            if block.downsample is not None:
                block.downsample = fold(*block.downsample)
    return network.to(memory_format=torch.channels_last)


def empty_resnet18(seed: int) -> nn.Module:
    """ResNet-18 with He-normal weights drawn from a generator of its own; the global one is left alone."""
    package: Any = torchvision()
    with torch.device("meta"):
        network = package.models.resnet18(weights=None)
    network.to_empty(device="cpu")
    draw = torch.Generator().manual_seed(seed)
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            fan_out = module.out_channels * module.kernel_size[0] * module.kernel_size[1]
            nn.init.normal_(module.weight, 0.0, math.sqrt(2 / fan_out), generator=draw)
        elif isinstance(module, nn.BatchNorm2d):
            module.reset_running_stats()
            nn.init.ones_(module.weight)
            nn.init.zeros_(module.bias)
        elif isinstance(module, nn.Linear):
            nn.init.zeros_(module.weight)
            nn.init.zeros_(module.bias)
    return network.eval()


# --------------------------------------------------------------------------- backbones of transformers


@dataclass
class Backbone:
    """A transformers model that turns an image into feature maps; stages for a pyramid, patches for a ViT."""

    network: nn.Module
    label: str
    status: str
    patch: int | None  # patch size of a model with one grid of tokens, None for a pyramid of stages
    centred_at_pixel: bool  # padded strided convolutions look at pixel i·S, patches at their own middle
    mean: tuple[float, ...]
    std: tuple[float, ...]
    pretrained: bool = True
    lock: threading.Lock = field(default_factory=threading.Lock)

    @torch.inference_mode()
    def features(self, image: Tensor, stride: float, device: torch.device) -> FeatureMap:
        """``image`` [3, H, W] in [0, 1] → the map whose stride is nearest ``stride``."""
        unit = self.patch or 32
        x = normalised(fit_to(image, unit, MAX_PATCHES if self.patch else None).to(device), self.mean, self.std)
        with self.lock:
            out = _run(self.network, self.label, x, device)
        if hasattr(out, "feature_maps"):
            maps = {f"stage {i + 1}": m for i, m in enumerate(out.feature_maps)}
        else:
            maps = {"last layer": self._patches(out.last_hidden_state, x.shape[1] // unit, x.shape[2] // unit)}
        strides = {name: x.shape[1] / m.shape[2] for name, m in maps.items()}
        stage = nearest(strides, stride)
        found = maps[stage][0].to("cpu", torch.float32)
        # Back to the image as it came: a resized picture's pixel is scale image pixels wide.
        step_y, step_x = image.shape[1] / found.shape[1], image.shape[2] / found.shape[2]
        first = (step_y / 2, step_x / 2)
        if self.centred_at_pixel:
            first = (0.5 * image.shape[1] / x.shape[1], 0.5 * image.shape[2] / x.shape[2])
        name = f"{stage}, stride {strides[stage]:.0f}"
        return FeatureMap(found, (step_y, step_x), first, name, served(strides, stage))

    @staticmethod
    def _patches(tokens: Tensor, rows: int, cols: int) -> Tensor:
        """Tokens [1, n, C] → [1, C, rows, cols]; class and register tokens come first and are dropped."""
        extra = tokens.shape[1] - rows * cols
        if extra < 0:
            raise ModelError(
                "model_unsuitable", f"The model gives {tokens.shape[1]} tokens for patches of {size_text(rows, cols)}."
            )
        return tokens[:, extra:].transpose(1, 2).unflatten(2, (rows, cols))


def any_backbone(place: Path, label: str, where: str) -> Backbone:
    """The backbone in a folder: AutoBackbone where transformers has one for it, otherwise AutoModel's tokens."""
    with _quiet_transformers(label) as transformers:
        options: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
        config = transformers.AutoConfig.from_pretrained(str(place), **options)
        pyramid = bool(getattr(config, "depths", None))
        patch = None if pyramid else _patch_size(config, label)
        options |= {"use_safetensors": True, "output_loading_info": True}
        made = _backbone_class(config)
        if made is not None:
            stages = list(config.stage_names)
            config.out_features = stages[1:] if pyramid else stages[-1:]
            network, info = made.from_pretrained(str(place), config=config, **options)
        elif patch is not None:
            network, info = transformers.AutoModel.from_pretrained(str(place), **options)
        else:
            raise ModelError("model_unsuitable", f"{label}: a {config.model_type} model gives no feature maps here.")
    _check_weights(network, info, label)
    mean, std = _normalisation(place)
    status = f"{label}, {where}."
    padded = config.model_type in ("resnet", "rt_detr_resnet", "hgnet_v2")
    return Backbone(network.eval(), label, status, patch, padded, mean, std)


def _backbone_class(config: Any) -> Any:
    """What AutoBackbone would choose. AutoBackbone itself asks the network even for a local folder."""
    from transformers.models.auto.modeling_auto import MODEL_FOR_BACKBONE_MAPPING

    return MODEL_FOR_BACKBONE_MAPPING.get(type(config), None)


def _patch_size(config: Any, label: str) -> int:
    size = getattr(config, "patch_size", None)
    size = size[0] if isinstance(size, list | tuple) and size else size
    if not isinstance(size, int) or size < 1:
        raise ModelError("model_unsuitable", f"{label} has neither stages nor patches; it cannot serve as a backbone.")
    return size


# -------------------------------------------------------------------------------------- Mask2Former


@dataclass
class Segmenter:
    """A Mask2Former: masks and their classes, put together into class probabilities."""

    network: nn.Module
    label: str
    status: str
    names: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    lock: threading.Lock = field(default_factory=threading.Lock)

    @torch.inference_mode()
    def probabilities(self, image: Tensor, device: torch.device) -> Tensor:
        """``image`` [3, H, W] in [0, 1] → [classes, about H/4, about W/4], sums to 1 over the classes.

        Each query's mask votes for its classes; "no object" does not vote.
        """
        x = normalised(fit_to(image, 32).to(device), self.mean, self.std)
        with self.lock:
            out = _run(self.network, self.label, x, device)
        classes = out.class_queries_logits[0].softmax(-1)[:, :-1]
        masks = out.masks_queries_logits[0].sigmoid()
        votes = torch.einsum("qc,qhw->chw", classes, masks).to("cpu", torch.float32)
        return votes / votes.sum(0, keepdim=True).clamp_min(1e-12)


def mask2former(place: Path, label: str, where: str) -> Segmenter:
    """The Mask2Former (or MaskFormer) in a folder, with its class names."""
    with _quiet_transformers(label) as transformers:
        network, info = transformers.AutoModelForUniversalSegmentation.from_pretrained(
            place, local_files_only=True, trust_remote_code=False, use_safetensors=True, output_loading_info=True
        )
    _check_weights(network, info, label)
    given = network.config.id2label
    names = tuple(str(given.get(i, f"class {i}")) for i in range(network.config.num_labels))
    mean, std = _normalisation(place)
    return Segmenter(network.eval(), label, f"{label}, {where}.", names, mean, std)


# ------------------------------------------------------------------------------------------- shared


@contextmanager
def failing_as(label: str, device: torch.device) -> Iterator[None]:
    """An accelerator's failure passes through (the CPU may do better); the CPU's is final, and told of ``label``."""
    try:
        yield
    except Exception as error:
        if device.type != "cpu":
            raise
        raise ModelError("model_failed", f"{label} failed on this image ({type(error).__name__}).") from error


def _run(network: Any, label: str, x: Tensor, device: torch.device) -> Any:
    """One forward pass."""
    options: dict[str, Any] = {}
    if "interpolate_pos_encoding" in inspect.signature(network.forward).parameters:
        options["interpolate_pos_encoding"] = True  # the image's size, not the one of the training
    with failing_as(label, device):
        return network.to(device)(pixel_values=x[None], **options)


def nearest(strides: dict[str, Any], stride: float) -> str:
    """The stage whose stride is nearest by ratio."""
    return min(strides, key=lambda s: abs(math.log(strides[s] / stride)))


def served(strides: dict[str, Any], stage: str) -> tuple[float, float]:
    """The strides for which ``stage`` is the nearest: up to the geometric means with its neighbours, just inside."""
    own = strides[stage]
    finer = [s for s in strides.values() if s < own]
    coarser = [s for s in strides.values() if s > own]
    first = math.sqrt(own * max(finer)) * (1 + 1e-9) if finer else 0.0
    last = math.sqrt(own * min(coarser)) * (1 - 1e-9) if coarser else math.inf
    return first, last


def fit_to(image: Tensor, unit: int, max_units: int | None = None) -> Tensor:
    """``image`` [3, H, W] with sides that are the nearest multiples of ``unit``, ``max_units`` squares at most."""
    height, width = image.shape[1:]
    if max_units is not None and height * width > max_units * unit * unit:
        scale = math.sqrt(max_units * unit * unit / (height * width))
        height, width = int(height * scale), int(width * scale)
    size = (max(unit, round(height / unit) * unit), max(unit, round(width / unit) * unit))
    return image if size == tuple(image.shape[1:]) else resized(image, size)


def resized(image: Tensor, size: tuple[int, int]) -> Tensor:
    """``image`` [3, H, W] in [0, 1] at another size."""
    options: Any = {"mode": "bilinear", "antialias": True, "align_corners": False}
    return interpolate(image[None], size=size, **options)[0].clamp(0, 1)


def _normalisation(place: Path) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and deviation from the processor's file; ImageNet's where there is none."""
    try:
        given = json.loads((place / "preprocessor_config.json").read_text("utf-8"))
        mean, std = (tuple(float(v) for v in given[k]) for k in ("image_mean", "image_std"))
    except (OSError, ValueError, KeyError, TypeError):
        return IMAGENET_MEAN, IMAGENET_STD
    if len(mean) == len(std) == 3 and min(std) > 0:
        return mean, std
    return IMAGENET_MEAN, IMAGENET_STD


def _check_weights(network: nn.Module, info: Any, label: str) -> None:
    """A file that fills a model only in part would give random features under a trained model's name."""
    missing = {k for k in info["missing_keys"] if not k.startswith(("norm.", "hidden_states_norms."))}
    if len(missing) > 0.1 * len(network.state_dict()):
        raise ModelError("model_corrupt", f"{label}: the weights file lacks {len(missing)} of the model's tensors.")


@contextmanager
def _quiet_transformers(label: str) -> Iterator[Any]:
    """transformers, mended, without bars and with the global random state put back; its failures as a sentence."""
    torchvision()
    import transformers

    log = transformers.utils.logging
    verbosity = log.get_verbosity()
    log.disable_progress_bar()
    log.set_verbosity_error()  # which tensors a classifier's file has too many is no news; missing ones are checked
    try:
        # Missing tensors are drawn from the global generator, which is not ours to move.
        with torch.random.fork_rng(devices=[]):
            yield transformers
    except ModelError:
        raise
    except Exception as error:  # OSError, ValueError, KeyError, safetensors' own: whatever a bad folder causes
        right = "its folder must hold the config.json and model.safetensors of one supported model"
        text = f"{label} cannot be loaded ({type(error).__name__}); {right}."
        raise ModelError("model_corrupt", text) from error
    finally:
        log.set_verbosity(verbosity)
