"""Which cell a pixel belongs to: on the page as in the library, on pixels whose centres lie on a border, too."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page

from gsjbu.core.grid import Grid
from gsjbu.io.pictures import shrunk_size
from tests.browser.hands import npy_file, on_stage, shown, tab

SIZES = (1, 2, 5, 7, 12, 35, 45, 90, 97, 120, 225, 480, 512)
BY_SIZES = [Grid.from_sizes(n, n, c, c) for n, c in product(SIZES, (1, 2, 3, 6, 8, 10, 32, 64, 192)) if c <= n]
BY_STRIDE = [Grid.from_stride(n, n, s) for n, s in product(SIZES, (1, 2, 5, 7, 16, 64))]


def cells(grid: Grid) -> np.ndarray:
    """int [W]: the column of cells of each column of pixels."""
    return np.repeat(np.arange(grid.cols), np.diff(grid.col_starts))


def test_the_page_counts_cells_as_the_library_does(still: Page) -> None:
    grids = [*BY_SIZES, *BY_STRIDE]
    found = still.evaluate(
        "all => import('/static/js/grid.js').then((m) => all.map((one) => [...m.cellsOf(...one)]))",
        [[grid.width, grid.cols, grid.step_x] for grid in grids],
    )
    for grid, columns in zip(grids, found, strict=True):
        np.testing.assert_array_equal(columns, cells(grid), str(grid))


def test_the_page_reduces_an_image_as_the_library_does(still: Page) -> None:
    images = [(h, w, r, s) for h, w, r, s in product((1, 3, 513, 1025), (640, 1026), (64, 512, 2048), (2, 8))]
    images.append((513, 1026, 513, 2))  # half of 513 is no whole number: 256, not 257
    found = still.evaluate(
        "all => import('/static/js/grid.js').then((m) => "
        "all.map(([height, width, resolution, stride]) => m.gridOf({ height, width }, resolution, stride)))",
        images,
    )
    for (height, width, resolution, stride), told in zip(images, found, strict=True):
        grid = Grid.from_stride(*shrunk_size(height, width, resolution), stride)
        assert told == {"rows": grid.rows, "cols": grid.cols}, (height, width, resolution, stride)


@pytest.mark.address("resolution=120&features=off")
def test_a_panel_is_read_and_cut_where_its_cells_lie(page: Page) -> None:
    job = shown(page)
    grid = Grid.from_sizes(120, 120, 48, 48)  # 2.5 pixels a cell
    signal = np.where(np.random.default_rng(0).random((48, 48)) > 0.5, 5.0, 0.8).astype(np.float32)
    file = npy_file("depth.npy", signal)
    page.set_input_files("#signal-file", file)
    shown(page, job)
    tab(page, "signal")
    page.select_option("#right", "signal_lr")
    page.wait_for_selector("#viewer[data-right=signal_lr]")
    wanted = signal[cells(grid)][:, cells(grid)]
    page.click("#cut")
    page.wait_for_selector("#cut-dialog[open]")
    with page.expect_download() as download:
        page.click("#cut-save-mask")
    mask = np.array(Image.open(download.value.path()))
    np.testing.assert_array_equal(mask[..., 0] > 0, wanted > 2)
    page.keyboard.press("Escape")

    colours = {}
    for x in np.flatnonzero((np.arange(120) + 0.5) % 2.5 == 0)[:6].tolist():  # on a border
        page.mouse.move(*on_stage(page, x + 0.5, 60.5))
        page.wait_for_selector(f"#readout[data-x='{x}'][data-y='60']")
        swatch = page.locator("#readout .value[data-side=right] .swatch")
        colours.setdefault(float(wanted[60, x]), set()).add(swatch.evaluate("s => s.style.backgroundColor"))
    assert len(colours) == 2 and all(len(seen) == 1 for seen in colours.values())
