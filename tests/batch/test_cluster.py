"""The same batch on Ray: the same bytes, and nothing lost when a worker is killed."""

from __future__ import annotations

import os
import signal
import sys

import numpy as np
import pytest
import torch

from gsjbu import batch
from gsjbu.batch import cluster
from gsjbu.batch.config import BatchConfig
from gsjbu.batch.manifest import read_journal
from gsjbu.errors import GsjbuError
from gsjbu.io.pictures import png_bytes
from tests import zygote
from tests.guides import follow, script_of

ASKED = BatchConfig(objective="rgb", iters=6)
COUNT = 24


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    """Enough pictures that two workers are busy when one of them is killed; one is bad."""
    folder = tmp_path_factory.mktemp("many")
    random = np.random.default_rng(0)
    for number in range(COUNT):
        (folder / f"p{number:02d}.png").write_bytes(png_bytes(random.integers(0, 256, (60, 80, 3), dtype=np.uint8)))
        np.save(folder / f"p{number:02d}.npy", random.standard_normal((4, 6, 8), dtype=np.float32))
    (folder / "p05.png").write_bytes(b"no picture")
    return folder


@pytest.mark.posix
def test_the_guide_gives_the_bytes_of_one_machine(root, tmp_path, contents):
    """The commands of docs/cluster.md, and the same folder by one process."""
    follow(script_of((root / "docs/cluster.md").read_text("utf-8")), root, tmp_path, zygote.python())
    here = batch.run(str(tmp_path / "my-data/photos"), str(tmp_path / "here"), BatchConfig(iters=10), workers=1)
    assert here.done == 3
    assert contents(tmp_path / "full") == contents(tmp_path / "here")
    assert (tmp_path / "full/manifest.json").read_bytes() == (tmp_path / "here/manifest.json").read_bytes()


@pytest.mark.soak
def test_two_ray_workers_one_of_them_killed_give_the_bytes_of_one_machine(many, tmp_path, contents, monkeypatch):
    monkeypatch.setattr(sys, "executable", zygote.python())  # Ray's workers are forks that have loaded
    here = batch.run(str(many), str(tmp_path / "here"), ASKED, workers=1)
    killed = []

    def kill_the_first(finished, total, outcome):
        if not killed and "worker" in outcome:
            killed.append(outcome["worker"])
            os.kill(outcome["worker"], signal.SIGKILL)

    there = batch.run(str(many), str(tmp_path / "there"), ASKED, workers=2, ray="local", progress=kill_the_first)
    assert len(killed) == 1
    assert there.done + there.found == here.done == COUNT - 1
    assert [failure["key"] for failure in there.failed] == ["p05"]
    assert contents(tmp_path / "there") == contents(tmp_path / "here")
    assert (tmp_path / "there/manifest.json").read_bytes() == (tmp_path / "here/manifest.json").read_bytes()
    survivors = {line.get("worker") for line in read_journal(tmp_path / "there")} - {None, killed[0]}
    assert survivors
    again = batch.run(str(many), str(tmp_path / "there"), ASKED, workers=2, ray="local")
    assert (again.done, again.found, len(again.failed)) == (0, COUNT - 1, 1)


@pytest.mark.parametrize("device", ["auto", "cuda:1"])
def test_actors_compute_on_the_device_of_this_machine_and_a_cluster_without_it_is_refused(monkeypatch, device):
    ray = pytest.importorskip("ray")
    monkeypatch.setattr(cluster.devices, "resolve", lambda _: torch.device("cuda"))
    monkeypatch.setattr(ray, "is_initialized", lambda: True)
    monkeypatch.setattr(ray, "cluster_resources", lambda: {"CPU": 4.0})
    with pytest.raises(GsjbuError, match="The cluster has no GPU"):
        cluster.run([None], "out", BatchConfig(device=device), None, print)


def test_without_ray_it_says_what_to_install(many, tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "ray", None)
    with pytest.raises(GsjbuError, match=r"gsjbu\[ray\]"):
        batch.run(str(many), str(tmp_path / "out"), ASKED, ray="local")
