"""Fetches model files without ever hanging: a short probe, remembered; then a download that can be watched and left.

One download of a repository runs at a time, in a thread of its own; every run that wants it waits on the same one.
It is given up when the last of them gives up.
"""

from __future__ import annotations

import http.client
import os
import shutil
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

PROBE_S = 2.5
#: How long an answer is believed: a person who mends the network waits at most this long, or restarts.
REMEMBER_S = 600.0
READ_S = 15.0
BLOCK = 1 << 18
HINT = "Put the model's folder into GSJBU_MODELS_DIR to use it without a network."

_lock = threading.Lock()
_probe: dict[str, tuple[float, str | None]] = {}  # endpoint -> (when, why it is not reachable or None)
_failed: dict[str, tuple[float, str]] = {}  # repo -> (when, why)
_running: dict[str, _Download] = {}


class Unavailable(Exception):
    """The files are not to be had now; the text is a sentence for a person."""


def endpoint() -> str:
    """The model hub's address; ``HF_ENDPOINT`` names a mirror."""
    return (os.environ.get("HF_ENDPOINT") or "https://huggingface.co").rstrip("/")


def known_failure(repo: str) -> str | None:
    """Why ``repo`` could not be fetched lately, or None; asks nobody."""
    if _offline():
        return f"its weights are not on this machine and HF_HUB_OFFLINE is set. {HINT}"
    with _lock:
        recent = [_probe.get(endpoint()), _failed.get(repo)]
    return next((why for entry in recent if entry and _fresh(entry[0]) and (why := entry[1])), None)


def forget() -> None:
    """Ask anew next time."""
    with _lock:
        _probe.clear()
        _failed.clear()


def unreachable() -> str | None:
    """Why the model hub cannot be reached, or None; at most PROBE_S, and remembered."""
    if _offline():
        return f"its weights are not on this machine and HF_HUB_OFFLINE is set. {HINT}"
    address = endpoint()
    with _lock:
        entry = _probe.get(address)
    if entry and _fresh(entry[0]):
        return entry[1]
    answer: list[str | None] = []
    # In a thread of its own: looking a name up has no timeout.
    asker = threading.Thread(target=lambda: answer.append(_ask(address)), name="gsjbu-probe", daemon=True)
    asker.start()
    asker.join(PROBE_S)
    why = answer[0] if answer else "does not answer"
    host = urlsplit(address).hostname
    sentence = f"its weights are not on this machine and {host} {why}. {HINT}" if why else None
    with _lock:
        _probe[address] = (time.monotonic(), sentence)
    return sentence


def fetch(
    repo: str,
    files: Sequence[str],
    target: Path,
    label: str,
    progress: Callable[[int, int, str], object] | None = None,
    patience: float | None = None,
) -> None:
    """Bring ``files`` of ``repo`` into the folder ``target``; raises Unavailable with a sentence.

    ``progress`` is called about five times a second; what it raises gives the wait up (and the download too, if
    nobody else waits). After ``patience`` seconds the download goes on alone and Unavailable says how far it is.
    """
    why = known_failure(repo) or unreachable()
    if why:
        raise Unavailable(why)
    with _lock:
        download = _running.get(repo)
        if download is None:
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
        raise Unavailable(download.error)


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
        except urllib.error.HTTPError as error:
            self.error = _refused(error.code)
        except (OSError, http.client.HTTPException) as error:
            self.error = f"the download broke off ({type(error).__name__}). Try again later. {HINT}"
        finally:
            with suppress(OSError):
                shutil.rmtree(part)
            with _lock:
                _running.pop(self.repo, None)
                if self.error and not self.given_up.is_set():
                    _failed[self.repo] = (time.monotonic(), self.error)
            self.finished.set()

    def _file(self, name: str, path: Path) -> None:
        try:
            reply = _open(f"{endpoint()}/{self.repo}/resolve/main/{name}", READ_S)
        except urllib.error.HTTPError as error:
            if error.code == 404 and name == "preprocessor_config.json":
                return  # some models have none; the usual normalisation is taken
            raise
        with reply, path.open("wb") as out:
            expected = int(reply.headers.get("Content-Length") or 0)
            self.total += expected
            got = 0
            while block := reply.read(BLOCK):
                if self.given_up.is_set():
                    raise _GivenUp
                out.write(block)
                got += len(block)
                self.done += len(block)
            if expected and got != expected:
                raise OSError("cut short")


class _GivenUp(Exception):
    pass


def _refused(code: int) -> str:
    if code in (401, 403):
        return f"the model hub asks for a licence to be accepted first (HTTP {code}). {HINT}"
    if code == 404:
        return f"the model hub has no safetensors weights under that name (HTTP 404). {HINT}"
    return f"the model hub answered HTTP {code}. {HINT}"


def _offline() -> bool:
    return os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE")


def _fresh(when: float) -> bool:
    return time.monotonic() - when < REMEMBER_S


def _open(address: str, timeout: float, method: str = "GET") -> Any:
    if urlsplit(address).scheme not in ("http", "https"):
        raise OSError("only http and https")
    request = urllib.request.Request(address, method=method, headers={"User-Agent": "gsjbu"})
    return urllib.request.urlopen(request, timeout=timeout)


def _ask(address: str) -> str | None:
    try:
        _open(address, PROBE_S, "HEAD").close()
    except urllib.error.HTTPError:
        return None  # it answers; that is all that was asked
    except (OSError, http.client.HTTPException, ValueError):
        return "cannot be reached"
    return None
