"""A kernel from the file that ``Kernel.save`` wrote: everything is checked, for a file may say anything."""

from __future__ import annotations

import json
import re
import struct
from os import PathLike
from pathlib import Path
from typing import Any, BinaryIO

import torch
from torch import Tensor

from gsjbu.core import blend as blends
from gsjbu.core.blend import Blend
from gsjbu.core.blur import BLURS
from gsjbu.core.denoising import WAYS
from gsjbu.core.eager import eager
from gsjbu.core.gaussians import Gaussians
from gsjbu.core.grid import Grid
from gsjbu.core.kernel import FORMAT, Kernel
from gsjbu.core.refinement import recipe
from gsjbu.errors import KernelFileError
from gsjbu.settings import SETTINGS


@eager
def load(file: str | PathLike[str] | bytes | BinaryIO) -> Kernel:
    """A kernel from the file that ``Kernel.save`` wrote, open or not, or from what ``Kernel.to_bytes`` gave.

    Raises KernelFileError if it is none.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load as tensors_of

    name, data = _content(file)
    try:
        tensors = tensors_of(data)
        (length,) = struct.unpack("<Q", data[:8])
        notes = json.loads((json.loads(data[8 : 8 + length]).get("__metadata__") or {}).get("gsjbu", "{}"))
        if not isinstance(notes, dict) or notes.get("format") != FORMAT:
            raise KernelFileError(f"{name} is not a saved kernel; it must be a file from Kernel.save.")
        return _from_tensors(tensors, notes)
    except KernelFileError:
        raise
    except (SafetensorError, ValueError, LookupError, TypeError, ArithmeticError, RecursionError) as e:
        raise KernelFileError(f"{name} cannot be read as a saved kernel: {str(e).rstrip('.')}.") from e


def _content(file: Any) -> tuple[str, bytes]:
    """What ``file`` is called in sentences, and its bytes. Raises KernelFileError."""
    if isinstance(file, bytes | bytearray | memoryview):
        return "What was given", bytes(file)
    if hasattr(file, "read"):
        data = file.read()
        if not isinstance(data, bytes):
            raise KernelFileError("The file is open as text; open it in binary mode, 'rb'.")
        return "The open file", data
    if not isinstance(file, str | PathLike):
        raise KernelFileError(
            f"A kernel is read from a path, an open file or bytes, and this is a {type(file).__name__}."
        )
    name = Path(file).name or str(file)
    try:
        return name, Path(file).read_bytes()
    except FileNotFoundError as e:
        raise KernelFileError(f"There is no file {name}.") from e
    except OSError as e:
        raise KernelFileError(f"{name} cannot be opened; it must be a file from Kernel.save.") from e


def _from_tensors(tensors: dict[str, Tensor], notes: dict[str, Any]) -> Kernel:
    """Everything is checked: compiled code reads what the sizes and the grid say, without looking."""
    guide, raw, losses = (tensors[name] for name in ("guide", "raw", "losses"))
    if guide.ndim != 3 or 0 in guide.shape or raw.ndim != 3 or raw.shape[0] != 4 or losses.ndim != 1:
        raise ValueError(f"its guide is {list(guide.shape)}, its raw values {list(raw.shape)}")
    if not bool(torch.isfinite(guide).all()) or not bool(torch.isfinite(raw).all()):
        raise ValueError("it has NaN or infinite values")
    step_y, step_x = (float(step) for step in notes["step"])
    grid = Grid(guide.shape[1], guide.shape[2], raw.shape[1], raw.shape[2], step_y, step_x)
    if not grid.is_regular:
        raise ValueError(f"a step of {step_x} × {step_y} does not go with its sizes")
    for name, known in (("backend", "fused|attention"), ("device", "(cpu|cuda|mps)(:(0|[1-9][0-9]?))?")):
        if not re.fullmatch(known, notes[name]):
            raise ValueError(f"{name} is {notes[name]!r}")
    radius = SETTINGS["radius"].parse(notes["radius"])
    blend = None
    if notes.get("blend") is not None:
        second = tensors["second"].to(torch.float32) if "second" in tensors else None
        blend = blends.checked(Blend(second=second, **notes["blend"]), grid)
    seen = tensors.get("seen")
    if seen is not None and (seen.dtype != torch.bool or seen.shape != guide.shape[1:] or not bool(seen.any())):
        raise ValueError(f"its mask of the guide is {list(seen.shape)}")
    across, down = notes.get("offset", (0, 0))
    if not all(isinstance(n, int) for n in (across, down)) or abs(across) >= grid.width or abs(down) >= grid.height:
        raise ValueError(f"its offset is {notes['offset']}")
    if notes.get("blur") not in (None, *BLURS):
        raise ValueError(f"its blur is {notes['blur']!r}")
    lr_image = str(notes.get("lr_image", "area"))  # files from before there was a choice
    return Kernel(
        Gaussians.over(guide.to(torch.float32), grid, int(radius), raw.to(torch.float32), lr_image, seen),
        losses=losses.tolist(),
        objective=str(notes["objective"]),
        backend=notes["backend"],
        backend_reason=str(notes["backend_reason"]),
        device=notes["device"],
        blend=blend,
        lr_image=lr_image,
        refinement=None if notes.get("refinement") is None else recipe.checked(notes["refinement"]),
        offset=(across, down),
        blur=notes.get("blur"),
        outliers=_flag(notes, "outliers"),
        denoised=_denoised(notes.get("denoised")),
        corners=_flag(notes, "corners"),
        notes=tuple(str(note) for note in notes.get("notes", [])),
    )


def _denoised(value: Any) -> str | None:
    """How noise is taken off, if it is; files from before there were two ways say true."""
    way = {True: "waves", False: None}.get(value, value) if isinstance(value, bool) else value
    if way not in (None, *WAYS):
        raise ValueError(f"its denoised is {value!r}")
    return way


def _flag(notes: dict[str, Any], name: str) -> bool:
    """A yes or no; no in files from before there was one."""
    if not isinstance(value := notes.get(name, False), bool):
        raise ValueError(f"its {name} is {value!r}")
    return value
