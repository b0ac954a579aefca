"""Which picture goes with which signal and truth: one of each, folders with equal names, or a built-in scene."""

from __future__ import annotations

import os
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gsjbu.cli import options, scenes
from gsjbu.errors import GsjbuError

if TYPE_CHECKING:
    from gsjbu.io.brought import Brought
    from gsjbu.io.guides import Guide


@dataclass(frozen=True)
class Pair:
    """One picture. ``signal`` is None where it is made of the truth. Of folders, both may name an array in the file."""

    name: str
    picture: str
    signal: str | None
    truth_name: str

    def image(self) -> Guide:
        """The picture as a fit follows it. Raises GsjbuError."""
        return scenes.image_of(self.picture)[0]

    def truth(self) -> Brought:
        """The truth as it was brought. Raises SignalError, GsjbuError."""
        return scenes.truth_of(self.truth_name, self.picture)


def is_folder(picture: str) -> bool:
    """Whether it stands for any number of pictures."""
    return not picture.startswith(scenes.SCENE) and os.path.isdir(picture)


def found(
    picture: str, signal: str | None, truth: str, entry: str | None = None, truth_entry: str | None = None
) -> list[Pair]:
    """All pictures that there are. Raises GsjbuError where a folder has none with a truth, or two files of one name.

    entry, truth_entry: the array that is meant, of each file in the folder.
    """
    from gsjbu.batch.signal_files import IMAGES
    from gsjbu.io import readers  # only here, for it brings torch

    if not is_folder(picture):
        return [Pair(Path(picture).name, picture, signal, truth)]
    pictures = _by_name(Path(picture), IMAGES)
    own = {path.resolve() for paths in pictures.values() for path in paths}
    signals = None if signal is None else _by_name(Path(signal), readers.ENDINGS, own)
    truths = _by_name(Path(truth), readers.ENDINGS, own)
    pairs = [
        Pair(
            (of := _only(paths)).name, str(of),
            None if signals is None else options.entry_in(_only(signals[name]), entry),
            options.entry_in(_only(truths[name]), truth_entry),
        )
        for name, paths in sorted(pictures.items())
        if name in truths and (signals is None or name in signals)
    ]  # fmt: skip
    if not pairs:
        raise GsjbuError(
            "truth_missing",
            f"No picture in {picture} ({', '.join(IMAGES)}) has a truth of the same name in {truth}"
            + ("." if signal is None else f", and a signal in {signal}."),
        )
    return pairs


def passed_over(folder: str, pairs: list[Pair]) -> list[str]:
    """The pictures in ``folder`` that are in none of ``pairs``."""
    from gsjbu.batch.signal_files import IMAGES

    taken = {pair.name for pair in pairs}
    names = (path.name for paths in _by_name(Path(folder), IMAGES).values() for path in paths)
    return sorted(name for name in names if name not in taken)


def _by_name(folder: Path, endings: tuple[str, ...], others: Collection[Path] = ()) -> dict[str, list[Path]]:
    """The files of a folder with one of ``endings`` by their names without it, less the ``others``."""
    if not os.path.isdir(folder):
        raise GsjbuError("file_missing", f"{folder} is no folder; give a folder, as the pictures are one.")
    found: dict[str, list[Path]] = {}
    for path in sorted(folder.iterdir()):
        counts = path.suffix.lower() in endings and path.is_file() and not path.name.startswith(".")
        if counts and path.resolve() not in others:
            found.setdefault(path.stem, []).append(path)
    return found


def _only(paths: list[Path]) -> Path:
    """The one file of a name: which of several is meant nobody has said."""
    if len(paths) > 1:
        names = " and ".join(path.name for path in paths)
        raise GsjbuError("file_ambiguous", f"{paths[0].parent} has {names}; which is meant? Leave one of them there.")
    return paths[0]
