"""Which picture goes with which signal and truth: one of each, folders with equal names, or a built-in scene."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gsjbu.cli import scenes
from gsjbu.errors import GsjbuError

if TYPE_CHECKING:
    from torch import Tensor

    from gsjbu.io.brought import Brought


@dataclass(frozen=True)
class Pair:
    """One picture. ``signal`` is None where it is made of the truth."""

    name: str
    picture: str
    signal: Path | None
    truth_name: str

    def image(self) -> Tensor:
        """[3, H, W] in [0, 1]."""
        image: Tensor = scenes.image_of(self.picture)[0]
        return image

    def truth(self) -> Brought:
        """The truth as it was brought. Raises SignalError, GsjbuError."""
        return scenes.truth_of(self.truth_name, self.picture)


def found(picture: str, signal: str | None, truth: str) -> list[Pair]:
    """All pictures that there are. Raises GsjbuError where a folder has none with a truth."""
    if picture.startswith(scenes.SCENE) or not Path(picture).is_dir():
        return [Pair(Path(picture).name, picture, None if signal is None else Path(signal), truth)]
    signals = None if signal is None else _by_name(Path(signal))
    truths = _by_name(Path(truth))
    pairs = [
        Pair(path.name, str(path), None if signals is None else signals[name], str(truths[name]))
        for name, path in sorted(_by_name(Path(picture)).items())
        if name in truths and (signals is None or name in signals)
    ]
    if not pairs:
        raise GsjbuError(
            "truth_missing",
            f"No picture in {picture} has a truth of the same name in {truth}"
            + ("." if signal is None else f", and a signal in {signal}."),
        )
    return pairs


def _by_name(folder: Path) -> dict[str, Path]:
    if not folder.is_dir():
        raise GsjbuError("file_missing", f"{folder} is no folder; give a folder, as the pictures are one.")
    return {path.stem: path for path in folder.iterdir() if path.is_file() and not path.name.startswith(".")}
