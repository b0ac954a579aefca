"""A blur that a signal was put through is named and undone; what is sharp, or smooth by itself, is let be."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import ndimage

import gsjbu
from gsjbu.core import blur
from gsjbu.core.grid import Grid
from gsjbu.core.registration import blur_of
from gsjbu.core.trust import Explained
from gsjbu.errors import GsjbuError, KernelFileError, SignalWarning

S, ROWS, COLS = 8, 36, 44
Y, X = np.mgrid[: S * ROWS, : S * COLS]
GRID = Grid.from_sizes(S * ROWS, S * COLS, ROWS, COLS)
# Many discs, each of its own depth and of one of four classes, on a plain background.
SCENE, LABELS = np.zeros(X.shape), np.zeros(X.shape, int)
for k, (cy, cx, r) in enumerate(np.random.default_rng(2).random((60, 3))):
    disc = (Y - cy * X.shape[0]) ** 2 + (X - cx * X.shape[1]) ** 2 < (16 + 24 * r) ** 2
    SCENE[disc], LABELS[disc] = 1 + k % 7, k % 4
PHOTO = torch.from_numpy((SCENE / 8 + np.random.default_rng(0).normal(0, 0.02, (3, *SCENE.shape))).clip(0, 1)).float()
DEPTH = GRID.cell_means(torch.from_numpy(SCENE)[None].float())
SHARES = GRID.cell_means(torch.from_numpy(np.stack([k == LABELS for k in range(4)])).float())
TAPS = {
    "1 10 1": [1, 10, 1],
    "1 6 1": [1, 6, 1],
    "1 4 1": [1, 4, 1],
    "1 2 1": [1, 2, 1],
    "1 1 1": [1, 1, 1],
    "1 4 6 4 1": [1, 4, 6, 4, 1],
}


def by_hand(x: torch.Tensor, name: str) -> torch.Tensor:
    """The oracle: taps along both axes, mirrored at the rim."""
    out = x.double().numpy()
    for axis in (1, 2):
        out = ndimage.correlate1d(out, np.array(TAPS[name]) / sum(TAPS[name]), axis=axis, mode="reflect")
    return torch.from_numpy(out).float()


def rmse(a: torch.Tensor, b: torch.Tensor) -> float:
    return float((a - b).square().mean().sqrt())


def test_every_blur_has_its_taps() -> None:
    assert list(TAPS) == list(blur.BLURS)


@pytest.mark.parametrize("name", TAPS)
@pytest.mark.parametrize("size", [(1, 1), (1, 9), (2, 3), (7, 12)])
def test_a_blur_is_its_taps(name, size) -> None:
    x = torch.randn(3, *size, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(blur.blurred(x, name), by_hand(x, name), atol=1e-6, rtol=0)


@pytest.mark.parametrize("name", ["1 4 1", "1 2 1", "1 1 1", "1 4 6 4 1"])
@pytest.mark.parametrize(("signal", "shares"), [(DEPTH, False), (SHARES, True)])
def test_a_blurred_signal_is_told_and_comes_back(signal, shares, name) -> None:
    soft = by_hand(signal, name)
    told = blur_of(Explained(soft, GRID.cell_means(PHOTO)), shares)
    strong = ("1 1 1", "1 4 6 4 1")  # are alike
    assert told == name or (told in strong and name in strong)
    back = blur.undone(soft, name, shares)
    assert rmse(back, signal) < 0.5 * rmse(soft, signal)
    assert rmse(blur.undone(soft, told, shares), signal) < 0.7 * rmse(soft, signal)
    assert back.min() >= soft.min() - 1e-6 and back.max() <= (1 if shares else soft.max()) + 1e-6


@pytest.mark.parametrize(("signal", "shares"), [(DEPTH, False), (SHARES, True)])
def test_a_sharp_signal_is_not(signal, shares) -> None:
    assert blur_of(Explained(signal, GRID.cell_means(PHOTO)), shares) is None
    noise = torch.randn(signal.shape, generator=torch.Generator().manual_seed(0))
    noisy = signal + (0.01 if shares else 0.02) * noise
    assert blur_of(Explained(noisy, GRID.cell_means(PHOTO)), shares) is None


def test_a_quantity_that_is_smooth_by_itself_is_not_whatever_the_image() -> None:
    smooth = torch.from_numpy(ndimage.gaussian_filter(np.random.default_rng(1).random((ROWS, COLS)), 3)[None]).float()
    assert blur_of(Explained(smooth, GRID.cell_means(PHOTO)), False) is None


@pytest.mark.parametrize("signal", [torch.zeros(1, 4, 5), torch.ones(2, 1, 1)])
def test_a_flat_signal_has_none_and_stays(signal) -> None:
    assert blur_of(Explained(signal, torch.zeros(3, *signal.shape[1:])), False) is None
    torch.testing.assert_close(blur.undone(signal, "1 2 1", False), signal)


def test_auto_finds_it_says_so_and_undoes_it_wherever_it_is_rendered(tmp_path) -> None:
    truth = torch.from_numpy(SCENE).float()
    soft = by_hand(DEPTH, "1 2 1")
    kernel = gsjbu.fit(PHOTO, grid=GRID, objective="auto", signal=soft, kind="depth", iters=10)
    assert kernel.blur == "1 2 1" and not kernel.is_pure
    assert any("blurred (1 2 1" in note for note in kernel.notes)
    plain = replace(kernel, blur=None)
    high = kernel.render(soft)
    assert rmse(high[0], truth) < 0.8 * rmse(plain.render(soft)[0], truth)
    whole = torch.ones(ROWS, COLS, dtype=torch.bool)
    assert torch.equal(kernel.render(soft, mask=whole), high)
    assert torch.equal(kernel.render(torch.stack([soft, soft]))[1], high)
    out = np.zeros(high.shape, np.float32)
    kernel.render(soft, out)
    assert np.array_equal(out, high.numpy())
    kernel.save(tmp_path / "k")
    again = gsjbu.load(tmp_path / "k")
    assert again.blur == "1 2 1" and torch.equal(again.render(soft), high)
    asked = soft.clone().requires_grad_(True)
    kernel.render(asked).sum().backward()
    assert asked.grad is not None


def test_a_signal_with_gaps_or_another_objective_has_none() -> None:
    soft = by_hand(DEPTH, "1 2 1")
    soft[0, 3, 4] = float("nan")
    assert gsjbu.fit(PHOTO, grid=GRID, iters=1).blur is None
    found = gsjbu.upsample(PHOTO, soft.numpy(), iters=2)
    assert np.isfinite(np.asarray(found)).mean() > 0.9


def test_a_file_with_an_unknown_blur_is_refused(tmp_path) -> None:
    kernel = replace(gsjbu.fit(torch.rand(3, 20, 26), stride=5, iters=1), blur="9 9 9")
    kernel.save(tmp_path / "k")
    with pytest.raises(KernelFileError, match="blur"):
        gsjbu.load(tmp_path / "k")


def test_an_onnx_file_says_that_it_does_not_undo_it(tmp_path) -> None:
    kernel = replace(gsjbu.fit(torch.rand(3, 20, 26), stride=5, iters=1), blur="1 2 1")
    with (
        pytest.warns(SignalWarning, match="before and after is left out of it: .*1 2 1"),
        suppress(GsjbuError),  # what writes it is an extra
    ):
        kernel.to_onnx(tmp_path / "k.onnx")
