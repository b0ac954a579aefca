"""How the programs begin and end, wherever an interrupt comes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

INTERRUPT = "signal.raise_signal(signal.SIGINT)"
PLACES = {
    "the work itself": INTERRUPT,
    "a text given to exec, as a dataclass is made": f"exec('{INTERRUPT}')",
    "an import, which it must not break": f"""
    open("slow.py", "w").write("import signal\\n{INTERRUPT}\\nprint('whole')")
    import slow
    time.sleep(10)""",
    "llvmlite, which frees things twice": f"""
    exec("{INTERRUPT}; print('whole')", {{"__name__": "llvmlite.binding.ffi", "signal": signal}})
    time.sleep(10)""",
    "a library that makes an error of it": f"""
    try:
        {INTERRUPT}
    except BaseException as error:
        raise ValueError("no such thing") from error""",
    "a callback, which cannot raise": f"""
    import ctypes
    ctypes.CFUNCTYPE(None)(lambda: {INTERRUPT})()
    for _ in range(600):
        time.sleep(0.05)""",
    "what is left of an object": f"""
    class Left:
        def __del__(self):
            {INTERRUPT}
    Left()
    for _ in range(600):
        time.sleep(0.05)""",
}


def run(folder: Path, root: Path, work: str, *how: str) -> subprocess.CompletedProcess[str]:
    (folder / "program.py").write_text(
        f"import signal, sys, time\nfrom gsjbu import entry\n\ndef work():\n    {work.strip()}\n    return 0\n\n"
        "sys.exit(entry.run('program', work))\n"
    )
    words, paths = [sys.executable, *how], {**os.environ, "PYTHONPATH": str(root)}
    return subprocess.run(words, cwd=folder, env=paths, capture_output=True, text=True, timeout=20)


@pytest.mark.parametrize("how", [("-m", "program"), ("program.py",)])
@pytest.mark.parametrize("place", PLACES)
def test_an_interrupt_is_a_sentence_and_a_status(root, tmp_path, place, how):
    done = run(tmp_path, root, PLACES[place], *how)
    assert (done.returncode, done.stderr) == (130, "program: Interrupted.\n")
    assert (done.stdout == "whole\n") == ("whole" in PLACES[place])


def test_an_error_is_not_taken_for_an_interrupt(root, tmp_path):
    done = run(tmp_path, root, "import ctypes; ctypes.CFUNCTYPE(None)(lambda: 1 / 0)()", "program.py")
    assert done.returncode == 0 and "ZeroDivisionError" in done.stderr
