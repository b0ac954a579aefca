"""Blends: the same on the LR grid as on the pixels, linear, saved and loaded, and pure unless they say otherwise."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

import gsjbu
from gsjbu.core import blend as blends
from gsjbu.core import interpolation, parameters
from gsjbu.core.backends import dispatch
from gsjbu.core.blend import Blend, Means
from gsjbu.core.clipping import clip_, within_reach
from gsjbu.core.fit import fit_kernel
from gsjbu.core.gaussians import Gaussians
from gsjbu.core.grid import Grid
from gsjbu.errors import KernelFileError
from tests.oracle_cases import one_torch_thread

__all__ = ["one_torch_thread"]  # a fixture: it is used by being here

GRIDS = (
    Grid.from_stride(32, 48, 8),  # whole cells
    Grid.from_stride(29, 43, 6),  # partial last cells
    Grid.from_sizes(37, 50, 7, 9),  # a ratio that is not whole, and not the same each way
    Grid.from_sizes(9, 30, 1, 5),  # fewer cells than the window
    Grid.from_stride(25, 36, 6),  # a partial last row, though 25 pixels are 5 cells of 5
)
BLENDS = (
    {"second_share": 0.4, "plain_share": 0.1, "plain": "bilinear"},
    {"plain_share": 0.5, "plain": "bicubic"},
    {"plain_share": 1.0, "plain": "bicubic"},
    {"second_share": 0.5},
)


def blended(grid: Grid, backend: str = "fused", radius: int = 2, passes: int = 0, **shares) -> gsjbu.Kernel:
    draw = torch.Generator().manual_seed(0)
    guide = torch.rand(3, grid.height, grid.width, generator=draw)
    raw = 2 * torch.randn(4, grid.rows, grid.cols, generator=draw) + 1
    second = parameters.start(grid, 0.6, 0.12) if "second_share" in shares else None
    return gsjbu.Kernel(
        Gaussians.over(guide, grid, radius, raw),
        backend=backend,
        threads=1,
        blend=Blend(second=second, passes=passes, **shares),
    )


def signal_for(kernel: gsjbu.Kernel, channels: int = 3) -> torch.Tensor:
    draw = torch.Generator().manual_seed(1)
    return torch.randn(channels, kernel.grid.rows, kernel.grid.cols, generator=draw)


FINE = (Grid.from_stride(37, 50, 2), Grid.from_sizes(45, 70, 13, 20))  # one cell a lane


@pytest.mark.parametrize("shares", BLENDS[:3])
@pytest.mark.parametrize("grid", [*GRIDS, *FINE])
@pytest.mark.parametrize("radius", [1, 2, 3])
def test_one_render_mixes_what_its_members_do_one_by_one(grid, radius, shares) -> None:
    kernel = blended(grid, "fused", radius, **shares)
    signal, blend = signal_for(kernel, 5), kernel.blend
    if not blend.within(radius):
        assert (radius == 1 and blend.plain == "bicubic") or blend.first_share == 0
        return
    members = blends.members(blend, kernel.gaussians)
    one_by_one = blends.render(blend, kernel.gaussians, signal, None, kernel._mix(1))
    torch.testing.assert_close(kernel.render(signal), one_by_one, atol=1e-5, rtol=0)
    means = Means(dispatch.mean_weights(kernel.gaussians, members, 1), radius)
    torch.testing.assert_close(means(signal), grid.cell_means(one_by_one), atol=1e-5, rtol=1e-5)


def test_a_mixture_is_the_same_bits_for_any_number_of_threads() -> None:
    for stride in (16, 2):
        kernel = blended(Grid.from_stride(256, 320, stride), passes=1, second_share=0.4, plain_share=0.1)
        signal = signal_for(kernel, 3)
        one, two = (replace(kernel, threads=n).render(signal) for n in (1, 2))
        assert torch.equal(one, two)


@pytest.mark.parametrize("shares", BLENDS)
@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize(("radius", "backend"), [(1, "fused"), (2, "fused"), (3, "attention")])
def test_cell_means_on_the_lr_grid_are_those_of_the_pixels(grid, radius, backend, shares) -> None:
    kernel = blended(grid, backend, radius, **shares)
    signal = signal_for(kernel)
    means = Means.of(kernel.blend, kernel.gaussians, kernel._mix(1))
    torch.testing.assert_close(means(signal), grid.cell_means(kernel.render(signal)), atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize("shares", BLENDS)
@pytest.mark.parametrize("grid", GRIDS)
def test_weights_are_those_of_the_render(grid, shares) -> None:
    kernel = blended(grid, **shares)
    signal = signal_for(kernel)
    high = kernel.render(signal)
    for x, y in ((0, 0), (grid.width - 1, grid.height - 1), (grid.width // 2, grid.height // 3)):
        w = kernel.weights_at(x, y)
        mixed = signal[:, w.qy, w.qx].double().numpy() @ w.weights
        np.testing.assert_allclose(mixed, high[:, y, x].numpy(), atol=2e-5)
        assert abs(w.weights.sum() - 1) < 1e-6


def test_a_small_window_still_lists_all_bicubic_weights() -> None:
    kernel = blended(GRIDS[0], radius=1, plain_share=0.5)
    window = kernel.weights_at(20, 13)
    assert len(window.weights) == 5 * 4  # rows 0…3 exist of −1…3
    assert window.weights.min() < 0


@pytest.mark.parametrize("grid", GRIDS[:3])
def test_each_pass_gives_the_lr_signal_back_more_closely(grid) -> None:
    smooth = {"plain_share": 0.5, "plain": "bicubic"}
    kernel = blended(grid, **smooth)
    kernel = replace(kernel, gaussians=kernel.gaussians.at(parameters.start(grid, 0.6, 0.2)))
    signal = signal_for(kernel)
    errors = []
    for passes in (0, 1, 3, 8):
        again = replace(kernel, blend=Blend(passes=passes, **smooth))
        errors.append(float((grid.cell_means(again.render(signal)) - signal).square().mean()))
    assert errors[0] > 2 * errors[1] and errors[1] > 2 * errors[2] and errors[2] > errors[3]


def test_back_projection_is_what_it_says_on_pixels() -> None:
    kernel = blended(GRIDS[1], passes=2, plain_share=0.5)
    plain = replace(kernel, blend=Blend(plain_share=0.5))
    signal = signal_for(kernel)
    high = plain.render(signal)
    for _ in range(2):
        high = high + plain.render(signal - kernel.grid.cell_means(high))
    torch.testing.assert_close(kernel.render(signal), high, atol=2e-4, rtol=1e-3)


def test_only_passes_and_bicubic_leave_pure_mixing() -> None:
    assert Blend().is_pure and Blend(plain_share=0.3, plain="bilinear").is_pure
    assert not Blend(plain_share=0.3).is_pure and not Blend(passes=1).is_pure
    pure = blended(GRIDS[0], second_share=0.4, plain_share=0.1, plain="bilinear")
    assert pure.is_pure and gsjbu.Kernel(pure.gaussians).is_pure
    signal = signal_for(pure)
    high = pure.render(signal)
    assert float(high.min()) >= float(signal.min()) - 1e-5 and float(high.max()) <= float(signal.max()) + 1e-5


def test_constants_stay() -> None:
    kernel = blended(GRIDS[2], passes=3, plain_share=0.5)
    torch.testing.assert_close(
        kernel.render(torch.full((2, 7, 9), 3.0)), torch.full((2, 37, 50), 3.0), atol=1e-4, rtol=0
    )


def test_batches_files_and_blocks_of_channels(tmp_path, monkeypatch) -> None:
    kernel = blended(GRIDS[1], passes=1, second_share=0.4, plain_share=0.1, plain="bilinear")
    signal = signal_for(kernel, 6)
    high = kernel.render(signal)
    torch.testing.assert_close(kernel.render(signal.reshape(2, 3, *signal.shape[1:])), high.reshape(2, 3, 29, 43))
    monkeypatch.setattr(blends, "BLOCK_BYTES", 4 * 29 * 43 * 4)  # four channels at a time
    file = np.lib.format.open_memmap(tmp_path / "high.npy", mode="w+", dtype=np.float16, shape=(6, 29, 43))
    kernel.render(signal, out=file)
    np.testing.assert_allclose(np.load(tmp_path / "high.npy"), high.numpy(), atol=5e-3)


def test_gradients_reach_the_signal() -> None:
    kernel = blended(GRIDS[1], passes=2, second_share=0.4, plain_share=0.1, plain="bicubic")
    signal = signal_for(kernel).requires_grad_(True)
    torch.manual_seed(2)
    pull = torch.randn(3, 29, 43)
    (kernel.render(signal) * pull).sum().backward()
    # The map is linear: its gradient says exactly what a change of the signal does.
    change = torch.randn_like(signal)
    with torch.no_grad():
        moved = (kernel.render(change) * pull).sum()
    assert signal.grad is not None
    torch.testing.assert_close((signal.grad * change).sum(), moved, atol=1e-2, rtol=1e-3)


@pytest.mark.parametrize("backend", ["fused", "attention"])
@pytest.mark.parametrize("passes", [0, 1])
def test_across_a_gap_an_interpolation_takes_the_known_cells_of_its_window(backend, passes) -> None:
    grid = Grid.from_stride(64, 80, 8)
    fixed = fit_kernel(torch.rand(3, 64, 80), grid, iters=0, backend=backend)
    known = torch.ones(8, 10, dtype=torch.bool)
    known[2:5, 2:6] = known[5:, 7:] = False
    ones, ramp = torch.ones(1, 8, 10), torch.arange(10.0).expand(1, 8, 10)
    kernel = replace(fixed, blend=Blend(plain_share=1.0, plain="Catmull–Rom", passes=passes))
    reached = within_reach(known, grid, kernel.radius)
    mixed = kernel.render(ones.masked_fill(~known, torch.nan), mask=known)
    assert torch.equal(mixed[0].isfinite(), reached) and not reached.all()
    torch.testing.assert_close(mixed[0, reached], torch.ones(int(reached.sum())))
    wide = reached & (interpolation.bilinear(known[None].float(), grid)[0] == 0)
    filled = kernel.render(ramp, mask=known)[0, wide]
    assert wide.any() and filled.min() >= 0 and filled.max() <= 9 and filled.std() > 1


def test_saved_and_loaded(tmp_path) -> None:
    kernel = replace(
        blended(GRIDS[1], passes=2, second_share=0.4, plain_share=0.1, plain="bilinear"), notes=("A note.",)
    )
    kernel.save(tmp_path / "kernel.safetensors")
    again = gsjbu.load(tmp_path / "kernel.safetensors")
    assert again.notes == ("A note.",) and again.blend is not None
    assert again.blend.as_dict() == kernel.blend.as_dict()
    signal = signal_for(kernel)
    assert torch.equal(again.render(signal), kernel.render(signal))


@pytest.mark.parametrize(
    "wrong",
    [
        {"passes": 2000},
        {"passes": 2.5},
        {"passes": -1},
        {"second_steps": 1.5},
        {"plain": "cubic"},
        {"plain_share": 7.0},
        {"second_share": 0.0},
        {"strange": 1},
    ],
)
def test_a_file_with_a_senseless_blend_is_refused(tmp_path, wrong) -> None:
    path = tmp_path / "kernel.safetensors"
    blended(GRIDS[1], passes=2, second_share=0.4, plain_share=0.1, plain="bilinear").save(path)
    with safe_open(str(path), framework="pt") as file:
        notes = json.loads(file.metadata()["gsjbu"])
    notes["blend"].update(wrong)
    save_file(load_file(path), path, metadata={"gsjbu": json.dumps(notes)})
    with pytest.raises(KernelFileError):
        gsjbu.load(path)


def test_a_mask_goes_where_the_signal_is():
    """Of a signal on a GPU that asks for a gradient; ``meta`` is a device that is everywhere."""
    high, low = torch.empty(2, 8, 8, device="meta", requires_grad=True), torch.empty(2, 4, 4, device="meta")
    held = clip_(high, low, Grid.from_stride(8, 8, 2), 1, torch.arange(16).reshape(4, 4) > 3)
    assert held.device == high.device
