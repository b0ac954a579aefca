"""What the browser tests work with: the server as a process, the watch on a page, and hands for the page."""

from __future__ import annotations

import base64
import re
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
from playwright.sync_api import Browser, ConsoleMessage, FilePayload, Page, Request, Route

from tests import zygote
from tests.npy import npy
from tests.ports import free_port

ROOT = Path(__file__).resolve().parents[2]
APP = ROOT / "app.py"


class Server:
    """``python app.py`` as its own process, on a port of its own."""

    def __init__(self, folder: Path, port: int | None = None, *options: str) -> None:
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.options = options
        self.log = folder / f"server-{self.port}.log"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> Server:
        """Start, and return once it answers and has compiled its kernels."""
        command = [zygote.python(), str(APP), "--port", str(self.port), *self.options]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log)
        end = time.monotonic() + 240  # a first start compiles, perhaps beside other tests
        while time.monotonic() < end:
            if self.process.poll() is not None:
                raise RuntimeError(f"the server ended: {self.log.read_text()[-2000:]}")
            try:
                with urllib.request.urlopen(f"{self.url}/healthz", timeout=2) as answer:
                    if b'"warm":true' in answer.read().replace(b" ", b""):
                        return self
            except (urllib.error.URLError, OSError):
                pass
            time.sleep(0.1)
        self.stop()
        raise RuntimeError(f"the server did not get warm: {self.log.read_text()[-2000:]}")

    def stop(self) -> None:
        """End it, as abruptly as a crash."""
        if self.process is not None:
            self.process.kill()
            self.process.wait(20)
            self.process = None


class Watch:
    """What a page must not do: log errors or warnings, throw, or ask another host."""

    def __init__(self, url: str) -> None:
        self.host = urlsplit(url).netloc
        self.wrong: list[str] = []
        # A Chromium without a GPU says so when a canvas of WebGL is read.
        self.expected: list[str] = ["GPU stall due to ReadPixels"]

    def follow(self, page: Page) -> None:
        """Listen to everything the page says and asks for."""
        page.on("console", self._said)
        page.on("pageerror", lambda error: self.wrong.append(f"thrown: {error}"))
        page.on("request", self._asked)

    def expect(self, pattern: str) -> None:
        """A message that this test provokes (the browser itself logs refused and failed requests)."""
        self.expected.append(pattern)

    def _said(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.wrong.append(f"{message.type}: {message.text} {message.location.get('url', '')}")

    def _asked(self, request: Request) -> None:
        parts = urlsplit(request.url)
        if parts.scheme in ("http", "https", "ws", "wss") and parts.netloc != self.host:
            self.wrong.append(f"asked another host: {request.url}")

    def check(self) -> None:
        """Fail with all that was wrong and not expected."""
        wrong = [w for w in self.wrong if not any(re.search(e, w) for e in self.expected)]
        assert not wrong, "\n".join(wrong)


@contextmanager
def visit(chromium: Browser, server: Server, *expected: str, address: str = "") -> Iterator[Page]:
    """The page of a server of this test's own, which ends with it; watched but for what is ``expected``."""
    watch = Watch(server.start().url)
    for pattern in expected:
        watch.expect(pattern)
    context = chromium.new_context(viewport={"width": 1440, "height": 900}, locale="en-GB")
    context.on("page", watch.follow)
    try:
        page = context.new_page()
        page.goto(server.url + address)
        yield page
        watch.check()
    finally:
        context.close()
        server.stop()


def shown(page: Page, but: str | None = None, timeout: float = 20000) -> str:
    """Wait until a result (another than ``but``) is on the page and nothing runs; its job's id."""
    page.wait_for_function(
        "but => { const {job, phase} = document.body.dataset; return job && job !== but && phase === 'idle'; }",
        arg=but,
        timeout=timeout,
    )
    return str(page.evaluate("document.body.dataset.job"))


def settled(page: Page) -> None:
    """Wait until the address, which follows with a delay, says what the page shows."""
    page.evaluate(
        """async () => {
          const { search } = await import('/static/js/url.js');
          while (search() !== location.search) await new Promise((done) => setTimeout(done, 20));
        }"""
    )


def painted(page: Page) -> None:
    """Wait for two frames, so that what was asked for is drawn."""
    page.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")


def state(page: Page, expression: str) -> object:
    """A value of the page's own state, as ``state.<expression>``."""
    return page.evaluate(f"import('/static/js/state.js').then(({{state}}) => state.{expression})")


def looked_at(page: Page) -> object:
    """What the page is asked for and shows, and what was done to its buttons and boxes; the first time is kept."""
    return page.evaluate(
        """async () => {
          const [{search}, {state}] = await Promise.all([import('/static/js/url.js'), import('/static/js/state.js')]);
          window.first ??= {...state};
          const all = (of, told) => [...document.querySelectorAll(of)].filter((one) => one.checkVisibility()).map(told);
          const {result, runs, recent, kept, line, region, hiddenClasses} = state;
          return JSON.stringify([
            search(), {...document.body.dataset}, result === window.first.result, runs.length, recent.length, kept,
            line, region, hiddenClasses, scrollY, innerWidth, innerHeight, document.documentElement.lang,
            all('[aria-pressed=true], [aria-selected=true]', (one) => one.textContent),
            all('[open], #notice, #toast, #pixel, .signal, #truth-now, #signal-now', (one) => one.id),
            all('input, select', (one) => one.type === 'checkbox' ? one.checked : one.value),
          ]);
        }"""
    )


def put_back(page: Page) -> None:
    """Have the page as it was when ``looked_at`` was first asked for."""
    page.evaluate(
        """async () => {
          const [{set, state}, {load}, {showPair}, {hush}, {giveWay}, {choose}] = await Promise.all(
            ['state', 'i18n', 'compare', 'notice', 'runner', 'sending'].map((name) => import(`/static/js/${name}.js`)));
          const viewer = document.getElementById('viewer');
          giveWay();
          choose('image', 'signal', 'truth');
          for (const box of document.querySelectorAll('dialog[open]')) box.close();
          for (const one of document.querySelectorAll('details[open]:not(#settings)')) one.open = false;
          hush();
          document.querySelector('#toast:not([hidden]) .close')?.click();
          if (state.language !== window.first.language) await load(window.first.language);
          viewer.set({tool: 'probe'});
          const {language, sending, view, ...first} = window.first;
          set({...first, view: {...view, turns: state.view.turns}});
          document.body.dataset.job = first.result.job;
          await showPair();
          viewer.fit();
          document.getElementById('chart-loss').click();
          document.activeElement.blur();
          localStorage.clear();
          scrollTo(0, 0);
        }"""
    )


def on_stage(page: Page, x: float, y: float) -> tuple[float, float]:
    """Where image position (x, y) is on the screen."""
    at = page.evaluate(
        "([x, y]) => { const v = document.getElementById('viewer'); const b = v.stage.getBoundingClientRect();"
        " const [px, py] = v.view.out(x, y); return [b.left + px, b.top + py]; }",
        [x, y],
    )
    return float(at[0]), float(at[1])


def set_slider(page: Page, name: str, value: int) -> None:
    """Put a setting's slider on ``value`` the way a hand does: input, then change at release."""
    page.evaluate(
        """([name, value]) => {
          const range = document.querySelector(`[data-setting=${name}] input[type=range]`);
          return Promise.all([import('/static/js/controls.js'), import('/static/js/state.js')]).then(([c, s]) => {
            const places = c.stops(s.state.info.settings.find((one) => one.name === name));
            range.value = places.indexOf(value);
            range.dispatchEvent(new Event('input', {bubbles: true}));
            range.dispatchEvent(new Event('change', {bubbles: true}));
          });
        }""",
        [name, value],
    )


def canvas_at(page: Page, x: float, y: float) -> list[int]:
    """The colour that the stage shows at image position (x, y)."""
    painted(page)
    colour: list[int] = page.evaluate(
        """([x, y]) => {
          const v = document.getElementById('viewer');
          const [px, py] = v.view.out(x, y).map((p) => Math.round(p * devicePixelRatio));
          const one = Object.assign(document.createElement('canvas'), {width: 1, height: 1}).getContext('2d');
          one.drawImage(v.canvas, px, py, 1, 1, 0, 0, 1, 1);
          return [...one.getImageData(0, 0, 1, 1).data.slice(0, 3)];
        }""",
        [x, y],
    )
    return colour


def hand_over(page: Page, paths: Path | Sequence[Path], how: str) -> None:
    """Give the page files by ``drop`` or ``paste``, as the browser's own events."""
    files = [paths] if isinstance(paths, Path) else paths
    page.evaluate(
        """([files, how]) => {
          const moved = new DataTransfer();
          for (const [text, name] of files) {
            const bytes = Uint8Array.from(atob(text), (one) => one.charCodeAt(0));
            moved.items.add(new File([bytes], name, {type: 'image/jpeg'}));
          }
          if (how === 'drop') dispatchEvent(new DragEvent('drop', {dataTransfer: moved, cancelable: true}));
          else dispatchEvent(new ClipboardEvent('paste', {clipboardData: moved}));
        }""",
        [[(base64.b64encode(path.read_bytes()).decode(), path.name) for path in files], how],
    )


def tab(page: Page, group: str) -> None:
    """Show a group, and wait until its pictures are there."""
    page.click(f"#tab-{group}")
    page.wait_for_selector(f"#tab-{group}[aria-selected=true]")
    page.wait_for_function(
        "() => [...document.querySelectorAll('#strip img')].every((i) => i.complete && i.naturalWidth)"
    )


def choose_pixel(page: Page, x: int, y: int) -> None:
    """Click image pixel (x, y) and wait for what it is made of and, with features, what is like it."""
    page.mouse.click(*on_stage(page, x + 0.5, y + 0.5))
    page.wait_for_selector(f"#pixel[data-x='{x}'][data-y='{y}']")
    if state(page, "result.panels.some((p) => p.group === 'features')"):
        page.wait_for_selector(f"#similarity[data-x='{x}'][data-y='{y}']")


def similarity(page: Page, method: str) -> np.ndarray:  # [H, W]
    """A map of similarity as the page has it; in one text, as a list of numbers takes seconds to come over."""
    text, width = page.evaluate(
        """(method) => import('/static/js/similarity.js').then((m) => {
          const {[method]: values, width} = m.values();
          const bytes = new Uint8Array(Float32Array.from(values).buffer);
          let text = '';
          for (let at = 0; at < bytes.length; at += 32768) {
            text += String.fromCharCode(...bytes.subarray(at, at + 32768));
          }
          return [btoa(text), width];
        })""",
        method,
    )
    return np.frombuffer(base64.b64decode(text), np.float32).reshape(-1, width)


def npy_file(name: str, array: np.ndarray) -> FilePayload:
    """An array as a file to be chosen."""
    return {"name": name, "mimeType": "application/octet-stream", "buffer": npy(array)}


def depth(name: str = "depth.npy", side: int = 16) -> FilePayload:
    """A small signal as a file."""
    return npy_file(name, np.random.default_rng(0).random((side, side), np.float32))


def once(page: Page, pattern: str | re.Pattern[str], answer: Callable[[Route], object]) -> list[Route]:
    """Have ``answer`` take the first request to ``pattern``, which is in the list then; later ones go on as they are.

    The route stays: a request that is under way while the last route is taken off may never be answered.
    """
    taken: list[Route] = []

    def handle(route: Route) -> None:
        if taken:
            route.continue_()
        else:
            taken.append(route)
            answer(route)

    page.route(pattern, handle)
    return taken


def forget(page: Page, pattern: str) -> None:
    """The next request to ``pattern`` is answered as by a server that has forgotten what is asked for."""
    problem = '{"code": "expired", "detail": "It is no longer kept; send it again.", "status": 404}'
    once(
        page,
        pattern,
        lambda route: route.fulfill(status=404, content_type="application/problem+json", body=problem),
    )


@contextmanager
def holding(page: Page, pattern: str) -> Iterator[list[Route]]:
    """Keep the first request to ``pattern`` back until the test lets it go; ends once it is held.

    The browser's news of a request comes before it is held: what is given up in between would leave the next one held.
    """
    held = once(page, pattern, lambda _: None)
    yield held
    while not held:
        page.wait_for_timeout(10)


def make_slow(page: Page) -> None:
    """Settings whose estimate is above 5 s on any machine of today."""
    page.evaluate(
        """async () => {
          for (const [name, value] of [['resolution', 512], ['stride', 2], ['radius', 8], ['iters', 1000]]) {
            const box = document.querySelector(`[data-setting=${name}] input[type=number]`);
            box.value = value;
            box.dispatchEvent(new Event('change', {bubbles: true}));
          }
        }"""
    )
