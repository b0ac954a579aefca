"""Whole data sets: a folder, a list, a glob or tar shards in; .npy, .safetensors, Zarr, PNG or kernels out.

Resumes where it stopped, reports a bad file and goes on, and uses all cores – or a Ray cluster – with results that
are the same bytes either way.
"""

from __future__ import annotations

import os
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from filelock import FileLock, Timeout

from gsjbu.batch import local
from gsjbu.batch.config import BatchConfig, WriteFailed
from gsjbu.batch.items import Item, SourceError
from gsjbu.batch.manifest import BEGUN, Journal, ResumeError, check_settings, known_results, write_manifest
from gsjbu.batch.signal_files import BACKBONE, BESIDE, goes_before, mask_file
from gsjbu.batch.sources import find, is_one_of, passed_over
from gsjbu.core.files import PART, discard
from gsjbu.io import addresses
from gsjbu.io.writers import check_folder, is_there, result_path, sweep
from gsjbu.settings import OF_BACKBONE, default
from gsjbu.version import __version__

__all__ = ["BatchConfig", "Item", "Report", "ResumeError", "SourceError", "WriteFailed", "find", "run"]


# What of an outcome the manifest keeps: no timings.
KEPT = (
    "key", "status", "output", "code", "error", "kind", "reason", "note", "runner_up", "unit", "notes", "dtype",
    "shape", "codes", "names", "gaps", "offset", "scale", "gap_level",
)  # fmt: skip


@dataclass(frozen=True)
class Report:
    """What a run did: ``done`` now, ``found`` done before, ``failed`` with one outcome each."""

    done: int
    found: int
    failed: list[dict[str, Any]]
    manifest: Path
    passed_over: list[str] = field(default_factory=list)  # files that are no picture, and no picture's signal
    notes: dict[str, list[str]] = field(default_factory=dict)  # by key: what a person may know better
    again: list[str] = field(default_factory=list)  # keys of results whose image, signal or mask had changed


def run(
    source: str,
    folder: str,
    asked: BatchConfig | None = None,
    *,
    signals: str = BESIDE,
    workers: int | None = None,
    ray: str | None = None,
    progress: Callable[[int, int, dict[str, Any]], None] | None = None,
) -> Report:
    """Upsample the signal of every image of ``source`` into ``folder``; a second call goes on where the first stopped,
    and makes again what is of an image, a signal or a mask that has changed.

    source, signals: as for :func:`gsjbu.batch.sources.find`.
    workers: processes or actors at once; if None all cores, or two on a GPU (of a cluster all cores, or all GPUs).
    ray: None for this machine alone, ``local`` or a cluster's address for Ray.
    progress: called with (finished, of how many, outcome) after each image.

    Raises SourceError, ResumeError (the folder holds a run with other settings, or one that is still going, or files
    under the results' names that no run made), and WriteFailed when results cannot be written.
    """
    asked = asked or BatchConfig()
    asked.check(signals)
    if signals != BACKBONE:
        asked = replace(asked, **{name: default(name) for name in OF_BACKBONE})
    check_folder(folder)
    items = find(source, signals)
    if asked.guide_masks and not os.path.isdir(asked.guide_masks):
        raise SourceError(f"There is no folder {asked.guide_masks}; the masks of the images must lie in one.")
    if signals == BACKBONE and asked.backbone != "auto":
        from gsjbu.models import catalogue, features  # here, as in _found

        features.check_named(asked.backbone, asked.seed)
        catalogue.release("backbone")
    out = Path(folder)
    others = passed_over(source, items, signals, out)
    _spare_inputs(source, items, out, asked)
    out.mkdir(parents=True, exist_ok=True)
    if asked.probabilities:
        from gsjbu.batch.work import classes_of  # here, as in _found

        asked = replace(asked, codes=classes_of(items, asked))
    with _alone(out):
        _tell_apart(items, out)
        told = asked.as_dict() | {"signals": signals}
        told["version"] = __version__
        there, again = _there(items, out, asked, told)
        open_items = [item for item in items if item.key not in there]
        outcomes = [_found(item, out, asked, there[item.key]) for item in items if item.key in there]
        journal = Journal(out)
        journal.begin({item.key: _stamps(item, asked) for item in open_items})

        def finished(outcome: dict[str, Any]) -> None:
            outcomes.append(outcome)
            journal.add(outcome)
            if progress:
                progress(len(outcomes), len(items), outcome)

        try:
            if ray is None:
                local.run(open_items, str(out), asked, workers, finished)
            else:
                from gsjbu.batch import cluster

                cluster.run(open_items, str(out.resolve()), asked, workers, finished, ray)
        finally:
            journal.close()
        return replace(_report(out, told, outcomes, others), again=again)


def _there(
    items: list[Item], out: Path, asked: BatchConfig, told: dict[str, Any]
) -> tuple[dict[str, dict[str, Any]], list[str]]:
    """What earlier runs say of the results that are there, by key, but for those of which a killed run could say
    nothing; and the keys of those whose inputs have changed since, which are removed."""
    known = known_results(out)
    there = [item for item in items if is_there(result_path(out, item.key, asked.form))]
    _spare_strangers([result_path(out, item.key, asked.form) for item in there if item.key not in known])
    check_settings(out, told)
    sweep(out)
    again = [i.key for i in there if _has_changed(known[i.key].get("inputs"), _stamps(i, asked))]
    for key in again:
        discard(result_path(out, key, asked.form))
    left = {item.key for item in there} - set(again)
    return {key: known[key] for key in left if known[key]["status"] != BEGUN}, again


def _spare_inputs(source: str, items: list[Item], out: Path, asked: BatchConfig) -> None:
    """No result may take the place of an input, or pass for one in the next run, or an input pass for a result."""
    read = {addresses.identity(blob.path) for item in items for blob in (item.image, item.signal) if blob}
    for item in items:
        path = result_path(out, item.key, asked.form)
        if addresses.identity(path) in read:
            raise SourceError(f"The result {path} would take the place of an input; choose another folder.")
        if is_one_of(source, path) or (item.signal and goes_before(path, item.signal)):
            raise SourceError(
                f"The result {path} would pass for an input when this is run again; choose another folder."
            )


def _spare_strangers(paths: list[Path]) -> None:
    """No file counts for a result, or is replaced by one, that no run is known to have made."""
    if paths:
        many = f", nor {len(paths) - 1} more" if len(paths) > 1 else ""
        raise ResumeError(
            f"{paths[0]} is in the place of a result, and no run with a journal in that folder made it{many}; move "
            "what is yours away, or take another output folder."
        )


def _stamps(item: Item, asked: BatchConfig) -> dict[str, Any]:
    """By what it is: the stamp of each file that an item's result is made of, where it is there."""
    mask = mask_file(asked.guide_masks, item) if asked.guide_masks else None
    files = {"image": item.image, "signal": item.signal, "mask": mask}
    return {what: stamp for what, blob in files.items() if blob and (stamp := blob.stamp()) is not None}


def _has_changed(before: dict[str, Any] | None, now: dict[str, Any]) -> bool:
    """Whether a file is another than it was; what has gone since, or was not noted, is none."""
    return before is not None and any(before.get(what) != stamp for what, stamp in now.items())


def _tell_apart(items: list[Item], out: Path) -> None:
    """Refuse names that are one to the disk of the results: A and a, or an é written in two ways."""
    alike: dict[str, str] = {}
    for item in items:
        other = alike.setdefault(unicodedata.normalize("NFC", item.key).casefold(), item.key)
        if other != item.key and _are_one(other, item.key, out):
            raise SourceError(f"The results of {other} and {item.key} would be one file in {out}; rename one of them.")


def _are_one(one: str, other: str, out: Path) -> bool:
    with TemporaryDirectory(PART, ".", out) as place:
        try:
            Path(place, one).mkdir(parents=True)
            return Path(place, other).exists()
        except OSError:  # no such name can be, as its own outcome will tell
            return False


def _found(item: Item, out: Path, asked: BatchConfig, before: dict[str, Any]) -> dict[str, Any]:
    """The outcome of what an earlier run made, as it told it then."""
    path = result_path(out, item.key, asked.form)
    told = {name: value for name, value in before.items() if name in KEPT}
    return told | {"key": item.key, "status": "found", "output": path.relative_to(out).as_posix()}


def _report(out: Path, told: dict[str, Any], outcomes: list[dict[str, Any]], others: list[str]) -> Report:
    counts = Counter(outcome["status"] for outcome in outcomes)
    failed = sorted((o for o in outcomes if o["status"] == "failed"), key=lambda o: o["key"])
    plain: list[dict[str, Any]] = []
    for outcome in outcomes:
        kept: dict[str, Any] = {name: outcome[name] for name in KEPT if name in outcome}
        if kept["status"] == "found":
            kept["status"] = "done"
        plain.append(kept)
    notes = {one["key"]: one["notes"] for one in plain if one.get("notes")}
    return Report(counts["done"], counts["found"], failed, write_manifest(out, told, plain), others, notes)


@contextmanager
def _alone(out: Path) -> Iterator[None]:
    """Two runs must not work on one folder at once; the lock goes with its process, however that ends."""
    try:
        with FileLock(out / ".lock", timeout=0):
            yield
    except Timeout:
        raise ResumeError(f"Another run is writing into {out}; wait for it, or take another folder.") from None
