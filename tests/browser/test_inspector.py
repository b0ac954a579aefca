"""What is told of a pixel, of figures and of settings is told of what is on show: of the method on the right."""

from __future__ import annotations

import re

import numpy as np
import pytest
from playwright.sync_api import Page

from tests.browser.hands import Server, choose_pixel, npy_file, shown, state, tab

pytestmark = pytest.mark.address("resolution=128&features=off")

ROWS = "rows => rows.map((r) => [Number(r.dataset.qx), Number(r.dataset.qy), Number(r.dataset.weight)])"
NAMES = {"auto": "Adapted (auto)", "gsjbu": "Paper (GS-JBU)", "bilinear": "Plain (Bilinear)"}


def bring(page: Page, array: np.ndarray, name: str = "depth.npy") -> str:
    job = shown(page)
    page.set_input_files("#signal-file", npy_file(name, array))
    job = shown(page, job)
    tab(page, "signal")
    return job


def depth(gaps: bool = False) -> np.ndarray:
    found = (2 + np.random.default_rng(0).random((16, 16))).astype(np.float32)
    if gaps:
        found[6:10, 6:10] = np.nan
    return found


def right(page: Page, method: str) -> list[list[float]]:
    page.select_option("#right", f"signal_{method}")
    page.wait_for_selector(f"#pixel[data-method='signal {method}']")
    return page.eval_on_selector_all("#weights tbody tr", ROWS)


def test_the_window_is_of_the_method_on_the_right(still: Page, server: Server) -> None:
    job = bring(still, depth())
    choose_pixel(still, 52, 70)
    for method, name in NAMES.items():
        rows = right(still, method)
        asked = f"{server.url}/api/jobs/{job}/kernel?x=52&y=70&group=signal&method={method}"
        told = still.request.get(asked).json()
        assert rows == [[one["qx"], one["qy"], one["weight"]] for one in told["window"]]
        assert f"x 52, y 70, {name}: a mix of {len(rows)} " in still.inner_text("#pixel-line")
        notes = still.eval_on_selector_all("#pixel-notes p", "all => all.map((one) => one.textContent)")
        assert notes == told["notes"]
        kept = still.evaluate("document.getElementById('viewer').windowEllipses?.cx.length ?? 0")
        assert kept == (0 if method == "bilinear" else len(rows))
    assert len(rows) == 4 and still.locator("#parts canvas").count() == 2
    tab(still, "kernel")
    still.wait_for_selector("#pixel[data-method='rgb gsjbu']")
    assert "Fitted to the image's colours" in still.inner_text("#caption")


def test_cells_without_a_value_are_not_among_them(still: Page) -> None:
    bring(still, depth(gaps=True))
    choose_pixel(still, 46, 60)
    for method in NAMES:
        taken = right(still, method)
        assert not [one for one in taken if 6 <= one[0] < 10 and 6 <= one[1] < 10], method
        assert sum(one[2] for one in taken) == pytest.approx(1, abs=1e-6)
        assert "Sum of weights 1.000" in still.inner_text("#pixel-line")
    choose_pixel(still, 64, 64)
    still.wait_for_selector("#pixel[data-x='64'][data-method='signal bilinear']")
    assert "no low-resolution pixel with a value is in reach" in still.inner_text("#pixel-line")


def test_what_is_next_to_nothing_is_said_so(still: Page) -> None:
    choose_pixel(still, 60, 60)
    still.evaluate("document.getElementById('pixel-more').open = true")
    cells = still.eval_on_selector_all("#weights td", "all => all.map((one) => one.textContent)")
    assert "< 0.0001" in cells
    assert [one for one in cells if not re.fullmatch(r"< 0\.0001|[01]\.\d{4}", one)] == []


def test_all_gaussians_are_those_of_the_method_on_the_right(still: Page) -> None:
    bring(still, depth())
    with still.expect_response(lambda r: "/kernels?group=signal&method=auto" in r.url):
        still.click("#ellipses")
    with still.expect_response(lambda r: "/kernels?group=signal&method=bilinear" in r.url):
        still.select_option("#right", "signal_bilinear")
    still.wait_for_function("() => document.getElementById('viewer').ellipses?.cx.length === 0")
    still.click("#ellipses")


def test_figures_and_steps_are_those_of_what_is_on_show(still: Page) -> None:
    """No row that was not chosen, and the steps of the method on the right."""
    rows = still.eval_on_selector_all("#metrics tbody tr", "rows => rows.map((r) => r.dataset.method)")
    assert rows == ["bilinear", "gsjbu"]
    still.click("#chart-histograms")
    assert still.inner_text("#chart-of") == "Fitted to the image's colours."
    bring(
        still,
        np.random.default_rng(0).integers(0, 4, (4, 4), np.uint8).repeat(4, 0).repeat(4, 1),
        "labels.npy",
    )
    assert ", 0 steps for Adapted (auto), " in still.inner_text("#ran")
    still.select_option("#right", "signal_gsjbu")
    still.wait_for_function(
        "() => document.getElementById('ran').textContent.includes(', 10 steps for Paper (GS-JBU), ')"
    )
    job = shown(still)
    still.select_option("[data-setting=objective] select", "signal")
    shown(still, job)
    assert still.inner_text("#chart-of") == "Fitted to the signal."


def test_every_column_and_every_method_is_explained(still: Page) -> None:
    job = shown(still)
    still.click("#truth-scene button[data-what=depth][data-stride='16']")
    job = shown(still, job, timeout=60000)
    for said, better in (("en", "better"), ("zh", "越")):
        heads = still.eval_on_selector_all("#metrics thead th", "all => all.map((h) => [h.firstChild.data, h.title])")
        assert len(heads) == 5
        for name, title in heads:
            assert better in title and len(title) > len(name) + 12 and "{" not in title, title
        titles = still.eval_on_selector_all("#metrics tbody th", "all => all.map((h) => h.title)")
        assert len(set(titles)) == 3 and all(len(one) > 10 for one in titles), said
        still.click("#language")
        still.wait_for_selector("html[lang=zh-Hans]" if said == "en" else "html[lang=en]")


def given(page: Page, figures: dict[str, dict[str, float]]) -> None:
    page.evaluate(
        """(signal) => import('/static/js/state.js').then(({state, set}) =>
          set({result: {...state.result, metrics: {...state.result.metrics, signal}}}))""",
        figures,
    )


def test_a_verdict_has_three_names_at_most_and_says_where_columns_disagree(still: Page) -> None:
    job = shown(still)
    still.select_option("[data-setting=methods] select", "all")
    job = shown(still, job)
    still.click("#truth-scene button[data-what=depth][data-stride='16']")
    shown(still, job, timeout=60000)
    ids = ["bilinear", "bicubic", "fixed", "gsjbu", "auto", "tto_rgb", "tto_signal"]
    given(still, {one: {"rmse": 1 + n, "mae": 1 + n, "agrees": 0.9 + n / 100} for n, one in enumerate(ids)})
    said = still.inner_text("#verdict")
    assert said == "Plain (Bilinear) is closest to the truth: RMSE 1.00, against Bicubic 2.00 and Fixed kernel 3.00."
    assert still.is_hidden("#but")
    given(still, {one: {"rmse": 1 + n, "mae": 9 - n} for n, one in enumerate(ids)})
    assert still.inner_text("#but") == "By MAE another one is closer."
    given(still, {one: {"rmse": 1 if n < 5 else 2} for n, one in enumerate(ids)})
    assert still.inner_text("#verdict").startswith("5 methods are closest to the truth")
    still.click("#language")
    still.wait_for_selector("html[lang=zh-Hans]")
    assert still.inner_text("#verdict").startswith("5 种方法最接近真值")


@pytest.mark.address("resolution=256&features=off")
def test_what_was_measured_has_the_names_on_show(still: Page) -> None:
    job = shown(still)
    still.click("#truth-scene button[data-what=depth][data-stride='16']")
    job = shown(still, job, timeout=60000)
    assert "Plain (Bilinear) 13.5, Paper (GS-JBU) 16.3 and Adapted (auto) 8.7" in still.inner_text("#measured")
    for objective, name in (("rgb", "GS-JBU"), ("signal", "TTO on the signal"), ("auto", "Adapted (auto)")):
        still.select_option("[data-setting=objective] select", objective)
        job = shown(still, job, timeout=60000)
        assert still.is_visible("#measured") == (objective == "auto")
        names = still.eval_on_selector_all("#metrics tbody th", "all => all.map((one) => one.textContent)")
        assert names[1] == name
        dot = still.get_attribute("#metrics tbody tr:nth-child(2) .dot", "class") or ""
        assert dot.split()[1] == {"rgb": "m-gsjbu", "signal": "m-tto_signal", "auto": "m-auto"}[objective]
    assert "Plain (Bilinear) 13.5 and Adapted (auto) 8.7" in still.inner_text("#measured")


def test_a_setting_says_what_it_does_beside_the_others(still: Page) -> None:
    def why(name: str) -> str:
        return still.inner_text(f"#setting-{name}-why") if still.is_visible(f"#setting-{name}-why") else ""

    assert why("optimiser") == "" == why("iters") and still.is_enabled("#setting-optimiser")
    assert still.is_disabled("#setting-backbone") and "features are off" in why("backbone")
    job = shown(still)
    still.select_option("[data-setting=objective] select", "auto")
    shown(still, job)
    assert still.is_disabled("#setting-optimiser") and "only a fit on RGB" in why("optimiser")
    assert still.is_enabled("#setting-iters") and "20 at most" in why("iters")
    assert still.is_enabled("#setting-lr_image") and "mean of the cell" in why("lr_image")


@pytest.mark.address("resolution=128&sample=wires&backbone=resnet18")
def test_features_are_named_and_warned_of_alike_wherever_they_are_shown(still: Page) -> None:
    choose_pixel(still, 60, 60)
    if state(still, "result.pretrained"):
        pytest.skip("ResNet-18's weights are here")
    status = state(still, "result.status.features")
    assert still.inner_text("#similarity-untrained") == status
    named = ["Plain (Bilinear)", "Paper (GS-JBU)"]
    for group in ("features", "segments", "similarity"):
        tab(still, group)
        assert still.inner_text("#said") == status
        assert still.is_hidden("#similarity-untrained") and still.is_hidden("#measured")
        options = still.eval_on_selector_all("#right option", "all => all.map((one) => one.textContent)")
        assert all(any(one.startswith(name) for one in options) for name in named), group
        assert not any(one.startswith(("GS-JBU", "Bilinear", "Auto")) for one in options), group
    assert "with Paper (GS-JBU)" in still.inner_text("#similarity-words")


@pytest.mark.address("resolution=128")
def test_a_cut_opens_on_the_chosen_pixels_segment(still: Page) -> None:
    tab(still, "segments")
    drawn = still.evaluate(
        """() => {
          const { panel, picture } = document.getElementById('viewer').panes.right;
          const canvas = Object.assign(document.createElement('canvas'), { width: panel.width, height: panel.height });
          const context = canvas.getContext('2d');
          context.drawImage(picture, 0, 0);
          const { data } = context.getImageData(0, 0, panel.width, panel.height);
          const last = panel.legend.at(-1);
          const [r, g, b] = [1, 3, 5].map((i) => parseInt(last.colour.slice(i, i + 2), 16));
          for (let i = 0; i < data.length; i += 4)
            if (data[i] === r && data[i + 1] === g && data[i + 2] === b)
              return [(i / 4) % panel.width, Math.floor(i / 4 / panel.width), last.name];
          return null;
        }"""
    )
    choose_pixel(still, drawn[0], drawn[1])
    still.click("#cut")
    still.wait_for_selector("#cut-dialog[open]")
    assert still.input_value("#cut-class") == drawn[2] == "segment 6"
    still.keyboard.press("Escape")
