"""What /metrics tells, in Prometheus text."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

_TIMES = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 300)


class Meters:
    """One set per app, so that two apps in one process do not mix."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        r = self.registry
        ProcessCollector(registry=r)
        self.requests = Counter("gsjbu_requests", "Requests answered.", ["method", "route", "status"], registry=r)
        self.request_s = Histogram(
            "gsjbu_request_seconds", "Time to the end of an answer.", ["route"], registry=r, buckets=_TIMES
        )
        self.body_bytes = Counter("gsjbu_request_bytes", "Bytes of request bodies that were read.", registry=r)
        self.refusals = Counter("gsjbu_refusals", "Refusals by code.", ["code"], registry=r)
        self.jobs = Counter("gsjbu_jobs", "Jobs by outcome.", ["outcome"], registry=r)
        self.job_s = Histogram("gsjbu_job_seconds", "Run time of jobs.", registry=r, buckets=_TIMES)
        self.stage_s = Histogram("gsjbu_stage_seconds", "Time per stage.", ["stage"], registry=r, buckets=_TIMES)
        self.queue = Gauge("gsjbu_queue_length", "Jobs that wait.", registry=r)
        self.running = Gauge("gsjbu_running_jobs", "Jobs that run.", registry=r)
        self.cache = Gauge("gsjbu_cache_bytes", "Images, signals and results in memory.", registry=r)
        self.helpers_lost = Gauge(
            "gsjbu_helpers_lost", "Decoding helpers that ended for no fault of a file, since the start.", registry=r
        )
        self.available = Gauge("gsjbu_available_memory_bytes", "Memory that the server may still take.", registry=r)
        self.streams = Gauge("gsjbu_open_streams", "Large answers under way.", registry=r)
        self.uploads = Gauge("gsjbu_upload_buffer_bytes", "Bodies of uploads under way.", registry=r)

    def text(self) -> bytes:
        """The exposition format."""
        return generate_latest(self.registry)
