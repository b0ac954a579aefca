"""Outputs of Hugging Face models and pipelines, taken as they are; told by what they hold, without the library."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from torch import Tensor

from gsjbu.errors import SignalError
from gsjbu.io import layouts
from gsjbu.io.brought import Brought
from gsjbu.io.kinds import Kind
from gsjbu.io.layouts import shape_text
from gsjbu.io.numbers import may_be_classes

#: Where an output keeps its map, in the order in which they are looked for, and what such a one is.
_MAPS: dict[str, Kind] = {
    "predicted_depth": "depth", "segmentation": "labels", "logits": "logits", "last_hidden_state": "features",
}  # fmt: skip


def of_network(x: Any) -> Any:
    """The map in a network's output: a tensor, an array, a picture or a :class:`Brought`; None if ``x`` is none.

    ``pipeline("depth-estimation")``, ``pipeline("image-segmentation")``, ``SemanticSegmenterOutput``,
    ``DepthEstimatorOutput``, ``BaseModelOutput`` (tokens), and the query masks of Mask2Former and its kin. Raises
    SignalError for masks of prompts (Segment Anything's, CLIPSeg's), a batch, and shuffled tokens.
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
    if name is None:
        return field(x, "depth")
    _check(x, name)
    return field(x, name)


def _check(x: Any, name: str) -> None:
    """Refuse what is no map of one image in the field ``name``. Raises SignalError."""
    shape = tuple(getattr(field(x, name), "shape", ()))
    of_class = type(x).__name__.endswith("Output")  # a model's own, whose first axis is the batch
    several = len(shape) == 3 and shape[0] > 1 and (of_class or name in ("predicted_depth", "segmentation"))
    if several and name == "logits" and _is_segmentation(x):
        raise SignalError(
            "signal_type",
            f"These are masks of {shape[0]} prompts (logits {shape_text(shape)}), which overlap: bring them one by "
            "one, x.logits[0], with kind='logits'.",
        )
    if several:
        raise layouts.several(shape)
    if name == "last_hidden_state" and not _in_order(field(x, "ids_restore"), shape):
        raise SignalError(
            "signal_tokens",
            f"last_hidden_state {shape_text(shape)} holds the tokens that were not masked, in another order than the "
            "image's (ids_restore): mask none (config.mask_ratio = 0), and for ViTMAE keep the order by "
            "noise=torch.arange(N)[None], of N patches.",
        )


def _is_segmentation(x: Any) -> bool:
    """Whether the field ``logits`` of ``x`` holds scores of classes: of a dictionary, say, or of a model's own output
    for segmentation; those of classifiers are anything (Perceiver's, optical flow)."""
    name = type(x).__name__
    return not name.endswith("Output") or "Segment" in name or "CLIPSeg" in name


def _in_order(ids: Tensor | None, shape: tuple[int, ...]) -> bool:
    """Whether tokens [1, N, C] of which ``ids`` [1, N] restore the order, if there are such, are all there, in it."""
    return ids is None or (ids.shape[-1] <= shape[1] and bool((ids.diff(dim=-1) == 1).all()))


def with_kind(brought: Brought, x: Any) -> Brought:
    """What was ``brought`` of the output ``x`` with the kind that its field has, if its numbers can be that."""
    name = None if brought.kind else _name(x)
    if name is None or (name == "segmentation" and not may_be_classes(brought.array)):
        return brought
    if name == "logits" and not _is_segmentation(x):
        return replace(brought, maybe="logits", source=f"logits of a {type(x).__name__}")
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
