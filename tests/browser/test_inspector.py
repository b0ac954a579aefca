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


def test_the_window_is_of_the_method_on_the_right(page: Page, server: Server) -> None:
    job = bring(page, depth())
    choose_pixel(page, 52, 70)
    for method, name in NAMES.items():
        rows = right(page, method)
        asked = f"{server.url}/api/jobs/{job}/kernel?x=52&y=70&group=signal&method={method}"
        told = page.request.get(asked).json()
        assert rows == [[one["qx"], one["qy"], one["weight"]] for one in told["window"]]
        assert f"x 52, y 70, {name}: a mix of {len(rows)} " in page.inner_text("#pixel-line")
        notes = page.eval_on_selector_all("#pixel-notes p", "all => all.map((one) => one.textContent)")
        assert notes == told["notes"]
        kept = page.evaluate("document.getElementById('viewer').windowEllipses?.cx.length ?? 0")
        assert kept == (0 if method == "bilinear" else len(rows))
    assert len(rows) == 4 and page.locator("#parts canvas").count() == 2
    tab(page, "kernel")
    page.wait_for_selector("#pixel[data-method='rgb gsjbu']")
    assert "Fitted to the image's colours" in page.inner_text("#caption")


def test_cells_without_a_value_are_not_among_them(page: Page) -> None:
    bring(page, depth(gaps=True))
    choose_pixel(page, 46, 60)
    for method in NAMES:
        taken = right(page, method)
        assert not [one for one in taken if 6 <= one[0] < 10 and 6 <= one[1] < 10], method
        assert sum(one[2] for one in taken) == pytest.approx(1, abs=1e-6)
        assert "Sum of weights 1.000" in page.inner_text("#pixel-line")
    choose_pixel(page, 64, 64)
    page.wait_for_selector("#pixel[data-x='64'][data-method='signal bilinear']")
    assert "no low-resolution pixel with a value is in reach" in page.inner_text("#pixel-line")


def test_what_is_next_to_nothing_is_said_so(still: Page) -> None:
    choose_pixel(still, 60, 60)
    still.evaluate("document.getElementById('pixel-more').open = true")
    cells = still.eval_on_selector_all("#weights td", "all => all.map((one) => one.textContent)")
    assert "< 0.0001" in cells
    assert [one for one in cells if not re.fullmatch(r"< 0\.0001|[01]\.\d{4}", one)] == []


def test_all_gaussians_are_those_of_the_method_on_the_right(page: Page) -> None:
    bring(page, depth())
    with page.expect_response(lambda r: "/kernels?group=signal&method=auto" in r.url):
        page.click("#ellipses")
    with page.expect_response(lambda r: "/kernels?group=signal&method=bilinear" in r.url):
        page.select_option("#right", "signal_bilinear")
    page.wait_for_function("() => document.getElementById('viewer').ellipses?.cx.length === 0")
    page.click("#ellipses")


def test_figures_and_steps_are_those_of_what_is_on_show(page: Page) -> None:
    """No row that was not chosen, and the steps of the method on the right."""
    rows = page.eval_on_selector_all("#metrics tbody tr", "rows => rows.map((r) => r.dataset.method)")
    assert rows == ["bilinear", "gsjbu"]
    page.click("#chart-histograms")
    assert page.inner_text("#chart-of") == "Fitted to the image's colours."
    bring(
        page,
        np.random.default_rng(0).integers(0, 4, (4, 4), np.uint8).repeat(4, 0).repeat(4, 1),
        "labels.npy",
    )
    assert ", 0 steps for Adapted (auto), " in page.inner_text("#ran")
    page.select_option("#right", "signal_gsjbu")
    page.wait_for_function(
        "() => document.getElementById('ran').textContent.includes(', 10 steps for Paper (GS-JBU), ')"
    )
    job = shown(page)
    page.select_option("[data-setting=objective] select", "signal")
    shown(page, job)
    assert page.inner_text("#chart-of") == "Fitted to the signal."


def test_every_column_and_every_method_is_explained(page: Page) -> None:
    job = shown(page)
    page.click("#truth-scene button[data-what=depth][data-stride='16']")
    job = shown(page, job, timeout=60000)
    for said, better in (("en", "better"), ("zh", "越")):
        heads = page.eval_on_selector_all("#metrics thead th", "all => all.map((h) => [h.firstChild.data, h.title])")
        assert len(heads) == 5
        for name, title in heads:
            assert better in title and len(title) > len(name) + 12 and "{" not in title, title
        titles = page.eval_on_selector_all("#metrics tbody th", "all => all.map((h) => h.title)")
        assert len(set(titles)) == 3 and all(len(one) > 10 for one in titles), said
        page.click("#language")
        page.wait_for_selector("html[lang=zh-Hans]" if said == "en" else "html[lang=en]")


def given(page: Page, figures: dict[str, dict[str, float]]) -> None:
    page.evaluate(
        """(signal) => import('/static/js/state.js').then(({state, set}) =>
          set({result: {...state.result, metrics: {...state.result.metrics, signal}}}))""",
        figures,
    )


def test_a_verdict_has_three_names_at_most_and_says_where_columns_disagree(page: Page) -> None:
    job = shown(page)
    page.select_option("[data-setting=methods] select", "all")
    job = shown(page, job)
    page.click("#truth-scene button[data-what=depth][data-stride='16']")
    shown(page, job, timeout=60000)
    ids = ["bilinear", "bicubic", "fixed", "gsjbu", "auto", "tto_rgb", "tto_signal"]
    given(page, {one: {"rmse": 1 + n, "mae": 1 + n, "agrees": 0.9 + n / 100} for n, one in enumerate(ids)})
    said = page.inner_text("#verdict")
    assert said == "Plain (Bilinear) is closest to the truth: RMSE 1.00, against Bicubic 2.00 and Fixed kernel 3.00."
    assert page.is_hidden("#but")
    given(page, {one: {"rmse": 1 + n, "mae": 9 - n} for n, one in enumerate(ids)})
    assert page.inner_text("#but") == "By MAE another one is closer."
    given(page, {one: {"rmse": 1 if n < 5 else 2} for n, one in enumerate(ids)})
    assert page.inner_text("#verdict").startswith("5 methods are closest to the truth")
    page.click("#language")
    page.wait_for_selector("html[lang=zh-Hans]")
    assert page.inner_text("#verdict").startswith("5 种方法最接近真值")


@pytest.mark.address("resolution=256&features=off")
def test_what_was_measured_has_the_names_on_show(page: Page) -> None:
    job = shown(page)
    page.click("#truth-scene button[data-what=depth][data-stride='16']")
    job = shown(page, job, timeout=60000)
    assert "Plain (Bilinear) 13.5, Paper (GS-JBU) 16.3 and Adapted (auto) 8.7" in page.inner_text("#measured")
    for objective, name in (("rgb", "GS-JBU"), ("signal", "TTO on the signal"), ("auto", "Adapted (auto)")):
        page.select_option("[data-setting=objective] select", objective)
        job = shown(page, job, timeout=60000)
        assert page.is_visible("#measured") == (objective == "auto")
        names = page.eval_on_selector_all("#metrics tbody th", "all => all.map((one) => one.textContent)")
        assert names[1] == name
        dot = page.get_attribute("#metrics tbody tr:nth-child(2) .dot", "class") or ""
        assert dot.split()[1] == {"rgb": "m-gsjbu", "signal": "m-tto_signal", "auto": "m-auto"}[objective]
    assert "Plain (Bilinear) 13.5 and Adapted (auto) 8.7" in page.inner_text("#measured")


def test_a_setting_says_what_it_does_beside_the_others(page: Page) -> None:
    def why(name: str) -> str:
        return page.inner_text(f"#setting-{name}-why") if page.is_visible(f"#setting-{name}-why") else ""

    assert why("optimiser") == "" == why("iters") and page.is_enabled("#setting-optimiser")
    assert page.is_disabled("#setting-backbone") and "features are off" in why("backbone")
    job = shown(page)
    page.select_option("[data-setting=objective] select", "auto")
    shown(page, job)
    assert page.is_disabled("#setting-optimiser") and "only a fit on RGB" in why("optimiser")
    assert page.is_enabled("#setting-iters") and "20 at most" in why("iters")
    assert page.is_enabled("#setting-lr_image") and "mean of the cell" in why("lr_image")


@pytest.mark.address("resolution=128&sample=wires&backbone=resnet18")
def test_features_are_named_and_warned_of_alike_wherever_they_are_shown(page: Page) -> None:
    choose_pixel(page, 60, 60)
    if state(page, "result.pretrained"):
        pytest.skip("ResNet-18's weights are here")
    status = state(page, "result.status.features")
    assert page.inner_text("#similarity-untrained") == status
    named = ["Plain (Bilinear)", "Paper (GS-JBU)"]
    for group in ("features", "segments", "similarity"):
        tab(page, group)
        assert page.inner_text("#said") == status
        assert page.is_hidden("#similarity-untrained") and page.is_hidden("#measured")
        options = page.eval_on_selector_all("#right option", "all => all.map((one) => one.textContent)")
        assert all(any(one.startswith(name) for one in options) for name in named), group
        assert not any(one.startswith(("GS-JBU", "Bilinear", "Auto")) for one in options), group
    assert "with Paper (GS-JBU)" in page.inner_text("#similarity-words")


@pytest.mark.address("resolution=128")
def test_a_cut_opens_on_the_chosen_pixels_segment(page: Page) -> None:
    tab(page, "segments")
    drawn = page.evaluate(
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
    choose_pixel(page, drawn[0], drawn[1])
    page.click("#cut")
    page.wait_for_selector("#cut-dialog[open]")
    assert page.input_value("#cut-class") == drawn[2] == "segment 6"
    page.keyboard.press("Escape")
