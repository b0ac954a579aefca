"""Products in float32 with all its digits, whatever the caller has allowed torch: autocast, bfloat16, TF32.

Logits of a window run to hundreds and cancel, and what is mixed is to be what came: half precision has no room for
either. Autocast is a thread's; the precision of products (``torch.set_float32_matmul_precision`` and the words of
``torch.backends`` beside it) is the whole process's, and is put back by the last who leaves.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor

from gsjbu.core.plain import is_followed

#: What torch calls products of all digits; ``none`` where nothing was said.
FULL = ("ieee", "none")


@contextmanager
def in_float32(*devices: str) -> Iterator[None]:
    """Within: autocast switched off on ``devices`` where it is on, and products of float32 with all digits.

    torch before 2.5 has no autocast on mps, and raises if asked.
    """
    with ExitStack() as stack:
        for device in devices:
            if torch.amp.is_autocast_available(device) and torch.is_autocast_enabled(device):
                stack.enter_context(torch.autocast(device, enabled=False))
        stack.enter_context(_products)
        yield


class _Products:
    """All digits while anybody is within; what another thread of the caller multiplies meanwhile has them too."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._within = 0
        self._back: Callable[[], None] | None = None

    def __enter__(self) -> None:
        with self._lock:
            self._within += 1
            self._back = _raised() or self._back

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._within -= 1
            if self._within == 0 and self._back is not None:
                self._back()
                self._back = None


_products = _Products()
if hasattr(os, "register_at_fork"):  # a child has none of the threads that may be within
    os.register_at_fork(after_in_child=_products.__init__)  # type: ignore[misc]


def _raised() -> Callable[[], None] | None:
    """Ask torch for all digits; what puts its setting back, None if it was so."""
    # torch before 2.9 has one word for all devices; since then each has its own, which the old one sets too, and it is
    # an error to ask for the old one where the others do not go with it.
    backends = (torch.backends.cuda, torch.backends.mkldnn)
    doors: list[Any] = [one.matmul for one in backends if hasattr(getattr(one, "matmul", None), "fp32_precision")]
    were = [door.fp32_precision for door in doors]
    if doors and all(was in FULL for was in were):
        return None
    try:
        whole = torch.get_float32_matmul_precision()
    except RuntimeError:
        whole = "highest"
    if whole != "highest":
        torch.set_float32_matmul_precision("highest")
    elif not doors:
        return None
    for door in doors:
        door.fp32_precision = "ieee"

    def back() -> None:
        if whole != "highest":
            torch.set_float32_matmul_precision(whole)
        for door, was in zip(doors, were, strict=True):
            if whole == "highest":
                door.fp32_precision = "none"  # it may follow a wider setting
            if door.fp32_precision != was:
                door.fp32_precision = was

    return back


def matmul(a: Tensor, b: Tensor) -> Tensor:
    """``torch.matmul`` with all digits, forwards and backwards: a gradient is asked for when the door is left.

    What is broadcast takes no gradient.
    """
    if is_followed(a) or is_followed(b):
        return _Matmul.apply(a, b)  # type: ignore[no-any-return, no-untyped-call]
    with in_float32(a.device.type):
        return torch.matmul(a, b)


class _Matmul(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(a: Tensor, b: Tensor) -> Tensor:
        with in_float32(a.device.type):
            return torch.matmul(a, b)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:
        a, b = inputs
        of_a, of_b = ctx.needs_input_grad
        ctx.save_for_backward(a if of_b else None, b if of_a else None)
        ctx.save_for_forward(a, b)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None]:
        a, b = ctx.saved_tensors
        return None if b is None else matmul(grad, b.mT), None if a is None else matmul(a.mT, grad)

    @staticmethod
    def jvp(ctx: Any, along_a: Tensor | None, along_b: Tensor | None) -> Tensor | None:
        a, b = ctx.saved_tensors
        parts = [None if along_a is None else matmul(along_a, b), None if along_b is None else matmul(a, along_b)]
        there = [part for part in parts if part is not None]
        return sum(there[1:], there[0]) if there else None
