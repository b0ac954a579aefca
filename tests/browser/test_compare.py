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


def test_a_grid_of_four_moves_as_one(page: Page) -> None:
    page.click("#grid")
    page.wait_for_selector("#fourth:visible")
    names = [page.input_value(f"#{side}") for side in ("left", "right", "third", "fourth")]
    assert names == ["bilinear_rgb", "gsjbu_rgb", "original", "lr"]
    page.focus(".stage")
    for key in ("+", "+", "Control+ArrowRight"):
        page.keyboard.press(key)
    drawn = transforms(page)
    assert len(drawn) == 4 and len({tuple(one) for one in drawn.values()}) == 1
    page.select_option("#fourth", "error_gsjbu")
    page.wait_for_function("() => document.querySelector('.tag.fourth').textContent.includes('Error')")
    box = page.locator(".stage").bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + 0.75 * box["width"] + 1, box["y"] + 0.75 * box["height"] + 1)
    chosen = state(page, "point")
    middle = page.evaluate("(() => { const v = document.getElementById('viewer').view; return [v.x, v.y]; })()")
    assert isinstance(chosen, dict)
    assert [chosen["x"], chosen["y"]] == pytest.approx([128 * at for at in middle], abs=2)
    tab(page, "kernel")
    assert page.locator(".tag.fourth").is_visible()
    page.click("#grid")
    assert page.get_attribute("#viewer", "data-layout") == "divider"
    assert page.locator("#third").is_hidden()


def test_the_difference_is_that_of_the_colours_shown(page: Page) -> None:
    page.select_option("#left", "original")
    page.wait_for_selector("#viewer[data-left=original]")
    page.click("#difference")
    painted(page)
    first = next(iter(SAMPLES))
    result = pipeline.run(SAMPLES[first].image, ASKED, sample=SAMPLES[first])
    apart = page.evaluate(
        """() => import('/static/js/difference.js').then((m) => {
          const { panes, view } = document.getElementById('viewer');
          return m.difference(panes.left, panes.right, view.image).high;
        })"""
    )
    panels = {p.name: p.picture.astype(int) for p in result.panels if p.name in ("original", "gsjbu_rgb")}
    most = np.abs(panels["original"] - panels["gsjbu_rgb"]).sum(2).max() / 765
    assert apart == pytest.approx(most, abs=1e-6)
    assert "difference" in page.inner_text(".tag.left")
    assert page.locator(".tag.right").is_hidden()


def test_held_keys_flip(page: Page) -> None:
    page.focus(".handle")
    page.keyboard.press("Home")  # the right panel is all that is seen
    right = canvas_at(page, 65.5, 37.5)
    page.keyboard.down("b")
    left = canvas_at(page, 65.5, 37.5)
    assert left != right
    assert page.inner_text(".tag.right").strip() == "Bilinear"
    page.keyboard.up("b")
    assert canvas_at(page, 65.5, 37.5) == right
    page.focus("#blink")
    page.keyboard.down(" ")
    assert canvas_at(page, 65.5, 37.5) == left
    page.keyboard.up(" ")
    assert canvas_at(page, 65.5, 37.5) == right


@pytest.mark.address("features=off")
def test_a_line_gives_the_profile_of_every_method(page: Page) -> None:
    page.click("#line")
    page.wait_for_selector("#chart-profile[aria-selected=true]")
    page.wait_for_selector("#chart .curve")
    assert state(page, "line") == {"x0": 0, "y0": 256, "x1": 511, "y1": 256}
    page.mouse.move(*on_stage(page, 100.5, 300.5))
    page.mouse.down()
    page.mouse.move(*on_stage(page, 400.5, 300.5), steps=4)
    page.mouse.up()
    page.wait_for_function(
        """() => import('/static/js/state.js').then(({state}) =>
          state.profile?.line.x0 === 100 && state.profile.line.x1 === 400)"""
    )
    curves = page.evaluate(
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
    page.focus("#chart svg")
    page.keyboard.press("End")
    assert "GS-JBU, 300 px" in page.text_content("#chart .note")  # type: ignore[operator]
    page.focus(".stage")
    page.keyboard.press("ArrowDown")
    assert state(page, "line.y0") == state(page, "point.y")
    page.click("#line")
    assert state(page, "line") is None
    page.evaluate("document.getElementById('report').scrollTop = 0")
    page.click("#line")
    chart, report = (page.locator(f"#{one}").bounding_box() for one in ("chart", "report"))
    assert chart and report and chart["y"] + chart["height"] <= report["y"] + report["height"] + 1, "it is seen"


def test_a_hundred_percent_and_full_screen(page: Page) -> None:
    page.focus(".stage")
    page.keyboard.press("9")
    painted(page)
    assert page.evaluate("document.getElementById('viewer').view.scale") == pytest.approx(1)
    page.keyboard.press("0")
    page.click("#actual")
    assert page.evaluate("document.getElementById('viewer').view.scale") == pytest.approx(1)
    page.click("#full")
    page.wait_for_function("() => document.fullscreenElement?.id === 'panel'")
    page.wait_for_selector("#full[aria-pressed=true]")
    page.focus(".stage")
    page.keyboard.press("f")
    page.wait_for_function("() => !document.fullscreenElement")
    assert shown(page)


def test_a_rectangle_gives_mean_and_spread_of_every_method(page: Page) -> None:
    page.click("#region")
    assert page.get_attribute("#region", "aria-pressed") == "true"
    page.wait_for_selector("#region-told:visible")
    for x, y in ((35, 50), (25, 40)):  # from the lower right
        page.mouse.move(*on_stage(page, x + 0.5, y + 0.5))
        page.mouse.down() if x == 35 else page.mouse.up()
    page.wait_for_selector("#region-told[data-region='25 40 35 50']")
    told = {
        row.get_attribute("data-panel"): json.loads(row.get_attribute("data-told") or "")
        for row in page.locator("#region-table tbody tr").all()
    }
    first = SAMPLES[next(iter(SAMPLES))]
    result = pipeline.run(first.image, ASKED, sample=first)
    asked = result.region(25, 40, 35, 50)
    assert {"bilinear_rgb", "gsjbu_rgb", "error_bilinear", "error_gsjbu"} <= set(told)
    for name, found in told.items():
        for fact in ("mean", "std", "low", "high"):
            assert found[fact] == pytest.approx(asked[name][fact], abs=1e-5)
    page.focus(".stage")
    page.keyboard.press("ArrowRight")  # about the chosen pixel, which was the middle
    page.wait_for_selector("#region-told[data-region='57 56 73 72']")
    page.wait_for_function("() => document.getElementById('announcer').textContent.includes('Region of 17 × 17 px')")
    heard = page.text_content("#announcer") or ""
    assert page.inner_text("#pixel-line") in heard and "Mean" in heard, "the pixel and the region's numbers"
    tab(page, "kernel")
    page.wait_for_selector("#region-table tr[data-panel=sigma_x]")
    page.click("#line")
    page.wait_for_selector("#region-told", state="hidden")
    assert page.get_attribute("#region", "aria-pressed") == "false"


@pytest.mark.address("group=segments&resolution=128")
def test_the_choosers_begin_with_what_tells_panels_apart(page: Page) -> None:
    """And have the whole name as their title, as have those of the strip, which are cut short, too."""
    for language, begins in (
        ("en", {"left": "Plain (Bilinear) · ", "right": "Adapted (auto) · "}),
        ("zh-Hans", {"left": "普通（双线性） · ", "right": "自适应（自动） · "}),
    ):
        if language != "en":
            page.click("#language")
        page.wait_for_selector(f"html[lang={language}]")
        for side in ("left", "right"):
            chosen = page.inner_text(f"#{side} option:checked")
            assert chosen.startswith(begins[side])
            whole = page.get_attribute(f"#{side} option:checked", "title")
            assert page.get_attribute(f"#{side}", "title") == whole, (language, side)
            assert page.inner_text(f".tag.{side} .name") == chosen
            name = page.locator(f"#strip .cell[data-panel={state(page, f'view.{side}')}] .name")
            assert name.get_attribute("title") == whole, (language, side)
            assert name.inner_text() == chosen
    assert page.get_attribute("#verdict", "data-winner") is None, "RGB's figures are not those of segments"
