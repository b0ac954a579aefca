"""What can go wrong, said in one sentence: what was wrong, and what would be right.

Every error that a person's input can cause carries a stable ``code``; the server turns it into
problem+json, the command line into an exit status, the library raises it as it is.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


class GsjbuError(ValueError):
    """Base of all refusals. ``code`` is stable snake_case, ``message`` is a sentence for a person."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class SettingError(GsjbuError):
    """A setting is unknown, of the wrong kind or out of bounds; ``name`` says which."""

    def __init__(self, name: str, message: str, code: str = "setting_invalid") -> None:
        super().__init__(code, message)
        self.name = name


class ShapeError(GsjbuError):
    """Array shapes that cannot go together."""

    def __init__(self, message: str, code: str = "shape_invalid") -> None:
        super().__init__(code, message)


class ImageError(GsjbuError):
    """A file or array that cannot be read as an image."""


@dataclass(frozen=True)
class Remedy:
    """A word that would have a signal taken: which one (``kind``, ``layout``, ``entry``), what to say with it, empty
    where only a person knows, and the sentence by which Python and the command line tell of it."""

    word: str
    value: str
    sentence: str = ""


class SignalError(GsjbuError):
    """A file or array that cannot be read as a low-resolution signal; the sentences of ``remedies`` end its message."""

    def __init__(self, code: str, message: str, remedies: Iterable[Remedy] = ()) -> None:
        self.remedies = tuple(remedies)
        self.what = message
        super().__init__(code, " ".join([message, *(r.sentence for r in self.remedies if r.sentence)]))

    def also(self, *remedies: Remedy) -> SignalError:
        """The same refusal with further remedies."""
        return SignalError(self.code, self.what, (*self.remedies, *remedies))


class SignalWarning(UserWarning):
    """A choice was made for what was brought that a person may know better; the sentence says how to overrule it."""


class ModelError(GsjbuError):
    """A model that is not to be had, or not allowed."""


class KernelFileError(GsjbuError):
    """A saved kernel that cannot be read."""

    def __init__(self, message: str) -> None:
        super().__init__("kernel_file_invalid", message)


class Cancelled(Exception):
    """Raised by a progress callback to stop the work at once; it passes through every stage."""
