"""The address holds every setting, the picture and the view."""

from __future__ import annotations

import io
from urllib.parse import parse_qs, urlsplit

from PIL import Image
from playwright.sync_api import Page

from gsjbu.settings import SETTINGS
from tests.browser.hands import set_slider, shown, state, tab


def query(page: Page) -> dict[str, str]:
    """The address's values, once it has settled."""
    page.wait_for_timeout(350)
    return {k: v[0] for k, v in parse_qs(urlsplit(page.url).query).items()}


def test_reload_gives_the_same(page: Page) -> None:
    job = shown(page)
    page.click("#samples .thumb >> nth=2")
    job = shown(page, job)
    for name, value in (("stride", 10), ("iters", 20), ("radius", 3), ("resolution", 384)):
        set_slider(page, name, value)
        job = shown(page, job)
    tab(page, "kernel")
    page.select_option("#left", "theta")
    page.wait_for_selector("#viewer[data-left=theta]")
    page.focus(".handle")
    page.keyboard.press("PageUp")
    asked = query(page)
    assert set(SETTINGS) <= set(asked), "all settings are in the address"

    settings, sample = state(page, "settings"), state(page, "image.sample")
    page.goto(page.url)
    shown(page)
    assert state(page, "settings") == settings
    assert state(page, "result.settings") == settings
    assert state(page, "image.sample") == sample
    assert page.get_attribute("#viewer", "data-left") == "theta"
    assert page.get_attribute("#tab-kernel", "aria-selected") == "true"
    assert page.get_attribute(".handle", "aria-valuenow") == "60"
    assert page.input_value("[data-setting=stride] input[type=number]") == "10"


def test_an_uploaded_picture_survives_a_reload(page: Page) -> None:
    job = shown(page)
    out = io.BytesIO()
    Image.radial_gradient("L").convert("RGB").resize((200, 150)).save(out, "PNG")
    page.set_input_files("#file", {"name": "mine.png", "mimeType": "image/png", "buffer": out.getvalue()})
    shown(page, job)
    assert query(page)["image"] == state(page, "image.id")
    page.goto(page.url)
    shown(page)
    assert state(page, "image.width") == 200
    assert state(page, "result.image.height") == 150
    assert page.inner_text("#picture-name") == "mine.png"
