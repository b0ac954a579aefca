"""What a batch does with one image: decode, read its signal, fit, render, write.

Every way of running a batch – processes here, actors on a cluster – calls the same :class:`Worker`, one thread
each, so the results are the same bytes wherever they are made.
"""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from gsjbu.batch.config import BatchConfig, WriteFailed
from gsjbu.batch.items import Blob, Item
from gsjbu.batch.manifest import failed
from gsjbu.batch.signal_files import IMAGES, SIGNALS, mask_file
from gsjbu.core.backends.dispatch import warm_up
from gsjbu.core.kernel import Kernel
from gsjbu.errors import GsjbuError, ModelError, SignalError
from gsjbu.io import guides, readers, restoring, stretching
from gsjbu.io.arrays import SeveralArrays
from gsjbu.io.results import Result, shape_in_file
from gsjbu.io.signals import Signal, understand
from gsjbu.io.writers import is_there, result_dtype, result_path, write_kernel

Written = TypeVar("Written")

#: What a batch is asked for and hands on to fit; the grid is the signal's.
OF_EACH_FIT = ("iters", "radius", "objective", "optimiser", "lr_image", "device")
BLOCK_BYTES = 32 << 20  # of float32 output rendered, converted and written at a time


# What a result's own name can be refused for; anything else would refuse every further one.
ITS_NAME = (errno.ENAMETOOLONG, errno.EISDIR, errno.ENOTDIR, errno.ENOTEMPTY, errno.EILSEQ, errno.EINVAL)


class Worker:
    """Turns items into files under ``folder``; calling it returns the item's outcome, which is never an exception
    that one bad image caused."""

    def __init__(
        self, folder: str, asked: BatchConfig, alone: Callable[[], bool] = lambda: True, threads: int | None = 1
    ) -> None:
        if threads is not None:
            torch.set_num_threads(threads)  # the cores are used by working on as many images at once
        warm_up.patient = True  # all images by one backend
        self.folder, self.asked, self.alone = Path(folder), asked, alone
        self._buffer = np.empty(0, np.float32)

    def __call__(self, item: Item) -> dict[str, Any]:
        """``{"key", "status": "done"|"found"|"failed", …}``; raises WriteFailed where going on is pointless."""
        if item.refusal:
            return failed(item, "file_unreadable", item.refusal)
        started, busy = time.perf_counter(), time.process_time()
        path = result_path(self.folder, item.key, self.asked.form)
        outcome: dict[str, Any] = {
            "key": item.key,
            "status": "done",
            "output": path.relative_to(self.folder).as_posix(),
        }
        if is_there(path):  # by a worker that died before it could say so
            return outcome | {"status": "found"} | self.describe(item)
        try:
            outcome |= self._make(item, path)
        except WriteFailed:
            raise
        except GsjbuError as error:
            outcome = failed(item, error.code, error.message)
        except FileNotFoundError as error:
            outcome = failed(item, "file_unreadable", _missing(item, str(error.filename or "")))
        except OSError as error:
            name = Path(os.fsdecode(error.filename)).name if error.filename else item.image.name
            outcome = failed(item, "file_unreadable", f"{name} cannot be read: {error.strerror or error}.")
        except Exception as error:  # one image's surprise must not stop a night's run; it is reported as one
            outcome = failed(item, "unexpected", f"Unexpected {type(error).__name__}: {error}")
        spent = {"seconds": time.perf_counter() - started, "cpu_seconds": time.process_time() - busy}
        return outcome | {name: round(value, 4) for name, value in spent.items()} | {"worker": os.getpid()}

    def _make(self, item: Item, path: Path) -> dict[str, Any]:
        from gsjbu import fit

        asked = self.asked
        guide = self._guide(item)
        signal, grid = self._signal(item, guide.pixels)
        if asked.probabilities:
            restoring.check_shares(signal)
        kernel = fit(
            guide, **grid, **{name: getattr(asked, name) for name in OF_EACH_FIT}, signal=signal.values,
            kind=signal.kind, mask=signal.mask, threads=1,
        )  # fmt: skip
        shares = self._shares(signal)
        told: dict[str, Any] = {
            "signal": signal.note, "backend": kernel.backend, "notes": [*guide.notes, *signal.doubts],
            **restoring.facts(signal, shares),
        }  # fmt: skip
        if asked.form == "kernel":
            self._write(lambda: write_kernel(path, kernel, self.alone))
            return told
        result = Result(signal, *self._form_of(signal, guide.size), self._blocks(kernel, signal), told)
        own = item.signal is not None  # a backbone's features look like what they are
        return told | self._write(lambda: result.write(path, asked.form, asked.half, self.alone, notes=own))

    def describe(self, item: Item) -> dict[str, Any]:
        """What is told of an item's result, without making it: for one whose line in the journal was lost."""
        try:
            guide = self._guide(item)
            signal, _ = self._signal(item, guide.pixels)
        except (GsjbuError, OSError):  # the input has gone since; the result is there all the same
            return {}
        shares = self._shares(signal)
        told = restoring.facts(signal, shares) | {"notes": [*guide.notes, *signal.doubts]}
        if self.asked.form != "kernel":
            shape, dtype = self._form_of(signal, guide.size)
            told |= {
                "shape": shape_in_file(self.asked.form, signal, shape),
                "dtype": result_dtype(dtype, self.asked.half).name,
            }
        return told

    def _guide(self, item: Item) -> guides.Guide:
        """The item's image as a fit follows it, at the size that was asked for."""
        asked = self.asked
        mask = mask_file(asked.guide_masks, item) if asked.guide_masks else None
        guide = guides.to_guide(
            item.image.read(),
            guide_mask=None if mask is None else readers.read(mask.read(), mask.name),
            stretch=stretching.parse(asked.stretch) if asked.stretch else None,
        )
        return guides.shrunk(guide, asked.resolution) if asked.resolution else guide

    def _shares(self, signal: Signal) -> bool:
        return self.asked.probabilities and signal.kind == "labels"

    def _form_of(self, signal: Signal, size: tuple[int, int]) -> tuple[tuple[int, ...], np.dtype]:
        """Shape and dtype of the result over an image of ``size`` (height, width)."""
        shares = self._shares(signal)
        return restoring.result_shape(signal, size, shares), restoring.result_dtype(signal, shares)

    def _blocks(self, kernel: Kernel, signal: Signal) -> Iterator[np.ndarray]:
        """The result: of a picture whole, otherwise some channels at a time."""
        if self.asked.form == "png":
            return iter([restoring.restored(signal, kernel, self._shares(signal), threads=1)])
        plain = bool(signal.mask.all()) and signal.kind == "features" and signal.shape[0] > 1
        joint = kernel.is_joint_for(signal.values, signal.mask)
        if plain and restoring.result_dtype(signal) == np.float32 and not joint:
            return self._of_features(kernel, signal)
        return restoring.in_blocks(signal, kernel, BLOCK_BYTES, self._shares(signal), threads=1)

    def _of_features(self, kernel: Kernel, signal: Signal) -> Iterator[np.ndarray]:
        """Features, rendered into memory that is kept from image to image: fresh memory costs as much as the
        arithmetic."""
        height, width = kernel.grid.height, kernel.grid.width
        channels = max(1, BLOCK_BYTES // (4 * height * width))
        size = channels * height * width
        if self._buffer.size < size:
            self._buffer = np.empty(size, np.float32)
        for some in signal.values.split(channels):
            out = self._buffer[: len(some) * height * width].reshape(len(some), height, width)
            kernel.render(some, out=out, threads=1, mask=signal.mask, clip=True)
            yield out

    def _signal(self, item: Item, image: Tensor) -> tuple[Signal, dict[str, Any]]:
        """The item's low-resolution signal, and its grid as ``fit`` takes it."""
        height, width = image.shape[-2:]
        if item.signal is not None:
            signal = brought_of(item.signal, self.asked, (height, width))
            if self._shares(signal) and self.asked.codes:
                signal = signal.over(self.asked.codes)
            return signal, {"lr_size": signal.shape[1:]}
        from gsjbu.core import devices
        from gsjbu.core.grid import Grid
        from gsjbu.models import features

        grid = Grid.from_stride(height, width, self.asked.stride)
        device = devices.resolve(self.asked.device)
        found = features.extract(image, grid, self.asked.backbone, device, self.asked.seed)
        if not found.as_named:  # a folder is of one network's features
            raise ModelError("model_unavailable", found.status)
        reason = found.status.removesuffix(".")
        signal = Signal.of_features(found.values, reason, source=self.asked.backbone)
        return signal, {"stride": self.asked.stride}

    @staticmethod
    def _write(do: Callable[[], Written]) -> Written:
        try:
            return do()
        except OSError as error:
            if error.errno in ITS_NAME:
                raise GsjbuError("output_name", f"The result's name cannot be used: {error.strerror}.") from error
            raise WriteFailed(f"The results cannot be written: {error.strerror or error}.") from error


def brought_of(blob: Blob, asked: BatchConfig, size: tuple[int, int] | None = None) -> Signal:
    """A signal at rest, understood as ``asked``, over an image of ``size`` (height, width) where that is known."""
    try:
        found = readers.read(blob.read(), blob.name, entry=asked.entry or None)
    except SeveralArrays as several:
        raise SignalError(several.code, f"{several.message} entry (--entry) names that of every file.") from several
    return understand(found, size, **asked.words)


def classes_of(items: list[Item], asked: BatchConfig) -> tuple[int, ...]:
    """The class numbers of all label maps among ``items``, rising; what cannot be read fails when its turn comes."""
    codes: set[int] = set()
    for item in items:
        with suppress(GsjbuError, OSError):
            signal = brought_of(item.signal, asked) if item.signal is not None else None
            codes |= set(signal.codes) if signal is not None and signal.kind == "labels" else set()
    return tuple(sorted(codes))


def _missing(item: Item, path: str) -> str:
    """What was looked for, and where."""
    if path == item.image.path:
        return f"{item.image.name} is not there any more."
    what = "signal" if item.signal is not None and path == item.signal.path else "mask"
    where = Path(path).with_suffix("")
    looked = SIGNALS if where == Path(item.image.path).with_suffix("") else (*SIGNALS, *IMAGES)
    text = f"{item.image.name} has no {what}: {where} with an ending of {', '.join(looked)} was looked for"
    alike = sorted(
        other.name for other in where.parent.glob("*") if other.stem == where.name and other.name != item.image.name
    )
    return f"{text}; {', '.join(alike[:3])} is there and is none of them." if alike else f"{text}."
