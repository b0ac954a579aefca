"""Entry points of ``torch.hub.load(REPOSITORY, "gsjbu", source="local")``."""

from __future__ import annotations

from typing import Any

# Without numba the attention form computes; safetensors is for kernels that are saved.
dependencies = ["torch", "numpy", "scipy", "PIL", "platformdirs", "filelock"]


def gsjbu(**options: Any) -> Any:
    """The upsampler as an ``nn.Module``: ``module(image [B, 3, H, W], signal [B, C, h, w])`` → ``[B, C, H, W]``.

    There is nothing to download: GS-JBU has no weights. ``options`` are those of :class:`gsjbu.GSJBU`.
    """
    from gsjbu.module import GSJBU

    return GSJBU(**options)
