"""Serve the page and the HTTP interface.

  gsjbu serve                          http://127.0.0.1:8000
  gsjbu serve --host 0.0.0.0 --port 80

What follows is handed to the server as it is: the same options as ``python app.py``.
"""

from __future__ import annotations

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Whatever the server's own command line takes."""
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: 127.0.0.1)")
    parser.add_argument("--port", type=int, default=8000, help="port to listen on (default: 8000)")


def run(args: argparse.Namespace) -> int:
    """Serve until interrupted."""
    from gsjbu.server.main import main

    return main(["--host", args.host, "--port", str(args.port)])
