"""Built-in scenes beside files: scene:NAME is a picture, scene:depth and scene:labels are what it knows of itself."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from gsjbu.cli import options
from gsjbu.errors import GsjbuError

if TYPE_CHECKING:
    from gsjbu.io.brought import Brought
    from gsjbu.io.guides import Guide
    from gsjbu.io.kinds import Kind
    from gsjbu.io.signals import Signal

SCENE = "scene:"


def own(name: str) -> Kind | None:
    """What a built-in scene knows of itself under ``name``, which is its kind, too."""
    from gsjbu.samples import TRUTHS

    return next((what for what in TRUTHS if name == SCENE + what), None)


def image_of(name: str) -> tuple[Guide, Any]:
    """The image, and the built-in scene it is of, if it is one."""
    from gsjbu.io.guides import Guide, to_guide

    if not name.startswith(SCENE):
        return to_guide(name), None
    from gsjbu.samples import SAMPLES

    sample = SAMPLES.get(name.removeprefix(SCENE))
    if sample is None:
        raise GsjbuError(
            "scene_unknown",
            f"There is no scene {name.removeprefix(SCENE)!r}; the built-in scenes are {', '.join(SAMPLES)}.",
        )
    return Guide(sample.image), sample


def truth_of(name: str, picture: str) -> Brought:
    """What the file ``name`` holds, or what the scene ``picture`` knows of itself. Raises SignalError, GsjbuError."""
    from gsjbu.io.readers import bring
    from gsjbu.samples import TRUTHS

    if not name.startswith(SCENE):
        return bring(name)
    sample = image_of(picture)[1] if picture.startswith(SCENE) else None
    what = own(name)
    if sample is None or what is None:
        known = " and ".join(SCENE + one for one in TRUTHS)
        raise GsjbuError("truth_missing", f"{name} is not known of {picture}; built-in scenes have {known}.")
    return sample.truth(what)


def signal_of(
    args: argparse.Namespace, name: str, picture: str, size: tuple[int, int], worked: tuple[int, int], stride: int
) -> Signal:
    """The signal in the file ``name`` of a picture of ``size``, or made of what a scene knows of itself.

    worked: height and width that the run works at; its grid at ``stride`` is that of what is made.
    """
    from gsjbu.io.signals import understand

    if name.startswith(SCENE):
        return made_of(args, name, truth_of(name, picture), worked, stride)
    signal = understand(name, size, as_it_is=args.stride is not None, **options.signal_words(args))
    options.check_stride(args.stride, worked, signal.shape)
    options.say(args, signal.doubts)
    return signal


def check_words(args: argparse.Namespace, signal: str | None, truth: str = "") -> None:
    """Refuse, before the work, words that no ``signal`` takes, or none that is made of a scene's or the ``truth``."""
    from gsjbu.io.signals import Asked

    kind = Asked.parse(**options.signal_words(args)).kind
    made_of = truth if signal is None else signal
    if signal is not None and not signal.startswith(SCENE):
        return
    options.refuse_signal_words(args, "the signal is made of the truth", but=("kind",))
    known = own(made_of)
    if known and kind not in (None, known):
        raise GsjbuError("signal_kind", f"{made_of} is {known}, and --kind says {args.kind}; leave it out.")


def made_of(args: argparse.Namespace, name: str, truth: Brought, worked: tuple[int, int], stride: int) -> Signal:
    """The low-resolution signal that the ``truth`` called ``name`` gives."""
    from gsjbu.io import kinds
    from gsjbu.io.truths import downsampled

    kind = own(name) or kinds.parse(args.kind)
    return downsampled(truth, -(-worked[0] // stride), -(-worked[1] // stride), kind)
