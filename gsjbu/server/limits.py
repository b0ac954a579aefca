"""Every bound of the server, declared once: its default, its unit and what it protects.

``Limits()`` is the default set; ``Limits.parse`` takes overrides (``--limit name=value`` on the command line,
``GSJBU_LIMIT_NAME`` in the environment). ``/api/settings`` shows the values in force, docs/server.md tells each.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from gsjbu.core.threads import available
from gsjbu.errors import SettingError

KIB = 1024
MIB = 1024 * KIB
GIB = 1024 * MIB
# How a value may be written: ``20 MiB``, ``1 800 s``, ``4e7 pixels``.
_UNITS = {"bytes": {"bytes": 1, "KiB": KIB, "MiB": MIB, "GiB": GIB}, "s": {"s": 1, "min": 60, "h": 3600}}
_WRITTEN = re.compile(r"(\d{1,3}(?:\s\d{3})+|[-+]?[\d._]+(?:e[-+]?\d+)?)\s*([a-z]*)", re.IGNORECASE)


def _number(raw: str, units: Mapping[str, int]) -> float:
    """The value that ``raw`` says in the limit's own unit, the first of ``units``; -1 where it says none."""
    factors = {"": 1, **{name.lower(): factor for name, factor in units.items()}}
    found = _WRITTEN.fullmatch(raw.strip())
    if found is None or found[2].lower() not in factors:
        return -1.0
    factor = factors[found[2].lower()]
    try:
        value = float(re.sub(r"\s", "", found[1])) * factor
    except ValueError:
        return -1.0
    return value if factor == 1 else float(round(value))


def _limit(default: float, unit: str, description: str) -> Any:
    return field(default=default, metadata={"unit": unit, "description": description})


@dataclass(frozen=True)
class Limits:
    """The bounds in force; every value is a positive number in the unit named beside it."""

    image_bytes: int = _limit(20 * MIB, "bytes", "Largest picture file, counted while it streams in.")
    signal_bytes: int = _limit(64 * MIB, "bytes", "Largest signal file, counted while it streams in.")
    image_pixels: int = _limit(40_000_000, "pixels", "Most pixels of a picture, read from its header.")
    signal_values: int = _limit(
        2**24, "values", "Most values of a signal; labels have a channel a class, more than 256 share some."
    )
    form_files: int = _limit(3, "files", "Most files in one form.")
    form_fields: int = _limit(30, "fields", "Most text fields in one form.")
    field_bytes: int = _limit(64 * KIB, "bytes", "Largest text field of a form.")
    json_bytes: int = _limit(64 * KIB, "bytes", "Largest JSON body.")
    header_count: int = _limit(100, "headers", "Most header lines of a request.")
    header_bytes: int = _limit(32 * KIB, "bytes", "Most bytes of all header lines of a request together.")
    header_seconds: float = _limit(10, "s", "Time for a request's header to arrive.")
    idle_seconds: float = _limit(10, "s", "Longest pause while a body arrives.")
    upload_seconds: float = _limit(120, "s", "Time for a whole body to arrive.")
    write_seconds: float = _limit(60, "s", "Longest wait for a client to take more of an answer.")
    upload_buffer_bytes: int = _limit(256 * MIB, "bytes", "Bodies of all uploads under way, together.")
    address_upload_bytes: int = _limit(192 * MIB, "bytes", "The same of one address's clients.")
    client_upload_bytes: int = _limit(96 * MIB, "bytes", "The same of one client.")
    connections: int = _limit(512, "connections", "Open connections; beyond it the newest is closed at once.")
    decode_seconds: float = _limit(10, "s", "Time to decode a picture or a signal.")
    job_seconds: float = _limit(300, "s", "Time that one job may run.")
    job_bytes: int = _limit(4 * GIB, "bytes", "Memory of one job, by the estimate before it starts.")
    isolate_bytes: int = _limit(
        GIB, "bytes", "Memory from which on a job runs in a process of its own, by the estimate; CPU jobs only."
    )
    running_jobs: int = _limit(max(1, min(8, available() // 2)), "jobs", "Jobs that run at the same time.")
    gpu_jobs: int = _limit(1, "jobs", "Jobs that run at the same time on one GPU.")
    download_bytes: int = _limit(
        2 * GIB, "bytes", "Largest zip or point cloud of a result, by its size before it is made."
    )
    queue_jobs: int = _limit(16, "jobs", "Jobs that wait for a place to run.")
    client_jobs: int = _limit(2, "jobs", "Live (queued or running) jobs and downloads of one client.")
    address_jobs: int = _limit(24, "jobs", "Live jobs and downloads of all clients of one address.")
    client_grace_seconds: float = _limit(30, "s", "How long a job lives on when the stream that followed it has gone.")
    client_idle_seconds: float = _limit(600, "s", "How long a job lives on that nobody follows and nobody asks for.")
    shutdown_seconds: float = _limit(20, "s", "How long running jobs may go on after SIGTERM.")
    cache_bytes: int = _limit(256 * MIB, "bytes", "Images, signals and results kept in memory; the oldest go first.")
    cache_seconds: float = _limit(1800, "s", "How long an unused image, signal or result is kept.")
    out_bytes: int = _limit(2 * GIB, "bytes", "Files in the output folder; the oldest go first.")
    out_seconds: float = _limit(86400, "s", "How long files in the output folder are kept.")
    inline_bytes: int = _limit(8 * MIB, "bytes", "Most PNG bytes put into a result; beyond it files are linked.")

    @classmethod
    def parse(cls, given: Mapping[str, str]) -> Limits:
        """Defaults with ``given`` put over them; raises SettingError for an unknown name or a bad value."""
        known = {f.name: f for f in fields(cls)}
        values: dict[str, Any] = {}
        for name, raw in given.items():
            if name not in known:
                raise SettingError(name, f"There is no limit {name!r}; the limits are {', '.join(known)}.")
            whole = not name.endswith("_seconds")
            units = _UNITS.get(known[name].metadata["unit"], {known[name].metadata["unit"]: 1})
            value = _number(raw, units)
            if not 0 < value < 2**53 or (whole and value % 1):
                what = "a whole number" if whole else "a number"
                detail = (
                    f"Limit {name} is {raw!r}; it must be {what} above 0, alone or with its unit: {', '.join(units)}."
                )
                raise SettingError(name, detail)
            values[name] = int(value) if whole else value
        return cls(**values)

    def within(self, available: int, given: Collection[str]) -> Limits:
        """What the server keeps, fitted to a small machine; limits that were ``given`` stay as they are."""
        shares = {"cache_bytes": available // 16, "upload_buffer_bytes": available // 8}
        fitted = {n: min(getattr(self, n), most) for n, most in shares.items() if n not in given}
        return replace(self, **fitted)
