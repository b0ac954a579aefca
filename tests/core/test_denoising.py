"""White noise of an LR signal is told and taken off; what is clean, texture or a sample stays as it is."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.fft import dctn, idctn

import gsjbu
from gsjbu.core import denoising
from gsjbu.core.gaps import fill
from gsjbu.core.grid import Grid
from gsjbu.errors import KernelFileError
from gsjbu.samples import SAMPLES

STRIDE = 8
SCENE = SAMPLES["spheres"]
GRID = Grid.from_stride(*SCENE.depth.shape, STRIDE)
DEPTH = GRID.cell_means(SCENE.depth[None]).float()
SPAN = float(DEPTH.max() - DEPTH.min())
NOISE = torch.randn(DEPTH.shape, generator=torch.Generator().manual_seed(1))


def noisy(share: float) -> torch.Tensor:
    return DEPTH + share * SPAN * NOISE


def rmse(a: torch.Tensor, b: torch.Tensor) -> float:
    return float((a - b).square().mean().sqrt())


def by_hand(plane: np.ndarray, sigma: float) -> np.ndarray:
    """The oracle: SciPy's transform of one window after another."""
    side = denoising.WINDOW
    padded = np.pad(plane, side - 1, mode="reflect")
    total, weights = np.zeros(padded.shape), np.zeros(padded.shape)
    for y in range(padded.shape[0] - side + 1):
        for x in range(padded.shape[1] - side + 1):
            waves = dctn(padded[y : y + side, x : x + side], norm="ortho")
            stays = np.abs(waves) > denoising.KEPT * sigma
            stays[0, 0] = True
            total[y : y + side, x : x + side] += idctn(waves * stays, norm="ortho") / stays.sum()
            weights[y : y + side, x : x + side] += 1 / stays.sum()
    return (total / weights)[side - 1 : 1 - side, side - 1 : 1 - side]


@pytest.mark.parametrize("size", [(8, 8), (9, 31), (40, 23)])
@pytest.mark.parametrize("band", [1, 100, denoising.BAND])
def test_denoised_is_window_by_window_what_the_transform_says(size, band, monkeypatch):
    monkeypatch.setattr(denoising, "BAND", band)
    planes = torch.randn(2, *size, generator=torch.Generator().manual_seed(3)) + torch.linspace(0, 9, size[1])
    got = denoising.denoised(planes, np.array([0.7, 0.0]))
    # float32 rounds sums of 36 × 36 products of values up to 12
    np.testing.assert_allclose(got[0], by_hand(planes[0].double().numpy(), 0.7), atol=2e-5)
    assert torch.equal(got[1], planes[1])


@pytest.mark.parametrize("share", [0.01, 0.03, 0.08])
def test_the_noise_is_found_and_most_of_it_taken_off(share):
    signal = noisy(share)
    (found,) = denoising.strengths(signal)
    assert 0.8 * share * SPAN < found < 1.5 * share * SPAN
    assert rmse(denoising.without_waves(signal), DEPTH) < 0.7 * rmse(signal, DEPTH)


@pytest.mark.parametrize("offset", [0.0, 5e6])
def test_a_large_offset_hides_nothing_from_float64(offset):
    signal = noisy(0.03).double() + offset
    without = denoising.without_waves(signal)
    assert without.dtype == torch.float64
    torch.testing.assert_close(without - offset, denoising.without_waves(noisy(0.03).double()), rtol=0, atol=1e-4)


@pytest.mark.parametrize("name", SAMPLES)
@pytest.mark.parametrize("stride", [4, 8])
def test_a_clean_scene_has_none(name, stride):
    depth = Grid.from_stride(*SAMPLES[name].depth.shape, stride).cell_means(SAMPLES[name].depth[None])
    assert denoising.strengths(depth) == 0
    assert denoising.without_waves(depth) is depth or torch.equal(denoising.without_waves(depth), depth)


def _bars() -> np.ndarray:
    x = np.arange(48)
    return np.where(((x[:, None] + x) % 3 == 0) | ((x[:, None] - x) % 3 == 0), 4.0, 1.0)


@pytest.mark.parametrize(
    "plane",
    [
        _bars(),
        np.cumsum(np.cumsum(np.random.default_rng(0).standard_normal((48, 48)), 0), 1),  # a rough surface
        np.outer(np.arange(48) ** 2.0, np.arange(48)),
        np.full((48, 48), 3.0),
        np.random.default_rng(0).standard_normal((15, 48)),  # too few cells to say
    ],
    ids=["bars", "rough", "curved", "flat", "few"],
)
def test_what_is_no_noise_is_none(plane):
    assert denoising.strengths(torch.from_numpy(plane)[None]) == 0


def test_cells_without_a_value_say_nothing_and_known_ones_do():
    signal, known = noisy(0.03), torch.ones(DEPTH.shape[1:], dtype=torch.bool)
    known[10:20, 12:40] = False
    assert denoising.strengths(fill(signal, known), known) == pytest.approx(0.03 * SPAN, rel=0.4)
    without = denoising.without_waves(torch.where(known, signal, 1e6), known)
    assert torch.equal(without, denoising.without_waves(torch.where(known, signal, -1e6), known))
    assert rmse(without[:, known], DEPTH[:, known]) < 0.7 * rmse(signal[:, known], DEPTH[:, known])
    sparse = torch.rand(known.shape, generator=torch.Generator().manual_seed(0)) < 0.3
    assert denoising.strengths(fill(signal, sparse), sparse) == 0, "too few stand together to tell"


@pytest.mark.parametrize("moved", [(0, 0), (3, 5)])
def test_texture_that_the_image_tells_is_no_noise_wherever_it_lies(moved):
    """Of small discs no two neighbours are alike."""
    y, x = np.mgrid[:288, :352]
    scene = np.zeros(x.shape)
    for k, (cy, cx, r) in enumerate(np.random.default_rng(2).random((60, 3))):
        scene[(y - cy * 288) ** 2 + (x - cx * 352) ** 2 < (16 + 24 * r) ** 2] = 1 + k % 7
    image = torch.from_numpy(scene / 8).float().expand(3, -1, -1).roll(moved, (1, 2))
    grid = Grid.from_stride(288, 352, 8)
    signal = grid.cell_means(torch.from_numpy(scene)[None]).float()
    assert denoising.strengths(signal) > 0
    assert not gsjbu.fit(image, grid=grid, objective="auto", signal=signal, kind="depth", iters=2).denoised


@pytest.mark.parametrize("share", [0.01, 0.03, 0.08])
@pytest.mark.parametrize("kind", ["depth", "heat_map"])
def test_auto_is_better_than_interpolation_of_a_noisy_signal(share, kind):
    signal = noisy(share) if kind == "depth" else ((noisy(share) - DEPTH.min()) / SPAN).clamp(0, 1)
    truth = SCENE.depth if kind == "depth" else (SCENE.depth - DEPTH.min()) / SPAN
    grid = torch.nn.functional.interpolate
    plain = min(
        rmse(grid(signal[None], truth.shape, mode=mode, align_corners=False)[0, 0], truth)
        for mode in ("bilinear", "bicubic")
    )
    made = gsjbu.upsample(SCENE.image, signal[0], kind=kind)
    assert rmse(made, truth) < 0.75 * plain


def test_a_kernel_says_that_it_takes_noise_off_and_does_it_for_every_signal(tmp_path):
    kernel = gsjbu.fit(SCENE.image, STRIDE, objective="auto", signal=noisy(0.03), kind="depth")
    assert kernel.denoised and not kernel.is_pure
    assert any("noisy (σ ≈ 3" in note or "noisy (σ ≈ 2" in note for note in kernel.notes), kernel.notes
    kernel.save(tmp_path / "k.safetensors")
    back = gsjbu.load(tmp_path / "k.safetensors")
    both = torch.stack([noisy(0.03), DEPTH])
    assert back.denoised and torch.equal(back.render(both), kernel.render(both))
    torch.testing.assert_close(kernel.render(both)[1], kernel.render(DEPTH))
    learnt = noisy(0.03).requires_grad_()
    kernel.render(learnt).sum().backward()
    assert learnt.grad is not None


def test_clean_signals_and_other_objectives_are_left_alone():
    assert not gsjbu.fit(SCENE.image, STRIDE, objective="auto", signal=DEPTH, kind="depth").denoised
    for objective in ("rgb", "signal"):
        given = {"signal": noisy(0.03)} if objective == "signal" else {}
        kernel = gsjbu.fit(SCENE.image, STRIDE, objective=objective, iters=2, **given)
        assert not kernel.denoised and kernel.is_pure
    grainy = (SCENE.image + 0.2 * torch.randn(SCENE.image.shape, generator=torch.Generator().manual_seed(0))).clamp(
        0, 1
    )
    assert not gsjbu.fit(grainy, 2, objective="auto", iters=2).denoised, "the picture itself is as it is"


def test_a_file_that_says_something_else_is_refused():
    kernel = gsjbu.fit(SCENE.image[:, :64, :64], STRIDE, iters=0)
    good = kernel.to_bytes()
    with pytest.raises(KernelFileError, match="denoised"):
        gsjbu.load(good.replace(b'denoised\\": null', b'denoised\\":   12'))
