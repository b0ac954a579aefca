"""Where the server listens, and what is said where it cannot."""

from __future__ import annotations

import errno
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from gsjbu.errors import SettingError
from gsjbu.server import cli, listening
from gsjbu.server.config import Config
from gsjbu.server.listening import bound, refusal
from gsjbu.server.serve import make_server
from tests.server.conftest import ROOT


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that somebody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        yield other.getsockname()[1]


@pytest.mark.parametrize("command", [["app.py"], ["-m", "gsjbu", "serve"]])
def test_a_port_in_use_is_one_sentence_at_once(command: list[str], taken: int) -> None:
    began = time.monotonic()
    done = subprocess.run([sys.executable, *command, "--port", str(taken)], cwd=ROOT, capture_output=True, text=True)
    assert time.monotonic() - began < 5  # some 0.3 s on a quiet machine; the server takes as many seconds to start
    assert (done.returncode, done.stdout) == (2, "")
    (sentence,) = done.stderr.splitlines()
    assert sentence.endswith(
        f"Port {taken} of 127.0.0.1 is in use: give another with --port, or stop the program that has it."
    )


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "localhost"])
def test_a_port_is_in_use_by_whatever_name_of_the_host(host: str, taken: int) -> None:
    with pytest.raises(SettingError, match="another with --port"):
        bound(host, taken)


@pytest.mark.parametrize(
    "host", ["no.such.host.invalid", "127.0.0.1:80", "http://127.0.0.1", "a..b", "x" * 70, "192.0.2.1", "2001:db8::1"]
)
def test_a_host_that_is_none_of_this_machine(host: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--host", host, "--port", "0"], "gsjbu serve") == 2
    (sentence,) = capsys.readouterr().err.splitlines()
    assert sentence.startswith("gsjbu serve: ") and "--host (127.0.0.1" in sentence


def test_a_privileged_port_and_whatever_else_are_sentences_too() -> None:
    assert "from 1024 up" in refusal("127.0.0.1", 80, OSError(errno.EACCES, "")).message
    other = refusal("127.0.0.1", 80, OSError(errno.ENOBUFS, "")).message
    assert "Port 80 of 127.0.0.1 cannot be had" in other and "--port" in other


def test_a_name_with_an_address_that_is_not_there_is_served_by_its_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """localhost in a container without IPv6."""
    places = [
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, 0)) for host in ("192.0.2.1", "127.0.0.1", "127.0.0.1")
    ]
    monkeypatch.setattr(listening.socket, "getaddrinfo", lambda *args, **more: places)
    (one,) = bound("localhost", 0)
    assert one.getsockname()[0] == "127.0.0.1"
    one.close()


@pytest.mark.posix
def test_of_two_that_start_at_once_the_second_says_the_same(tmp_path: Path) -> None:
    """Both have bound the port before either listens."""
    (first,) = bound("127.0.0.1", 0)
    port = first.getsockname()[1]
    (second,) = bound("127.0.0.1", port)
    first.listen()
    server = make_server(Config(port=port, warm_up=False, out_dir=tmp_path))
    with pytest.raises(SettingError, match="is in use"):
        server.run([second])
    first.close()
    second.close()
