"""A batch on one machine: right, complete, resumable, and deaf to bad files and dying workers."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections import deque
from unittest.mock import Mock

import numpy as np
import pytest
import torch

import gsjbu
from gsjbu import batch, cli
from gsjbu.batch import local
from gsjbu.batch.config import BatchConfig, WriteFailed
from gsjbu.batch.items import Blob, Item
from gsjbu.batch.manifest import read_journal
from gsjbu.batch.work import Worker
from gsjbu.io.pictures import decode, png_bytes
from gsjbu.io.signals import understand
from tests import zygote

ASKED = BatchConfig(objective="rgb", iters=6)


pytestmark = pytest.mark.usefixtures("quick_workers")


@pytest.fixture
def fresh_workers():
    multiprocessing.set_executable(sys.executable)
    yield
    multiprocessing.set_executable(zygote.python())


@pytest.fixture(scope="module")
def undisturbed(dataset, tmp_path_factory):
    """The data set done in one go by two workers."""
    folder = tmp_path_factory.mktemp("undisturbed")
    return folder, batch.run(str(dataset), str(folder), ASKED, workers=2)


def test_results_are_what_upsample_gives(dataset, undisturbed):
    folder, report = undisturbed
    assert (report.done, report.found, len(report.failed)) == (8, 0, 2)
    image, values = decode((dataset / "p3.png").read_bytes()), np.load(dataset / "p3.npy")
    expected = gsjbu.upsample(image, torch.from_numpy(values), objective="rgb", iters=6)
    np.testing.assert_array_equal(np.load(folder / "p3.npy"), expected.numpy())


def test_bad_files_are_reported_and_the_rest_is_done(undisturbed):
    folder, report = undisturbed
    assert [(f["key"], f["code"]) for f in report.failed] == [("bad", "image_corrupt"), ("lonely", "file_unreadable")]
    assert all(f["error"].endswith(".") for f in report.failed)
    items = {item["key"]: item for item in json.loads((folder / "manifest.json").read_text())["items"]}
    assert len(items) == 10
    assert items["p0"].items() >= {"key": "p0", "status": "done", "output": "p0.npy", "kind": "features"}.items()
    assert items["bad"]["status"] == "failed"


def test_a_second_run_does_nothing_again(dataset, undisturbed, contents):
    folder, _ = undisturbed
    before, manifest = contents(folder), (folder / "manifest.json").read_bytes()
    report = batch.run(str(dataset), str(folder), ASKED, workers=1)
    assert (report.done, report.found, len(report.failed)) == (0, 8, 2)
    assert contents(folder) == before
    assert (folder / "manifest.json").read_bytes() == manifest


def test_other_settings_into_the_same_folder_are_refused(dataset, undisturbed):
    folder, _ = undisturbed
    with pytest.raises(batch.ResumeError, match="iters = 6, and now it is 7"):
        batch.run(str(dataset), str(folder), BatchConfig(objective="rgb", iters=7))


@pytest.mark.posix
def test_killed_and_started_again_gives_the_same_bytes_once(dataset, undisturbed, contents, tmp_path, root):
    """SIGKILL to the whole group as soon as the third result is there."""
    command = [sys.executable, "-m", "gsjbu", "batch", str(dataset), str(tmp_path), "--objective", "rgb"]
    command += ["--iters", "6", "--workers", "2"]
    running = subprocess.Popen(command, cwd=root, start_new_session=True, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while len(list(tmp_path.glob("*.npy"))) < 3 and time.monotonic() < deadline and running.poll() is None:
        time.sleep(0.002)
    os.killpg(running.pid, signal.SIGKILL)
    running.wait()
    before = {name: (tmp_path / name).stat().st_mtime_ns for name in contents(tmp_path)}
    assert len(before) >= 3
    report = batch.run(str(dataset), str(tmp_path), ASKED, workers=2)
    assert (report.done, report.found) == (8 - len(before), len(before))
    expected, _ = undisturbed
    assert contents(tmp_path) == contents(expected)
    assert (tmp_path / "manifest.json").read_bytes() == (expected / "manifest.json").read_bytes()
    assert {name: (tmp_path / name).stat().st_mtime_ns for name in before} == before  # none of them done twice
    done = [line["key"] for line in read_journal(tmp_path) if line["status"] == "done"]
    assert len(done) == len(set(done))
    assert not list(tmp_path.rglob("*.part"))


@pytest.mark.posix
def test_a_worker_that_dies_costs_its_image_and_no_other(dataset, tmp_path, monkeypatch, fresh_workers):
    items = batch.find(str(dataset))
    poison = Item("poison", Blob("/dev/null", "kill"), None)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), *sys.path]))
    # a worker that meets the poison is killed as the system's out-of-memory killer would do it
    (tmp_path / "sitecustomize.py").write_text(
        "import os, signal\n"
        "from gsjbu.batch import work\n"
        "honest = work.Worker._make\n"
        "def make(self, item, path):\n"
        "    if item.key == 'poison': os.kill(os.getpid(), signal.SIGKILL)\n"
        "    return honest(self, item, path)\n"
        "work.Worker._make = make\n"
    )
    outcomes = []
    (tmp_path / "out").mkdir()
    local.run([items[2], poison, *items[3:6]], str(tmp_path / "out"), ASKED, 2, outcomes.append)
    by_key = {outcome["key"]: outcome for outcome in outcomes}
    assert by_key.pop("poison")["code"] == "worker_died"
    assert [outcome["status"] for outcome in by_key.values()] == ["done"] * 4


@pytest.mark.posix
def test_an_interrupt_of_all_is_nothing_to_a_worker_that_starts(dataset, tmp_path, fresh_workers, capfd):
    (item,) = [item for item in batch.find(str(dataset)) if item.key == "p1"]
    worker = local._WorkerProcess(str(tmp_path), ASKED)
    try:
        os.kill(worker.process.pid, signal.SIGINT)
        worker.give(deque([(item, 1)]))
        assert worker.pipe.recv() == "cpu"
        os.kill(worker.process.pid, signal.SIGINT)
        assert worker.pipe.recv()["status"] == "done"
    finally:
        worker.stop()
    assert capfd.readouterr().err == ""


def test_a_script_that_each_worker_would_run_again_is_told_of_its_guard(dataset, tmp_path, root):
    script = tmp_path / "script.py"
    script.write_text(f"import gsjbu.batch as b; b.run({str(dataset)!r}, {str(tmp_path / 'out')!r}, workers=2)")
    environment = os.environ | {"PYTHONPATH": str(root)}
    done = subprocess.run([zygote.python(), script], env=environment, capture_output=True, text=True)
    assert done.returncode == 1
    assert "gsjbu.errors.GsjbuError: No worker process came up (exit status 1)" in done.stderr
    assert "if __name__ == '__main__':" in done.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    ("asked", "device", "expected"),
    [(8, "cuda", 8), (9, "cpu", 8), (None, "cpu", 6), (None, "cuda", 2), (None, "mps", 2)],
)
def test_a_gpu_has_two_workers_and_no_more_start_than_can_be_waited_for(monkeypatch, asked, device, expected):
    class Told:
        """A worker that tells its device and then does what it is given."""

        death = stop = Mock()

        def __init__(self, *_):
            started.append(self)
            self.pipe = Mock(recv=Mock(side_effect=[device, *[{}] * 20]))

        def give(self, waiting):
            self.holds = waiting.popleft() if waiting else None

    started, finished = [], []
    monkeypatch.setattr(local, "MOST", 8)
    monkeypatch.setattr(local.threads, "available", lambda: 6)
    monkeypatch.setattr(local, "wait", list)
    monkeypatch.setattr(local, "_WorkerProcess", Told)
    local.run([None] * 20, "", BatchConfig(), asked, finished.append)
    assert (len(started), len(finished)) == (expected, 20)


def test_results_that_would_take_the_place_of_inputs_are_refused(dataset):
    before = {p: p.read_bytes() for p in dataset.iterdir()}
    with pytest.raises(batch.SourceError, match="place of an input"):
        batch.run(str(dataset), str(dataset), BatchConfig(iters=0))
    assert {p: p.read_bytes() for p in dataset.iterdir() if p.name not in ("settings.json", ".lock")} == before


def test_other_signals_into_the_same_folder_are_refused(dataset, tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    (tmp_path / "one" / "p0.npy").write_bytes((dataset / "p0.npy").read_bytes())
    batch.run(str(dataset / "p0.png"), str(tmp_path / "out"), BatchConfig(iters=0), signals=str(tmp_path / "one"))
    with pytest.raises(batch.ResumeError, match="signals"):
        batch.run(str(dataset / "p0.png"), str(tmp_path / "out"), BatchConfig(iters=0), signals=str(tmp_path / "two"))


def test_damaged_settings_are_a_refusal(dataset, tmp_path):
    (tmp_path / "settings.json").write_text("{")
    (tmp_path / "p0.npy").touch()
    with pytest.raises(batch.ResumeError, match="damaged"):
        batch.run(str(dataset), str(tmp_path), BatchConfig(iters=0))


def test_two_runs_on_one_folder_are_refused(dataset, tmp_path):
    with batch._alone(tmp_path), pytest.raises(batch.ResumeError, match="Another run"):
        batch.run(str(dataset), str(tmp_path), ASKED)


def test_a_full_disk_stops_the_run(dataset, tmp_path):
    worker = Worker(str(tmp_path), ASKED)
    (tmp_path / "p0.npy").parent.mkdir(exist_ok=True)
    item = next(item for item in batch.find(str(dataset)) if item.key == "p0")
    blocked = Item("p0.npy/inside", item.image, item.signal)
    (tmp_path / "p0.npy").write_bytes(b"a file where a folder is needed")
    with pytest.raises(WriteFailed, match="cannot be written"):
        worker(blocked)


@pytest.mark.parametrize(
    ("form", "half", "ending"), [("safetensors", True, "safetensors"), ("zarr", True, "zarr"), ("npy", True, "npy")]
)
def test_formats_hold_the_same_values(dataset, undisturbed, tmp_path, form, half, ending):
    items = [item for item in batch.find(str(dataset)) if item.key == "p1"]
    outcome = Worker(str(tmp_path), BatchConfig(objective="rgb", iters=6, form=form, half=half))(items[0])
    assert (outcome["status"], outcome["shape"], outcome["dtype"]) == ("done", [6, 48, 64], "float16")
    path = tmp_path / f"p1.{ending}"
    if form == "npy":
        values = np.load(path)
    elif form == "safetensors":
        from safetensors.numpy import load_file

        values = load_file(path)["values"]
    else:
        import zarr

        values = zarr.open_array(str(path), mode="r")[:]
    np.testing.assert_array_equal(values, np.load(undisturbed[0] / "p1.npy").astype(np.float16))


def test_a_kernel_is_a_small_result_that_renders_later(dataset, undisturbed, tmp_path):
    items = [item for item in batch.find(str(dataset)) if item.key == "p1"]
    outcome = Worker(str(tmp_path), BatchConfig(objective="rgb", iters=6, form="kernel"))(items[0])
    assert outcome["output"] == "p1.kernel.safetensors"
    kernel = gsjbu.load(tmp_path / "p1.kernel.safetensors")
    values = kernel.render(torch.from_numpy(np.load(dataset / "p1.npy")))
    np.testing.assert_allclose(values.numpy(), np.load(undisturbed[0] / "p1.npy"), atol=1e-6)


def test_the_default_is_what_upsample_does_by_default(dataset, tmp_path):
    items = [item for item in batch.find(str(dataset)) if item.key == "p1"]
    Worker(str(tmp_path), BatchConfig())(items[0])
    image, values = decode((dataset / "p1.png").read_bytes()), np.load(dataset / "p1.npy")
    expected = gsjbu.upsample(image, torch.from_numpy(values))
    np.testing.assert_allclose(np.load(tmp_path / "p1.npy"), expected.numpy(), atol=1e-6)


def test_backbone_features_where_no_signal_is_brought(dataset, tmp_path):
    items = [item for item in batch.find(str(dataset), "backbone") if item.key == "p1"]
    outcome = Worker(str(tmp_path), BatchConfig(objective="rgb", iters=2, stride=16, half=True))(items[0])
    assert outcome["status"] == "done", outcome
    assert outcome["shape"][1:] == [48, 64]
    assert "random" in outcome["signal"] or "pretrained" in outcome["signal"].lower()
    assert not outcome["signal"].endswith("..")
    named = Worker(str(tmp_path / "named"), BatchConfig(backbone="timm:nonsense"))
    assert named(items[0])["code"] == "model_unavailable", "never another's in its place"


def test_resolution_makes_images_smaller_first(dataset, tmp_path):
    items = [item for item in batch.find(str(dataset)) if item.key == "p1"]
    outcome = Worker(str(tmp_path), BatchConfig(objective="rgb", iters=2, resolution=32))(items[0])
    assert outcome["shape"] == [6, 24, 32]


def test_an_unexpected_error_is_one_images_failure(dataset, tmp_path, monkeypatch):
    monkeypatch.setattr("gsjbu.io.pictures.to_image", lambda *_: 1 / 0)
    item = batch.find(str(dataset))[2]
    outcome = Worker(str(tmp_path), ASKED)(item)
    assert (outcome["status"], outcome["code"]) == ("failed", "unexpected")
    assert "ZeroDivisionError" in outcome["error"]


@pytest.mark.parametrize("form", ["npy", "kernel"])
def test_what_a_worker_wrote_before_it_died_is_told_by_the_next(dataset, tmp_path, form):
    """It may die between writing a result and saying so; its item is then given to another worker."""
    (item,) = [item for item in batch.find(str(dataset)) if item.key == "p1"]
    asked = BatchConfig(form, objective="rgb", iters=2)
    first, second = (Worker(str(tmp_path), asked)(item) for _ in range(2))
    assert (first["status"], second["status"]) == ("done", "found")
    assert "kind" in first
    for name in set(batch.KEPT) - {"status"}:
        assert first.get(name) == second.get(name), name


def test_labels_and_fractions_say_beside_them_what_they_are_as_upsample_does(dataset, tmp_path):
    photos = tmp_path / "photos"
    photos.mkdir()
    labels = np.arange(48, dtype=np.uint8).reshape(6, 8) // 16
    np.save(photos / "p0.npy", labels)
    (photos / "p0.png").write_bytes((dataset / "p0.png").read_bytes())
    for form, words in (("npy", {"kind": "labels"}), ("png", {"kind": "heat_map"})):
        out = tmp_path / form
        asked = BatchConfig(iters=1, form=form, **words)
        array = labels if form == "npy" else labels / np.float32(3)
        np.save(photos / "p0.npy", array)
        assert batch.run(str(photos), str(out), asked, workers=1).done == 1
        ours = [photos / "p0.png", photos / "p0.npy", "-o", tmp_path / f"p0.{form}", "--iters", 1, "--quiet"]
        assert cli.main(["upsample", *map(str, ours), "--kind", words["kind"]]) == 0
        said = json.loads((out / f"p0.{form}.json").read_text())
        alone = json.loads((tmp_path / f"p0.{form}.json").read_text())
        assert said["kind"] == words["kind"] and alone.items() <= said.items()


def test_the_manifest_keeps_what_a_signal_may_be_as_well_and_a_person_is_told(tmp_path, capsys, monkeypatch):
    def here(items, folder, asked, _workers, finished):
        for item in items:
            finished(Worker(folder, asked)(item))

    monkeypatch.setattr(local, "run", here)
    photos, out = tmp_path / "photos", tmp_path / "out"
    photos.mkdir()
    (photos / "a.png").write_bytes(png_bytes(np.arange(48 * 64 * 3, dtype=np.uint8).reshape(48, 64, 3) // 12))
    np.save(photos / "a.npy", 1000 * np.repeat(np.arange(12, dtype=np.uint16), 4).reshape(6, 8))
    words = ["batch", str(photos), str(out), "--iters", "1"]
    assert cli.main(words) == 0
    said = capsys.readouterr().err
    (item,) = json.loads((out / "manifest.json").read_text())["items"]
    assert (item["kind"], item["runner_up"], item["unit"]) == ("labels", "depth", "")
    assert "it might be depth" in item["note"]
    assert "fills only" in item["notes"][0] and "kind= says which" in item["notes"][1]
    assert f"The manifest has notes on 1 of 1 picture; a: {' '.join(item['notes'])}" in said
    (out / "journal.jsonl").unlink()
    assert cli.main(words) == 0
    assert json.loads((out / "manifest.json").read_text())["items"] == [item]


def test_settings_without_a_part_do_not_tell_two_runs_apart(dataset, undisturbed):
    asked = BatchConfig(objective="rgb", iters=6, stride=8, backbone="resnet18", seed=7)
    assert batch.run(str(dataset), str(undisturbed[0]), asked, workers=1).found == 8


@pytest.mark.parametrize("channels", [2, 3, 4, 6])
@pytest.mark.parametrize("dtype", ["f4", "f8", "i2"])
@pytest.mark.parametrize("form", ["npy", "safetensors"])
def test_features_are_held_in_their_range_as_upsample_holds_them(tmp_path, channels, dtype, form):
    """Of few channels what is brought is given back, and overshoots; cells at the mean are values like the others."""
    picture = np.zeros((48, 64, 3), np.uint8)
    picture[:, 30:], picture[20:34, 10:50] = 180, 90
    low = np.where(np.arange(8) > 3, 31.0, -62.0) + np.random.default_rng(channels).random((channels, 6, 8))
    low[:, 2, :4] = low.mean(axis=(1, 2))[:, None]
    low = low.astype(dtype)
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.png").write_bytes(png_bytes(picture))
    np.save(tmp_path / "in" / "a.npy", low)
    asked = BatchConfig(objective="auto", iters=2, kind="features", layout="chw", form=form)
    image, signal = (Blob(str(tmp_path / "in" / name), name) for name in ("a.png", "a.npy"))
    outcome = Worker(str(tmp_path / "out"), asked)(Item("a", image, signal))
    assert outcome["status"] == "done", outcome
    made = understand(tmp_path / "out" / f"a.{form}").brought.array
    expected = gsjbu.upsample(picture, low, kind="features", layout="chw", iters=2).numpy()
    np.testing.assert_array_equal(made, expected)
    assert low.min() - 1e-4 <= made.min() and made.max() <= low.max() + 1e-4
