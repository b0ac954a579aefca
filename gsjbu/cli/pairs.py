"""Which picture goes with which signal and truth: one of each, folders with equal names, or a built-in scene."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gsjbu.cli.compare import read_image
from gsjbu.errors import GsjbuError

if TYPE_CHECKING:
    from torch import Tensor

    from gsjbu.io.brought import Brought

SCENE = "scene:"
#: What a built-in scene knows of itself, and the kind of it.
OF_SCENES = {"depth": "depth", "labels": "labels"}


@dataclass(frozen=True)
class Pair:
    """One picture. ``signal`` is None where it is made of the truth."""

    name: str
    picture: str
    signal: Path | None
    truth_name: str

    @property
    def kind(self) -> str | None:
        """Of the truth, where it is a built-in scene's."""
        return (
            OF_SCENES.get(self.truth_name.removeprefix(SCENE)) if self.truth_name.startswith(SCENE) else None
        )

    def image(self) -> Tensor:
        """[3, H, W] in [0, 1]."""
        return read_image(self.picture)[0]

    def truth(self) -> Brought:
        """The truth as it was brought. Raises SignalError, GsjbuError."""
        from gsjbu.io.readers import bring

        if not self.truth_name.startswith(SCENE):
            return bring(Path(self.truth_name))
        _, sample = read_image(self.picture)
        if sample is None or self.kind is None:
            raise GsjbuError(
                "truth_missing", f"{self.truth_name} is not known of {self.picture}; built-in scenes have "
                f"{' and '.join(SCENE + name for name in OF_SCENES)}.",
            )  # fmt: skip
        return sample.truth(self.kind)


def found(picture: str, signal: str | None, truth: str) -> list[Pair]:
    """All pictures that there are. Raises GsjbuError where a folder has none with a truth."""
    if picture.startswith(SCENE) or not Path(picture).is_dir():
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
