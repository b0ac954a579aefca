"""The loss chart: what the loss is, each fit on its own, numbers that are whole and seen; live and afterwards."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page

from tests.browser.hands import make_slow, set_slider, shown, state

pytestmark = pytest.mark.address("resolution=128&features=off")


def label(page: Page) -> str:
    """What a screen reader hears of the chart."""
    return page.get_attribute("#chart svg", "aria-label") or ""


def given(page: Page, patch: dict[str, Any]) -> None:
    """Put another result in the place of the one on show."""
    page.evaluate(
        "patch => import('/static/js/state.js').then(({state, set}) => set({result: {...state.result, ...patch}}))",
        patch,
    )


@pytest.mark.parametrize(
    ("values", "texts"),
    [
        ([0.0215, 0.02175, 0.022], ["0.02150", "0.02175", "0.02200"]),
        ([0, 0.25, 0.5], ["0.00", "0.25", "0.50"]),
        ([-10, 0, 10], ["−10", "0", "10"]),
        ([0, 2.5, 5], ["0.0", "2.5", "5.0"]),
        ([1.5e-8, 2e-8], ["1.5e−8", "2.0e−8"]),
        ([1000000, 1500000], ["1.0e+6", "1.5e+6"]),
        ([3], ["3"]),
    ],
)
def test_ticks_have_the_decimals_their_step_needs(still: Page, values: list[float], texts: list[str]) -> None:
    assert still.evaluate("v => import('/static/js/chart.js').then((m) => m.tickTexts(v))", values) == texts


@pytest.mark.parametrize(("high", "ticks"), [(10, [5, 10]), (3, [1, 2, 3]), (1, [1])])
def test_there_are_no_half_steps(still: Page, high: int, ticks: list[int]) -> None:
    found = still.evaluate("v => import('/static/js/chart.js').then((m) => m.ticks(1, v, 4, true))", high)
    assert found == ticks


@pytest.mark.parametrize(("value", "text"), [(-1.2e-5, "−1.20e−5"), (-2e6, "−2.00e+6"), (-1.5, "−1.50")])
def test_each_minus_sign_is_a_true_one(still: Page, value: float, text: str) -> None:
    assert still.evaluate("v => import('/static/js/format.js').then((m) => m.number(v))", value) == text


@pytest.mark.parametrize(
    ("value", "span", "text"),
    [(287.31, 0.75, "287.310"), (2431.2, 1.6, "2431.20"), (0.5, 100, "0.500"), (287, 0.75, "287"),
     (16777.5, 8e3, "16778"), (-4e6 - 0.25, 3, "−4000000.25"), (4e6, 9e6, "4.00e+6")],
)  # fmt: skip
def test_values_that_lie_near_each_other_have_the_digits_that_tell_them_apart(
    still: Page, value: float, span: float, text: str
) -> None:
    asked = "([v, span]) => import('/static/js/format.js').then((m) => m.number(v, 3, span))"
    assert still.evaluate(asked, [value, span]) == text


@pytest.mark.parametrize(
    ("values", "texts"),
    [([2.814, 1.998], ["2.814", "1.998"]), ([0.012, None], ["0.0120", "–"]), ([287.31, -4], ["287.310", "−4.000"])],
)
def test_numbers_of_one_place_have_as_many_decimals(still: Page, values: list[float], texts: list[str]) -> None:
    assert still.evaluate("v => import('/static/js/format.js').then((m) => m.together(v))", values) == texts


@pytest.mark.parametrize("scale", [1e-9, 1e-6, 1.2e-5, 0.0217, 1, 123456])
def test_no_number_is_cut(still: Page, scale: float) -> None:
    given(still, {"losses": [scale * (1 + 0.02 / (i + 1)) for i in range(50)], "fits": [50]})
    left = still.eval_on_selector_all("#chart svg text", "all => Math.min(...all.map((t) => t.getBBox().x))")
    assert left >= 0
    ticks = still.eval_on_selector_all("#chart .tick-y", "all => all.map((t) => t.textContent)")
    assert len(set(ticks)) == len(ticks) >= 2


def test_the_axis_name_stands_above_the_ticks(still: Page) -> None:
    """A tick at the very top, as where the axis ends at a round number."""
    given(still, {"losses": [0.9434 * (50 - i) / 50 for i in range(51)], "fits": [51]})
    name, *ticks = (still.locator(f"#chart .{one}").bounding_box() for one in ("name.y", "tick-y >> nth=-1"))
    assert name and ticks[0] and name["y"] + name["height"] <= ticks[0]["y"]


def test_curves_have_room(still: Page) -> None:
    """At least 200 px on a usual screen, whatever else the report says; choosing a chart brings it into sight."""
    before = shown(still)
    still.click("#truth-scene button[data-what=depth][data-stride='16']")
    shown(still, before)
    still.click("#line")
    for name in ("profile", "loss"):
        still.click(f"#chart-{name}")
        still.wait_for_selector("#chart .curve")
        still.wait_for_timeout(200)  # it follows the room that it gets
        axis = still.locator("#chart .axis").bounding_box()
        svg = still.locator("#chart svg").bounding_box()
        out = still.locator("#out").bounding_box()
        assert axis and svg and out
        assert axis["y"] - svg["y"] - 22 >= 200, name
        assert svg["y"] + svg["height"] <= out["y"] + 1, name


def test_each_fit_is_a_curve_of_its_own(still: Page) -> None:
    losses = [0.5 / (i % 20 + 1) for i in range(40)]
    settings = state(still, "result.settings")
    assert isinstance(settings, dict)
    given(still, {"losses": losses, "fits": [20, 20], "settings": {**settings, "objective": "auto"}})
    assert still.locator("#chart .curve").count() == 2
    assert "fit 1 from 0.500 to 0.0250, fit 2 from 0.500 to 0.0250" in label(still)
    still.focus("#chart svg")
    before = still.query_selector("#chart svg")
    still.set_viewport_size({"width": 700, "height": 900})  # it is drawn anew, and keeps the focus
    still.wait_for_function("(before) => document.querySelector('#chart svg') !== before", arg=before)
    still.keyboard.press("End")
    assert still.text_content("#chart .note") == "fit 2, step 40: 0.02500"
    still.keyboard.press("Home")
    assert still.text_content("#chart .note") == "fit 1, step 1: 0.5000"


@pytest.mark.address("resolution=128")
def test_the_axis_says_what_the_loss_is(still: Page) -> None:
    job = shown(still)
    assert still.text_content("#chart .name.y") == "loss ↓: mean |Î − I|"
    still.select_option("[data-setting=objective] select", "auto")
    shown(still, job)
    assert still.text_content("#chart .name.y") == "loss ↓: squared error of the LR signal given back"
    assert "squared error" in label(still) and "fit 2" in label(still)
    assert still.locator("#chart .curve").count() == len(state(still, "result.fits")) == 2  # type: ignore[arg-type]
    losses = state(still, "result.losses")
    assert isinstance(losses, list)
    assert f"{len(losses)} steps" in still.inner_text("#ran")
    still.focus("#chart svg")
    still.keyboard.press("End")
    boxes = [still.locator(f"#chart .{name}").bounding_box() for name in ("name.y", "note")]
    name, note = boxes
    assert note is not None
    apart = name is None or still.get_attribute("#chart .name.y", "visibility") == "hidden"
    assert apart or (name is not None and name["x"] + name["width"] < note["x"])
    still.click("#language")
    still.wait_for_selector("html[lang=zh-Hans]")
    assert "平方误差" in (still.text_content("#chart .name.y") or "")


def test_one_step_is_said_as_one(still: Page) -> None:
    job = shown(still)
    set_slider(still, "iters", 1)
    shown(still, job)
    assert ", 1 step for GS-JBU, " in still.inner_text("#ran")


def test_a_cancelled_run_leaves_the_last_curve(still: Page) -> None:
    """And one that waits or fails does too: the chart is of the result on show."""
    shown(still)
    last = label(still)
    make_slow(still)
    still.wait_for_selector("body[data-phase=waiting]")
    still.click("#run")
    still.wait_for_function(
        "last => document.querySelector('#chart svg')?.getAttribute('aria-label') !== last", arg=last
    )
    still.click("#cancel")
    still.wait_for_selector("body[data-phase=cancelled]")
    assert label(still) == last


@pytest.mark.address("resolution=128")
def test_a_growing_curve_is_of_one_fit(page: Page) -> None:
    """A run on the signal fits the colours, then the features: the second curve begins anew."""
    job = shown(page)
    page.evaluate(
        """() => import('/static/js/state.js').then(({on, state}) => {
          window.grown = [];
          on('run', () => { if (state.run.losses?.length) window.grown.push(state.run.losses); });
        })"""
    )
    set_slider(page, "iters", 150)  # or a fit may be over within a frame
    page.select_option("[data-setting=objective] select", "signal")
    page.wait_for_selector("body[data-phase=running], body[data-phase=waiting]")
    if page.get_attribute("body", "data-phase") == "waiting":
        page.click("#run")
    shown(page, job, timeout=60000)
    lists = page.evaluate("window.grown.map((all) => all.map(({stage, step}) => [stage, step]))")
    assert {stage for one in lists for stage, _ in one} >= {"fit", "features"}
    for one in lists:
        assert len({stage for stage, _ in one}) == 1
        steps = [step for _, step in one]
        assert steps == sorted(set(steps))
