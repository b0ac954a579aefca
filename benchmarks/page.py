"""How quickly the page answers: from a slider's release, or a click, to the pixels on the screen.

    python -m benchmarks.page [--runs 20] [--photo FILE] [--url http://127.0.0.1:8000]

Starts a server of its own unless one is given, opens a built-in scene and a photograph at 512 pixels in headless
Chromium and measures inside the page: from the event to the frame in which the answer is drawn. Everything is warm and
at its default, but for the slider that is moved; no settings come twice, as results are kept.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import sys
import tempfile
from collections.abc import Iterator, Sequence
from itertools import cycle, islice
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from benchmarks.scenes import DATA
from tests.browser.hands import Server, on_stage, shown

ARGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
# ms, median. The picture: the pair that is compared is drawn; the panels: so is every panel of the group, with figures.
TARGETS = {
    "slider to picture": 100,
    "slider to panels": 180,
    "click to similarity": 50,
    "click to inspector": 40,
}
PHOTO = DATA / "photos" / "skimage_astronaut.png"
WARMING = 6  # runs that are not counted

SLIDE = """async ([name, value]) => {
  const [c, s] = await Promise.all([import('/static/js/controls.js'), import('/static/js/state.js')]);
  const range = document.querySelector(`[data-setting=${name}] input[type=range]`);
  range.value = c.stops(s.state.info.settings.find((one) => one.name === name)).indexOf(value);
  const viewer = document.getElementById('viewer');
  const before = s.state.result;
  const began = performance.now();
  range.dispatchEvent(new Event('change', {bubbles: true}));
  return new Promise((done) => {
    let painted = viewer.dataset.painted, picture = null;
    const drawn = () => [...document.querySelectorAll('#strip img')].every((one) => one.complete);
    const look = () => {
      if (picture === null && viewer.dataset.painted !== painted) picture = performance.now() - began;
      if (s.state.result !== before && document.body.dataset.job === s.state.result.job && picture !== null && drawn())
        return done([picture, performance.now() - began]);
      requestAnimationFrame(look);
    };
    look();
  });
}"""

CLICK = """([id, x, y]) => {
  const node = document.getElementById(id);
  window.measured = new Promise((done) => {
    let began = 0;
    addEventListener('pointerdown', () => { began = performance.now(); }, {capture: true, once: true});
    const look = () => {
      if (began && node.dataset.x === String(x) && node.dataset.y === String(y) && !node.hidden)
        return requestAnimationFrame(() => done(performance.now() - began));
      requestAnimationFrame(look);
    };
    look();
  });
}"""


def moves() -> Iterator[tuple[str, int]]:
    """Sliders one after another about their defaults; no two of the settings that they make are the same."""
    iters, radius = cycle((8, 10)), cycle((3, 2))
    for step in range(1, 15):
        for stride in (16 + step, 16 - step):
            yield "stride", stride
            yield "iters", next(iters)
            yield "radius", next(radius)


def click(page: Page, what: str, x: int, y: int) -> float:
    """Milliseconds from the press to what was asked for being drawn."""
    page.evaluate(CLICK, [what, x, y])
    page.mouse.click(*on_stage(page, x + 0.5, y + 0.5))
    return float(page.evaluate("window.measured"))


def measure(page: Page, runs: int) -> dict[str, list[float]]:
    """All times, in ms."""
    times: dict[str, list[float]] = {name: [] for name in TARGETS}
    page.evaluate("import('/static/js/state.js').then(({set}) => set({point: null}))")
    for i, (name, value) in enumerate(islice(moves(), WARMING + runs)):
        picture, panels = page.evaluate(SLIDE, [name, value])
        page.wait_for_selector("body[data-phase=idle]")
        page.wait_for_timeout(100 + 7 * i % 17)  # at any moment of a frame
        if i >= WARMING:
            times["slider to picture"].append(picture)
            times["slider to panels"].append(panels)
    page.wait_for_timeout(500)
    click(page, "similarity", 40, 40)
    for i in range(runs):
        x, y = 20 + 31 * i % 200, 60 + 47 * i % 400
        times["click to similarity"].append(click(page, "similarity", x, y))
        page.wait_for_timeout(80 + 7 * i % 17)
        times["click to inspector"].append(click(page, "pixel", x + 7, y + 3))
        page.wait_for_timeout(150 + 7 * i % 17)
    return times


def report(of: str, times: dict[str, list[float]]) -> None:
    """A table."""
    print(f"{of:24} {'median':>8} {'p95':>8} {'target':>8}   (ms, lower is better)")
    for name, target in TARGETS.items():
        values = sorted(times[name])
        median, p95 = statistics.median(values), values[round(0.95 * (len(values) - 1))]
        print(f"{name:24} {median:8.0f} {p95:8.0f} {target:8.0f}   {'met' if median <= target else 'missed'}")


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.page", description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=20, help="measurements of each kind")
    parser.add_argument("--photo", type=Path, default=PHOTO, help="an image file of 512 pixels or more")
    parser.add_argument("--url", help="a server that runs already")
    options = parser.parse_args(argv)
    path = os.environ.get("GSJBU_CHROMIUM") or shutil.which("chromium")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        server = None if options.url else Server(Path(folder)).start()
        try:
            browser = playwright.chromium.launch(executable_path=path, args=ARGS)
            page = browser.new_page(viewport={"width": 1440, "height": 900})
            page.goto(options.url or server.url)  # type: ignore[union-attr]
            shown(page)
            report("built-in scene", measure(page, options.runs))
            if options.photo.is_file():
                job = str(page.get_attribute("body", "data-job"))
                page.set_input_files("#file", options.photo)
                shown(page, job)
                report(f"photo, {options.photo.name}", measure(page, options.runs))
            browser.close()
        finally:
            if server:
                server.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
