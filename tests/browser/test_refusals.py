"""Every refusal is a sentence on the page that says what to do."""

from __future__ import annotations

import io

import pytest
from PIL import Image
from playwright.sync_api import Page

from tests.browser.hands import Watch, depth, set_slider, shown, state

pytestmark = pytest.mark.address("resolution=128&features=off")


def truncated_jpeg() -> bytes:
    """The first half of a picture."""
    out = io.BytesIO()
    Image.radial_gradient("L").convert("RGB").save(out, "JPEG")
    return out.getvalue()[: len(out.getvalue()) // 2]


def test_bad_pictures(still: Page, watch: Watch) -> None:
    watch.expect("status of 4")
    job = shown(still)
    for name, data, words, scene in (
        ("empty.png", b"", "empty", 1),
        ("words.png", b"this is no picture at all", "JPEG, PNG", 2),
        ("half.jpg", truncated_jpeg(), "", 1),
    ):
        still.set_input_files("#file", {"name": name, "mimeType": "image/png", "buffer": data})
        still.wait_for_selector("#notice.error")
        text = still.inner_text("#notice p")
        assert words in text and text.endswith(".") and len(text) > 20, name
        assert still.evaluate("document.body.dataset.job") == job, f"the last result stays: {name}"
        # and it goes away with the next good thing
        still.click(f"#samples .thumb >> nth={scene}")
        job = shown(still, job)
        assert still.locator("#notice").is_hidden(), name


def test_too_large_is_refused_before_it_is_sent(page: Page) -> None:
    limit = int(state(page, "info.limits.image_bytes"))  # type: ignore[call-overload]
    page.evaluate(
        """size => {
          const moved = new DataTransfer();
          moved.items.add(new File([new Uint8Array(size)], 'large.png', {type: 'image/png'}));
          dispatchEvent(new DragEvent('drop', {dataTransfer: moved, cancelable: true}));
        }""",
        limit + 1,
    )
    page.wait_for_selector("#notice.error")
    assert "MB" in page.inner_text("#notice p")


def test_so_is_what_is_too_large_for_a_signal(page: Page) -> None:
    shown(page)
    page.evaluate("import('/static/js/state.js').then(({state}) => { state.info.limits.signal_bytes = 100; })")
    page.on("request", lambda request: request.method == "POST" and pytest.fail("it is sent"))
    for field in ("#signal-file", "#truth-file"):
        page.set_input_files(field, depth())
        page.wait_for_selector("#notice.error")
        assert "up to 0 MB" in page.inner_text("#notice p"), field
        page.click("#notice .close")
        assert page.locator("#notice").is_hidden(), field


def test_a_number_out_of_bounds(still: Page) -> None:
    job = shown(still)
    box = still.locator("[data-setting=stride] input[type=number]")
    for typed in ("0", "65", "", "7.5", "-3"):
        box.fill(typed)
        box.blur()
        still.wait_for_selector("#notice.error")
        assert still.inner_text("#notice p") == "Stride must be a whole number from 2 to 64 px.", typed
        assert box.get_attribute("aria-invalid") == "true"
        assert still.evaluate("document.body.dataset.job") == job
        assert state(still, "settings.stride") == 16
        still.click("#notice .close")
        assert still.locator("#notice").is_hidden()
    set_slider(still, "stride", 20)
    shown(still, job)
    assert box.get_attribute("aria-invalid") is None


@pytest.mark.address("stride=0&radius=x&iters=30&sample=nonesuch&resolution=128&features=off")
def test_a_bad_address(page: Page) -> None:
    text = page.inner_text("#notice p")
    assert "Stride = 0" in text and "Radius = x" in text and "Scene: nonesuch" in text
    assert state(page, "settings.stride") == 16
    assert state(page, "settings.iters") == 30


@pytest.mark.address(f"image={'0' * 32}&resolution=128&features=off")
def test_an_address_of_a_forgotten_picture(page: Page, watch: Watch) -> None:
    watch.expect("status of 404")
    assert "no longer" in page.inner_text("#notice p")
    assert state(page, "image.sample"), "a scene is shown instead"


def test_a_bad_signal(still: Page, watch: Watch) -> None:
    watch.expect("status of 4")
    still.set_input_files("#signal-file", {"name": "x.npy", "mimeType": "application/octet-stream", "buffer": b"no"})
    still.wait_for_selector("#notice.error")
    assert len(still.inner_text("#notice p")) > 20
    assert still.inner_text("#notice p").startswith("x.npy"), "which file it is"


def test_words_of_python_do_not_stand_on_the_page(still: Page) -> None:
    """A button says them, or nothing does."""
    still.evaluate(
        """() => Promise.all(['notice', 'api', 'state'].map((name) => import(`/static/js/${name}.js`))).then(
          ([notice, api, { set }]) => {
            const advice = [{word: 'layout', value: '', sentence: "Say which: layout='4x40'."}];
            const detail = "No. Say which: layout='4x40'.";
            const problem = new api.Problem(422, {code: 'signal_shape', detail, advice});
            notice.refuse(problem);
            set({run: {phase: 'failed', problem}});
          })"""
    )
    assert still.inner_text("#notice p") == "No."
    still.click("#notice .close")
    assert still.inner_text("#stage") == "The run failed: No. The last result stays on show."


@pytest.mark.address("resolution=128")
def test_unavailable_choices_say_why(still: Page) -> None:
    """Greyed and marked, with the reason in words below all lists."""
    said = still.eval_on_selector_all(".absent .why", "all => all.map((p) => p.textContent)")
    assert "GSJBU" not in " ".join(said), "nobody on the page can set a variable"
    for name in ("backbone", "segmentation"):
        for text, why in still.eval_on_selector_all(
            f"[data-setting={name}] option:disabled", "all => all.map((o) => [o.textContent, o.title])"
        ):
            assert text.endswith("not here")
            assert why and why in said
            folder = still.get_attribute(f"[data-setting={name}] option:disabled:text-is({text!r})", "value")
            assert f" {folder} " in why, "the folder that is looked for"
    switch = still.locator("[data-setting=device] input")
    if switch.is_disabled():
        why = still.inner_text("[data-setting=device] .why")
        assert len(why) > 20
        assert switch.get_attribute("aria-describedby")
