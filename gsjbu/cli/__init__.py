"""The command ``gsjbu``: one sub-command per use, options made from the same settings as the page.

Exit status: 0 done; 1 some images of a batch failed; 2 refused, with a sentence; 3 results cannot be written;
130 interrupted.
"""

from __future__ import annotations

import argparse
import errno
import json
import os
import re
import sys
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from gsjbu.cli import batch, bench, compare, evaluate, export, raster, refine, render, serve, upsample, video
from gsjbu.errors import GsjbuError, SignalWarning
from gsjbu.io import addresses
from gsjbu.version import __version__

_PACKAGE = Path(__file__).parents[1]
DONE, REFUSED, UNWRITABLE, INTERRUPTED = 0, 2, 3, 130  # commands for many pictures return 1: some failed
#: Words after an option that are its value and no option: argparse of Python 3.14 has this, earlier ones whole numbers
#: and decimals alone, no lists of them (--invalid -9999,0) and no 1e-3.
LIKE_A_NUMBER = re.compile(r"-\.?\d")
COMMANDS = (upsample, render, refine, compare, evaluate, batch, video, raster, export, serve, bench)


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    top = argparse.ArgumentParser(
        prog="gsjbu",
        description="Upsample Anything: any low-resolution signal at full resolution, along the image's own edges.",
        epilog="Exit status: 0 done; 1 some images failed; 2 refused; 3 results cannot be written; 130 interrupted.",
    )
    top.add_argument("--version", action="version", version=f"gsjbu {__version__}")
    commands = top.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for module in COMMANDS:
        name = module.__name__.rpartition(".")[2]
        text = (module.__doc__ or "").strip()  # python -OO keeps none
        takes_the_rest = getattr(module, "TAKES_THE_REST", False)
        command = commands.add_parser(
            name,
            help=text.partition("\n")[0],
            description=text,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            add_help=not takes_the_rest,
        )
        command.set_defaults(run=module.run, json=False, rest=[] if takes_the_rest else None)
        command.register("type", None, addresses.given)
        command._negative_number_matcher = LIKE_A_NUMBER
        module.add_arguments(command)
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line ``argv`` (the process's own if None); returns the exit status."""
    top = parser()
    args, rest = top.parse_known_args(argv)
    if args.rest is not None:
        args.rest = rest
    elif rest:
        top.error(f"unrecognized arguments: {' '.join(rest)}")
    try:
        with warnings.catch_warnings():
            warnings.showwarning = partial(_told, getattr(args, "quiet", False), warnings.showwarning)
            status = args.run(args)
        sys.stdout.flush()
        return status
    except GsjbuError as error:
        return _refuse(args, error.code, error.message, REFUSED)
    except FileNotFoundError as error:
        return _refuse(args, "file_missing", addresses.missing(str(error.filename)), REFUSED)
    except IsADirectoryError as error:
        return _refuse(args, "file_missing", f"{error.filename} is a folder; a file is needed.", REFUSED)
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        what = str(error.strerror or error).rstrip(".")
        if error.errno == errno.EBADF:
            what = "Standard output is closed"
        return _refuse(args, "file_error", f"{what}{where}.", UNWRITABLE)
    except KeyboardInterrupt:
        return _refuse(args, "interrupted", "Interrupted.", INTERRUPTED)


def _told(
    quiet: bool, others: Callable[..., None], message: Warning | str, category: type[Warning], filename: str,
    *more: Any,
) -> None:  # fmt: skip
    """A warning of the library's as the sentence that it is, without the line of code that Python prints beside."""
    if not issubclass(category, SignalWarning) and not Path(filename).is_relative_to(_PACKAGE):
        others(message, category, filename, *more)
    elif not quiet:
        print(message, file=sys.stderr)


def _refuse(args: argparse.Namespace, code: str, sentence: str, status: int) -> int:
    try:
        if args.json:
            print(json.dumps({"error": sentence, "code": code}, ensure_ascii=False))
        sys.stdout.flush()
    except OSError:  # nobody reads standard output any more, or it is full: that may be what went wrong
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    print(f"gsjbu: {sentence}", file=sys.stderr)
    return status
