"""An installation and a home that cannot be written: the main job works, and what cannot be kept is said once."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tests.elsewhere import namespaces
from tests.server.conftest import ROOT

SOMETHING_COMPILED = """
import sys, warnings
sys.path.insert(0, "package")
warnings.simplefilter("always")
import something, something_else
print(something.twice(21), something_else.thrice(14), something.twice.stats.cache_path)
"""
MODULE = """
from gsjbu.core.compiler import njit

@njit(nogil=True, cache=True)
def {name}(x):
    return x * {by}
"""


def test_what_cannot_be_kept_is_kept_for_this_process_and_said_once(tmp_path: Path) -> None:
    (tmp_path / "package").mkdir()
    (tmp_path / "package/something.py").write_text(MODULE.format(name="twice", by=2))
    (tmp_path / "package/something_else.py").write_text(MODULE.format(name="thrice", by=3))
    done = namespaces.run(
        SOMETHING_COMPILED, namespaces.read_only(tmp_path), cwd=tmp_path,
        PYTHONPATH=str(ROOT), HOME=str(tmp_path), XDG_CACHE_HOME=str(tmp_path),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    first, second, place = done.stdout.split()
    assert (first, second) == ("42", "42")
    assert "gsjbu-compiled-" in place and not os.path.exists(place), "it goes with its process"
    assert done.stderr.count("Compiled code cannot be kept") == 1


MAIN_JOB = """
import numpy as np
from fastapi.testclient import TestClient
import gsjbu
from gsjbu.server import logs
from gsjbu.server.app import create_app
from gsjbu.server.config import Config
from tests.server.conftest import picture, start, upload, wait

logs.set_up()
kernel = gsjbu.fit(np.zeros((32, 48, 3), np.uint8), stride=8, iters=1)
assert kernel.backend == "fused", kernel.backend_reason
with TestClient(create_app(Config(warm_up=False)), base_url="http://127.0.0.1") as client:
    image = upload(client, picture(96, 64))
    for n in range(2):
        done = wait(client, start(client, image, iters=1, resolution=64, features=False), 100)
        assert done["state"] == "done", done
        form = {"iters": "1", "return_files": "true"}
        kept = client.post("/api/run", files={"file": ("a.png", picture())}, data=form)
        assert (kept.status_code, kept.json()["code"]) == (507, "storage_full"), kept.text
print("fine")
"""


@pytest.mark.soak
def test_the_main_job_works(tmp_path: Path) -> None:
    """All is compiled anew, which takes its time."""
    for name in ("gsjbu", "templates", "static", "tests"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__", "out"))
    done = namespaces.run(
        MAIN_JOB, namespaces.read_only(tmp_path), cwd=tmp_path, HOME=str(tmp_path), XDG_CACHE_HOME=str(tmp_path)
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "fine"
    assert done.stderr.count("Compiled code cannot be kept") == 1
    assert done.stderr.count("result files could not be written") == 1
