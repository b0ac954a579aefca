"""Serve the page and the HTTP interface.

gsjbu serve                              http://127.0.0.1:8000
gsjbu serve --port 8080 --limit queue=4
gsjbu serve --help                       every option; they are those of ``python app.py``
"""

from __future__ import annotations

import argparse

TAKES_THE_REST = True  # the server has a command line of its own; what follows `serve` is handed to it


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """None here: see TAKES_THE_REST."""


def run(args: argparse.Namespace) -> int:
    """Serve until SIGTERM or Ctrl+C."""
    from gsjbu.server.cli import main

    return main(args.rest)
