"""The compiled similarity against its definition, window by window in float64."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from gsjbu.core import compiler
from gsjbu.run import metrics
from gsjbu.run.ssim import mean_ssim

WINDOW = np.exp(-np.square(np.arange(-5, 6)) / (2 * 1.5**2))
WINDOW /= WINDOW.sum()


def defined(a: np.ndarray, b: np.ndarray) -> float:
    """Wang et al. 2004, equation 13, at every place of the window."""
    weights, found = np.outer(WINDOW, WINDOW), []
    for y in range(a.shape[0] - 10):
        for x in range(a.shape[1] - 10):
            p, q = (plane[y : y + 11, x : x + 11].astype(np.float64) for plane in (a, b))
            mean_p, mean_q = (weights * p).sum(), (weights * q).sum()
            variances = (weights * ((p - mean_p) ** 2 + (q - mean_q) ** 2)).sum()
            covariance = (weights * (p - mean_p) * (q - mean_q)).sum()
            found.append(
                (2 * mean_p * mean_q + 1e-4) * (2 * covariance + 9e-4)
                / ((mean_p**2 + mean_q**2 + 1e-4) * (variances + 9e-4))
            )  # fmt: skip
    return float(np.mean(found))


def compiled(a: np.ndarray, b: np.ndarray) -> float:
    return mean_ssim(a, b, WINDOW.astype(np.float32), np.float32(1e-4), np.float32(9e-4))


@pytest.mark.parametrize("shape", [(11, 11), (11, 40), (29, 11), (23, 37)])
@pytest.mark.parametrize("kind", ["noise", "near", "flat", "bright"])
def test_it_follows_the_definition(shape: tuple[int, int], kind: str) -> None:
    rng = np.random.default_rng(sum(shape))
    a = rng.random(shape, dtype=np.float32)
    b = rng.random(shape, dtype=np.float32)
    if kind == "near":
        b = a + 0.02 * b
    elif kind == "flat":
        a, b = np.full_like(a, 0.5), np.full_like(b, 0.52)
    elif kind == "bright":  # where E[x²] − E[x]² cancels most
        a, b = 0.99 + 0.01 * a, 0.99 + 0.01 * b
    # Measured: 1.4e-4 where variances are nothing beside the squares of the means (float32), else 7e-7.
    assert compiled(a, b) == pytest.approx(defined(a, b), abs=5e-4 if kind in ("bright", "flat") else 5e-6)


def test_metrics_take_it_over_all_channels() -> None:
    a = torch.rand(3, 40, 31, generator=torch.Generator().manual_seed(0))
    b = (a + 0.1 * torch.rand(3, 40, 31, generator=torch.Generator().manual_seed(1))).clamp(0, 1)
    right = np.mean([defined(p, q) for p, q in zip(a.numpy(), b.numpy(), strict=True)])
    assert metrics.ssim(a, b) == pytest.approx(float(right), abs=1e-5)


def test_without_numba_there_is_no_figure(monkeypatch: pytest.MonkeyPatch) -> None:
    a = torch.rand(3, 20, 30)
    monkeypatch.setattr(compiler, "unavailable_reason", lambda: "not here")
    assert metrics.compare(a, a.flip(2))["ssim"] is None


@pytest.mark.parametrize("value", [0.1, 1 / 3, 0.7, 0.95, 1.0])
def test_nothing_is_more_like_a_plane_than_itself(value: float) -> None:
    """In float32 the quotient of what are equal sums is a little above 1 here and there."""
    plane = np.full((64, 64), value, np.float32)
    assert compiled(plane, plane + np.float32(1e-7)) <= 1
    assert compiled(plane, plane) <= 1
