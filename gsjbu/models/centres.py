"""Where on the image the values of a network's stages lie, read off its strided layers while they run once."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

_STRIDED = (nn.Conv2d, nn.MaxPool2d, nn.AvgPool2d)


class Centres:
    """Called with a stride: the image pixel (0 is the first) at the middle of what feature 0 of that stride sees.

    A strided layer of k taps with p zeros before them looks at input ``(k − 1)/2 − p`` first; TensorFlow's "same"
    padding puts the odd zero behind, so its networks look half a stride further than torch's. What takes a stride
    without such a layer (patches that are merged) looks at the middle of what it merges.
    """

    def __init__(self) -> None:
        self._first: dict[float, float] = {1.0: 0.0}

    def __call__(self, stride: float) -> float:
        finer = max(s for s in self._first if s <= stride)
        return self._first[finer] + (stride - finer) / 2

    def saw(self, layer: Any, before: float, after: float, rows: int) -> None:
        """``layer`` went from stride ``before``, at ``rows`` rows, to ``after``. Of branches, the first counts."""
        taps = (_first_of(layer.kernel_size) - 1) * _first_of(getattr(layer, "dilation", 1)) + 1
        step = _first_of(layer.stride)
        if type(layer).__name__.endswith("Same"):  # timm's name for TensorFlow's padding
            leading = max((-(-rows // step) - 1) * step + taps - rows, 0) // 2
        else:
            leading = 0 if isinstance(layer.padding, str) else _first_of(layer.padding)
        self._first.setdefault(after, self(before) + before * ((taps - 1) / 2 - leading))


def _first_of(value: Any) -> int:
    return int(value[0] if isinstance(value, tuple | list) else value)


def watched(network: nn.Module, x: Tensor) -> tuple[Any, Centres]:
    """What ``network`` gives for ``x`` [1, 3, H, W], and the centres of its strides."""
    found, height = Centres(), x.shape[2]

    def hook(layer: nn.Module, inputs: tuple[Any, ...], out: Any) -> None:
        rows, left = inputs[0].shape[-2], out.shape[-2]
        if inputs[0].ndim == 4 and left < rows:
            found.saw(layer, height / rows, height / left, rows)

    handles: list[Any] = [m.register_forward_hook(hook) for m in network.modules() if isinstance(m, _STRIDED)]
    try:
        with torch.inference_mode():
            return network(x), found
    finally:
        for handle in handles:
            handle.remove()
