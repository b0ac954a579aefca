"""What the routes share: the store, the scheduler, the meters, and the few verbs that join them."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar

import torch

from gsjbu.core import allocator, memory
from gsjbu.core.backends import dispatch
from gsjbu.core.devices import resolve
from gsjbu.core.threads import step_back
from gsjbu.errors import GsjbuError, SignalError
from gsjbu.io.brought import Brought
from gsjbu.io.pictures import shrunk_size
from gsjbu.io.signals import Signal
from gsjbu.run.estimate import Estimate, estimate
from gsjbu.server import archive, readouts
from gsjbu.server.config import Config
from gsjbu.server.files import OutFiles
from gsjbu.server.headroom import available_bytes, resident_bytes
from gsjbu.server.inputs import Inputs, StoredSignal
from gsjbu.server.isolation import WORKER_BYTES
from gsjbu.server.jobs import Job, Scheduler
from gsjbu.server.limits import MIB
from gsjbu.server.logs import tell_failure
from gsjbu.server.meters import Meters
from gsjbu.server.problems import Problem
from gsjbu.server.results import Bundle
from gsjbu.server.runs import Order, Panels, Runs
from gsjbu.server.store import Store
from gsjbu.server.streams import Streams
from gsjbu.server.uploads import Buffers
from gsjbu.settings import Settings
from gsjbu.version import __version__

log = logging.getLogger("gsjbu.server")
T = TypeVar("T")


# A run may take so many times what was estimated, and the server itself so much more while it runs.
MARGIN, RESERVE = 1.5, 64 * MIB


@dataclass(frozen=True)
class Accepted:
    """What was said to a run: its job, or None where it would take longer than somebody waits for; its cost; and why
    its zip will not be given, if so."""

    job: Job | None
    cost: Estimate
    download: str | None


class Service:
    """One per app."""

    version = __version__

    def __init__(self, config: Config) -> None:
        self.config = config
        self.limits = limits = config.limits
        self.meters = Meters()
        self.store = Store(limits.cache_bytes, limits.cache_seconds)
        self.out = OutFiles(config.out_dir, int(limits.out_bytes), limits.out_seconds)
        self.buffers = Buffers(limits)
        self.inputs = Inputs(limits)
        self.runs = Runs(config, self.store, self.out, self.inputs)
        self.jobs = Scheduler(limits, self._job_ended, self._is_there)
        self.started = time.monotonic()
        self.warm = False
        self.streams = Streams()
        self._readers = ThreadPoolExecutor(2, thread_name_prefix="gsjbu-read")
        self._makers = ThreadPoolExecutor(4, thread_name_prefix="gsjbu-make", initializer=step_back)
        self._lock, self._held = threading.Lock(), 0  # bytes of read-outs under way
        self.meters.queue.set_function(lambda: self.jobs.queued)
        self.meters.running.set_function(lambda: self.jobs.running)
        self.meters.cache.set_function(lambda: self.store.bytes)
        self.meters.helpers_lost.set_function(lambda: self.inputs.decoders.lost)
        self.meters.available.set_function(available_bytes)
        self.meters.streams.set_function(lambda: self.streams.open)
        self.meters.uploads.set_function(lambda: self.buffers.used)

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
            step_back()
            compiling.join()
            torch.set_num_threads(1)
            try:
                self.runs.pipeline(torch.linspace(0, 1, 3 * 64 * 64).reshape(3, 64, 64), Settings(iters=1))
                self.estimate(64, 64, Settings())
            except Exception:
                log.error("the first run failed", exc_info=True)
            else:
                self.warm = True

        thread = threading.Thread(target=first_run, name="gsjbu-first-run", daemon=True)
        thread.start()
        return thread

    async def read(self, work: Callable[[], T]) -> T:
        """Work out what takes some milliseconds, in a thread that nothing longer holds up."""
        return await asyncio.get_running_loop().run_in_executor(self._readers, work)

    async def make(self, work: Callable[[], T], need: int = 0) -> T:
        """Work out a read-out (a PNG, a map) that takes ``need`` bytes and some time, in a thread."""

        def within() -> T:
            release = self.hold(need)
            try:
                return work()
            finally:
                release()

        return await asyncio.get_running_loop().run_in_executor(self._makers, within)

    async def look(self, work: Callable[[], T], need: int) -> T:
        """:meth:`read` the numbers of a read-out, or :meth:`make` it where a panel or a fit that takes ``need`` bytes
        must be made first."""
        return await (self.make(work, need) if need else self.read(work))

    def hold(self, need: int) -> Callable[[], None]:
        """Hold ``need`` bytes for a read-out until what is returned is called, once; refuses with ``memory_limit``."""
        running = self.jobs.running_bytes
        with self._lock:  # the look and the count in one step: two at a time must not both find the same room
            if need and not self._has_room(need, running):
                raise Problem(
                    "memory_limit",
                    f"Looking at this takes about {_size(need)}, more than the server has left at this moment; "
                    "lower resolution, or try again.",
                    setting="resolution",
                )
            self._held += need

        def release() -> None:
            with self._lock:
                self._held -= need

        return release

    def signal(self, signal_id: str | None) -> Signal | None:
        """A kept signal; refuses with ``expired`` or ``not_found``."""
        if signal_id is None:
            return None
        stored: StoredSignal = self.store.get("signal", signal_id)
        return stored.signal

    # -- jobs -----------------------------------------------------------------------------------------------------

    async def submit(
        self,
        client: tuple[str, str],
        image_id: str,
        settings: Settings,
        signal_id: str | None,
        panels: Panels,
        truth_id: str | None = None,
        patience_s: float | None = None,
    ) -> Accepted:
        """Accept a job for an image in the store, after its time and memory have been estimated."""
        signal = self.signal(signal_id)
        truth: Brought | None = None if truth_id is None else self.store.get("truth", truth_id).brought
        if truth is not None and signal is None:
            detail = "A truth is measured against its signal; send the signal too."
            raise Problem("request_invalid", detail, setting="truth")
        order = Order(image_id, self.store.get("image", image_id), settings, signal, panels, truth)
        cost, need, isolated = await self.read(lambda: self._cost_of(order))
        download = await self.read(lambda: self.download_note(order.image.width, order.image.height, settings, signal))
        if patience_s is not None and cost.seconds > patience_s:
            return Accepted(None, cost, download)

        def work(job: Job) -> dict[str, Any]:
            self._make_room(job)
            return self.runs.carry_out(job, order, self.jobs.threads_each())

        job = Job(work, client, settings.as_dict(), bytes=need, uses_gpu=_uses_gpu(settings), isolated=isolated)
        self.jobs.submit(job)
        return Accepted(job, cost, download)

    def _cost_of(self, order: Order) -> tuple[Estimate, int, bool]:
        """What a run takes, bytes to hold for it, and whether it gets a process of its own; refuses with
        ``memory_limit`` what is over the limit or can never be had here."""
        cost = self.estimate(order.image.width, order.image.height, order.settings, order.signal)
        isolated = cost.bytes > self.limits.isolate_bytes and not _uses_gpu(order.settings)
        besides = WORKER_BYTES if isolated else 0
        # What runs now will be given back, and so is what is kept only to save time.
        ever = available_bytes() - RESERVE + self.jobs.running_bytes + self.store.bytes + memory.kept()
        most = min(self.limits.job_bytes, (ever - besides) / MARGIN)
        if cost.bytes > most:
            advice = [{"setting": a.setting, "value": a.value} for a in cost.advice]
            whose = "allowed" if most == self.limits.job_bytes else "that this machine has left"
            raise Problem(
                "memory_limit",
                f"This run would need about {_size(cost.bytes)}, more than the {_size(most)} {whose}; "
                f"{_what_to_lower(cost.advice)}.",
                setting="resolution",
                advice=advice,
            )
        return cost, int(cost.bytes * MARGIN) + besides, isolated

    def _is_there(self, need: int, running: int) -> bool:
        """Whether there are ``need`` bytes beside jobs that were given ``running`` ones, used by now or not."""
        return need + RESERVE <= available_bytes() - running - self._held

    def _has_room(self, need: int, running: int) -> bool:
        """Whether there are ``need`` bytes besides ``running`` ones; what is kept only to save time goes if it must."""
        if self._is_there(need, running):
            return True
        self.store.evict_inputs()
        memory.release()
        allocator.give_back()
        return self._is_there(need, running)

    def _make_room(self, job: Job) -> None:
        """As a job begins: refuses where there is no longer room for it."""
        if not self._has_room(job.bytes, self.jobs.running_bytes - job.bytes):
            raise Problem(
                "memory_limit",
                f"This run would need about {_size(job.bytes / MARGIN)}, more than the server has left at this "
                "moment; lower resolution, or try again.",
                setting="resolution",
            )

    def estimate(self, width: int, height: int, settings: Settings, signal: Signal | None = None) -> Any:
        """Time and memory of a run before it starts, with a ``Signal`` or without."""
        size: dict[str, Any] = {}
        if signal is not None:
            with suppress(SignalError):  # one that does not fit is refused by the run, which says why
                signal = signal.fitted(height, width)
            channels, *lr_size = signal.shape
            size = {"channels": channels, "lr_size": tuple(lr_size)}
        return (self.config.estimate or estimate)(height, width, settings, **size)

    def download_note(self, width: int, height: int, settings: Settings, signal: Signal | None) -> str | None:
        """Why the zip of a run will not be given, a sentence, where shapes tell it before."""
        if signal is None:
            return None
        height, width = shrunk_size(height, width, settings.resolution)
        return readouts.told_before(signal, height, width, self.limits.download_bytes) or None

    def result(self, job_id: str) -> Bundle:
        """The kept result of a job that is done; refuses where it is not, failed, or has gone."""
        job = self.jobs.get(job_id)
        if job.live:
            raise Problem("not_done", "The job is not done yet; follow its events, or ask again.")
        if job.state != "done":
            how = "was cancelled" if job.state == "cancelled" else "failed"
            raise Problem("job_failed", f"The job {how}; there is no result.")
        bundle: Bundle = self.store.get("result", job_id)
        return bundle

    def take_download(self, client: tuple[str, str], bundle: Bundle) -> Callable[[], None]:
        """A place and memory for a zip, until what is returned is called, once; refuses one that is too large."""
        self.check_download(archive.most_bytes(bundle))
        leave = self.jobs.take_place(client)
        try:
            release = self.hold(readouts.of_zip(bundle))
        except Problem:
            leave()
            raise

        def end() -> None:
            leave()
            release()

        return end

    def check_download(self, most: int, what: str = "zip") -> None:
        """Refuse a file, ``what`` it is, of about ``most`` bytes where that is more than is given."""
        if most > self.limits.download_bytes:
            raise Problem(
                "download_too_large",
                f"The {what} would have about {most / 2**30:.1f} GiB, more than the "
                f"{self.limits.download_bytes / 2**30:.1f} GiB allowed; lower resolution, bring fewer channels, "
                "or upsample it with the command line. Given one by one are the panels' pictures (/panels/NAME.png), "
                "their values where they are one number a pixel (/panels/NAME.f32), and the Gaussians (/kernels).",
                setting="resolution",
            )

    def _job_ended(self, job: Job) -> None:
        memory.release()
        allocator.give_back()
        if job.state != "done":  # it may have been stopped after its result was put away
            self.runs.drop(job.id)
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
                "isolated": job.isolated,
                "queued_ms": round(1000 * ((job.started or job.ended or 0) - job.created), 1),
                "ms": round(1000 * seconds, 1), "stages_ms": {k: round(v, 1) for k, v in job.stage_ms.items()},
                "settings": job.settings, "memory_mb": round(resident_bytes() / 1e6, 1), "client": job.client[0],
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
                await self._tick(turn)
            except Exception:
                log.error("the watch failed", exc_info=True)

    async def _tick(self, turn: int) -> None:
        self.jobs.tick()
        ahead = None if self.jobs.running else self.runs.look_ahead()
        if ahead is not None:
            self._makers.submit(self._look_ahead, *ahead).add_done_callback(tell_failure)
        if turn % 5 == 0 and memory.kept() and not self.jobs.running:
            self._makers.submit(memory.release).add_done_callback(tell_failure)
        if turn % 25 == 0:
            self.store.sweep()
        if turn % 300 == 0:
            await self.make(self.out.sweep)

    def _look_ahead(self, pieces: Iterator[object], need: int) -> None:
        try:
            release = self.hold(need)
        except Problem:
            return  # who asks for it is told
        try:
            for _ in pieces:
                if self.jobs.running:  # somebody who waits comes first
                    return
        finally:
            release()

    async def drain(self) -> None:
        """SIGTERM: no new work; running jobs may end; then they are told to stop."""
        self.jobs.shut()
        end = time.monotonic() + self.limits.shutdown_seconds
        while time.monotonic() < end and self.jobs.live_jobs():  # noqa: ASYNC110  # jobs end in threads of their own
            await asyncio.sleep(0.05)
        self.jobs.close()

    def close(self) -> None:
        """Give back threads and memory."""
        self.jobs.close()
        self.inputs.close()
        self.streams.close()
        for pool in (self._readers, self._makers):
            pool.shutdown(wait=False, cancel_futures=True)
        self.store.clear()


def _size(count: float) -> str:
    return f"{max(0.0, count) / 2**30:.1f} GiB" if count >= 2**30 else f"{max(0.0, count) / 2**20:.0f} MiB"


def _what_to_lower(advice: list[Any]) -> str:
    if not advice:
        return "lower resolution, or raise stride"
    return f"to lower that, set {' or '.join(f'{a.setting} to {a.value}' for a in advice[:3])}"


def _uses_gpu(settings: Settings) -> bool:
    try:
        return resolve(settings.device).type != "cpu"
    except GsjbuError:
        return False
