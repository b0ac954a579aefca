"""Noise in the guide: measured rightly, repaired where it can be, left alone where there is none."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from gsjbu.core import noise
from gsjbu.samples import SAMPLES


def salted(image: torch.Tensor, share: float, per_channel: bool) -> torch.Tensor:
    draw = np.random.default_rng(0)
    x = image.numpy().copy()
    dice = draw.random(x.shape if per_channel else (1, *x.shape[1:]))
    x[np.broadcast_to(dice < share / 2, x.shape)] = 0
    x[np.broadcast_to((dice >= share / 2) & (dice < share), x.shape)] = 1
    return torch.from_numpy(x)


@pytest.mark.parametrize("name", list(SAMPLES))
def test_clean_pictures_are_left_alone(name) -> None:
    image = SAMPLES[name].image
    same, found = noise.clean(image)
    assert same is image and found.sentence is None and found.impulses == 0


def test_clean_photographs_are_left_alone(data_dir) -> None:
    for path in (
        *sorted((data_dir / "photos").glob("*.*g")),
        *sorted((data_dir / "seg").glob("*/rgb.*"))[::4],
    ):
        image = torch.from_numpy(np.array(Image.open(path).convert("RGB"), np.float32) / 255).permute(2, 0, 1)
        same, found = noise.clean(image)
        assert same is image and found.sentence is None, (path.name, found)


@pytest.mark.parametrize("per_channel", [False, True])
@pytest.mark.parametrize("share", [0.1, 0.2])
def test_salt_and_pepper_is_measured_and_repaired(share, per_channel) -> None:
    image = SAMPLES["spheres"].image
    bad = salted(image, share, per_channel)
    before = bad.clone()
    repaired, found = noise.clean(bad)
    assert torch.equal(bad, before)  # the caller's picture is not touched
    assert found.impulses == pytest.approx(share, rel=0.15)
    assert "salt-and-pepper" in (found.sentence or "")
    wrong = (bad - image).square().mean().sqrt()
    assert (repaired - image).square().mean().sqrt() < 0.2 * wrong


def test_gaussian_noise_is_measured_and_left() -> None:
    image = SAMPLES["spheres"].image
    bad = (image + 0.1 * torch.randn(image.shape, generator=torch.Generator().manual_seed(0))).clamp(0, 1)
    same, found = noise.clean(bad)
    assert same is bad and found.impulses == 0
    assert found.sigma == pytest.approx(0.1, rel=0.2)
    assert "noisy" in (found.sentence or "")


@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 1, 9), (2, 3, 3), (5, 16, 16)])
def test_any_size_number_of_channels_and_range(shape) -> None:
    guide = 100 * torch.rand(shape, generator=torch.Generator().manual_seed(0)) - 50
    repaired, _ = noise.clean(guide)
    assert repaired.shape == guide.shape and bool(torch.isfinite(repaired).all())


def test_rounding_beyond_1_does_not_make_the_darkest_part_of_haze_an_end() -> None:
    """One pixel in twenty is the darkest there is, alone among bright ones: print on haze."""
    image = torch.full((3, 60, 60), 0.9)
    image.view(3, -1)[:, ::20] = 0.6
    image[:, 0, 0] = 1 + 1.2e-7
    assert torch.equal(noise.clean(image)[0], image)
