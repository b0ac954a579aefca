"""Where things stand: the comparison on the first screen at every width, nothing beyond the sides, rows that hold."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page

from tests.browser.hands import Server, Watch, depth, shown

BOXES = """(all) => Object.fromEntries(all.map((one) => {
  const { left, top, right, bottom } = document.querySelector(one).getBoundingClientRect();
  return [one, { left, top, right, bottom }];
}))"""


@pytest.fixture(scope="module", params=["en", "zh"])
def worded(request: pytest.FixtureRequest, chromium: Browser, server: Server) -> Iterator[Page]:
    """A visit in either language, with a scene whose hint is long; its tests change nothing but the window."""
    watch = Watch(server.url)
    context = chromium.new_context(viewport={"width": 1440, "height": 900}, locale="en-GB")
    context.on("page", watch.follow)
    page = context.new_page()
    page.goto(f"{server.url}/?resolution=128&features=off&lang={request.param}")
    shown(page)
    yield page
    context.close()
    watch.check()


def boxes(page: Page, *of: str) -> dict[str, dict[str, float]]:
    page.wait_for_timeout(100)  # the stage follows the window
    found: dict[str, dict[str, float]] = page.evaluate(BOXES, list(of))
    return found


def rows(page: Page, of: str) -> int:
    """How many rows the visible children of ``of`` stand in."""
    return len(
        set(
            page.evaluate(
                """(of) => [...document.querySelectorAll(`${of} > :not(.spring)`)]
                  .filter((one) => one.offsetWidth).map((one) => one.getBoundingClientRect())
                  .map(({ top, bottom }) => Math.round((top + bottom) / 2))""",
                of,
            )
        )
    )


def test_the_comparison_is_on_the_first_screen(worded: Page) -> None:
    for width, height in (
        (1440, 900),
        (1280, 720),
        (1119, 800),
        (1100, 800),
        (768, 1024),
        (375, 812),
        (390, 844),
    ):
        worded.set_viewport_size({"width": width, "height": height})
        at = boxes(worded, ".frame", "#run", "#picture", "#what")
        assert at[".frame"]["bottom"] <= height and at[".frame"]["bottom"] - at[".frame"]["top"] >= 240, (
            width,
            at,
        )
        wide, high = worded.evaluate("[document.scrollingElement.scrollWidth, innerHeight]")
        assert wide <= width, (width, wide)
        assert at["#what"]["bottom"] <= at[".frame"]["top"]
        if width >= 768:  # the run beside it
            assert at["#run"]["bottom"] <= high and at["#run"]["right"] < at[".frame"]["left"], (width, at)
        else:  # the picture above it, in a line
            assert at["#picture"]["bottom"] <= at[".frame"]["top"], (width, at)
            assert at["#picture"]["bottom"] - at["#picture"]["top"] < 56, (width, at)
            assert at["#run"]["top"] > at[".frame"]["bottom"]


def test_buttons_stand_in_rows_that_hold(worded: Page) -> None:
    for width, height, of_tools in (
        (1440, 900, 1),
        (1280, 720, 1),
        (1120, 800, 2),
        (1100, 800, 1),
        (768, 1024, 2),
    ):
        worded.set_viewport_size({"width": width, "height": height})
        boxes(worded)
        assert rows(worded, ".tools") == of_tools, width
        assert rows(worded, "#out .buttons") == 1, width


@pytest.mark.address("resolution=128&features=off")
def test_results_out_stay_pinned_below_a_long_report(page: Page) -> None:
    job = shown(page)
    page.set_viewport_size({"width": 1280, "height": 720})
    page.set_input_files("#signal-file", depth())
    shown(page, job)
    at = boxes(page, "#out", "#chart")
    assert page.evaluate(
        "(({ scrollHeight, clientHeight }) => scrollHeight > clientHeight)(document.getElementById('report'))"
    )
    assert at["#out"]["bottom"] <= 720
    page.click("#line")  # which brings its chart into sight
    page.wait_for_selector("#chart .curve")
    at = boxes(page, "#out", "#chart")
    assert at["#chart"]["bottom"] <= at["#out"]["top"] + 1
