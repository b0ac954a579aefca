"""Click to understand: similarity maps and the kernel inspector against the library, and the charts."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Page

from gsjbu.run import pipeline
from gsjbu.samples import SAMPLES
from gsjbu.settings import Settings
from tests.browser.hands import choose_pixel, on_stage, set_slider, shown, similarity, state, tab

pytestmark = pytest.mark.address("resolution=128")

FIRST = next(iter(SAMPLES))
ASKED = Settings.parse({"resolution": 128})


@pytest.fixture(scope="module")
def library() -> Any:
    """The same run by the library itself, in this process."""
    return pipeline.run(SAMPLES[FIRST].image, ASKED, sample=SAMPLES[FIRST])


def explained(page: Page, *begins: str) -> None:
    """The sentences beside the maps say what is in the maps."""
    said = page.inner_text("#similarity-words")
    shares, apart = {}, similarity(page, "gsjbu") - similarity(page, "bilinear")
    for name in ("bilinear", "gsjbu"):
        shares[name] = 100 * (similarity(page, name) >= 0.8).mean()
    first, share, differ = re.findall(r"[^.]+(?:\.\d[^.]*)*\.(?: |$)", said)
    assert all(word in first for word in begins)
    gsjbu, least, bilinear = (float(number) for number in re.findall(r"[\d.]*\d", share))
    assert least == 0.8
    assert (gsjbu, bilinear) == pytest.approx((shares["gsjbu"], shares["bilinear"]), abs=0.06)
    x, y, by = (float(number) for number in re.findall(r"[\d.]*\d", differ))
    assert ("(GS-JBU) says" in differ) == (apart[int(y), int(x)] > 0)
    assert by == pytest.approx(abs(apart).max(), abs=0.006)
    assert abs(apart[int(y), int(x)]) == pytest.approx(abs(apart).max(), abs=1e-4)


def test_similarity_equals_the_library(still: Page, library: Any) -> None:
    x, y = 75, 55
    choose_pixel(still, x, y)
    for name, expected in zip(("bilinear", "gsjbu"), library.similarity(x, y), strict=True):
        got = similarity(still, name)
        assert got[y, x] == pytest.approx(1, abs=1e-3)
        np.testing.assert_allclose(got, np.asarray(expected), atol=1e-3)
    explained(still, "75, 55")
    labels = still.eval_on_selector_all(
        "#similarity-maps canvas", "all => all.map((c) => c.getAttribute('aria-label'))"
    )
    assert len(labels) == 2 and all("75, 55" in label for label in labels)


def test_similarity_follows_the_held_pointer_and_the_keys(still: Page) -> None:
    still.mouse.move(*on_stage(still, 25.5, 25.5))
    still.mouse.down()
    still.wait_for_selector("#similarity[data-x='25'][data-y='25']")
    still.mouse.move(*on_stage(still, 50.5, 38.5), steps=8)
    still.wait_for_selector("#similarity[data-x='50'][data-y='38']")
    still.mouse.up()
    still.focus(".stage")
    still.keyboard.press("ArrowRight")
    still.keyboard.press("Shift+ArrowDown")
    still.wait_for_selector("#similarity[data-x='51'][data-y='48']")
    still.wait_for_selector("#pixel[data-x='51'][data-y='48']")
    tab(still, "similarity")
    assert still.get_attribute("#viewer", "data-left") == "similarity_bilinear"
    assert still.get_attribute("#viewer", "data-right") == "similarity_gsjbu"
    assert still.get_attribute("#viewer", "data-layout") == "side"


def test_a_kept_pixel_is_looked_for_in_the_next_picture(still: Page, library: Any) -> None:
    job = shown(still)
    choose_pixel(still, 75, 55)
    still.click("#similarity-keep")
    still.click("#samples .thumb >> nth=1")
    job = shown(still, job)
    still.wait_for_selector(f"#similarity[data-others='1'][data-job='{job}']")
    assert state(still, "point") is None
    name = SAMPLES[FIRST].title
    assert still.inner_text("#similarity-kept li").startswith(f"75, 55 in {name}")
    other = SAMPLES[list(SAMPLES)[1]]
    result = pipeline.run(other.image, ASKED, sample=other)
    maps = {name: similarity(still, name) for name in ("bilinear", "gsjbu")}
    for got, wanted in zip(maps.values(), result.similarity_to(library.vectors(75, 55)), strict=True):
        np.testing.assert_allclose(got, wanted, atol=1e-3)
    most = np.unravel_index(maps["gsjbu"].argmax(), (128, 128))
    said = still.inner_text("#similarity-maps figure[data-method=gsjbu] figcaption")
    assert f"{most[1]}, {most[0]}" in said
    explained(still, "75, 55 in", name)
    still.click("#samples .thumb >> nth=0")  # back: it is a pixel of this picture again
    still.wait_for_selector("#similarity[data-points='1'][data-others='0'][data-x='75'][data-y='55']")
    still.click("#similarity-kept button")
    still.wait_for_selector("#similarity", state="hidden")


def test_inspector_equals_the_library(still: Page, library: Any) -> None:
    for x, y in ((75, 55), (0, 0), (127, 75)):
        choose_pixel(still, x, y)
        rows = still.eval_on_selector_all(
            "#weights tbody tr",
            "rows => rows.map((r) => [Number(r.dataset.qx), Number(r.dataset.qy), Number(r.dataset.weight)])",
        )
        window = library.kernel.weights_at(x, y)
        expected = {(int(a), int(b)): float(w) for a, b, w in zip(window.qx, window.qy, window.weights, strict=True)}
        got = {(qx, qy): w for qx, qy, w in rows}
        assert set(got) == {q for q, w in expected.items() if q in got} and set(got) == set(expected)
        assert all(abs(got[q] - expected[q]) <= 1e-4 for q in expected)
        assert sum(got.values()) == pytest.approx(1, abs=1e-4)
        assert "Sum of weights 1.000" in still.inner_text("#pixel-line")
    assert still.locator("#parts canvas").count() == 4
    assert still.evaluate("document.getElementById('viewer').windowEllipses.cx.length") == len(rows)


def test_a_pixel_below_the_divider_can_be_chosen(still: Page) -> None:
    """A press on the divider that does not drag it is a press on the picture; the divider stays."""
    choose_pixel(still, 64, 25)
    assert still.get_attribute(".handle", "aria-valuenow") == "50"


def test_several_pixels_and_the_parts_that_features_tell_apart(still: Page) -> None:
    job = shown(still)
    choose_pixel(still, 15, 15)
    alone = similarity(still, "gsjbu")
    still.focus("#similarity-keep")
    still.keyboard.press("Enter")
    assert still.locator("#similarity-keep").is_disabled(), "it is kept already"
    assert still.evaluate("document.activeElement.className") == "stage", "where the next pixel is chosen"
    choose_pixel(still, 100, 75)
    still.wait_for_selector("#similarity[data-points='2']")
    both = similarity(still, "gsjbu")
    assert both[15, 15] == pytest.approx(1, abs=1e-3) == both[75, 100]
    assert (both - alone).min() > -1e-3, "to the likest"
    assert still.locator("#similarity-maps figure:first-child .pin").count() == 2
    still.focus("#similarity-kept button")
    still.keyboard.press("Enter")
    still.wait_for_selector("#similarity[data-points='1']")
    assert still.evaluate("document.activeElement.id") == "similarity-keep"
    assert still.locator("#similarity-kept li").count() == 0

    tab(still, "segments")
    pair = [still.get_attribute("#viewer", f"data-{side}") for side in ("left", "right")]
    assert pair == ["segments_bilinear", "segments_auto"]
    assert still.locator("#legend button").count() == 6
    still.click("#cut")
    still.select_option("#cut-class", "segment 1")
    share = float(still.inner_text("#cut-share").split()[0])
    assert 5 < share < 95
    still.keyboard.press("Escape")
    still.select_option("#right", "foreground_gsjbu")
    still.wait_for_selector("#viewer[data-right=foreground_gsjbu]")
    assert still.locator(".tag .bar").count() == 1
    assert shown(still) == job, "nothing was computed anew"


def test_escape_lets_the_pixel_go(still: Page) -> None:
    choose_pixel(still, 50, 60)
    still.focus(".stage")
    still.keyboard.press("Escape")
    still.wait_for_selector("#pixel-empty:not([hidden])")
    assert still.locator("#similarity").is_hidden()


def test_the_pixel_is_asked_again_for_a_new_run(still: Page) -> None:
    job = shown(still)
    choose_pixel(still, 50, 64)
    before = still.locator("#weights tbody tr").count()
    set_slider(still, "radius", 1)
    shown(still, job)
    still.wait_for_function("n => document.querySelectorAll('#weights tbody tr').length < n", arg=before)
    assert still.locator("#weights tbody tr").count() == 9


def test_charts_and_figures(still: Page, library: Any) -> None:
    """Loss curve, PSNR bars and histograms carry the run's figures, with axes, and answer to keys; the figures
    themselves say which way is better."""
    curve = still.locator("#chart svg")
    label = curve.get_attribute("aria-label") or ""
    assert f"{len(library.kernel.losses)} steps" in label and f"{library.kernel.losses[-1]:.3g}"[:5] in label
    assert still.locator("#chart svg text").count() > 5
    curve.focus()
    still.keyboard.press("End")
    assert f"step {len(library.kernel.losses)}:" in (still.text_content("#chart .note") or "")
    still.keyboard.press("ArrowLeft")
    assert f"step {len(library.kernel.losses) - 1}:" in (still.text_content("#chart .note") or "")

    still.click("#chart-psnr")
    label = still.get_attribute("#chart svg", "aria-label") or ""
    for method in ("bilinear", "gsjbu"):
        assert f"{library.metrics['rgb'][method]['psnr']:.2f} dB" in label
    assert "higher is better" in label

    still.click("#chart-histograms")
    assert still.locator("#chart svg").count() == 4
    for name in ("sigma_x", "sigma_y", "theta", "sigma_r"):
        columns = still.evaluate("document.querySelectorAll('#chart .column').length")
        assert columns == sum(
            len(library.as_dict()["histograms"][n]["counts"]) for n in ("sigma_x", "sigma_y", "theta", "sigma_r")
        ), name

    text = still.inner_text("#metrics")
    for method in ("bilinear", "gsjbu"):
        assert f"{library.metrics['rgb'][method]['psnr']:.2f}" in text
    heads = still.eval_on_selector_all("#metrics thead th", "all => all.map((h) => h.textContent)")
    assert heads and all("better" in head for head in heads if "Changed" not in head)


def test_the_verdict_says_a_loss_as_plainly_and_takes_no_rounding_for_a_gain(still: Page) -> None:
    """Of a picture of one colour both are exact but for float32; one that is exact is beyond all."""
    for bilinear, gsjbu, winner, said in (
        (160.9, 150.2, "tie", "GS-JBU and Bilinear are equally close (PSNR, RGB)."),
        (None, 146.0, "tie", "GS-JBU and Bilinear are equally close (PSNR, RGB)."),
        (None, 60.0, "loss", "Bilinear is closer than GS-JBU by ∞ dB (PSNR, RGB)."),
        (31, 29.5, "loss", "Bilinear is closer than GS-JBU by 1.50 dB (PSNR, RGB)."),
    ):
        still.evaluate(
            """(psnr) => import('/static/js/state.js').then(({state, set}) => {
              const rgb = {bilinear: {psnr: psnr[0], ssim: 1}, gsjbu: {psnr: psnr[1], ssim: 1}};
              set({result: {...state.result, metrics: {...state.result.metrics, rgb}}});
            })""",
            [bilinear, gsjbu],
        )
        assert still.inner_text("#verdict") == said
        assert still.get_attribute("#verdict", "data-winner") == winner, said
        assert state(still, "result.metrics.rgb.gsjbu.psnr") == gsjbu
