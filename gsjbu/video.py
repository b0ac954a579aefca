"""Video: one kernel per frame, each fit started from the frame before.

A cold fit lands a little elsewhere for each frame, which shows as flicker. Started from the frame before, a few small
steps are enough, and what did not change in the picture does not change in the kernel. They look at all pixels: a
part of them, chosen anew at each step, would flicker too. Gaussians stay with their cells of the grid: where the whole
picture moves over it, as in a pan, nothing is gained, and cold fits may flicker less. A cut is noticed by the loss it
starts with, and then the fit is cold once more.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from torch import Tensor

from gsjbu.core.gaps import fill
from gsjbu.core.kernel import Kernel
from gsjbu.errors import ImageError
from gsjbu.io import masks
from gsjbu.io.compared import mean as mean_of
from gsjbu.io.compared import two_pictures
from gsjbu.io.guides import OVERSHOOT, Guide, Numbers, of_grey, to_guide
from gsjbu.io.pictures import to_image
from gsjbu.io.stretching import Stretch
from gsjbu.settings import WARM_ITERS, default
from gsjbu.verbs import fit

OF_IMAGE = ("mean", "std", "guide_mask", "stretch")  # options of fit on the image itself
WARM_OPTIMISER = "adam"
# Adam's first steps are as long as its rate whatever the gradient: at the cold fit's 0.1 they would shake kernels
# that are already right. 0.02 measured best between following motion and standing still.
WARM_RATE = 0.02
CUT = 1.5  # a frame whose starting loss is this many times the last one's is another scene


def kernels(
    frames: Iterable[Tensor],
    iters: int = WARM_ITERS,
    first_iters: int = default("iters"),
    rate: float = WARM_RATE,
    **options: Any,
) -> Iterator[Kernel]:
    """A fitted kernel per frame ``[3, H, W]`` of one size, in order; ``options`` are those of :func:`gsjbu.fit`.

    The objective is ``rgb``: it is the one that is there for every frame, and gives the picture back. Depth or labels
    of one's own are upsampled better frame by frame, by :func:`gsjbu.upsample`; ``lr_size`` is the grid of such a
    signal. All frames have one scale, so a dark one is not stretched by itself: they are whole numbers or floats in
    [0, 1], or ``mean`` and ``std``, or ``stretch``, say theirs.

    Raises ImageError where a frame's floats lie beyond.

    Example:
        >>> import torch
        >>> still = torch.rand(3, 32, 48)
        >>> [len(kernel.losses) for kernel in kernels([still, still, still], first_iters=20, stride=8)]
        [20, 8, 8]
    """
    before: Kernel | None = None
    of_image = {name: options.pop(name) for name in OF_IMAGE if name in options}
    for frame in frames:
        kernel, guide = None, as_it_is(frame, **of_image)
        if before is not None and before.guide.shape == guide.pixels.shape:
            kernel = _warm(guide, before, iters, rate, options)
        if kernel is None:
            kernel = fit(guide, iters=first_iters, **options)
        yield kernel
        before = kernel


def as_it_is(
    frame: Tensor,
    mean: Numbers | None = None,
    std: Numbers | None = None,
    guide_mask: Any = None,
    stretch: Stretch | None = None,
) -> Guide:
    """A frame as a guide: its levels are the film's, however few of them it has. The words are those of ``fit``.

    Raises ImageError where it lies beyond [0, 1] by more than resizing overshoots, and no word says its scale.
    """
    if mean is not None or std is not None or stretch is not None:
        return to_guide(frame, mean, std, guide_mask, stretch)
    pixels = of_grey(to_image(frame))
    low, high = (float(v) for v in pixels.aminmax())
    if low < -OVERSHOOT or high > 1 + OVERSHOOT:
        raise ImageError(
            "image_range",
            f"A frame's values run from {low:.3g} to {high:.3g}, and a film has one scale: give whole numbers of 8 or "
            "16 bits, floats in [0, 1], or the mean= and std= that frames were normalised by.",
        )
    seen = masks.seen_of(guide_mask, None, (pixels.shape[1], pixels.shape[2]))
    return Guide(pixels if seen is None else fill(pixels, seen), masks.note(seen), seen)


def _warm(guide: Guide, before: Kernel, iters: int, rate: float, options: dict[str, Any]) -> Kernel | None:
    """The fit that goes on from ``before``, or None if this frame is another scene."""
    last = before.losses[-1] if before.losses else math.inf
    cut = False

    def watch(step: int, loss: float) -> bool:
        nonlocal cut
        cut = step == 0 and loss > CUT * last
        return not cut

    options = options | {"optimiser": WARM_OPTIMISER, "rate": rate}
    kernel = fit(guide, iters=iters, init=before, progress=watch, **options)
    return None if cut else kernel


@dataclass
class TemporalMetrics:
    """PSNR and flicker of a run of frames against their references, gathered frame by frame.

    Flicker is the mean change of the error from frame to frame, in grey levels of 255: an error that stands still
    does not flicker, one that comes and goes does. Lower is better.
    """

    squares: list[float] = field(default_factory=list)
    changes: list[float] = field(default_factory=list)
    _before: np.ndarray | None = None

    def add(self, shown: Any, reference: Any) -> None:
        """One frame as it is shown, and as it should be: pictures as :func:`gsjbu.metrics.psnr` takes them."""
        frame, right = two_pictures(shown, reference)
        error = frame - right
        self.squares.append(mean_of(np.square(error)))
        if self._before is not None and self._before.shape == error.shape:
            self.changes.append(mean_of(np.abs(error - self._before)))
        self._before = error

    @property
    def psnr(self) -> float:
        """Mean over the frames, dB; higher is better. NaN before there is one."""
        if not self.squares:
            return math.nan
        return float(np.mean([-10 * math.log10(max(square, 1e-12)) for square in self.squares]))

    @property
    def flicker(self) -> float:
        """Grey levels of 255; lower is better. 0 of one frame, NaN of none."""
        if not self.squares:
            return math.nan
        return 255 * float(np.mean(self.changes)) if self.changes else 0.0
