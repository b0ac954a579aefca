"""The compare viewer: divider by mouse, touch and keys; one zoom for all panels; the values under the pointer."""

from __future__ import annotations

import random

import pytest
from playwright.sync_api import Browser, Page

from gsjbu.run import pipeline
from gsjbu.samples import SAMPLES
from gsjbu.settings import Settings
from tests.browser.hands import Server, Watch, canvas_at, choose_pixel, on_stage, painted, shown, state, tab

pytestmark = pytest.mark.address("resolution=128&features=off")


def at(page: Page) -> int:
    """The divider's place in percent, as a screen reader hears it."""
    return int(page.get_attribute(".handle", "aria-valuenow") or -1)


def test_divider_by_keys_and_by_a_click(still: Page) -> None:
    steps = {
        "ArrowLeft": 49, "ArrowRight": 51, "ArrowDown": 49, "ArrowUp": 51, "PageUp": 60, "PageDown": 40,
        "Home": 0, "End": 100, "1": 0, "2": 50, "3": 100,
    }  # fmt: skip
    still.focus(".handle")
    assert still.get_attribute(".handle", "role") == "slider"
    for key, expected in steps.items():
        still.keyboard.press("2")
        still.keyboard.press(key)
        assert at(still) == expected, key
        assert str(expected) in (still.get_attribute(".handle", "aria-valuetext") or "")

    still.keyboard.press("Home")
    still.keyboard.press("ArrowLeft")
    assert at(still) == 0, "it stays within its ends"
    still.keyboard.press("End")
    still.keyboard.press("PageUp")
    assert at(still) == 100, "it stays within its ends"

    box = still.locator(".ruler").bounding_box()
    assert box is not None
    still.mouse.click(box["x"] + 0.8 * box["width"], box["y"] + 12)
    assert abs(at(still) - 80) <= 1, "it jumps on a click"


def test_a_press_on_the_divider_is_over_once_it_is(still: Page) -> None:
    """The pixel below is chosen by the press that was meant for it, and by no other button later."""
    x, y = on_stage(still, 64, 32)
    still.mouse.click(x, y)
    assert state(still, "point") is not None and at(still) == 50
    still.focus(".stage")
    still.keyboard.press("Escape")
    still.mouse.click(x, y, button="right")
    assert state(still, "point") is None


def test_touch_divides_and_pinch_zooms(chromium: Browser, server: Server, watch: Watch) -> None:
    """A phone: a finger moves the divider; two fingers zoom and do not move it."""
    context = chromium.new_context(viewport={"width": 375, "height": 812}, has_touch=True, locale="en-GB")
    context.on("page", watch.follow)
    page = context.new_page()
    page.goto(f"{server.url}/?resolution=128&features=off")
    shown(page)
    page.locator("#viewer").scroll_into_view_if_needed()
    page.evaluate("document.getElementById('viewer').scrollIntoView({block: 'center'})")
    painted(page)
    touch = context.new_cdp_session(page)

    def send(kind: str, *points: tuple[float, float]) -> None:
        touch.send(
            "Input.dispatchTouchEvent",
            {"type": kind, "touchPoints": [{"x": x, "y": y, "id": i} for i, (x, y) in enumerate(points)]},
        )

    box = page.locator(".handle").bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    to, _ = on_stage(page, 0.75 * 128, 0)
    send("touchStart", (x, y))
    for step in range(1, 6):
        send("touchMove", (x + (to - x) * step / 5, y))
    send("touchEnd")
    assert abs(at(page) - 75) <= 1

    cx, cy = on_stage(page, 32, 64)
    send("touchStart", (cx - 20, cy), (cx + 20, cy))
    for spread in (30, 40, 50, 60):
        send("touchMove", (cx - spread, cy), (cx + spread, cy))
    send("touchEnd")
    zoom = float(page.get_attribute("#viewer", "data-zoom") or 0)
    assert 2.2 < zoom < 3.8
    assert abs(at(page) - 75) <= 1
    ix, iy = page.evaluate("(() => { const v = document.getElementById('viewer').view; return [v.x, v.y]; })()")
    assert ix < 0.5, "zoomed in where the fingers were, left of the middle"
    assert abs(iy - 0.5) < 0.1

    page.evaluate("document.getElementById('viewer').fit()")
    page.click("#region")
    page.evaluate("document.getElementById('viewer').scrollIntoView({block: 'center'})")
    painted(page)
    (x, y), (_, below) = on_stage(page, 50.5, 30.5), on_stage(page, 50.5, 100.5)
    send("touchStart", (x, y))
    for step in range(1, 11):
        send("touchMove", (x, y + (below - y) * step / 10))
    send("touchEnd")
    page.wait_for_selector("#region-told[data-region='50 30 50 100']")
    context.close()


@pytest.mark.address("resolution=128")
def test_zoom_and_pan_are_one_for_all_panels(still: Page) -> None:
    """Wheel, keys and buttons; whichever panel is put on either side, the same image point is at the same place."""
    still.focus(".stage")
    for _ in range(3):
        still.keyboard.press("+")  # from here on the picture fills the stage both ways
    x, y = on_stage(still, 50, 75)
    still.mouse.move(x, y)
    for _ in range(5):
        still.mouse.wheel(0, -100)
    painted(still)
    assert float(still.get_attribute("#viewer", "data-zoom") or 0) == pytest.approx(1.25**8, abs=0.02)
    nx, ny = on_stage(still, 50, 75)
    assert (nx, ny) == (pytest.approx(x, abs=2), pytest.approx(y, abs=2)), "what is under the pointer stays there"

    still.focus(".stage")
    still.keyboard.press("Control+ArrowRight")
    painted(still)
    assert on_stage(still, 50, 75)[0] == pytest.approx(nx - 48, abs=0.5)

    seen = set()
    for group in ("rgb", "features", "kernel"):
        tab(still, group)
        for name in still.eval_on_selector_all("#right option", "all => all.map((o) => o.value)"):
            still.select_option("#right", name)
            still.wait_for_selector(f"#viewer[data-right={name}]")
            painted(still)
            transforms = still.evaluate("document.getElementById('viewer').transforms")
            assert transforms["left"] == transforms["right"]
            seen.add(tuple(round(v, 6) for v in transforms["right"]))
    assert len(seen) == 1, "no panel changes the transform"


def test_coarse_panels_lie_on_the_image(still: Page) -> None:
    """An LR panel's pixel covers exactly its cell, with crisp edges, at any zoom."""
    tab(still, "kernel")
    still.select_option("#left", "sigma_x")
    still.wait_for_selector("#viewer[data-left=sigma_x]")
    still.focus(".handle")
    still.keyboard.press("End")
    for _ in range(3):
        still.keyboard.press("+")
    inside = [canvas_at(still, 16 * 3 + dx, 16 * 3 + dy) for dx in (1, 8, 15) for dy in (1, 8, 15)]
    assert all(c == inside[0] for c in inside), "one colour within a cell"


def test_zoom_ends(still: Page) -> None:
    still.focus(".handle")
    for _ in range(20):
        still.keyboard.press("+")
    assert float(still.get_attribute("#viewer", "data-zoom") or 0) == 32
    assert still.inner_text("#zoom-level") == "32×"
    still.keyboard.press("0")
    assert float(still.get_attribute("#viewer", "data-zoom") or 0) == 1
    still.click("#zoom-in")
    assert float(still.get_attribute("#viewer", "data-zoom") or 0) == 1.5
    still.click("#zoom-fit")
    assert float(still.get_attribute("#viewer", "data-zoom") or 0) == 1


def test_pan_by_dragging(still: Page) -> None:
    still.focus(".stage")
    for _ in range(6):
        still.keyboard.press("+")
    still.click("#tool")
    x, y = on_stage(still, 64, 64)
    still.mouse.move(x + 80, y - 60)
    still.mouse.down()
    still.mouse.move(x + 130, y - 30, steps=3)
    still.mouse.up()
    nx, ny = on_stage(still, 64, 64)
    assert (nx - x, ny - y) == (pytest.approx(50, abs=1), pytest.approx(30, abs=1))
    assert state(still, "point") is None, "moving the view chooses no pixel"


def test_a_finger_that_scrolls_the_page_chooses_nothing(still: Page) -> None:
    hands = still.context.new_cdp_session(still)

    def finger(*places: tuple[float, float]) -> None:
        for kind, (x, y) in zip(["touchStart", *["touchMove"] * (len(places) - 1)], places, strict=True):
            hands.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": x, "y": y}]})
        hands.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
        painted(still)

    x, y = on_stage(still, 40.5, 60.5)
    finger((x, y), (x, y - 20), (x, y - 60))
    assert state(still, "point") is None
    finger((x, y))
    assert state(still, "point") == {"x": 40, "y": 60}


@pytest.mark.address("features=off")
def test_readout_equals_the_values_of_the_run(still: Page) -> None:
    """10 random pixels: the numbers under the pointer are those of the library's own run."""
    first = next(iter(SAMPLES))
    result = pipeline.run(SAMPLES[first].image, Settings.parse({"features": False}), sample=SAMPLES[first])
    rng = random.Random(5)
    still.focus(".stage")
    for group, left, right in (("rgb", "bilinear_rgb", "gsjbu_rgb"), ("kernel", "sigma_x", "theta")):
        tab(still, group)
        still.select_option("#left", left)
        still.wait_for_selector(f"#viewer[data-left={left}]")
        still.select_option("#right", right)
        still.wait_for_selector(f"#viewer[data-right={right}]")
        for _ in range(5):
            x, y = rng.randrange(512), rng.randrange(512)
            still.mouse.move(*on_stage(still, x + 0.5, y + 0.5))
            still.wait_for_selector(f"#readout[data-x='{x}'][data-y='{y}'][data-exact=true]")
            expected = result.pixel(x, y)
            for side, name in (("left", left), ("right", right)):
                shown_values = still.eval_on_selector(
                    f"#readout .value[data-side={side}] .numbers", "node => JSON.parse(node.dataset.values)"
                )
                assert shown_values == pytest.approx(list(expected[name]), abs=2e-5), (name, x, y)
    assert "difference" not in still.inner_text("#readout"), "σx in pixels and θ in radians have no difference"


@pytest.mark.address("resolution=128")
def test_similarity_gives_the_layout_back(still: Page) -> None:
    """The maps stand side by side; whichever way they are left, the layout is the one from before."""
    job = shown(still)

    def layout() -> tuple[str | None, str | None]:
        pressed = still.get_attribute("#layout", "aria-pressed")
        return still.get_attribute("#viewer", "data-layout"), pressed

    def leave_by_tab() -> None:
        tab(still, "rgb")

    def leave_by_escape() -> None:
        still.focus(".stage")
        still.keyboard.press("Escape")

    def leave_by_features_off() -> None:
        still.evaluate("document.getElementById('more').open = true")
        still.uncheck("[data-setting=features] input")

    for leave in (leave_by_tab, leave_by_escape, leave_by_features_off):
        for before in (("divider", "false"), ("side", "true")):
            if layout() != before:
                still.click("#layout")
            if not still.is_checked("[data-setting=features] input"):
                still.check("[data-setting=features] input")
                job = shown(still, job)
            if state(still, "point") is None:
                choose_pixel(still, 50, 25)
            still.wait_for_selector("#tab-similarity, #similarity:not([hidden])")
            tab(still, "similarity")
            assert layout() == ("side", "true")
            leave()
            still.wait_for_selector("#tab-rgb[aria-selected=true]")
            assert layout() == before, leave.__name__
            job = shown(still)


def test_side_by_side_and_ellipses(still: Page) -> None:
    still.click("#layout")
    painted(still)
    assert still.get_attribute("#viewer", "data-layout") == "side"
    assert not still.locator(".handle").is_visible()
    transforms = still.evaluate("document.getElementById('viewer').transforms")
    assert transforms["left"] == transforms["right"]
    still.click("#layout")

    before = canvas_hash(still)
    with still.expect_response(lambda r: "/kernels?group=rgb&method=gsjbu" in r.url):
        still.click("#ellipses")
    still.wait_for_function("() => document.getElementById('viewer').ellipses")
    painted(still)
    after = canvas_hash(still)
    assert before != after
    still.click("#ellipses")
    painted(still)
    assert canvas_hash(still) == before


def canvas_hash(page: Page) -> str:
    """The stage's picture, as text to compare."""
    painted(page)
    return str(page.evaluate("document.getElementById('viewer').canvas.toDataURL()"))


@pytest.mark.address("group=segments&resolution=128")
def test_a_panels_dot_stands_beside_its_name_where_that_wraps(still: Page) -> None:
    still.set_viewport_size({"width": 375, "height": 800})
    painted(still)
    apart = still.eval_on_selector_all(
        ".tag:not([hidden]):is(.left, .right)",
        """tags => tags.map((tag) => {
          const words = document.createRange();
          words.selectNode(tag.querySelector('.name').lastChild);
          const line = words.getClientRects()[0], dot = tag.querySelector('.dot').getBoundingClientRect();
          return Math.abs((line.top + line.bottom) / 2 - (dot.top + dot.bottom) / 2);
        })""",
    )
    assert len(apart) == 2 and max(apart) < 6


@pytest.mark.address("resolution=128")
def test_a_clicked_pixel_is_asked_for_once(page: Page) -> None:
    page.evaluate(
        """() => {
          const fetched = window.fetch;
          window.pixels = [];
          window.fetch = async (address, ...more) => {
            if (String(address).includes('/pixel?')) {
              window.pixels.push(address);
              await new Promise((done) => setTimeout(done, 400));  // what the click brings comes before
            }
            return fetched(address, ...more);
          };
        }"""
    )
    choose_pixel(page, 60, 70)
    page.wait_for_selector("#readout[data-exact=true]")
    assert sum("x=60&y=70" in one for one in page.evaluate("window.pixels")) == 1
