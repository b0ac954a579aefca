"""Memory that looking at a result takes while it is looked at, by shapes alone; an upper bound within reason."""

from __future__ import annotations

from gsjbu.errors import SignalError
from gsjbu.io.signals import Signal
from gsjbu.run.later import Later
from gsjbu.run.once import Once
from gsjbu.run.result import BLOCK
from gsjbu.server.archive import BLOCK_BYTES, signal_bytes
from gsjbu.server.results import Bundle

# Bytes a pixel: of a panel that is made and written as a PNG, with the fit it may need; of a pair of maps; of values.
_PANEL, _MAPS, _VALUES = 160, 32, 24
_COPIES = 3  # of what is rendered: as it comes, in the unit and in the dtype of what was brought


def of_panel(bundle: Bundle, name: str) -> int:
    """For one panel: nothing much where it is there already."""
    panel = bundle.panels.get(name)
    waits = isinstance(panel, Later) and not panel.is_made
    return _pixels(bundle) * _PANEL if waits else 0


def of_values(bundle: Bundle, name: str) -> int:
    """For a panel's own numbers, as they are or as points in colours."""
    return of_panel(bundle, name) + _pixels(bundle) * _VALUES


def of_pixel(bundle: Bundle) -> int:
    """For all panels at a pixel: nothing where all are there already."""
    return max(of_panel(bundle, name) for name in bundle.panels)


def of_mixer(bundle: Bundle, group: str, way: str) -> int:
    """For what a group is mixed by in one way: a fit that nobody has asked for yet is as much as a panel."""
    ones = [one.kernel for one in bundle.result.methods if (one.group, one.id) == (group, way)]
    waits = any(isinstance(one, Once) and not one.is_made for one in ones)
    return _pixels(bundle) * _PANEL if waits else 0


def of_region(bundle: Bundle) -> int:
    """For all panels in a rectangle, which may be the whole picture: one after the other, channel by channel."""
    return of_pixel(bundle) + _pixels(bundle) * _VALUES


def of_similarity(bundle: Bundle, points: int = 1) -> int:
    """For the similarity to pixels: the lengths of all features are rendered block by block, once a result."""
    features = bundle.result.features_lr
    channels = 0 if features is None else min(BLOCK, features.shape[0])
    return _pixels(bundle) * (4 * channels + _MAPS * points)


def of_zip(bundle: Bundle) -> int:
    """For the zip: panels one by one, and the signal at full resolution in blocks, or whole where it must be."""
    result = bundle.result
    if result.signal is None:
        return _pixels(bundle) * _PANEL
    kernel = result.signal_kernel
    whole = 4 * result.signal.values.shape[0] * _pixels(bundle)
    joint = kernel.is_joint_for(result.signal.values, result.signal.mask)
    at_once = whole if joint or result.signal.kind == "labels" else min(whole, BLOCK_BYTES)
    return max(_pixels(bundle) * _PANEL, _COPIES * at_once)


def told_before(signal: Signal, height: int, width: int, most: int) -> str:
    """A sentence where the zip of a run with ``signal`` over so many pixels is larger than the ``most`` bytes that are
    given, by what is known before: the HR signal alone; otherwise nothing."""
    try:
        signal = signal.fitted(height, width)
    except SignalError:  # the run refuses it, and says why
        return ""
    size = signal_bytes(signal, height, width)
    if size <= most:
        return ""
    return (
        f"The zip of this run would have about {size / 2**30:.1f} GiB, more than the {most / 2**30:.1f} GiB "
        "allowed, and is not given: its panels can be looked at and saved one by one, and the command line "
        "(gsjbu upsample) writes the whole signal."
    )


def _pixels(bundle: Bundle) -> int:
    width, height = bundle.size()
    return width * height
