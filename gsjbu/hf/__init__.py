"""Pipelines of transformers whose output comes at the picture's full resolution. Nothing to install beyond them."""

from gsjbu.hf.pipelines import Upsampled

__all__ = ["Upsampled"]
