"""Where each frame's signal comes from, and how it is put into three colours that mean the same in every frame."""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gsjbu.cli import options
from gsjbu.core.grid import size_text
from gsjbu.errors import GsjbuError
from gsjbu.io.signals import CLASS_KINDS, Signal, understand

RGB, FEATURES = "rgb", "features"


class FrameSignals:
    """The signals of a film: its own colours, backbone features, or files in a folder, one a frame."""

    def __init__(self, args: argparse.Namespace, frames: int) -> None:
        self.args = args
        self._basis: Any = None
        self._files = [] if args.signal in (RGB, FEATURES) else _files(Path(args.signal))
        self._next = 0
        self._words = options.signal_words(args)
        if self._files:
            _check_count(self._files, args, frames)
        self.codes, self.range = self._of_all()

    def of(self, kernel: Any) -> Signal:
        """The signal of the next frame, on the kernel's grid."""
        everywhere = torch.ones(kernel.grid.rows, kernel.grid.cols, dtype=torch.bool)
        if self.args.signal == RGB:
            return Signal(kernel.lr_guide, everywhere, "features")
        if self.args.signal == FEATURES:
            from gsjbu.core import devices
            from gsjbu.models import features

            device = devices.resolve(self.args.device)
            found = features.extract(kernel.guide, kernel.grid, self.args.backbone, device, self.args.seed)
            return Signal(found.values, everywhere, "features")
        path, self._next = self._files[self._next], self._next + 1
        size = kernel.grid.height, kernel.grid.width
        signal = understand(path, size, **self._words)
        if signal.shape[1:] != (kernel.grid.rows, kernel.grid.cols):
            raise GsjbuError(
                "signal_shape",
                f"{path.name} is {size_text(*signal.shape[1:])}, and at --stride {self.args.stride} the film's grid is "
                f"{size_text(kernel.grid.rows, kernel.grid.cols)}.",
            )
        return signal.over(self.codes) if signal.kind == "labels" else signal

    def colours(self, signal: Signal) -> Tensor:
        """``[C, h, w]`` → ``[3, h, w]`` in [0, 1], before the render: mixing keeps them in range."""
        from gsjbu.io import colours
        from gsjbu.models.pca import pca3

        if self.args.signal == RGB:
            return signal.values
        if signal.kind in CLASS_KINDS and signal.shape[0] > 1:  # a class has its colour in every frame
            palette = torch.from_numpy(colours.palette(signal.shape[0]).astype(np.float32) / 255)
            return torch.einsum("chw,ck->khw", signal.values, palette)
        if signal.shape[0] == 1:
            low, high = self.range
            values = (signal.real(signal.values.numpy()) - low) / (high - low or 1.0)
            return torch.from_numpy(values.astype(np.float32)).clamp(0, 1).expand(3, -1, -1).contiguous()
        if self._basis is None:  # the first frame's colours hold for the whole film
            self._basis = pca3(signal.values)
        return self._basis.colours(self._basis.apply(signal.values))

    def _of_all(self) -> tuple[tuple[int, ...], tuple[float, float]]:
        """The classes, and the least and greatest value, of all files: they must mean the same in every frame."""
        codes: set[int] = set()
        low, high = float("inf"), float("-inf")
        for path in self._files:
            signal = understand(path, **self._words)
            codes |= set(signal.codes)
            if signal.shape[0] == 1:
                values = signal.real(signal.values.numpy())
                low, high = min(low, float(values.min())), max(high, float(values.max()))
        return tuple(sorted(codes)), (low, high) if low <= high else (0.0, 1.0)


def _files(folder: Path) -> list[Path]:
    from gsjbu.io.readers import ENDINGS

    if not folder.is_dir():
        raise GsjbuError("signal_missing", f"--signal {folder}: give rgb, features, or a folder of signals.")
    found = [path for path in folder.iterdir() if path.suffix.lower() in ENDINGS]
    if not found:
        raise GsjbuError(
            "signal_missing", f"{folder} holds no signal; one a frame is needed ({', '.join(ENDINGS)})."
        )
    return sorted(found, key=_natural)


def _natural(path: Path) -> list[tuple[int, str]]:
    """2 before 10."""
    parts = re.split(r"(\d+)", path.name)
    return [(int(part), "") if part.isdigit() else (-1, part) for part in parts]


def _check_count(files: list[Path], args: argparse.Namespace, frames: int) -> None:
    """Compare before the first frame, not after the last; surplus signals are told of."""
    wanted = min(frames or args.frames or 0, args.frames or frames or 0)
    if not wanted:
        return
    if len(files) < wanted:
        raise GsjbuError(
            "signal_missing",
            f"{args.signal} has fewer signals than the film has frames: {len(files)} and {wanted}; --frames "
            f"{len(files)} takes as many as there are.",
        )
    if len(files) > wanted:
        used = f"{wanted} {'is' if wanted == 1 else 'are'} used"
        options.say(args, [f"{args.signal} has {len(files)} signals and {used}; {files[wanted].name} and what follows "
                           "is left."])  # fmt: skip
