"""Maps of activation: smooth, coarse, and never worse by following an image than bilinear."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import gsjbu
from gsjbu.core import interpolation
from gsjbu.core.grid import Grid
from gsjbu.core.smooth import errors_left_out, is_even, is_smooth

H, W = 480, 640  # cells of 69×91 pixels, wider than a Gaussian
_y, _x = np.mgrid[:H, :W] / (H, W)[0]
OBJECT = np.hypot(_y - 0.5, _x - 0.6) < 0.25


def bump(y: float, x: float, width: float) -> np.ndarray:
    return np.exp(-((_y - y) ** 2 + (_x - x) ** 2) / (2 * width**2))


TRUTHS = {
    "a blob": bump(0.45, 0.6, 0.2),
    "two narrow ones": np.maximum(bump(0.3, 0.3, 0.1), 0.7 * bump(0.7, 1.0, 0.12)),
    "a wide one": 0.2 + 0.6 * bump(0.5, 0.7, 0.5),
}


@pytest.mark.parametrize("name", TRUTHS)
@pytest.mark.parametrize("rows", [7, 14])
def test_a_map_of_activation_is_never_worse_than_bilinear(name, rows):
    image = np.clip(np.where(OBJECT[..., None], [0.8, 0.3, 0.2], [0.2, 0.4, 0.6]), 0, 1)
    grid = Grid.from_sizes(H, W, rows, rows)
    low = grid.cell_samples(torch.from_numpy(TRUTHS[name])[None].float())
    plain = interpolation.bilinear(low, grid)[0].numpy()
    out = gsjbu.upsample(image, low[0].numpy(), kind="heat_map", iters=2).numpy()
    error, bilinear = (float(np.sqrt(np.square(x - TRUTHS[name]).mean())) for x in (out, plain))
    assert error <= bilinear + 1e-6
    assert np.abs(np.diff(out, axis=1)).max() < 0.03  # no steps


def test_borders_of_objects_are_not_smooth():
    shares = torch.from_numpy(OBJECT.astype("f4"))[None]
    for stride in (8, 16, 32):
        assert not is_smooth(Grid.from_stride(H, W, stride).cell_means(shares))
    assert is_smooth(torch.zeros(1, 7, 7)) and not is_smooth(torch.zeros(1, 2, 9))


def test_a_heat_map_with_borders_follows_the_image():
    image = np.where(OBJECT[::4, ::4, None], 0.8, 0.2) * np.ones(3)
    truth = 0.1 + 0.7 * OBJECT[::4, ::4]
    low = truth.reshape(15, 8, 20, 8).mean((1, 3))
    out = gsjbu.upsample(image, low, kind="heat_map", iters=4).numpy()
    plain = interpolation.bilinear(torch.from_numpy(low)[None], Grid.from_stride(120, 160, 8))[0].numpy()
    assert np.square(out - truth).mean() < 0.5 * np.square(plain - truth).mean()


def test_a_cell_left_out_is_on_the_surface_through_its_neighbours() -> None:
    y, x = np.mgrid[:9, :12].astype(np.float32)
    for smooth in (3 + 0 * x, 2 * x - y, x * x - 0.5 * y * y + x * y):
        assert errors_left_out(smooth[None]).mean() <= 1e-6
    draw = np.random.default_rng(0)
    noise = draw.normal(size=(2, 40, 50)).astype(np.float32)
    assert errors_left_out(noise).mean() > 2  # and its variance, of two channels, is 2
    assert errors_left_out(noise[:, :4]) is None


def test_a_border_stands_out_by_its_errors() -> None:
    y, x = np.mgrid[:48, :64].astype(np.float32)
    smoke = torch.from_numpy(np.sin(x / 1.5) * np.cos(y / 2 + x / 9))[None]
    ramps = torch.from_numpy(np.where(x < 30, x, 70 - x) / 64)[None]
    assert is_even(smoke, errors_left_out(smoke.numpy()))
    assert not is_even(ramps, errors_left_out(ramps.numpy()))
    noise = torch.rand(1, 48, 64, generator=torch.Generator().manual_seed(0))  # even, but bent all over
    assert not is_even(noise, errors_left_out(noise.numpy()))
