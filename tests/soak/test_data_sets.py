"""Whole data sets and films at full size: minutes, so `make soak` only. Figures are printed (-s shows them)."""

from __future__ import annotations

import math
import os
import signal
import statistics
import subprocess
import sys
import time

import numpy as np
import pytest

import gsjbu
from examples.make_inputs import features, moving_scene
from gsjbu import batch, samples, video
from gsjbu.batch import local
from gsjbu.batch.config import BatchConfig
from gsjbu.batch.manifest import read_journal
from gsjbu.core import threads
from gsjbu.io import pictures

pytestmark = pytest.mark.soak

COUNT, SIDE, CHANNELS = 200, 512, 384


@pytest.fixture(scope="module")
def data_set(tmp_path_factory):
    """200 pictures of 512×512 from the built-in scenes, each with 384-channel features of 32×32."""
    folder = tmp_path_factory.mktemp("data-set")
    scenes = [sample.image for sample in samples.SAMPLES.values()]
    for number in range(COUNT):
        image = scenes[number % len(scenes)].roll(7 * number, dims=2)
        (folder / f"p{number:03d}.png").write_bytes(pictures.png_bytes(pictures.to_uint8(image)))
        np.save(folder / f"p{number:03d}.npy", features(image, CHANNELS))
    return folder


def test_all_cores_are_used_well(data_set, tmp_path):
    """Work per image must not grow with the number of workers, so that free cores give as many times the rate.

    CPU time is compared, which other work on the machine hardly touches; the rates by the clock are printed.
    """
    items, cores = batch.find(str(data_set)), threads.available()
    asked = BatchConfig(half=True)

    def run(count, workers):
        outcomes = []

        def finished(outcome):
            outcomes.append(outcome)
            (tmp_path / outcome["output"]).unlink()  # 200 MB each: nothing is to wait for the disk

        started = time.perf_counter()
        local.run(items[:count], str(tmp_path), asked, workers, finished)
        seconds = time.perf_counter() - started
        assert [outcome["status"] for outcome in outcomes] == ["done"] * count
        warm = outcomes[workers:]  # a worker's first image loads the compiled kernel
        return (statistics.mean(o["cpu_seconds"] for o in warm), statistics.mean(o["seconds"] for o in warm), seconds)

    alone_cpu, alone_seconds, _ = run(12, 1)
    shared_cpu, _, seconds = run(COUNT, cores)
    rate, single = COUNT / seconds, 1 / alone_seconds
    print(f"\none image: {alone_cpu:.3f} CPU s alone, {shared_cpu:.3f} CPU s among {cores} workers")
    print(f"by the clock, start included: {rate:.2f} images/s, {rate / (cores * single):.2f} × cores × the single rate")
    assert alone_cpu / shared_cpu >= 0.85


def test_killed_half_way_and_started_again(data_set, tmp_path):
    """200 images to kernels (small results); SIGKILL at the hundredth; the same bytes, none twice, none lost."""
    words = [sys.executable, "-m", "gsjbu", "batch", str(data_set), "--to", "kernel", "--iters", "10", "--quiet"]
    words += ["--objective", "rgb"]
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    assert subprocess.run([*words, str(whole)]).returncode == 0
    running = subprocess.Popen([*words, str(broken)], start_new_session=True)
    while len(list(broken.glob("*.safetensors"))) < COUNT // 2:
        assert running.poll() is None
        time.sleep(0.01)
    os.killpg(running.pid, signal.SIGKILL)
    running.wait()
    before = {path.name: path.stat().st_mtime_ns for path in broken.glob("*.safetensors")}
    assert COUNT // 2 <= len(before) < COUNT
    assert subprocess.run([*words, str(broken)]).returncode == 0
    names = {path.name for path in whole.glob("*.safetensors")}
    assert {path.name for path in broken.glob("*.safetensors")} == names
    assert len(names) == COUNT
    assert all((whole / name).read_bytes() == (broken / name).read_bytes() for name in names)
    assert all((broken / name).stat().st_mtime_ns == stamp for name, stamp in before.items())
    done = [line["key"] for line in read_journal(broken) if line["status"] == "done"]
    assert len(done) == len(set(done))


@pytest.mark.parametrize("scene", list(samples.SAMPLES))
def test_sixty_frames_warm_against_cold(scene):
    """640×360: at least as near as 50 cold steps a frame, steadier, and (printed) how fast."""
    frames = moving_scene(scene, 60)
    gsjbu.fit(frames[0], iters=1)  # load the compiled kernel first

    def run(kernels):
        steadiness, seconds = video.TemporalMetrics(), 0.0
        kernels = iter(kernels)
        for frame in frames:
            started = time.perf_counter()
            kernel = next(kernels)
            shown = kernel.render(kernel.lr_guide)
            seconds += time.perf_counter() - started
            steadiness.add(shown, frame)
        return steadiness, len(frames) / seconds

    cold, cold_rate = run(gsjbu.fit(frame, iters=50) for frame in frames)
    warm, warm_rate = run(video.kernels(frames))
    print(f"\n{scene}: cold {cold.psnr:.2f} dB, flicker {cold.flicker:.3f}, {cold_rate:.1f} frames/s")
    print(f"{scene}: warm {warm.psnr:.2f} dB, flicker {warm.flicker:.3f}, {warm_rate:.1f} frames/s")
    assert warm.psnr >= cold.psnr
    assert warm.flicker < cold.flicker
    assert warm_rate > 2 * cold_rate
    assert math.isfinite(warm_rate)
