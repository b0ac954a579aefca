"""Nodes for ComfyUI: copy this folder into ComfyUI/custom_nodes and `pip install gsjbu` into its Python.

IMAGE is [B, H, W, 3] in [0, 1], MASK [B, h, w] in [0, 1]; a signal of up to three quarters of the image's rows or
columns is upsampled to it, a larger one is reduced by ``stride`` first, so that its borders are drawn anew along the
image's edges.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

import gsjbu

CATEGORY = "image/upsample anything"
STRIDE = (
    "INT",
    {
        "default": 8,
        "min": 2,
        "max": 64,
        "tooltip": "Pixels to a cell, for a signal about as large as the image",
    },
)


def upsampled(image: Tensor, signal: Tensor, stride: int, kind: str) -> Tensor:
    """``image`` [B, H, W, C] and ``signal`` [B, K, h, w], one of them or as many → [B, K, H, W]."""
    count = max(len(image), len(signal))
    if any(n not in (1, count) for n in (len(image), len(signal))):
        raise ValueError(f"There are {len(image)} images and {len(signal)} signals; one or as many are needed.")
    made = []
    for n in range(count):
        guide = image[n % len(image)].movedim(-1, 0).float().cpu()
        low = signal[n % len(signal)].float().cpu()
        cells = [-(-size // stride) for size in guide.shape[1:]]
        if min(have / size for have, size in zip(low.shape[1:], guide.shape[1:], strict=True)) > 0.75:
            low = F.interpolate(low[None], size=cells, mode="area")[0]
        made.append(gsjbu.upsample(guide, low, kind=kind, layout="chw").reshape(-1, *guide.shape[1:]))
    return torch.stack(made).to(signal.device, torch.float32)


class RefineMask:
    """A coarse or blurred mask, drawn anew along the image's edges."""

    CATEGORY, FUNCTION, RETURN_TYPES = CATEGORY, "run", ("MASK",)

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        return {"required": {"image": ("IMAGE",), "mask": ("MASK",), "stride": STRIDE}}

    def run(self, image: Tensor, mask: Tensor, stride: int) -> tuple[Tensor]:
        mask = mask if mask.ndim == 3 else mask[None]
        return (upsampled(image, mask[:, None], stride, "heat_map")[:, 0].clamp(0, 1),)


class SharpenDepth:
    """A depth map (grey IMAGE) with the image's own edges."""

    CATEGORY, FUNCTION, RETURN_TYPES = CATEGORY, "run", ("IMAGE",)

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        return {"required": {"image": ("IMAGE",), "depth": ("IMAGE",), "stride": STRIDE}}

    def run(self, image: Tensor, depth: Tensor, stride: int) -> tuple[Tensor]:
        grey = depth[..., :3].mean(dim=-1)[:, None]
        full = upsampled(image, grey, stride, "depth")
        return (full.clamp(0, 1).movedim(1, -1).expand(-1, -1, -1, 3).contiguous(),)


class UpsampleLatentMap:
    """Any map on a latent's grid (LATENT samples [B, C, h, w] or [B, C, 1, h, w]) to the image's pixels, as MASKs."""

    CATEGORY, FUNCTION, RETURN_TYPES = CATEGORY, "run", ("MASK",)

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        channel = ("INT", {"default": 0, "min": 0, "max": 4096})
        return {"required": {"image": ("IMAGE",), "latent": ("LATENT",), "channel": channel}}

    def run(self, image: Tensor, latent: dict[str, Tensor], channel: int) -> tuple[Tensor]:
        samples = latent["samples"]
        if samples.ndim == 5 and samples.shape[2] == 1:  # a picture of a video model's
            samples = samples[:, :, 0]
        if samples.ndim != 4:
            raise ValueError(
                f"The latent's samples are {list(samples.shape)}; they must be [B, C, h, w], or [B, C, 1, h, w]: "
                "take one frame of a film."
            )
        if not 0 <= channel < samples.shape[1]:
            raise ValueError(f"The latent has channels 0 to {samples.shape[1] - 1}; {channel} is none of them.")
        return (upsampled(image, samples[:, channel : channel + 1], 8, "depth")[:, 0],)


NODE_CLASS_MAPPINGS = {
    "GSJBURefineMask": RefineMask,
    "GSJBUSharpenDepth": SharpenDepth,
    "GSJBUUpsampleLatentMap": UpsampleLatentMap,
}
NODE_DISPLAY_NAME_MAPPINGS = {
    "GSJBURefineMask": "Refine mask (Upsample Anything)",
    "GSJBUSharpenDepth": "Sharpen depth (Upsample Anything)",
    "GSJBUUpsampleLatentMap": "Upsample latent map (Upsample Anything)",
}
