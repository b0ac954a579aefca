"""Samples and cell means of a scene with sharp edges are told apart, and each is upsampled as what it is."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import gsjbu
from gsjbu.core.sampled import are_samples

S, ROWS, COLS = 8, 24, 32
_y, _x = np.mgrid[: S * ROWS, : S * COLS]
FLAT = np.hypot(_y - 90, 0.8 * (_x - 120)) < 60
SCENE = np.where(FLAT, 0.8, 5.0) + 0.002 * _y
PHOTO = np.where(FLAT[..., None], [0.8, 0.4, 0.2], [0.2, 0.3, 0.6]) + np.random.default_rng(0).normal(
    0, 0.02, (*FLAT.shape, 3)
)
SAMPLES = SCENE[S // 2 :: S, S // 2 :: S]
MEANS = SCENE.reshape(ROWS, S, COLS, S).mean((1, 3))


@pytest.mark.parametrize("scale", [1.0, 1e-12, -1e6])
def test_samples_and_means_are_told_apart_in_any_unit(scale):
    assert are_samples(torch.from_numpy(scale * SAMPLES)[None])
    assert not are_samples(torch.from_numpy(scale * MEANS)[None])


def test_a_ramp_and_noise_tell_nothing():
    assert not are_samples(torch.from_numpy(SCENE[:ROWS, :COLS])[None])
    assert not are_samples(torch.rand(1, ROWS, COLS, generator=torch.Generator().manual_seed(0)))


@pytest.mark.parametrize("mode", ["nearest", "bilinear"])
@pytest.mark.parametrize("stride", [4, 8, 16])
def test_samples_of_slopes_with_small_steps_are_told(mode, stride):
    """The steps are a twelfth of the wall's span, and cells on its slope lie between their neighbours."""
    y, x = np.mgrid[:512, :640]
    wall = 5.0 + 0.02 * x + np.where(np.hypot((y % 128) - 64, (x % 160) - 80) < 45, -1.0, 0.0)
    whole = torch.from_numpy(wall)[None, None]
    size = (512 // stride, 640 // stride)
    assert are_samples(torch.nn.functional.interpolate(whole, size, mode=mode)[0])
    assert not are_samples(torch.nn.functional.avg_pool2d(whole, stride)[0])


def test_cells_that_were_filled_are_not_looked_at():
    mask = torch.ones(ROWS, COLS, dtype=torch.bool)
    mask[:, 2:] = False
    assert not are_samples(torch.from_numpy(SAMPLES)[None], mask)


def test_samples_are_mixed_only_and_stay_in_their_range():
    signal = torch.from_numpy(SAMPLES.astype("f4"))[None]
    kernel = gsjbu.fit(PHOTO.clip(0, 1), lr_size=(ROWS, COLS), objective="auto", signal=signal, kind="depth")
    assert kernel.is_pure and kernel.lr_image == "bilinear" and "samples" in " ".join(kernel.notes)
    high = kernel.render(signal)[0].numpy()
    assert SAMPLES.min() - 1e-5 <= high.min() and high.max() <= SAMPLES.max() + 1e-5
    means = gsjbu.fit(
        PHOTO.clip(0, 1), lr_size=(ROWS, COLS), objective="auto", signal=torch.from_numpy(MEANS)[None].float()
    )
    assert not means.is_pure and means.lr_image == "area"
    assert np.sqrt(np.mean((high - SCENE) ** 2)) < np.sqrt(np.mean((means.render(signal)[0].numpy() - SCENE) ** 2))


def test_cells_that_share_one_number_are_not_looked_at():
    """Means whose empty cells were filled by one number: the filling's own rim is sharp."""
    filled = MEANS + np.random.default_rng(0).normal(0, 0.001, MEANS.shape)
    filled[4:20, 3:9] = filled[2:9, 20:30] = MEANS.mean()
    assert not are_samples(torch.from_numpy(filled)[None])
