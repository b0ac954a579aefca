"""A pipeline of transformers, with its own enlarging replaced by upsampling along the picture's edges."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

import gsjbu
from gsjbu.errors import ModelError, SignalWarning
from gsjbu.hf.placement import Span, placed, spans
from gsjbu.io.outputs import of_network

TASKS = ("depth-estimation", "image-segmentation", "image-feature-extraction")


class Upsampled:
    """Wraps a pipeline for depth-estimation, image-segmentation (semantic) or image-feature-extraction.

    Called as the pipeline is – with a path, an address, a picture or a list of them – it gives what the pipeline
    gives, at the picture's size: ``{"predicted_depth": [H, W], "depth": picture}``, a list of ``{"score", "label",
    "mask"}``, or features [C, H, W]. ``options`` are those of :func:`gsjbu.upsample`. Padding of the network's input is
    left out; what its processor cut off has no value (NaN, or no mask), which a SignalWarning says.

    Raises ModelError for other tasks, and for keywords without a meaning here.

    Example:
        pipe = Upsampled(transformers.pipeline("depth-estimation", model="depth-anything/Depth-Anything-V2-Small-hf"))
        pipe("photo.jpg")["depth"].save("depth.png")
    """

    def __init__(self, pipe: Any, **options: Any) -> None:
        task = getattr(pipe, "task", None)
        if task not in TASKS:
            text = f"This pipeline is for {task!r}; it must be for one of {', '.join(TASKS)}."
            raise ModelError("task_unknown", text)
        self.pipe, self.options = pipe, options
        self._spans: dict[tuple[int, int], tuple[Span, Span]] = {}  # by a picture's width and height

    def __call__(self, images: Any, timeout: float | None = None, **others: Any) -> Any:
        """One picture, a list of them, or an iterator, of which one is made after the other.

        They go through the network one by one, whatever the pipeline's ``batch_size``. ``timeout``: seconds for an
        address.
        """
        others.pop("batch_size", None)
        if others:
            raise ModelError(
                "pipeline_option",
                f"Upsampled takes no {', '.join(others)} when it is called; of the pipeline's keywords it takes "
                "batch_size and timeout, and gsjbu.upsample's when it is made.",
            )
        if isinstance(images, list | tuple):
            return [self(image, timeout=timeout) for image in images]
        if isinstance(images, Iterator):
            return (self(image, timeout=timeout) for image in images)
        from transformers.image_utils import load_image

        picture = load_image(images, timeout=timeout).convert("RGB")
        inputs = self._processed(picture)
        raw = self.pipe.forward(inputs)
        if self.pipe.task == "depth-estimation":
            return self._depth(picture, raw)
        if self.pipe.task == "image-segmentation":
            return self._segments(picture, raw)
        return self._features(picture, raw, inputs)

    def _processed(self, picture: Image.Image) -> Any:
        """What the network is given."""
        subtask = {"subtask": "semantic"} if self.pipe.task == "image-segmentation" else {}
        return self.pipe.preprocess(picture, **{**getattr(self.pipe, "_preprocess_params", {}), **subtask})

    def _upsampled(
        self, picture: Image.Image, low: Tensor, used: tuple[float, float] = (1, 1), **options: Any
    ) -> Tensor:
        """``low`` [C, h, w] or [h, w], over the ``used`` part of the network's input, at the picture's size; NaN where
        the network did not see it."""
        (width, height), (rows, cols) = picture.size, low.shape[-2:]
        if picture.size not in self._spans:
            self._spans[picture.size] = spans(lambda x: self._processed(x).get("pixel_values"), width, height)
        down, across = (
            (first, first + part * (last - first))
            for part, (first, last) in zip(used, self._spans[picture.size], strict=True)
        )
        (kept_rows, y), (kept_cols, x) = placed(down, rows, height), placed(across, cols, width)
        low = low[..., kept_rows, kept_cols]
        # A network's output has no gaps but NaN, and covers what it saw, squashed or not.
        options = {"invalid": "none", "grid": tuple(low.shape[-2:]), **options, **self.options}
        full = gsjbu.upsample(picture.crop((x.start, y.start, x.stop, y.stop)), low, **options)
        if full.shape[-2:] == (height, width):
            return full
        warnings.warn(
            f"The network saw rows {y.start} to {y.stop} of {height} and columns {x.start} to {x.stop} of {width}; the "
            "rest has no value. A processor that cuts nothing off (do_center_crop=False, a size of whole patches) "
            "shows all.",
            SignalWarning,
            stacklevel=4,
        )
        whole = full.new_full((*full.shape[:-2], height, width), torch.nan)
        whole[..., y, x] = full
        return whole

    def _depth(self, picture: Image.Image, raw: Any) -> dict[str, Any]:
        full = self._upsampled(picture, of_network(raw)[0].float().cpu(), kind="depth")
        full = full.reshape(full.shape[-2:])
        there = full[full.isfinite()]
        low, high = float(there.min()), float(there.max())
        grey = (full.nan_to_num(low) - low) / max(high - low, 1e-12) * 255
        return {"predicted_depth": full, "depth": Image.fromarray(grey.numpy().astype(np.uint8))}

    def _segments(self, picture: Image.Image, raw: Any) -> list[dict[str, Any]]:
        kind = "probabilities" if raw.get("masks_queries_logits") is not None else "logits"
        scores = of_network(raw)[0].float().cpu()
        shares = self._upsampled(picture, scores, kind=kind, probabilities=True)
        names = self.pipe.model.config.id2label
        best, found = shares.nan_to_num(-1).max(dim=0)
        return [
            {
                "score": float(best[here].mean()),
                "label": names.get(n, f"class {n}"),
                "mask": Image.fromarray(np.where(here, 255, 0).astype(np.uint8)),
            }
            for n in found.unique().tolist()
            if (here := (found == n) & (best >= 0)).any()
        ]

    def _features(self, picture: Image.Image, raw: Any, inputs: Any) -> Tensor:
        found = of_network(raw)[0].float().cpu()
        if found.ndim == 3:
            return self._upsampled(picture, found, kind="features")
        # Tokens [N, C]: the grid is that of the patches that went in; class and register tokens come first.
        height, width = inputs["pixel_values"].shape[-2:]
        patch = getattr(self.pipe.model.config, "patch_size", None)
        if not isinstance(patch, int):
            return gsjbu.upsample(picture, found, **{"kind": "features", **self.options})
        rows, cols = self.options.get("grid", (height // patch, width // patch))
        low = found[len(found) - rows * cols :].T.unflatten(1, (rows, cols))
        used = (rows * patch / height, cols * patch / width)
        return self._upsampled(picture, low, used if "grid" not in self.options else (1, 1), kind="features")
