"""A truth beside a signal: a scene's own by one click, measured as the command line does; one that is brought."""

from __future__ import annotations

import io
import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page

from gsjbu.samples import SAMPLES
from tests import zygote
from tests.browser.hands import (
    ROOT,
    Watch,
    depth,
    forget,
    hand_over,
    npy_file,
    settled,
    shown,
    state,
)
from tests.npy import npy

pytestmark = pytest.mark.address("resolution=128&features=off")

FIRST = next(iter(SAMPLES))
NOTHING_SENT = "() => import('/static/js/state.js').then(({state}) => state.sending.length === 0)"


@pytest.mark.parametrize(("what", "stride"), [("depth", 16), ("labels", 8)])
def test_a_scenes_own_by_one_click_has_the_command_lines_figures(still: Page, what: str, stride: int) -> None:
    job = shown(still)
    button = f"#truth-scene button[data-what={what}][data-stride='{stride}']"
    still.focus(button)
    still.keyboard.press("Enter")
    shown(still, job, timeout=60000)
    assert still.eval_on_selector(button, "one => one === document.activeElement"), "the new button has the focus"
    assert still.inner_text("#signal-reason") == "made of its truth, cell by cell."
    assert still.get_attribute("#tab-signal", "aria-selected") == "true"
    assert still.get_attribute("#viewer", "data-left") == "signal_bilinear"
    assert still.get_attribute("#viewer", "data-right") == "signal_auto"
    assert still.get_attribute("#verdict", "data-winner") == "auto"
    assert "Adapted (auto) is closest to the truth" in still.inner_text("#verdict")
    rows = still.eval_on_selector_all("#metrics tbody tr", "rows => rows.map((r) => r.dataset.method)")
    assert rows == ["bilinear", "gsjbu", "auto"]
    panels = still.eval_on_selector_all("#strip .cell", "all => all.map((c) => c.dataset.panel)")
    assert {"signal_truth", "signal_error_bilinear", "signal_error_gsjbu", "signal_error_auto"} <= set(panels)
    still.click("#language")
    still.wait_for_selector("html[lang=zh-Hans]")
    named = {"depth": "深度", "labels": "标签"}[what]
    assert still.inner_text("#signal-name") == f"{named}，缩小 ×{stride}"
    still.click("#language")
    still.wait_for_selector("html[lang=en]")
    still.click("#chart-psnr")
    assert {"depth": "RMSE", "labels": "mIoU"}[what] in (still.get_attribute("#chart svg", "aria-label") or "")

    asked = [f"scene:{FIRST}", "--truth", f"scene:{what}", "--stride", str(stride), "--json", "--quiet"]
    asked += ["--resolution", "128"]
    done = subprocess.run(
        [zygote.python(), "-m", "gsjbu", "evaluate", *asked],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    on_the_page = state(still, "result.metrics.signal")
    for method, figures in json.loads(done.stdout)["metrics"].items():
        each = figures.pop("classes", {}), on_the_page[method].pop("classes", {})  # type: ignore[index]
        assert on_the_page[method] == pytest.approx(figures, abs=1e-6)  # type: ignore[index]
        assert each[1] == pytest.approx(each[0], abs=1e-6)


def test_a_truth_that_is_brought_and_taken_away(still: Page) -> None:
    job = shown(still)
    still.set_input_files("#signal-file", depth())
    job = shown(still, job)
    assert "Agrees" in still.inner_text("#metrics")
    assert "No truth to measure against" in still.inner_text("#verdict")
    still.set_input_files("#truth-file", depth("wrong.npy", 20))
    still.wait_for_selector("#notice.error")
    assert "wrong.npy is 20 × 20: a truth needs a value for each" in still.inner_text("#notice")
    assert shown(still) == job and state(still, "truth") is None
    still.set_input_files("#truth-file", npy_file("full.npy", np.random.default_rng(1).random((512, 512), np.float32)))
    job = shown(still, job)
    assert still.inner_text("#truth-name") == "Truth: full.npy"
    assert "closest to the truth" in still.inner_text("#verdict")
    still.click("#truth-drop")
    shown(still, job)
    assert still.locator("#truth-now").is_hidden()
    assert still.inner_text("#signal-name") == "depth.npy", "the signal stays"
    still.click("#chart-runs")
    lines = still.eval_on_selector_all(".runs .back", "all => all.map((one) => one.textContent)")
    assert ["Truth: full.npy" in line for line in lines] == [False, True, False], "each is a run of its own"
    assert "No truth to measure against" in still.inner_text("#verdict")


def test_a_truth_is_that_of_one_file_whatever_its_name(still: Page) -> None:
    job = shown(still)
    still.set_input_files("#signal-file", depth())
    job = shown(still, job)
    still.set_input_files("#truth-file", depth("full.npy", side=128))
    job = shown(still, job)
    still.select_option("#signal-kind", "heat_map")
    job = shown(still, job)
    assert still.inner_text("#truth-name") == "Truth: full.npy", "it is the same file"
    with still.expect_file_chooser() as chooser:
        still.click("#signal-another")
    chooser.value.set_files(depth(side=8))
    job = shown(still, job)
    assert state(still, "result.image.lr_width") == 8
    assert still.inner_text("#truth-name") == "Truth: full.npy", "it fits the next signal, too"
    assert state(still, "result.truth.name") == "full.npy"
    still.click("#signal-drop")
    shown(still, job)
    assert state(still, "truth") is None
    assert still.text_content("#toast p") == "full.npy, its truth, was taken off as well."


def test_a_truth_that_fits_no_more_goes_with_a_word(still: Page) -> None:
    """A scene's depth is no truth of labels, and a file's none of a picture of another shape."""
    job = shown(still)
    still.click("#truth-scene button[data-what=depth][data-stride='16']")
    job = shown(still, job)
    labels = SAMPLES[FIRST].labels[8::16, 8::16].numpy().astype(np.uint8)
    still.set_input_files("#signal-file", npy_file("labels.npy", labels))
    job = shown(still, job)
    assert state(still, "truth") is None and state(still, "signal.name") == "labels.npy"
    assert "Depth was taken off: it is of another kind" in (still.text_content("#toast p") or "")
    whole = SAMPLES[FIRST].labels.numpy().astype(np.uint8)
    still.set_input_files("#truth-file", npy_file("full.npy", whole))
    job = shown(still, job)
    out = io.BytesIO()
    Image.linear_gradient("L").resize((256, 160)).save(out, "PNG")
    still.set_input_files("#file", {"name": "wide.png", "mimeType": "image/png", "buffer": out.getvalue()})
    still.wait_for_function("() => document.getElementById('toast').textContent.includes('of another picture')")
    assert state(still, "truth") is None


def test_a_truth_of_a_picture_that_is_gone_is_none(page: Page, watch: Watch, tmp_path: Path) -> None:
    """A picture of the address alone cannot be sent again: no array is as large as it."""
    watch.expect("status of 404")
    job = shown(page)
    out = io.BytesIO()
    Image.linear_gradient("L").save(out, "PNG")
    page.set_input_files("#file", {"name": "mine.png", "mimeType": "image/png", "buffer": out.getvalue()})
    job = shown(page, job)
    page.set_input_files("#signal-file", depth())
    shown(page, job)
    settled(page)
    page.goto(page.url)
    shown(page)
    forget(page, "**/api/images/*")
    forget(page, "**/api/jobs")
    page.click("#run")
    page.wait_for_function("() => document.body.dataset.phase === 'failed'")
    assert page.locator("#truth-open").is_hidden()
    page.set_input_files("#truth-file", depth("full.npy", 128))
    page.wait_for_function(NOTHING_SENT)
    for side in (8, 128):
        (tmp_path / f"{side}.npy").write_bytes(npy(np.zeros((side, side), np.float32)))
    hand_over(page, [tmp_path / "8.npy", tmp_path / "128.npy"], "drop")
    page.wait_for_function("() => document.getElementById('toast').textContent.includes('128.npy')")
    assert state(page, "truth") is None and state(page, "signal.name") == "8.npy"


def test_one_at_full_size_is_reduced_here_and_goes_with_its_picture(still: Page) -> None:
    job = shown(still)
    still.set_input_files("#truth-file", npy_file("full.npy", SAMPLES[FIRST].depth.numpy()))
    job = shown(still, job)
    assert "reduced ×16" in still.inner_text("#signal-name")
    assert still.get_attribute("#verdict", "data-winner") == "auto"
    still.click("#truth-drop")
    shown(still, job)
    assert state(still, "signal") is None, "what was made of the truth goes with it"


def test_a_verdict_is_what_the_digits_say(still: Page) -> None:
    job = shown(still)
    still.click("#truth-scene button[data-what=depth][data-stride='16']")
    shown(still, job, timeout=60000)
    for figures, winner, said in (
        ([{"cosine": 0.99997}, {"cosine": 0.99996}, {"cosine": 1}], "tie", "All are equally close to the truth"),
        ([{"psnr": 26.3}, {"psnr": 29.2}, {"psnr": 36.9}], "auto", "PSNR 36.90 dB, against Paper (GS-JBU) 29.20 dB"),
        ([{"psnr": 26.3}, {"psnr": None}, {"psnr": 36.9}], "gsjbu", "PSNR ∞ dB, against Adapted (auto) 36.90"),
        ([{"rmse": 0.5}, {"rmse": 0.7}, {"rmse": 0.50001}], "tie", "close to the truth: RMSE 0.500, against Paper"),
    ):
        still.evaluate(
            """(signal) => import('/static/js/state.js').then(({state, set}) =>
              set({result: {...state.result, metrics: {...state.result.metrics, signal}}}))""",
            dict(zip(("bilinear", "gsjbu", "auto"), figures, strict=True)),
        )
        assert said in still.inner_text("#verdict")
        assert still.get_attribute("#verdict", "data-winner") == winner, said


@pytest.mark.address("resolution=128&features=off&methods=all")
def test_no_figure_is_cut_off(page: Page) -> None:
    """With every method, also beside a scroll bar."""
    job = shown(page)
    page.evaluate("document.getElementById('result').style.paddingRight = '15px'")
    for what in ("depth", "labels"):
        page.set_viewport_size({"width": 1440, "height": 900})
        page.click(f"#truth-scene button[data-what={what}][data-stride='16']")
        job = shown(page, job, timeout=60000)
        for language in ("zh-Hans", "en"):
            page.set_viewport_size({"width": 1440, "height": 900})
            page.click("#language")
            page.wait_for_selector(f"html[lang={language}]")
            for width in (375, 1120, 1440):
                page.set_viewport_size({"width": width, "height": 900})
                hidden = page.eval_on_selector("#result .scroll-x", "e => e.scrollWidth - e.clientWidth")
                assert hidden == 0, (what, language, width)
