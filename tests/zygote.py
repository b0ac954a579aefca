"""A Python that has imported already: programs that tests start as its children begin in milliseconds.

A fresh start costs three seconds for torch and one for the compiled kernels, and the suite makes a hundred.
``python()`` is a program that behaves as ``sys.executable`` does, but forks off the one process that has loaded
everything. Tests of the start itself, of memory and of process groups take ``sys.executable``; where there is no
Linux, ``python()`` is that too.
"""

from __future__ import annotations

import atexit
import gc
import json
import multiprocessing
import os
import runpy
import selectors
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import traceback
import types
import warnings
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
#: Where the process that started the tests tells those beside it which one they share.
SHARED = "GSJBU_TESTS_PYTHON"
FIRST_FREE = 300  # descriptors are laid aside from here on; a child uses lower ones


def python() -> str:
    """A quick ``python`` for programs that tests start."""
    if SHARED not in os.environ:
        os.environ[SHARED] = _start() if sys.platform == "linux" else sys.executable
    return os.environ[SHARED]


def _start() -> str:
    """Start the process, which loads meanwhile; whoever asks it waits on its socket. It ends with this one."""
    folder = Path(tempfile.mkdtemp(prefix="gsjbu-python-"))
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(folder / "socket"))
    listener.listen(64)
    alive, ours = os.pipe()
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.zygote", str(listener.fileno()), str(alive)],
        cwd=ROOT, pass_fds=(listener.fileno(), alive), stdin=subprocess.DEVNULL, start_new_session=True,
        env={**os.environ, "OMP_WAIT_POLICY": "passive", "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    listener.close()
    os.close(alive)
    stand_in = folder / "python"
    words = [sys.executable, "-SsE", str(ROOT / "tests" / "stand_in.py"), str(folder / "socket")]
    stand_in.write_text("#!/bin/sh\nexec " + " ".join(f"'{word}'" for word in words) + ' "$0" "$@"\n')
    stand_in.chmod(0o755)

    def end() -> None:
        os.close(ours)
        process.wait()
        for path in (folder / "socket", stand_in):
            path.unlink()
        folder.rmdir()

    atexit.register(end)
    return str(stand_in)


def load() -> None:
    """What the programs would import and read from disk, backbone and compiled code too; torch starts no thread."""
    import torch

    torch.set_num_threads(1)
    import gsjbu.cli

    if find_spec("fastapi"):  # the library's tests run without it (make compat)
        import gsjbu.server.app
        import gsjbu.server.helper
        import gsjbu.server.serve  # noqa: F401
    from gsjbu.core.backends import dispatch
    from gsjbu.run import metrics, pipeline
    from gsjbu.settings import Settings

    assert metrics.warm_up is dispatch.warm_up
    dispatch.warm_up.run(whole=True)
    pipeline.run(torch.linspace(0, 1, 3 * 64 * 64).reshape(3, 64, 64), Settings(iters=1))


class Children:
    """Those that work, by their process id, and the links to those who asked for them."""

    def __init__(self, listener: socket.socket, alive: int) -> None:
        self.listener = listener
        self.links: dict[int, socket.socket] = {}
        self.selector = selectors.DefaultSelector()
        self.ended, told = os.pipe()
        for end in (self.ended, told):
            os.set_blocking(end, False)
        signal.signal(signal.SIGCHLD, lambda number, frame: None)
        signal.set_wakeup_fd(told)
        for source in (listener.fileno(), alive, self.ended):
            self.selector.register(source, selectors.EVENT_READ)
        self.alive = alive

    def serve(self) -> dict[str, Any]:
        """Returns in a child only, with what it is to do; leaves the process with whoever started it."""
        while True:
            for key, _ in self.selector.select():
                if key.fd == self.alive:
                    self._leave()
                elif key.fd == self.ended:
                    self._reap()
                elif key.fd == self.listener.fileno():
                    asked = self._fork()
                    if asked is not None:
                        return asked
                else:
                    self._kill(key.data)

    def _fork(self) -> dict[str, Any] | None:
        link, _ = self.listener.accept()
        try:
            head, descriptors, _, _ = socket.recv_fds(link, 4, 256)
            text = b""
            while len(text) < struct.unpack("<I", head)[0]:
                text += link.recv(1 << 16)
        except (OSError, struct.error):  # killed while it asked
            link.close()
            return None
        child = os.fork()
        if child == 0:
            os.setpgid(0, 0)
            self._close(link)
            return {**json.loads(text), "received": descriptors}
        os.setpgid(child, child)  # here too: it may be killed at once
        for number in descriptors:
            os.close(number)
        self.links[child] = link
        self.selector.register(link, selectors.EVENT_READ, child)
        self._tell(link, child)
        return None

    def _close(self, *more: socket.socket) -> None:
        """In a child: an object that closed its descriptor later would close one of the child's own."""
        self.selector.close()
        for link in (self.listener, *self.links.values(), *more):
            link.close()
        signal.set_wakeup_fd(-1)

    def _reap(self) -> None:
        os.read(self.ended, 1 << 16)
        while self.links:
            child, status = os.waitpid(-1, os.WNOHANG)
            if child == 0:
                return
            link = self.links.pop(child)
            with suppress(KeyError):  # where it was killed
                self.selector.unregister(link)
            self._tell(link, os.waitstatus_to_exitcode(status))
            link.close()

    def _kill(self, child: int) -> None:
        """Who asked for it is gone, and so goes all it has started."""
        self.selector.unregister(self.links[child])
        os.killpg(child, signal.SIGKILL)

    def _leave(self) -> None:
        for child in self.links:
            os.killpg(child, signal.SIGKILL)
        os._exit(0)

    @staticmethod
    def _tell(link: socket.socket, number: int) -> None:
        with suppress(OSError):
            link.sendall(struct.pack("<i", number))


def become(asked: dict[str, Any]) -> None:
    """Make this child look like a Python that was started afresh with these arguments."""
    import fcntl  # here: Windows has none, and asks this module for ``python()`` alone

    for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    # as of what is started in the background; a program may handle it all the same
    for number in asked["ignored"]:
        signal.signal(number, signal.SIG_IGN)
    kept = [fcntl.fcntl(number, fcntl.F_DUPFD, FIRST_FREE) for number in asked["received"]]
    os.closerange(0, FIRST_FREE)
    for number, place in zip(kept, asked["descriptors"], strict=True):
        os.dup2(number, place)
        os.close(number)
    sys.stdin, sys.stdout, sys.stderr = (_stream(number) for number in range(3))
    sys.__stdin__, sys.__stdout__, sys.__stderr__ = sys.stdin, sys.stdout, sys.stderr
    os.chdir(asked["folder"])
    os.umask(asked["umask"])
    os.environ.clear()
    os.environ.update(asked["environment"])
    sys.executable = asked["executable"]
    multiprocessing.set_executable(sys.executable)
    warnings.resetwarnings()
    warnings.filterwarnings("ignore", category=DeprecationWarning)
    np.random.seed()  # noqa: NPY002  # or all children would draw the same numbers


def _stream(number: int) -> Any:
    try:
        return open(number, "w" if number else "r", closefd=False)
    except OSError:  # closed by whoever started it
        return None


def work(arguments: list[str], base: list[str]) -> None:
    """What ``python ARGUMENT…`` does: a module, a text, a file or standard input."""
    paths = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
    how, *rest = arguments or ["-"]
    sys.path[:] = ["", *paths, *base]
    if how == "-m":
        sys.argv = rest
        sys.path[0] = os.getcwd()
        runpy.run_module(rest[0], run_name="__main__", alter_sys=True)
    elif how in ("-c", "-"):
        text, sys.argv = (rest[0], ["-c", *rest[1:]]) if how == "-c" else (sys.stdin.read(), ["-", *rest])
        sys.modules["__main__"] = main = types.ModuleType("__main__")
        exec(compile(text, "<string>" if how == "-c" else "<stdin>", "exec"), main.__dict__)
    else:
        sys.argv = arguments
        sys.path[0] = str(Path(how).resolve().parent)
        main = types.ModuleType("__main__")
        sys.modules["__main__"] = main
        main.__file__ = how
        exec(compile(Path(how).read_bytes(), how, "exec"), main.__dict__)


def ended(arguments: list[str], base: list[str]) -> int:
    """The status with which ``python ARGUMENT…`` ends."""
    try:
        work(arguments, base)
    except SystemExit as end:
        if end.code is None or isinstance(end.code, int):
            return end.code or 0
        print(end.code, file=sys.stderr)
        return 1
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


def leave(status: int) -> None:
    """As Python does, but without taking apart all that was imported, which takes two seconds."""
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            if stream is not None:
                stream.flush()
    os._exit(status & 0xFF)


def main() -> None:
    """``python -m tests.zygote LISTENER ALIVE``: serve until the other end of ALIVE is closed."""
    # Of threads that a fork leaves behind: those of OpenBLAS stand still meanwhile.
    warnings.simplefilter("ignore")
    base = [path for path in sys.path if path and Path(path) != ROOT]
    load()
    gc.collect()
    gc.freeze()  # what a collection would touch could no longer be shared with the children
    listener = socket.socket(fileno=int(sys.argv[1]))
    asked = Children(listener, int(sys.argv[2])).serve()
    become(asked)
    leave(ended(asked["arguments"], base))


if __name__ == "__main__":
    main()
