"""Property-based fuzzing of the whole API from its own description: no 5xx, every answer as described."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests import zygote
from tests.server.conftest import Process, in_process, start, upload, wait

# Whatever file is sent fits "a file" in the description; that it is no picture can only be said when it is read.
CONFIG = """
[parameters]
job_id = "{job}"
image_id = "{image}"
name = "original"
"body.image_id" = "{image}"

[[operations]]
include-path-regex = "^/api/(run|images|signals|truths)$"
checks.positive_data_acceptance.enabled = false
"""


def fuzz(server: Process, folder: Path, *options: str) -> None:
    """Run schemathesis' command line against the server; its report is the failure's text."""
    client = server.client()
    image = upload(client)
    job = start(client, image, iters=2)
    wait(client, job)
    # Real ids, so that the fuzzing gets past "not found".
    (folder / "schemathesis.toml").write_text(CONFIG.format(job=job, image=image))
    done = subprocess.run(
        [str(Path(sys.executable).parent / "schemathesis"), "run", f"{server.url}/openapi.json",
         "--seed", "1", "--no-color", *options],
        cwd=folder, capture_output=True, text=True, check=False, env={**os.environ, "PYTHONWARNINGS": "ignore"},
    )  # fmt: skip
    print(done.stdout[-2000:])
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert httpx.get(server.url + "/healthz").json()["status"] == "ok"
    assert server.process.poll() is None


def test_a_short_fuzz(tmp_path: Path) -> None:
    # the real computation: settings that nobody thought of run through it
    with in_process(python=zygote.python()) as server:
        fuzz(server, tmp_path, "--max-examples", "3")


@pytest.mark.soak
def test_fuzz_for_five_minutes(tmp_path: Path) -> None:
    with in_process() as server:
        fuzz(server, tmp_path, "--max-examples", "100000", "--max-time", "300")
