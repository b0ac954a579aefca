"""What clients bring, from the form to the store: pictures and signals, decoded out of harm's way and reduced once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from gsjbu.core.threads import step_back
from gsjbu.errors import SignalError
from gsjbu.io.brought import Brought
from gsjbu.io.names import check_word, names_in
from gsjbu.io.pictures import shrink
from gsjbu.io.signals import Signal, understand
from gsjbu.io.truths import downsampled
from gsjbu.samples import SAMPLES, TRUTHS
from gsjbu.server.decoder import START_SECONDS, Decoders, DecodeTimeout, HelperLost
from gsjbu.server.helper import Decoded
from gsjbu.server.limits import KIB, Limits
from gsjbu.server.problems import Problem
from gsjbu.server.uploads import File, Form
from gsjbu.settings import Settings

T = TypeVar("T")
PLACES = 2  # files that are decoded at the same time
LARGE_BYTES = 512 * KIB  # of files from here on, all but one place: small ones pass them


@dataclass
class StoredImage:
    """A picture and what runs have worked out for it: its pixels where they are few, otherwise its file."""

    width: int
    height: int
    name: str
    pixels: np.ndarray | Tensor | None = None
    data: bytes = b""
    sample: Any = None
    decode_ms: float = 0.0
    notes: tuple[str, ...] = ()  # what its pixels do not show of the file
    cache: dict[Any, Any] = field(default_factory=dict)

    def evict(self, _level: int) -> None:
        """Make room: what runs have worked out can be worked out again."""
        self.cache.clear()


@dataclass(frozen=True)
class StoredSignal:
    """A signal that was sent, its file's name, and what was said of it; ``made``: of a truth, as its cell means."""

    signal: Signal
    name: str
    words: dict[str, Any] = field(default_factory=dict)
    made: bool = False
    entry: str | None = None  # of its file, where that was named

    def over(self, size: tuple[int, int]) -> StoredSignal:
        """The same as a run on an image of this height and width has it; itself where it does not fit one."""
        try:
            return replace(self, signal=self.signal.fitted(*size))
        except SignalError:
            return self  # the run refuses it, and says why


@dataclass(frozen=True)
class StoredTruth:
    """What a signal is measured against, as it was brought, and its file's name, or the built-in scene it is of."""

    brought: Brought
    name: str
    sample: str | None = None
    kind: str | None = None  # where it is known: of a built-in scene
    entry: str | None = None  # of its file, where that was named


class Inputs:
    """Decodes in helper processes, a few files at a time."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.decoders = Decoders(PLACES, limits.image_pixels, limits.decode_seconds)
        self._places, self._large = asyncio.Semaphore(PLACES), asyncio.Semaphore(PLACES - 1)
        self._threads = ThreadPoolExecutor(PLACES, thread_name_prefix="gsjbu-decode", initializer=step_back)

    def start(self) -> None:
        """Start the first helper ahead of the first file."""
        self.decoders.start()

    def close(self) -> None:
        """Give back threads and helpers."""
        self.decoders.close()
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def image_of(self, form: Form) -> StoredImage:
        """The image that a form brings: a file, or a built-in scene by name."""
        if "file" in form.files:
            if "sample" in form.fields:
                raise Problem("request_invalid", "Send either a file or a sample's name, not both.", setting="sample")
            return await self.image_from_file(form.files["file"])
        if "sample" in form.fields:
            return await self.image_from_sample(form.fields["sample"])
        raise Problem("file_missing", "The form has no file; attach the picture in the field 'file'.")

    async def image_from_file(self, file: File) -> StoredImage:
        """Decode an uploaded picture."""

        def work() -> StoredImage:
            began = time.perf_counter()
            data, usual = bytes(file.data), Settings().resolution
            found = self._decoded(data, usual, whole=True)
            image = StoredImage(found.width, found.height, file.name, found.pixels, notes=found.notes)
            if found.pixels is None:
                image.data = data
            if found.reduced is not None:
                image.cache["reduced", usual] = torch.from_numpy(found.reduced)
            image.decode_ms = 1000 * (time.perf_counter() - began)
            return image

        return await self._in_thread(work, len(file.data))

    async def image_from_sample(self, name: str) -> StoredImage:
        """A built-in scene."""
        check_sample(name)

        def work() -> StoredImage:
            sample = SAMPLES[name]
            pixels = sample.image
            return StoredImage(pixels.shape[-1], pixels.shape[-2], sample.title, pixels, sample=sample)

        return await self._in_thread(work)

    async def signal_from_file(self, file: File, words: dict[str, Any], entry: str | None) -> StoredSignal:
        """Read an uploaded low-resolution signal, or one ``entry`` of its file; ``words`` are what was said of it."""
        most = int(self.limits.signal_values)

        def work() -> Signal:
            return self._in_time(lambda: self.decoders.signal(file.data, file.name, most, _read(words), entry))

        read = await self._in_thread(work, len(file.data))
        return StoredSignal(_named(read, words), file.name, words, entry=entry)

    async def truth_of(self, form: Form) -> StoredTruth | None:
        """The truth that a run's form brings: a file, or by ``what`` the built-in scene's own."""
        if "truth" in form.files:
            if "what" in form.fields:
                raise Problem("request_invalid", "Send either a truth's file or 'what', not both.", setting="what")
            return await self.truth_from_file(form.files["truth"], form.fields.get("truth_entry"))
        if "what" not in form.fields:
            return None
        if "sample" not in form.fields:
            raise Problem("request_invalid", "'what' names a truth of a built-in scene; send 'sample'.", setting="what")
        return await self.truth_of_sample(form.fields["sample"], form.fields["what"])

    async def truth_from_file(self, file: File, entry: str | None) -> StoredTruth:
        """Read an uploaded truth: as a quantity, whatever it is, so that classes need no channel each."""
        read = await self.signal_from_file(file, {"kind": "depth", "invalid": "none"}, entry)
        assert read.signal.brought is not None
        return StoredTruth(read.signal.brought, file.name, entry=entry)

    async def truth_of_sample(self, name: str, what: str) -> StoredTruth:
        """What a built-in scene knows of itself."""
        if what not in TRUTHS:
            raise Problem("request_invalid", "A built-in scene has depth and labels; 'what' names one.", setting="what")
        scene = await self.image_from_sample(name)
        return StoredTruth(scene.sample.truth(what), f"{scene.name}: {what}", name, what)

    async def signal_of_truth(self, stored: StoredTruth, rows: int, cols: int, kind: str | None) -> StoredSignal:
        """The LR signal that a truth gives: means over each of ``rows × cols`` cells, of classes each one's share."""
        signal = await self._in_thread(lambda: downsampled(stored.brought, rows, cols, kind or stored.kind))
        return StoredSignal(signal, stored.name, made=True)

    async def signal_anew(self, stored: StoredSignal, words: dict[str, Any]) -> StoredSignal:
        """The same file taken for what ``words`` say."""
        most = int(self.limits.signal_values)
        anew = await self._in_thread(lambda: understand(stored.signal.brought, max_values=most, **_read(words)))
        return StoredSignal(_named(anew, words), stored.name, words, stored.made, stored.entry)

    def reduced(self, image: StoredImage, resolution: int) -> Tensor:
        """The picture that a run works on, float32 ``[3, h, w]`` in [0, 1]; made once per resolution."""
        key = ("reduced", resolution)
        found: Tensor | None = image.cache.get(key)
        if found is None:
            found = self._reduce(image, resolution)
            # Listed in one step: another run of the image may add to it.
            for other in [k for k in list(image.cache) if isinstance(k, tuple) and k[0] == "reduced"]:
                image.cache.pop(other, None)
            image.cache[key] = found
        return found

    def _reduce(self, image: StoredImage, resolution: int) -> Tensor:
        if image.pixels is not None:
            return shrink(image.pixels, resolution)
        reduced = self._decoded(image.data, resolution, whole=False).reduced
        assert reduced is not None
        return torch.from_numpy(reduced)

    def _decoded(self, data: bytes, resolution: int, whole: bool) -> Decoded:
        return self._in_time(lambda: self.decoders.decode(data, resolution, whole))

    def _in_time(self, decode: Callable[[], T]) -> T:
        try:
            return decode()
        except DecodeTimeout:
            raise self._timeout() from None
        except HelperLost:
            detail = "The server cannot decode files at this moment; please try again soon."
            raise Problem("helper_lost", detail, retry_after=5) from None

    async def _in_thread(self, work: Callable[[], T], size: int = 0) -> T:
        """Decode in a thread, for no longer than the limit; the wait for a free place does not count."""
        async with self._large if size >= LARGE_BYTES else nullcontext(), self._places:
            future = asyncio.get_running_loop().run_in_executor(self._threads, work)
            try:
                return await asyncio.wait_for(asyncio.shield(future), self._patience)
            except TimeoutError:
                raise self._timeout() from None

    @property
    def _patience(self) -> float:
        """A helper keeps the limit by itself, and may have to be started, twice if it must."""
        return self.limits.decode_seconds + 2 * START_SECONDS

    def _timeout(self) -> Problem:
        most = self.limits.decode_seconds
        return Problem("decode_timeout", f"The file took longer than {most:g} s to decode; save it more simply.")


def _read(words: dict[str, Any]) -> dict[str, Any]:
    """``words`` as :func:`gsjbu.io.signals.understand` takes them, the names of classes read from their text."""
    return {**words, "names": names_in(words["names"])} if "names" in words else words


def _named(signal: Signal, words: dict[str, Any]) -> Signal:
    """``signal``, unless ``words`` have a name for one of its classes alone."""
    check_word(words.get("names", ""), signal.classes)
    return signal


def check_sample(name: str) -> None:
    """Refuse a built-in scene that there is not."""
    if name not in SAMPLES:
        raise Problem("sample_unknown", f"There is no such built-in scene; there are {', '.join(SAMPLES)}.")
