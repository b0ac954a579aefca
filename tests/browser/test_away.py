"""Pictures or words that do not come: the page stays as it was, and says why."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Browser, Page

from tests.browser.hands import Server, Watch, settled, shown, state, tab, visit


def view(page: Page) -> dict[str, object]:
    """What tabs, lists, stage and report say of the view."""
    return {
        "tab": page.get_attribute("#tabs [aria-selected=true]", "id"),
        "lists": [page.input_value("#left"), page.input_value("#right")],
        "stage": [page.get_attribute("#viewer", f"data-{side}") for side in ("left", "right")],
        "state": [state(page, f"view.{name}") for name in ("group", "left", "right")],
        "verdict": page.inner_text("#verdict"),
        "address": page.url,
    }


def test_another_group_while_the_server_is_away(chromium: Browser, tmp_path: Path) -> None:
    server = Server(tmp_path)
    with visit(chromium, server, "net::ERR_", address="/?resolution=128&features=off") as page:
        job = shown(page)
        settled(page)
        before = view(page)
        server.stop()

        page.click("#tab-kernel")
        page.wait_for_selector("#notice.error")
        settled(page)
        assert view(page) == before
        assert page.evaluate("document.activeElement.id") == before["tab"]

        page.click("#language")
        page.wait_for_selector("#toast:not([hidden])")
        assert page.get_attribute("html", "lang") == "en"
        assert "not reachable" in page.inner_text("#notice p")
        assert page.inner_text("#toast p") == "The server is not reachable."
        assert view(page) == before

        server.start()
        shown(page, job, timeout=60000)
        tab(page, "kernel")
        assert page.get_attribute("#viewer", "data-left") == "sigma_x"


def test_a_picture_that_does_not_come(chromium: Browser, server: Server, watch: Watch) -> None:
    """The list goes back to what is on show; the next one chosen is shown."""
    watch.expect("net::ERR_FAILED")
    context = chromium.new_context(viewport={"width": 1440, "height": 900}, locale="en-GB")
    context.on("page", watch.follow)
    page = context.new_page()
    page.route("**/panels/error_gsjbu.png", lambda route: route.abort())
    page.goto(f"{server.url}/?resolution=128&features=off")
    shown(page)
    settled(page)
    before = view(page)
    page.select_option("#right", "error_gsjbu")
    page.wait_for_selector("#notice.error")
    assert page.inner_text("#notice p") == "A picture of this result could not be loaded; run again."
    settled(page)
    assert view(page) == before
    page.click("#language")
    page.wait_for_selector("html[lang=zh-Hans]")
    assert page.inner_text("#notice p") == "此结果的一幅图无法载入；请重新运行。"
    page.unroute("**/panels/error_gsjbu.png")
    page.select_option("#right", "error_gsjbu")
    page.wait_for_selector("#viewer[data-right=error_gsjbu]")
    context.close()
