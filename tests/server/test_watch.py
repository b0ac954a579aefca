"""A process that takes too long or too much is ended, and whoever reads from it wakes."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from gsjbu.server import watch
from gsjbu.server.headroom import resident_bytes
from gsjbu.server.watch import Watch


@pytest.fixture
def process() -> Iterator[subprocess.Popen[bytes]]:
    program = "import sys; print(flush=True); held = sys.stdin.readline() and b'1' * 2**26; sys.stdin.readline()"
    made = subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
    assert made.stdout is not None
    made.stdout.read(1)
    yield made
    made.kill()
    made.communicate()


def test_one_that_does_not_answer_in_time_is_ended(process: subprocess.Popen[bytes]) -> None:
    assert process.stdout is not None
    began = time.monotonic()
    with Watch(process.pid, 0.2, process.terminate) as bounds:
        assert process.stdout.read(1) == b"", "its pipe is at its end"
    assert bounds.exceeded == watch.TIME
    assert time.monotonic() - began < 5


def test_one_that_grows_is_ended(process: subprocess.Popen[bytes]) -> None:
    assert process.stdin is not None and process.stdout is not None
    with Watch(process.pid, 30, process.terminate, resident_bytes(process.pid) + 2**25) as bounds:
        process.stdin.write(b"\n")
        assert process.stdout.read(1) == b""
    assert bounds.exceeded == watch.MEMORY


def test_one_within_its_bounds_is_left_alone(process: subprocess.Popen[bytes]) -> None:
    with Watch(process.pid, 30, process.terminate, 2**40) as bounds:
        time.sleep(0.05)
    assert bounds.exceeded == ""
    assert process.poll() is None
