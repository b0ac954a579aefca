"""The steps joined: each as it is alone, in order, for the classes that are there."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from gsjbu.core.gaps import fill
from gsjbu.core.grid import Grid
from gsjbu.core.interpolation import nearest
from gsjbu.core.refinement import counts, graph, lab, lines, portable, stage
from gsjbu.core.refinement.portable import edges
from gsjbu.core.refinement.recipe import Refinement
from tests.core.refinement.cases import GRIDS, draw, shares

GRID = GRIDS[1]


def problem(channels: int = 4) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """A mixture, its signal (its last class is nowhere), a guide."""
    r = draw()
    mixed = r.random((channels, GRID.height, GRID.width)).astype(np.float32)
    guide = r.random((3, GRID.height, GRID.width)).astype(np.float32)
    return torch.from_numpy(mixed), torch.from_numpy(shares(GRID, channels)), torch.from_numpy(guide)


def refined(recipe: Refinement, **options) -> np.ndarray:
    return stage.refined(*problem(), GRID, recipe, **options).numpy()


def test_nothing_to_do_is_the_mixture() -> None:
    assert np.array_equal(refined(Refinement()), problem()[0].numpy())


def test_each_step_alone() -> None:
    mixed, signal, guide = (x.numpy() for x in problem())
    seen = lab.colours(guide)
    assert np.array_equal(refined(Refinement(counts=True)), counts.matched(mixed, signal, GRID))
    smooth = lines.smoothed(mixed, edges(guide, 0.3), 20.0)
    assert np.array_equal(refined(Refinement(strengths=(20.0,), tolerance=0.3)), smooth)
    answer = graph.solved(mixed, signal, None, seen, GRID, lone=portable.LONE)
    np.testing.assert_allclose(refined(Refinement(graph=0.25)), 0.75 * mixed + 0.25 * answer, atol=1e-6)


def test_rounds_of_smoothing_and_counts() -> None:
    mixed, signal, guide = (x.numpy()[:3] for x in problem())  # the classes that are there
    likeness = edges(guide, 0.3)
    x = counts.matched(mixed, signal, GRID)
    for strength in (20.0, 5.0):
        x = counts.matched(0.6 * lines.smoothed(x, likeness, strength) + 0.4 * mixed, signal, GRID)
    got = refined(Refinement(counts=True, strengths=(20.0, 5.0), lines=0.6, tolerance=0.3))
    # Temperature divides rounding errors of 1e-7; 1e-5 at most was measured.
    np.testing.assert_allclose(got[:3], x, atol=1e-3)
    assert not got[3].any()


def test_logarithms_are_smoothed_and_each_pixels_sum_is_kept() -> None:
    mixed, signal, guide = problem()
    got = stage.refined(mixed, signal, guide, GRID, Refinement(strengths=(20.0,), tolerance=0.3, logs=True))
    smooth = lines.smoothed(np.log(mixed.clamp_min(1e-3).numpy()), edges(guide.numpy(), 0.3), 20.0)
    wanted = torch.softmax(torch.from_numpy(smooth), 0) * mixed.sum(0)
    torch.testing.assert_close(got, wanted, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("has_gap", [False, True])
def test_of_probabilities_the_graph_stays_within_the_nine_cells_around(has_gap: bool) -> None:
    mixed, signal, guide = problem()
    mask = torch.ones(GRID.rows, GRID.cols, dtype=torch.bool)
    mask[1, 1] = not has_gap
    answer = graph.solved(
        mixed.numpy(), signal.numpy(), mask.numpy(), lab.colours(guide.numpy()), GRID, lone=portable.LONE
    )
    cells = fill(signal, mask).numpy()
    wanted = np.empty_like(answer)
    for y in range(GRID.height):
        for x in range(GRID.width):
            i, j = GRID.cell_of(x, y)[::-1]
            near = cells[:, max(i - 1, 0) : i + 2, max(j - 1, 0) : j + 2]
            held = answer[:, y, x].clip(near.min(axis=(1, 2)), near.max(axis=(1, 2)))
            wanted[:, y, x] = held * answer[:, y, x].sum() / max(held.sum(), stage.LEAST)
    got = stage.refined(mixed, signal, guide, GRID, Refinement(graph=1.0, logs=True), mask=mask)
    assert not np.allclose(answer, wanted, atol=0.1)
    np.testing.assert_allclose(got, wanted, atol=1e-5)


def test_a_signal_without_any_share_gives_nothing() -> None:
    mixed, signal, guide = problem()
    got = stage.refined(mixed, 0 * signal, guide, GRID, Refinement(graph=0.5, counts=True, strengths=(9.0,)))
    assert not got.any()


def test_spans_hold_the_mixed_cells_and_their_neighbours() -> None:
    given = np.zeros((2, 5, 8), np.float32)
    given[0, :, :3], given[1, :, 3:] = 1, 1
    given[:, 2, 3] = 0.5
    assert stage._mixed_cells(given)[0].tolist() == [[0, 0], [2, 5], [2, 5], [2, 5], [0, 0]]


def test_same_bits_for_any_threads_and_inputs_stay() -> None:
    recipe = Refinement(graph=0.5, counts=True, strengths=(9.0, 3.0), lines=0.7)
    one = refined(recipe, threads=1)
    assert np.array_equal(refined(recipe, threads=2), one)
    mixed, signal, guide = problem()
    copies = mixed.clone(), signal.clone(), guide.clone()
    stage.refined(mixed, signal, guide, GRID, recipe)
    assert all(torch.equal(a, b) for a, b in zip((mixed, signal, guide), copies, strict=True))


def test_guides_of_any_number_of_channels() -> None:
    mixed, signal, guide = problem()
    for channels in (1, 2, 5):
        other = guide[:1].repeat(channels, 1, 1)
        got = stage.refined(mixed, signal, other, GRID, Refinement(graph=0.5, strengths=(9.0,)))
        assert got.shape == mixed.shape and bool(torch.isfinite(got).all())


def test_one_pixel_and_one_cell() -> None:
    one = Grid.from_stride(1, 1, 2)
    x = torch.full((1, 1, 1), 0.5)
    recipe = Refinement(graph=0.5, counts=True, strengths=(9.0,))
    assert float(stage.refined(x, x, x, one, recipe)) == 0.5


def test_any_order_of_axes_in_memory_gives_the_same_bits() -> None:
    """As turned and permuted tensors have."""
    for recipe in (Refinement(graph=0.5, steps=4), Refinement(graph=0.2, counts=True, strengths=(20.0,))):
        mixed, signal, guide = problem()
        right = stage.refined(mixed, signal, guide, GRID, recipe)
        turned = [x.permute(2, 1, 0).contiguous().permute(2, 1, 0) for x in (mixed, signal, guide)]
        assert not turned[0].is_contiguous()
        assert torch.equal(stage.refined(*turned, GRID, recipe), right)


def test_a_graph_that_is_sure_of_each_pixel_answers_alone() -> None:
    """Two flat colours: it gives every pixel to one class. In noise it does not, and half of the mixture stays."""
    grid = Grid.from_stride(32, 48, 8)
    y, x = np.mgrid[:32, :48]
    labels = (x + 0.6 * y > 37).astype(int)
    shares = grid.cell_means(torch.from_numpy(np.eye(2)[labels]).permute(2, 0, 1).float())
    two = torch.from_numpy(np.where(labels, 0.8, 0.2)).float().expand(3, -1, -1).contiguous()
    noise = torch.rand(3, 32, 48, generator=torch.Generator().manual_seed(0))
    recipe, mix = Refinement(graph=0.5, steps=200, counts=True), nearest(shares, grid)
    for guide, sure in ((two, True), (noise, False)):
        answer = stage.refined(mix, shares, guide, grid, Refinement(graph=1.0, steps=200)).numpy()
        assert (stage._surety(answer, shares.numpy(), grid) == 1) is sure
    found = stage.refined(mix, shares, two, grid, recipe)
    assert torch.equal(found.argmax(dim=0), torch.from_numpy(labels))
    pure = torch.eye(2)[:, :1].reshape(2, 1, 1).expand(2, 4, 6).contiguous()
    assert stage._surety(nearest(pure, grid).numpy(), pure.numpy(), grid) == 0


def test_counts_of_cells_that_are_no_whole_pixels_are_told_by_the_answer() -> None:
    """Shares over cells as they lie are given back as such; those that count pixels as these."""
    grid = Grid.from_sizes(50, 64, 20, 24)
    y, x = np.mgrid[:50, :64]
    truth = torch.from_numpy(np.stack([(y - 25) ** 2 + (x - 30) ** 2 < 300, x + 2 * y > 110])).float()
    truth = torch.cat([truth, 1 - truth.amax(dim=0, keepdim=True)])
    truth /= truth.sum(dim=0)
    guide = truth + 0.2 * torch.rand(3, 50, 64, generator=torch.Generator().manual_seed(0))
    recipe = Refinement(graph=0.5, counts=True, strengths=(20.0,), lines=0.5, tolerance=0.3)
    for means, other in ((grid.area_means, grid.cell_means), (grid.cell_means, grid.area_means)):
        shares = means(truth)
        got = stage.refined(nearest(shares, grid), shares, guide, grid, recipe)
        assert float((means(got) - shares).abs().mean()) < 0.5 * float((other(got) - shares).abs().mean())
