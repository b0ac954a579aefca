"""The main jobs with what Windows lacks taken away from Python, in every process that takes part."""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests import zygote
from tests.server.conftest import ROOT, Process, in_process, picture, start, upload, wait

PLACE = os.pathsep.join([str(Path(__file__).parent / "windows"), str(ROOT)])
LACKING = "import (fcntl|resource|pwd|grp|termios)|os\\.(fork|killpg|setsid|getpgid|O_|sysconf)|signal\\.SIG|MADV_"
COLLECT = """
import runpy, sys
import pytest
runpy.run_path("tests/elsewhere/windows/sitecustomize.py")
sys.exit(pytest.main(["--collect-only", "-q", "-p", "no:cacheprovider", *sys.argv[1:]]))
"""
COMMANDS = """
import sys
from gsjbu.cli import main

if __name__ == "__main__":
    batch = ["batch", "in", "out", "--workers", "1", "--iters", "1", "--objective", "rgb"]
    print([main(command) for command in (
        batch,
        batch,
        ["upsample", "in/p0.png", "in/p0.npy", "-o", "p0.npy", "--iters", "1"],
        ["compare", "in/p0.png", "report", "--features", "off", "--iters", "1"],
    )], file=sys.stderr)
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    out = tmp_path_factory.mktemp("out")
    with in_process("--out-dir", str(out), env={"PYTHONPATH": PLACE}) as running:
        yield running


def test_nothing_of_posix_is_left_to_the_simulated_process() -> None:
    program = "import os, signal; print(hasattr(os, 'fork'), hasattr(signal, 'SIGKILL')); import fcntl"
    done = subprocess.run(
        [sys.executable, "-c", program], env=os.environ | {"PYTHONPATH": PLACE}, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout.strip()) == (1, "False False")


def test_pytest_collects_what_names_something_that_windows_lacks() -> None:
    """The rest of the suite is left out for its imports' time; conftest.py is part of it."""
    files = [str(p) for p in (ROOT / "tests").rglob("test_*.py") if re.search(LACKING, p.read_text("utf-8"))]
    done = subprocess.run(
        [zygote.python(), "-c", COLLECT, *files], cwd=ROOT, capture_output=True, text=True, timeout=300
    )
    assert len(files) > 10 and done.returncode == 0, done.stdout[-3000:] + done.stderr


def test_the_page_answers_and_a_run_gives_its_panels(server: Process) -> None:
    client = server.client("a")
    assert "<html" in client.get("/").text
    image = upload(client, picture(96, 64))
    done = wait(client, start(client, image, iters=2, resolution=64, features=False), 60)
    assert done["state"] == "done", done
    panels = {panel["name"]: base64.b64decode(panel["png"]) for panel in done["result"]["panels"]}
    assert {"lr", "bilinear_rgb", "gsjbu_rgb"} <= panels.keys()
    assert all(data.startswith(b"\x89PNG") for data in panels.values())
    assert client.post("/api/images", files={"file": b"no picture"}).json()["code"] == "image_type"


def test_a_file_given_by_link_is_read_back(server: Process) -> None:
    client = server.client("b")
    files = {"file": ("a.png", picture())}
    form = {"settings": json.dumps({"iters": 1, "features": False}), "return_files": "true"}
    told = client.post("/api/run", files=files, data=form).json()
    urls = [panel["url"] for panel in told["panels"]]
    assert urls and all(client.get(url).content.startswith(b"\x89PNG") for url in urls)


def test_a_run_is_cancelled(server: Process) -> None:
    client = server.client("c")
    image = upload(client, picture(512, 384))
    job = start(client, image, iters=1000, resolution=512, features=False)
    assert client.delete(f"/api/jobs/{job}").status_code < 300
    assert wait(client, job)["state"] == "cancelled"


def test_a_batch_with_one_bad_file_and_again_and_one_signal_and_a_comparison(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for n in range(6):
        data = picture(48, 32, seed=n) if n != 3 else b"\x89PNG no more"
        (tmp_path / f"in/p{n}.png").write_bytes(data)
        np.save(tmp_path / f"in/p{n}.npy", np.random.default_rng(n).standard_normal((2, 4, 6), np.float32))
    (tmp_path / "commands.py").write_text(COMMANDS)
    done = subprocess.run(
        [sys.executable, "commands.py"], cwd=tmp_path, env=os.environ | {"PYTHONPATH": PLACE},
        capture_output=True, timeout=300,
    )  # fmt: skip
    said = done.stderr.decode("utf-8")
    assert said.splitlines()[-1] == "[1, 1, 0, 0]", said
    manifest = json.loads((tmp_path / "out/manifest.json").read_text("utf-8"))
    assert {item["key"] for item in manifest["items"] if item["status"] == "done"} == {f"p{n}" for n in (0, 1, 2, 4, 5)}
    assert np.load(tmp_path / "p0.npy").shape == (2, 32, 48)
    assert (tmp_path / "report/index.html").is_file()
