"""The main job end to end: bring a photo, move the sliders, run, see the panels, compare."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page

from tests.browser.hands import Watch, canvas_at, hand_over, on_stage, set_slider, shown, state, tab

pytestmark = pytest.mark.address("resolution=128")

RGB = ["original", "lr", "bilinear_rgb", "gsjbu_rgb", "error_bilinear", "error_gsjbu"]


@pytest.fixture(scope="module")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A JPEG of 1024 × 768 with edges, texture and noise."""
    y, x = np.mgrid[:768, :1024]
    disc = (x - 400) ** 2 + (y - 300) ** 2 < 200**2
    grain = np.random.default_rng(1).normal(0, 6, (768, 1024))
    red = np.where(disc, 220, 40 + x / 8) + grain
    green = np.where((x // 32 + y // 32) % 2 == 0, 180, 90) + grain
    blue = np.where(disc, 60, y / 4) + grain
    path = tmp_path_factory.mktemp("photo") / "photo.jpg"
    Image.fromarray(np.stack([red, green, blue], -1).clip(0, 255).astype(np.uint8)).save(path, quality=92)
    return path


@pytest.mark.address("")
def test_first_visit_shows_a_computed_scene(still: Page) -> None:
    """Nothing to do before something is seen: divider in the middle, bilinear against GS-JBU, a verdict in words."""
    assert still.get_attribute("#viewer", "data-left") == "bilinear_rgb"
    assert still.get_attribute("#viewer", "data-right") == "gsjbu_rgb"
    assert still.get_attribute(".handle", "aria-valuenow") == "50"
    assert still.inner_text("#lookfor")
    assert "dB" in still.inner_text("#verdict")
    assert still.evaluate("document.documentElement.scrollHeight <= innerHeight"), "one screen, no scrolling"


def test_upload_sliders_run_panels_divider(still: Page, photo: Path) -> None:
    first = shown(still)
    still.set_input_files("#file", photo)
    job = shown(still, first)
    assert still.inner_text("#picture-name") == "photo.jpg"
    assert still.inner_text("#picture-size") == "1024 × 768 px"

    for name, value in (("stride", 8), ("iters", 20), ("radius", 3)):
        set_slider(still, name, value)
        assert still.input_value(f"[data-setting={name}] input[type=number]") == str(value)
        job = shown(still, job)
    still.click("#run")
    job = shown(still, job)
    assert state(still, "result.settings.stride") == 8
    assert state(still, "result.settings.radius") == 3
    assert state(still, "result.image.lr_width") == 16  # 1024 is reduced to 128

    names = still.eval_on_selector_all("#strip .cell", "cells => cells.map((c) => c.dataset.panel)")
    assert [n for n in RGB if n not in names] == []
    still.wait_for_function(
        "() => [...document.querySelectorAll('#strip img')].every((i) => i.complete && i.naturalWidth)"
    )
    for group in ("features", "kernel", "rgb"):
        tab(still, group)

    handle = still.locator(".handle")
    box = handle.bounding_box()
    assert box is not None
    x0, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    to, _ = on_stage(still, 0.25 * 128, 0)
    still.mouse.move(x0, y)
    still.mouse.down()
    still.mouse.move(to, y, steps=4)
    still.mouse.up()
    assert abs(int(handle.get_attribute("aria-valuenow") or 0) - 25) <= 1
    handle.focus()
    before = int(handle.get_attribute("aria-valuenow") or 0)
    still.keyboard.press("ArrowRight")
    assert int(handle.get_attribute("aria-valuenow") or 0) == before + 1


@pytest.mark.address("resolution=128&features=off")
def test_divider_really_divides(still: Page) -> None:
    """At 0 % the stage shows the right panel alone, at 100 % the left one: read from the canvas."""

    still.select_option("#left", "original")
    still.select_option("#right", "error_gsjbu")
    still.wait_for_selector("#viewer[data-left=original][data-right=error_gsjbu]")
    still.focus(".handle")
    still.keyboard.press("Home")
    right = canvas_at(still, 37.5, 87.5)
    still.keyboard.press("End")
    left = canvas_at(still, 37.5, 87.5)
    assert np.abs(np.subtract(left, right)).max() > 20


@pytest.mark.address("resolution=128&features=off")
def test_drop_and_paste(still: Page, photo: Path) -> None:
    first = shown(still)
    hand_over(still, photo, "drop")
    second = shown(still, first)
    assert still.inner_text("#picture-name") == "photo.jpg"
    other = photo.rename(photo.with_name("other.jpg"))
    hand_over(still, other, "paste")
    shown(still, second)
    assert still.inner_text("#picture-name") == "other.jpg"
    other.rename(photo)
    assert still.locator("#recent .thumb").count() == 2


@pytest.mark.address("resolution=128&features=off")
def test_camera(page: Page) -> None:
    first = shown(page)
    page.evaluate(
        """() => {
          const given = window.given = [];
          const ask = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
          navigator.mediaDevices.getUserMedia = async (what) => {
            given.push(await ask(what));
            return given.at(-1);
          };
          for (const press of [1, 2]) document.getElementById('camera-open').click(); // while the browser asks
        }"""
    )
    page.wait_for_function("() => document.getElementById('camera-video').videoWidth > 0")
    page.click("#camera-take")
    shown(page, first)
    assert page.inner_text("#picture-name") == "camera.png"
    assert page.evaluate("given.flatMap((one) => one.getTracks()).map((one) => one.readyState)") == ["ended"]
    page.click("#camera-open")
    page.wait_for_function("() => document.getElementById('camera').open")


@pytest.mark.address("resolution=128&features=off")
def test_gallery_and_recent(still: Page, photo: Path) -> None:
    job = shown(still)
    still.click("#samples .thumb >> nth=1")
    job = shown(still, job)
    assert still.get_attribute("#samples .thumb >> nth=1", "aria-pressed") == "true"
    still.set_input_files("#file", photo)
    job = shown(still, job)
    still.click("#samples .thumb >> nth=0")
    job = shown(still, job)
    still.click("#recent .thumb >> nth=0")
    shown(still, job)
    assert still.inner_text("#picture-name") == "photo.jpg"


@pytest.mark.address("resolution=128&features=off")
def test_watch_sees_what_it_should(page: Page, watch: Watch) -> None:
    """The watch itself works: an inline script and a stranger's picture are seen (and refused by the policy)."""
    page.evaluate(
        "() => { const i = new Image(); i.src = 'http://192.0.2.1/x.png'; const s = document.createElement('script');"
        " s.textContent = 'window.slipped = 1'; document.head.append(s); }"
    )
    page.wait_for_timeout(200)
    assert page.evaluate("window.slipped") is None
    assert any("Content Security Policy" in w for w in watch.wrong)
    watch.expect("Content Security Policy directive:? .(script|img)-src")
    watch.expect("^asked another host: http://192.0.2.1/x.png$")
