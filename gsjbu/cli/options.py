"""Command-line options made from the settings, so that --help says what the page says."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gsjbu.errors import GsjbuError, SettingError, SignalError
from gsjbu.io import addresses
from gsjbu.io.names import KNOWN, names_of
from gsjbu.io.words import WORDS
from gsjbu.settings import SETTINGS, Setting, Settings

if TYPE_CHECKING:
    from tqdm import tqdm

    from gsjbu.io.guides import Guide

#: How a word on a signal is typed.
METAVARS = {
    "kind": "KIND", "invalid": "auto|none|N,N", "layout": "auto|chw|hwc|tokens|ROWSxCOLS",
    "names": f"FILE|{'|'.join(KNOWN)}",
}  # fmt: skip
#: Settings that take names of models; the names that may follow what a setting's sentence says.
MODELS = {
    "backbone": "NAME: auto, resnet18, timm:NAME, local:FOLDER (of GSJBU_MODELS_DIR), or a backbone of the README.",
    "segmentation": "NAME: off, labels, local:FOLDER (of GSJBU_MODELS_DIR), or a segmentation model of the README.",
}
FIT = ("stride", "iters", "radius", "objective", "lr_image", "optimiser", "device")


def add_settings(parser: argparse.ArgumentParser, names: Iterable[str], **defaults: Any) -> None:
    """One option per setting. A default given here (None: not asked for) goes before the setting's own."""
    group = parser.add_argument_group("settings")
    for name in names:
        setting = SETTINGS[name]
        group.add_argument(
            f"--{name.replace('_', '-')}",
            type=_parser(setting),
            default=defaults.get(name, setting.default),
            metavar=_values(setting),
            help=_help(setting, name in defaults, defaults.get(name)),
        )


def _parser(setting: Setting) -> Any:
    def parse(text: str) -> int | bool | str:
        if setting.choices is not None and text not in setting.choices:
            _look_further(text)
        try:
            return setting.parse(text)
        except SettingError as error:
            raise argparse.ArgumentTypeError(error.message) from error

    return parse


def _look_further(text: str) -> None:
    """Let the settings know what this machine has beyond their own choices, and a timm backbone that is named."""
    from gsjbu.models import catalogue
    from gsjbu.run import offers  # noqa: F401  (hands it in; only here, for it brings torch)

    catalogue.name(text)


def _values(setting: Setting) -> str:
    if setting.kind == "int":
        return f"{setting.low}…{setting.high}"
    if setting.name in MODELS:
        return "NAME"
    return "on|off" if setting.kind == "bool" else "|".join(setting.choices or {})


def settings_of(args: argparse.Namespace, names: Iterable[str], **others: Any) -> Settings:
    """What the options of :func:`add_settings` say; a setting that was not asked for is as usual."""
    given = {name: getattr(args, name) for name in names}
    return Settings(**{name: value for name, value in given.items() if value is not None}, **others)


def _help(setting: Setting, overridden: bool, default: Any) -> str:
    shown = default if overridden else setting.default
    if isinstance(shown, bool):
        shown = "on" if shown else "off"
    unit = f", in {setting.unit}" if setting.unit else ""
    ending = "" if shown is None else f" (default: {shown}{unit})"
    sentence = f"{setting.sentence} {MODELS[setting.name]}" if setting.name in MODELS else setting.sentence
    return (sentence + ending).replace("%", "%%")


def count(least: int = 1) -> Callable[[str], int]:
    """An argparse type: a whole number of at least ``least``."""

    def parse(text: str) -> int:
        number = int(text) if text.lstrip("-").isdigit() else least - 1
        if number < least:
            raise argparse.ArgumentTypeError(f"{text!r} must be a whole number of at least {least}.")
        return number

    return parse


def add_signal(parser: argparse.ArgumentParser) -> None:
    """What a signal is, where its reader should not guess."""
    group = parser.add_argument_group("signal")
    for name, word in WORDS.items():
        if isinstance(word.usual, bool):
            group.add_argument(f"--{name}", action="store_true", help=word.sentence)
        else:
            ending = f" (default: {word.usual})" if word.usual else ""
            group.add_argument(
                f"--{name}", default=word.usual or None, metavar=METAVARS[name], help=word.sentence + ending
            )


def refuse_signal_words(args: argparse.Namespace, where: str, but: Sequence[str] = ()) -> None:
    """Refuse the options of :func:`add_signal`, ``but`` some, where no signal is read: ``where`` says why."""
    for name, word in WORDS.items():
        if (getattr(args, name) or word.usual) != word.usual and name not in but:
            raise GsjbuError("setting_invalid", f"--{name} has no part where {where}; leave it out.")


def add_entry(parser: argparse.ArgumentParser, option: str = "--entry", of: str = "signal") -> None:
    """Which array is meant, of the files in a folder."""
    parser.add_argument(option, metavar="NAME", help=f"which array of each {of}'s file, where files hold several")


def entry_in(path: str | Path, entry: str | None) -> str:
    """The array ``entry`` of a folder's file, as readers take it."""
    return f"{path}:{entry}" if entry else str(path)


@contextmanager
def entry_of_all(option: str) -> Iterator[None]:
    """Of a folder's file, the refusal of several arrays names the ``option``: there is no FILE:ENTRY to write."""
    from gsjbu.io.arrays import SeveralArrays

    try:
        yield
    except SignalError as error:
        several = error.__cause__
        if not isinstance(several, SeveralArrays):
            raise
        raise SignalError(error.code, f"{several.message} {option} names that of every file.") from error


def signal_words(args: argparse.Namespace) -> dict[str, Any]:
    """The options of :func:`add_signal`, as the reader takes them."""
    return {name: getattr(args, name) for name in WORDS} | {"names": names_of(args.names) if args.names else ()}


def add_guide(parser: argparse.ArgumentParser, many: bool = False) -> None:
    """What an image's pixels mean, where that is not plain; of ``many`` images the masks lie in a folder."""
    group = parser.add_argument_group("image")
    where = ("--guide-masks", "FOLDER", "masks of the images' sizes, under their names,") if many else (
        "--guide-mask", "FILE", "a mask of the image's size,")  # fmt: skip
    group.add_argument(
        where[0], metavar=where[1], help=f"{where[2]} not 0 where it is not to be followed: clouds, no data, a rim"
    )
    group.add_argument(
        "--stretch",
        metavar="percentiles|LOW,HIGH",
        help="what becomes 0 and 1 in each band: its 2nd and 98th percentile, or numbers (LOW,HIGH;LOW,HIGH;... for "
        "one pair a band)",
    )


def guide(args: argparse.Namespace) -> Guide:
    """The image with the options of :func:`add_guide`."""
    from gsjbu.io import stretching
    from gsjbu.io.guides import to_guide

    stretch = stretching.parse(args.stretch) if args.stretch else None
    return to_guide(args.image, guide_mask=args.guide_mask, stretch=stretch)


def add_half(parser: argparse.ArgumentParser) -> None:
    """Results of half the size."""
    parser.add_argument("--float16", action="store_true", help="write arrays in half precision, half the size")


def say(args: argparse.Namespace, sentences: Iterable[str]) -> None:
    """Choices that a person may know better, on standard error."""
    if not args.quiet:
        for sentence in sentences:
            print(sentence, file=sys.stderr)


def add_output(parser: argparse.ArgumentParser) -> None:
    """How a command speaks: for people (default), or one JSON object on standard output."""
    parser.add_argument("--json", action="store_true", help="print one JSON object on standard output")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")


def bar(args: argparse.Namespace, total: int, unit: str, label: str) -> tqdm:
    """A progress bar on standard error, shown where a person is looking."""
    from tqdm import tqdm

    return tqdm(total=total, unit=unit, desc=label, disable=True if args.quiet else None, leave=False)


def spare_inputs(inputs: Sequence[str | None], outputs: Sequence[str | None]) -> None:
    """Refuse an output that would take the place of an input, of another output or of a folder."""
    read = [addresses.parted(path)[0] for path in inputs if path]
    written = set()
    for path in filter(None, outputs):
        addresses.spare(read, path)
        where = addresses.identity(path)
        if where in written:
            text = f"The result {path} would take the place of another result; choose another name."
            raise GsjbuError("output_is_input", text)
        written.add(where)
        a_folder = Path(path).suffix.lower() == ".zarr"
        if os.path.exists(path) and os.path.isdir(path) != a_folder:
            found, wanted = ("file", "folder") if a_folder else ("folder", "file")
            raise GsjbuError(
                "output_in_the_way", f"{path} is a {found}, and the result is a {wanted}; choose another name."
            )


def check_stride(stride: int | None, size: Sequence[int], signal: Sequence[int]) -> None:
    """Refuse a stride that was given and does not make the grid of ``signal`` [C, h, w] of an image of ``size``."""
    from gsjbu.core.grid import Grid, size_text

    if stride is None:
        return
    height, width = size
    grid = Grid.from_stride(height, width, stride)
    if (grid.rows, grid.cols) != tuple(signal[-2:]):
        raise GsjbuError(
            "signal_shape",
            f"At stride {stride} an image of {size_text(*size)} has a grid of {size_text(grid.rows, grid.cols)}, and "
            f"the signal is {size_text(*signal[-2:])}; leave --stride out to take the ratio of the sizes.",
        )


def grid(stride: int | None, signal: Sequence[int]) -> dict[str, Any]:
    """The grid as ``fit`` takes it: that of ``signal`` [C, h, w] over the whole image, or cells of a given stride."""
    return {"lr_size": tuple(signal[-2:])} if stride is None else {"stride": stride}


def counted(number: int, thing: str) -> str:
    """``1 frame``, ``2 frames``."""
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def tell(args: argparse.Namespace, facts: dict[str, Any], sentence: str) -> None:
    """``facts`` with --json, otherwise ``sentence``."""
    told = json.dumps(facts, ensure_ascii=False) if args.json else sentence
    print(told.encode("utf-8", "backslashreplace").decode())  # a name may be no UTF-8
