"""What a file of ours says of its own numbers, read back: levels, kind, classes and gaps.

A stranger may have written them, so each part is taken only where it is sound and goes with the array.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np

from gsjbu.io.brought import Brought
from gsjbu.io.kinds import KINDS, Kind
from gsjbu.io.numbers import may_be_classes

MAX_LISTED = 4096  # class numbers that notes may list
MAX_NAME = 200


def levels_of(told: dict[str, Any]) -> dict[str, float]:
    """``offset``, ``scale`` and ``gap_level`` of a picture's levels; empty if the notes have none that are sound."""
    try:
        found = {name: float(told[name]) for name in ("offset", "scale", "gap_level")}
    except (ValueError, TypeError, KeyError, OverflowError):
        return {}
    return found if all(math.isfinite(v) for v in found.values()) and found["scale"] != 0 else {}


def with_notes(found: Brought, told: dict[str, Any]) -> Brought:
    """``found`` with its kind, classes, their names and its gaps as the notes say."""
    kind = _kind(told.get("kind"), found.array)
    if kind is None:
        return found
    gaps = told.get("gaps")
    codes = _numbers(gaps.get("codes") if isinstance(gaps, dict) else None, float)
    classes = _numbers(told.get("codes"), int)
    said = told.get("names")
    said = said if isinstance(said, list) else []
    names = {code: str(name)[:MAX_NAME] for code, name in zip(classes, said, strict=False)}
    channels = found.array.shape[0] if found.array.ndim == 3 else 1
    return replace(
        found, told=kind, codes=found.codes or codes, names=found.names or names,
        classes=classes if channels > 1 and len(classes) == channels else (),
    )  # fmt: skip


def _kind(said: Any, array: np.ndarray) -> Kind | None:
    """The kind of an array that was written as ``said``; None where it cannot be."""
    if said not in KINDS:
        return None
    if said == "labels" and array.ndim == 3:
        return "probabilities"  # the share of each class
    if said == "labels" and not may_be_classes(array):
        return None
    if said == "heat_map" and array.ndim != 2:
        return None
    return "probabilities" if said == "logits" else KINDS[KINDS.index(said)]


def _numbers(said: Any, of: type) -> tuple[Any, ...]:
    if not isinstance(said, list) or len(said) > MAX_LISTED:
        return ()
    sound = (type(n) in (int, float) and abs(n) < 1e300 and (of is float or n == int(n)) for n in said)
    found = tuple(of(n) for n in said) if all(sound) else ()
    least, most = min(found, default=0), max(found, default=0)
    held = least >= -(2**63) and most < (2**63 if least < 0 else 2**64)  # by one type of integers
    return found if held or of is float else ()
