"""Stands in for ``python``: a child of tests/zygote.py does the work, and this ends as that one ended.

Started as ``python -SsE stand_in.py SOCKET ITSELF ARGUMENT…``; it imports only what begins quickly.
"""

import json
import os
import signal
import socket
import struct
import sys

PASSED_ON = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)
#: Options of Python that change nothing here, those that begin a program, and those that hold more than one letter.
IGNORED, PROGRAMS, LONG = ("-s", "-S", "-E", "-I", "-B", "-u"), ("-c", "-m", "-"), ("-W", "-X")


def main() -> int:
    """Hand over arguments, environment, folder and open files; pass signals on; return the status."""
    where, executable, *arguments = sys.argv[1:]
    while arguments and (arguments[0] in IGNORED or arguments[0][:2] in LONG):
        arguments.pop(0)
    if arguments and arguments[0].startswith("-") and arguments[0] not in PROGRAMS:
        os.execv(sys.executable, [sys.executable, *arguments])
    link = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    link.connect(where)
    # what the caller has left open; this program's own files are closed by an exec
    given = [number for number in range(256) if number != link.fileno() and _is_inherited(number)]
    umask = os.umask(0)
    os.umask(umask)
    ignored = [number for number in PASSED_ON if signal.getsignal(number) is signal.SIG_IGN]
    asked = {
        "arguments": arguments, "executable": executable, "environment": dict(os.environ), "folder": os.getcwd(),
        "umask": umask, "descriptors": given, "ignored": ignored,
    }  # fmt: skip
    text = json.dumps(asked).encode()
    socket.send_fds(link, [struct.pack("<I", len(text))], given)
    link.sendall(text)
    child = _number(link)
    for number in PASSED_ON:
        signal.signal(number, lambda number, frame: os.kill(child, number))
    status = _number(link)
    if status < 0:
        if -status != signal.SIGKILL:
            signal.signal(-status, signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    return status


def _is_inherited(number: int) -> bool:
    try:
        return os.get_inheritable(number)
    except OSError:
        return False


def _number(link: socket.socket) -> int:
    data = b""
    while len(data) < 4:
        more = link.recv(4 - len(data))
        if not more:
            sys.exit("tests/zygote.py has gone")
        data += more
    return int(struct.unpack("<i", data)[0])


if __name__ == "__main__":
    os._exit(main())
