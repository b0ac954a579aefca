"""The same batch on Ray: an actor per core or per GPU, over as many machines as the cluster has.

Scheduling, retries, back-pressure and progress are Ray Data's. What makes a retry harmless is ours: a result is
renamed into place whole, and an item whose result is there is not worked on again. Input and output must be on
storage that every machine sees under the same path.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Any

from gsjbu.batch.config import BatchConfig, WriteFailed
from gsjbu.batch.items import Blob, Item
from gsjbu.batch.work import Worker
from gsjbu.core import devices, threads
from gsjbu.errors import GsjbuError
from gsjbu.extras import lacking

LOCAL = "local"
BLOCK = 4  # images per task: what is repeated when a machine is lost


def run(
    items: list[Item],
    folder: str,
    asked: BatchConfig,
    workers: int | None,
    finished: Callable[[dict[str, Any]], None],
    address: str = LOCAL,
) -> None:
    """Work on ``items`` with ``workers`` Ray actors; ``finished`` is called with each outcome as it comes.

    workers: one per core of the cluster, or per GPU where the device is one, if None.
    address: ``local`` starts Ray on this machine for the time of the run; otherwise a running cluster's address
        (``auto``, ``10.0.0.1:6379`` or ``ray://…``).
    """
    if why := lacking("ray", "A cluster run"):
        raise GsjbuError("ray_missing", why)
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    import ray
    import ray.data

    if not items:
        return
    # One device on all machines, that of this one; which of a machine's GPUs an actor has, Ray says.
    asked = replace(asked, device=devices.type_of(asked.device))
    gpu = asked.device == "cuda"
    ours = not ray.is_initialized()
    if ours:
        here: dict[str, Any] = {"num_cpus": workers or threads.available(), "include_dashboard": False}
        where = here if address == LOCAL else {"address": address}
        ray.init(**where, log_to_driver=False, logging_level=logging.ERROR)
    try:
        there = int(ray.cluster_resources().get("GPU" if gpu else "CPU", 0))
        if gpu and not there:  # actors would be waited for without end
            raise GsjbuError("device_unavailable", "The cluster has no GPU; give --device cpu.")
        workers = workers or max(1, there)
        ray.data.DataContext.get_current().enable_progress_bars = False
        rows = [{"item": json.dumps(asdict(item))} for item in items]
        blocks = max(1, min(len(rows), max(workers, -(-len(rows) // BLOCK))))
        outcomes = ray.data.from_items(rows, override_num_blocks=blocks).map(
            _Actor,  # type: ignore[arg-type]  # Ray types the call, not the class that it makes actors of
            fn_constructor_args=(folder, asked),
            compute=ray.data.ActorPoolStrategy(size=workers),
            num_cpus=0 if gpu else 1,
            num_gpus=1 if gpu else 0,
        )
        for row in outcomes.iter_rows():
            outcome = json.loads(row["outcome"])
            if "write_failed" in outcome:
                raise WriteFailed(outcome["write_failed"])
            finished(outcome)
    finally:
        if ours:
            ray.shutdown()


class _Actor:
    """A worker as Ray Data calls it: a row with an item in, a row with its outcome out."""

    def __init__(self, folder: str, asked: BatchConfig) -> None:
        self.worker = Worker(folder, asked)

    def __call__(self, row: dict[str, Any]) -> dict[str, str]:
        item = json.loads(row["item"])
        blobs = {name: Blob(**item[name]) if item[name] else None for name in ("image", "signal")}
        try:
            outcome = self.worker(Item(item["key"], **blobs, refusal=item["refusal"]))  # type: ignore[arg-type]
        except WriteFailed as error:  # an exception would be retried; this one is the end of the run
            outcome = {"write_failed": str(error)}
        return {"outcome": json.dumps(outcome)}
