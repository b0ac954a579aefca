"""The whole of a job, in its thread: image → pipeline → PNGs → kept result."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Hashable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import torch

from gsjbu.core.backends import dispatch
from gsjbu.core.threads import HELPERS_SLEEP
from gsjbu.io.brought import Brought
from gsjbu.io.signals import Signal
from gsjbu.models import catalogue
from gsjbu.run.later import Later
from gsjbu.server import isolation, readouts
from gsjbu.server.config import Config
from gsjbu.server.files import OutFiles
from gsjbu.server.inputs import Inputs, StoredImage
from gsjbu.server.jobs import Job
from gsjbu.server.problems import Problem
from gsjbu.server.results import Bundle, inline
from gsjbu.server.store import Store, forget_oldest
from gsjbu.settings import Settings

log = logging.getLogger("gsjbu.server")
#: How a job's panels are to come: in the JSON, as files, or by address when asked for.
Panels = Literal["png", "files", "links"]
# A slider that is being moved makes results faster than anybody clicks into them.
LOOK_AHEAD_SECONDS = 0.3
# Results of built-in scenes that are looked for when the same is wanted again.
SCENES = 100
SEEN = "Computed before: a built-in scene with the same settings, whose result was still there."


@dataclass(frozen=True)
class Order:
    """What a client wants computed."""

    image_id: str
    image: StoredImage
    settings: Settings
    signal: Signal | None
    panels: Panels
    truth: Brought | None = None

    @property
    def scene(self) -> Hashable | None:
        """All that the result depends on, where that is known to be the same for everybody: a built-in scene alone."""
        if self.image.sample is None or self.signal is not None or self.truth is not None:
            return None
        if self.settings.segmentation not in ("off", "labels"):
            return None  # its weights may come or go
        weights = catalogue.weights_state(self.settings.backbone)
        return self.image.sample.name, self.settings, weights, dispatch.warm_up.state == "compiling"


class Runs:
    """Carries orders out and keeps their results."""

    def __init__(self, config: Config, store: Store, out: OutFiles, inputs: Inputs) -> None:
        self.config, self.limits = config, config.limits
        self.store, self.out, self.inputs = store, out, inputs
        self._unwritten: str | None = ""  # why files could not be written when they last could not
        self._fresh: tuple[float, Bundle] | None = None
        self._scenes: dict[Hashable, str] = {}  # scene and settings → the job whose result it is

    @property
    def pipeline(self) -> Callable[..., Any]:
        """The computation: gsjbu's own, or what the configuration put in its place."""
        if self.config.run is not None:
            return self.config.run
        from gsjbu.run.pipeline import run_reduced

        return run_reduced

    def carry_out(self, job: Job, order: Order, threads: int) -> dict[str, Any]:
        """Compute with ``threads`` threads, keep the result under the job's id, and say where it is."""
        torch.set_num_threads(threads if HELPERS_SLEEP else 1)
        began = time.perf_counter()
        reduced = self.inputs.reduced(order.image, order.settings.resolution)
        reduce_ms = 1000 * (time.perf_counter() - began)
        scene = order.scene if self.config.run is None else None
        bundle = self._seen(scene) or Bundle(self._compute(job, order, reduced, threads))
        job.check()
        if order.signal is not None:
            height, width = reduced.shape[-2:]
            told = readouts.told_before(order.signal, height, width, self.limits.download_bytes)
            bundle.result.status.update({"download": told} if told else {})
        bundle.extra_ms.update(decode=order.image.decode_ms, reduce=reduce_ms)
        where = self._place_panels(job, bundle, order.panels)
        bundle.extra_ms["total"] = 1000 * (time.monotonic() - (job.started or 0))
        job.check()
        bundle.answer(job.id, where)
        bundle.slim(int(self.limits.cache_bytes / 2))
        self.store.measure(order.image_id)
        self.store.add("result", bundle, job.id)
        if scene is not None:
            self._scenes[scene] = job.id
            forget_oldest(self._scenes, SCENES)
        self._fresh = (time.monotonic(), bundle)
        return {"result": f"/api/jobs/{job.id}"}

    def _compute(self, job: Job, order: Order, reduced: torch.Tensor, threads: int) -> Any:
        compute = partial(isolation.run, job, self.pipeline) if job.isolated else self.pipeline
        more: dict[str, Any] = {} if job.isolated else {"cache": order.image.cache}
        return compute(
            reduced, order.settings, signal=order.signal, truth=order.truth, sample=order.image.sample,
            notes=order.image.notes, progress=job.report, threads=threads, **more,
        )  # fmt: skip

    def _seen(self, scene: Hashable | None) -> Bundle | None:
        """The result of ``scene`` as somebody has had it already, if it is still kept whole."""
        with suppress(KeyError, Problem):
            bundle: Bundle = self.store.get("result", self._scenes[scene])
            return bundle.again(SEEN)
        return None

    def _place_panels(self, job: Job, bundle: Bundle, panels: Panels) -> dict[str, dict[str, str]]:
        links = {name: {"url": f"/api/jobs/{job.id}/panels/{name}.png"} for name in bundle.panels}
        if panels == "links":
            return links
        pngs = bundle.all_pngs(job.check)
        if panels == "files" or sum(map(len, pngs.values())) > self.limits.inline_bytes:
            try:
                urls = self.out.write(job.id, {f"{name}.png": data for name, data in pngs.items()})
            except OSError as error:
                self._no_files(job, bundle, error, wanted=panels == "files")
                return links
            bundle.keep_files({name: self.out.folder / job.id / f"{name}.png" for name in pngs})
            return {name: {"url": urls[f"{name}.png"]} for name in pngs}
        return inline(pngs)

    def _no_files(self, job: Job, bundle: Bundle, error: OSError, wanted: bool) -> None:
        """The result stays: its panels are given one by one. The log hears of it once until the reason changes."""
        if self._unwritten != error.strerror:
            log.error("result files could not be written", extra={"job": job.id, "reason": str(error)})
            self._unwritten = error.strerror
        reason = f"The output folder cannot be written to ({error.strerror or 'an error'})"
        bundle.result.status["files"] = f"{reason}; each panel is at an address of its own instead."
        if wanted:
            bundle.refusal = Problem("storage_full", f"{reason}; the result is kept at /api/jobs/{job.id}.")

    def drop(self, job_id: str) -> None:
        """Forget what a job that did not end well has left."""
        self.store.drop(job_id)
        self.out.drop(job_id)

    def look_ahead(self) -> tuple[Iterator[object], int] | None:
        """When nothing runs: the work that the first click into the newest result would wait for, in pieces, once, and
        the bytes that it takes."""
        if self._fresh is None or time.monotonic() - self._fresh[0] < LOOK_AHEAD_SECONDS:
            return None
        bundle, self._fresh = self._fresh[1], None
        if bundle.evicted >= 3 or bundle.result.features_lr is None:
            return None

        def pieces() -> Iterator[object]:
            yield bundle.result.similarity(0, 0)
            for panel in bundle.result.panels:
                if isinstance(panel, Later):
                    yield bundle.png(panel.name)

        return pieces(), max(readouts.of_similarity(bundle), readouts.of_pixel(bundle))
