"""Pipelines and masks of transformers at the picture's full resolution. Nothing to install beyond them."""

from gsjbu.hf.masks import masks
from gsjbu.hf.pipelines import Upsampled

__all__ = ["Upsampled", "masks"]
