"""Results out: panels, the zip, files on the server, and snippets that run and give the same numbers."""

from __future__ import annotations

import ast
import io
import json
import os
import re
import subprocess
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page

from gsjbu.samples import SAMPLES
from tests import zygote
from tests.browser.hands import ROOT, Server, set_slider, settled, shown, state


@pytest.mark.address("resolution=128&features=off")
def test_a_panel_is_saved_as_png(still: Page) -> None:
    with still.expect_download() as caught:
        still.click("#strip .cell[data-panel=gsjbu_rgb] .save")
    assert caught.value.suggested_filename == "gsjbu_rgb.png"
    with Image.open(caught.value.path()) as picture:
        assert (picture.format, picture.size) == ("PNG", (128, 128))


@pytest.mark.address("resolution=128&features=off")
def test_download_all(still: Page) -> None:
    with still.expect_download() as caught:
        still.click("#download")
    with zipfile.ZipFile(caught.value.path()) as archive:
        assert archive.testzip() is None
        names = archive.namelist()
        metrics = json.loads(archive.read(next(n for n in names if n.endswith("metrics.json"))))
    assert any(n.endswith("gsjbu_rgb.png") for n in names)
    psnr = float(state(still, "result.metrics.rgb.gsjbu.psnr"))  # type: ignore[arg-type]
    assert f"{psnr:.6f}"[:8] in json.dumps(metrics)


@pytest.mark.address("resolution=128&features=off")
def test_return_files(still: Page, server: Server) -> None:
    job = shown(still)
    still.click("#more > summary")
    still.check("#return-files")
    job = shown(still, job)
    links = still.eval_on_selector_all("#files a", "all => all.map((a) => a.href)")
    assert len(links) == int(state(still, "result.panels.length"))  # type: ignore[call-overload]
    assert all(f"/static/out/{job}/" in link for link in links)
    answer = still.request.get(next(link for link in links if link.endswith("gsjbu_rgb.png")))
    assert answer.ok
    assert Image.open(io.BytesIO(answer.body())).size == (128, 128)
    assert still.get_attribute("#viewer", "data-right") == "gsjbu_rgb", "the page shows them as any other"


def snippet(page: Page, kind: str) -> str:
    """What the page puts on the clipboard."""
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.click(".menu > summary")
    page.click(f"#copy-{kind}")
    page.wait_for_selector("#toast:not([hidden])")
    return str(page.evaluate("navigator.clipboard.readText()"))


def run(command: list[str], folder: Path) -> str:
    """Run in a folder of its own with this interpreter first on the path."""
    path = os.pathsep.join([str(Path(zygote.python()).parent), os.environ["PATH"]])
    env = {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def close(figures: Any, expected: Any) -> bool:
    """Whether two sets of figures are the same, at any depth."""
    if isinstance(expected, dict):
        return figures.keys() == expected.keys() and all(close(figures[k], v) for k, v in expected.items())
    return bool(figures == pytest.approx(expected, abs=1e-6))


@pytest.mark.address("resolution=128")
@pytest.mark.parametrize("brought", ["nothing", "files", "millimetres", "samples", "a truth", "a scene's labels"])
def test_snippets_run_and_give_the_same_numbers(still: Page, tmp_path: Path, brought: str) -> None:
    """As Python, as a command and as curl: a scene; a picture and a signal with names that shells and forms dislike;
    levels of 16 bits on a picture that is stretched; samples of a depth; a signal with its truth; one that was made of
    a scene's, which is in the zip, and taken for another kind. The signal is the zip's, in its unit and dtype."""
    job = shown(still)
    if brought in ("files", "millimetres", "a truth"):
        picture, signal = tmp_path / "-it's a, photo; 1.png", tmp_path / "-my depth.npy"
        dim = 20 if brought == "millimetres" else 1
        Image.radial_gradient("L").point(lambda level: level // dim).convert("RGB").resize((300, 200)).save(picture)
        noise = np.random.default_rng(0).random((20, 30), np.float32)
        np.save(signal, noise if brought != "millimetres" else (900 + 3000 * noise).astype(np.uint16))
        still.set_input_files("#file", picture)
        job = shown(still, job)
        still.set_input_files("#signal-file", signal)
        job = shown(still, job)
        if brought == "files":
            still.select_option("[data-setting=objective] select", "signal")
            shown(still, job)
        if brought == "a truth":
            np.save(tmp_path / "-the truth.npy", np.random.default_rng(1).random((200, 300), np.float32))
            still.set_input_files("#truth-file", tmp_path / "-the truth.npy")
            shown(still, job)
    elif brought == "samples":
        depth = tmp_path / "samples.npy"
        np.save(depth, SAMPLES["spheres"].depth[::16, ::16].numpy())
        still.set_input_files("#signal-file", depth)
        shown(still, job)
    elif brought == "nothing":
        set_slider(still, "stride", 12)
        shown(still, job)
    else:
        still.click("#truth-scene button[data-what=labels][data-stride='16']")
        job = shown(still, job)
        still.select_option("#signal-kind", "probabilities")
        shown(still, job)
    with still.expect_download() as caught:
        still.click("#download")
    with zipfile.ZipFile(caught.value.path()) as archive:
        archive.extractall(tmp_path, [n for n in archive.namelist() if "signal" in n])
    rgb: Any = state(still, "result.metrics.rgb")
    figures = {method: rgb[method]["psnr"] for method in ("bilinear", "gsjbu")}

    python = snippet(still, "python")
    if brought != "nothing":
        python += "import numpy\nnumpy.save('high.npy', high)\n"
    (tmp_path / "snippet.py").write_text(python)
    printed = run([zygote.python(), "snippet.py"], tmp_path)
    said = [float(n) for n in re.findall(r"\d+\.\d+", printed)]
    assert said[:2] == pytest.approx(list(figures.values()), abs=1e-3)

    on_the_page = state(still, "result.metrics.signal")
    command = snippet(still, "command")
    if brought.startswith("a "):
        told = json.loads(run(["bash", "-c", f"{command} --json --quiet"], tmp_path))
        assert close(told["metrics"], on_the_page)
        assert close(ast.literal_eval(printed.splitlines()[-1]), on_the_page)
        results = [tmp_path / "result.json"]
    else:
        run(["bash", "-c", command], tmp_path)
        assert (tmp_path / "compared" / "gsjbu_rgb.png").is_file()
        results = [tmp_path / "compared" / "result.json", tmp_path / "result.json"]
    run(["bash", "-c", snippet(still, "curl")], tmp_path)
    for path in results:
        result = json.loads(path.read_text())
        for method, value in figures.items():
            assert result["metrics"]["rgb"][method]["psnr"] == pytest.approx(value, abs=1e-3)
        if brought != "nothing":
            kind = state(still, "signal.kind")
            assert f"{kind}".replace("_", " ") in result["status"]["signal"].split(";")[0]
            assert close(result["metrics"]["signal"], on_the_page)
    if brought != "nothing":
        high, zipped = np.load(tmp_path / "high.npy"), np.load(tmp_path / "signal_hr.npy")
        assert high.dtype == zipped.dtype
        np.testing.assert_array_equal(high, zipped)


@pytest.mark.address("resolution=128&features=off")
def test_link_is_the_address(still: Page) -> None:
    settled(still)
    assert snippet(still, "link") == still.url


@pytest.mark.address("resolution=128&features=off")
def test_the_menu_of_copies_lies_in_its_card_at_every_width(still: Page) -> None:
    for language in ("zh-Hans", "en"):
        still.click("#language")
        still.wait_for_selector(f"html[lang={language}]")
        still.click("#copy-menu summary")
        still.wait_for_selector(".menu .sheet:visible")
        for width in (375, 768, 1280, 1920, 1440):
            still.set_viewport_size({"width": width, "height": 900})
            card, sheet = still.locator(".out").bounding_box(), still.locator(".menu .sheet").bounding_box()
            at = (language, width, card, sheet)
            assert card and sheet, at
            assert card["x"] <= sheet["x"] and sheet["x"] + sheet["width"] <= card["x"] + card["width"], at
            assert card["x"] >= 0 and card["x"] + card["width"] <= width, at
        still.click("#copy-menu summary")
