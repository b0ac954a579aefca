"""The five words on a signal, for where its reader should not guess: the same in the library, on the command line, in a
batch and in the API."""

from __future__ import annotations

from dataclasses import dataclass

from gsjbu.io.kinds import AUTO, KINDS
from gsjbu.io.names import KNOWN


@dataclass(frozen=True)
class Word:
    """What a word is where nobody says it (``usual``), and a sentence on what may be said."""

    usual: str | bool
    sentence: str


WORDS = {
    "kind": Word(AUTO, f"What it is: auto (by its numbers, and it is told why), {', '.join(KINDS)}; depth is any "
                       "measured quantity."),
    "invalid": Word(AUTO, "Numbers that mean “no value”: auto, none, or a list such as 0,65535; NaN and infinity "
                          "always do."),
    "layout": Word(AUTO, "Which axis is what: auto (by the image's shape), chw, hwc, tokens, or rows x columns (19x28) "
                         "of tokens or of a map whose cells are not square."),
    "names": Word("", f"Names of its classes: one a line, JSON (a list or id2label), or {', '.join(KNOWN)}."),
    "fill": Word(False, "Fill pixels without a value from the nearest one."),
}  # fmt: skip
