"""The quick ``python`` of the tests: arguments, files, folder, signals and status are those of a fresh one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests import zygote

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere it is a fresh one")
PROGRAM = "import os, sys; print(sys.argv, os.getcwd(), os.environ['MINE'], sys.stdin.read()); sys.exit(3)"


def both(*arguments: str, **how: object) -> list[subprocess.CompletedProcess[str]]:
    """The same with the quick one and with a fresh one."""
    words = {"capture_output": True, "text": True, "env": {**os.environ, "MINE": "yes"}, **how}
    return [subprocess.run([python, *arguments], **words) for python in (zygote.python(), sys.executable)]  # type: ignore[call-overload]


@pytest.mark.parametrize("form", ["-c", "file", "-m", "-"])
def test_it_does_what_a_fresh_one_does(form: str, tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(PROGRAM)
    arguments = {"-c": ["-c", PROGRAM], "file": ["program.py"], "-m": ["-m", "program"], "-": ["-"]}[form]
    given = PROGRAM if form == "-" else "words"
    quick, fresh = both(*arguments, "one", "two words", cwd=tmp_path, input=given)
    assert (quick.returncode, quick.stdout, quick.stderr) == (fresh.returncode, fresh.stdout, fresh.stderr)
    assert quick.returncode == 3
    assert "two words" in quick.stdout


@pytest.mark.parametrize(
    "program", ["1 / 0", "import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "raise SystemExit('a word')"]
)
def test_it_ends_as_a_fresh_one_does(program: str) -> None:
    quick, fresh = both("-c", program)
    assert quick.returncode == fresh.returncode
    assert quick.stderr.splitlines()[-1:] == fresh.stderr.splitlines()[-1:]


def test_open_files_are_handed_over_and_closed_ones_stay_closed(tmp_path: Path) -> None:
    with open(tmp_path / "f", "w") as file:
        number = file.fileno()
        program = f"import os; os.write({number}, b'x'); os.fstat(0)"
        done = subprocess.run(
            ["sh", "-c", f'exec "$0" -c "{program}" <&-', zygote.python()],
            pass_fds=[number], capture_output=True, text=True,
        )  # fmt: skip
        assert "Bad file descriptor" in done.stderr
    assert (tmp_path / "f").read_text() == "x"


def test_torch_is_there_already_and_signals_reach_it() -> None:
    program = "import sys, signal; assert 'torch' in sys.modules; print('up', flush=True); signal.pause()"
    for number in (signal.SIGTERM, signal.SIGKILL):
        with subprocess.Popen([zygote.python(), "-c", program], stdout=subprocess.PIPE) as process:
            assert process.stdout is not None and process.stdout.readline() == b"up\n"
            process.send_signal(number)
            assert process.stdout.read() == b"", "the one that worked has ended too"
            assert process.wait(10) == -number


def test_a_signal_that_was_ignored_at_the_start_reaches_a_program_that_handles_it() -> None:
    """As of a program that a shell started in the background."""
    handles = "signal.signal(signal.SIGINT, lambda *_: sys.exit(5)); "
    for program in ("", handles):
        program = f"import signal, sys, time; {program}print('up', flush=True); time.sleep(1)"
        ends = []
        for python in (zygote.python(), sys.executable):
            words = ["sh", "-c", 'trap \'\' INT; exec "$0" -c "$1"', python, program]
            with subprocess.Popen(words, stdout=subprocess.PIPE) as process:
                assert process.stdout is not None and process.stdout.readline() == b"up\n"
                process.send_signal(signal.SIGINT)
                ends.append(process.wait(20))
        assert ends[0] == ends[1] == (5 if handles in program else 0)
