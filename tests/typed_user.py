"""A user's code, for mypy alone (make lint): what is taken and, under an ignore that must be needed, what is not."""

from __future__ import annotations

from typing import assert_type

import numpy as np
import torch

import gsjbu

image, low = np.zeros((64, 64, 3), np.uint8), np.zeros((1, 8, 8), np.float32)
upsampler = gsjbu.GSJBU(device=torch.device("cpu"), mean=(0.5, 0.5, 0.5), std=np.array([0.5, 0.5, 0.5]))
batch, features = torch.zeros(1, 3, 64, 64), torch.zeros(1, 8, 8, 8)
assert_type(upsampler(batch, features, output_size=batch.shape[-2:]), torch.Tensor)
assert_type(upsampler(batch, features, np.array([64, 64]), upsampler.kernels(batch, features)), torch.Tensor)
kernel = gsjbu.fit(image, lr_size=batch.shape[-2:], device=torch.device("cpu"), mask=np.ones((8, 8), bool))
assert_type(kernel.render(low, mask=np.ones((8, 8), bool)), torch.Tensor)
assert_type(gsjbu.upsample(image, low, iters=3), torch.Tensor)
assert_type(gsjbu.upsample(image, low, names={0: "road", 1: "sky"}), torch.Tensor)
assert_type(gsjbu.refine(image, image[..., 0], soft=True, threads=1), gsjbu.Refined)
assert_type(gsjbu.refine(image, torch.zeros(64, 64), stride=4, names={"id2label": {"0": "road"}}), torch.Tensor)
assert_type(gsjbu.refine(image, torch.zeros(64, 64), stride=4), torch.Tensor)
assert_type(gsjbu.metrics.psnr(image, image), float)
try:
    gsjbu.upsample(image, low, objektive="rgb")  # type: ignore[call-arg]
except gsjbu.errors.GsjbuError:
    gsjbu.refine(image, low, iterz=3)  # type: ignore[call-overload]
    gsjbu.upsamplle(image, low)  # type: ignore[attr-defined]
    upsampler(image, features)  # type: ignore[arg-type]
