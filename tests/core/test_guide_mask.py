"""A guide that is masked in part: masked pixels take no part in a fit, and are mixed by place alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from gsjbu.core import reference
from gsjbu.core.fit import fit_kernel
from gsjbu.core.graph import Rendering
from gsjbu.core.grid import Grid
from gsjbu.core.kernel_file import load
from gsjbu.core.trust import Explained
from gsjbu.errors import KernelFileError

H, W = 40, 52
RNG = np.random.default_rng(0)
GUIDE = torch.from_numpy(
    np.clip(np.kron(RNG.random((3, 5, 13)), np.ones((8, 4))) + 0.05 * RNG.standard_normal((3, H, W)), 0, 1).astype(
        np.float32
    )
)
SEEN = torch.ones(H, W, dtype=torch.bool)
SEEN[:19, 20:47] = False  # a whole cell and parts of others
SIGNAL = torch.from_numpy(RNG.random((2, 5, 7)).astype(np.float32))
GRID = Grid.from_stride(H, W, 8)


def fitted(guide=GUIDE, seen=SEEN, grid=GRID, **options):
    options = {"iters": 4, "threads": 1} | options
    return fit_kernel(guide, grid, seen=seen, **options)


def test_masked_pixels_are_mixed_by_place_alone():
    kernel = fitted()
    step = (GRID.step_y, GRID.step_x)
    flat = torch.zeros(1, H, W)
    by_place = reference.render(reference.weights(flat, kernel.raw, 2, step), SIGNAL, H, W, step)
    followed = reference.weights(kernel.guide, kernel.raw, 2, step, kernel.lr_guide)
    right = torch.where(SEEN, reference.render(followed, SIGNAL, H, W, step), by_place)
    torch.testing.assert_close(kernel.render(SIGNAL).double(), right, atol=2e-5, rtol=0)
    out = np.empty((2, H, W), np.float32)
    kernel.render(SIGNAL, out=out)
    np.testing.assert_allclose(out, right, atol=2e-5)
    for x, y in ((30, 8), (2, 30)):
        window = kernel.weights_at(x, y)
        mean = (window.weights * SIGNAL[0, window.qy, window.qx].numpy()).sum()
        assert mean == pytest.approx(float(right[0, y, x]), abs=2e-5)
    torch.testing.assert_close(Rendering(kernel)(SIGNAL).double(), right, atol=2e-5, rtol=0)


def test_the_loss_is_over_the_pixels_that_are_seen():
    start, begun = (fitted(iters=n, optimiser="adam", lr_image="area", sigma=0.5, sigma_r=0.2) for n in (0, 1))
    off = (start.render(start.lr_guide) - GUIDE).abs()
    assert begun.losses[0] == pytest.approx(float(off[:, SEEN].mean()), rel=1e-5)


@pytest.mark.parametrize("stride", [8, 4])
@pytest.mark.parametrize("objective", ["rgb", "signal"])
def test_both_backends_fit_alike(stride, objective):
    grid = Grid.from_stride(H, W, stride)
    signal = None if objective == "rgb" else torch.from_numpy(RNG.random((2, grid.rows, grid.cols))).float()
    one, other = (
        fitted(grid=grid, iters=3, objective=objective, signal=signal, backend=name) for name in ("fused", "attention")
    )
    np.testing.assert_allclose(one.losses, other.losses, rtol=1e-4)
    torch.testing.assert_close(one.render(SIGNAL_OF(grid)), other.render(SIGNAL_OF(grid)), atol=2e-3, rtol=0)


def SIGNAL_OF(grid: Grid) -> torch.Tensor:
    return torch.linspace(0, 1, grid.rows * grid.cols).reshape(1, grid.rows, grid.cols)


def test_cell_means_are_of_pixels_that_are_seen():
    kernel = fitted(iters=0, lr_image="area")
    cell = np.s_[:, 16:24, 16:24]
    own = GUIDE[cell][:, SEEN[16:24, 16:24]].mean(dim=1)
    torch.testing.assert_close(kernel.lr_guide[:, 2, 2], own, atol=1e-6, rtol=0)
    whole = kernel.gaussians.seen_cells
    assert whole is not None and not whole[0, 3] and whole[0, 2]


def test_cells_without_a_guide_tell_nothing_of_it():
    signal = GUIDE[:, 4::8, 4::8].contiguous()  # explained by the guide entirely
    seen = torch.ones(5, 6, dtype=torch.bool)
    seen[:2, 2:5] = False
    wrong = torch.where(seen, signal, 1 - signal)
    gain = Explained(signal, wrong, seen).gain()
    assert gain == pytest.approx(Explained(signal, signal, seen).gain())
    assert Explained(signal, wrong).gain() < gain


def test_a_mask_of_nothing_is_no_mask():
    kernel = fitted(seen=torch.ones(H, W, dtype=torch.bool))
    assert kernel.seen is None
    torch.testing.assert_close(kernel.raw, fitted(seen=None).raw, atol=0, rtol=0)


def test_a_file_keeps_the_mask(tmp_path):
    kernel = fitted()
    kernel.save(tmp_path / "kernel")
    torch.testing.assert_close(load(tmp_path / "kernel").render(SIGNAL), kernel.render(SIGNAL))
    replace(kernel, gaussians=replace(kernel.gaussians, seen=SEEN[1:])).save(tmp_path / "wrong")
    with pytest.raises(KernelFileError, match="mask of the guide"):
        load(tmp_path / "wrong")


def test_gradients_flow_through_masked_pixels():
    signal = SIGNAL.clone().requires_grad_(True)
    fitted(iters=0).render(signal).sum().backward()
    assert float(signal.grad.sum()) == pytest.approx(2 * H * W, rel=1e-4)


@pytest.mark.parametrize("objective", ["rgb", "signal", "auto"])
def test_any_order_of_axes_in_memory_gives_the_same_bits(objective):
    """As a picture that was turned or shrunk has, with its mask."""
    options = {"objective": objective, "signal": SIGNAL[:1], "kind": "depth"}
    turned = GUIDE.permute(2, 1, 0).contiguous().permute(2, 1, 0), SEEN.T.contiguous().T
    assert not turned[0].is_contiguous()
    one, other = fitted(**options), fitted(*turned, **options)
    assert torch.equal(one.render(SIGNAL[:1]), other.render(SIGNAL[:1]))
