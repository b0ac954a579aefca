"""Fetches model files without ever hanging: a short probe, remembered; then a download that can be watched and left.

One download of a repository runs at a time, in a thread of its own; every run that wants it waits on the same one.
It is given up when the last of them gives up. Addresses, a person's token (``HF_TOKEN`` or the login that
``hf auth login`` keeps), proxies, retries and resuming are huggingface_hub's. Its plain transfer is used because the
quicker one of hf_xet cannot be given up: it swallows what its progress raises.
"""

from __future__ import annotations

import logging
import os
import shutil
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

PROBE_S = 2.5
#: How long an answer is believed: a person who mends the network waits at most this long, or restarts.
REMEMBER_S = 600.0

log = logging.getLogger(__name__)
_lock = threading.Lock()
_probe: dict[str, tuple[float, str | None]] = {}  # endpoint -> (when, why it is not reachable or None)
_failed: dict[str, tuple[float, str]] = {}  # repo -> (when, why)
_running: dict[str, _Download] = {}


def instead(folder: str) -> str:
    """What would be used without a network."""
    return f"A folder {folder.removeprefix('timm:')} with them would be used."


class Unavailable(Exception):
    """The files are not to be had now; the text is a sentence for a person."""


def endpoint() -> str:
    """The model hub's address; ``HF_ENDPOINT`` names a mirror."""
    return (os.environ.get("HF_ENDPOINT") or "https://huggingface.co").rstrip("/")


def known_failure(repo: str) -> str | None:
    """Why ``repo`` could not be fetched lately, or None; asks nobody."""
    if _offline():
        return "no weights are here, and HF_HUB_OFFLINE is set."
    with _lock:
        recent = [_probe.get(endpoint()), _failed.get(repo)]
    return next((why for entry in recent if entry and _fresh(entry[0]) and (why := entry[1])), None)


def unreachable() -> str | None:
    """Why the model hub cannot be reached, or None; at most PROBE_S, and remembered."""
    if _offline():
        return "no weights are here, and HF_HUB_OFFLINE is set."
    address = endpoint()
    with _lock:
        entry = _probe.get(address)
    if entry and _fresh(entry[0]):
        return entry[1]
    session = _hub().get_session()
    answer: list[str | None] = []
    # In a thread of its own: looking a name up has no timeout.
    asker = threading.Thread(target=lambda: answer.append(_ask(session, address)), name="gsjbu-probe", daemon=True)
    asker.start()
    asker.join(PROBE_S)
    why = answer[0] if answer else "does not answer"
    host = urlsplit(address).hostname
    sentence = f"no weights are here, and {host} {why}." if why else None
    with _lock:
        _probe[address] = (time.monotonic(), sentence)
    return sentence


def fetch(
    repo: str,
    files: Sequence[str],
    target: Path,
    label: str,
    progress: Callable[[int, int, str], object] | None,
    patience: float | None,
) -> None:
    """Bring ``files`` of ``repo`` into the folder ``target``; raises Unavailable with a sentence.

    ``progress`` is called about five times a second; what it raises gives the wait up (and the download too, if
    nobody else waits). After ``patience`` seconds the download goes on alone and Unavailable says how far it is.
    """
    why = known_failure(repo) or unreachable()
    if why:
        raise Unavailable(f"{why} {instead(target.name)}")
    with _lock:
        download = _running.get(repo)
        if download is None or download.given_up.is_set():  # which may not have come out yet
            download = _running[repo] = _Download(repo, tuple(files), target)
            threading.Thread(target=download.run, name="gsjbu-download", daemon=True).start()
        download.waiting += 1
    began = time.monotonic()
    left = False
    try:
        while not download.finished.wait(0.2):
            if progress is not None:
                progress(download.done, download.total, f"Fetching {label}: {download.text()}")
            if patience is not None and time.monotonic() - began > patience:
                left = True
                raise Unavailable(f"the weights are being fetched ({download.text()}); run again in a while.")
    finally:
        with _lock:
            download.waiting -= 0 if left else 1  # whoever leaves in patience still wants it
            if download.waiting == 0 and not download.finished.is_set():
                download.given_up.set()
    if download.error:
        raise Unavailable(f"{download.error} {instead(target.name)}")


@dataclass
class _Download:
    repo: str
    files: tuple[str, ...]
    target: Path
    done: int = 0
    total: int = 0
    waiting: int = 0
    error: str = ""
    finished: threading.Event = field(default_factory=threading.Event)
    given_up: threading.Event = field(default_factory=threading.Event)

    def text(self) -> str:
        """How far it is."""
        return f"{self.done / 1e6:.0f} of {self.total / 1e6:.0f} MB" if self.total else "connecting"

    def run(self) -> None:
        """Fetch into a folder beside the target, then rename: a half model is never found."""
        part = self.target.with_name(f"{self.target.name}.part-{os.getpid()}-{threading.get_ident()}")
        try:
            part.mkdir(parents=True, exist_ok=True)
            for name in self.files:
                self._file(name, part / name)
            shutil.rmtree(self.target, ignore_errors=True)
            part.replace(self.target)
        except _GivenUp:
            self.error = "the download was cancelled."
        except _hub().errors.HfHubHTTPError as error:
            self.error = _refused(error.response.status_code, self.repo)
        except Exception as error:  # whatever it is: without a word the model would count as there
            log.warning("download of %s broke off", self.repo, exc_info=True)
            self.error = f"the download broke off ({type(error).__name__}). Try again later."
        finally:
            with suppress(OSError):
                shutil.rmtree(part)
            with _lock:
                if _running.get(self.repo) is self:
                    del _running[self.repo]
                if self.error and not self.given_up.is_set():
                    _failed[self.repo] = (time.monotonic(), self.error)
            self.finished.set()

    def _file(self, name: str, path: Path) -> None:
        hub = _hub()
        try:
            with path.open("wb") as out:
                hub.file_download.http_get(
                    hub.hf_hub_url(self.repo, name, endpoint=endpoint()),
                    out,
                    headers=hub.utils.build_hf_headers(library_name="gsjbu"),
                    tqdm_class=partial(_Watch, self),
                )
        except hub.errors.HfHubHTTPError as error:
            if error.response.status_code != 404 or name != "preprocessor_config.json":
                raise
            path.unlink()  # some models have none; the usual normalisation is taken


class _Watch:
    """What huggingface_hub takes for a progress bar: it counts, and lets nobody's download end."""

    def __init__(self, download: _Download, total: int | None = None, **_: object) -> None:
        self.download = download
        download.total += total or 0

    def __enter__(self) -> _Watch:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def update(self, count: int) -> None:
        """``count`` further bytes; fewer than none where the hub sends all again after a break: that may never end."""
        if self.download.given_up.is_set():
            raise _GivenUp
        if count < 0:
            raise OSError("cut short")
        self.download.done += count


class _GivenUp(Exception):
    pass


def _hub() -> Any:
    """huggingface_hub, imported when somebody is to be asked."""
    import huggingface_hub
    import huggingface_hub.errors
    import huggingface_hub.file_download

    return huggingface_hub


def _failures() -> tuple[type[Exception], ...]:
    """What a broken line or a wrong address may raise."""
    # httpx before version 2 of the hub, httpx2 since.
    http = import_module(_hub().errors.HTTPError.__module__)
    return (OSError, http.HTTPError, http.InvalidURL, ValueError)


def _refused(code: int, repo: str) -> str:
    if code in (401, 403):
        return (
            f"the model hub asks for its licence to be accepted first (HTTP {code}): accept it at {endpoint()}/{repo}, "
            f"then set HF_TOKEN or run `hf auth login`."
        )
    if code == 404:
        return "the model hub has no safetensors weights under that name (HTTP 404)."
    return f"the model hub answered HTTP {code}."


def _offline() -> bool:
    return os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE")


def _fresh(when: float) -> bool:
    return time.monotonic() - when < REMEMBER_S


def _ask(session: Any, address: str) -> str | None:
    try:
        session.head(address, timeout=PROBE_S)  # any answer will do
    except _failures():
        return "cannot be reached"
    return None
