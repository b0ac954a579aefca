"""Runs by themselves: debounced, the older cancelled; a slow one waits, advises, shows progress, can be cancelled."""

from __future__ import annotations

import json
import re

import pytest
from playwright.sync_api import Page, Route

from tests.browser.hands import Server, Watch, make_slow, set_slider, shown, state

pytestmark = pytest.mark.address("resolution=128&features=off")


def test_a_slider_runs_by_itself_and_the_newest_wins(page: Page) -> None:
    """A quick pull over many values ends with the last value's result; runs begun in between are cancelled."""
    job = shown(page)
    jobs: list[str] = []
    page.on(
        "response",
        lambda r: (
            jobs.append(r.json()["job_id"]) if r.request.method == "POST" and r.url.endswith("/api/jobs") else None
        ),
    )
    page.evaluate(
        """async () => {
          const range = document.querySelector('[data-setting=stride] input[type=range]');
          for (let i = 0; i < 12; i++) {
            range.value = range.valueAsNumber + 1;
            range.dispatchEvent(new Event('input', {bubbles: true}));
            await new Promise((r) => setTimeout(r, 15));
          }
          range.dispatchEvent(new Event('change', {bubbles: true}));
        }"""
    )
    page.wait_for_function(
        "() => import('/static/js/state.js').then(({state}) => state.result?.settings.stride === 28)"
    )
    shown(page, job)
    assert state(page, "settings.stride") == 28
    assert page.evaluate("document.body.dataset.job") == jobs[-1]
    assert len(jobs) <= 4, "twelve moves are not twelve runs"


def test_panels_swap_without_flicker(page: Page) -> None:
    """While a run goes on and as it ends, the stage never shows an empty picture."""
    job = shown(page)
    page.evaluate(
        """() => {
          const v = document.getElementById('viewer');
          const small = Object.assign(document.createElement('canvas'), {width: 1, height: 1});
          const one = small.getContext('2d', {willReadFrequently: true});
          window.blank = 0; window.frames_seen = 0;
          const look = () => {
            const [px, py] = v.view.out(64, 25);
            one.clearRect(0, 0, 1, 1);
            one.drawImage(v.canvas, px, py, 1, 1, 0, 0, 1, 1);
            if (one.getImageData(0, 0, 1, 1).data[3] !== 255) window.blank++;
            window.frames_seen++;
            window.looking = requestAnimationFrame(look);
          };
          look();
        }"""
    )
    set_slider(page, "stride", 12)
    job = shown(page, job)
    set_slider(page, "stride", 24)
    shown(page, job)
    assert page.evaluate("window.frames_seen") > 5
    assert page.evaluate("window.blank") == 0


def test_pictures_come_before_figures_and_go_with_a_run_that_is_cancelled(still: Page) -> None:
    """What is compared is on the stage while figures are still made; a run that does not end takes it back."""
    job = shown(still)
    of_stage = "Object.values(document.getElementById('viewer').panes).map((pane) => pane.picture.src)"
    before = still.evaluate(of_stage)
    assert all(job in address for address in before)
    still.route("**/api/jobs/*", lambda route: None if route.request.method == "GET" else route.continue_())
    set_slider(still, "stride", 13)  # no other test's, whose result would be there at once
    still.wait_for_function(f"(job) => !({of_stage}).some((address) => address.includes(job))", arg=job)
    assert still.get_attribute("body", "data-job") == job and still.get_attribute("body", "data-phase") == "running"
    assert state(still, "result.settings.stride") == 16
    still.click("#cancel")
    still.wait_for_selector("body[data-phase=cancelled]")
    still.wait_for_function(f"(before) => ({of_stage}).join() === before.join()", arg=before)
    still.unroute("**/api/jobs/*")
    set_slider(still, "stride", 20)
    after = shown(still, job)
    assert all(after in address for address in still.evaluate(of_stage))


def test_a_slow_run_waits_and_advises(page: Page) -> None:
    """Over 5 s by the estimate: nothing starts until Run; one click takes the advice and runs."""
    job = shown(page)
    make_slow(page)
    page.wait_for_selector("body[data-phase=waiting]")
    assert page.evaluate("document.body.dataset.job") == job
    assert "Run" in page.inner_text("#stage")
    before = state(page, "estimate.seconds")
    advice = page.locator("#advice button")
    assert re.search(r"\d", advice.inner_text())
    advice.click()
    page.wait_for_function(
        """before => import('/static/js/state.js').then(({state}) =>
          Boolean(state.run.progress) && state.estimate.seconds < before)""",
        arg=before,
    )
    page.click("#cancel")


@pytest.mark.address(None)
def test_a_link_to_a_slow_run_shows_its_picture(page: Page, server: Server) -> None:
    page.goto(f"{server.url}/?resolution=512&stride=2&radius=8&iters=1000&features=off")
    page.wait_for_selector("body[data-phase=waiting]")
    assert page.inner_text("#awaited") == "Press Run to compare this picture."
    page.wait_for_function("() => document.getElementById('awaited-picture').naturalWidth")
    assert page.locator("#left").is_hidden() and page.locator("#grid").is_disabled()
    page.click("#advice button")
    shown(page)
    assert page.locator("#awaited").is_hidden() and page.locator("#grid").is_enabled()


def test_progress_is_shown_and_cancel_stops(page: Page) -> None:
    """A long run shows share, stage and loss, draws the curve live, and ends within a second of Cancel."""
    job = shown(page)
    make_slow(page)
    page.wait_for_selector("body[data-phase=waiting]")
    page.evaluate("window.stays = true")
    page.focus("a.skip")
    page.keyboard.press("Enter")
    page.click("#run")
    page.wait_for_selector("#progress.on")
    page.wait_for_function("() => document.getElementById('stage').textContent.includes('loss')")
    assert page.evaluate("window.stays"), "the link to the comparison loads nothing anew"
    bar = page.locator("#bar")
    page.wait_for_function("() => Number(document.getElementById('bar').getAttribute('aria-valuenow')) > 0")
    assert bar.get_attribute("role") == "progressbar"
    page.wait_for_function("() => document.querySelectorAll('#chart .curve').length === 1")
    assert page.inner_text("#announcer"), "a screen reader hears of it"
    stage, cold = page.evaluate(
        """() => import('/static/js/state.js').then(({set}) => {
          const seen = (patch, id) => (set(patch), document.getElementById(id).innerText);
          const said = [seen({online: false}, 'stage'), seen({warm: false}, 'cold')];
          set({online: true, warm: true});
          return said;
        })"""
    )
    assert stage == "The server is not reachable.", "instead of seconds that are counted no more"
    assert "still being compiled" in cold and page.locator("#cold").is_hidden()
    running = str(state(page, "run.job"))
    page.click("#cancel")
    page.wait_for_selector("body[data-phase=cancelled]", timeout=1000)
    for _ in range(20):
        answer = page.request.get(
            f"/api/jobs/{running}".replace("/api", page.url.split("/?")[0].rstrip("/") + "/api")
        ).json()
        if answer["state"] == "cancelled":
            break
        page.wait_for_timeout(50)
    assert answer["state"] == "cancelled"
    assert page.evaluate("document.body.dataset.job") == job, "the last result stays"
    assert page.evaluate("document.activeElement.id") == "run"
    assert page.inner_text("#stage") == "Cancelled. The last result stays on show."


def test_a_busy_server_is_asked_again_and_the_newest_wish_runs(still: Page, watch: Watch) -> None:
    """Three tabs at once are one more than a visitor may run."""
    watch.expect("status of 429")
    job = shown(still)
    asked: list[int] = []

    def busy(route: Route) -> None:
        asked.append(json.loads(route.request.post_data or "{}")["settings"]["stride"])
        if len(asked) > 2:
            route.continue_()
            return
        problem = {"code": "client_busy", "detail": "You have 2 jobs under way.", "status": 429}
        route.fulfill(
            status=429, headers={"Retry-After": "1"}, content_type="application/problem+json",
            body=json.dumps(problem),
        )  # fmt: skip

    still.route("**/api/jobs", busy)
    set_slider(still, "stride", 11)
    still.wait_for_function("() => document.getElementById('stage').textContent.includes('busy with other runs')")
    assert still.get_attribute("body", "data-phase") == "running" and still.is_enabled("#cancel")
    assert "busy" in still.inner_text("#announcer") and still.locator("#notice").is_hidden()
    set_slider(still, "stride", 21)
    shown(still, job)
    assert state(still, "result.settings.stride") == 21
    assert asked == [11, 21, 21], "what nobody wishes for any more is not asked for again"


def test_a_job_that_fails_tells_its_own_status(still: Page) -> None:
    shown(still)
    error = {"code": "job_timeout", "detail": "The job ran too long.", "status": 408}
    body = f"event: failed\ndata: {json.dumps({'error': error})}\nid: 1\n\n"
    still.route("**/api/jobs/*/events", lambda r: r.fulfill(content_type="text/event-stream", body=body))
    set_slider(still, "stride", 22)
    still.wait_for_selector("body[data-phase=failed]")
    assert state(still, "run.problem.status") == 408


def test_a_run_that_starts_is_not_said_to_wait_for_a_place(page: Page) -> None:
    job = shown(page)
    told = {"queued": "event: queued\ndata: {}\nid: 1\n\n", "running": "event: running\ndata: {}\nid: 2\n\n"}
    streams = iter([told["queued"], told["running"]])
    page.route(
        "**/api/jobs/*/events",
        lambda route: (
            route.fulfill(content_type="text/event-stream", body=f"retry: 300\n{part}")
            if (part := next(streams, None))
            else route.continue_()
        ),
    )
    page.evaluate(
        """() => {
          window.said = new Set();
          new MutationObserver(() => window.said.add(document.getElementById('stage').textContent))
            .observe(document.getElementById('stage'), {childList: true, characterData: true, subtree: true});
        }"""
    )
    set_slider(page, "stride", 22)
    shown(page, job)
    said = page.evaluate("[...window.said].filter((text) => text.endsWith('…'))")
    assert said in (["Waiting for a free place…", "Starting…"], ["Starting…", "Waiting for a free place…"])
