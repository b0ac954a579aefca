"""Outputs of Hugging Face models and pipelines, taken as they are; told by what they hold, without the library."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from torch import Tensor

from gsjbu.errors import SignalError
from gsjbu.io.brought import Brought
from gsjbu.io.kinds import Kind, may_be_classes

#: Where an output keeps its map, in the order in which they are looked for, and what such a one is.
_MAPS: dict[str, Kind] = {
    "predicted_depth": "depth", "segmentation": "labels", "logits": "logits", "last_hidden_state": "features",
}  # fmt: skip


def of_network(x: Any) -> Any:
    """The map in a network's output: a tensor, an array, a picture or a :class:`Brought`; None if ``x`` is none.

    ``pipeline("depth-estimation")``, ``pipeline("image-segmentation")``, ``SemanticSegmenterOutput``,
    ``DepthEstimatorOutput``, ``BaseModelOutput`` (tokens), and the query masks of Mask2Former and its kin. Raises
    SignalError for masks of prompts, Segment Anything's.
    """
    if isinstance(x, list | tuple) and x and all(isinstance(part, dict) and "mask" in part for part in x):
        return _segments(list(x))
    if field(x, "masks_queries_logits") is not None:
        return _queries(field(x, "class_queries_logits"), field(x, "masks_queries_logits"))
    if field(x, "pred_masks") is not None:
        raise SignalError(
            "signal_type",
            "These are masks of prompts (pred_masks), which overlap and may cover padding: "
            "gsjbu.hf.masks(image, outputs, inputs) upsamples each.",
        )
    name = _name(x)
    return field(x, "depth" if name is None else name)


def with_kind(brought: Brought, x: Any) -> Brought:
    """What was ``brought`` of the output ``x`` with the kind that its field has, if its numbers can be that."""
    name = None if brought.kind else _name(x)
    if name is None or (name == "segmentation" and not may_be_classes(brought.array)):
        return brought
    return replace(brought, told=_MAPS[name], source=f"{name} of a network")


def _name(x: Any) -> str | None:
    """The field that holds the map."""
    return next((name for name in _MAPS if field(x, name) is not None), None)


def field(x: Any, name: str) -> Any:
    """A field of a dictionary or of an object; None if there is none."""
    if isinstance(x, dict):
        return x.get(name)
    return getattr(x, name, None) if not isinstance(x, list | tuple | str | int | float) else None


def _segments(parts: list[dict[str, Any]]) -> Brought:
    """Masks with labels, each as large as the picture, as one map of class numbers; what no mask covers is 0."""
    first = np.asarray(parts[0]["mask"])
    numbers = np.zeros(first.shape[:2], np.int64)
    names = {0: "none"}
    known: dict[str, int] = {}
    for part in sorted(parts, key=lambda part: part.get("score") or 0.0):
        mask = np.asarray(part["mask"])
        if mask.shape[:2] != numbers.shape:
            raise SignalError("signal_shape", "The masks of a segmentation must all have one size.")
        label = str(part.get("label") or "mask")
        number = known.setdefault(label, len(known) + 1)
        names[number] = label
        numbers[(mask if mask.ndim == 2 else mask[..., 0]) > (0 if mask.dtype == bool else 127)] = number
    return Brought(numbers, "segments", kind="labels", names=names)


def _queries(classes: Tensor, masks: Tensor) -> Tensor:
    """Class probabilities of queries [1, Q, K + 1] and their masks [1, Q, h, w] as class scores [1, K, h, w]."""
    shares = classes.detach().softmax(dim=-1)[..., :-1]
    scores = (shares.transpose(1, 2) @ masks.detach().sigmoid().flatten(2)).unflatten(2, masks.shape[-2:])
    return scores / scores.sum(dim=1, keepdim=True).clamp_min(1e-9)
