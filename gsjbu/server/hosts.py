"""Names of the server: as a Host header has them, and as a person writes them."""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import urlsplit

from gsjbu.errors import SettingError

_NAME = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*")


def name_of(host: str) -> str | None:
    """The name in a Host header, without the port and the root's dot, in lower case; None where it is malformed."""
    if any(c in host for c in "/@\\?#, \t"):
        return None
    try:
        parts = urlsplit("//" + host)
        parts.port  # noqa: B018  raises where the port is no number
    except ValueError:
        return None
    return None if parts.hostname is None else parts.hostname.removesuffix(".")


def is_address(name: str) -> bool:
    """Whether it is an address that something may be found at: no name, so nobody else can lead it here."""
    try:
        return not ipaddress.ip_address(name).is_unspecified
    except ValueError:
        return False


def allowed(text: str) -> str:
    """The name that a Host header has, of what a person gave for it: a name, or an address with scheme, port, path."""
    host = re.sub(r"^https?://|(?<=[^:/])/.*$", "", text.strip(), flags=re.IGNORECASE)
    name = host.lower() if is_address(host) else name_of(host) or ""
    if is_address(name) or _NAME.fullmatch(name):
        return name
    raise SettingError(
        "allowed_hosts",
        f"{text!r} is no host name to answer to: write one name in full, such as upsample.example.org, without * and "
        "in its xn-- form where it has letters beyond a to z; give several one by one.",
    )
