"""What the page has to say goes when it is settled, speaks the present language and leaves the page in its place."""

from __future__ import annotations

import pytest
from playwright.sync_api import BrowserContext, Page

from tests.browser.hands import Watch, set_slider, shown

pytestmark = pytest.mark.address("resolution=128&features=off")


def test_an_error_goes_with_the_number_it_is_about(still: Page) -> None:
    """Another control is moved: the field shows the value that holds, so nothing is wrong any more."""
    job = shown(still)
    box = still.locator("[data-setting=stride] input[type=number]")
    box.fill("0")
    box.blur()
    still.wait_for_selector("#notice.error")
    set_slider(still, "radius", 3)
    assert box.input_value() == "16"
    assert still.locator("#notice").is_hidden()
    shown(still, job)
    box.fill("0")
    box.press("Enter")
    still.focus("#notice .close")
    still.keyboard.press("Enter")
    assert box.evaluate("one => one === document.activeElement"), "the focus goes back"


@pytest.mark.address("resolution=128")
def test_a_number_without_a_unit(still: Page) -> None:
    still.click("#more > summary")
    box = still.locator("[data-setting=seed] input[type=number]")
    box.fill("-1")
    box.blur()
    assert still.inner_text("#notice p") == "Seed must be a whole number from 0 to 2147483647."
    still.click("#language")
    still.wait_for_selector("html[lang=zh-Hans]")
    box = still.locator("[data-setting=seed] input[type=number]")
    box.fill("-1")
    box.blur()
    assert still.inner_text("#notice p") == "种子必须是 0 到 2147483647 之间的整数。"


@pytest.mark.address("stride=0&resolution=128&features=off")
def test_a_notice_that_stands_is_said_in_the_new_language(page: Page, watch: Watch) -> None:
    english = page.inner_text("#notice p")
    page.click("#language")
    page.wait_for_selector("html[lang=zh-Hans]")
    assert page.inner_text("#notice p") == "网址中有无法采用的值：步幅 = 0。已改用默认值。"
    page.click("#language")
    page.wait_for_selector("html[lang=en]")
    assert page.inner_text("#notice p") == english

    watch.expect("status of 4")
    page.set_input_files("#file", {"name": "x.png", "mimeType": "image/png", "buffer": b"no picture"})
    page.wait_for_selector("#notice p:has-text('whatever its name')")
    page.click("#language")
    page.wait_for_selector("html[lang=zh-Hans]")
    assert page.inner_text("#notice p").startswith("x.png：无论文件名是什么，这都不是 JPEG")


@pytest.mark.address("stride=0&resolution=128&features=off")
def test_copied_is_said_aside_and_goes_by_itself(page: Page, context: BrowserContext) -> None:
    """It moves nothing, leaves an error standing, is heard, stays while a pointer is on it, and goes."""
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    context.clock.install()
    error = page.inner_text("#notice p")
    before = page.locator("main").bounding_box()
    page.click(".menu > summary")
    page.click("#copy-link")
    page.wait_for_selector("#toast:not([hidden])")
    assert page.inner_text("#toast p") == page.text_content("#announcer") == "Copied to the clipboard."
    assert page.locator("main").bounding_box() == before
    assert page.inner_text("#notice p") == error
    page.hover("#toast p")
    page.clock.fast_forward(6500)
    assert page.locator("#toast").is_visible()
    page.mouse.move(5, 500)
    page.clock.fast_forward(5500)
    assert page.locator("#toast").is_visible()
    page.clock.fast_forward(1000)
    page.wait_for_selector("#toast", state="hidden", timeout=1000)
