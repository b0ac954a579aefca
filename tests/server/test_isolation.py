"""Jobs in processes of their own: the same result to the bit; a process that dies or is killed is one failed job."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import psutil
import pytest
import torch

from gsjbu.run.result import Result
from gsjbu.server import isolation
from tests.server.conftest import Running, picture, start, upload, wait
from tests.server.test_jobs import until

pytestmark = pytest.mark.usefixtures("quick_workers")


def hang(*_given: Any, **_more: Any) -> None:
    """A run that comes to no end and tells nothing."""
    time.sleep(60)


def workers() -> list[psutil.Process]:
    """Processes of this one's that compute jobs."""
    found = []
    for child in psutil.Process().children():
        try:
            if any("gsjbu.server.worker" in word for word in child.cmdline()):
                found.append(child)
        except psutil.Error:
            continue
    return found


def tensors(result: Result) -> dict[str, torch.Tensor]:
    """All that the result of a run holds or can be asked for."""
    out = {f"{panel.name} values": panel.values for panel in result.panels}
    out |= {f"{panel.name} picture": torch.from_numpy(panel.picture) for panel in result.panels}
    kernels = {"kernel": result.kernel, "features": result.features_kernel, "signal": result.signal_kernel}
    out |= {f"{name} kernel": kernel.raw for name, kernel in kernels.items() if kernel is not None}
    return out


def test_it_gives_the_same_bits_as_a_thread(serve: Callable[..., Running]) -> None:
    settings = {"iters": 3, "stride": 8, "features": False}
    found: list[tuple[dict[str, Any], Result, bytes]] = []
    for limit in (2**40, 1):
        server = serve(real=True, isolate_bytes=limit)
        client = server.client()
        image = upload(client, picture(96, 80))
        job = start(client, image, **settings)
        body = wait(client, job, 60)
        assert body["state"] == "done", body
        assert server.service.jobs.get(job).isolated is (limit == 1)
        result = server.service.store.get("result", job).result
        found.append((body["result"], result, client.get(f"/api/jobs/{job}/kernel?x=50&y=40").content))
        assert server.service.jobs.get(job).stage_ms.keys() >= {"fit", "render", "panels"}
    (facts, first, read_out), (facts_too, second, read_out_too) = found
    mine, other = tensors(first), tensors(second)
    assert mine.keys() == other.keys() and len(mine) > 15
    assert [name for name, values in mine.items() if not torch.equal(values, other[name])] == []
    assert read_out == read_out_too
    assert facts["metrics"] == facts_too["metrics"] and facts["losses"] == facts_too["losses"]
    assert [p["png"] for p in facts["panels"]] == [p["png"] for p in facts_too["panels"]]
    assert not workers()


@pytest.mark.parametrize("end", ["killed", "cancelled", "timed out"])
def test_a_process_that_ends_is_one_job_that_ends(serve: Callable[..., Running], end: str) -> None:
    server = serve(hang, isolate_bytes=30_000, job_seconds=1.0 if end == "timed out" else 300.0)
    client = server.client()
    job = start(client, upload(client))
    assert server.service.jobs.get(job).isolated
    until(lambda: len(workers()) == 1, 20)
    if end == "killed":
        workers()[0].kill()
    elif end == "cancelled":
        client.delete(f"/api/jobs/{job}")
    body = wait(client, job)
    code = {"killed": "worker_lost", "cancelled": "cancelled", "timed out": "timeout"}[end]
    assert body["error"]["code"] == code
    assert end != "killed" or body["error"]["status"] == 503
    until(lambda: not workers() and not server.service.jobs.running, 5)
    small = upload(client, picture(32, 32))
    assert client.get(f"/api/images/{small}/thumb.png").status_code == 200


def test_what_is_known_of_an_end_is_told() -> None:
    assert "signal 9" in isolation.lost(-9).detail
    assert "status 3" in isolation.lost(3).detail
