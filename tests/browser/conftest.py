"""A real server process and a real Chromium, one of each per session; every page is watched while it is open."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, ViewportSize, sync_playwright

from tests.browser.hands import Server, Watch, looked_at, put_back, shown

ARGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--no-default-browser-check",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
    "--process-per-site",  # see the fixture ``shared``
    "--renderer-process-limit=1",
    "--in-process-gpu",  # as the network's: a process less to talk to
    "--enable-features=NetworkServiceInProcess2",
]


#: The shell has no windows to keep, and takes two thirds of the time.
BROWSERS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs Chromium."""
    for item in items:
        if "chromium" in getattr(item, "fixturenames", ()):
            item.add_marker("browser")


@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    """One Chromium for this folder: while it is open, no other test can run an event loop."""
    given = os.environ.get("GSJBU_CHROMIUM")
    path = given or next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None and given is None:
        pytest.skip("no Chromium was found; `make test` gets one, or set GSJBU_CHROMIUM to its path")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path or None, args=ARGS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for all tests that do not stop it."""
    # Dozens of pictures a minute from one address would fill what is kept, and results on show lose their values.
    server = Server(tmp_path_factory.mktemp("server"), None, "--limit", "cache_bytes=1000000000").start()
    yield server
    server.stop()


@pytest.fixture
def watch(server: Server) -> Iterator[Watch]:
    """Checked at the end of every test."""
    watch = Watch(server.url)
    yield watch
    watch.check()


SCREEN: ViewportSize = {"width": 1440, "height": 900}


def visitor(chromium: Browser) -> BrowserContext:
    """A fresh visitor."""
    return chromium.new_context(viewport=SCREEN, locale="en-GB", accept_downloads=True)


@pytest.fixture(scope="module")
def shared(chromium: Browser, server: Server) -> Iterator[BrowserContext]:
    """The visitor of a file's tests. One page of it stays open, so that the others find a process that has read
    the page's code before: a quarter less to do for each."""
    context = visitor(chromium)
    context.new_page().goto(f"{server.url}/healthz")
    yield context
    context.close()


@pytest.fixture
def context(chromium: Browser) -> Iterator[BrowserContext]:
    """For a test that changes what cannot be taken back, as the clock: a visitor of its own."""
    context = visitor(chromium)
    yield context
    context.close()


@pytest.fixture
def page(server: Server, watch: Watch, request: pytest.FixtureRequest) -> Iterator[Page]:
    """The page, its first scene computed and shown; the mark ``address`` says what else its address asks for.

    Marked with None it is empty: the test goes to an address of its own. Whatever it leaves with the browser is
    taken away after it: its pages, cookies, permissions, and what the page keeps.
    """
    context: BrowserContext = request.getfixturevalue("context" if "context" in request.fixturenames else "shared")
    opened = context.pages
    context.on("page", watch.follow)
    page = context.new_page()
    marked = request.node.get_closest_marker("address")
    asked = marked.args[0] if marked else ""
    if asked is not None:
        page.goto(f"{server.url}/?{asked}")
        shown(page)
    yield page
    context.remove_listener("page", watch.follow)
    for one in context.pages:
        if one not in opened:
            one.close()
    context.clear_cookies()
    context.clear_permissions()
    for one in opened:
        one.evaluate("localStorage.clear()")


class Visits:
    """Each address of a file's tests opened once."""

    def __init__(self, context: BrowserContext, url: str) -> None:
        self.context, self.url, self.watch = context, url, Watch(url)
        self.opened: dict[str, Page] = {}

    def __call__(self, asked: str = "") -> Page:
        if asked not in self.opened:
            page = self.opened[asked] = self.context.new_page()
            self.watch.follow(page)
            page.goto(f"{self.url}/?{asked}")
            shown(page)
        return self.opened[asked]


@pytest.fixture(scope="module")
def visits(shared: BrowserContext, server: Server) -> Iterator[Visits]:
    """For a fixture of a file that has a page for all of its tests."""
    visits = Visits(shared, server.url)
    yield visits
    visits.watch.check()


@pytest.fixture
def still(visits: Visits, watch: Watch, request: pytest.FixtureRequest) -> Iterator[Page]:
    """As ``page``, but one visit for those tests of a file that leave nothing but what the page has in its state, what
    it shows, and routes. All that is put back after each; a test that leaves more takes ``page``."""
    marked = request.node.get_closest_marker("address")
    asked = marked.args[0] if marked else ""
    page = visits(asked)
    before = looked_at(page)
    yield page
    del visits.opened[asked]  # unless it is as it was
    page.unroute_all()
    page.set_viewport_size(SCREEN)
    page.mouse.move(0, 0)
    put_back(page)
    watch.wrong += visits.watch.wrong
    visits.watch.wrong.clear()
    assert looked_at(page) == before
    visits.opened[asked] = page
