"""What is chosen and on its way: the newest wins, refusals name files, nothing is lost while the server is away."""

from __future__ import annotations

import io
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, FilePayload, Page

from tests.browser.hands import Server, Watch, depth, holding, on_stage, once, shown, state, visit
from tests.npy import npy

pytestmark = pytest.mark.address("resolution=128&features=off")


def png(name: str, value: int = 90) -> FilePayload:
    out = io.BytesIO()
    Image.new("RGB", (64, 48), (value, 120, 40)).save(out, "PNG")
    return {"name": name, "mimeType": "image/png", "buffer": out.getvalue()}


BAD: FilePayload = {"name": "bad.bmp", "mimeType": "image/png", "buffer": b"no picture"}


@pytest.mark.parametrize(
    ("address", "field", "name"), [("images", "#file", "old.png"), ("signals", "#signal-file", "old.npy")]
)
def test_an_older_choice_is_given_up(page: Page, watch: Watch, address: str, field: str, name: str) -> None:
    """It is aborted, neither shown nor said, and what it would have been told is told to nobody."""
    watch.expect("status of 4")
    job = shown(page)
    given_up: list[str] = []
    page.on("requestfailed", lambda request: given_up.append(request.url))
    with holding(page, f"**/api/{address}"):
        page.set_input_files(field, {**BAD, "name": name})
    page.wait_for_function("name => document.getElementById('stage').textContent.includes(name)", arg=name)
    newer = png("new.png") if address == "images" else depth("new.npy")
    page.set_input_files(field, newer)
    shown(page, job)
    assert page.inner_text({"images": "#picture-name", "signals": "#signal-name"}[address]) == newer["name"]
    assert name not in page.inner_text("#stage") and page.locator("#notice").is_hidden()
    assert any(address in url for url in given_up), "the older one is aborted"


def test_a_refusal_names_its_file_and_goes_with_the_next_choice(still: Page, watch: Watch) -> None:
    watch.expect("status of 4")
    shown(still)
    still.set_input_files("#file", BAD)
    still.wait_for_selector("#notice.error")
    assert still.inner_text("#notice p").startswith("bad.bmp: ")
    with holding(still, "**/api/images") as held:
        still.set_input_files("#file", png("good.png"))
    still.wait_for_function("() => document.getElementById('stage').textContent.includes('good.png')")
    assert still.locator("#notice").is_hidden(), "it is not said over the newer one"
    job = str(still.evaluate("document.body.dataset.job"))
    held[0].continue_()
    shown(still, job)


def test_news_of_a_choice_goes_with_the_next(page: Page) -> None:
    job = shown(page)
    page.evaluate(
        """bytes => {
          const moved = new DataTransfer();
          for (const name of ['a.png', 'b.png'])
            moved.items.add(new File([new Uint8Array(bytes)], name, {type: 'image/png'}));
          dispatchEvent(new DragEvent('drop', {dataTransfer: moved, cancelable: true}));
        }""",
        list(png("a.png")["buffer"]),
    )
    page.wait_for_selector("#toast:not([hidden])")
    assert "b.png" in page.inner_text("#toast p")
    shown(page, job)
    page.click("#samples [data-sample=wires]")
    assert page.locator("#toast").is_hidden()
    kept = page.evaluate(
        """() => {
          const moved = new DataTransfer();
          moved.setData('text/uri-list', 'https://example.org/a.png');
          const held = {dataTransfer: moved, cancelable: true};
          return ['dragover', 'drop'].map((name) => !dispatchEvent(new DragEvent(name, held)));
        }"""
    )
    assert kept == [True, True], "the browser does not go to a link that is dropped"
    assert page.inner_text("#toast p").startswith("That is a link, not a file.")


def test_what_is_chosen_while_the_server_is_away_is_sent_when_it_is_back(chromium: Browser, tmp_path: Path) -> None:
    server = Server(tmp_path)
    with visit(chromium, server, "net::ERR_|status of 404", address="/?resolution=128&features=off") as page:
        job = shown(page)
        server.stop()
        page.set_input_files("#file", png("photo.png"))
        page.wait_for_selector("#notice.error")
        page.wait_for_function(
            "() => document.getElementById('stage').textContent === 'photo.png is sent once the server is back.'"
        )
        page.set_input_files("#signal-file", depth("brought.npy"))
        server.start()
        page.wait_for_selector("#signal-name:text-is('brought.npy')")
        page.wait_for_selector("#picture-name:text-is('photo.png')")
        while True:  # with one after the other
            job = shown(page, job)
            if state(page, "result.signal?.name") == "brought.npy":
                break
        assert state(page, "result.from.name") == "photo.png"
        assert page.locator("#notice").is_hidden()


def test_a_file_that_cannot_be_sent_at_all_is_named(still: Page, watch: Watch) -> None:
    """The server is there, and the line breaks each time: as of a file that was moved."""
    watch.expect("net::ERR_")
    shown(still)
    still.route("**/api/images", lambda route: route.abort())
    still.set_input_files("#file", png("moved.png"))
    still.wait_for_selector("#notice.error")
    assert still.inner_text("#notice p").startswith("moved.png could not be sent")
    assert "moved.png" not in still.inner_text("#stage")


def test_an_answer_that_breaks_off_is_asked_for_again(still: Page) -> None:
    job = shown(still)
    for pattern, act in (
        ("**/api/images", lambda: still.set_input_files("#file", png("cut.png"))),
        ("**/api/signals", lambda: still.set_input_files("#signal-file", depth())),
        ("**/api/jobs", lambda: still.click("#run")),
        (re.compile(r"/api/jobs/\w+$"), lambda: still.click("#run")),
    ):
        cut = once(
            still, pattern, lambda r: r.fulfill(status=200, content_type="application/json", body='{"job_id": "a')
        )
        act()
        job = shown(still, job)
        assert cut and still.locator("#notice").is_hidden(), pattern
    assert still.inner_text("#picture-name") == "cut.png" and still.inner_text("#signal-name") == "depth.npy"


def test_what_is_no_answer_of_the_server_is_said_in_words(still: Page) -> None:
    """As the page of a proxy where to log in."""
    job = shown(still)
    for pattern, act in (
        ("**/api/images", lambda: still.set_input_files("#file", png("held.png"))),
        ("**/api/jobs", lambda: still.click("#run")),
        ("**/pixel?*", lambda: None),
        ("**/kernel?*", lambda: still.mouse.click(*on_stage(still, 40.5, 40.5))),
    ):
        taken = once(
            still, pattern, lambda r: r.fulfill(status=200, content_type="text/html", body="<html>Log in</html>")
        )
        act()
        if "pixel" not in pattern:
            still.wait_for_selector("#notice.error p:has-text('a page to log in')")
            assert taken
            still.click("#notice .close")
    assert still.evaluate("document.body.dataset.job") == job and still.inner_text("#picture-name") != "held.png"


def archive() -> FilePayload:
    out = io.BytesIO()
    rng = np.random.default_rng(0)
    np.savez(
        out,
        depth=rng.random((16, 16), np.float32),
        full=rng.random((512, 512), np.float32),
        meta=np.array(3.0),
    )
    return {"name": "maps.npz", "mimeType": "application/octet-stream", "buffer": out.getvalue()}


def test_each_array_of_a_file_has_a_button(still: Page, watch: Watch) -> None:
    """Of the signal's and of the truth's file; the name says which, and a server that forgets gets it again."""
    watch.expect("status of 4")
    job = shown(still)
    still.set_input_files("#signal-file", archive())
    still.wait_for_selector("#notice.error")
    buttons = still.eval_on_selector_all("#notice button:not(.close)", "all => all.map((b) => b.textContent)")
    assert buttons == ["Take depth", "Take full", "Take meta"]
    still.click("#notice button:has-text('depth')")
    job = shown(still, job)
    assert still.inner_text("#signal-name") == "maps.npz:depth" and still.locator("#notice").is_hidden()
    still.set_input_files("#truth-file", archive())
    still.click("#notice button:has-text('full')")
    job = shown(still, job)
    assert still.inner_text("#truth-name") == "Truth: maps.npz:full"
    curl = still.evaluate(
        "Promise.all([import('/static/js/snippets.js'), import('/static/js/state.js')])"
        ".then(([m, s]) => m.curl(s.state))"
    )
    for part in (
        """'signal=@"maps.npz"'""",
        "'entry=depth'",
        """'truth=@"maps.npz"'""",
        "'truth_entry=full'",
    ):
        assert part in curl
    before = state(still, "signal.id")
    still.evaluate("import('/static/js/trouble.js').then(({sendAgain}) => sendAgain())")
    shown(still, job)
    assert state(still, "signal.id") != before and state(still, "signal.name") == "maps.npz:depth"


def test_a_colour_picture_is_taken_as_features_by_a_button(still: Page, watch: Watch) -> None:
    """The refused one, and not the signal that is worn."""
    watch.expect("status of 4")
    job = shown(still)
    still.set_input_files("#signal-file", depth())
    job = shown(still, job)
    out = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (32, 32, 3), np.uint8)).save(out, "PNG")
    still.set_input_files("#signal-file", {"name": "normals.png", "mimeType": "image/png", "buffer": out.getvalue()})
    still.wait_for_selector("#notice.error")
    text = still.inner_text("#notice p")
    assert text.startswith("normals.png: ") and "kind=" not in text and "Python" not in text
    still.click("#notice button:has-text('Take it as features')")
    shown(still, job)
    assert still.inner_text("#signal-name") == "normals.png"
    assert state(still, "result.signal.kind") == "features"


def test_a_shape_is_taken_by_a_button(still: Page, watch: Watch) -> None:
    watch.expect("status of 4")
    job = shown(still)
    values = np.add.outer(np.arange(33), np.arange(17)).astype(np.float32)
    still.set_input_files(
        "#signal-file", {"name": "odd.npy", "mimeType": "application/octet-stream", "buffer": npy(values)}
    )
    still.wait_for_selector("body[data-phase=failed]")
    assert "layout=" not in still.inner_text("#notice p") and "layout=" not in still.inner_text("#stage")
    still.click("#notice button:has-text('33 × 17 cells')")
    job = shown(still, job)
    assert (state(still, "result.image.lr_width"), state(still, "result.image.lr_height")) == (17, 33)
    still.select_option("#signal-kind", "features")
    shown(still, job)
    assert state(still, "signal.words") == {"kind": "features", "layout": "33x17"}, "one word leaves the other"
