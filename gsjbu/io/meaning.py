"""What a picture of ours says of its own levels: the value is ``offset + scale · level``, and one level is a gap."""

from __future__ import annotations

import json
import math

#: What a picture's own notes may take.
MAX_TEXT = 1 << 20


def meaning(text: str) -> dict[str, float]:
    """What a picture says of its numbers: ``offset``, ``scale`` and ``gap_level``; empty if it says nothing sound."""
    if not text or len(text) > MAX_TEXT:
        return {}
    try:
        told = json.loads(text)
        found = {name: float(told[name]) for name in ("offset", "scale", "gap_level")}
    except (ValueError, TypeError, KeyError):
        return {}
    return found if all(math.isfinite(v) for v in found.values()) and found["scale"] != 0 else {}
