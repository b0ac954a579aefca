"""Notes on what a file's numbers mean, as JSON: a PNG's text, a TIFF's description, the metadata of safetensors and
Zarr, the .json beside a .npy."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

BESIDE = ".json"
#: What a picture's own notes may take.
MAX_TEXT = 1 << 20


def notes_of(text: Any) -> dict[str, Any]:
    """The notes in a text; empty if there are none."""
    if not isinstance(text, str) or not text or len(text) > MAX_TEXT:
        return {}
    try:
        told = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return told if isinstance(told, dict) else {}


def encoded(text: str) -> bytes:
    """A text in UTF-8; the bytes of a name that is none as JSON's escapes, which are read back as they were."""
    return text.encode("utf-8", "backslashreplace")


def beside(path: Path) -> Path:
    """Where the notes of ``path`` are, if it has room for none."""
    return path.with_name(path.name + BESIDE)
