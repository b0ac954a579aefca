"""Make the pictures of the page in docs/images anew: ``python -m tests.browser.pictures``. Our own scenes only."""

from __future__ import annotations

import io
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

from tests.browser.conftest import ARGS
from tests.browser.hands import ROOT, Server, choose_pixel, on_stage, set_slider, shown, tab

FOLDER = ROOT / "docs" / "images"
WIDTH = 1120  # px of the wide pictures as kept


def understand(page: Page) -> None:
    """A pixel of the white ball's edge, over the features."""
    choose_pixel(page, 262, 150)
    tab(page, "features")


def similar(page: Page) -> None:
    """Similarity maps side by side."""
    choose_pixel(page, 220, 180)
    tab(page, "similarity")


def elsewhere(page: Page) -> None:
    """A pixel of the blue ball, looked for among the paper shapes; the page has room for its words."""
    job = shown(page)
    choose_pixel(page, 400, 330)
    page.click("#similarity-keep")
    page.click("#samples .thumb >> nth=2")
    shown(page, job, timeout=60000)
    page.wait_for_selector("#similarity[data-others='1']")
    tab(page, "similarity")


def region(page: Page) -> None:
    """A rectangle over the white ball's edge and the sky: mean and spread of every panel."""
    page.click("#region")
    page.mouse.move(*on_stage(page, 180, 90))
    page.mouse.down()
    page.mouse.move(*on_stage(page, 330, 230), steps=5)
    page.mouse.up()
    page.wait_for_selector("#region-told[data-region='180 90 330 230'] >> visible=true")


def kernels(page: Page) -> None:
    """All Gaussians over the picture, zoomed in."""
    page.select_option("#left", "original")
    page.wait_for_selector("#viewer[data-left=original]")
    page.click("#ellipses")
    page.wait_for_function("() => document.getElementById('viewer').ellipses")
    for _ in range(3):
        page.click("#zoom-in")
    page.click("#chart-histograms")


def segments(page: Page) -> None:
    """What features tell apart, over the photo."""
    tab(page, "segments")


def truth(page: Page) -> None:
    """The scene's own depth, reduced, and every method against the truth."""
    job = shown(page)
    page.click("#truth-scene button[data-what=depth][data-stride='16']")
    shown(page, job, timeout=60000)


def relief(page: Page) -> None:
    """That depth as a relief."""
    truth(page)
    page.click("#relief")
    page.wait_for_selector("#relief-dialog[open]")
    page.click("#relief-over")


def labels(page: Page) -> None:
    """Segmentation: its overlay, legend and figures."""
    tab(page, "segmentation")


def running(page: Page) -> None:
    """A long run under way."""
    for name, value in (("stride", 4), ("iters", 1000), ("radius", 4)):
        set_slider(page, name, value)
    page.wait_for_selector("body[data-phase=waiting], body[data-phase=running]")
    page.click("#run")
    page.wait_for_function("() => Number(document.getElementById('bar').getAttribute('aria-valuenow')) > 8")


def refused(page: Page) -> None:
    """A file that is no picture."""
    page.set_input_files("#file", {"name": "notes.png", "mimeType": "image/png", "buffer": b"not a picture"})
    page.wait_for_selector("#notice.error")


def nothing(page: Page) -> None:
    """The page as it opens."""


# name: (address, width, height, scheme, what to do)
STATES: dict[str, tuple[str, int, int, str, Callable[[Page], None]]] = {
    "page": ("/", 1440, 900, "light", nothing),
    "features": ("/", 1440, 900, "dark", understand),
    "similarity": ("/?sample=paper", 1440, 900, "light", similar),
    "elsewhere": ("/", 1440, 900, "light", elsewhere),
    "region": ("/", 1440, 900, "light", region),
    "kernels": ("/?sample=wires", 1440, 900, "dark", kernels),
    "segmentation": ("/?segmentation=labels", 1440, 900, "light", labels),
    "segments": ("/?sample=still_life", 1440, 900, "light", segments),
    "truth": ("/", 1440, 900, "light", truth),
    "relief": ("/", 1440, 900, "dark", relief),
    "running": ("/?sample=still_life", 1440, 900, "light", running),
    "error": ("/?sample=wires", 1440, 900, "light", refused),
    "zh": ("/?lang=zh", 1440, 900, "light", nothing),
    "phone": ("/", 375, 812, "light", nothing),
}


def keep(name: str, png: bytes) -> Path:
    """Reduce, give it a palette (which keeps it small), write it."""
    picture = Image.open(io.BytesIO(png)).convert("RGB")
    if picture.width > WIDTH:
        picture = picture.resize((WIDTH, round(picture.height * WIDTH / picture.width)), Image.Resampling.LANCZOS)
    path = FOLDER / f"{name}.png"
    palette = picture.quantize(256, Image.Quantize.MEDIANCUT, kmeans=1)
    picture.quantize(palette=palette, dither=Image.Dither.FLOYDSTEINBERG).save(path, optimize=True)
    return path


def main() -> None:
    """All pictures, from a server of its own."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        server = Server(Path(folder)).start()
        try:
            path = os.environ.get("GSJBU_CHROMIUM") or shutil.which("chromium")
            browser = playwright.chromium.launch(executable_path=path, args=ARGS)
            for name, (address, width, height, scheme, act) in STATES.items():
                page = browser.new_page(
                    viewport={"width": width, "height": height},
                    color_scheme=scheme,  # type: ignore[arg-type]
                    locale="en-GB",
                )
                page.goto(server.url + address)
                shown(page, timeout=60000)
                act(page)
                page.wait_for_timeout(400)
                path_written = keep(name, page.screenshot(full_page=width < 500))
                print(f"{path_written.relative_to(ROOT)}: {path_written.stat().st_size // 1000} kB")
                page.close()
            browser.close()
        finally:
            server.stop()


if __name__ == "__main__":
    main()
