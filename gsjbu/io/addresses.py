"""Where something lies, as a person writes it: a path, or FILE:ENTRY for one of a file's arrays. Nothing is fetched."""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Hashable, Iterable
from pathlib import Path

from gsjbu.errors import GsjbuError

#: Of the net; pathlib makes one slash of two. A drive's letter is alone.
_SCHEME = re.compile(r"([a-zA-Z][a-zA-Z0-9+-]+):/+")


EMPTY = "is empty, as a variable is that was never set; name a file or a folder (. is the current folder)"


def named(address: str | os.PathLike[str], what: str = "The path") -> Path:
    """``address``, unless it is empty: that would be the current folder, which nobody means by it."""
    if os.fspath(address):
        return Path(address)
    raise GsjbuError("path_empty", f"{what} {EMPTY}.")


def given(text: str) -> str:
    """The argparse type of what has no other: any word but none, for no option has a use for that."""
    if not text:
        raise argparse.ArgumentTypeError(EMPTY)
    return text


def parted(address: str | os.PathLike[str]) -> tuple[Path, str | None]:
    """The file, and the entry of it that is named; a file whose own name has a colon is that file.

    ``-`` is standard input, unless a file is called so.
    """
    named(address)
    text = os.fspath(address)
    if text == "-" and not os.path.exists(text):
        return Path("/dev/stdin"), None
    at = len(text) if os.path.exists(text) else text.rfind(":")
    while 1 < at < len(text):  # the colon of a drive stands after one letter
        if text[at + 1 :] and os.path.exists(text[:at]):
            return Path(text[:at]), text[at + 1 :]
        at = text.rfind(":", 0, at)
    return Path(text), None


def identity(path: str | os.PathLike[str]) -> Hashable:
    """Equal for whatever names the same file, by symbolic and hard links too, and for the same way to none."""
    where = os.path.realpath(path)
    try:
        found = os.stat(where)
    except OSError:
        return where
    return found.st_dev, found.st_ino


def spare(inputs: Iterable[str | os.PathLike[str]], output: str | os.PathLike[str]) -> None:
    """Refuse an ``output`` that would take the place of an input, or is empty."""
    named(output, "The result's name")
    if identity(output) in map(identity, inputs):
        text = f"The result {output} would take the place of an input; choose another name."
        raise GsjbuError("output_is_input", text)


def missing(address: str | os.PathLike[str]) -> str:
    """The sentence on what is not there."""
    text = os.fspath(address)
    found = _SCHEME.match(text)
    if found is None:
        return f"There is no {text}."
    whole = f"{found[1]}://{text[found.end() :]}"
    return f"{whole} is no path: addresses are not fetched. Save the file, and give the path to it."


def unreadable(address: str | os.PathLike[str], error: OSError) -> str:
    """The sentence on what could not be read, by the ``error`` of it."""
    if isinstance(error, FileNotFoundError):
        return missing(address)
    path = parted(address)[0]
    if os.path.isdir(path):
        return f"{path} is a folder; a file is needed."
    return f"{path} cannot be read: {error.strerror or error}."
