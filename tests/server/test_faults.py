"""Faults put into every stage of the real computation: that job fails with a code, all others finish."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from gsjbu.run import pipeline
from gsjbu.run.stages import SHARES
from tests.server.conftest import Running, picture, start, upload, wait
from tests.server.fake import FakeRun
from tests.server.test_jobs import until

ERRORS = {"internal": RuntimeError("injected, in /secret/place"), "out_of_memory": MemoryError("injected")}
DOOMED = 1234  # the seed that marks the job to fail


def faulty(stage: str, error: Exception) -> Callable[..., Any]:
    """``pipeline.run``, but a job with the marked seed fails when it reaches ``stage``."""

    def run(image: Any, settings: Any, *, progress: Callable[[Any], None], **rest: Any) -> Any:
        def watch(p: Any) -> None:
            progress(p)
            if settings.seed == DOOMED and p.stage == stage:
                raise error

        return pipeline.run(image, settings, progress=watch, **rest)

    return run


@pytest.mark.parametrize("stage", list(SHARES))
def test_a_fault_in_a_stage(serve: Callable[..., Running], stage: str) -> None:
    settings = {"iters": 2, "stride": 8, "features": stage == "features"}
    for code, error in ERRORS.items():
        server = serve(faulty(stage, error), running_jobs=2)
        client = server.client()
        image = upload(client, picture(64, 64))
        others = [start(server.client(f"other-{n}"), image, **settings) for n in range(3)]
        bad = start(server.client("bad-one"), image, **{**settings, "seed": DOOMED})
        body = wait(client, bad)
        assert (body["state"], body["error"]["code"]) == ("failed", code)
        assert "secret" not in str(body)
        assert [wait(client, job)["state"] for job in others] == ["done"] * 3
        again = start(server.client("bad-one"), image, **{**settings, "seed": 7})
        assert wait(client, again)["state"] == "done"


@pytest.mark.parametrize(("code", "status"), [("internal", 500), ("out_of_memory", 413)])
def test_run_tells_of_a_fault_with_its_code(serve: Callable[..., Running], code: str, status: int) -> None:
    client = serve(faulty("rgb", ERRORS[code])).client()
    answer = client.post("/api/run", files={"file": picture()}, data={"seed": str(DOOMED), "iters": "1"})
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert client.post("/api/run", files={"file": picture()}, data={"iters": "1"}).status_code == 200


@pytest.mark.parametrize(("part", "where"), [("runs", "_place_panels"), ("inputs", "reduced")])
def test_a_fault_in_the_servers_own_steps(
    serve: Callable[..., Running], part: str, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve()
    client = server.client()
    image = upload(client)
    owner = getattr(server.service, part)
    good = getattr(owner, where)
    raised = threading.Event()

    def once(*args: Any) -> Any:
        if not raised.is_set():
            raised.set()
            raise MemoryError
        return good(*args)

    monkeypatch.setattr(owner, where, once)
    assert wait(client, start(client, image))["error"]["code"] == "out_of_memory"
    assert wait(client, start(client, image))["state"] == "done"


@pytest.mark.parametrize("wrong", ["full", "read-only", "a file in its place"])
def test_without_an_output_folder_the_result_is_given_by_links(
    serve: Callable[..., Running], wrong: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    server = serve()
    client = server.client()
    monkeypatch.setattr(logging.getLogger("gsjbu.server"), "propagate", True)
    caplog.set_level(logging.INFO, "gsjbu.server")
    image = upload(client)
    if wrong == "a file in its place":
        server.service.out.folder.write_text("")
    else:
        error = OSError(*{"full": (28, "No space left on device"), "read-only": (30, "Read-only")}[wrong])
        monkeypatch.setattr(Path, "mkdir", lambda *a, **k: (_ for _ in ()).throw(error))
    job = client.post("/api/jobs", json={"image_id": image, "return_files": True}).json()["job_id"]
    body = wait(client, job)
    assert body["state"] == "done"
    assert "each panel is at an address of its own" in body["result"]["status"]["files"]
    for panel in body["result"]["panels"]:
        assert client.get(panel["url"]).content.startswith(b"\x89PNG")
    answer = client.post("/api/run", files={"file": picture()}, data={"return_files": "true"})
    assert (answer.status_code, answer.json()["code"]) == (507, "storage_full")
    until(lambda: any(getattr(r, "status", 0) == 507 for r in caplog.records))
    (line,) = [r for r in caplog.records if getattr(r, "status", 0) == 507]
    assert (line.code, line.id) == ("storage_full", answer.headers["x-request-id"])  # type: ignore[attr-defined]
    kept = client.get(f"/api/jobs/{answer.headers['x-job-id']}").json()
    assert kept["state"] == "done" and client.get(kept["result"]["panels"][0]["url"]).status_code == 200
    assert str(server.service.out.folder) not in str(body) + answer.text


@pytest.mark.parametrize(
    ("number", "status", "code"),
    [(28, 507, "storage_full"), (24, 503, "files_exhausted"), (12, 413, "out_of_memory"), (5, 500, "internal")],
)
def test_what_the_machine_has_run_out_of_has_a_code(
    serve: Callable[..., Running], number: int, status: int, code: str
) -> None:
    def run(*given: Any, **more: Any) -> None:
        raise OSError(number, "told by the system")

    server = serve(run)
    answer = server.client().post("/api/run", files={"file": picture()})
    assert (answer.status_code, answer.json()["code"]) == (status, code)


GIB = 2**30


def test_a_job_that_the_machine_can_never_hold_is_refused_with_what_to_lower(
    serve: Callable[..., Running], monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve(real=True)
    client = server.client()
    image = upload(client, picture(900, 900))
    monkeypatch.setattr("gsjbu.server.service.available_bytes", lambda: 200 * 2**20)
    answer = client.post("/api/jobs", json={"image_id": image, "settings": {"resolution": 900, "radius": 8}})
    assert (answer.status_code, answer.json()["code"]) == (413, "memory_limit")
    assert "left" in answer.json()["detail"]
    assert wait(client, start(client, image, resolution=64, iters=1, features=False))["state"] == "done"


def test_a_job_waits_for_memory_that_another_holds(
    serve: Callable[..., Running], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = FakeRun(seconds=0.3)
    server = serve(run, running_jobs=2)
    monkeypatch.setattr("gsjbu.server.service.available_bytes", lambda: int(1.1 * GIB))
    monkeypatch.setattr(
        server.service, "estimate", lambda *a: SimpleNamespace(seconds=0.3, bytes=0.5 * GIB, stages={}, advice=[])
    )
    first, second = server.client("one"), server.client("two")
    image = upload(first)
    jobs = [(first, start(first, image)), (second, start(second, image))]
    assert server.service.jobs.running == 1
    assert [wait(client, job)["state"] for client, job in jobs] == ["done", "done"]


def test_a_job_whose_memory_went_while_it_waited_fails_alone(
    serve: Callable[..., Running], monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve(FakeRun())
    client = server.client()
    image = upload(client)
    left = iter([4 * GIB])
    monkeypatch.setattr("gsjbu.server.service.available_bytes", lambda: next(left, 0))
    assert wait(client, start(client, image))["error"]["code"] == "memory_limit"
    monkeypatch.undo()
    assert wait(client, start(client, image))["state"] == "done"


@pytest.mark.parametrize(
    "error", [RuntimeError("DefaultCPUAllocator: can't allocate memory"), RuntimeError("can't start new thread")]
)
def test_what_libraries_say_of_memory_is_understood(serve: Callable[..., Running], error: Exception) -> None:
    client = serve(faulty("rgb", error)).client()
    answer = client.post("/api/run", files={"file": picture()}, data={"seed": str(DOOMED), "iters": "1"})
    assert answer.json()["code"] == "out_of_memory"
