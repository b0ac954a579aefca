"""GS-JBU in the shape that feature upsamplers have: an ``nn.Module``, BCHW in, BCHW out."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, SupportsIndex

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gsjbu.core.backends.dispatch import check_backend, wants_gradient
from gsjbu.core.eager import eager
from gsjbu.core.graph import Fixed
from gsjbu.core.grid import Size, pair
from gsjbu.core.kernel import Kernel
from gsjbu.core.kind import FEW_CHANNELS
from gsjbu.core.parameters import FIXED
from gsjbu.core.plain import calculable, is_batched, is_transformed, plain, untransformed, why_unreadable
from gsjbu.core.recipes import RECIPES
from gsjbu.core.threads import check_threads
from gsjbu.errors import ImageError, ShapeError, SignalWarning
from gsjbu.io import aspects
from gsjbu.io.guides import Numbers, check_mean_and_std, check_normalised, per_channel, to_guide
from gsjbu.io.signals import centre_and_spread
from gsjbu.settings import SETTINGS, default
from gsjbu.verbs import fit


class GSJBU(nn.Module):
    """Upsamples features along the edges of their images; has nothing to train and nothing to download.

    Args:
        mean: per channel, if the images come normalised as the backbone wants them (ImageNet's, say): they
            are brought back to [0, 1] by ``image · std + mean`` first. None: the images are in [0, 1] already.
        std: likewise; the two go together.

    ``iters``, ``radius``, ``objective``, ``device``, ``backend`` and ``threads`` are those of :func:`gsjbu.fit`.

    It works in the workers of a DataLoader, forked or spawned, and after a fork; there torch's own operations take one
    thread, as its helpers do not survive a fork.

    The kernels depend on the images (and, with the objectives ``signal`` and ``auto``, on the values of the signal)
    but carry no gradient; mixing is linear in the signal, and gradients flow to it through that. With ``auto`` a
    refinement follows where no gradient is wanted. Values are not held in the range of their window;
    ``Kernel.render`` with ``clip=True`` does that.

    Example:
        >>> import torch
        >>> from gsjbu import GSJBU
        >>> upsampler = GSJBU(iters=5, objective="rgb")
        >>> image, features = torch.rand(2, 3, 60, 80), torch.rand(2, 16, 15, 20, requires_grad=True)
        >>> full = upsampler(image, features)
        >>> full.shape
        torch.Size([2, 16, 60, 80])
        >>> full.mean().backward()
        >>> features.grad.shape
        torch.Size([2, 16, 15, 20])
        >>> upsampler(image, features, output_size=(30, 40)).shape
        torch.Size([2, 16, 30, 40])
    """

    def __init__(
        self,
        iters: int = default("iters"),
        radius: int = default("radius"),
        objective: str = "auto",
        device: str | torch.device = default("device"),
        backend: str = "auto",
        threads: int | None = None,
        mean: Numbers | None = None,
        std: Numbers | None = None,
    ) -> None:
        super().__init__()
        given = {"iters": iters, "radius": radius, "objective": objective}
        SETTINGS["device"].parse(str(device).split(":")[0])  # whether it is there is asked when it is needed
        check_backend(backend)
        self.options: dict[str, Any] = {
            **{name: SETTINGS[name].parse(word) for name, word in given.items()},
            "device": str(device),
            "backend": backend,
            "threads": check_threads(threads),
        }
        self._ignored: set[str] = set()
        self._told: set[str] = set()  # of images
        means, scales = check_mean_and_std(mean, std)
        self.mean = None if mean is None else tuple(means)
        self.std = None if std is None else tuple(scales)

    def forward(
        self,
        image: Tensor,
        signal: Tensor,
        output_size: SupportsIndex | Size | None = None,
        kernels: Iterable[Kernel] | Kernel | None = None,
        **others: Any,
    ) -> Tensor:
        """``signal [B, C, h, w]`` → ``[B, C, H, W]``, on the signal's device and in its dtype (float32 for integers).

        image: ``[B, G, H', W']``, the pictures to follow; uint8 is taken as 0–255. output_size: (H, W), or one
        number for both; the image's own size if None. kernels: what :meth:`kernels` gave for these images and this
        size (or the one of a batch of one), to fit once and render often. others: options of peers that mean nothing
        here (``q_chunk_size`` of AnyUp, say) are ignored, with one warning each.

        Raises ShapeError if the sizes do not go together, or the signal has NaN or infinite values.
        """
        if unheard := [name for name in others if name not in self._ignored]:
            self._ignored.update(unheard)
            warnings.warn(f"Ignored, as it means nothing here: {', '.join(unheard)}.", UserWarning, stacklevel=2)
        if _exporting():
            return self._exported(image, signal, output_size)
        if kernels is None:
            kernels = self.kernels(image, signal, output_size)
        else:
            kernels = _fitting(kernels, image, signal, output_size)
        numbers = calculable(signal)
        wide = numbers if numbers.dtype in (torch.float32, torch.float64) else numbers.to(torch.float32)
        rendered = [_rendered(kernel, one) for kernel, one in zip(kernels, wide, strict=True)]
        dtype = signal.dtype if signal.is_floating_point() else torch.float32
        if not rendered:  # an empty batch
            size = image.shape[-2:] if output_size is None else _size(output_size)
            return F.interpolate(wide, size=size).to(dtype)  # a gradient finds its way through it
        return torch.stack(rendered).to(signal.device, dtype)

    if TYPE_CHECKING:
        __call__ = forward

    def _exported(self, image: Tensor, signal: Tensor, output_size: SupportsIndex | Size | None) -> Tensor:
        """What ``torch.export`` carries away: the fixed kernel; with ``auto`` the signal is taken for features."""
        objective = self.options["objective"]
        if self.options["iters"] or objective == "signal":
            raise ShapeError(
                "Only the fixed kernel can be exported: GSJBU(iters=0), objective 'auto' or 'rgb'; a fit is no "
                "graph. Kernel.to_onnx takes the render of a fitted kernel away."
            )
        if objective == "auto" and isinstance(signal.shape[1], int) and signal.shape[1] <= FEW_CHANNELS:
            raise ShapeError(
                f"The signal has {signal.shape[1]} channels; exported, 'auto' is what it is for features, of more than "
                f"{FEW_CHANNELS}. objective='rgb' takes any."
            )
        if signal.is_complex():
            raise ShapeError(f"The signal {why_unreadable(signal)}.")
        return fixed_kernel(self.options["radius"], objective)(self._guide(image, output_size), signal)

    @eager
    @untransformed()
    @torch.no_grad()
    def kernels(self, image: Tensor, signal: Tensor, output_size: SupportsIndex | Size | None = None) -> list[Kernel]:
        """One fitted kernel per image of the batch, to be handed to ``forward`` as often as wanted."""
        _check_tensors(image, signal)
        if image.ndim != 4 or signal.ndim != 4 or len(image) != len(signal):
            raise ShapeError(
                f"image is {list(image.shape)} and signal {list(signal.shape)}; they must be [B, G, H, W] and "
                "[B, C, h, w] with the same B."
            )
        guide = self._guide(plain(image).to("cpu"), output_size)
        values = [_held(one)[0] for one in calculable(plain(signal).to("cpu"))]
        size = (signal.shape[-2], signal.shape[-1])
        over = (guide.shape[-2], guide.shape[-1])
        if size[0] <= over[0] and size[1] <= over[1] and (told := _doubt(size, over)):
            warnings.warn(told, SignalWarning, stacklevel=8)  # of the caller, beyond torch and the decorators
        followed = [to_guide(one) for one in guide]
        for note in dict.fromkeys(note for one in followed for note in one.notes):
            if (words := "".join(filter(str.isalpha, note))) not in self._told:  # once, whatever the numbers in it
                self._told.add(words)
                warnings.warn(note, SignalWarning, stacklevel=8)
        # A kernel outlives the call: it must not change with an image that is filled anew.
        owned = (replace(one, pixels=one.pixels.clone()) if one.lent else one for one in followed)
        return [fit(one, signal=v, lr_size=size, **self.options) for one, v in zip(owned, values, strict=True)]

    def _guide(self, image: Tensor, output_size: SupportsIndex | Size | None) -> Tensor:
        """The images, [B, G, H', W'] of what was given, in [0, 1] and at the size of the output."""
        if self.mean is not None or self.std is not None:
            check_normalised(image.is_floating_point())
            check_mean_and_std(self.mean, self.std, image.shape[1])
        image = _unit(image)
        if self.std is not None:
            image = image * per_channel(self.std)
        if self.mean is not None:
            image = image + per_channel(self.mean)
        if output_size is None:
            return image
        size = _size(output_size)
        if size == tuple(image.shape[-2:]):
            return image
        if size[0] <= image.shape[-2] and size[1] <= image.shape[-1]:
            return F.interpolate(image, size=size, mode="area")
        return F.interpolate(image, size=size, mode="bilinear", align_corners=False, antialias=True)

    def extra_repr(self) -> str:
        """Options as they print."""
        means = {name: value for name, value in (("mean", self.mean), ("std", self.std)) if value is not None}
        return ", ".join(f"{name}={value!r}" for name, value in (self.options | means).items())


def _doubt(cells: tuple[int, int], size: tuple[int, int]) -> str:
    """What a person may not know of a grid that lies over images of another shape; empty: nothing."""
    if not aspects.suits(cells, size):
        return f"{aspects.apart(cells, size)} GSJBU takes a signal for [B, C, h, w]."
    if cells[0] == cells[1] or aspects.is_rounded(cells, size):
        return ""
    return f"The signal is taken for {aspects.NOT_ROUNDED}; it may be {aspects.PADDED_OR_CUT}."


@eager
def _rendered(kernel: Kernel, signal: Tensor) -> Tensor:
    """``signal`` [C, h, w] by ``kernel``, in its dtype, an offset that float32 has no digits for kept."""
    if wants_gradient(signal):
        return kernel.render(signal)
    with untransformed():
        values, offset, scale = _held(signal.to("cpu"))
        high = kernel.render(values)
        return high if (offset, scale) == (0.0, 1.0) else high.to(signal.dtype) * scale + offset


def _held(signal: Tensor) -> tuple[Tensor, float, float]:
    """``signal`` [C, h, w] as float32 holds it, what was taken off, and what the rest was divided by.

    Left as they are: flat signals and shares of a whole, which would become something else, and what is not finite.
    """
    low, high = (float(v) for v in signal.aminmax())
    if not -math.inf < low < high < math.inf or (low >= 0 and high <= 1):
        return signal.to(torch.float32), 0.0, 1.0
    offset, scale = centre_and_spread(low, high)
    if (offset, scale) == (0.0, 1.0):
        return signal.to(torch.float32), offset, scale
    return ((signal.to(torch.float64) - offset) / scale).to(torch.float32), offset, scale


@eager
def _fitting(
    kernels: Iterable[Kernel] | Kernel,
    image: Tensor,
    signal: Tensor,
    output_size: SupportsIndex | Size | None,
) -> list[Kernel]:
    """``kernels`` as a list, which must be those of ``signal``, and of ``image`` where that says the size."""
    _check_tensors(image, signal, rendered=True)
    alone = isinstance(kernels, Kernel) or not isinstance(kernels, Iterable)
    found: list[Kernel] = [kernels] if alone else list(kernels)  # type: ignore[arg-type,list-item]
    for one in found:
        if not isinstance(one, Kernel):
            raise ShapeError(
                f"kernels= has a {type(one).__name__}; it takes what GSJBU.kernels gave, a Kernel for each image."
            )
    if len(found) != len(signal):
        raise ShapeError(f"There are {len(found)} kernels and {len(signal)} signals; one each is needed.")
    if output_size is None and len(found) != len(image):
        raise ShapeError(f"There are {len(found)} kernels and {len(image)} images; one each is needed.")
    wanted = tuple(image.shape[-2:]) if output_size is None else _size(output_size)
    for size in ((kernel.grid.height, kernel.grid.width) for kernel in found):
        if size != wanted:
            said = "The images are" if output_size is None else "output_size is"
            raise ShapeError(
                f"{said} {list(wanted)}, but these kernels were fitted for {list(size)}; fit them for the size that is "
                "wanted, and give that as output_size where it is not the images'."
            )
    return found


@eager
def _check_tensors(image: Any, signal: Any, rendered: bool = False) -> None:
    """A module is called with tensors; one that is only ``rendered`` may be seen by torch.func."""
    for name, given in (("image", image), ("signal", signal)):
        if not isinstance(given, Tensor):
            raise ShapeError(
                f"{name} is a {type(given).__name__}; GSJBU takes tensors, as modules do. gsjbu.upsample takes arrays, "
                "pictures and files."
            )
        if (why := why_unreadable(given)) and not (rendered and is_transformed(given)):
            raise ShapeError(f"The {name} {why}.")
        if 0 in given.shape[1:] and not (rendered and name == "image"):
            raise ShapeError(f"The {name} is {list(given.shape)}; only a batch may be empty, no other axis.")
    if is_batched(signal) or bool(calculable(plain(signal)).isfinite().all()):
        return
    raise ShapeError(
        "The signal has NaN or infinite values, which would spread over every window with one of them; gsjbu.upsample "
        "takes them for gaps, GSJBU needs them filled."
    )


def _exporting() -> bool:
    """Whether torch.export is looking; torch before 2.7 has no word for it, and exports nothing here."""
    return bool(getattr(torch.compiler, "is_exporting", bool)())


def fixed_kernel(radius: int, objective: str = "auto") -> Fixed:
    """The kernel of no steps as a graph: as ``auto`` upsamples features, half of it bilinear; ``rgb``: it alone."""
    features = RECIPES["features"]
    if objective == "auto":
        return Fixed(radius, features.first, features.plain_share)
    return Fixed(radius, FIXED, 0.0)


def _unit(image: Tensor) -> Tensor:
    """uint8 to [0, 1], as :func:`gsjbu.fit` does; floats as they are. Raises ImageError for other whole numbers."""
    if not image.is_floating_point() and image.dtype not in (torch.uint8, torch.bool):
        name = str(image.dtype).removeprefix("torch.")
        raise ImageError("image_type", f"The images are {name}; they must be uint8, or floats in [0, 1].")
    return image.to(torch.float32) / 255 if image.dtype == torch.uint8 else image.to(torch.float32)


def _size(size: SupportsIndex | Size) -> tuple[int, int]:
    """Rows and columns of an ``output_size``."""
    # An array of two has an index, too.
    one = isinstance(size, SupportsIndex) and not getattr(size, "shape", ())
    return pair("output_size", (size, size) if one else size)
