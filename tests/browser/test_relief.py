"""A map of values as a relief: it turns, it is shaded where nothing can turn, its points can be taken away."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page

from tests.browser.hands import shown

NO_WEBGL = """() => {
  const was = HTMLCanvasElement.prototype.getContext;
  HTMLCanvasElement.prototype.getContext = function (kind, ...rest) {
    return kind === 'webgl2' ? null : was.call(this, kind, ...rest);
  };
}"""
DRAWN = """() => {
  const from = document.getElementById('relief-canvas');
  const to = Object.assign(document.createElement('canvas'), {width: from.width, height: from.height});
  const context = to.getContext('2d');
  context.drawImage(from, 0, 0);
  const {data} = context.getImageData(0, 0, to.width, to.height);
  let [opaque, sum] = [0, 0];
  for (let i = 0; i < data.length; i += 4)
    if (data[i + 3]) [opaque, sum] = [opaque + 1, sum + data[i] + 2 * data[i + 1] + 3 * data[i + 2]];
  return [opaque / (data.length / 4), sum];
}"""


@pytest.mark.address("resolution=128&features=off")
@pytest.mark.parametrize("turns", [True, False])
def test_a_map_of_values_as_a_relief(page: Page, turns: bool) -> None:
    job = shown(page)
    if not turns:
        page.evaluate(NO_WEBGL)
    assert page.locator("#relief").is_disabled(), "a picture has no height"
    assert "depth" in (page.get_attribute("#relief", "title") or "")
    page.select_option("#right", "error_gsjbu")
    page.wait_for_selector("#viewer[data-right=error_gsjbu]")
    page.click("#relief")
    page.wait_for_selector("#relief-dialog[open]")
    assert ("turn it" in page.inner_text("#relief-hint")) == turns
    share, first = page.evaluate(DRAWN)
    assert 0.15 < share <= 1
    page.focus("#relief-canvas")
    label = page.get_attribute("#relief-canvas", "aria-label")
    page.keyboard.press("ArrowRight")
    assert page.get_attribute("#relief-canvas", "aria-label") != label
    assert (page.evaluate(DRAWN)[1] != first) == turns
    before = page.evaluate(DRAWN)[1]
    page.select_option("#relief-skin", "plain")
    assert page.evaluate(DRAWN)[1] != before
    with page.expect_download() as caught:
        page.click("#relief-cloud")
    assert caught.value.suggested_filename == f"gsjbu-{job[:8]}.ply"
    assert b"element vertex 16384\n" in caught.value.path().read_bytes()[:300]
    with page.expect_download() as caught:
        page.click("#relief-save")
    assert caught.value.path().read_bytes()[:4] == b"\x89PNG"
