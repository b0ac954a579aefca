"""More ways to compare: a grid of four, the difference, flipping, a profile along a line, 100 %, full screen."""

from __future__ import annotations

import json

import numpy as np
import pytest
from playwright.sync_api import Page

from gsjbu.run import pipeline
from gsjbu.samples import SAMPLES
from gsjbu.settings import Settings
from tests.browser.hands import canvas_at, on_stage, painted, shown, state, tab

pytestmark = pytest.mark.address("resolution=128&features=off")

ASKED = Settings.parse({"resolution": 128, "features": False})


def transforms(page: Page) -> dict[str, list[float]]:
    """What each panel was last drawn with."""
    painted(page)
    drawn: dict[str, list[float]] = page.evaluate("document.getElementById('viewer').transforms")
    return drawn


def test_a_grid_of_four_moves_as_one(still: Page) -> None:
    still.click("#grid")
    still.wait_for_selector("#fourth:visible")
    names = [still.input_value(f"#{side}") for side in ("left", "right", "third", "fourth")]
    assert names == ["bilinear_rgb", "gsjbu_rgb", "original", "lr"]
    still.focus(".stage")
    for key in ("+", "+", "Control+ArrowRight"):
        still.keyboard.press(key)
    drawn = transforms(still)
    assert len(drawn) == 4 and len({tuple(one) for one in drawn.values()}) == 1
    still.select_option("#fourth", "error_gsjbu")
    still.wait_for_function("() => document.querySelector('.tag.fourth').textContent.includes('Error')")
    box = still.locator(".stage").bounding_box()
    assert box is not None
    still.mouse.click(box["x"] + 0.75 * box["width"] + 1, box["y"] + 0.75 * box["height"] + 1)
    chosen = state(still, "point")
    middle = still.evaluate("(() => { const v = document.getElementById('viewer').view; return [v.x, v.y]; })()")
    assert isinstance(chosen, dict)
    assert [chosen["x"], chosen["y"]] == pytest.approx([128 * at for at in middle], abs=2)
    tab(still, "kernel")
    assert still.locator(".tag.fourth").is_visible()
    still.click("#grid")
    assert still.get_attribute("#viewer", "data-layout") == "divider"
    assert still.locator("#third").is_hidden()


def test_the_difference_is_that_of_the_colours_shown(still: Page) -> None:
    still.select_option("#left", "original")
    still.wait_for_selector("#viewer[data-left=original]")
    still.click("#difference")
    painted(still)
    first = next(iter(SAMPLES))
    result = pipeline.run(SAMPLES[first].image, ASKED, sample=SAMPLES[first])
    apart = still.evaluate(
        """() => import('/static/js/difference.js').then((m) => {
          const { panes, view } = document.getElementById('viewer');
          return m.difference(panes.left, panes.right, view.image).high;
        })"""
    )
    panels = {p.name: p.picture.astype(int) for p in result.panels if p.name in ("original", "gsjbu_rgb")}
    most = np.abs(panels["original"] - panels["gsjbu_rgb"]).sum(2).max() / 765
    assert apart == pytest.approx(most, abs=1e-6)
    assert "difference" in still.inner_text(".tag.left")
    assert still.locator(".tag.right").is_hidden()


def test_held_keys_flip(still: Page) -> None:
    still.focus(".handle")
    still.keyboard.press("Home")  # the right panel is all that is seen
    right = canvas_at(still, 65.5, 37.5)
    still.keyboard.down("b")
    left = canvas_at(still, 65.5, 37.5)
    assert left != right
    assert still.inner_text(".tag.right").strip() == "Bilinear"
    still.keyboard.up("b")
    assert canvas_at(still, 65.5, 37.5) == right
    still.focus("#blink")
    still.keyboard.down(" ")
    assert canvas_at(still, 65.5, 37.5) == left
    still.keyboard.up(" ")
    assert canvas_at(still, 65.5, 37.5) == right


@pytest.mark.address("features=off")
def test_a_line_gives_the_profile_of_every_method(still: Page) -> None:
    still.click("#line")
    still.wait_for_selector("#chart-profile[aria-selected=true]")
    still.wait_for_selector("#chart .curve")
    assert state(still, "line") == {"x0": 0, "y0": 256, "x1": 511, "y1": 256}
    still.mouse.move(*on_stage(still, 100.5, 300.5))
    still.mouse.down()
    still.mouse.move(*on_stage(still, 400.5, 300.5), steps=4)
    still.mouse.up()
    still.wait_for_function(
        """() => import('/static/js/state.js').then(({state}) =>
          state.profile?.line.x0 === 100 && state.profile.line.x1 === 400)"""
    )
    curves = still.evaluate(
        """() => import('/static/js/state.js').then(({state}) =>
          state.profile.curves.map((c) => [c.panel.name, c.points]))"""
    )
    names = [name for name, _ in curves]
    assert names == ["original", "lr", "bilinear_rgb", "gsjbu_rgb"]
    image = SAMPLES[next(iter(SAMPLES))].image.numpy()
    expected = image[:, 300, 100:401].mean(0)
    found = np.array(curves[0][1])
    assert found[:, 0] == pytest.approx(np.arange(301))
    assert np.abs(found[:, 1] - expected).max() < 0.5 / 255 + 1e-6
    still.focus("#chart svg")
    still.keyboard.press("End")
    assert "GS-JBU, 300 px" in still.text_content("#chart .note")  # type: ignore[operator]
    still.focus(".stage")
    still.keyboard.press("ArrowDown")
    assert state(still, "line.y0") == state(still, "point.y")
    still.click("#line")
    assert state(still, "line") is None
    still.evaluate("document.getElementById('report').scrollTop = 0")
    still.click("#line")
    chart, report = (still.locator(f"#{one}").bounding_box() for one in ("chart", "report"))
    assert chart and report and chart["y"] + chart["height"] <= report["y"] + report["height"] + 1, "it is seen"


def test_a_hundred_percent_and_full_screen(still: Page) -> None:
    still.focus(".stage")
    still.keyboard.press("9")
    painted(still)
    assert still.evaluate("document.getElementById('viewer').view.scale") == pytest.approx(1)
    still.keyboard.press("0")
    still.click("#actual")
    assert still.evaluate("document.getElementById('viewer').view.scale") == pytest.approx(1)
    still.click("#full")
    still.wait_for_function("() => document.fullscreenElement?.id === 'panel'")
    still.wait_for_selector("#full[aria-pressed=true]")
    still.focus(".stage")
    still.keyboard.press("f")
    still.wait_for_function("() => !document.fullscreenElement")
    assert shown(still)


def test_a_rectangle_gives_mean_and_spread_of_every_method(still: Page) -> None:
    still.click("#region")
    assert still.get_attribute("#region", "aria-pressed") == "true"
    still.wait_for_selector("#region-told:visible")
    for x, y in ((35, 50), (25, 40)):  # from the lower right
        still.mouse.move(*on_stage(still, x + 0.5, y + 0.5))
        still.mouse.down() if x == 35 else still.mouse.up()
    still.wait_for_selector("#region-told[data-region='25 40 35 50']")
    told = {
        row.get_attribute("data-panel"): json.loads(row.get_attribute("data-told") or "")
        for row in still.locator("#region-table tbody tr").all()
    }
    first = SAMPLES[next(iter(SAMPLES))]
    result = pipeline.run(first.image, ASKED, sample=first)
    asked = result.region(25, 40, 35, 50)
    assert {"bilinear_rgb", "gsjbu_rgb", "error_bilinear", "error_gsjbu"} <= set(told)
    for name, found in told.items():
        for fact in ("mean", "std", "low", "high"):
            assert found[fact] == pytest.approx(asked[name][fact], abs=1e-5)
    still.focus(".stage")
    still.keyboard.press("ArrowRight")  # about the chosen pixel, which was the middle
    still.wait_for_selector("#region-told[data-region='57 56 73 72']")
    still.wait_for_function("() => document.getElementById('announcer').textContent.includes('Region of 17 × 17 px')")
    heard = still.text_content("#announcer") or ""
    assert still.inner_text("#pixel-line") in heard and "Mean" in heard, "the pixel and the region's numbers"
    tab(still, "kernel")
    still.wait_for_selector("#region-table tr[data-panel=sigma_x]")
    still.click("#line")
    still.wait_for_selector("#region-told", state="hidden")
    assert still.get_attribute("#region", "aria-pressed") == "false"


@pytest.mark.address("group=segments&resolution=128")
def test_the_choosers_begin_with_what_tells_panels_apart(still: Page) -> None:
    """And have the whole name as their title, as have those of the strip, which are cut short, too."""
    for language, begins in (
        ("en", {"left": "Plain (Bilinear) · ", "right": "Adapted (auto) · "}),
        ("zh-Hans", {"left": "普通（双线性） · ", "right": "自适应（自动） · "}),
    ):
        if language != "en":
            still.click("#language")
        still.wait_for_selector(f"html[lang={language}]")
        for side in ("left", "right"):
            chosen = still.inner_text(f"#{side} option:checked")
            assert chosen.startswith(begins[side])
            whole = still.get_attribute(f"#{side} option:checked", "title")
            assert still.get_attribute(f"#{side}", "title") == whole, (language, side)
            assert still.inner_text(f".tag.{side} .name") == chosen
            name = still.locator(f"#strip .cell[data-panel={state(still, f'view.{side}')}] .name")
            assert name.get_attribute("title") == whole, (language, side)
            assert name.inner_text() == chosen
    assert still.get_attribute("#verdict", "data-winner") is None, "RGB's figures are not those of segments"
