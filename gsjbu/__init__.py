"""Upsample Anything (GS-JBU + TTO): any low-resolution signal to its image's resolution, along the image's edges.

kernel = gsjbu.fit(image)                   one anisotropic Gaussian per LR pixel, learnt from this image alone
high = kernel.render(signal)                [C, h, w] → [C, H, W], by pure mixing
high = gsjbu.upsample(image, signal)        both in one call
mask = gsjbu.refine(image, mask)            what is as large as the image already
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gsjbu.version import __version__

if TYPE_CHECKING:
    from gsjbu import batch as batch
    from gsjbu import errors as errors
    from gsjbu import grid as grid
    from gsjbu import hf as hf
    from gsjbu import images as images
    from gsjbu import metrics as metrics
    from gsjbu import raster as raster
    from gsjbu import render as render
    from gsjbu import samples as samples
    from gsjbu import signals as signals
    from gsjbu import video as video
    from gsjbu.core.kernel import Kernel as Kernel
    from gsjbu.core.kernel_file import load as load
    from gsjbu.core.window import Window as Window
    from gsjbu.module import GSJBU as GSJBU
    from gsjbu.refining import Refined as Refined
    from gsjbu.refining import refine as refine
    from gsjbu.run.estimate import Advice as Advice
    from gsjbu.run.estimate import Estimate as Estimate
    from gsjbu.run.estimate import estimate as estimate
    from gsjbu.verbs import fit as fit
    from gsjbu.verbs import upsample as upsample

#: Public name -> the module that has it; imported when it is first used, so that ``import gsjbu`` brings no torch.
_HOMES = {
    "GSJBU": "module",
    "Advice": "run.estimate",
    "Estimate": "run.estimate",
    "Kernel": "core.kernel",
    "Refined": "refining",
    "Window": "core.window",
    "estimate": "run.estimate",
    "fit": "verbs",
    "load": "core.kernel_file",
    "refine": "refining",
    "upsample": "verbs",
}
#: Public modules, likewise.
_MODULES = (
    "batch", "errors", "grid", "hf", "images", "metrics", "raster", "render", "samples", "signals", "video",
)  # fmt: skip
__all__ = ["__version__", *_HOMES]  # noqa: PLE0604  # they are strings

if not TYPE_CHECKING:  # or a name that is misspelt would be anything

    def __getattr__(name: str) -> Any:
        from importlib import import_module

        if name in _MODULES:
            return import_module(f"gsjbu.{name}")
        if name not in _HOMES:
            raise AttributeError(f"module 'gsjbu' has no attribute {name!r}")
        value = getattr(import_module(f"gsjbu.{_HOMES[name]}"), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*__all__, *_MODULES, *(name for name in globals() if name.startswith("__"))})
