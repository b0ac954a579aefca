"""On PYTHONPATH of a process, and of all that it starts: Python with what Windows lacks taken away.

What torch and platformdirs use wherever ``sys.platform`` is Linux stays.
"""

import mmap
import os
import signal
import sys
from contextlib import suppress

with suppress(ImportError):  # its Linux half asks for `resource`; Windows' does not
    import psutil  # noqa: F401

for name in ("resource", "fcntl", "pwd", "grp", "termios"):
    sys.modules[name] = None

for owner, names in {
    os: ("fork", "forkpty", "killpg", "setsid", "getpgid", "O_NOFOLLOW",
         "O_NONBLOCK", "O_DIRECTORY", "sysconf", "sched_getaffinity"),
    signal: ("SIGKILL", "SIGBUS", "SIGHUP", "SIGSTOP", "SIGCONT", "SIGUSR1", "SIGPIPE", "pthread_sigmask"),
    mmap: tuple(name for name in dir(mmap) if name.startswith("MADV_")),
}.items():  # fmt: skip
    for name in names:
        if hasattr(owner, name):
            delattr(owner, name)
os.supports_dir_fd = set()
