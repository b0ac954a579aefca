"""What torch.compile must not look into: compiled loops and numpy; it goes round them, and compiles what is beside.

Autocast does not reach it either, nor what else takes digits off: weights and sums need float32 (see precision.py). Nor
does another default device: what is made within is the CPU's, or says where.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from functools import wraps
from typing import ParamSpec, TypeVar

import torch

from gsjbu.core.precision import in_float32
from gsjbu.errors import GsjbuError

P = ParamSpec("P")
R = TypeVar("R")


def eager(call: Callable[P, R]) -> Callable[P, R]:
    """``call``, run as it is within compiled code; torch.compiler.disable takes 0.8 s to be imported, by everybody."""

    @wraps(call)
    def inner(*args: P.args, **options: P.kwargs) -> R:
        if torch._C._get_tracing_state() is not None:
            raise GsjbuError(
                "trace_unsupported",
                "torch.jit.trace would keep the numbers of this one image as constants; torch.export takes "
                "GSJBU(iters=0) away, Kernel.to_onnx the render of a fitted kernel.",
            )
        if torch.compiler.is_dynamo_compiling():
            return torch._dynamo.disable(call)(*args, **options)  # type: ignore[no-any-return,no-untyped-call]
        with ExitStack() as stack:
            if torch.empty(0).device.type != "cpu":  # get_default_device fails in torch.func
                stack.enter_context(torch.device("cpu"))
            stack.enter_context(in_float32("cpu", "cuda", "mps"))
            return call(*args, **options)

    return inner
