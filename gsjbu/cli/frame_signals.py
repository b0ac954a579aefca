"""Each frame's signal, the kernel that goes with it, and its three colours, which mean the same in every frame."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import partial
from itertools import chain, tee
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from gsjbu import verbs
from gsjbu.cli import options, series
from gsjbu.cli.glances import Glance, are_of_one_grid, of_one_kind
from gsjbu.core.grid import size_text
from gsjbu.core.kernel import Kernel
from gsjbu.errors import GsjbuError
from gsjbu.io import aspects
from gsjbu.io.aspects import Size
from gsjbu.io.kinds import CLASS_KINDS, Kind
from gsjbu.io.restoring import filled
from gsjbu.io.signals import Signal, understand
from gsjbu.settings import default

if TYPE_CHECKING:
    from gsjbu.io.films import Reader

RGB, FEATURES = "rgb", "features"  # words of --signal


class FrameSignals:
    """The signals of a film: its own colours, backbone features, or files in a folder, one a frame.

    frames: how many of them there are, as they are decoded. film: says how its frames are turned. ``laid``: the grid,
    as ``fit`` takes it.
    """

    def __init__(self, args: argparse.Namespace, frames: int, film: Reader | None = None) -> None:
        self.args = args
        self.laid: dict[str, Any] = {"stride": default("stride") if args.stride is None else args.stride}
        self.notes: list[str] = []  # which file is which frame's, where a person may know better
        self._film = film
        self._basis: Any = None
        self._files = [] if args.signal in (RGB, FEATURES) else series.files(Path(args.signal))
        self._next = 0
        self._words = options.signal_words(args)
        self._as_they_are = args.stride is not None  # not brought back to the cells that they were enlarged from
        self._kinds: dict[Path, Kind] = {}  # of the files that alone would be taken for something else
        self.kind, self.sentence = "features", ""
        if not self._files and args.objective not in ("suited", "rgb"):
            raise GsjbuError(
                "setting_invalid",
                f"--objective {args.objective} is for a signal of one's own (--signal FOLDER); with --signal "
                f"{args.signal} fits give the picture back (rgb).",
            )
        if not self._files:
            options.refuse_signal_words(args, f"the signal is {args.signal}")
            if args.entry:
                raise GsjbuError(
                    "setting_invalid", f"--entry has no part where the signal is {args.signal}; leave it out."
                )
        own = args.objective if args.objective != "suited" else "auto"
        self.objective = own if self._files else "rgb"
        if self._files:
            self._say([*series.check(self._files, frames), *_left(self._files, args, frames)])
        self.codes, self.range = self._of_all()

    @property
    def by_itself(self) -> bool:
        """Whether each frame is fitted on its own signal; otherwise on its picture, from the frame before."""
        return self.objective != "rgb"

    def fitted(self, frames: Iterable[Tensor], fit: dict[str, Any]) -> Iterator[tuple[Kernel, Signal]]:
        """Each frame's kernel and signal; ``fit``: options of :func:`gsjbu.fit`, but for the grid's."""
        from gsjbu import video

        warm = fit | {"iters": self.args.warm_iters, "first_iters": self.args.iters}
        if not self._files:
            for kernel in video.kernels(frames, **warm, **self.laid):
                yield kernel, self._of(kernel)
            return
        both = ((frame, self._brought((frame.shape[-2], frame.shape[-1]))) for frame in frames)
        if self.by_itself:
            for frame, signal in both:
                kernel = verbs.fit(
                    video.as_it_is(frame), iters=self.args.iters, objective=self.objective, signal=signal.values,
                    kind=signal.kind, mask=signal.mask, **options.grid(self.args.stride, signal.shape), **fit,
                )  # fmt: skip
                yield kernel, signal
            return
        first = next(both, None)
        if first is not None:  # it says the grid of all: a fit starts from the frame before
            self.laid = options.grid(self.args.stride, first[1].shape)
            pictures, signals = _parted(chain([first], both))
            yield from zip(video.kernels(pictures, **warm, **self.laid), signals, strict=True)

    def _of(self, kernel: Kernel) -> Signal:
        """What the next frame itself gives, on the kernel's grid."""
        if self.args.signal == RGB:
            return Signal.of_features(kernel.lr_guide)
        from gsjbu.core import devices
        from gsjbu.models import features

        device = devices.resolve(self.args.device)
        found = features.extract(kernel.guide, kernel.grid, self.args.backbone, device, self.args.seed)
        if self._basis is None and self.args.backbone != "auto":  # the first frame's
            options.say(self.args, [f"Features: {found.status}"])
        return Signal.of_features(found.values)

    def _brought(self, size: Size) -> Signal:
        """The file of the next frame, whose height and width are ``size``."""
        path, self._next = self._files[self._next], self._next + 1
        try:
            signal = self._understood(path, size)
        except GsjbuError as error:
            raise self._if_turned(error, path, size) from error
        options.check_stride(self.args.stride, size, signal.shape)
        grid = self.laid.get("lr_size", signal.shape[1:])
        if signal.shape[1:] != grid:
            raise GsjbuError(
                "signal_shape",
                f"{path.name} is {size_text(*signal.shape[1:])}, and the film's first signal is {size_text(*grid)}; by "
                "--objective rgb all are of one size.",
            )
        if not self.sentence:  # the first file's holds for all: they are of one kind
            self.kind, self.sentence = signal.kind, f"Each frame: objective {self.objective}. {signal.note}"
            options.say(self.args, signal.doubts)
            self._say(self._turned)
        return signal.over(self.codes) if signal.kind == "labels" else signal

    def _say(self, notes: list[str]) -> None:
        self.notes += notes
        options.say(self.args, notes)

    @property
    def _turned(self) -> list[str]:
        """What a film says of how it is shown, which its files may not go by."""
        quarters = 0 if self._film is None else self._film.quarters
        if not quarters:
            return []
        by = ("", "90° counterclockwise", "180°", "90° clockwise")[quarters]
        return [f"The film is shown turned by {by}, and a signal is that of the frame as it is shown; "
                f"np.rot90(signal, {quarters}, (-2, -1)) turns that of an unturned one."]  # fmt: skip

    def _if_turned(self, error: GsjbuError, path: Path, size: Size) -> GsjbuError:
        """The refusal of a signal that would go with the frame if one of the two were turned: a film has no EXIF."""
        cells = self._understood(path).shape[1:] if error.code == "signal_aspect" else (1, 1)
        if cells[0] == cells[1] or not aspects.suits(cells[::-1], size):
            return error
        sideways = self._film is not None and self._film.quarters % 2
        why = " ".join(self._turned) if sideways else "The film's frames are not: it is transposed."
        return GsjbuError(error.code, f"{path.name}: {aspects.both(cells, size)}: it would fit turned by 90°. {why}")

    def shown(self, kernel: Kernel, signal: Signal, low: Tensor) -> Tensor:
        """[3, H, W] in [0, 1]: features' colours (``low``) rendered, other values rendered and then in colours, as what
        gives them back is not mixing alone."""
        if not self.by_itself or signal.kind == "features":
            return filled(kernel.render(low, mask=signal.mask, clip=True), low, kernel.grid)
        if signal.shared is not None:
            shared = signal.shared.reaching(kernel.reach)
            best = shared.strongest(partial(kernel.render, mask=signal.mask, clip=True), kernel.grid)
            return _palette(signal.classes)[best].permute(2, 0, 1)
        held = kernel.render(signal.values, mask=signal.mask, clip=True)
        high = filled(held, signal.values, kernel.grid)
        return self.colours(replace(signal, values=high)).clamp(0, 1)

    def colours(self, signal: Signal) -> Tensor:
        """``[C, h, w]`` → ``[3, h, w]`` in [0, 1]."""
        from gsjbu.models.pca import pca3

        if self.args.signal == RGB:
            return signal.values
        if signal.shared is not None:
            return _palette(signal.classes)[torch.from_numpy(signal.shared.places)].permute(2, 0, 1)
        if signal.kind in CLASS_KINDS and signal.shape[0] > 1:
            return torch.einsum("chw,ck->khw", signal.values, _palette(signal.shape[0]))
        if signal.shape[0] == 1:
            low, high = self.range
            values = (signal.real(signal.values.numpy()) - low) / (high - low or 1.0)
            return torch.from_numpy(values.astype(np.float32)).clamp(0, 1).expand(3, -1, -1).contiguous()
        if self._basis is None:  # the first frame's colours hold for the whole film
            self._basis = pca3(signal.values)
        return self._basis.colours(self._basis.apply(signal.values))

    def _understood(self, path: Path, size: Size | None = None) -> Signal:
        """One file, of the film's kind where that is decided. Errors name it."""
        kind = self._kinds.get(path)
        try:
            with options.entry_of_all("--entry"):
                signal = understand(
                    options.entry_in(path, self.args.entry), size, as_it_is=self._as_they_are,
                    **(self._words | {"kind": kind} if kind else self._words),
                )  # fmt: skip
        except GsjbuError as error:
            raise GsjbuError(error.code, f"{path.name}: {error.message}") from error
        return replace(signal, reason="as the film's other signals are") if kind else signal

    def _of_all(self) -> tuple[tuple[int, ...], tuple[float, float]]:
        """The classes, and the least and greatest value, of all files: they must mean the same in every frame."""
        found = {path: Glance.at(self._understood(path)) for path in self._files}
        if not are_of_one_grid(found.values(), whole=not self.by_itself):
            self._as_they_are = True
            found = {path: Glance.at(self._understood(path)) for path in self._files}
        self._kinds, said = of_one_kind(found)
        options.say(self.args, said)
        found |= {path: Glance.at(self._understood(path)) for path in self._kinds}
        codes = {code for one in found.values() for code in one.codes}
        ranges = [one.range for one in found.values() if one.channels == 1]
        low, high = zip(*ranges, strict=True) if ranges else ((0.0,), (1.0,))
        return tuple(sorted(codes)), (min(low), max(high))


def _palette(classes: int) -> Tensor:
    """[K, 3] in [0, 1]: the colours of classes, the same in every frame."""
    from gsjbu.io import colours

    return torch.from_numpy(colours.palette(classes).astype(np.float32) / 255)


def _parted(both: Iterable[tuple[Tensor, Signal]]) -> tuple[Iterator[Tensor], Iterator[Signal]]:
    """The frames, and the signals of those that were taken."""
    frames, signals = tee(both)
    return (frame for frame, _ in frames), (signal for _, signal in signals)


def _left(files: list[Path], args: argparse.Namespace, frames: int) -> list[str]:
    """Compare before the first frame, not after the last; what to say of surplus signals."""
    if len(files) < frames:
        raise GsjbuError(
            "signal_missing",
            f"{args.signal} has fewer signals than the film has frames: {len(files)} and {frames}; --frames "
            f"{len(files)} takes as many as there are.",
        )
    if not 0 < frames < len(files):
        return []
    used = f"{frames} {'is' if frames == 1 else 'are'} used"
    return [f"{args.signal} has {len(files)} signals and {used}; {files[frames].name} and what follows is left."]
