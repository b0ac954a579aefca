"""One place that knows the models: which there are, where their weights lie, and how they are loaded."""

from __future__ import annotations

from collections.abc import Mapping


def local_choices(kind: str) -> Mapping[str, str]:
    """Choices beyond the built-in ones, value → label, for ``backbone`` or ``segmentation``."""
    return {}


def why_not(value: str) -> str | None:
    """Why a choice cannot be had here, or None."""
    return None
