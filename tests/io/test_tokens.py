"""ViT tokens back to their grid."""

from __future__ import annotations

import numpy as np
import pytest

from gsjbu.errors import SignalError
from gsjbu.io import layouts, tokens


@pytest.mark.parametrize(
    ("count", "size", "grid"),
    [
        (19 * 28, (304, 448), (0, 19, 28)),
        (1 + 19 * 28, (304, 448), (1, 19, 28)),
        (5 + 19 * 28, (304, 448), (5, 19, 28)),
        (1 + 14 * 14, (480, 640), (1, 14, 14)),  # squashed to 224 pixels
        (1 + 16 * 16, (224, 224), (1, 16, 16)),
        (1 + 37 * 37, (518, 518), (1, 37, 37)),
        (5 + 14 * 14, (448, 448), (5, 14, 14)),
        (1 + 37 * 49, (1536, 2048), (1, 37, 49)),
    ],
)
def test_grids_of_usual_backbones(count, size, grid):
    found = tokens.grids(count, *size)[0]
    assert (found.leading, found.rows, found.cols) == grid


def test_no_fit_no_guess():
    assert tokens.grids(530, 304, 448) == []


def test_a_grid_that_was_named():
    assert tokens.given(18 * 29 + 1, 18, 29) == tokens.TokenGrid(1, 18, 29)
    assert tokens.given(500, 18, 29) is None


def test_it_says_what_was_dropped():
    assert "class token dropped" in tokens.TokenGrid(1, 2, 3).sentence
    assert "5 leading tokens" in tokens.TokenGrid(5, 2, 3).sentence
    assert "dropped" not in tokens.TokenGrid(0, 2, 3).sentence


@pytest.mark.parametrize(
    ("count", "size", "grid"),
    [
        (201, (480, 640), (14, 14, 5)),
        (261, (480, 640), (16, 16, 5)),
        (261, (1024, 2048), (16, 16, 5)),
        (1374, (1080, 1920), (37, 37, 5)),
        (198, (224, 224), (14, 14, 2)),
        (201, (192, 256), (12, 16, 9)),  # whole patches of 16 pixels
        (264, (512, 512), (16, 16, 8)),
    ],
)
def test_many_leading_tokens_are_less_likely_than_a_square_grid_of_few(count, size, grid):
    best = tokens.grids(count, *size)[0]
    assert (best.rows, best.cols, best.leading) == grid


@pytest.mark.parametrize(
    ("count", "channels", "size", "grid"),
    [
        (257, 384, (480, 640), (16, 16)),
        (577, 768, (1080, 1440), (24, 24)),
        (577, 1024, (1080, 1920), (18, 32)),
        (196, 192, (224, 224), (14, 14)),
        (257, 256, (512, 512), (16, 16)),
    ],
)
def test_batched_tokens_are_no_map_that_would_be_squashed(count, channels, size, grid):
    array = np.zeros((1, count, channels), np.float32)
    laid = layouts.lay(array, size)
    assert laid.layout == "tokens" and laid.planes.shape == (channels, *grid)
    assert "layout='chw'" in laid.doubt
    assert layouts.lay(array, size, "CHW").planes.shape == array.shape
    assert layouts.lay(array[None], size).planes.shape == array.shape  # [1, 1, h, w] says itself what it is


def test_without_a_batch_tokens_of_whole_patches_alone_are_no_map():
    laid = layouts.lay(np.zeros((196, 192), np.float32), (224, 224))
    assert laid.planes.shape == (192, 14, 14) and "layout='chw'" in laid.doubt
    laid = layouts.lay(np.zeros((256, 448), np.float32), (1080, 1920))  # a network's sides, rounded to 32
    assert laid.planes.shape == (1, 256, 448) and "layout='tokens'" in laid.doubt


@pytest.mark.parametrize("stride", [4, 8, 14, 16])
def test_a_map_that_was_made_with_a_stride_stays_one(stride):
    for height in range(400, 1000, 60):
        for width in range(500, 1100, 7):
            cells = -(-height // stride), -(-width // stride)
            if cells[1] % 64 == 0:
                laid = layouts.lay(np.zeros(cells, np.float32), (height, width))
                assert laid.planes.shape == (1, *cells) and not laid.doubt


def test_tokens_in_four_dimensions_where_no_map_suits():
    assert layouts.lay(np.zeros((1, 1, 197, 768), np.float32), (224, 224)).planes.shape == (768, 14, 14)


def test_two_grids_that_fit_are_a_doubt():
    tokens_of = layouts.lay(np.zeros((577, 100), np.float32), (1080, 1920))
    assert tokens_of.planes.shape == (100, 18, 32) and "24x24" in tokens_of.doubt
    assert layouts.lay(np.zeros((533, 384), np.float32), (304, 448)).doubt == ""  # whole patches of 16 pixels


@pytest.mark.parametrize("shape", [(80, 160), (120, 100), (60, 48)])
def test_a_map_of_unequal_ratios_is_no_token_in_silence(shape):
    array = np.zeros(shape, np.float32)
    with pytest.raises(SignalError, match=r"shapes differ too much|turned by 90°"):
        layouts.lay(array, (480, 640))
    assert layouts.lay(np.zeros((80, 160), np.float32), (480, 640), "tokens").planes.shape == (160, 8, 10)


@pytest.mark.parametrize("shape", [(1, 256, 256), (1, 60, 80), (1, 61, 80), (1, 100, 120), (1, 90, 128)])
def test_a_map_of_one_channel_stays_one(shape):
    assert layouts.lay(np.zeros(shape, np.float32), (480, 640)).planes.shape == shape
