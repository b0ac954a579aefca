"""The photo cut out by a class or by a threshold, as PNG with alpha; classes shown and hidden from the legend."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page

from tests.browser.hands import canvas_at, choose_pixel, painted, set_slider, shown, similarity, state, tab

#: The scene's exact labels on show.
CLASSES = "segmentation=labels&group=segmentation&resolution=128&features=off"


def panel(page: Page, name: str) -> np.ndarray:
    """A panel's picture, uint8 [H, W, 3]."""
    answer = page.request.get(f"{page.url.split('/?')[0]}/api/jobs/{shown(page)}/panels/{name}.png")
    return np.array(Image.open(io.BytesIO(answer.body())).convert("RGB"))


def saved(page: Page, button: str) -> np.ndarray:
    """The picture that a button of the dialog saves."""
    with page.expect_download() as download:
        page.click(button)
    path: Path = download.value.path()
    return np.array(Image.open(path))


@pytest.mark.address(CLASSES)
def test_a_legend_entry_hides_its_class_over_the_photo(page: Page) -> None:
    page.wait_for_selector("#legend button")
    page.evaluate("document.getElementById('opacity').value = 100")
    page.dispatch_event("#opacity", "input")
    photo = panel(page, "original")[100, 7].tolist()
    painted_over = canvas_at(page, 7.5, 100.5)
    entry = page.locator("#legend button", has_text="floor")
    entry.focus()
    page.keyboard.press("Enter")
    page.wait_for_selector("#legend button[aria-pressed=false]")
    painted(page)
    bare = canvas_at(page, 7.5, 100.5)
    assert np.abs(np.array(bare) - photo).max() < np.abs(np.array(painted_over) - photo).max()
    assert np.abs(np.array(bare) - photo).max() <= 24, "the photo itself, but for the smoothing of the stage"
    assert page.evaluate("document.activeElement.textContent").startswith("floor")
    page.keyboard.press("Enter")
    page.wait_for_selector("#legend button[aria-pressed=false]", state="detached")
    assert canvas_at(page, 7.5, 100.5) == painted_over

    page.keyboard.press("Enter")
    job = shown(page)
    set_slider(page, "stride", 12)
    job = shown(page, job)
    assert state(page, "hiddenClasses") == ["floor"], "the classes are the same"
    page.click("#samples .thumb >> nth=1")
    shown(page, job)
    assert state(page, "hiddenClasses") == [], "another picture's classes are others, whatever they are called"
    assert page.locator("#legend button[aria-pressed=false]").count() == 0


@pytest.mark.address(CLASSES)
def test_a_class_is_cut_out(page: Page) -> None:
    page.wait_for_selector("#legend button")
    page.click("#cut")
    page.wait_for_selector("#cut-dialog[open]")
    page.select_option("#cut-class", "white ball")
    legend = state(page, "result.panels.find((p) => p.name === 'seg_auto').legend")
    colour = next(one["colour"] for one in legend if one["name"] == "white ball")  # type: ignore[attr-defined]
    rgb = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
    inside = (panel(page, "seg_auto") == rgb).all(2)
    cut = saved(page, "#cut-save")
    assert (cut[..., 3] == np.where(inside, 255, 0)).all()
    assert (cut[inside][:, :3] == panel(page, "original")[inside]).all(), "the photo's own colours"
    assert (saved(page, "#cut-save-mask")[..., 0] == cut[..., 3]).all()
    page.check("#cut-invert")
    assert (saved(page, "#cut-save")[..., 3] == 255 - cut[..., 3]).all()
    page.select_option("#cut-ground", "colour")
    page.fill("#cut-colour", "#102030")
    assert (saved(page, "#cut-save-ground")[inside][:, :3] == [16, 32, 48]).all()


@pytest.mark.address("resolution=128")
def test_a_threshold_of_similarity_is_cut_out(page: Page) -> None:
    choose_pixel(page, 65, 37)
    tab(page, "similarity")
    page.click("#cut")
    page.focus("#cut-threshold")
    page.keyboard.press("ArrowRight")
    limit = page.evaluate(
        """() => {
          const { low, high } = document.getElementById('viewer').panes.right.panel.bar;
          return low + (high - low) * document.getElementById('cut-threshold').valueAsNumber / 200;
        }"""
    )
    values = similarity(page, "gsjbu")
    cut = saved(page, "#cut-save")
    sure = np.abs(np.array(values) - limit) > 1e-6
    assert ((cut[..., 3] == 255) == (values >= limit))[sure].all()
    assert 0 < (cut[..., 3] == 255).mean() < 1


@pytest.mark.address(CLASSES)
def test_a_background_that_cannot_be_read_is_said(page: Page) -> None:
    page.click("#cut")
    page.select_option("#cut-ground", "picture")
    text = {"name": "notes.png", "mimeType": "image/png", "buffer": b"no picture"}
    page.set_input_files("#cut-picture", text)  # type: ignore[arg-type]
    page.wait_for_selector("#cut-picture:invalid")
    assert "notes.png" in page.evaluate("document.getElementById('cut-picture').validationMessage")
    assert page.is_disabled("#cut-save-ground")
    out = io.BytesIO()
    Image.new("RGB", (8, 8)).save(out, "PNG")
    page.set_input_files("#cut-picture", {**text, "buffer": out.getvalue()})  # type: ignore[arg-type]
    page.wait_for_selector("#cut-picture:valid")
    assert page.is_enabled("#cut-save-ground")
