"""Which device a run computes on, and why another one declined."""

from __future__ import annotations

import torch

from gsjbu.errors import SettingError
from gsjbu.settings import SETTINGS

NO_CUDA = (
    "This build of torch has no CUDA; pip install -U torch torchvision --index-url "
    "https://download.pytorch.org/whl/cu130 brings one for NVIDIA GPUs."
)


def unavailable_reason(name: str) -> str | None:
    """Why device ``name`` (auto, cpu, cuda, cuda:1, mps) cannot be used here, or None if it can."""
    kind, _, number = name.partition(":")
    if kind in ("auto", "cpu"):
        return None
    if kind == "cuda":
        if torch.cuda.is_available():
            count = torch.cuda.device_count()
            return f"torch sees {count} CUDA GPUs, counted from 0." if int(number or 0) >= max(1, count) else None
        if torch.version.cuda is None:
            return NO_CUDA
        return "No CUDA GPU is visible to torch."
    if torch.backends.mps.is_available():
        return None
    if not torch.backends.mps.is_built():
        return "This build of torch has no MPS (it needs macOS on Apple silicon)."
    return "MPS is built in but no Apple GPU is available."


def type_of(name: str) -> str:
    """``cpu``, ``cuda`` or ``mps``: of ``name`` (``cuda:1``), available or not, or what auto takes here."""
    return resolve(name).type if name == "auto" else name.split(":")[0]


def resolve(name: str | torch.device) -> torch.device:
    """The torch device for ``name`` (``cuda:1``); auto takes CUDA, then MPS, then the CPU.

    Raises SettingError, with the reason, where the named device is not available.
    """
    name = str(name)
    SETTINGS["device"].parse(name.split(":")[0])
    if name == "auto":
        name = next((n for n in ("cuda", "mps") if unavailable_reason(n) is None), "cpu")
    try:
        found = torch.device(name)
    except RuntimeError:
        raise SettingError("device", f"device is {name!r}; after the colon goes a number: cuda:1.") from None
    reason = unavailable_reason(str(found))
    if reason is not None:
        raise SettingError(
            "device",
            f"device is {name!r}, which is not available here: {reason} Use cpu or auto.",
            code="device_unavailable",
        )
    return found
