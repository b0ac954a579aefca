"""The grid that something enlarged really resolves."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from PIL import Image

from gsjbu.core.grid import Grid
from gsjbu.core.interpolation import bilinear, nearest
from gsjbu.io.resolution import enlarged as enlargement
from gsjbu.io.resolution import resolved
from gsjbu.samples import SAMPLES

RNG = np.random.default_rng(0)
BLOB = np.hypot(*(np.mgrid[:120, :160] - np.array([60, 70])[:, None, None])) < 40


def enlarged(way, height: int, width: int, rows: int, cols: int) -> np.ndarray:
    low = torch.from_numpy(RNG.random((1, rows, cols)).astype("f4"))
    return way(low, Grid.from_sizes(height, width, rows, cols)).numpy()


@pytest.mark.parametrize(("rows", "cols"), [(15, 20), (30, 40), (17, 23), (9, 40)])
@pytest.mark.parametrize(("way", "how"), [(nearest, "blocks"), (bilinear, "kinks")])
def test_what_was_enlarged_shows_its_grid(rows, cols, way, how):
    found = resolved(enlarged(way, 120, 160, rows, cols))
    assert found is not None and found.how == how
    assert (found.grid.rows, found.grid.cols) == (rows, cols)


def test_bilinear_in_eight_bits_shows_it_too():
    levels = np.rint(255 * enlarged(bilinear, 128, 192, 16, 24)).astype(np.uint8)
    found = resolved(levels)
    assert found is not None and (found.grid.rows, found.grid.cols) == (16, 24)


def test_partial_cells_at_the_edge_show_a_whole_stride():
    low = torch.from_numpy(RNG.random((1, 16, 21)).astype("f4"))
    found = resolved(nearest(low, Grid.from_stride(123, 161, 8)).numpy())
    assert found is not None and found.grid == Grid.from_stride(123, 161, 8)


def test_a_blurred_mask_resolves_what_its_blur_leaves():
    from scipy.ndimage import gaussian_filter

    found = resolved(gaussian_filter(BLOB.astype("f4"), 5.0)[None])
    assert found is not None and found.how == "smooth" and 4 <= found.grid.step_x <= 12


@pytest.mark.parametrize(
    "sharp", [BLOB, RNG.random(BLOB.shape), np.zeros(BLOB.shape), np.pad(np.ones((40, 40)), (40, 80))[:120, :160]]
)
def test_what_is_sharp_has_no_coarser_grid(sharp):
    assert resolved(np.asarray(sharp, "f4")[None]) is None


def test_jpeg_hides_no_blocks():
    levels = np.rint(255 * enlarged(nearest, 120, 180, 10, 15)[0]).astype(np.uint8)
    Image.fromarray(levels).save(file := io.BytesIO(), "JPEG", quality=90)
    found = resolved(np.asarray(Image.open(file))[None])
    assert found is not None and (found.grid.rows, found.grid.cols, found.how) == (10, 15, "blocks")


def slopes_with_boxes(seed: int) -> np.ndarray:
    """[H, W]: a plane, and rectangles and discs before it whose borders are steps of one pixel."""
    rng = np.random.default_rng(seed)
    height, width = rng.integers(150, 400, 2)
    y, x = np.mgrid[:height, :width]
    plane = 10 + 0.01 * (rng.normal() * x + rng.normal() * y)
    for _ in range(rng.integers(1, 5)):
        top, left, size = rng.integers(0, height - 40), rng.integers(0, width - 40), rng.integers(10, 120)
        disc = np.hypot(y - top, x - left) < size
        box = (y >= top) & (y < top + size) & (x >= left) & (x < left + size)
        plane = np.where(disc if rng.random() < 0.5 else box, 6 * rng.random() + 0.005 * x, plane)
    return plane


@pytest.mark.parametrize("dtype", ["f4", "u2", "u1"])
@pytest.mark.parametrize("seed", range(12))
def test_steps_of_one_pixel_on_slopes_are_sharp(seed, dtype):
    depth = slopes_with_boxes(seed)
    assert resolved((depth if dtype == "f4" else np.rint(16 * depth)).astype(dtype)[None]) is None
    depth[30:60, 40:70] = np.nan
    assert resolved(depth[None]) is None


@pytest.mark.parametrize("way", [nearest, bilinear])
def test_a_box_on_a_slope_that_was_enlarged_is_not_sharp(way):
    low = torch.from_numpy(np.repeat((10 - 0.1 * np.arange(48))[:, None], 64, 1).astype("f4"))[None]
    low[:, 10:30, 20:40] = 3
    found = resolved(way(low, Grid.from_stride(384, 512, 8)).numpy())
    assert found is not None and found.grid.rows == 48


@pytest.mark.parametrize("name", SAMPLES)
def test_the_depth_of_the_scenes_is_sharp(name):
    assert resolved(SAMPLES[name].depth.numpy()[None]) is None


def test_holes_do_not_hide_the_grid():
    planes = enlarged(bilinear, 120, 160, 15, 20)
    planes[:, 30:60, 40:70] = np.nan
    found = resolved(planes)
    assert found is not None and (found.grid.rows, found.grid.cols) == (15, 20)


WORDS = {
    "bilinear enlargements with align_corners=True": {"mode": "bilinear", "align_corners": True},
    "bicubic enlargements": {"mode": "bicubic"},
    "bicubic enlargements with align_corners=True": {"mode": "bicubic", "align_corners": True},
}


@pytest.mark.parametrize("dtype", ["f4", "f8", "f2", "u2", "u1"])
@pytest.mark.parametrize(("size", "rows", "cols"), [((256, 384), 16, 24), ((250, 372), 25, 31), ((320, 448), 40, 56)])
@pytest.mark.parametrize("words", WORDS)
def test_other_enlargements_show_their_grid_and_way(words, size, rows, cols, dtype):
    low = SAMPLES["spheres"].depth[None, None, :, :]
    low = torch.nn.functional.interpolate(low, (rows, cols), mode="area")
    low = 20 + 100 * (low - low.min()) / np.ptp(low.numpy())
    high = torch.nn.functional.interpolate(low, size, **WORDS[words])[0].numpy()
    levels = {"u1": 1.5, "u2": 100}.get(dtype, 1)
    found = resolved((high if dtype[0] == "f" else np.rint(levels * high)).astype(dtype))
    assert found is not None
    if dtype not in ("u1", "f2", "u2") or size != (250, 372):  # rounding hides kinks, and strides are not whole
        assert (found.grid.rows, found.grid.cols) == (rows, cols) and f"{words} do" in found.sentence


def test_pillows_bicubic_enlargement_shows_its_grid():
    low = Image.fromarray(RNG.random((16, 24)).astype("f4"))
    found = resolved(np.asarray(low.resize((384, 256), Image.Resampling.BICUBIC))[None])
    assert found is not None and (found.grid.rows, found.grid.cols) == (16, 24) and "bicubic" in found.sentence


@pytest.mark.parametrize("order", ["lanczos", 2, 3, 4])
def test_what_was_enlarged_in_another_way_is_no_claim_of_kinks(order):
    from scipy.ndimage import zoom

    low = SAMPLES["paper"].depth.numpy()[::16, ::16]
    if order == "lanczos":
        high = np.asarray(Image.fromarray(low).resize((512, 512), Image.Resampling.LANCZOS))
    else:
        high = zoom(low, 16, order=order, grid_mode=True, mode="nearest")
    found = resolved(high[None])
    assert found is None or (found.how == "smooth" and "enlarged from another" in found.sentence)


@pytest.mark.parametrize("by", [2, 4, 8])
@pytest.mark.parametrize("dtype", [np.float32, np.uint8])
def test_an_lr_signal_that_was_enlarged_shows_from_what(by, dtype):
    low = RNG.random((1, 16, 24)).astype("f4")
    large = bilinear(torch.from_numpy(low), Grid.from_sizes(16 * by, 24 * by, 16, 24)).numpy()
    found = enlargement(np.rint(255 * large).astype(dtype) if dtype == np.uint8 else large)
    assert found is not None and (found.grid.rows, found.grid.cols) == (16, 24)


def test_nothing_less_than_sure_is_an_enlargement():
    """What bends at windows of a façade by chance, and what rounding makes the samples of anything."""
    y, x = np.mgrid[:96, :128]
    windows = ((x % 32 > 8) & (x % 32 < 22) & (y % 32 > 6) & (y % 32 < 26))[None].astype("f4")
    assert enlargement(windows) is None
    slow = np.sin(x / 40 + y / 30)[None].astype(np.float16)
    assert enlargement(slow) is None and enlargement(np.rint(20 * slow).astype(np.uint8)) is None
    assert enlargement(RNG.random((1, 9, 64))) is None


def test_blocks_of_an_lr_signal_are_exactly_so():
    blocks = np.kron(RNG.random((1, 12, 16)), np.ones((1, 4, 4)))
    found = enlargement(blocks)
    assert found is not None and found.how == "blocks" and found.grid == Grid.from_stride(48, 64, 4)
    blocks[0, 5, 7] += 0.5
    assert enlargement(blocks) is None
