"""How quickly the page answers: from a slider's release, or a click, to the pixels on the screen.

    python -m benchmarks.page [--runs 15] [--url http://127.0.0.1:8000]

Starts a server of its own unless one is given, opens a 512 × 512 built-in scene in headless Chromium and measures
inside the page: from the event to the frame in which the answer is drawn. Everything is warm; medians count.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from tests.browser.hands import Server, on_stage, shown

ARGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
TARGETS = {"slider to panels": 400, "click to similarity": 100, "click to inspector": 60}  # ms, median
# Turn by turn, so that each run differs from the one before: setting and value.
SLIDES = [("radius", 3), ("iters", 40), ("stride", 20), ("radius", 2), ("iters", 50), ("stride", 16)]

SLIDE = """async ([name, value]) => {
  const [c, s] = await Promise.all([import('/static/js/controls.js'), import('/static/js/state.js')]);
  const range = document.querySelector(`[data-setting=${name}] input[type=range]`);
  range.value = c.stops(s.state.info.settings.find((one) => one.name === name)).indexOf(value);
  const viewer = document.getElementById('viewer');
  const before = document.body.dataset.job;
  const began = performance.now();
  range.dispatchEvent(new Event('change', {bubbles: true}));
  return new Promise((done) => {
    let painted = null;
    const look = () => {
      if (document.body.dataset.job === before) painted = viewer.dataset.painted;
      else if (viewer.dataset.painted !== painted) return done(performance.now() - began);
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


def click(page: Page, what: str, x: int, y: int) -> float:
    """Milliseconds from the press to what was asked for being drawn."""
    page.evaluate(CLICK, [what, x, y])
    page.mouse.click(*on_stage(page, x + 0.5, y + 0.5))
    return float(page.evaluate("window.measured"))


def measure(page: Page, runs: int) -> dict[str, list[float]]:
    """All times, in ms."""
    shown(page)
    for name, value in SLIDES:  # warm each
        page.evaluate(SLIDE, [name, value])
        shown(page)
    times: dict[str, list[float]] = {name: [] for name in TARGETS}
    for i in range(runs):
        name, value = SLIDES[i % len(SLIDES)]
        times["slider to panels"].append(float(page.evaluate(SLIDE, [name, value])))
        shown(page)
        page.wait_for_timeout(100)
    click(page, "similarity", 40, 40)
    for i in range(runs):
        x, y = 20 + 31 * i % 200, 60 + 47 * i % 400
        times["click to similarity"].append(click(page, "similarity", x, y))
        page.wait_for_timeout(80)
        times["click to inspector"].append(click(page, "pixel", x + 7, y + 3))
        page.wait_for_timeout(150)
    return times


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print; exit status 1 where a target is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.page", description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=15, help="measurements of each kind")
    parser.add_argument("--url", help="a server that runs already")
    options = parser.parse_args(argv)
    path = os.environ.get("GSJBU_CHROMIUM") or shutil.which("chromium")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        server = None if options.url else Server(Path(folder)).start()
        try:
            browser = playwright.chromium.launch(executable_path=path, args=ARGS)
            page = browser.new_page(viewport={"width": 1440, "height": 900})
            page.goto(options.url or server.url)  # type: ignore[union-attr]
            times = measure(page, options.runs)
            browser.close()
        finally:
            if server:
                server.stop()
    print(f"{'512 × 512 scene, warm':24} {'median':>8} {'p90':>8} {'target':>8}   (ms, lower is better)")
    missed = 0
    for name, target in TARGETS.items():
        values = sorted(times[name])
        median, p90 = statistics.median(values), values[int(0.9 * (len(values) - 1))]
        missed += median > target
        print(f"{name:24} {median:8.0f} {p90:8.0f} {target:8.0f}   {'met' if median <= target else 'missed'}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
