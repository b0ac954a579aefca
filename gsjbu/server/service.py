"""What the routes share: the store, the scheduler, the meters, and the few verbs that join them."""

from __future__ import annotations

import asyncio
import logging
import re
import secrets
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from starlette.requests import Request
from starlette.responses import Response
from torch import Tensor

from gsjbu.core import memory
from gsjbu.core.backends import dispatch
from gsjbu.core.devices import resolve
from gsjbu.core.threads import HELPERS_SLEEP
from gsjbu.errors import GsjbuError, SignalError
from gsjbu.io.pictures import shrink
from gsjbu.io.signals import Signal
from gsjbu.run.estimate import estimate
from gsjbu.server import allocator
from gsjbu.server.config import Config
from gsjbu.server.decoder import Decoded, Decoders, DecodeTimeout
from gsjbu.server.files import OutFiles
from gsjbu.server.jobs import Job, Scheduler
from gsjbu.server.meters import Meters, memory_bytes
from gsjbu.server.problems import Problem
from gsjbu.server.results import Bundle, inline
from gsjbu.server.store import Store
from gsjbu.server.uploads import Buffers, File
from gsjbu.settings import Settings
from gsjbu.version import __version__

log = logging.getLogger("gsjbu.server")
T = TypeVar("T")
CLIENT_COOKIE = "gsjbu_client"
# A slider that is being moved makes results faster than anybody clicks into them.
LOOK_AHEAD_SECONDS = 0.3
_CLIENT_ID = re.compile(r"[A-Za-z0-9_-]{8,64}")


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
    cache: dict[Any, Any] = field(default_factory=dict)

    def spare(self, level: int) -> None:
        """Make room: what runs have worked out can be worked out again."""
        self.cache.clear()


@dataclass(frozen=True)
class StoredSignal:
    """A signal that was sent, and its file's name."""

    signal: Signal
    name: str


@dataclass(frozen=True)
class Answer:
    """How a job's panels are to come: in the JSON, as files, or by address when asked for."""

    panels: str = "png"  # png | files | links


class Service:
    """One per app."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.limits = config.limits
        self.meters = Meters()
        self.store = Store(self.limits.cache_bytes, self.limits.cache_seconds)
        self.out = OutFiles(config.out_dir, int(self.limits.out_bytes), self.limits.out_seconds)
        self.buffers = Buffers(self.limits.upload_buffer_bytes)
        self.jobs = Scheduler(self.limits, self._job_ended)
        self.started = time.time()
        self.warm = False
        self._lock = threading.Lock()
        self._temporary: tempfile.TemporaryDirectory[str] | None = None
        self._fresh: tuple[float, Bundle] | None = None
        self.version = __version__
        self.decoder = Decoders(2, self.limits.image_pixels, self.limits.decode_seconds)
        self._decode_places = asyncio.Semaphore(2)
        self._decoders = ThreadPoolExecutor(2, thread_name_prefix="gsjbu-decode")
        self._readers = ThreadPoolExecutor(4, thread_name_prefix="gsjbu-read")
        self.meters.queue.set_function(lambda: self.jobs.queued)
        self.meters.running.set_function(lambda: self.jobs.running)
        self.meters.cache.set_function(lambda: self.store.bytes)
        self.meters.uploads.set_function(lambda: self.buffers.used)

    @property
    def temporary(self) -> Path:
        """The folder for temporary files; made when it is first needed, removed when the server stops."""
        with self._lock:
            if self._temporary is None:
                self._temporary = tempfile.TemporaryDirectory(prefix="gsjbu-")
            return Path(self._temporary.name)

    @property
    def backend(self) -> str:
        """What a run that begins now would compute with; until the fused kernel is compiled, the attention form."""
        fused = dispatch.warm_up.state == "warm" and resolve("auto").type == "cpu"
        return "fused" if fused else "attention"

    def warm_up(self) -> threading.Thread:
        """In a thread at start: compile the fused kernel, then run once on a tiny picture, so that the first visitor
        waits neither for a compiler nor for a backbone."""
        compiling = dispatch.warm_up.in_background()

        def first_run() -> None:
            compiling.join()
            torch.set_num_threads(1)
            try:
                self._pipeline()(torch.linspace(0, 1, 3 * 64 * 64).reshape(3, 64, 64), Settings(iters=1))
                self.estimate(64, 64, Settings())
            except Exception:
                log.error("the first run failed", exc_info=True)
            else:
                self.warm = True

        thread = threading.Thread(target=first_run, name="gsjbu-first-run", daemon=True)
        thread.start()
        return thread

    # -- clients --------------------------------------------------------------------------------------------------

    def client_of(self, request: Request) -> tuple[str, str]:
        """Who asks: the address, and within it the id that the page's cookie or an X-Client-Id header gives."""
        address = request.client.host if request.client else "unknown"
        given = request.headers.get("x-client-id") or request.cookies.get(CLIENT_COOKIE) or ""
        return address, given if _CLIENT_ID.fullmatch(given) else ""

    @staticmethod
    def introduce(request: Request, answer: Response) -> None:
        """Give a client that keeps cookies an identity of its own, if it has none."""
        if not request.cookies.get(CLIENT_COOKIE) and "x-client-id" not in request.headers:
            answer.set_cookie(CLIENT_COOKIE, secrets.token_urlsafe(16), httponly=True, samesite="strict")

    # -- threads --------------------------------------------------------------------------------------------------

    async def decode(self, work: Callable[[], T]) -> T:
        """Decode in a thread, for no longer than the limit; the wait for a free thread does not count."""
        async with self._decode_places:
            future = asyncio.get_running_loop().run_in_executor(self._decoders, work)
            try:
                return await asyncio.wait_for(asyncio.shield(future), self.limits.decode_seconds)
            except TimeoutError:
                raise self._decode_timeout() from None

    def _decode_timeout(self) -> Problem:
        most = self.limits.decode_seconds
        return Problem(
            "decode_timeout", f"The file took longer than {most:g} s to decode; save it more simply."
        )

    async def read(self, work: Callable[[], T]) -> T:
        """Work out a read-out (a PNG, a pixel, a zip) in a thread."""
        return await asyncio.get_running_loop().run_in_executor(self._readers, work)

    # -- images and signals ---------------------------------------------------------------------------------------

    async def image_from_file(self, file: File) -> StoredImage:
        """Decode an uploaded picture."""

        def work() -> StoredImage:
            began = time.perf_counter()
            data, usual = bytes(file.data), Settings().resolution
            found = self._decoded(data, usual, whole=True)
            image = StoredImage(found.width, found.height, file.name, found.pixels)
            if found.pixels is None:
                image.data = data
            if found.reduced is not None:
                image.cache["reduced", usual] = torch.from_numpy(found.reduced)
            image.decode_ms = 1000 * (time.perf_counter() - began)
            return image

        return await self.decode(work)

    def _in_time(self, decode: Callable[[], T]) -> T:
        try:
            return decode()
        except DecodeTimeout:
            raise self._decode_timeout() from None

    def _decoded(self, data: bytes, resolution: int, whole: bool) -> Decoded:
        return self._in_time(lambda: self.decoder.decode(data, resolution, whole))

    def reduced(self, image: StoredImage, resolution: int) -> Tensor:
        """The picture that a run works on, float32 ``[3, h, w]``; made once per resolution."""
        key = ("reduced", resolution)
        found = image.cache.get(key)
        if found is None:
            if image.pixels is not None:
                found = shrink(image.pixels, resolution)
            else:
                reduced = self._decoded(image.data, resolution, whole=False).reduced
                assert reduced is not None
                found = torch.from_numpy(reduced)
            for other in [k for k in image.cache if isinstance(k, tuple) and k[0] == "reduced"]:
                image.cache.pop(other, None)
            image.cache[key] = found
        return found

    async def image_from_sample(self, name: str) -> StoredImage:
        """A built-in scene."""
        from gsjbu.samples import SAMPLES

        if name not in SAMPLES:
            raise Problem(
                "sample_unknown", f"There is no such built-in scene; there are {', '.join(SAMPLES)}."
            )

        def work() -> StoredImage:
            sample = SAMPLES[name]
            pixels = sample.image
            return StoredImage(pixels.shape[-1], pixels.shape[-2], sample.title, pixels, sample=sample)

        return await self.decode(work)

    async def signal_from_file(self, file: File) -> StoredSignal:
        """Read an uploaded low-resolution signal."""
        most = int(self.limits.signal_values)
        read = await self.decode(
            lambda: self._in_time(lambda: self.decoder.signal(file.data, file.name, most))
        )
        return StoredSignal(read, file.name)

    def signal(self, signal_id: str | None) -> Signal | None:
        """A kept signal; refuses with ``expired`` or ``not_found``."""
        if signal_id is None:
            return None
        stored: StoredSignal = self.store.get("signal", signal_id)
        return stored.signal

    # -- jobs -----------------------------------------------------------------------------------------------------

    async def submit(
        self, request: Request, image_id: str, settings: Settings, signal_id: str | None, answer: Answer
    ) -> Job:
        """Accept a job for an image in the store, after its memory has been estimated."""
        image: StoredImage = self.store.get("image", image_id)
        signal = self.signal(signal_id)
        await self.read(lambda: self._check_memory(image, settings, signal))

        def work(job: Job) -> dict[str, Any]:
            return self._run(job, image_id, image, settings, signal, answer)

        job = Job(work, self.client_of(request), settings.as_dict(), uses_gpu=_uses_gpu(settings))
        self.jobs.submit(job)
        return job

    def _check_memory(self, image: StoredImage, settings: Settings, signal: Signal | None) -> None:
        cost = self.estimate(image.width, image.height, settings, signal)
        if cost.bytes > self.limits.job_bytes:
            advice = [{"setting": a.setting, "value": a.value} for a in cost.advice]
            raise Problem(
                "memory_limit",
                f"This run would need about {cost.bytes / 2**30:.1f} GiB, more than the "
                f"{self.limits.job_bytes / 2**30:.1f} GiB allowed; lower resolution, or raise stride.",
                setting="resolution",
                advice=advice,
            )

    def estimate(self, width: int, height: int, settings: Settings, signal: Signal | None = None) -> Any:
        """Time and memory of a run before it starts, with a ``Signal`` or without."""
        size: dict[str, Any] = {}
        if signal is not None:
            with suppress(SignalError):  # one that does not fit is refused by the run, with its sentence
                signal = signal.fitted(height, width)
            channels, *lr_size = signal.shape
            size = {"channels": channels, "lr_size": tuple(lr_size)}
        return (self.config.estimate or estimate)(height, width, settings, **size)

    def _run(
        self,
        job: Job,
        image_id: str,
        image: StoredImage,
        settings: Settings,
        signal: Signal | None,
        answer: Answer,
    ) -> dict[str, Any]:
        """The whole of a job, in its thread: image → pipeline → PNGs → kept result."""
        threads = self.jobs.threads_each()
        torch.set_num_threads(threads if HELPERS_SLEEP else 1)
        began = time.perf_counter()
        reduced = self.reduced(image, settings.resolution)
        shrink_ms = 1000 * (time.perf_counter() - began)
        result = self._pipeline()(
            reduced,
            settings,
            signal=signal,
            sample=image.sample,
            cache=image.cache,
            progress=job.report,
            threads=threads,
        )
        job.check()
        bundle = Bundle(result)
        bundle.extra_ms.update(decode=image.decode_ms, reduce=shrink_ms)
        where = self._place_panels(job, bundle, answer)
        bundle.extra_ms["total"] = 1000 * (time.monotonic() - (job.started or 0))
        job.check()
        bundle.answer(job.id, where)
        bundle.slim(int(self.limits.cache_bytes / 2))
        self.store.measure(image_id)
        self.store.add("result", bundle, job.id)
        self._fresh = (time.monotonic(), bundle)
        return {"result": f"/api/jobs/{job.id}"}

    def _pipeline(self) -> Callable[..., Any]:
        if self.config.run is not None:
            return self.config.run
        from gsjbu.run.pipeline import run

        return run

    def _place_panels(self, job: Job, bundle: Bundle, answer: Answer) -> dict[str, dict[str, str]]:
        links = {name: {"url": f"/api/jobs/{job.id}/panels/{name}.png"} for name in bundle.panels}
        if answer.panels == "links":
            return links
        pngs = bundle.all_pngs(job.check)
        if answer.panels == "files" or sum(map(len, pngs.values())) > self.limits.inline_bytes:
            urls = self.out.write(job.id, {f"{name}.png": data for name, data in pngs.items()})
            bundle.keep_files({name: self.out.folder / job.id / f"{name}.png" for name in pngs})
            return {name: {"url": urls[f"{name}.png"]} for name in pngs}
        return inline(pngs)

    def result(self, job_id: str) -> Bundle:
        """The kept result of a job that is done; refuses where it is not, failed, or has gone."""
        job = self.jobs.get(job_id)
        if job.live:
            raise Problem("not_done", "The job is not done yet; follow its events, or ask again.")
        if job.state != "done":
            raise Problem("job_failed", f"The job {job.state}; there is no result.")
        bundle: Bundle = self.store.get("result", job_id)
        return bundle

    def _job_ended(self, job: Job) -> None:
        memory.release()
        allocator.give_back()
        if job.state != "done":  # it may have been stopped after its result was put away
            self.store.drop(job.id)
            self.out.drop(job.id)
        seconds = (job.ended or 0) - (job.started or job.ended or 0)
        self.meters.jobs.labels(job.state).inc()
        if job.started is not None:
            self.meters.job_s.observe(seconds)
        for stage, ms in job.stage_ms.items():
            self.meters.stage_s.labels(stage).observe(ms / 1000)
        log.info(
            "job",
            extra={
                "id": job.id, "outcome": job.state, "code": job.error.code if job.error else None,
                "queued_ms": round(1000 * ((job.started or job.ended or 0) - job.created), 1),
                "ms": round(1000 * seconds, 1), "stages_ms": {k: round(v, 1) for k, v in job.stage_ms.items()},
                "settings": job.settings, "memory_mb": round(memory_bytes() / 1e6, 1), "client": job.client[0],
            },
        )  # fmt: skip

    # -- life -----------------------------------------------------------------------------------------------------

    async def watch(self) -> None:
        """Runs as long as the app: timeouts, clients that went away, old things."""
        turn = 0
        while True:
            await asyncio.sleep(0.2)
            turn += 1
            try:
                self.jobs.tick()
                self._look_ahead()
                if turn % 5 == 0 and memory.kept() and not self.jobs.running:
                    self._readers.submit(memory.release)
                if turn % 25 == 0:
                    self.store.sweep()
                if turn % 300 == 0:
                    await self.read(self.out.sweep)
            except Exception:
                log.error("the watch failed", exc_info=True)

    def _look_ahead(self) -> None:
        """When nothing runs, work out what the first click into the newest result would wait for."""
        if self._fresh is None or self.jobs.running or time.monotonic() - self._fresh[0] < LOOK_AHEAD_SECONDS:
            return
        bundle, self._fresh = self._fresh[1], None
        if bundle.spared < 3 and bundle.result.features_lr is not None:
            self._readers.submit(bundle.result.similarity, 0, 0)

    async def drain(self) -> None:
        """SIGTERM: no new work; running jobs may end; then they are told to stop."""
        self.jobs.shut()
        end = time.monotonic() + self.limits.shutdown_seconds
        while time.monotonic() < end and self.jobs.live_jobs():
            await asyncio.sleep(0.05)
        self.jobs.close()

    def close(self) -> None:
        """Give back threads and memory."""
        self.jobs.close()
        self.decoder.close()
        self._decoders.shutdown(wait=False, cancel_futures=True)
        self._readers.shutdown(wait=False, cancel_futures=True)
        self.store.clear()
        with self._lock:
            if self._temporary is not None:
                self._temporary.cleanup()
                self._temporary = None


def _uses_gpu(settings: Settings) -> bool:
    try:
        return resolve(settings.device).type != "cpu"
    except GsjbuError:
        return False
