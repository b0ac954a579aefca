"""The newest choice counts, whatever order the answers come in; what is being sent is seen."""

from __future__ import annotations

import io
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Error, FilePayload, Page, Route

from gsjbu.samples import SAMPLES
from tests.browser.hands import Watch, depth, forget, hand_over, holding, shown, state

pytestmark = pytest.mark.address("resolution=128&features=off")

SCENES = list(SAMPLES)


def picture(name: str = "mine.png") -> FilePayload:
    """A small picture as a file."""
    out = io.BytesIO()
    Image.radial_gradient("L").convert("RGB").resize((200, 150)).save(out, "PNG")
    return {"name": name, "mimeType": "image/png", "buffer": out.getvalue()}


def let_go(page: Page, held: list[Route]) -> None:
    """Let the held request go, which the page has given up: no answer may change anything."""
    with suppress(Error):
        held[0].continue_()
    page.wait_for_timeout(500)
    assert held[0].request.failure


def test_a_truth_whose_signal_goes_meanwhile_goes_too(still: Page) -> None:
    job = shown(still)
    still.set_input_files("#signal-file", depth())
    job = shown(still, job)
    with holding(still, "**/api/truths") as held:
        still.set_input_files("#truth-file", depth("full.npy", side=128))
    still.click("#signal-drop")
    job = shown(still, job)
    let_go(still, held)
    assert state(still, "truth") is None and shown(still) == job


def test_of_two_quick_scenes_the_second_stays(still: Page) -> None:
    job = shown(still)
    with holding(still, "**/api/images") as held:
        still.click("#samples .thumb >> nth=1")
    still.click("#samples .thumb >> nth=2")
    job = shown(still, job)
    let_go(still, held)
    assert state(still, "image.sample") == SCENES[2]
    assert shown(still) == job, "and nothing runs for the older one"


def test_a_scene_chosen_while_a_file_is_sent_stays(still: Page) -> None:
    """Until then the page says that the file is sent; it is given up then, and not said to be sent any more."""
    job = shown(still)
    with holding(still, "**/api/images") as held:
        still.set_input_files("#file", picture())
    still.wait_for_function("() => document.getElementById('stage').textContent === 'Sending mine.png…'")
    assert still.locator("#stage").is_visible()
    still.click("#samples .thumb >> nth=2")
    shown(still, job)
    assert "Sending" not in still.inner_text("#stage")
    let_go(still, held)
    assert state(still, "image.sample") == SCENES[2]
    assert "Sending" not in still.inner_text("#stage")


def test_what_could_not_be_sent_is_not_shown_as_being_sent(still: Page, watch: Watch) -> None:
    watch.expect("status of 4")
    still.set_input_files("#file", {**picture(), "buffer": b"no picture"})
    still.wait_for_selector("#notice.error")
    assert "Sending" not in still.inner_text("#stage")


def test_a_signal_removed_while_another_is_sent_stays_away(still: Page) -> None:
    job = shown(still)
    still.set_input_files("#signal-file", depth("first.npy"))
    job = shown(still, job)
    with holding(still, "**/api/signals") as held:
        still.set_input_files("#signal-file", depth("second.npy"))
    still.wait_for_function("() => document.getElementById('stage').textContent.includes('second.npy')")
    still.click("#signal-drop")
    shown(still, job)
    let_go(still, held)
    assert state(still, "signal") is None
    assert still.locator("#signal-open").is_visible()


def test_of_two_quick_signals_the_second_stays(still: Page) -> None:
    job = shown(still)
    with holding(still, "**/api/signals") as held:
        still.set_input_files("#signal-file", depth("first.npy"))
    still.set_input_files("#signal-file", depth("second.npy"))
    shown(still, job)
    let_go(still, held)
    assert state(still, "signal.name") == "second.npy"


def test_a_pasted_signal_is_taken_as_one(still: Page, tmp_path: Path) -> None:
    job = shown(still)
    path = tmp_path / "pasted.npy"
    path.write_bytes(depth()["buffer"])
    hand_over(still, path, "paste")
    shown(still, job)
    assert still.inner_text("#signal-name") == "pasted.npy"


@pytest.fixture
def brought(tmp_path: Path) -> dict[str, Path]:
    """Two pictures of 96×64, two signals for them and a truth of the first one."""
    values = np.random.default_rng(0).random((64, 96), np.float32)
    low = values.reshape(8, 8, 12, 8).mean((1, 3))
    for name, array in (("a signal.npy", low), ("b signal.npy", low), ("0 truth.npy", values)):
        np.save(tmp_path / name, array)
    for name in ("x photo.png", "y photo.png"):
        Image.fromarray((255 * values).astype(np.uint8)).convert("RGB").save(tmp_path / name)
    return {path.stem: path for path in tmp_path.iterdir()}


@pytest.mark.parametrize(
    ("names", "left", "how"),
    [
        (["x photo", "a signal"], "", "drop"),
        (["a signal", "x photo"], "", "paste"),
        (["a signal", "0 truth", "x photo"], "", "paste"),
        (["0 truth", "x photo", "y photo", "a signal"], "y photo.png", "drop"),
        (["x photo", "a signal", "b signal"], "b signal.npy", "drop"),
    ],
)
def test_a_picture_and_its_signal_come_together(
    still: Page, brought: dict[str, Path], names: list[str], left: str, how: str
) -> None:
    job = shown(still)
    hand_over(still, [brought[name] for name in names], how)
    still.wait_for_function("name => document.querySelector('#signal-name').textContent === name", arg="a signal.npy")
    shown(still, job)
    assert state(still, "image.name") == "x photo.png"
    if "0 truth" in names:
        still.wait_for_selector("#truth-now:not([hidden])")
        assert "0 truth.npy" in still.inner_text("#truth-name")
    if left:
        still.wait_for_function("() => document.querySelector('#toast').innerText.includes('Left out')")
        assert f"Left out: {left}. " in still.inner_text("#toast")
    assert state(still, "signal.name") == "a signal.npy"
    assert still.locator("#notice").is_hidden()


def test_an_array_as_large_as_the_picture_is_the_truth_of_the_signal_that_is_there(
    still: Page, brought: dict[str, Path]
) -> None:
    job = shown(still)
    hand_over(still, [brought["x photo"], brought["a signal"]], "drop")
    job = shown(still, job)
    still.wait_for_selector("#signal-now:not([hidden])")
    hand_over(still, brought["0 truth"], "drop")
    still.wait_for_selector("#truth-now:not([hidden])")
    shown(still, job)
    assert state(still, "signal.name") == "a signal.npy"
    hand_over(still, brought["b signal"], "drop")  # another signal takes its place
    still.wait_for_function("() => document.querySelector('#signal-name').textContent === 'b signal.npy'")


def test_a_signal_brings_its_own_grid(still: Page) -> None:
    """The stride then does nothing: it cannot be moved, and the reason stands beside it."""
    job = shown(still)
    inputs = still.locator("[data-setting=stride] .amount input, [data-setting=stride] input[type=range]")
    why = still.locator("[data-setting=stride] .why")
    assert inputs.count() == 2 and why.is_hidden()
    still.set_input_files("#signal-file", depth())
    job = shown(still, job)
    assert all(inputs.nth(i).is_disabled() for i in range(2))
    assert "grid" in why.inner_text()
    assert (why.get_attribute("id") or "?") in (inputs.first.get_attribute("aria-describedby") or "")
    still.click("#language")
    still.wait_for_selector("html[lang=zh-Hans]")
    assert inputs.first.is_disabled() and "网格" in why.inner_text()
    still.click("#signal-drop")
    shown(still, job)
    assert all(inputs.nth(i).is_enabled() for i in range(2))
    assert why.is_hidden()


@pytest.mark.address("features=false&stride=64&radius=8&iters=400")
def test_a_run_that_a_signal_makes_slow_waits(still: Page) -> None:
    """The estimate is of the run with its signal: its grid may be much finer than the stride's."""
    job = shown(still)
    assert float(state(still, "estimate.seconds")) < 5  # type: ignore[arg-type]
    with still.expect_request("**/api/jobs") as asked:
        still.set_input_files("#signal-file", depth(side=256))
    still.wait_for_selector("body[data-phase=waiting]")
    assert asked.value.post_data_json["signal_id"] == state(still, "signal.id")
    assert float(state(still, "estimate.seconds")) > 5  # type: ignore[arg-type]
    assert still.evaluate("document.body.dataset.job") == job


def test_a_signal_forgotten_at_the_estimate_is_sent_again(still: Page, watch: Watch) -> None:
    watch.expect("status of 404")
    job = shown(still)
    still.set_input_files("#signal-file", depth())
    job = shown(still, job)
    old = state(still, "signal.id")
    forget(still, "**/api/jobs")
    still.click("#run")
    shown(still, job)
    assert state(still, "signal.id") not in (None, old)
    assert state(still, "result.signal.id") == state(still, "signal.id")
    assert still.locator("#notice").is_hidden()
