"""The sockets that the server listens on, bound before anything long begins: what cannot be is said at once."""

from __future__ import annotations

import errno
import os
import socket

from gsjbu.errors import SettingError

_LOCAL = "127.0.0.1 is for this machine alone, 0.0.0.0 for whoever can reach it"


def bound(host: str, port: int) -> list[socket.socket]:
    """One socket for each address of ``host``; nobody can connect before they listen."""
    sockets: list[socket.socket] = []
    failed: OSError | None = None
    try:
        for place in dict.fromkeys(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)):
            try:
                sockets.append(_bound(*place))
            except OSError as error:
                failed = error
                if error.errno not in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):  # localhost without IPv6, say
                    raise
        if not sockets and failed is not None:
            raise failed
    except (OSError, UnicodeError) as error:  # the latter of a name that no DNS has
        for one in sockets:
            one.close()
        raise refusal(host, port, error) from error
    return sockets


def _bound(family: int, kind: int, protocol: int, _: str, address: tuple[str | int, ...]) -> socket.socket:
    one = socket.socket(family, kind, protocol)
    try:
        if os.name == "posix":  # elsewhere it would let two servers share a port
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        one.bind(address)
    except OSError:
        one.close()
        raise
    return one


def refusal(host: str, port: int, error: OSError | UnicodeError) -> SettingError:
    """Why the server cannot listen there, and what to give instead."""
    if isinstance(error, socket.gaierror | UnicodeError):
        return SettingError("host", f"{host!r} is no host that is known here: give another with --host ({_LOCAL}).")
    if error.errno == errno.EADDRINUSE:
        detail = f"Port {port} of {host} is in use: give another with --port, or stop the program that has it."
        return SettingError("port", detail)
    if error.errno == errno.EACCES:
        return SettingError("port", f"Port {port} is not for this user: give one from 1024 up with --port.")
    if error.errno == errno.EADDRNOTAVAIL:
        return SettingError("host", f"{host} is no address of this machine: give one with --host ({_LOCAL}).")
    why = os.strerror(error.errno or 0)
    return SettingError("host", f"Port {port} of {host} cannot be had ({why}): give others with --port or --host.")
