"""Cells, their sizes, and which pixel belongs to which."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gsjbu.core import reference
from gsjbu.core.grid import Grid
from gsjbu.errors import SettingError, ShapeError


def test_a_stride_that_divides_gives_whole_cells():
    grid = Grid.from_stride(32, 48, 16)
    assert (grid.rows, grid.cols) == (2, 3)
    assert grid.row_starts.tolist() == [0, 16, 32]
    assert grid.col_starts.tolist() == [0, 16, 32, 48]


def test_the_last_cells_may_be_partial_and_nothing_is_cropped():
    grid = Grid.from_stride(97, 61, 16)
    assert (grid.rows, grid.cols) == (7, 4)
    assert grid.row_starts[-2:].tolist() == [96, 97]
    assert grid.col_starts[-2:].tolist() == [48, 61]


def test_a_stride_larger_than_the_image_gives_one_cell():
    grid = Grid.from_stride(3, 40, 64)
    assert (grid.rows, grid.cols) == (1, 1)
    assert grid.col_starts.tolist() == [0, 40]
    assert grid.step_x == 64  # the Gaussian's centre stays at half a stride


def test_a_pixel_belongs_to_the_cell_that_holds_its_centre():
    # 5 pixels in 2 cells: the border lies at 2.5, which is the centre of pixel 2; it belongs to the second.
    assert Grid.from_sizes(1, 5, 1, 2).col_starts.tolist() == [0, 2, 5]
    # 7 pixels in 3 cells: borders at 2.33 and 4.67, centres at 0.5, 1.5, …
    assert Grid.from_sizes(1, 7, 1, 3).col_starts.tolist() == [0, 2, 5, 7]


@settings(derandomize=True, max_examples=60, deadline=None)
@given(height=st.integers(1, 300), width=st.integers(1, 300), data=st.data())
def test_sizes_make_cells_that_agree_with_the_oracle(height, width, data):
    rows, cols = data.draw(st.integers(1, height)), data.draw(st.integers(1, width))
    grid = Grid.from_sizes(height, width, rows, cols)
    for starts, size, cells, step in (
        (grid.row_starts, height, rows, grid.step_y),
        (grid.col_starts, width, cols, grid.step_x),
    ):
        sizes = np.diff(starts)
        assert sizes.min() >= 1
        assert sizes.max() - sizes.min() <= 1
        assert sizes.sum() == size
        assert np.repeat(np.arange(cells), sizes).tolist() == reference.cell_of(size, cells, step).tolist()


@settings(derandomize=True, max_examples=40, deadline=None)
@given(height=st.integers(1, 300), width=st.integers(1, 300), stride=st.integers(1, 64))
def test_a_stride_makes_full_cells_but_for_the_last(height, width, stride):
    grid = Grid.from_stride(height, width, stride)
    assert (grid.rows, grid.cols) == (math.ceil(height / stride), math.ceil(width / stride))
    assert (np.diff(grid.row_starts)[:-1] == stride).all()
    assert 1 <= np.diff(grid.row_starts)[-1] <= stride
    cells = np.repeat(np.arange(grid.cols), np.diff(grid.col_starts))
    assert cells.tolist() == reference.cell_of(width, grid.cols, float(stride)).tolist()


def test_cell_of_is_the_inverse_of_the_starts():
    grid = Grid.from_sizes(13, 11, 4, 3)
    for y in range(13):
        for x in range(11):
            qx, qy = grid.cell_of(x, y)
            assert grid.row_starts[qy] <= y < grid.row_starts[qy + 1]
            assert grid.col_starts[qx] <= x < grid.col_starts[qx + 1]


@pytest.mark.parametrize(("x", "y"), [(-1, 0), (0, -1), (11, 0), (0, 13)])
def test_a_pixel_outside_the_image_is_refused(x, y):
    with pytest.raises(ShapeError, match=r"x must be 0–10, y 0–12"):
        Grid.from_sizes(13, 11, 4, 3).cell_of(x, y)


def test_cell_means_of_partial_cells_count_only_their_own_pixels():
    x = torch.tensor([[[1.0, 2.0, 9.0], [3.0, 4.0, 11.0], [5.0, 7.0, 13.0]]])
    means = Grid.from_stride(3, 3, 2).cell_means(x)
    assert means.tolist() == [[[2.5, 10.0], [6.0, 13.0]]]


def test_cell_means_keep_leading_axes_and_small_differences():
    grid = Grid.from_stride(256, 256, 64)
    # A running sum in float32 would lose the 1e-4 that sits on top of 4096 times 1.
    x = torch.ones(2, 5, 256, 256) + 1e-4 * torch.arange(10.0).reshape(2, 5, 1, 1)
    means = grid.cell_means(x)
    assert means.shape == (2, 5, 4, 4)
    assert (means - x[..., :4, :4]).abs().max() < 1.5e-7  # one rounding to float32


def test_cell_means_of_another_size_are_refused():
    with pytest.raises(ShapeError, match="The array is 4 rows × 5 columns, the grid is over 4 rows × 6 columns"):
        Grid.from_stride(4, 6, 2).cell_means(torch.zeros(1, 4, 5))


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: Grid.from_stride(0, 5, 2), "at least one pixel each way"),
        (lambda: Grid.from_stride(5, 5, 0), "stride is 0; it must be at least 1"),
        (lambda: Grid.from_sizes(5, 5, 0, 2), "at least one pixel each way"),
        (lambda: Grid.from_sizes(5, 5, 6, 2), "larger than the image"),
        (lambda: Grid.from_sizes(5, 5, 2, 6), "no larger on either axis"),
    ],
)
def test_impossible_sizes_are_refused_in_a_sentence(make, sentence):
    with pytest.raises(ShapeError, match=sentence) as refusal:
        make()
    assert refusal.value.code == "shape_invalid"


def test_grids_compare_by_value_so_that_they_can_be_cache_keys():
    assert Grid.from_stride(97, 61, 16) == Grid.from_stride(97, 61, 16)
    assert hash(Grid.from_stride(97, 61, 16)) == hash(Grid.from_stride(97, 61, 16))
    assert Grid.from_stride(97, 61, 16) != Grid.from_stride(97, 61, 8)


@pytest.mark.parametrize("grid", [
    Grid.from_stride(48, 32, 16), Grid.from_stride(33, 45, 7), Grid.from_stride(1, 40, 16), Grid.from_stride(5, 5, 64),
    Grid.from_sizes(50, 97, 9, 14), Grid.from_sizes(13, 13, 13, 5),
])  # fmt: skip
def test_samples_are_read_at_the_cells_centres(grid):
    x = torch.rand(2, grid.height, grid.width, generator=torch.Generator().manual_seed(3))
    right = reference.sampled(x, grid.rows, grid.cols, (grid.step_y, grid.step_x))
    assert (grid.cell_samples(x) - right).abs().max() <= 2e-6  # float32 positions


@pytest.mark.parametrize("stride", [2, 3, 8, 16])
def test_samples_of_whole_cells_are_those_of_interpolate(stride):
    grid = Grid.from_stride(6 * stride, 5 * stride, stride)
    x = torch.rand(3, grid.height, grid.width, generator=torch.Generator().manual_seed(4))
    right = torch.nn.functional.interpolate(
        x[None], scale_factor=1 / stride, mode="bilinear", align_corners=False, antialias=False
    )[0]
    assert (grid.cell_samples(x) - right).abs().max() <= 1e-6


def test_a_low_resolution_is_one_of_two():
    grid, x = Grid.from_stride(32, 32, 16), torch.rand(3, 32, 32)
    assert torch.equal(grid.low_resolution(x, "area"), grid.cell_means(x))
    assert torch.equal(grid.low_resolution(x, "bilinear"), grid.cell_samples(x))
    with pytest.raises(SettingError, match="it must be one of bilinear, area"):
        grid.low_resolution(x, "nearest")


@pytest.mark.parametrize(("size", "cells"), [(480, 192), (480, 320), (480, 64), (35, 10), (45, 6), (90, 72), (12, 8)])
def test_pixels_on_a_border_belong_to_either_cell_in_turn(size, cells):
    """Cells' pixels lie around the cells' centres on the whole, and mirrored cells are the mirrored ones' cells."""
    starts = Grid.from_sizes(size, size, cells, cells).row_starts
    assert (np.diff(starts) >= 1).all()
    centres = (starts[1:] + starts[:-1]) / 2
    off = centres - (np.arange(cells) + 0.5) * size / cells
    assert np.abs(off).max() <= 0.5 and abs(off.mean()) <= 0.5 / cells
    ties = np.isclose((np.arange(cells + 1) * size / cells) % 1, 0.5)
    differing = np.flatnonzero(size - starts[::-1] != starts)
    assert ties.any() and len(differing) == ties.sum() % 2  # the one in the middle is its own mirror image


@pytest.mark.parametrize(
    ("grid", "whole"),
    [
        (Grid.from_stride(48, 64, 16), True),
        (Grid.from_sizes(48, 64, 6, 4), True),
        (Grid.from_stride(48, 65, 16), False),
        (Grid.from_stride(225, 225, 16), False),  # 15 cells, and 225 is 15 × 15
        (Grid.from_sizes(48, 64, 5, 4), False),
    ],
)
def test_whole_cells_are_told_from_partial_ones(grid, whole) -> None:
    assert grid.is_whole is whole
    sizes = {*np.diff(grid.row_starts).tolist()}, {*np.diff(grid.col_starts).tolist()}
    assert all(len(one) == 1 for one in sizes) is whole


@pytest.mark.parametrize(("height", "width", "stride"), [(48, 64, 8), (45, 61, 8), (193, 42, 16)])
def test_parts_tile_the_cells_as_whole_ones_lie(height, width, stride) -> None:
    grid = Grid.from_stride(height, width, stride)
    x = torch.rand(2, height, width, generator=torch.Generator().manual_seed(0))
    found = grid.parts(x, 2)
    assert found.shape == (2, 2 * grid.rows, 2 * grid.cols)
    half = stride // 2
    for i, j in ((0, 0), (3, 2), (2 * (height // stride) - 1, 2 * (width // stride) - 1)):
        there = x[:, i * half : (i + 1) * half, j * half : (j + 1) * half]
        torch.testing.assert_close(found[:, i, j], there.mean(dim=(1, 2)))


@pytest.mark.parametrize("grid", [Grid.from_stride(29, 43, 6), Grid.from_sizes(37, 50, 7, 9)])
def test_shares_are_the_cell_means_of_each_class(grid):
    classes = np.random.default_rng(0).integers(-1, 4, (grid.height, grid.width))
    alone = torch.from_numpy(classes == np.arange(5)[:, None, None]).double()
    np.testing.assert_array_equal(grid.shares(classes, 5), grid.cell_means(alone))


@pytest.mark.parametrize(("height", "width", "rows", "cols"), [(31, 40, 7, 16), (20, 20, 20, 3), (9, 64, 4, 31)])
def test_area_means_hold_parts_of_pixels(height, width, rows, cols) -> None:
    def parts(pixels: int, cells: int) -> np.ndarray:
        borders, at = np.linspace(0, pixels, cells + 1), np.arange(pixels)
        return (np.minimum(borders[1:, None], at + 1) - np.maximum(borders[:-1, None], at)).clip(0) * cells / pixels

    grid = Grid.from_sizes(height, width, rows, cols)
    x = torch.rand(3, height, width, generator=torch.Generator().manual_seed(0))
    wanted = parts(height, rows) @ x.double().numpy() @ parts(width, cols).T
    np.testing.assert_allclose(grid.area_means(x).numpy(), wanted, atol=1e-6)


@pytest.mark.parametrize("stride", [1, 3, 8])
def test_area_means_of_whole_pixels_are_cell_means(stride) -> None:
    grid = Grid.from_stride(29, 33, stride)
    x = torch.rand(2, 29, 33, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(grid.area_means(x), grid.cell_means(x))
