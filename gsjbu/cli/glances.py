"""What the files of a film's signals have in common: one kind, told from all of them before the first frame."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gsjbu.cli import options
from gsjbu.errors import GsjbuError
from gsjbu.io.kinds import Kind
from gsjbu.io.signals import Signal, label


@dataclass(frozen=True)
class Glance:
    """What is to be known of one file before the first frame."""

    kind: Kind
    channels: int
    whole: bool  # whether it was brought in whole numbers
    codes: tuple[int, ...]
    range: tuple[float, float]  # of one channel
    size: tuple[int, ...] = ()  # rows and columns of its own cells
    enlarged: bool = False  # whether it came as an enlargement of these

    @classmethod
    def at(cls, signal: Signal) -> Glance:
        """From a signal as it was understood."""
        own = signal.kind == "labels"
        values = signal.real(signal.values[0][signal.mask].numpy()) if len(signal.values) == 1 else np.zeros(1)
        return cls(
            signal.kind, 1 if own else len(signal.values), np.dtype(signal.dtype).kind != "f", signal.codes,
            (float(values.min()), float(values.max())), signal.shape[1:], bool(signal.enlarged),
        )  # fmt: skip

    @property
    def flat(self) -> bool:
        """Whether it has but one value, which tells nothing of a kind."""
        return self.channels == 1 and len(self.codes) < 2 and self.range[0] == self.range[1]


def are_of_one_grid(found: Iterable[Glance], whole: bool) -> bool:
    """Whether those that were enlarged were so from one grid; ``whole``: and all others lie on it, too, those of one
    value included, which tell nothing of a grid."""
    some = [one for one in found if whole or not one.flat]
    return not any(one.enlarged for one in some) or len({one.size for one in some}) == 1


def of_one_kind(found: dict[Path, Glance]) -> tuple[dict[Path, Kind], list[str]]:
    """The files that alone would be taken for something else, with the kind of all; and what to say of them.

    The kind of all is that of most files which have more than one value. Raises GsjbuError where files differ in
    channels, or in kind and in whole numbers and fractions.
    """
    telling = {path: one for path, one in found.items() if not one.flat} or found
    if not telling:
        return {}, []
    (kind, _), *others = Counter(one.kind for one in telling.values()).most_common()
    first = next(path for path, one in telling.items() if one.kind == kind)
    for path, one in found.items():
        apart = one.kind != kind and path in telling and one.whole != found[first].whole
        if apart or one.channels != found[first].channels:
            raise GsjbuError(
                "signal_kind",
                f"The film's signals differ: {first.name} is {_look(found[first])}, {path.name} is {_look(one)}. "
                "Give those of one kind.",
            )
    kinds = {path: kind for path, one in found.items() if one.kind != kind}
    if not others:
        return kinds, []
    alone = ", ".join(f"{path.name} {label(telling[path].kind)}" for path in kinds if path in telling)
    return kinds, [
        f"All signals are taken for {label(kind)}, as most are; alone would be: {alone}. --kind says otherwise."
    ]


def _look(one: Glance) -> str:
    numbers = "whole numbers" if one.whole else "fractions"
    return f"{label(one.kind)} ({options.counted(one.channels, 'channel')}, {numbers})"
