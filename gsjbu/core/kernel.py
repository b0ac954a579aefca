"""The result of a fit: one Gaussian per LR pixel over one guide, frozen, ready to mix any signal."""

from __future__ import annotations

import json
import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from gsjbu.core import blend as blends
from gsjbu.core import blur as blurs
from gsjbu.core import clipping, compiler, denoising, files, gaps, outliers, parameters, shift
from gsjbu.core.backends import dispatch
from gsjbu.core.backends.dispatch import wants_gradient
from gsjbu.core.blend import Blend, Means
from gsjbu.core.corners import beside_corners, corner_centres, off_corners
from gsjbu.core.eager import eager
from gsjbu.core.gaussians import Gaussians
from gsjbu.core.grid import Grid
from gsjbu.core.plain import (
    as_tensor,
    calculable,
    is_batched,
    is_beside,
    is_followed,
    is_transformed,
    plain,
    untransformed,
    why_unreadable,
    write_into,
)
from gsjbu.core.precision import in_float32
from gsjbu.core.refinement import stage
from gsjbu.core.refinement.recipe import Refinement, log_odds
from gsjbu.core.threads import check_threads, torch_threads
from gsjbu.core.window import Window, pixel, window_at
from gsjbu.errors import ShapeError, SignalError, SignalWarning

FORMAT = "gsjbu-kernel-1"
#: float32 rounds a signal to no more than this part of its range, or it is said.
FEWEST_DIGITS = 1e-3


dispatch.warm_up.tasks.append(stage.compile_all)


@dataclass(frozen=True, eq=False)
class Kernel:
    """Made by ``gsjbu.fit`` or ``gsjbu.load``; never changes.

    ``losses[k]`` is the objective before step k; an empty list means that no step was taken. ``backend`` is ``fused``
    or ``attention`` and ``backend_reason`` says why the other one declined.
    """

    gaussians: Gaussians
    losses: Sequence[float] = field(default_factory=list, repr=False)
    objective: str = "rgb"
    backend: str = "fused"
    backend_reason: str = ""
    device: str = "cpu"
    threads: int | None = None
    # Further members of the mixture, and back-projection; None: these Gaussians alone.
    blend: Blend | None = None
    lr_image: str = "area"  # how the guide's LR pixels were sampled: bilinear or area
    refinement: Refinement | None = None  # what follows mixing; None: nothing
    # Pixels (right, down) by which the signal lies off the image: the guide is the image moved as far, and what is
    # rendered is moved back.
    offset: tuple[int, int] = (0, 0)
    # The blur that the signal was put through on its grid (blur.py), undone before mixing.
    blur: str | None = None
    # The signal had outliers (outliers.py), which are taken out before all else.
    outliers: bool = False
    # The signal's cells had noise, which is taken off before that, in this way (denoising.WAYS).
    denoised: str | None = None
    # The signal was sampled with align_corners: the guide is stretched to where it lies, and what is rendered back.
    corners: bool = False
    notes: tuple[str, ...] = ()  # sentences on what ``auto`` found and did, and on wide cells

    @property
    def is_pure(self) -> bool:
        """True if every output value is a convex combination of LR values."""
        before, parts = (self.blur, self.denoised, self.outliers), (self.blend, self.refinement)
        return not any(before) and all(part is None or part.is_pure for part in parts)

    @property
    def is_joint(self) -> bool:
        """True if a signal's channels must be rendered together, as what follows mixing weighs them up."""
        return self.refinement is not None and self.refinement.is_joint

    def is_joint_for(self, signal: Tensor, mask: Tensor | None = None) -> bool:
        """True if the channels of ``signal`` [C, h, w] must be rendered together, held in their range: shares of a
        whole are then made to sum to 1 again."""
        return self.is_joint or (not self.is_pure and clipping.is_whole(signal, mask))

    @property
    def reach(self) -> int:
        """LR pixels from its own that a pixel of the mixture may take from, back-projection left out."""
        by_plain = 0 if self.blend is None or not self.blend.plain_share else blends.REACH[self.blend.plain]
        g, (across, down) = self.grid, self.offset
        off = max(math.ceil(abs(across) / g.step_x), math.ceil(abs(down) / g.step_y), int(self.corners))
        return max(self.radius, by_plain) + off

    @property
    def fits(self) -> list[int]:
        """How many steps each fit took whose losses ``losses`` joins: one, or with ``auto`` up to two; or none."""
        second = 0 if self.blend is None else min(self.blend.second_steps, len(self.losses))
        return [steps for steps in (len(self.losses) - second, second) if steps]

    @property
    def guide(self) -> Tensor:
        """[G, H, W] float32: the image that the weights follow, moved by ``offset`` or stretched for ``corners``."""
        return self.gaussians.guide

    @property
    def lr_guide(self) -> Tensor:
        """[G, h, w] float32: the guide's value of each LR pixel, sampled as ``lr_image`` says."""
        return self.gaussians.lr_guide

    @property
    def seen(self) -> Tensor | None:
        """bool [H, W]: False where the guide is masked, and the mix is by place alone; None: nowhere."""
        return self.gaussians.seen

    @property
    def grid(self) -> Grid:
        """The LR grid over the guide."""
        return self.gaussians.grid

    @property
    def radius(self) -> int:
        """Reach of the window, in LR pixels."""
        return self.gaussians.radius

    @property
    def raw(self) -> Tensor:
        """[4, h, w] float32: what the fit moved; see parameters.py."""
        return self.gaussians.raw

    @cached_property
    def _means(self) -> Means | None:
        """Cell means of what this kernel with a blend makes of an LR signal, where its recipe asks for them."""
        if self.blend is None or not self.blend.passes:
            return None
        # Kept, also for a render that wants gradients.
        with untransformed(), torch.inference_mode(False), torch.no_grad():
            if self.seen is None and self.blend.within(self.radius) and dispatch.is_compiled(self.backend):
                mixed = blends.members(self.blend, self.gaussians)
                return Means(dispatch.mean_weights(self.gaussians, mixed, self.threads), self.radius)
            return Means.of(self.blend, self.gaussians, self._mix(self.threads))

    def _mix(self, threads: int | None) -> partial[Tensor]:
        """Mixing by one set of Gaussians, on this kernel's backend."""
        return partial(dispatch.render, backend=self.backend, device=self.device, threads=threads)

    @cached_property
    def _parameters(self) -> parameters.Parameters:
        with untransformed(), torch.inference_mode(False):
            return parameters.from_raw(self.raw, parameters.highest(self.grid))

    @property
    def sigma_x(self) -> Tensor:
        """[h, w] float32, 1…64 HR pixels, or a stride: spread along the Gaussian's first axis."""
        return self._parameters.sigma_x

    @property
    def sigma_y(self) -> Tensor:
        """[h, w] float32, 1…64 HR pixels, or a stride: spread along its second axis."""
        return self._parameters.sigma_y

    @property
    def theta(self) -> Tensor:
        """[h, w] float32, −π…π radians: the first axis, from the image's x axis towards its y axis."""
        return self._parameters.theta

    @property
    def sigma_r(self) -> Tensor:
        """[h, w] float32, 0.01…1: tolerance in guide values."""
        return self._parameters.sigma_r

    @eager
    def render(
        self,
        signal: Tensor | np.ndarray,
        out: np.ndarray | None = None,
        threads: int | None = None,
        mask: Tensor | np.ndarray | None = None,
        clip: bool = False,
    ) -> Tensor:
        """Mix an LR signal: ``[C, h, w]`` or ``[B, C, h, w]`` → ``[C, H, W]`` or ``[B, C, H, W]``, float32;
        float64 where a float64 signal asks for a gradient.

        Every output value is a convex combination of LR values, unless ``is_pure`` is False: then ``clip`` holds it in
        the range of the values in its window. ``out``: an array to write into, of any float type, a memory-mapped .npy
        included; it is filled in bands of rows (with a blend, in blocks of channels), so it may be larger than memory.
        ``mask`` (bool [h, w]): the LR pixels that have a value; the others take no part in the mix, and a pixel with no
        other in its window is NaN (see gaps.py). A masked array says it itself.
        A refinement follows where the signal is of its kind; cells that hold the mean of all others are then taken for
        such without a value, and the result is in memory as a whole. Noise (``denoised``) and a ``blur`` are taken off
        before. None of these has a gradient: where ``signal`` asks for one the result is the mixture, through which
        gradients flow. Raises ShapeError if the sizes do not fit, SignalError for numbers beyond float32's range, and
        NaN and infinity that no mask leaves out; where float32 has too few digits, a SignalWarning says so.
        """
        if is_beside(signal):
            with untransformed():
                return self.render(signal, out, threads, mask, clip)
        signal, known = gaps.parted(signal)
        signal = as_tensor(signal)
        size = (self.grid.height, self.grid.width)
        self._check(signal, out, clip)
        mask = gaps.both(gaps.checked_mask(mask, self.grid.rows, self.grid.cols), known)
        check_threads(threads)
        _check_finite(signal, mask)
        learnt, wide = wants_gradient(signal), signal.dtype == torch.float64
        if not learnt:
            signal = calculable(signal.to("cpu"))  # as the result; it is looked at in float64, which mps has not
            _check_digits(signal)
        signal = signal if wide else signal.to(torch.float32)
        refinement = None if learnt else self._refinement_of(signal)
        if mask is None and signal.ndim == 3 and not learnt and (refinement or self.objective == "auto"):
            mask = gaps.without_stand_ins(signal)
        whole = mask is None or bool(mask.all())
        if self.outliers and not learnt:
            signal = outliers.without(signal, self.lr_guide, mask)
        if self.denoised is not None and not learnt:
            signal = denoising.without_noise(signal, self.denoised, mask)
        if self.blur is not None and whole and not learnt:
            signal = blurs.undone(signal, self.blur, refinement is not None and refinement.in_unit)
        odds = refinement is not None and refinement.odds
        flat = (log_odds(signal) if odds else signal).reshape(-1, *signal.shape[-2:])
        target = None if out is None else out.reshape(-1, *size)
        direct = whole and refinement is None and not any(self.offset) and not self.corners
        direct = direct and target is not None and _is_torchs(target)
        threads = self.threads if threads is None else threads
        with in_float32(flat.device.type):  # weights and sums need float32
            if mask is None or whole:
                sharp = blends.sharpened(self.blend, self._means, flat)
                mixed = self._mixed(sharp, target if direct else None, threads)
            else:
                mixed = self._mixed_from(flat, mask, threads)
            mixed = self._finished(mixed, signal, refinement, mask, clip, threads)
            # Where it is not in there already, it is in memory as a whole.
            if target is not None and not (direct and _lies_in(mixed, target)):
                write_into(target, mixed)
        if out is not None and target is not None and not np.may_share_memory(out, target):
            out[...] = target.reshape(out.shape)  # its batch and channels could not be joined without a copy
        return mixed.reshape(*signal.shape[:-2], *size)

    def _finished(
        self,
        mixed: Tensor,  # [B·C, H, W]
        signal: Tensor,  # [..., C, h, w]
        refinement: Refinement | None,
        mask: Tensor | None,
        clip: bool,
        threads: int | None,
    ) -> Tensor:
        """What follows mixing, and the way back to where the image lies."""
        odds = refinement is not None and refinement.odds
        if refinement is not None:
            was_mixed = log_odds(signal) if odds else signal
            mixed = self._refined(mixed, was_mixed, refinement, mask, threads)
        if odds:
            mixed = mixed.sigmoid()
        # Of several classes each pixel may be surer than any cell: the refinement shares it out anew.
        if clip and not self.is_pure and (odds or refinement is None or not refinement.in_unit):
            flat, channels = signal.reshape(-1, *signal.shape[-2:]), signal.shape[-3]
            mixed = clipping.clip_(mixed, flat, self.grid, self.radius, mask)
            pairs = zip(mixed.split(channels), flat.detach().split(channels), strict=True)
            parts = [clipping.whole_(high) if clipping.is_whole(low, mask) else high for high, low in pairs]
            mixed = torch.cat(parts) if is_followed(mixed) else mixed
        mixed = shift.moved(mixed, -self.offset[0], -self.offset[1])
        return off_corners(mixed, self.grid) if self.corners else mixed

    def _check(self, signal: Tensor, out: np.ndarray | None, clip: bool) -> None:
        grid = self.grid
        if (why := why_unreadable(signal)) and not is_transformed(signal):
            raise ShapeError(f"The signal {why}.")
        if clip and not self.is_pure and is_batched(signal):
            raise ShapeError("clip=True looks at the values, which torch.func.vmap hides; give a batch [B, C, h, w].")
        if signal.ndim not in (3, 4) or signal.shape[-3] == 0 or tuple(signal.shape[-2:]) != (grid.rows, grid.cols):
            raise ShapeError(
                f"The signal is {list(signal.shape)}; it must be [C, {grid.rows}, {grid.cols}] "
                f"or [B, C, {grid.rows}, {grid.cols}]."
            )
        if out is not None:
            _check_out(out, (*signal.shape[:-2], grid.height, grid.width))

    def _mixed(self, sharp: Tensor, out: np.ndarray | None, threads: int | None) -> Tensor:
        """``sharp`` [C, h, w] (see ``blend.sharpened``) by these Gaussians alone, or by the blend."""
        if self.blend is None:
            return self._mix(threads)(self.gaussians, sharp, out=out)
        if self.blend.within(self.radius) and dispatch.is_compiled(self.backend, sharp):
            members = blends.members(self.blend, self.gaussians)
            return self._mix(threads)(self.gaussians, sharp, out=out, members=members)
        return blends.render(self.blend, self.gaussians, sharp, out, self._mix(threads))

    def _mixed_from(self, signal: Tensor, mask: Tensor, threads: int | None) -> Tensor:
        """``signal`` [C, h, w] from the LR pixels alone that have a value, [C, H, W]."""
        kernel, blend = self, self.blend
        if blend is not None and not blend.is_pure:
            kernel = replace(self, blend=_among_gaps(blend))
            if kernel._means is not None:
                signal = gaps.back_projected(signal, mask, kernel._means, blend.passes)
        mixed = gaps.leaving_out(lambda v: kernel._mixed(v, None, threads), mask)(signal)
        unknown = mixed.isnan()
        if not bool((unknown.any(dim=0).cpu() & clipping.within_reach(mask, self.grid, self.radius)).any()):
            return mixed
        # An interpolation reaches the next cells alone, and a colour may be that of cells without a value: there the
        # window has the word, by place as well.
        around = replace(self, gaussians=self.gaussians.by_place(), blend=None)
        filled = gaps.leaving_out(lambda v: around._mixed(v, None, threads), mask)(signal)
        return torch.where(unknown, filled.to(mixed), mixed)

    def _refinement_of(self, signal: Tensor) -> Refinement | None:
        """What follows mixing ``signal`` [..., C, h, w]: the refinement, if every one of the batch is of its kind."""
        if self.refinement is None:
            return None
        each = signal.reshape(-1, *signal.shape[-3:])
        return self.refinement if all(self.refinement.suits(one) for one in each) else None

    def _refined(
        self, mixed: Tensor, signal: Tensor, refinement: Refinement, mask: Tensor | None, threads: int | None
    ) -> Tensor:
        """Each of the batch's mixtures refined by itself; all of them flat, [B·C, H, W]."""
        compiled = compiler.unavailable_reason() is None and dispatch.warm_up.is_near()
        pairs = zip(mixed.split(signal.shape[-3]), signal.reshape(-1, *signal.shape[-3:]), strict=True)
        with torch_threads(None if compiled else dispatch.beside(threads)):
            parts = [
                stage.refined(mix, one, self.guide, self.grid, refinement, threads, mask, compiled)
                for mix, one in pairs
            ]
        refined = parts[0] if len(parts) == 1 else torch.cat(parts)
        return refined if self.seen is None else torch.where(self.seen, refined, mixed.to(refined))

    def weights_at(self, x: int, y: int, mask: Tensor | None = None) -> Window:
        """The window of HR pixel ``(x, y)``: its LR pixels and their weights. Raises ShapeError outside the image.

        With a blend the weights are those of the whole mixture (some may be negative), after a blur is undone and
        before back-projection and refinement; ``spatial`` and ``range`` remain those of the fitted Gaussians.
        ``mask``: as :meth:`render` takes it; LR pixels without a value have no weight, and all are NaN where no other
        is in reach.
        """
        x, y = at = pixel(x, y)
        if 0 <= x < self.grid.width and 0 <= y < self.grid.height:  # it says so itself of others
            at = self._on_guide(x, y)
        mask = gaps.checked_mask(mask, self.grid.rows, self.grid.cols)
        if mask is None or bool(mask.all()):
            window = window_at(self.gaussians, self.blend, *at)
        else:
            window = self._window_from(mask.numpy(), *at)
        return replace(window, x=x, y=y)

    def _window_from(self, known: np.ndarray, x: int, y: int) -> Window:
        """The window of the guide's pixel (x, y) as :meth:`_mixed_from` mixes; ``known``: bool [h, w]."""
        window = window_at(self.gaussians, _among_gaps(self.blend), x, y)
        mixed = window.among(known)
        if mixed is not None:
            return mixed
        own = window_at(self.gaussians, None, x, y)
        filled = window_at(self.gaussians.by_place(), None, x, y).among(known)
        weights = np.full_like(own.weights, np.nan) if filled is None else filled.weights
        return replace(own, weights=weights)

    def _on_guide(self, x: int, y: int) -> tuple[int, int]:
        """Where on the guide, which was moved or stretched, the image's pixel (x, y) is."""
        g, (across, down) = self.grid, self.offset
        if self.corners:
            return int(beside_corners(g.width, g.cols)[x]), int(beside_corners(g.height, g.rows)[y])
        return min(max(x + across, 0), g.width - 1), min(max(y + down, 0), g.height - 1)

    def centres(self) -> tuple[np.ndarray, np.ndarray]:
        """Where on the image the LR pixels have their centres, float64: x of each column [w], y of each row [h]."""
        ys, xs = (
            corner_centres(pixels, cells) if self.corners else (np.arange(cells) + 0.5) * step - off
            for (pixels, cells, step), off in zip(self.grid.axes, reversed(self.offset), strict=True)
        )  # fmt: skip
        return xs, ys

    def save(self, path: str | Path) -> None:
        """Write to a safetensors file: guide, raw values, losses and how they came about. Raises OSError.

        Its folder is made where there is none; a file that was there stays until the new one is whole.
        """
        data = self.to_bytes()
        # Not save_file: it hides a full disk in an error of its own, and lets nobody else read the file.
        files.replace(Path(path), lambda part: part.write_bytes(data))

    @eager
    def to_onnx(self, path: str | Path) -> None:
        """Write the render as an ONNX file: ``signal`` [C, h, w], of any C, → ``upsampled`` [C, H, W].

        It mixes as :meth:`render` does; a refinement is left out, with a SignalWarning. The file's folder is made where
        there is none. Needs the extra ``onnx``; raises GsjbuError with a sentence where it is not installed.
        """
        from gsjbu.core.onnx_file import write_kernel  # whoever exports nothing needs none of it

        write_kernel(self, path)

    @eager
    def to_bytes(self) -> bytes:
        """What ``save`` writes."""
        from safetensors.torch import save

        g = self.grid
        notes = {
            "format": FORMAT, "step": [g.step_y, g.step_x], "radius": self.radius, "objective": self.objective,
            "backend": self.backend, "backend_reason": self.backend_reason, "device": self.device,
            "blend": None if self.blend is None else self.blend.as_dict(), "notes": list(self.notes),
            "lr_image": self.lr_image, "offset": list(self.offset), "blur": self.blur, "corners": self.corners,
            "outliers": self.outliers, "denoised": self.denoised,
            "refinement": None if self.refinement is None else self.refinement.as_dict(),
        }  # fmt: skip
        tensors = {
            "guide": self.guide.contiguous(),
            "raw": self.raw.contiguous(),
            "losses": torch.tensor(list(self.losses), dtype=torch.float64),
        }
        if self.seen is not None:
            tensors["seen"] = self.seen.contiguous()
        if self.blend is not None and self.blend.second is not None:
            tensors["second"] = self.blend.second.contiguous()
        return save(tensors, metadata={"gsjbu": json.dumps(notes)})


def _is_torchs(array: np.ndarray) -> bool:
    """Whether torch has tensors of such an array, in its memory."""
    size, known = array.itemsize, array.dtype in (np.float16, np.float32, np.float64)
    return known and array.dtype.isnative and all(step >= 0 and step % size == 0 for step in array.strides)


def _lies_in(x: Tensor, array: np.ndarray) -> bool:
    return not is_followed(x) and x.data_ptr() == array.ctypes.data


def _among_gaps(blend: Blend | None) -> Blend | None:
    """What is mixed among cells without a value, where weights must be of one sign."""
    return blend if blend is None or blend.is_pure else replace(blend, plain="bilinear")


def _check_finite(signal: Tensor, mask: Tensor | None) -> None:
    """Refuse NaN and infinity [..., h, w] that ``mask`` [h, w] does not leave out."""
    if not (signal.is_floating_point() and signal.numel()) or is_batched(signal):
        return
    values = calculable(plain(signal))
    if bool(values.sum(dtype=torch.float32).isfinite()):  # one way through, and nothing made of it
        return
    wrong = ~values.isfinite().reshape(-1, *values.shape[-2:]).all(dim=0).cpu()
    if bool((wrong if mask is None else wrong & mask).any()):
        raise SignalError(
            "signal_not_finite",
            "The signal has NaN or infinite values, which would spread over every window with one of them: mask says "
            "which LR pixels have a value, and gsjbu.upsample takes them for gaps.",
        )


def _check_digits(signal: Tensor) -> None:
    """Refuse numbers beyond float32's range; warn where it has too few digits for what differs among them."""
    if signal.dtype.itemsize <= 2 or signal.dtype == torch.float32 or is_transformed(signal):
        return
    known = signal[signal.isfinite()].double()
    if not known.numel():
        return
    low, high = (float(v) for v in known.aminmax())
    top = max(-low, high)
    if top > torch.finfo(torch.float32).max:
        raise SignalError(
            "signal_range",
            f"The signal's largest value is {top:.3g}, beyond float32, in which it is mixed; give it in another unit.",
        )
    if top * torch.finfo(torch.float32).eps > FEWEST_DIGITS * (high - low) > 0:
        warnings.warn(
            f"The signal lies between {low:.10g} and {high:.10g}, and is mixed in float32, which has too few digits "
            "for what is between: take its mean off before and add it after, or gsjbu.upsample, which does.",
            SignalWarning,
            stacklevel=4,  # of the caller, beyond eager()
        )


def _check_out(out: object, size: tuple[int, ...]) -> None:
    """Refuse what a result of ``size`` cannot be written into."""
    right = f"it must be a writable array of floats, {list(size)}."
    if isinstance(out, Tensor):
        raise ShapeError("out is a tensor; give out.numpy(), which shares the memory of one on the CPU.")
    if not isinstance(out, np.ndarray):
        raise ShapeError(f"out is a {type(out).__name__}; {right}")
    if out.shape != size:
        raise ShapeError(f"out is {list(out.shape)}; it must be {list(size)}.")
    if out.dtype.kind != "f":
        raise ShapeError(f"out is of {out.dtype}; {right}")
    if not out.flags.writeable:
        raise ShapeError(f"out is read-only; {right}")
