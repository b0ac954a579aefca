"""A pipeline of transformers, with its own enlarging replaced by upsampling along the picture's edges."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

import gsjbu
from gsjbu.errors import ModelError
from gsjbu.io.outputs import of_network

TASKS = ("depth-estimation", "image-segmentation", "image-feature-extraction")


class Upsampled:
    """Wraps a pipeline for depth-estimation, image-segmentation (semantic) or image-feature-extraction.

    Called as the pipeline is – with a path, an address, a picture or a list of them – it gives what the pipeline
    gives, at the picture's size: ``{"predicted_depth": [H, W], "depth": picture}``, a list of ``{"score", "label",
    "mask"}``, or features [C, H, W]. ``options`` are those of :func:`gsjbu.upsample`.

    Raises ModelError for other tasks.

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

    def __call__(self, images: Any) -> Any:
        """One picture, or a list of them."""
        if isinstance(images, list | tuple):
            return [self(image) for image in images]
        from transformers.image_utils import load_image

        picture = load_image(images).convert("RGB")
        inputs = self.pipe.preprocess(picture)
        raw = self.pipe.forward(inputs)
        if self.pipe.task == "depth-estimation":
            return self._depth(picture, raw)
        if self.pipe.task == "image-segmentation":
            return self._segments(picture, raw, inputs)
        return self._features(picture, raw, inputs)

    def _depth(self, picture: Image.Image, raw: Any) -> dict[str, Any]:
        low = of_network(raw)[0].float().cpu()
        full = gsjbu.upsample(picture, low, **{"kind": "depth", **_covering(low), **self.options})
        full = full.reshape(full.shape[-2:])
        low, high = float(full.nan_to_num().min()), float(full.nan_to_num().max())
        grey = (full.nan_to_num() - low) / max(high - low, 1e-12) * 255
        return {"predicted_depth": full, "depth": Image.fromarray(grey.numpy().astype(np.uint8))}

    def _segments(self, picture: Image.Image, raw: Any, inputs: Any) -> list[dict[str, Any]]:
        scores = _unpadded(of_network(raw).float().cpu(), inputs)
        kind = "probabilities" if raw.get("masks_queries_logits") is not None else "logits"
        options = {"kind": kind, **_covering(scores), **self.options}
        shares = gsjbu.upsample(picture, scores, probabilities=True, **options)
        names = self.pipe.model.config.id2label
        best, found = shares.max(dim=0).values, shares.argmax(dim=0)
        return [
            {
                "score": float(best[found == n].mean()),
                "label": names.get(int(n), f"class {n}"),
                "mask": Image.fromarray(np.where(found == n, 255, 0).astype(np.uint8)),
            }
            for n in found.unique()
        ]

    def _features(self, picture: Image.Image, raw: Any, inputs: Any) -> Tensor:
        found = of_network(raw).float().cpu()
        options: dict[str, Any] = {"kind": "features", **self.options}
        if found.ndim == 3:  # tokens [1, N, C]: the grid is that of the patches that went in
            patch = getattr(self.pipe.model.config, "patch_size", None)
            if isinstance(patch, int):
                height, width = inputs["pixel_values"].shape[-2:]
                options.setdefault("grid", (height // patch, width // patch))
                count = (height // patch) * (width // patch)
                found = found[:, found.shape[1] - count :]  # class and register tokens come first
                options.setdefault("layout", "tokens")
        else:
            options = _covering(found) | options
        return gsjbu.upsample(picture, found, **options)


def _covering(low: Tensor) -> dict[str, Any]:
    """The word that a map [..., h, w] covers the picture, whether a processor squashed it or not."""
    return {"grid": tuple(low.shape[-2:])}


def _unpadded(scores: Tensor, inputs: Any) -> Tensor:
    """[1, K, h, w] without what stands on the padding that a processor put right of and below the picture."""
    mask = inputs.get("pixel_mask") if hasattr(inputs, "get") else None
    if mask is None or bool(torch.as_tensor(mask).all()):
        return scores
    inside = torch.as_tensor(mask)[0].bool()
    kept = [
        max(1, round(int(inside.any(dim=1 - axis).sum()) / inside.shape[axis] * scores.shape[axis - 2]))
        for axis in (0, 1)
    ]
    return scores[..., : kept[0], : kept[1]]
