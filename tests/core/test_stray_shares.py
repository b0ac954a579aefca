"""Noise in class shares is found by what it leaves amid classes, and taken off before counts are matched."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F

import gsjbu
from gsjbu.core import denoising, stray_shares
from gsjbu.samples import SAMPLES

SCENE, STRIDE = SAMPLES["paper"], 8
LABELS = SCENE.labels.long()
SHARES = F.avg_pool2d(F.one_hot(LABELS).permute(2, 0, 1).float(), STRIDE)


def noisy(sigma: float, shares: torch.Tensor = SHARES) -> torch.Tensor:
    noise = torch.randn(shares.shape, generator=torch.Generator().manual_seed(2))
    strays = (shares + sigma * noise).clamp(0, 1)
    return strays / strays.sum(dim=0) if len(shares) > 1 else strays


def accuracy(high: torch.Tensor) -> float:
    return float((high.argmax(dim=0) == LABELS).float().mean())


def interpolated(signal: torch.Tensor) -> float:
    size = LABELS.shape
    return max(
        accuracy(F.interpolate(signal[None], size=size, mode=mode, align_corners=False)[0])
        for mode in ("bilinear", "bicubic")
    )


@pytest.mark.parametrize("sigma", [0.01, 0.03, 0.08])
def test_how_strong_the_noise_is(sigma):
    assert stray_shares.strength(noisy(sigma)) == pytest.approx(sigma, rel=0.3)
    assert stray_shares.strength(noisy(sigma, SHARES[:1])) == pytest.approx(sigma, rel=0.3)


def test_clean_shares_have_none_and_are_the_same_tensor():
    for clean in (SHARES, SHARES[:1], F.avg_pool2d(SHARES, 2)):
        assert stray_shares.strength(clean) == 0
        assert stray_shares.without_strays(clean) is clean
    assert stray_shares.strength(SHARES[:, :5, :5]) == 0, "too few cells say nothing"


def test_dense_classes_are_no_noise():
    """Small bodies everywhere leave shares in most cells, of any size."""
    draw = np.random.default_rng(0)
    dense = torch.from_numpy(draw.dirichlet((6, 2), (40, 40)).transpose(2, 0, 1).astype("f4"))
    assert stray_shares.strength(dense) == 0


def test_what_stays_is_what_is_strong_or_beside_its_class():
    shares = torch.zeros(2, 9, 9)
    shares[0], shares[1, :, 6:] = 1, 1
    shares[0, :, 6:] = 0
    shares[:, :, 5] = torch.tensor([0.75, 0.25])[:, None]
    shares[:, 2, 2] = torch.tensor([0.75, 0.25])  # as weak, and alone
    shares[:, 7, 2] = torch.tensor([0.5, 0.5])  # alone, and strong
    cleared = stray_shares.cleared(shares, 0.1)
    assert torch.equal(cleared[:, :, 5], shares[:, :, 5]) and torch.equal(cleared[:, 7, 2], shares[:, 7, 2])
    assert cleared[:, 2, 2].tolist() == [1, 0]
    torch.testing.assert_close(cleared.sum(dim=0), torch.ones(9, 9))
    assert torch.equal(stray_shares.cleared(shares[:1], 0.1), cleared[:1])


def test_cells_without_a_value_say_nothing():
    known = torch.ones(SHARES.shape[1:], dtype=torch.bool)
    known[:, 6:] = False
    half = torch.where(known, SHARES, noisy(0.05))
    assert stray_shares.strength(half, known) == 0 and stray_shares.strength(half) > 0


@pytest.mark.parametrize("sigma", [0.03, 0.08, 0.12])
def test_auto_is_no_worse_than_interpolation_of_noisy_shares(sigma, tmp_path):
    signal = noisy(sigma)
    kernel = gsjbu.fit(SCENE.image, STRIDE, objective="auto", signal=signal)
    assert kernel.denoised == "shares" and not kernel.is_pure
    assert any("cells are noisy (σ ≈" in note for note in kernel.notes)
    high = kernel.render(signal)
    assert accuracy(high) > interpolated(signal) - 0.002
    kernel.save(tmp_path / "k.safetensors")
    back = gsjbu.load(tmp_path / "k.safetensors")
    assert back.denoised == "shares" and torch.equal(back.render(signal), high)


def test_clean_shares_and_counts_of_pixels_are_as_they_were(monkeypatch):
    kernel = gsjbu.fit(SCENE.image, STRIDE, objective="auto", signal=SHARES)
    assert kernel.denoised is None
    monkeypatch.setattr(stray_shares, "strength", lambda *_: pytest.fail("counts are never noise"))
    gsjbu.fit(SCENE.image, STRIDE, objective="auto", signal=SHARES, iters=1)


def test_files_from_before_say_true():
    kernel = gsjbu.fit(SCENE.image[:, :64, :64], STRIDE, iters=0)
    old = kernel.to_bytes().replace(b'denoised\\": null', b'denoised\\": true')
    assert gsjbu.load(old).denoised == "waves" and set(denoising.WAYS) == {"waves", "shares"}
