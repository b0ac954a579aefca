"""The runs of a visit: listed with their figures, had back with one press, two of them beside each other."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page

from tests.browser.hands import depth, set_slider, shown, state

pytestmark = pytest.mark.address("resolution=128&features=off")


def test_runs_are_listed_had_back_and_compared(still: Page) -> None:
    first = shown(still)
    figure = still.inner_text("#metrics tr[data-method=gsjbu] td")
    set_slider(still, "stride", 32)
    second = shown(still, first)
    still.click("#chart-runs")
    assert still.locator(".runs li").count() == 2
    assert still.locator(f".runs .back[data-job='{second}']").get_attribute("aria-current") == "true"
    older = still.locator(f".runs .back[data-job='{first}']")
    assert f"PSNR {figure} dB" in older.inner_text() and "stride 16" in older.inner_text()

    still.click(f".runs li:has([data-job='{first}']) .icon")
    still.wait_for_selector(f"#viewer[data-left='run_{first}'][data-right='run_{second}']")
    assert still.get_attribute("#tab-runs", "aria-selected") == "true"
    names = still.eval_on_selector_all("#strip .words", "all => all.map((one) => one.textContent)")
    assert names == ["Stride 16", "Stride 32"], "what tells them apart, and no more"

    older.focus()
    still.keyboard.press("Enter")
    assert shown(still, second) == first
    assert state(still, "settings.stride") == 16
    assert still.inner_text("#metrics tr[data-method=gsjbu] td") == figure
    still.wait_for_selector("#tab-rgb[aria-selected=true]")
    assert still.evaluate("document.activeElement.dataset.job") == first, "the focus stays on what was pressed"
    assert still.locator(".runs li").count() == 2, "coming back is no new run"
    assert still.locator("#tab-runs").count() == 0, "the pair is of what was on show"

    still.click(f".runs li:has([data-job='{second}']) .icon")
    still.wait_for_selector("#tab-runs[aria-selected=true]")
    still.click("#samples [data-sample=wires]")
    shown(still, first)
    still.wait_for_selector("#tab-rgb[aria-selected=true]")
    assert still.locator("#tab-runs").count() == 0
    assert still.get_attribute("#viewer", "data-left") == "bilinear_rgb", "another picture's runs are not on its stage"
    still.wait_for_function("() => document.getElementById('announcer').textContent.startsWith('Done.')")
    assert still.inner_text("#verdict") in (still.text_content("#announcer") or ""), (
        "a screen reader hears how it ended"
    )


@pytest.mark.address("resolution=128")
def test_a_choice_is_not_cut_and_a_reason_is_said_once(still: Page) -> None:
    for name in ("objective", "methods", "backbone", "segmentation"):
        cut = still.eval_on_selector(
            f"[data-setting={name}] select",
            """(node) => {
              const line = Object.assign(document.createElement('canvas')).getContext('2d');
              line.font = getComputedStyle(node).font;
              return line.measureText(node.selectedOptions[0].text).width > node.clientWidth - 24;
            }""",
        )
        assert not cut, name
    marks = still.eval_on_selector_all("#controls-main option[disabled]", "all => all.map((o) => o.text.length)")
    assert all(length < 64 for length in marks), "a mark, not a sentence"
    reasons = still.eval_on_selector_all(".absent .why", "all => all.map((p) => p.textContent)")
    titles = still.eval_on_selector_all(
        ".setting.choice:not([data-setting=device]) option[disabled]", "all => all.map((o) => o.title)"
    )
    assert set(reasons) == set(titles) and len(reasons) == len(set(reasons))


def test_what_differs_between_runs_is_named(still: Page) -> None:
    first = shown(still)
    still.click("#chart-runs")
    said = ".runs .back[data-job='{}'] .quiet"
    assert still.inner_text(said.format(first)) == "stride 16, 10 steps, radius 2 · Resolution 128 · Features off"
    still.select_option("[data-setting=optimiser] select", "adam")
    second = shown(still, first)
    still.select_option("[data-setting=lr_image] select", "area")
    third = shown(still, second)
    lines = [still.inner_text(said.format(job)) for job in (first, second, third)]
    assert len(set(lines)) == 3, lines
    choices = {
        name: still.eval_on_selector_all(f"[data-setting={name}] option", "all => all.map((o) => o.text)")
        for name in ("optimiser", "lr_image")
    }
    assert f"Optimiser {choices['optimiser'][0]}" in lines[0] and f"Optimiser {choices['optimiser'][1]}" in lines[1]
    assert f"LR image {choices['lr_image'][0]}" in lines[1] and f"LR image {choices['lr_image'][2]}" in lines[2]
    still.set_input_files("#signal-file", depth())
    fourth = shown(still, third)
    assert still.inner_text(said.format(fourth)).endswith("depth.npy (heat map)")
