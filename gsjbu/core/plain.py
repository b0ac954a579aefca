"""Tensors and arrays whose numbers can be read: dense, real, with values of their own; and what the others are to
become.

Within ``torch.func`` a tensor is wrapped by its transforms, and so is whatever is made meanwhile: what looks at numbers
takes those inside, and steps out of the transforms.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd.forward_ad import unpack_dual

from gsjbu.errors import ImageError, ShapeError

_FUNC = torch._C._functorch  # there is no public word for it
HALF_ENDS = 65520.0  # what is less rounds to a number that float16 has
#: Types of numbers; torch stores others (int4, bits8, two floats in a byte) and cannot turn them into these.
_OF_NUMBERS = re.compile(r"torch\.(bool|u?int(8|16|32|64)|b?float(16|32|64)|float8_\w+)")
#: What torch stores and hardly calculates with, in a type that it does.
_CALCULABLE = {torch.uint16: torch.int32, torch.uint32: torch.int64, torch.uint64: torch.float64}


def is_transformed(x: Tensor) -> bool:
    """Whether a transform (grad, vjp, jvp, vmap) looks at what is done with ``x``."""
    return bool(_FUNC.is_functorch_wrapped_tensor(x)) or unpack_dual(x).tangent is not None


def is_batched(x: Tensor) -> bool:
    """Whether torch.func.vmap hides the numbers of ``x``."""
    return bool(_FUNC.is_batchedtensor(_inside(x)))


def is_followed(x: Tensor) -> bool:
    """Whether autograd or a transform follows ``x``, so that it is not to be changed in place."""
    return x.requires_grad or is_transformed(x)


def is_beside(x: Any) -> bool:
    """Whether there are transforms, none of which looks at the tensor or array ``x``."""
    return _FUNC.peek_interpreter_stack() is not None and not (isinstance(x, Tensor) and is_transformed(x))


@contextmanager
def untransformed() -> Iterator[None]:
    """Out of the transforms: what is made within is as it is without them."""
    if _FUNC.peek_interpreter_stack() is None:
        yield
        return
    from torch._functorch.pyfunctorch import temporarily_clear_interpreter_stack

    with temporarily_clear_interpreter_stack():
        yield


def plain(x: Tensor) -> Tensor:
    """``x`` without the transforms that differentiate by it: its numbers as they are, without a gradient.

    A view that is negated as it is read (``x.conj().imag``), which NumPy does not know, is negated.
    """
    with untransformed():
        return _inside(x).detach().resolve_neg()


def _inside(x: Tensor) -> Tensor:
    while _FUNC.is_gradtrackingtensor(x):
        x = _FUNC.get_unwrapped(x)
    return x if _FUNC.is_batchedtensor(x) else unpack_dual(x).primal


def calculable(x: Tensor) -> Tensor:
    """``x`` in a type that torch calculates with: of unsigned whole numbers of 16 to 64 bits and of floats of 8 it only
    knows how to store them."""
    if x.dtype.itemsize == 1 and x.is_floating_point():
        return x.to(torch.float32)
    return x.to(_CALCULABLE.get(x.dtype, x.dtype))


def unmasked(x: Any) -> tuple[Any, np.ndarray | None]:
    """The numbers of a masked array of NumPy's, and bool of its shape: those that are hidden. None: there are none, as
    of whatever else ``x`` may be, which stays as it is."""
    if not isinstance(x, np.ma.MaskedArray):
        return x, None
    hidden = np.ma.getmaskarray(x)
    return np.ma.getdata(x), hidden if hidden.any() else None


def as_array(x: Tensor) -> np.ndarray:
    """The numbers of ``x`` as they are; of types that NumPy lacks (bfloat16, floats of 8 bits) as float32."""
    x = plain(x).cpu()
    try:
        return x.numpy()
    except TypeError:
        return x.to(torch.float32).numpy()


def write_into(out: np.ndarray, values: Tensor) -> None:
    """``values`` into ``out`` of the same shape, of whichever float type it is."""
    values = values.detach().cpu()
    if out.dtype == np.float16 and out.size and min(out.strides, default=0) >= 0:
        low, high = (float(v) for v in values.aminmax())
        if -HALF_ENDS < low <= high < HALF_ENDS:
            torch.from_numpy(out).copy_(values)  # seven times as fast as NumPy, and the same bits
            return
    out[...] = values.numpy()  # which warns of what is too large


TAKEN = "an array or a tensor [C, h, w]. gsjbu.upsample takes files and pictures, too"


def as_tensor(x: Any, what: str = "The signal", right: str = TAKEN) -> Tensor:
    """An array, of any byte order and layout, a tensor or a list of numbers as a tensor. Raises ShapeError, with what
    would be ``right``."""
    if isinstance(x, np.ndarray):
        if x.dtype.kind not in "biufc":
            raise ShapeError(f"{what} is an array of {x.dtype.name}; it must hold real numbers.")
        # torch knows neither another machine's order of bytes nor longdouble, takes no steps backwards, and warns of
        # what is not writable.
        wide = x.dtype.kind == "f" and x.dtype.itemsize > 8
        x = np.require(x, np.float64 if wide else x.dtype.newbyteorder("="), ["C", "W"])
    try:
        return torch.as_tensor(x).resolve_neg()  # numpy does not know of it
    except (TypeError, ValueError, RuntimeError) as error:
        raise ShapeError(f"{what} is a {type(x).__name__}; it must be {right}.") from error


def finite_image(image: Tensor) -> Tensor:
    """``image`` itself, which must have a value everywhere. Raises ImageError."""
    if why := why_unreadable(image):  # FakeTensorMode makes such of an array, too
        raise ImageError("image_type", f"The image {why}.")
    # By numpy: torch would wake its thread pool, which takes a tenth of a second where cores are shared.
    if not np.isfinite(plain(image).to("cpu").numpy()).all():
        raise ImageError(
            "image_not_finite",
            "The image holds NaN or infinite values; a guide needs a value everywhere, but where a guide_mask (of fit, "
            "upsample and refine) is not 0.",
        )
    return image


def why_unreadable(x: Tensor) -> str:
    """What ``x`` is that has no numbers to be read, and what would have, as the end of a sentence; empty: it has."""
    if type(x).__name__ == "MaskedTensor":
        return "is a masked tensor; give x.to_tensor(torch.nan), or a masked array of NumPy's"
    if x.is_complex():
        return "is complex; give its real and imaginary parts as channels"
    if x.is_nested:
        return "is nested; give one of its parts, x.unbind()[0]"
    if x.layout is not torch.strided:
        return "is sparse; give it as .to_dense()"
    if x.is_quantized:
        return "is quantised; give it as .dequantize()"
    if not _OF_NUMBERS.fullmatch(str(x.dtype)):
        name = str(x.dtype).removeprefix("torch.")
        return f"is of {name}, which torch only stores; give floats, or whole numbers of 8 to 64 bits"
    if x.is_meta or type(x).__name__ == "FakeTensor":
        return "holds no values (device meta, or a FakeTensor); give a tensor that does"
    if is_batched(x):
        return (
            "is seen by torch.func.vmap one by one, and a kernel is fitted to values: fit first and render within "
            "(kernels=, Kernel.render), or give the batch to GSJBU as it is"
        )
    return ""
