"""Serve the page and the HTTP interface.

gsjbu serve                              http://127.0.0.1:8000
gsjbu serve --port 8080 --limit queue_jobs=4
gsjbu serve --help                       every option; they are those of ``python app.py``
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys

from gsjbu.errors import GsjbuError
from gsjbu.extras import lacking

TAKES_THE_REST = True  # the server has a command line of its own; what follows `serve` is handed to it


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """None here: see TAKES_THE_REST."""


def run(args: argparse.Namespace) -> int:
    """Serve until SIGTERM or Ctrl+C."""
    if why := lacking("server", "The page"):
        raise GsjbuError("server_missing", why)
    if "OMP_WAIT_POLICY" not in os.environ and hasattr(os, "fork") and sys.argv[1:2] == ["serve"]:
        # torch is loaded by now, and has to be loaded with this (core/threads.py says why): the same command again.
        os.environ["OMP_WAIT_POLICY"] = "passive"
        with contextlib.suppress(OSError):  # no interpreter to start: then networks run on one core
            os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])
    from gsjbu.server.cli import main

    return main(args.rest, "gsjbu serve")
