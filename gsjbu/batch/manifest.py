"""What a batch has done so far, written so that a killed run can go on where it stopped.

The results themselves are the record: each is written under a temporary name and renamed, so a file under its
final name is a finished one. Beside them:

``settings.json``   what the run was asked for; a second run into the same folder must ask for the same
``journal.jsonl``   one line per item as it is begun, with the stamps of its inputs, and one as it finishes, timings
                    included; a line cut short is ignored. A result that no line tells of is somebody else's file
``manifest.json``   written when a run ends: every item with its outcome, sorted, the same for the same work
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, BinaryIO

from gsjbu.batch.items import Item
from gsjbu.errors import GsjbuError
from gsjbu.io.notes import encoded
from gsjbu.io.writers import ENDINGS, write_text

SETTINGS, JOURNAL, MANIFEST = "settings.json", "journal.jsonl", "manifest.json"
BEGUN = "begun"


class ResumeError(GsjbuError):
    """The output folder belongs to a run with other settings."""

    def __init__(self, message: str) -> None:
        super().__init__("batch_resume_mismatch", message)


def failed(item: Item, code: str, error: str) -> dict[str, Any]:
    """The outcome of an item of which nothing came."""
    return {"key": item.key, "status": "failed", "code": code, "error": error}


def check_settings(folder: Path, asked: dict[str, Any]) -> None:
    """Keep ``asked`` in the folder; raises ResumeError if it holds results that were asked for otherwise."""
    path = folder / SETTINGS
    if path.is_file() and _holds_results(folder):
        try:
            before = dict(json.loads(path.read_text("utf-8")))
        except (ValueError, TypeError) as error:
            raise ResumeError(
                f"{path} is damaged, so it cannot be told what its results were made with; take another output folder."
            ) from error
        differ = sorted(name for name in before.keys() | asked.keys() if before.get(name) != asked.get(name))
        if differ:
            name = differ[0]
            raise ResumeError(
                f"{folder} holds results made with {name} = {before.get(name)!r}, and now it is {asked.get(name)!r}; "
                "take another output folder, or the same settings to go on."
            )
        return
    if path.is_file():
        (folder / JOURNAL).unlink(missing_ok=True)  # of results that are gone
    write_text(path, json.dumps(asked, indent=1, sort_keys=True) + "\n")


def _holds_results(folder: Path) -> bool:
    endings = tuple(ENDINGS.values())
    return any(path.name.endswith(endings) for path in folder.rglob("*"))


class Journal:
    """Appends one line per finished item; each line reaches the disk's cache at once."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / JOURNAL
        _end_last_line(self.path)
        self._file: BinaryIO = open(self.path, "ab")  # noqa: SIM115 - closed by close()

    def begin(self, inputs: dict[str, dict[str, Any]]) -> None:
        """Items that will be worked on, by key, each with the stamps of its ``inputs``."""
        for key, stamps in inputs.items():
            self._write({"key": key, "status": BEGUN, "inputs": stamps})
        self._file.flush()

    def add(self, outcome: dict[str, Any]) -> None:
        """One item's outcome."""
        self._write(outcome)
        self._file.flush()

    def _write(self, line: dict[str, Any]) -> None:
        self._file.write(encoded(json.dumps(line, ensure_ascii=False) + "\n"))

    def close(self) -> None:
        """Flush to the disk and close."""
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()


def _end_last_line(path: Path) -> None:
    """A killed run may have left half a line; the next one must not be glued to it."""
    if path.is_file() and path.stat().st_size:
        with open(path, "rb+") as file:
            file.seek(-1, os.SEEK_END)
            if file.read(1) != b"\n":
                file.write(b"\n")


def read_journal(folder: Path) -> list[dict[str, Any]]:
    """Every whole line of the journal, oldest first."""
    path = folder / JOURNAL
    if not path.is_file():
        return []
    outcomes = []
    for line in path.read_text("utf-8", errors="replace").split("\n"):  # splitlines() cuts at U+2028, too
        try:
            outcomes.append(json.loads(line))
        except json.JSONDecodeError:
            continue  # the line that was being written when the run was killed
    return outcomes


def known_results(folder: Path) -> dict[str, dict[str, Any]]:
    """By key what earlier runs say of the results that they made, or were making when they were killed (``BEGUN``)."""
    if not (folder / SETTINGS).is_file():
        return {}  # nobody knows what they were made with
    known = {item["key"]: item for item in _read_manifest(folder) if item.get("status") == "done"}
    for line in read_journal(folder):
        key, status = line.get("key"), line.get("status")
        if status == "failed":
            known.pop(key, None)
        elif status == BEGUN:
            known[key] = line
        elif key is not None:
            known[key] = known.get(key, {}) | line
    return known


def _read_manifest(folder: Path) -> list[dict[str, Any]]:
    path = folder / MANIFEST
    try:
        return list(json.loads(path.read_text("utf-8"))["items"]) if path.is_file() else []
    except (ValueError, KeyError, TypeError):  # another program's, or damaged: it tells of no result
        return []


def write_manifest(folder: Path, asked: dict[str, Any], outcomes: Iterable[dict[str, Any]]) -> Path:
    """The final record, sorted by key; outcomes without timings give equal bytes for equal work."""
    items = sorted(outcomes, key=lambda outcome: outcome["key"])
    record = {"settings": asked, "items": items}
    write_text(folder / MANIFEST, json.dumps(record, indent=1, ensure_ascii=False) + "\n")
    return folder / MANIFEST
