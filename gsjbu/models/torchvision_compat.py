"""Imports torchvision beside a torch of another build.

torchvision's compiled extension is built against one build of torch. Where it does not load (the CPU torch with
the wheel of the CUDA torchvision, say), ``import torchvision`` fails with ``operator torchvision::nms does not
exist``, because it registers a rule for an operator that the extension should have declared. transformers imports
torchvision and breaks with it. Declaring the two operators is all that the import needs; networks and transforms
work then, ``nms`` and ``io.read_image`` do not (Pillow reads images here). Call :func:`torchvision` before either
of the two is imported.
"""

from __future__ import annotations

import importlib
import sys
import threading
from types import ModuleType

import torch

from gsjbu.errors import ModelError
from gsjbu.extras import lacking

_lock = threading.Lock()
_declared: list[torch.library.Library] = []  # the declarations live as long as the objects do


def torchvision() -> ModuleType:
    """The torchvision package, mended where its extension does not load; raises ModelError where it is not there."""
    if why := lacking("models", "A network"):
        raise ModelError("models_missing", why)
    with _lock:
        try:
            return importlib.import_module("torchvision")
        except RuntimeError as error:
            if "torchvision::nms" not in str(error) or _declared:
                raise
        for name in [n for n in sys.modules if n == "torchvision" or n.startswith("torchvision.")]:
            del sys.modules[name]  # half imported
        library = torch.library.Library("torchvision", "FRAGMENT")
        library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        _declared.append(library)
        return importlib.import_module("torchvision")
