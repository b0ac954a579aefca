"""The plugin in a napari without a screen: manifest, controls, progress, cancel, and what it looks like."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
import time
import tomllib
from pathlib import Path

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.qt import get_qapp
from npe2 import PluginManager, PluginManifest
from PIL import Image

from gsjbu.napari import widget as widgets
from gsjbu.settings import SETTINGS


@pytest.fixture(scope="module")
def manifest(root):
    """As napari finds it: the package's entry point says where."""
    project = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"]
    package, name = project["entry-points"]["napari.manifest"]["gsjbu"].split(":")
    return PluginManifest.from_file(root / package.replace(".", "/") / name)


@pytest.fixture(scope="module")
def registered(manifest):
    """As napari does on its start with every manifest that is installed."""
    manager = PluginManager.instance()
    if "gsjbu" not in {about.name for about in manager.iter_manifests()}:
        manager.register(manifest)
    return manager


@pytest.fixture
def panel(registered):
    """A viewer's model, which needs no screen, and the widget beside it."""
    get_qapp()
    viewer = ViewerModel()
    return viewer, widgets.Upsample(viewer)


def wait(until, seconds=60):
    """Let Qt work until ``until()`` is true."""
    end = time.monotonic() + seconds
    while not until():
        assert time.monotonic() < end, "waited in vain"
        get_qapp().processEvents()
        time.sleep(0.01)


def small(viewer, frames):
    rng = np.random.default_rng(0)
    viewer.add_image(rng.random((frames, 32, 48)), name="cells", scale=(5, 0.5, 0.5))
    viewer.add_image(rng.random((frames, 4, 6)) + 2, name="density")


def test_the_manifest_is_valid_and_leads_to_the_widget(manifest, registered):
    manifest.validate_imports()
    (command,) = manifest.contributions.commands
    assert command.python_name == "gsjbu.napari.widget:Upsample"
    assert manifest.contributions.widgets[0].get_callable() is widgets.Upsample


def test_each_control_says_what_its_setting_says(panel):
    _, panel = panel
    for name, control in panel.settings.items():
        setting = SETTINGS[name]
        assert (control.label, control.value, control.tooltip) == (
            setting.label,
            setting.default,
            setting.sentence,
        )
    assert (panel.settings["iters"].min, panel.settings["iters"].max) == (0, 1000)
    assert "cuda" not in panel.settings["device"].choices or widgets.unavailable_reason("device", "cuda") is None


def test_a_run_adds_a_layer_in_the_images_place(panel):
    viewer, panel = panel
    small(viewer, 3)
    panel.image.value, panel.signal.value = viewer.layers["cells"], viewer.layers["density"]
    panel.settings["iters"].value = 2
    panel.run.native.click()
    assert panel.cancel.enabled and not panel.run.enabled
    wait(lambda: panel.run.enabled and len(viewer.layers) == 3)
    made = viewer.layers["density upsampled"]
    assert made.data.shape == (3, 32, 48) and tuple(made.scale) == (5, 0.5, 0.5)


def test_progress_counts_frames_and_cancel_stops_between_steps(panel, monkeypatch):
    viewer, panel = panel
    small(viewer, 4)
    panel.image.value, panel.signal.value = viewer.layers["cells"], viewer.layers["density"]
    begun, calls = threading.Event(), []

    def slow(image, signal, kind, progress, **options):
        """The second frame fits for ever."""
        calls.append(signal)
        if len(calls) == 1:
            return np.zeros(image.shape)
        begun.set()
        while True:
            progress(1, 0.0)
            time.sleep(0.005)

    monkeypatch.setattr(widgets, "upsampled", slow)
    panel.run.native.click()
    bar = panel._worker.pbar
    wait(lambda: begun.is_set() and bar.n == 1)
    assert bar.total == 4
    panel.cancel.native.click()
    wait(lambda: panel.run.enabled)
    assert len(viewer.layers) == 2 and not panel.cancel.enabled


def test_what_is_refused_is_told_and_the_next_run_goes(panel):
    viewer, panel = panel
    small(viewer, 2)
    viewer.add_image(np.ones((9, 8, 7, 6)), name="other")
    panel.image.value, panel.signal.value = viewer.layers["cells"], viewer.layers["other"]
    with pytest.raises(Exception, match="the image's stack"):
        panel._start()
    assert panel.run.enabled


LOOKS = """
import sys, time, napari, numpy as np
from npe2 import PluginManager, PluginManifest
from integrations.tests.test_widget import wait
from gsjbu.samples import SAMPLES

manager = PluginManager.instance()
if "gsjbu" not in {about.name for about in manager.iter_manifests()}:
    manager.register(PluginManifest.from_file("gsjbu/napari/napari.yaml"))
viewer = napari.Viewer()
_, panel = viewer.window.add_plugin_dock_widget("gsjbu")
scene = SAMPLES["paper"]
depth = scene.depth.reshape(32, 16, 32, 16).mean(dim=(1, 3)).numpy()
viewer.add_image(scene.image.movedim(0, -1).numpy(), name="paper", rgb=True, scale=(0.1, 0.1))
viewer.add_image(depth, name="depth", colormap="viridis", scale=(1.6, 1.6), translate=(0.75, 0.75))
panel.image.value, panel.signal.value = viewer.layers["paper"], viewer.layers["depth"]
panel.run.native.click()
wait(lambda: len(viewer.layers) == 3 and panel.run.enabled)
viewer.window._qt_window.resize(1200, 800)
viewer.reset_view()
end = time.monotonic() + 1
wait(lambda: time.monotonic() > end)  # until the canvas is drawn
viewer.window.screenshot(path=sys.argv[1], canvas_only=False, flash=False)
viewer.screenshot(path=sys.argv[2], canvas_only=True, flash=False)
"""


def test_what_it_looks_like(root, tmp_path):
    """The built-in scene and its depth in cells of 16 pixels, in a whole window: docked, run, and drawn.

    napari draws with OpenGL, which needs an X server, were it a virtual one. GSJBU_SHOTS=folder keeps the picture.
    """
    if shutil.which("xvfb-run") is None:
        pytest.skip("no xvfb-run: napari's canvas cannot be drawn here")
    window, canvas = (Path(os.environ.get("GSJBU_SHOTS", tmp_path)) / f"{n}.png" for n in ("window", "canvas"))
    command = ["xvfb-run", "-a", sys.executable, "-c", LOOKS, str(window), str(canvas)]
    on_screen = {**os.environ, "QT_QPA_PLATFORM": "xcb"}
    done = subprocess.run(command, cwd=root, env=on_screen, capture_output=True, text=True, timeout=300)
    if "Could not load the Qt platform plugin" in done.stderr:
        pytest.skip("Qt's xcb plugin lacks a library of the system: " + done.stderr[:200])
    assert done.returncode == 0, done.stderr[-3000:]
    with Image.open(window) as seen:
        assert seen.height >= 700
    with Image.open(canvas) as seen:
        colours = np.unique(np.asarray(seen.convert("RGB")).reshape(-1, 3), axis=0)
    assert len(colours) > 100  # neither black nor empty
