"""``python app.py``: options and environment → a Config, then the server."""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from gsjbu.errors import SettingError
from gsjbu.io import addresses
from gsjbu.server.config import LOCAL_HOSTS, Config
from gsjbu.server.headroom import available_bytes
from gsjbu.server.limits import Limits
from gsjbu.server.listening import bound

PROG = "python app.py"
_PREFIX = "GSJBU_LIMIT_"
_ALLOWED = "a host name to answer to besides localhost and addresses; may be given several times"
_FRAME = "a site that may show the page in a frame (https://huggingface.co); may be given several times; needs HTTPS"
_OUT = "folder for results that are given as files (default: in your cache folder); also GSJBU_OUT_DIR"
_STATUS = "Exit status: 0 stopped; 2 refused, with a sentence (the port is in use, say); 130 interrupted at the start."
_LIMIT = "change a limit; /api/settings lists them; also GSJBU_LIMIT_NAME in the environment"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The server's options; ``gsjbu serve`` may take the same."""
    parser.register("type", None, addresses.given)
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on; any but 127.0.0.1 is a risk")
    parser.add_argument("--port", type=_port, default=8000, help="port to listen on (default: 8000)")
    parser.add_argument("--allowed-host", action="append", default=[], metavar="NAME", help=_ALLOWED)
    parser.add_argument("--frame-ancestor", action="append", default=[], type=_origin, metavar="ORIGIN", help=_FRAME)
    parser.add_argument("--models-dir", metavar="DIR", help="folder with model weights")
    parser.add_argument("--out-dir", metavar="DIR", help=_OUT)
    parser.add_argument("--limit", action="append", default=[], metavar="NAME=VALUE", help=_LIMIT)


def _port(text: str) -> int:
    if not text.isdecimal() or not int(text) <= 65535:
        raise argparse.ArgumentTypeError(f"{text!r} must be a whole number from 0 to 65535")
    return int(text)


def _origin(text: str) -> str:
    """A site as it may stand in a header: nothing else can follow it there."""
    if re.fullmatch(r"https://[a-z0-9.-]+(:[0-9]+)?", text) is None:
        raise argparse.ArgumentTypeError(f"{text!r} must be a site, such as https://huggingface.co")
    return text


def config_of(argv: Sequence[str], environ: Mapping[str, str], prog: str = PROG) -> Config:
    """The Config that the command line asks for; exits with a sentence where it cannot be."""
    text = "Upsample Anything: the web page and its API."
    parser = argparse.ArgumentParser(prog=prog, description=text, epilog=_STATUS)
    add_arguments(parser)
    options = parser.parse_args(argv)
    given = {k[len(_PREFIX) :].lower(): v for k, v in environ.items() if k.startswith(_PREFIX)}
    for pair in options.limit:
        name, sign, value = pair.partition("=")
        if not sign:
            parser.error(f"--limit {pair}: write it as name=value")
        given[name] = value
    try:
        limits = Limits.parse(given).within(available_bytes(), given)
    except SettingError as error:
        parser.error(error.message)
    if options.models_dir:
        os.environ["GSJBU_MODELS_DIR"] = options.models_dir
    hosts = (*LOCAL_HOSTS, *options.allowed_host)
    out_dir = options.out_dir or environ.get("GSJBU_OUT_DIR")
    try:
        config = Config(
            host=options.host, port=options.port, allowed_hosts=hosts, frame_ancestors=tuple(options.frame_ancestor),
            limits=limits,
        )  # fmt: skip
    except SettingError as error:
        parser.error(f"--allowed-host: {error.message}")
    if out_dir:
        out = Path(out_dir).expanduser().absolute()
        nearest = next(path for path in (out, *out.parents) if os.path.lexists(path))
        if not (nearest.is_dir() and os.access(nearest, os.W_OK | os.X_OK)):
            parser.error(f"--out-dir {out}: {nearest} is no folder that can be written into; name another.")
        config = replace(config, out_dir=out)
    return config


def main(argv: Sequence[str] | None = None, prog: str = PROG) -> int:
    """Serve until SIGTERM or Ctrl+C; returns the exit status. ``prog``: how it was started, for the usage line."""
    config = config_of(sys.argv[1:] if argv is None else argv, os.environ, prog)
    try:
        sockets = bound(config.host, config.port)
        from gsjbu.server.serve import serve

        serve(config, sockets)
    except SettingError as error:
        print(f"{prog}: {error.message}", file=sys.stderr)
        return 2
    return 0
