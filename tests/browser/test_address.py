"""The address holds every setting, the picture, its signal and truth, and the view."""

from __future__ import annotations

import io
import re
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from PIL import Image
from playwright.sync_api import Page

from gsjbu.settings import SETTINGS
from tests.browser.hands import Server, Watch, depth, forget, set_slider, settled, shown, state, tab
from tests.prefix import under_prefix

pytestmark = pytest.mark.address("resolution=128&features=off")


def query(page: Page) -> dict[str, str]:
    """The address's values, once it has settled."""
    settled(page)
    return {k: v[0] for k, v in parse_qs(urlsplit(page.url).query).items()}


@pytest.mark.address(None)
def test_under_a_proxys_path_the_page_is_whole(page: Page, server: Server, watch: Watch, tmp_path: Path) -> None:
    """Every request stays below the path, scenes, runs, events, panels and the zip; a reload gives the same."""
    with under_prefix(server.url) as address:
        watch.host = urlsplit(address).netloc
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.goto(f"{address}/?resolution=128&features=off")
        job = shown(page)
        page.click("#samples .thumb >> nth=1")
        job = shown(page, job)
        images = "Array.from(document.images).filter((one) => one.src && one.complete && !one.naturalWidth).length"
        assert page.evaluate(images) == 0
        with page.expect_download() as zipped:
            page.click("#download")
        assert zipped.value.path().stat().st_size > 10_000
        page.evaluate("navigator.clipboard.writeText = async (text) => { window.copied = text; }")
        page.click("#copy-menu summary")
        page.click("#copy-curl")
        page.wait_for_function("window.copied")
        assert f"'{address}/api/run'" in page.evaluate("window.copied")
        page.wait_for_function("() => location.search.includes('divider=')")
        assert page.url.startswith(f"{address}/?")
        page.reload()
        shown(page)
        page.click("[data-i18n='page.api']")
        page.wait_for_url(f"{address}/docs")
        assert [url for url in asked if not url.startswith((f"{address}/", "data:", "blob:"))] == []
        page.goto("about:blank")


def test_reload_gives_the_same(page: Page) -> None:
    job = shown(page)
    page.click("#samples .thumb >> nth=2")
    job = shown(page, job)
    for name, value in (("stride", 10), ("iters", 20), ("radius", 3), ("resolution", 192)):
        set_slider(page, name, value)
        job = shown(page, job)
    tab(page, "kernel")
    page.select_option("#left", "theta")
    page.wait_for_selector("#viewer[data-left=theta]")
    page.focus(".handle")
    page.keyboard.press("PageUp")
    asked = query(page)
    assert set(SETTINGS) <= set(asked), "all settings are in the address"

    settings, sample = state(page, "settings"), state(page, "image.sample")
    page.goto(page.url)
    shown(page)
    assert state(page, "settings") == settings
    assert state(page, "result.settings") == settings
    assert state(page, "image.sample") == sample
    assert page.get_attribute("#viewer", "data-left") == "theta"
    assert page.get_attribute("#tab-kernel", "aria-selected") == "true"
    assert page.get_attribute(".handle", "aria-valuenow") == "60"
    assert page.input_value("[data-setting=stride] input[type=number]") == "10"


@pytest.mark.address("resolution=128&point=60,93&place=2,0.5,0.25&ellipses=on&features=off")
def test_what_is_looked_at_is_in_the_address_and_goes_with_another_size(page: Page) -> None:
    job = shown(page)
    page.wait_for_selector("#pixel[data-x='60'][data-y='93']")
    assert page.get_attribute("#viewer", "data-zoom") == "2.00"
    assert page.get_attribute("#ellipses", "aria-pressed") == "true"
    asked = query(page)
    assert (asked["point"], asked["place"], asked["ellipses"]) == ("60,93", "2,0.5,0.25", "on")
    assert asked["features"] == "off"
    page.click("#region")
    page.wait_for_selector("#region-told[data-region='52 85 68 101']")
    set_slider(page, "resolution", 64)
    shown(page, job)
    page.wait_for_selector("#pixel[data-x='30'][data-y='46']")
    page.wait_for_selector("#region-told[data-region='26 42 34 50']")


def test_an_uploaded_picture_survives_a_reload(page: Page) -> None:
    job = shown(page)
    out = io.BytesIO()
    picture = Image.radial_gradient("L").resize((200, 150)).convert("LA")
    picture.putalpha(picture.getchannel("L"))
    picture.save(out, "PNG")
    page.set_input_files("#file", {"name": "mine.png", "mimeType": "image/png", "buffer": out.getvalue()})
    shown(page, job)
    assert page.inner_text("#said") == "Transparent parts of the picture are taken as white."
    assert query(page)["image"] == state(page, "image.id")
    page.goto(page.url)
    shown(page)
    assert state(page, "image.width") == 200
    assert state(page, "result.image.height") == 96  # at a width of 128
    assert page.inner_text("#picture-name") == "mine.png"


def test_a_choice_that_is_not_there_is_refused(page: Page, server: Server) -> None:
    """A link from a machine with a GPU opens here all the same."""
    missing = page.evaluate(
        """import('/static/js/state.js').then(({state}) => state.info.settings
             .find((one) => one.name === 'device').choices.filter((c) => !c.available).map((c) => c.value))"""
    )
    if not missing:
        pytest.skip("every device is here")
    page.goto(f"{server.url}/?device={missing[0]}&iters=30&resolution=128&features=off")
    shown(page)
    assert f"Device = {missing[0]}" in page.inner_text("#notice p")
    assert state(page, "settings.device") == "auto"
    assert state(page, "result.settings.iters") == 30


@pytest.mark.address(None)
def test_what_is_said_twice_is_named(page: Page, server: Server) -> None:
    page.goto(f"{server.url}/?stride=8&stride=9&iters=30&resolution=128&features=off")
    shown(page)
    assert "Stride = 8, 9" in page.inner_text("#notice p")
    assert state(page, "result.settings.stride") == 16
    assert state(page, "result.settings.iters") == 30


def test_a_signal_survives_a_reload(page: Page) -> None:
    job = shown(page)
    page.set_input_files("#signal-file", depth("mine.npy", 20))
    shown(page, job)
    signal = state(page, "signal.id")
    assert query(page)["signal"] == signal
    page.goto(page.url)
    shown(page)
    assert page.inner_text("#signal-name") == "mine.npy"
    assert state(page, "result.signal.id") == signal, "the first run has it"
    assert state(page, "result.image.lr_width") == 20
    assert query(page)["signal"] == signal
    page.click("#signal-drop")
    page.wait_for_function("() => !document.getElementById('signal-open').hidden")
    assert "signal" not in query(page)


@pytest.mark.parametrize("brought", ["file", "truth"])
def test_what_was_said_of_a_signal_survives_a_reload(page: Page, brought: str) -> None:
    job = shown(page)
    if brought == "file":
        page.set_input_files("#signal-file", depth("mine.npy", 20))
    else:
        page.click("#truth-scene button[data-what=depth][data-stride='16']")
    job = shown(page, job)
    page.select_option("#signal-kind", "features")
    shown(page, job)
    signal = state(page, "signal.id")
    page.wait_for_function("id => new URL(location.href).searchParams.get('signal') === id", arg=signal)

    def snippets() -> list[str]:
        return [
            page.evaluate(
                "name => Promise.all([import('/static/js/snippets.js'), import('/static/js/state.js')])"
                ".then(([m, s]) => m[name](s.state))",
                name,
            )
            for name in ("python", "command", "curl")
        ]

    before = snippets()
    page.goto(page.url)
    shown(page)
    assert snippets() == before
    assert all(re.search("kind[= ][\"']?features", one) for one in before)
    assert all(("signal_lr.npy" in one) == (brought == "truth") for one in before)


def bring_truth(page: Page) -> None:
    """A signal and its truth, as files."""
    job = shown(page)
    page.set_input_files("#signal-file", depth("mine.npy", 20))
    job = shown(page, job)
    page.set_input_files("#truth-file", depth("full.npy", 128))
    shown(page, job)


NO_TRUTH = "() => !new URLSearchParams(location.search).has('truth')"  # the address follows a little later


@pytest.mark.parametrize("brought", ["file", "scene"])
def test_a_truth_survives_a_reload(page: Page, brought: str) -> None:
    pressed = "#truth-scene button[data-what=labels][data-stride='16']"
    if brought == "file":
        bring_truth(page)
    else:
        job = shown(page)
        page.click(pressed)
        shown(page, job)
    named = page.inner_text("#truth-now b")
    figures, truth = state(page, "result.metrics.signal"), state(page, "truth.id")
    assert query(page)["truth"] == truth
    page.goto(page.url)
    shown(page)
    assert (page.inner_text("#truth-now b"), state(page, "truth.id")) == (named, truth)
    assert state(page, "result.metrics.signal") == figures, "the first run has it"
    assert "closest to the truth" in page.inner_text("#verdict")
    assert (page.locator(f"{pressed}[aria-pressed=true]").count() == 1) == (brought == "scene")
    page.click("#truth-drop")
    page.wait_for_selector("#truth-now", state="hidden")
    page.wait_for_function(NO_TRUTH)


def test_an_address_of_a_forgotten_truth(page: Page, watch: Watch) -> None:
    watch.expect("status of 404")
    bring_truth(page)
    truth = query(page)["truth"]
    page.goto(page.url.replace(truth, "0" * 32))
    shown(page)
    assert "truth of this address is gone" in page.inner_text("#notice p")
    assert page.inner_text("#signal-name") == "mine.npy"
    assert state(page, "truth") is None
    page.wait_for_function(NO_TRUTH)


def test_a_truth_of_an_address_is_forgotten_later(page: Page, watch: Watch) -> None:
    watch.expect("status of 404")
    bring_truth(page)
    query(page)
    page.goto(page.url)
    job = shown(page)
    forget(page, "**/api/truths/*")
    forget(page, "**/api/jobs")
    page.click("#run")
    shown(page, job)
    assert "truth of this address is gone" in page.inner_text("#notice p")
    assert page.inner_text("#signal-name") == "mine.npy"
    assert state(page, "truth") is None


@pytest.mark.address(f"signal={'0' * 32}&stride=0&resolution=128&features=off")
def test_an_address_of_a_forgotten_signal(page: Page, watch: Watch) -> None:
    watch.expect("status of 404")
    text = page.inner_text("#notice p")
    assert "no longer holds the signal" in text and "Stride = 0" in text
    assert state(page, "signal") is None
    assert "signal" not in query(page)


def test_a_signal_of_an_address_is_forgotten_later(page: Page, watch: Watch) -> None:
    """It cannot be sent again: it is taken away, that is said, and the picture is run without it."""
    watch.expect("status of 404")
    job = shown(page)
    page.set_input_files("#signal-file", depth())
    shown(page, job)
    query(page)
    page.goto(page.url)
    job = shown(page)
    page.wait_for_selector("#signal-now")
    forget(page, "**/api/signals/*")
    forget(page, "**/api/jobs")
    page.click("#run")
    shown(page, job)
    assert "no longer holds the signal" in page.inner_text("#notice p")
    assert state(page, "signal") is None and state(page, "result.signal") is None
    assert page.locator("#signal-open").is_visible()


#: Twelve are kept at most, and a slider makes as many in seconds.
FORGET_RUNS = "import('/static/js/state.js').then(({set}) => set({runs: []}))"


def test_back_leads_to_the_picture_and_the_tab_before(page: Page) -> None:
    """Settings and the divider are no steps of their own; what is had back is not run again."""
    page.evaluate("window.stays = true")
    page.focus("a.skip")
    page.keyboard.press("Enter")  # before the address is written, as after: a link within the page is no way back
    first = shown(page)
    page.wait_for_timeout(300)
    before = page.evaluate("history.length")
    page.click("#samples [data-sample=wires]")
    second = shown(page, first)
    page.focus(".handle")
    page.keyboard.press("ArrowLeft")
    page.wait_for_timeout(300)
    page.click("#tab-kernel")
    page.wait_for_selector("#tab-kernel[aria-selected=true]")
    page.wait_for_timeout(300)
    assert page.evaluate("history.length") == before + 2
    page.go_back()
    page.wait_for_selector("#tab-rgb[aria-selected=true]")
    assert shown(page) == second
    page.wait_for_timeout(300)  # the address is written late, and may be no new entry
    page.go_back()
    assert shown(page, second) == first and state(page, "image.sample") != "wires"
    page.wait_for_timeout(300)
    page.go_forward()
    assert shown(page, first) == second
    page.wait_for_timeout(300)
    assert page.evaluate("history.length") == before + 2 and "sample=wires" in page.url
    page.evaluate(FORGET_RUNS)
    page.go_back()
    shown(page, second)
    assert state(page, "result.from.sample") != "wires" and page.evaluate("window.stays")
    settled(page)
    assert "sample=wires" not in page.url


def test_back_to_a_picture_and_a_signal_whose_run_is_not_kept(page: Page) -> None:
    """They are taken from what this visit knows: nothing of it is lost."""
    job = shown(page)
    page.evaluate("window.stays = true")
    picture = io.BytesIO()
    Image.radial_gradient("L").resize((128, 128)).save(picture, "PNG")
    page.set_input_files("#file", {"name": "mine.png", "mimeType": "image/png", "buffer": picture.getvalue()})
    job = shown(page, job)
    page.set_input_files("#signal-file", depth("mine.npy"))
    job = shown(page, job)
    settled(page)
    page.click("#samples [data-sample=wires]")
    job = shown(page, job)
    settled(page)
    page.evaluate(FORGET_RUNS)
    page.go_back()
    shown(page, job)
    assert page.inner_text("#picture-name") == "mine.png" and page.inner_text("#signal-name") == "mine.npy"
    assert state(page, "result.from.name") == "mine.png" and state(page, "result.signal.name") == "mine.npy"
    assert page.evaluate("window.stays") and state(page, "recent.length") == 1


@pytest.mark.address(
    "resolution=128&features=off&group=valueOf&layout=pile&divider=101&point=1,x&place=2&lang=constructor&left=nonesuch"
)
def test_what_an_address_cannot_have_is_named(page: Page) -> None:
    shown(page)
    said = page.inner_text("#notice p")
    for name, raw in (
        ("group", "valueOf"), ("layout", "pile"), ("divider", "101"), ("point", "1,x"), ("place", "2"),
        ("lang", "constructor"), ("left", "nonesuch"),
    ):  # fmt: skip
        assert f"{name} = {raw}" in said, name
    page.wait_for_timeout(350)
    assert "features=off" in page.url, "as it is read"


@pytest.mark.address(None)
@pytest.mark.parametrize(
    ("asked", "refused"),
    [
        ("place=0,0,0&image=", ["place = 0,0,0", "image = "]),
        (
            "place=1e9,0.5,0.5&point=9999,1&third=nonesuch",
            ["place = 1e9,0.5,0.5", "point = 9999,1", "third = nonesuch"],
        ),
        ("place=2,0.5,5&layout=grid&fourth=nonesuch", ["place = 2,0.5,5", "fourth = nonesuch"]),
        (f"sample=wires&image={'0' * 32}", ["sample = wires"]),
    ],
)
def test_a_value_that_cannot_be_taken_is_named(
    page: Page, server: Server, watch: Watch, asked: str, refused: list[str]
) -> None:
    watch.expect("status of 404")
    page.goto(f"{server.url}/?resolution=128&features=off&{asked}")
    shown(page)
    page.wait_for_selector("#notice.error")
    said = page.inner_text("#notice p")
    assert [one for one in refused if one not in said] == [], said
    assert page.get_attribute("#viewer", "data-zoom") == "1.00"
    settled(page)
    search = page.evaluate("decodeURIComponent(location.search)")
    assert [one for one in refused if f"&{one.replace(' ', '')}" in search] == [], search


@pytest.mark.address(None)
def test_no_place_is_smaller_than_the_page_allows(page: Page, server: Server) -> None:
    """One image pixel on one of the screen, as by the button 1:1."""
    page.goto(f"{server.url}/?resolution=128&features=off&place=0.0313,0.5,0.5")
    shown(page)
    settled(page)
    asked = float(page.get_attribute("#viewer", "data-zoom") or 0)
    page.click("#actual")
    assert asked == float(page.get_attribute("#viewer", "data-zoom") or 0) < 1


@pytest.mark.address("resolution=128&features=off&stride=0")
def test_what_is_said_of_the_address_goes_with_a_choice(page: Page) -> None:
    job = shown(page)
    assert page.locator("#notice").is_visible()
    page.click("#samples [data-sample=wires]")
    shown(page, job)
    assert page.locator("#notice").is_hidden()
