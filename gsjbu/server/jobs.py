"""Jobs: a bounded queue, fair among clients; a bounded pool of threads; cancel, timeout and faults kept apart.

A job runs in one thread of the pool. Its ``report`` is the pipeline's progress callback, and the only place where
it can be stopped: once ``stop`` has set a reason, the next report raises ``Cancelled``. The job's state turns
terminal at once; its place in the pool is free again when the thread has really come out.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from gsjbu.core.threads import available, step_back
from gsjbu.errors import Cancelled, GsjbuError
from gsjbu.server.events import EventLog
from gsjbu.server.limits import Limits
from gsjbu.server.logs import tell_failure
from gsjbu.server.problems import Problem, from_error, of_crash, stopping
from gsjbu.server.results import clean
from gsjbu.server.store import new_id

if TYPE_CHECKING:
    from gsjbu.run.panels import Panel

log = logging.getLogger("gsjbu.server")

LIVE = ("queued", "running")
# Finished jobs that are remembered (their results live in the store and go by its rules).
KEPT_JOBS = 1000
# For this long after its end a job's progress may be read again.
KEPT_EVENTS_SECONDS = 60.0


def _nothing(job: Job) -> None:
    return None


def _no_end() -> None:
    return None


@dataclass
class Job:
    """One run, from the moment it is accepted."""

    work: Callable[[Job], dict[str, Any] | None]
    client: tuple[str, str]
    settings: dict[str, Any]
    uses_gpu: bool = False
    isolated: bool = False  # it runs in a process of its own
    bytes: int = 0  # of memory, held for it while it runs
    id: str = field(default_factory=new_id)
    state: str = "queued"
    error: Problem | None = None
    created: float = field(default_factory=time.monotonic)
    started: float | None = None
    ended: float | None = None
    progress: dict[str, Any] = field(default_factory=dict)
    events: EventLog = field(default_factory=EventLog)
    watchers: int = 0
    followed: bool = False
    seen: float = field(default_factory=time.monotonic)
    stage_ms: dict[str, float] = field(default_factory=dict)
    pictures: dict[str, Panel] = field(default_factory=dict)  # of a run that goes on
    _reason: Problem | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _stage: tuple[str, float] | None = None
    _end: Callable[[], object] = _no_end

    @property
    def live(self) -> bool:
        """Queued or running."""
        return self.state in LIVE

    def begin(self) -> bool:
        """From queued to running; False where the job was stopped before."""
        with self._lock:
            if self.state != "queued":
                return False
            self.state, self.started = "running", time.monotonic()
        self.events.append("running", {"state": "running"})
        return True

    def let_go(self) -> None:
        """It does not run, or no longer: free what the work held on to."""
        self._close_stage(time.monotonic())
        self.pictures = {}
        self.work = _nothing

    def touch(self) -> None:
        """Somebody has asked for this job."""
        self.seen = time.monotonic()

    @contextmanager
    def watched(self) -> Iterator[None]:
        """While the block runs, somebody waits for the job."""
        self.followed = True
        self.watchers += 1
        try:
            yield
        finally:
            self.watchers -= 1
            self.touch()

    def check(self) -> None:
        """Raise Cancelled where the job has been told to stop."""
        if self._reason is not None:
            raise Cancelled

    @contextmanager
    def stopped_by(self, end: Callable[[], object]) -> Iterator[None]:
        """While the block runs, stopping the job calls ``end`` at once; it may be called more than once."""
        self._end = end
        try:
            self.check()  # it may have been stopped a moment before
            yield
        finally:
            self._end = _no_end

    def report(self, progress: Any) -> None:
        """The pipeline's progress callback: one event, and the place where a stopped job comes out."""
        self.check()
        now = time.monotonic()
        if self._stage is None or self._stage[0] != progress.stage:
            self._close_stage(now)
            self._stage = (progress.stage, now)
        share = min(1.0, max(0.0, float(progress.share)))
        spent = now - (self.started or now)
        eta = spent * (1 - share) / share if share > 0.02 else None
        self.progress = {
            "stage": progress.stage,
            "step": progress.step,
            "steps": progress.steps,
            "loss": clean(progress.loss),
            "share": round(share, 4),
            "eta_s": None if eta is None else round(eta, 3),
        }
        self.events.append("progress", self.progress)
        pictures = getattr(progress, "pictures", ())
        if pictures:
            self.pictures = {panel.name: panel for panel in pictures}
            self.events.append("pictures", {"panels": [panel.as_dict() for panel in pictures]})

    def _close_stage(self, now: float) -> None:
        if self._stage is not None:
            name, began = self._stage
            self.stage_ms[name] = self.stage_ms.get(name, 0.0) + 1000 * (now - began)
            self._stage = None

    def stop(self, reason: Problem) -> bool:
        """Make the job terminal now, its thread (if it has one) come out soon. False if it had ended."""
        self._reason = self._reason or reason
        stopped = self.come_out()
        self._end()
        return stopped

    def come_out(self) -> bool:
        """Terminal for the reason it was stopped for, whoever comes first, the thread or who stopped it."""
        reason = self._reason or Problem("cancelled", "The job was cancelled.")
        state = "cancelled" if reason.code in ("cancelled", "client_gone", "server_stopping") else "failed"
        return self.finish(state, reason)

    def finish(self, state: str, error: Problem | None = None, data: dict[str, Any] | None = None) -> bool:
        """Set the terminal state, once; the first to come wins."""
        with self._lock:
            if not self.live:
                return False
            # Nothing is left to wait for, whoever asks from now on.
            over = {"share": 1.0, "eta_s": 0.0} if state == "done" else {"eta_s": None}
            self.progress = {**self.progress, **over}
            self.state, self.error, self.ended = state, error, time.monotonic()
        body: dict[str, Any] = {"state": state, **(data or {})}
        if error is not None:
            body["error"] = error.body()
        self.events.append(state, body)
        return True


def _of_addresses(live: Counter[tuple[str, str]]) -> Counter[str]:
    total: Counter[str] = Counter()
    for (address, _), count in live.items():
        total[address] += count
    return total


class Scheduler:
    """Accepts jobs, lets them run by turns, and watches over them. Safe to use from any thread."""

    def __init__(
        self,
        limits: Limits,
        on_end: Callable[[Job], None] = lambda job: None,
        may_begin: Callable[[int, int], bool] = lambda need, running: True,
    ) -> None:
        """``on_end`` is told of every job that has ended; ``may_begin`` says whether one of so many bytes may begin
        beside running ones that were given so many."""
        self.limits = limits
        self.on_end, self.may_begin = on_end, may_begin
        self.stopping = False
        self._lock = threading.RLock()
        self._jobs: OrderedDict[str, Job] = OrderedDict()
        # address -> client -> its waiting jobs; both levels take turns, so that one address which
        # invents clients does not push back another address.
        self._waiting: OrderedDict[str, OrderedDict[str, deque[Job]]] = OrderedDict()
        self._running: dict[str, Job] = {}
        self._places: Counter[tuple[str, str]] = Counter()  # downloads, by client
        self._gpu_running = 0
        self._pool = ThreadPoolExecutor(limits.running_jobs, thread_name_prefix="gsjbu-job", initializer=step_back)

    @property
    def running(self) -> int:
        """Places in the pool that are taken."""
        return len(self._running)

    @property
    def running_bytes(self) -> int:
        """Memory that running jobs were given."""
        with self._lock:
            return sum(job.bytes for job in self._running.values())

    @property
    def queued(self) -> int:
        """Jobs that wait."""
        with self._lock:
            return sum(job.live for job in self._waiting_jobs())

    def threads_each(self) -> int:
        """Threads for a job that begins now: the cores, shared out among the jobs that run."""
        return max(1, available() // max(1, len(self._running)))

    def submit(self, job: Job) -> None:
        """Accept ``job``, or refuse with ``queue_full``, ``client_busy``, ``address_busy`` or ``server_stopping``."""
        yielding = None
        with self._lock:
            self._check_share(job.client)
            free = self.limits.running_jobs - len(self._running)
            if free <= 0 and self.queued >= self.limits.queue_jobs:
                yielding = self._who_yields_to(job)
                if yielding is None:
                    detail = "All places in the queue are taken; please try again soon."
                    raise Problem("queue_full", detail, retry_after=self._wait_s())
                self._unqueue(yielding)
            self._jobs[job.id] = job
            self._forget_old()
            address, client = job.client
            self._waiting.setdefault(address, OrderedDict()).setdefault(client, deque()).append(job)
            self._fill()
            if job.id not in self._running:
                job.events.append("queued", {"state": "queued"})
        if yielding is not None:
            detail = "The queue is full, and your address has most places in it: this job gave way to another's."
            yielding.stop(Problem("queue_full", detail))
            self.on_end(yielding)

    def take_place(self, client: tuple[str, str]) -> Callable[[], None]:
        """Count a download among the client's live work, or refuse; returns what counts it out again."""
        with self._lock:
            self._check_share(client)
            self._places[client] += 1

        def release() -> None:
            with self._lock:
                self._places[client] -= 1
                if not self._places[client]:
                    del self._places[client]

        return release

    def get(self, job_id: str) -> Job:
        """The job with this id; asking keeps it alive."""
        job = self._jobs.get(job_id)
        if job is None:
            raise Problem("not_found", "There is no job with this id; jobs are forgotten after a while.")
        job.touch()
        return job

    def live_jobs(self) -> list[Job]:
        """Jobs that are queued or running."""
        with self._lock:
            return [job for job in self._jobs.values() if job.live]

    def cancel(self, job: Job, code: str = "cancelled", detail: str = "The job was cancelled.") -> bool:
        """Stop one job; False if it had ended already."""
        with self._lock:
            was_waiting = self._unqueue(job)
            stopped = job.stop(Problem(code, detail))
        if stopped and was_waiting:
            self.on_end(job)
        return stopped

    def tick(self) -> None:
        """Called a few times a second: end what has run too long or that nobody waits for any more."""
        now = time.monotonic()
        for job in list(self._jobs.values()):
            if job.ended is not None and now - job.ended > KEPT_EVENTS_SECONDS:
                job.events.compact()
        for job in self.live_jobs():
            if job.started is not None and now - job.started > self.limits.job_seconds:
                self.cancel(
                    job, "timeout",
                    f"The job took longer than the {self.limits.job_seconds:g} s allowed; lower resolution, iters or "
                    "radius.",
                )  # fmt: skip
            elif job.watchers == 0 and now - job.seen > self._patience(job):
                self.cancel(job, "client_gone", "Nobody asked for this job any more, so it was cancelled.")

    def _patience(self, job: Job) -> float:
        """A page follows its job's stream, and has gone when that has; a program may well ask only now and then."""
        return self.limits.client_grace_seconds if job.followed else self.limits.client_idle_seconds

    def shut(self) -> None:
        """No new work from now on; waiting jobs are cancelled, running ones go on."""
        with self._lock:
            self.stopping = True
            waiting = self._waiting_jobs()
        self._cancel_for_good(waiting)

    def close(self) -> None:
        """Stop what still runs and let the threads go."""
        self.shut()
        self._cancel_for_good(self.live_jobs())
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _cancel_for_good(self, jobs: list[Job]) -> None:
        for job in jobs:
            self.cancel(job, "server_stopping", "The server is shutting down.")

    # -- inside the lock ------------------------------------------------------------------------------------------

    def _waiting_jobs(self) -> list[Job]:
        return [job for clients in self._waiting.values() for jobs in clients.values() for job in jobs]

    def _check_share(self, client: tuple[str, str]) -> None:
        if self.stopping:
            raise stopping()
        live = self._live()
        if live[client] >= self.limits.client_jobs:
            raise Problem(
                "client_busy",
                f"You have {live[client]} jobs or downloads under way; wait for one to end, or cancel it.",
                retry_after=1,
            )
        if _of_addresses(live)[client[0]] >= self.limits.address_jobs:
            detail = "Your address has as many jobs and downloads under way as it may; wait for one to end."
            raise Problem("address_busy", detail, retry_after=1)

    def _live(self) -> Counter[tuple[str, str]]:
        """Jobs that are queued or running, and downloads, by client."""
        return self._places + Counter(job.client for job in self._jobs.values() if job.live)

    def _who_yields_to(self, job: Job) -> Job | None:
        """The newest waiting job of the address that holds most, where the new job's would hold less even so."""
        live = self._live()
        held = _of_addresses(live)
        address = max(self._waiting, key=lambda a: held[a], default=None)
        if address is None or held[address] <= held[job.client[0]] + 1:
            return None
        newest = [jobs[-1] for jobs in self._waiting[address].values()]
        return max(newest, key=lambda waiting: (live[waiting.client], waiting.created))

    def _fill(self) -> None:
        while len(self._running) < self.limits.running_jobs:
            job = self._next()
            if job is None:
                return
            self._running[job.id] = job
            self._gpu_running += job.uses_gpu
            self._pool.submit(self._run, job).add_done_callback(tell_failure)

    def _next(self) -> Job | None:
        """The first job, by turns of address and client, that may run now."""
        for address, clients in list(self._waiting.items()):
            for client, jobs in list(clients.items()):
                if jobs[0].uses_gpu and self._gpu_running >= self.limits.gpu_jobs:
                    continue
                if self._running and not self.may_begin(jobs[0].bytes, self.running_bytes):
                    return None  # it is this one's turn: others wait with it until there is room
                job = jobs.popleft()
                clients.move_to_end(client)
                self._waiting.move_to_end(address)
                self._tidy(address, client)
                return job
        return None

    def _unqueue(self, job: Job) -> bool:
        address, client = job.client
        clients = self._waiting.get(address)
        jobs = clients.get(client) if clients is not None else None
        if jobs is None or job not in jobs:
            return False
        jobs.remove(job)
        self._tidy(address, client)
        job.let_go()
        return True

    def _tidy(self, address: str, client: str) -> None:
        clients = self._waiting[address]
        if not clients[client]:
            del clients[client]
        if not clients:
            del self._waiting[address]

    def _forget_old(self) -> None:
        ended = [i for i, j in self._jobs.items() if not j.live]
        for job_id in ended[: max(0, len(self._jobs) - KEPT_JOBS)]:
            del self._jobs[job_id]

    def _wait_s(self) -> int:
        """A guess at when a place comes free: the mean run time of the last jobs."""
        times = [j.ended - j.started for j in list(self._jobs.values())[-20:] if j.started and j.ended]
        mean = sum(times) / len(times) if times else 1.0
        return max(1, min(60, round(mean * self.limits.queue_jobs / self.limits.running_jobs / 2)))

    # -- in a thread of the pool ----------------------------------------------------------------------------------

    def _run(self, job: Job) -> None:
        try:
            self._work(job)
        finally:
            job.let_go()  # first: what it held is room for the next
            with self._lock:
                self._running.pop(job.id, None)
                self._gpu_running -= job.uses_gpu
                self._fill()
            self.on_end(job)

    def _work(self, job: Job) -> None:
        if not job.begin():
            return
        try:
            data = job.work(job)
            job.finish("done", data=data)
        except Cancelled:
            job.come_out()
        except Problem as problem:
            job.finish("failed", problem.plain())
        except GsjbuError as error:
            job.finish("failed", from_error(error))
        except BaseException as error:  # a job must never take the pool with it
            log.error("job crashed", extra={"job": job.id}, exc_info=error)
            job.finish("failed", of_crash(error))
