"""What is told of a panel's values is the values: gaps stay gaps in profile, cut, read-out and difference."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page

from tests.browser.conftest import Visits
from tests.browser.hands import npy_file, on_stage, painted, shown, state, tab

SIDE = 16
GAPS = 8  # columns at the left without a value: more than any window reaches over


@pytest.fixture(scope="module")
def gaps(visits: Visits) -> Page:
    """A depth whose left half has no value, bilinear beside GS-JBU; one visit for all."""
    page = visits("resolution=128&features=off")
    job = shown(page)
    depth = 2 + 3 * np.random.default_rng(0).random((SIDE, SIDE), np.float32)
    depth[:, :GAPS] = np.nan
    page.set_input_files("#signal-file", npy_file("depth.npy", depth))
    shown(page, job)
    tab(page, "signal")
    return page


def values(page: Page, name: str) -> np.ndarray:  # [H, W]
    """A panel's numbers as the server has them."""
    answer = page.request.get(f"{page.url.split('/?')[0]}/api/jobs/{shown(page)}/panels/{name}.f32")
    size = int(answer.headers["x-height"]), int(answer.headers["x-width"])
    return np.frombuffer(answer.body(), "<f4").reshape(size)


def test_a_profile_is_of_the_values_and_breaks_at_gaps(gaps: Page) -> None:
    gaps.click("#line")
    gaps.wait_for_selector("#chart .curve")
    y = state(gaps, "line.y0")
    assert isinstance(y, int)
    for name, points in gaps.evaluate(
        """() => import('/static/js/state.js').then(({state}) =>
          state.profile.curves.filter(({panel}) => panel.width === 128).map((c) => [c.panel.name, c.points]))"""
    ):
        told = np.array([np.nan if value is None else value for _, value in points], float)
        np.testing.assert_array_equal(told, values(gaps, name)[y].astype(float), name)
        assert np.isnan(told).any()
    first = gaps.eval_on_selector_all("#chart .curve", "all => all.map((c) => c.getBBox().x)")
    left, width = gaps.eval_on_selector("#chart .axis", "one => [one.getBBox().x, one.getBBox().width]")
    assert sum(x > left + 0.2 * width for x in first) >= 3, "nothing is drawn where there is nothing"
    gaps.click("#line")


def test_a_cut_leaves_gaps_out_of_either_part_and_says_so(gaps: Page) -> None:
    missing = np.isnan(values(gaps, state(gaps, "view.right")))  # type: ignore[arg-type]
    assert 0.1 < missing.mean() < 0.9
    gaps.click("#cut")
    gaps.wait_for_selector("#cut-dialog[open]")
    gaps.evaluate("document.getElementById('cut-threshold').value = 0")
    for inverted in (False, True):
        gaps.set_checked("#cut-invert", inverted)
        gaps.dispatch_event("#cut-threshold", "input")
        share = 0.0 if inverted else 100 * (1 - missing.mean())
        assert gaps.inner_text("#cut-share").startswith(f"{share:.1f} %")
        assert f"{100 * missing.mean():.1f} % has no value" in gaps.inner_text("#cut-share")
        with gaps.expect_download() as download:
            gaps.click("#cut-save-mask")
        mask = np.array(Image.open(download.value.path()))[..., 0]
        assert not mask[missing].any()
        assert (mask[~missing] == (0 if inverted else 255)).all()
    gaps.uncheck("#cut-invert")
    gaps.keyboard.press("Escape")


def test_there_is_no_difference_to_a_gap(gaps: Page) -> None:
    for x, known in ((2, False), (100, True)):
        gaps.mouse.move(*on_stage(gaps, x + 0.5, 64.5))
        gaps.wait_for_selector(f"#readout[data-x='{x}'][data-y='64'][data-exact=true]")
        assert bool(gaps.inner_text("#readout .difference")) == known


def test_a_difference_is_of_the_values_and_grey_at_gaps(gaps: Page) -> None:
    left, right = (values(gaps, str(state(gaps, f"view.{side}"))) for side in ("left", "right"))
    gaps.click("#difference")
    gaps.wait_for_selector("#viewer[data-layout=difference]")
    painted(gaps)
    found = gaps.evaluate(
        """() => import('/static/js/difference.js').then((m) => {
          const { panes, view } = document.getElementById('viewer');
          const { high, picture } = m.difference(panes.left, panes.right, view.image);
          return [high, [...picture.getContext('2d').getImageData(0, 64, 128, 1).data]];
        })"""
    )
    apart = np.abs(left - right)
    assert found[0] == pytest.approx(float(np.nanmax(apart)), rel=1e-6)
    row = np.array(found[1]).reshape(128, 4)[:, :3]
    np.testing.assert_array_equal((row == 128).all(1), np.isnan(apart[64]))
    assert "difference of the values" in gaps.inner_text(".tag.left")
    gaps.click("#difference")
    gaps.wait_for_selector("#viewer[data-layout=divider]")


HOLE = slice(3, 14)  # rows and columns without a value: more than any window reaches over


def brought(page: Page, name: str, array: np.ndarray) -> None:
    """Bring a signal and read out the middle of its hole."""
    page.mouse.move(0, 0)
    job = shown(page)
    page.set_input_files("#signal-file", npy_file(name, array))
    shown(page, job)
    page.mouse.move(*on_stage(page, 64.5, 64.5))
    page.wait_for_selector("#readout[data-x='64'][data-y='64'][data-exact=true]")


def asked(page: Page, what: str) -> Any:
    """What the server says of the right panel."""
    answer = page.request.get(f"{page.url.split('/?')[0]}/api/jobs/{shown(page)}/{what}").json()
    return answer["values"][state(page, "view.right")]


def test_classes_and_features_have_gaps_too(gaps: Page) -> None:
    y, x = np.mgrid[:SIDE, :SIDE]
    labels = (x // 8 + 2 * (y // 8)).astype(np.uint8)
    labels[HOLE, HOLE] = 255
    brought(gaps, "labels.npy", labels)
    assert gaps.eval_on_selector_all("#readout .numbers", "all => all.map((n) => n.textContent)") == ["–", "–"]
    gaps.click("#region")  # about the middle, all of it in the hole
    gaps.wait_for_selector("#region-table tr[data-panel=signal_auto]")
    assert gaps.inner_text("#region-table tr[data-panel=signal_auto] td") == "–"
    gaps.click("#region")
    known = asked(gaps, "region?x0=0&y0=0&x1=127&y1=127")["pixels"]
    gaps.click("#cut")
    gaps.wait_for_selector("#cut-dialog[open]")
    assert f"{100 * (1 - known / 128**2):.1f} % has no value" in gaps.inner_text("#cut-share")
    gaps.keyboard.press("Escape")

    flow = np.stack([np.sin(x / 5), np.cos(y / 7)]).astype(np.float32)
    flow[:, HOLE, HOLE] = np.nan
    brought(gaps, "flow.npy", flow)
    assert gaps.eval_on_selector_all("#readout .numbers", "all => all.map((n) => n.textContent)") == ["– –", "– –"]
    gaps.mouse.move(*on_stage(gaps, 8.5, 120.5))
    gaps.wait_for_selector("#readout[data-x='8'][data-y='120'][data-exact=true]")
    pixel = asked(gaps, "pixel?x=8&y=120")
    assert pixel == pytest.approx([np.sin(1 / 5), np.cos(15 / 7)], abs=0.1), "the channels themselves"
    said = " ".join(f"{v:.3f}" for v in pixel).replace("-", "−")
    assert gaps.inner_text("#readout [data-side=right] .numbers") == said


def test_values_with_an_offset_keep_their_digits(gaps: Page) -> None:
    kelvin = (287.15 + np.add.outer(np.arange(SIDE), np.arange(SIDE)) / 40).astype(np.float32)
    brought(gaps, "kelvin.npy", kelvin)
    assert gaps.inner_text(".tag.right .bar").split() == ["287.150", "287.900"]
    right = values(gaps, str(state(gaps, "view.right")))
    assert gaps.inner_text("#readout [data-side=right] .numbers") == f"{right[64, 64]:.4f}"
    gaps.click("#region")
    gaps.wait_for_selector("#region-table tr[data-panel=signal_lr]")
    mean = float(gaps.inner_text("#region-table tr[data-panel=signal_lr] td"))
    assert mean == pytest.approx(287.52, abs=0.05) and mean != 288
    gaps.click("#region")
    gaps.click("#cut")
    gaps.wait_for_selector("#cut-dialog[open]")
    assert gaps.inner_text("#cut-limit") == "≥ 287.712"
    gaps.keyboard.press("Escape")
    gaps.set_viewport_size({"width": 375, "height": 812})
    right = "one => one.getBoundingClientRect().right"
    bar, tag = (gaps.eval_on_selector(f".tag.right{one}", right) for one in (" .bar span:last-child", ""))
    assert bar <= tag, "the colours give way to the numbers"
