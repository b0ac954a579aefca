"""One place that knows the models: which there are, where their weights lie, and how they are loaded."""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from gsjbu.torchvision_mend import torchvision

if TYPE_CHECKING:
    from gsjbu.features import FeatureMap

RESNET_STRIDES = {"stem": 2, "layer1": 4, "layer2": 8, "layer3": 16, "layer4": 32}

_lock = threading.Lock()
_held: dict[str, Any] = {}


def local_choices(kind: str) -> Mapping[str, str]:
    """Choices beyond the built-in ones, value → label, for ``backbone`` or ``segmentation``."""
    return {}


def why_not(value: str) -> str | None:
    """Why a choice cannot be had here, or None."""
    return None


@dataclass
class ResNet18:
    """torchvision's ResNet-18, run up to the stage whose stride is nearest the one asked for."""

    network: nn.Module
    status: str
    pretrained: bool
    label: str = "ResNet-18"

    @torch.inference_mode()
    def features(self, image: Tensor, stride: float, device: torch.device) -> FeatureMap:
        """``image`` [3, H, W] in [0, 1] → the stage's feature map."""
        from gsjbu.features import FeatureMap, normalised

        stage = min(RESNET_STRIDES, key=lambda s: abs(math.log(RESNET_STRIDES[s] / stride)))
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
        return FeatureMap(x[0].to("cpu"), (step, step), (0.5, 0.5), f"{stage}, stride {step:.0f}")


def backbone(value: str, seed: int) -> ResNet18:
    """The backbone ``value``, ready to run; one is held in memory."""
    with _lock:
        key = ("resnet18", seed)
        if _held.get("backbone_key") != key:
            _held["backbone"] = _random_resnet18(seed)
            _held["backbone_key"] = key
        return _held["backbone"]


def _random_resnet18(seed: int) -> ResNet18:
    status = f"ResNet-18 with random weights from seed {seed}: no pretrained weights are to be had here."
    return ResNet18(streamlined(empty_resnet18(seed)), status, pretrained=False)


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
