"""The server goes away and comes back; the page says so, waits, and goes on by itself."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from tests.browser.hands import Server, set_slider, shown, state, visit


def test_server_goes_away_and_comes_back(chromium: Browser, tmp_path: Path) -> None:
    server = Server(tmp_path)
    with visit(chromium, server, "net::ERR_|status of 404", address="/?resolution=256&features=off") as page:
        job = shown(page)

        # away while nothing runs
        server.stop()
        set_slider(page, "stride", 20)
        page.wait_for_selector("#notice.error")
        assert "not reachable" in page.inner_text("#notice p")
        assert "not reachable" in page.inner_text("#announcer")
        assert state(page, "online") is False
        # the last result can still be looked at
        page.focus(".handle")
        page.keyboard.press("Home")
        assert page.get_attribute(".handle", "aria-valuenow") == "0"

        server.start()
        job = shown(page, job)
        # it may have gone by now, and its words stay
        assert "restarted" in (page.text_content("#toast p") or "")
        assert state(page, "result.settings.stride") == 20, "what was asked for meanwhile is done"
        assert state(page, "online") is True
        set_slider(page, "stride", 24)
        job = shown(page, job)

        # away while a run goes on: the event stream breaks, the new server does not know the job
        set_slider(page, "radius", 8)
        job = shown(page, job)
        set_slider(page, "iters", 300)  # some seconds, or it may end before the server does
        page.wait_for_function("() => ['running', 'waiting'].includes(document.body.dataset.phase)")
        if page.get_attribute("body", "data-phase") == "waiting":
            page.click("#run")
        page.wait_for_function("() => import('/static/js/state.js').then(({state}) => Boolean(state.run.progress))")
        server.stop()
        page.wait_for_selector("#notice.error")
        server.start()
        shown(page, job, timeout=60000)
        assert state(page, "result.settings.iters") == 300


@pytest.mark.address("resolution=128&features=off")
def test_an_error_of_a_listener_is_not_taken_for_the_server_being_away(page: Page) -> None:
    said = page.evaluate(
        """async () => {
          const {lost, onReturn} = await import('/static/js/connection.js');
          const {set} = await import('/static/js/state.js');
          onReturn(() => { throw new Error("the listener's own"); });
          set({online: false});
          const late = new Promise((done) => setTimeout(done, 3000, 'still looking'));
          return Promise.race([lost().catch((error) => error.message), late]);
        }"""
    )
    assert said == "the listener's own"
    assert state(page, "online") is True
