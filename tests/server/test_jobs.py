"""The queue, the turns, cancel, timeouts, faults: first the scheduler alone, then over HTTP."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from gsjbu.errors import Cancelled, SettingError
from gsjbu.server.jobs import Job, Scheduler
from gsjbu.server.limits import Limits
from gsjbu.server.problems import Problem
from tests.at_once import at_once
from tests.server.conftest import Running, picture, start, upload, wait
from tests.server.fake import STAGES, FakeRun


def job(work: Callable[[Job], object], client: str = "a", address: str = "x", gpu: bool = False) -> Job:
    return Job(work, (address, client), {}, uses_gpu=gpu)  # type: ignore[arg-type]


def until(true: Callable[[], bool], seconds: float = 5) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.002)


class Gate:
    """Work that reports, notes its name, and waits to be let through."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.order: list[str] = []

    def __call__(self, name: str) -> Callable[[Job], None]:
        def work(j: Job) -> None:
            self.order.append(name)
            while not self.open.wait(0.002):
                j.report(SimpleNamespace(stage="wait", step=0, steps=0, loss=None, share=0.5))

        return work


@pytest.mark.parametrize("end", ["done", "failed", "cancelled"])
def test_of_a_job_that_has_ended_nothing_is_left(end: str) -> None:
    s, gate = Scheduler(Limits(running_jobs=1)), Gate()
    expected = {"done": (1.0, 0.0)}.get(end, (0.5, None))

    def work(j: Job) -> None:
        gate("one")(j)
        if end == "failed":
            raise ValueError

    one = job(work, "a")
    s.submit(one)
    until(lambda: (one.progress.get("eta_s") or 0) > 0)
    if end == "cancelled":
        s.cancel(one)
    gate.open.set()
    until(lambda: one.state == end)
    assert (one.progress["stage"], one.progress["share"], one.progress["eta_s"]) == ("wait", *expected)
    s.close()


def test_clients_take_turns_and_a_flood_from_one_address_does_not_push_back_another() -> None:
    s, gate = Scheduler(Limits(running_jobs=1, queue_jobs=20, client_jobs=2)), Gate()
    jobs = [job(gate("first"), "first")]
    jobs += [job(gate(f"flood{n}"), f"made-up-{n // 2}", "flood") for n in range(8)]
    jobs += [job(gate("a1"), "a", "calm"), job(gate("b1"), "b", "calm"), job(gate("a2"), "a", "calm")]
    for j in jobs:
        s.submit(j)
    gate.open.set()
    until(lambda: all(j.state == "done" for j in jobs))
    assert gate.order[:7] == ["first", "flood0", "a1", "flood2", "b1", "flood4", "a2"]
    s.close()


def test_only_a_job_that_waits_for_a_place_is_told_so() -> None:
    s, gate = Scheduler(Limits(running_jobs=1)), Gate()
    first, second = job(gate("first")), job(gate("second"), "b")
    for one in (first, second):
        s.submit(one)
    until(lambda: first.state == "running")
    assert [one.events.after(0)[0].kind for one in (first, second)] == ["running", "queued"]
    gate.open.set()
    until(lambda: second.state == "done")
    assert [event.kind for event in second.events.after(0)][:2] == ["queued", "running"]
    s.close()


def test_limits_of_queue_and_client_are_exact_and_say_when_to_come_back() -> None:
    s, gate = Scheduler(Limits(running_jobs=2, queue_jobs=3, client_jobs=2)), Gate()
    accepted = [job(gate(str(n)), f"c{n}") for n in range(5)]
    for j in accepted:
        s.submit(j)
    with pytest.raises(Problem) as full:
        s.submit(job(gate("no"), "late"))
    assert (full.value.code, full.value.status) == ("queue_full", 429)
    assert full.value.retry_after is not None
    assert full.value.retry_after >= 1
    s.cancel(accepted[4])
    s.submit(job(gate("c0 again"), "c0"))
    with pytest.raises(Problem) as busy:
        s.submit(job(gate("no"), "c0"))
    assert busy.value.code == "client_busy"
    gate.open.set()
    until(lambda: s.running == 0 and s.queued == 0)
    assert accepted[4].state == "cancelled"
    assert "4" not in gate.order
    s.close()


def test_an_address_that_invents_clients_cannot_fill_the_queue() -> None:
    s, gate = Scheduler(Limits(running_jobs=1, queue_jobs=8, address_jobs=5)), Gate()
    for n in range(5):
        s.submit(job(gate(f"flood{n}"), f"made-up-{n}", "flood"))
    with pytest.raises(Problem) as busy:
        s.submit(job(gate("no"), "made-up-5", "flood"))
    assert (busy.value.code, busy.value.status) == ("address_busy", 429)
    assert busy.value.retry_after
    s.submit(job(gate("calm"), "a", "calm"))
    gate.open.set()
    until(lambda: s.running == 0 and s.queued == 0)
    s.close()


def test_when_the_queue_is_full_who_holds_most_gives_way() -> None:
    ended: list[Job] = []
    s, gate = Scheduler(Limits(running_jobs=1, queue_jobs=6, address_jobs=5), ended.append), Gate()
    floods = [job(gate(f"flood{n}"), f"made-up-{n}", "flood") for n in range(5)]
    others = [job(gate(f"other{n}"), f"o{n}", "other") for n in range(2)]
    for j in floods + others:
        s.submit(j)
    calm = job(gate("calm"), "a", "calm")
    s.submit(calm)
    assert [j.state for j in floods] == ["running", "queued", "queued", "queued", "failed"]
    assert floods[4].error is not None and floods[4].error.code == "queue_full"
    assert ended == [floods[4]]
    s.submit(job(gate("calm2"), "b", "calm"))
    with pytest.raises(Problem) as full:  # it would hold as much as those it pushes back
        s.submit(job(gate("calm3"), "c", "calm"))
    assert full.value.code == "queue_full"
    gate.open.set()
    until(lambda: all(not j.live for j in (*floods, *others, calm)))
    assert calm.state == "done"
    s.close()


def test_downloads_count_among_a_clients_live_work() -> None:
    s, gate = Scheduler(Limits(running_jobs=1, client_jobs=2)), Gate()
    release = s.take_place(("x", "a"))
    s.submit(job(gate("one")))
    for refused in (lambda: s.submit(job(gate("two"))), lambda: s.take_place(("x", "a"))):
        with pytest.raises(Problem) as busy:
            refused()
        assert busy.value.code == "client_busy"
    release()
    s.submit(job(gate("two")))
    gate.open.set()
    until(lambda: s.running == 0 and s.queued == 0)
    s.close()


def test_jobs_on_the_gpu_wait_for_it_while_others_pass() -> None:
    s, gate = Scheduler(Limits(running_jobs=3, gpu_jobs=1, client_jobs=9)), Gate()
    jobs = [job(gate("g1"), gpu=True), job(gate("g2"), "b", gpu=True), job(gate("cpu"), "c")]
    for j in jobs:
        s.submit(j)
    until(lambda: len(gate.order) == 2)
    assert sorted(gate.order) == ["cpu", "g1"]
    gate.open.set()
    until(lambda: all(j.state == "done" for j in jobs))
    s.close()


def test_threads_are_shared_out() -> None:
    s, gate = Scheduler(Limits(running_jobs=2)), Gate()
    alone = s.threads_each()
    s.submit(job(gate("a"), "a"))
    s.submit(job(gate("b"), "b"))
    assert s.threads_each() == max(1, alone // 2)
    gate.open.set()
    until(lambda: s.running == 0)
    s.close()


@pytest.mark.parametrize(
    ("error", "state", "code"),
    [
        (RuntimeError("secret /etc/path"), "failed", "internal"),
        (MemoryError(), "failed", "out_of_memory"),
        (SettingError("stride", "stride is bad."), "failed", "setting_invalid"),
        (Cancelled(), "cancelled", "cancelled"),
        (SystemExit(3), "failed", "internal"),
        (KeyboardInterrupt(), "failed", "internal"),
    ],
)
def test_whatever_a_job_raises_stays_in_the_job(error: BaseException, state: str, code: str) -> None:
    s = Scheduler(Limits(running_jobs=1))

    def bad(j: Job) -> None:
        raise error

    broken, fine = job(bad), job(lambda j: None, "b")
    s.submit(broken)
    s.submit(fine)
    until(lambda: fine.state == "done")
    assert broken.state == state
    assert broken.error is not None
    assert broken.error.code == code
    assert "secret" not in broken.error.detail
    assert broken.error.__traceback__ is None, "a kept traceback keeps the job's arrays alive"
    assert [e.kind for e in broken.events.after(0)] == ["running", state]
    s.close()


def test_a_job_that_runs_too_long_fails_with_timeout_and_frees_its_place() -> None:
    s, gate = Scheduler(Limits(running_jobs=1, job_seconds=0.05)), Gate()
    slow = job(gate("slow"))
    s.submit(slow)
    until(lambda: slow.state == "running")
    time.sleep(0.06)
    s.tick()
    assert slow.state == "failed"
    assert slow.error is not None
    assert slow.error.code == "timeout"
    until(lambda: s.running == 0, 1)
    s.close()


def test_a_job_whose_stream_has_gone_is_cancelled_after_the_grace_time() -> None:
    limits = Limits(running_jobs=3, client_grace_seconds=0.05, client_idle_seconds=0.3)
    s, gate = Scheduler(limits), Gate()
    left, watched, polled = (job(gate(name), name) for name in ("left", "watched", "polled"))
    for j in (left, watched, polled):
        s.submit(j)
    with watched.watched():
        with left.watched():
            pass
        time.sleep(0.08)
        s.tick()
        assert (left.state, watched.state, polled.state) == ("cancelled", "running", "running")
        assert left.error is not None
        assert left.error.code == "client_gone"
        time.sleep(0.3)
        s.tick()
        assert (watched.state, polled.state) == ("running", "cancelled")
    gate.open.set()
    until(lambda: s.running == 0)
    s.close()


def test_over_http_a_dropped_stream_is_a_client_that_went_away(serve: Callable[..., Running]) -> None:
    server = serve(FakeRun(seconds=20), client_grace_seconds=0.3)
    client = server.client()
    gone = start(client, upload(client), iters=500)
    stays = start(server.client("polls-now-and-then"), upload(client), iters=500)
    with client.stream("GET", f"/api/jobs/{gone}/events") as answer:
        next(answer.iter_raw())
    until(lambda: server.service.jobs._jobs[gone].state == "cancelled", 3)
    assert server.service.jobs._jobs[gone].error.code == "client_gone"
    assert server.service.jobs._jobs[stays].live
    client.delete(f"/api/jobs/{stays}")


def test_after_shutdown_begins_nothing_is_accepted_and_waiting_jobs_end() -> None:
    s, gate = Scheduler(Limits(running_jobs=1)), Gate()
    runs, waits = job(gate("runs")), job(gate("waits"), "b")
    s.submit(runs)
    s.submit(waits)
    s.shut()
    assert (runs.live, waits.state) == (True, "cancelled")
    with pytest.raises(Problem) as refused:
        s.submit(job(gate("late"), "c"))
    assert (refused.value.code, refused.value.status) == ("server_stopping", 503)
    gate.open.set()
    until(lambda: runs.state == "done")
    s.close()


def test_a_job_that_never_ran_holds_nothing() -> None:
    s, gate = Scheduler(Limits(running_jobs=1, queue_jobs=3)), Gate()
    s.submit(job(gate("runs"), "runs"))
    work = gate("waits")
    waiting = [job(work, f"c{n}", "flood") for n in range(3)]
    for j in waiting:
        s.submit(j)
    s.submit(job(gate("calm"), "a", "calm"))
    s.cancel(waiting[0])
    assert [j.state for j in waiting] == ["cancelled", "queued", "failed"]
    assert [j.work is work for j in waiting] == [False, True, False]
    gate.open.set()
    until(lambda: s.running == 0)
    s.close()


def test_a_stopped_thread_tells_why_it_was_stopped_even_if_it_is_the_first_to() -> None:
    late = job(lambda j: None)
    late._reason = Problem("timeout", "The job took longer than allowed.")  # and then its thread comes out
    late.come_out()
    assert late.state == "failed" and late.error is late._reason


def test_what_goes_wrong_at_a_jobs_end_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    def bad(j: Job) -> None:
        raise OSError("the end went wrong")

    s = Scheduler(Limits(running_jobs=1), bad)
    s.submit(job(lambda j: None))
    until(lambda: any("background" in r.getMessage() for r in caplog.records))
    s.close()


# -- over HTTP ---------------------------------------------------------------------------------------------------


def test_two_hundred_jobs_from_fifty_clients(serve: Callable[..., Running]) -> None:
    gate = threading.Event()
    run = FakeRun(seconds=0.05, fault=lambda stage: gate.wait(30) and None)
    server = serve(run, running_jobs=2, queue_jobs=16)
    image = upload(server.client())
    answers: list[tuple[str, int, str | None, str]] = []

    def four(name: str) -> None:
        client = server.client(name)
        for _ in range(4):
            a = client.post("/api/jobs", json={"image_id": image, "settings": {"iters": 20}})
            body = a.json()
            answers.append((name, a.status_code, a.headers.get("retry-after"), body.get("job_id") or body["code"]))

    at_once(four, [f"{n:04}" for n in range(50)])
    gate.set()
    accepted = [a for a in answers if a[1] == 202]
    refused = [a for a in answers if a[1] == 429]
    assert (len(answers), len(accepted), len(refused)) == (200, 18, 182)
    assert all(a[2] is not None and int(a[2]) >= 1 for a in refused)
    client = server.client()
    states = [wait(client, a[3])["state"] for a in accepted]
    assert states == ["done"] * 18, "an accepted job was lost"
    assert run.started == 18
    by_client = [sum(a[0] == name for a in accepted) for name in {a[0] for a in accepted}]
    assert max(by_client) <= 2


def test_who_is_a_client(serve: Callable[..., Running]) -> None:
    server = serve(FakeRun(seconds=2), running_jobs=1, queue_jobs=16, client_jobs=1)
    image = upload(server.client())

    def post(**more: Any) -> int:
        return httpx.post(server.url + "/api/jobs", json={"image_id": image}, **more).status_code

    assert [post(), post()] == [202, 429], "without anything else the address is the client"
    ids = [{"headers": {"X-Client-Id": f"program-{n}"}} for n in (1, 2)]
    assert [post(**ids[0]), post(**ids[1]), post(**ids[0])] == [202, 202, 429]
    assert post(headers={"X-Client-Id": "x"}) == 422
    visitors = [server.client() for _ in range(2)]
    for visitor in visitors:
        visitor.get("/")
    codes = [v.post("/api/jobs", json={"image_id": image}).status_code for v in (*visitors, visitors[0])]
    assert codes == [202, 202, 429]
    elsewhere = httpx.Client(base_url=server.url, transport=httpx.HTTPTransport(local_address="127.0.0.2"))
    with elsewhere:
        assert elsewhere.post("/api/jobs", json={"image_id": image}).status_code == 202


def test_with_room_made_every_one_of_fifty_clients_gets_its_turn(serve: Callable[..., Running]) -> None:
    server = serve(FakeRun(seconds=0.01), running_jobs=2, queue_jobs=16)
    image = upload(server.client())
    served: list[str] = []

    def insist(name: str) -> None:
        client = server.client(name)
        for _ in range(400):
            a = client.post("/api/jobs", json={"image_id": image, "settings": {"iters": 2}})
            if a.status_code == 202:
                assert wait(client, a.json()["job_id"])["state"] == "done"
                served.append(name)
                return
            time.sleep(0.02)

    at_once(insist, [f"{n:04}" for n in range(50)])
    assert len(served) == 50


def test_cancel_at_a_random_moment_a_hundred_times(serve: Callable[..., Running]) -> None:
    import random

    run = FakeRun(seconds=0.5, ballast_bytes=8_000_000)
    server = serve(run, running_jobs=1)
    client, chance = server.client(), random.Random(1)
    image = upload(client)
    slowest_cancel = slowest_start = 0.0
    for _ in range(100):
        job_id = start(client, image, iters=200)
        time.sleep(chance.random() * 0.04)
        began = time.monotonic()
        assert client.delete(f"/api/jobs/{job_id}").json()["state"] == "cancelled"
        assert client.get(f"/api/jobs/{job_id}").json()["error"]["code"] == "cancelled"
        slowest_cancel = max(slowest_cancel, time.monotonic() - began)
        until(lambda: server.service.jobs.running == 0, 1)
        slowest_start = max(slowest_start, time.monotonic() - began)
    assert slowest_cancel <= 1
    assert slowest_start <= 1
    last = start(client, image, iters=1)
    assert wait(client, last)["state"] == "done"


@pytest.mark.parametrize("error", [RuntimeError("injected /secret/path"), MemoryError()])
def test_a_fault_at_every_stage_fails_that_job_alone(serve: Callable[..., Running], error: Exception) -> None:
    doomed: dict[str, str] = {}

    def fault(stage: str) -> None:
        if doomed.get(threading.current_thread().name) == stage:
            raise error

    class Run(FakeRun):
        def __call__(self, image, settings, **rest):  # type: ignore[no-untyped-def]
            doomed[threading.current_thread().name] = STAGES[settings.seed] if settings.seed < len(STAGES) else ""
            return super().__call__(image, settings, **rest)

    server = serve(Run(seconds=0.05, fault=fault), running_jobs=2)
    client = server.client()
    image = upload(client)
    for number in range(len(STAGES)):
        bad = start(server.client("bad-one"), image, seed=number)
        good = start(server.client("good-one"), image, seed=99)
        body = wait(client, bad)
        assert body["state"] == "failed"
        assert body["error"]["code"] == ("out_of_memory" if isinstance(error, MemoryError) else "internal")
        assert "secret" not in str(body)
        assert wait(client, good)["state"] == "done"
    assert client.get("/healthz").json()["status"] == "ok"


def test_ids_hold_128_random_bits(serve: Callable[..., Running]) -> None:
    client = serve().client()
    image = upload(client)
    ids = {image, upload(client), start(client, image)}
    assert all(len(i) == 32 and int(i, 16) >= 0 for i in ids)
    assert len(ids) == 3


def test_a_client_that_hangs_up_on_run_takes_its_job_along(serve: Callable[..., Running]) -> None:
    server = serve(FakeRun(seconds=20))
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(server.url + "/api/run", files={"file": picture()}, data={"iters": "400"}, timeout=0.5)
    until(lambda: server.service.jobs.running == 0, 3)
    (only,) = server.service.jobs._jobs.values()
    assert (only.state, only.error.code) == ("cancelled", "client_gone")


def test_memory_is_estimated_before_a_job_starts(serve: Callable[..., Running]) -> None:
    server = serve(job_bytes=1000)
    client = server.client()
    answer = client.post("/api/jobs", json={"image_id": upload(client)})
    assert answer.status_code == 413
    assert answer.json()["code"] == "memory_limit"
    assert "lower" in answer.json()["detail"]
