"""The files of a folder, one a frame, in the order of their numbers: none twice, none missing."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from itertools import pairwise
from pathlib import Path
from typing import TypeAlias

from gsjbu.errors import GsjbuError

#: A name's words and its numbers.
Parts: TypeAlias = tuple[tuple[str, ...], tuple[int, ...]]


def files(folder: Path) -> list[Path]:
    """The signals in ``folder``, 2 before 10. Raises GsjbuError where there are none."""
    from gsjbu.io.readers import ENDINGS

    if not os.path.isdir(folder):
        raise GsjbuError("signal_missing", f"--signal {folder}: give rgb, features, or a folder of signals.")
    found = [p for p in folder.iterdir() if p.suffix.lower() in ENDINGS and not p.name.startswith(".")]
    if not found:
        raise GsjbuError("signal_missing", f"{folder} holds no signal; one a frame is needed ({', '.join(ENDINGS)}).")
    return sorted(found, key=_natural)


def check(paths: list[Path], frames: int) -> list[str]:
    """Refuse two files of one frame, files of two series, and a number that is missing among the first ``frames``, as
    all after it would go with other frames. What is to be said of the rest: where numbers do not tell frames apart."""
    folder, parts = paths[0].parent, {path: _parts(path) for path in paths}
    _check_once(parts)
    by_words: dict[tuple[str, ...], list[Path]] = defaultdict(list)
    for path in paths:
        by_words[parts[path][0]].append(path)
    most = max(by_words.values(), key=len)
    if len(by_words) > 1 and 2 * sum(len(some) for some in by_words.values() if len(some) > 1) >= len(paths):
        other = next(path for path in paths if path not in most)
        raise GsjbuError(
            "file_ambiguous",
            f"{folder}: {other.name} is not called as {most[0].name} and {most[1].name} are; leave one series there, a "
            "file a frame.",
        )
    taken = paths[:frames] if frames else paths
    if len(taken) < 2:
        return []
    numbers = [parts[path][1] for path in taken]
    varying = [at for at, some in enumerate(zip(*numbers, strict=False)) if len(set(some)) > 1]
    steps = [b[varying[0]] - a[varying[0]] for a, b in pairwise(numbers)] if varying else []
    if len(by_words) > 1 or len(varying) != 1 or any(step % min(steps) for step in steps):
        return [f"The names in {folder} do not count up by equal steps; they are taken in their order, one a frame, "
                f"from {taken[0].name} on."]  # fmt: skip
    _check_whole(taken, steps, varying[0])
    if numbers[0][varying[0]] <= max(1, steps[0]):
        return []
    return [f"The numbers in {folder} begin with {taken[0].name}, which is taken for the film's first frame."]


def _check_once(parts: dict[Path, Parts]) -> None:
    """Refuse two files of the same words and numbers."""
    first: dict[Parts, Path] = {}
    for path, own in parts.items():
        other = first.setdefault(own, path)
        if other is not path:
            raise GsjbuError(
                "file_ambiguous",
                f"{path.parent} has {other.name} and {path.name}, and a frame has one signal; leave one of them there.",
            )


def _check_whole(paths: list[Path], steps: list[int], at: int) -> None:
    """Refuse a hole in the numbers at ``at``."""
    step = min(steps)
    hole = next((number for number, one in enumerate(steps) if one > step), None)
    if hole is None:
        return
    before, after = paths[hole], paths[hole + 1]
    pieces = re.split(r"(\d+)", before.stem)
    digits = pieces[2 * at + 1]
    pieces[2 * at + 1] = str(int(digits) + step).zfill(len(digits))
    many = f"the first frame, {before.name}" if hole == 0 else f"the {hole + 1} frames before it"
    raise GsjbuError(
        "signal_missing",
        f"{before.parent} has no {''.join(pieces)} between {before.name} and {after.name}; a frame's signal is "
        f"missing, and those that follow would go with other frames. --frames {hole + 1} takes {many}; if none is "
        "missing, number them one after another.",
    )


def _parts(path: Path) -> Parts:
    pieces = re.split(r"(\d+)", path.stem.casefold())
    return tuple(pieces[::2]), tuple(map(int, pieces[1::2]))


def _natural(path: Path) -> list[tuple[int, str]]:
    """2 before 10."""
    parts = re.split(r"(\d+)", path.name.casefold())
    return [(int(part), "") if at % 2 else (-1, part) for at, part in enumerate(parts)]
