"""Upsample Anything (GS-JBU + TTO): any low-resolution signal to its image's resolution, along the image's edges.

kernel = gsjbu.fit(image)                   one anisotropic Gaussian per LR pixel, learnt from this image alone
high = kernel.render(signal)                [C, h, w] → [C, H, W], by pure mixing
high = gsjbu.upsample(image, signal)        both in one call
"""

from __future__ import annotations

from gsjbu.core.kernel import Kernel, Window, load
from gsjbu.core.module import GSJBU
from gsjbu.core.tto import fit, upsample
from gsjbu.run.estimate import Advice, Estimate, estimate
from gsjbu.version import __version__

__all__ = [
    "GSJBU",
    "Advice",
    "Estimate",
    "Kernel",
    "Window",
    "__version__",
    "estimate",
    "fit",
    "load",
    "upsample",
]
