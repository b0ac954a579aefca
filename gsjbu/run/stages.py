"""The stages of a run: named, timed, told to whoever listens, and their results kept for the next run."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, MutableMapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from gsjbu.run.panels import Panel

T = TypeVar("T")

# How much of a run each stage is, roughly, for a bar that moves evenly.
SHARES = {
    "grid": 0.02,
    "fit": 0.45,
    "render": 0.05,
    "rgb": 0.08,
    "backbone": 0.15,
    "features": 0.05,
    "segmentation": 0.1,
    "signal": 0.05,
    "panels": 0.05,
}


@dataclass(frozen=True)
class Progress:
    """Where a run is. ``loss`` is the objective before the step, during the fit; ``share`` 0–1 of the whole run;
    ``pictures``: panels that are there already."""

    stage: str
    step: int
    steps: int
    loss: float | None
    share: float
    pictures: Sequence[Panel] = ()

    def __reduce__(self) -> tuple[type[Progress], tuple[Any, ...]]:
        """To another process it goes without pictures, which come with the result."""
        return Progress, (self.stage, self.step, self.steps, self.loss, self.share)


class Stages:
    """Names, times and reports the stages, and keeps their results in the caller's cache."""

    def __init__(self, progress: Callable[[Progress], object] | None, cache: MutableMapping[Any, Any]) -> None:
        self.progress, self.cache = progress, cache
        self.timings_ms: dict[str, float] = {}
        self.stage, self.done = "", 0.0

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        self.stage = stage
        self.report(0, 0)
        began = time.perf_counter()
        yield
        self.timings_ms[stage] = 1000 * (time.perf_counter() - began)
        self.done += SHARES[stage]

    def show(self, pictures: Sequence[Panel]) -> None:
        """Panels that need not wait for the rest of the run."""
        self.report(0, 0, pictures=pictures)

    def report(self, step: int, steps: int, loss: float | None = None, pictures: Sequence[Panel] = ()) -> None:
        """Tell where the stage is; what ``progress`` raises ends the run."""
        if self.progress is not None:
            within = step / steps if steps else 0.0
            share = min(1.0, self.done + SHARES[self.stage] * within)
            self.progress(Progress(self.stage, step, steps, loss, share, pictures))

    def fetching(self, done: int, total: int, _: str) -> None:
        """How far the download of a model's weights is, in MB; it ends where ``progress`` raises."""
        if self.progress is not None:
            megabytes = done // 1_000_000, total // 1_000_000
            self.progress(Progress("fetching weights", *megabytes, None, min(1.0, self.done)))

    def cached(self, what: str, key: Any, make: Callable[[], T]) -> T:
        """The cached ``what`` if it was made under the same ``key``; otherwise made now. One of each is kept."""
        held = self.cache.get(what)
        if held is not None and held[0] == key:
            return held[1]
        made = make()
        self.cache[what] = (key, made)
        return made
