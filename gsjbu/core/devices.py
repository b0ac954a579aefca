"""Which device a run computes on, and why another one declined."""

from __future__ import annotations

import torch

from gsjbu.errors import SettingError
from gsjbu.settings import SETTINGS


def unavailable_reason(name: str) -> str | None:
    """Why device ``name`` (auto, cpu, cuda, mps) cannot be used here, or None if it can."""
    if name in ("auto", "cpu"):
        return None
    if name == "cuda":
        if torch.cuda.is_available():
            return None
        if torch.version.cuda is None:
            return "This build of torch has no CUDA."
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
    reason = unavailable_reason(name.split(":")[0])
    try:
        found = torch.device(name)
    except RuntimeError:
        raise SettingError("device", f"device is {name!r}; after the colon goes a number: cuda:1.") from None
    if reason is None and found.type == "cuda" and (found.index or 0) >= max(1, torch.cuda.device_count()):
        reason = f"torch sees {torch.cuda.device_count()} CUDA GPUs, counted from 0."
    if reason is not None:
        raise SettingError(
            "device",
            f"device is {name!r}, which is not available here: {reason} Use cpu or auto.",
            code="device_unavailable",
        )
    return found
