"""What holds arrays and is none: dictionaries, lists, outputs of networks, streams; and which part of it to bring."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from PIL import Image
from torch import Tensor
from torch.utils.dlpack import from_dlpack

from gsjbu.errors import SignalError

#: As deep and as far arrays are looked for.
DEPTH, FIRST = 3, 8


def unwrapped(x: Any) -> Any:
    """The array in a memoryview of more than bytes, or the tensor that is handed over by DLPack; others as they are."""
    if isinstance(x, memoryview) and (x.ndim > 1 or x.format != "B"):
        return np.asarray(x)
    return from_dlpack(x) if hasattr(x, "__dlpack__") and not hasattr(x, "__array__") else x


def is_several(x: Any) -> bool:
    """Whether ``x`` is a list of arrays that are signals by themselves, not the channels of one."""
    some = isinstance(x, list | tuple) and any(isinstance(part, Tensor | np.ndarray) for part in x)
    return some and max(getattr(part, "ndim", 0) for part in x) > (3 if len(x) == 1 else 2)


def refusal(x: Any) -> SignalError | None:
    """What to bring instead of ``x``; None if it holds nothing."""
    a = f"{'An' if type(x).__name__[0] in 'AEIOUaeiou' else 'A'} {type(x).__name__}"
    if hasattr(x, "read"):
        step = "x.getvalue()" if isinstance(x, io.BytesIO) else "x.read()"
        return SignalError("signal_type", f"{a} is a stream; bring its bytes, {step}, or a path.")
    if isinstance(x, Mapping) and {"size", "counts"} <= set(x):
        text = "run lengths of a mask, as COCO has them: bring the mask, pycocotools.mask.decode(x)."
        return SignalError("signal_type", f"{a} of size and counts is {text}")
    held = list(_held(x))
    if not held:
        return None
    named = ", ".join(name[:30] for name, _ in held[:5]) + (", …" if len(held) > 5 else "")
    what = f"{a} of {len(held)}" if isinstance(x, list | tuple) else f"{a} with {named}"
    found = _array_in(x, DEPTH)
    step = f"bring x{found}" if found else "it holds no array"
    return SignalError("signal_type", f"{what} is no signal itself: {step}.")


def _held(x: Any) -> Iterator[tuple[str, Any]]:
    """What ``x`` holds, and how each is named after it."""
    if isinstance(x, Mapping):
        yield from ((f"[{key!r}]", part) for key, part in x.items())
    elif isinstance(x, list | tuple):
        yield from ((f"[{n}]", part) for n, part in enumerate(x))
    else:
        yield from ((f".{name}", part) for name, part in getattr(x, "__dict__", {}).items() if name[:1] != "_")


def _array_in(x: Any, depth: int) -> str | None:
    """How the first array or picture in ``x`` is named after it."""
    if isinstance(x, Image.Image) or (isinstance(x, Tensor | np.ndarray) and x.ndim > 1):
        return ""
    if depth == 0 or isinstance(x, Tensor | np.ndarray):
        return None
    for name, part in list(_held(x))[:FIRST]:
        found = _array_in(part, depth - 1)
        if found is not None:
            return name + found
    return None
