"""The oracle on cases small enough to work out by hand: the right answers below are plain Python, or plain numbers."""

from __future__ import annotations

import math

import pytest
import torch

from gsjbu.core import reference


def inverse_softplus(y: float) -> float:
    return math.log(math.expm1(y - 1e-6))


def raw_of(cells: list[list[tuple[float, float, float, float]]]) -> torch.Tensor:
    """Rows of (σx, σy, θ, σr) → raw [4, h, w], float64."""
    raw = [
        [
            [inverse_softplus(sx), inverse_softplus(sy), math.atanh(theta / math.pi), inverse_softplus(sr)]
            for sx, sy, theta, sr in row
        ]
        for row in cells
    ]
    return torch.tensor(raw, dtype=torch.float64).permute(2, 0, 1)


def test_two_cells_of_one_colour_weigh_by_distance_alone():
    # Cells' centres at 1 and 3; pixel 1's at 1.5: ½·0.5² = 0.125 away from one, ½·1.5² = 1.125 from the other.
    raw = raw_of([[(1.001, 1.001, 0, 0.5)] * 2])
    w = reference.weights(torch.full((1, 1, 4), 0.3), raw, 1, (1.0, 2.0))
    right = math.e / (math.e + 1)
    # σ = 1 is the clamp itself; 1.001 squared shifts the exponent by 0.2 %.
    assert w[4, 0, 1].item() == pytest.approx(right, abs=5e-4)  # offset 0: its own cell
    assert w[5, 0, 1].item() == pytest.approx(1 - right, abs=5e-4)  # offset +1


def test_two_cells_at_one_distance_weigh_by_colour_alone():
    # σ is so wide that distance hardly counts; the colours differ by 1, σr = 0.5: exp(−1/(2·0.25)) = e⁻².
    raw = raw_of([[(63.0, 63.0, 0, 0.5)] * 2])
    image = torch.tensor([[[0.0, 0.0, 1.0, 1.0]]])
    w = reference.weights(image, raw, 1, (1.0, 2.0))
    assert w[4, 0, 0].item() == pytest.approx(1 / (1 + math.exp(-2)), abs=3e-4)
    assert w[3, 0, 3].item() == pytest.approx(math.exp(-2) / (1 + math.exp(-2)), abs=3e-4)


def test_a_needle_reaches_along_its_own_axis():
    """θ turns from x towards y: a needle at +45° in the middle cell reaches pixels down right, not down left."""
    cells = [[(2.0, 2.0, 0.0, 1.0)] * 3 for _ in range(3)]
    cells[1][1] = (20.0, 1.0 + 1e-4, math.pi / 4, 1.0)
    w = reference.weights(torch.full((3, 6, 6), 0.5), raw_of(cells), 1, (2.0, 2.0))
    # pixel (x=4, y=4) sees the middle cell at offset (−1, −1): place 0; pixel (x=1, y=4) at (+1, −1): place 2
    # Δ = (1.5, 1.5): on the axis, exponent −½·(1.5√2/20)² ≈ 0. Δ = (−1.5, 1.5): across it, −½·(1.5√2)² = −2.25.
    # The other cells weigh the same from both sides.
    others = math.exp(-0.5 * 0.5**2 * 2 / 4) + 2 * math.exp(-0.5 * (0.5**2 + 1.5**2) / 4)
    assert w[0, 4, 4].item() == pytest.approx(1 / (1 + others), abs=3e-3)
    assert w[2, 4, 1].item() == pytest.approx(math.exp(-2.25) / (math.exp(-2.25) + others), abs=3e-3)


CELLS = [[(1.3, 2.0, 0.3, 0.2), (1.7, 1.1, -0.8, 0.4)], [(2.5, 1.2, 1.9, 0.15), (1.2, 3.0, -2.2, 0.6)]]
IMAGE = [
    [0.1, 0.2, 0.8, 0.9],
    [0.0, 0.3, 0.7, 1.0],
    [0.5, 0.4, 0.6, 0.2],
    [0.9, 0.1, 0.3, 0.4],
]


def means_by_hand() -> list[list[float]]:
    return [
        [
            sum(IMAGE[2 * i + y][2 * j + x] for y in range(2) for x in range(2)) / 4
            for j in range(2)
        ]
        for i in range(2)
    ]  # fmt: skip


def weights_by_hand(x: int, y: int) -> dict[tuple[int, int], float]:
    """DESIGN section 2, literally, for one pixel of a 2×2 grid with stride 2: every cell is in every window."""
    lr, unnormalised = means_by_hand(), {}
    for i in range(2):
        for j in range(2):
            sx, sy, theta, sr = CELLS[i][j]
            dx, dy = (x + 0.5) - (j + 0.5) * 2, (y + 0.5) - (i + 0.5) * 2
            along_x = math.cos(theta) * dx + math.sin(theta) * dy
            along_y = -math.sin(theta) * dx + math.cos(theta) * dy
            log_w = -0.5 * ((along_x / sx) ** 2 + (along_y / sy) ** 2)
            log_w -= (IMAGE[y][x] - lr[i][j]) ** 2 / (2 * sr**2)
            unnormalised[i, j] = math.exp(log_w)
    total = sum(unnormalised.values())
    return {cell: w / total for cell, w in unnormalised.items()}


def test_every_weight_of_a_two_by_two_grid_by_hand():
    w = reference.weights(torch.tensor([IMAGE]), raw_of(CELLS), 1, (2.0, 2.0))
    for y in range(4):
        for x in range(4):
            right = weights_by_hand(x, y)
            for (i, j), value in right.items():
                place = (i - y // 2 + 1) * 3 + (j - x // 2 + 1)
                assert w[place, y, x].item() == pytest.approx(value, abs=1e-7)  # the image is float32


def test_low_resolution_is_the_mean_of_each_cell():
    assert reference.low_resolution(torch.tensor([IMAGE]), 2, 2, (2.0, 2.0))[0].tolist() == [
        pytest.approx(row, abs=1e-7) for row in means_by_hand()
    ]
    odd = reference.low_resolution(torch.tensor([[[1.0, 2.0, 6.0]]]), 1, 2, (2.0, 2.0))
    assert odd.tolist() == [[[1.5, 6.0]]]  # the partial cell is its one pixel


def test_the_objectives_by_hand():
    lr = means_by_hand()
    mixed = [[sum(w * lr[i][j] for (i, j), w in weights_by_hand(x, y).items()) for x in range(4)] for y in range(4)]
    right = sum(abs(mixed[y][x] - IMAGE[y][x]) for y in range(4) for x in range(4)) / 16
    image, raw = torch.tensor([IMAGE]), raw_of(CELLS)
    assert reference.rgb_loss(image, raw, 1, (2.0, 2.0)).item() == pytest.approx(right, abs=1e-7)

    signal = [[1.0, -2.0], [4.0, 3.0]]  # mean magnitude 2.5
    squares = 0.0
    for i in range(2):
        for j in range(2):
            again = 0.0
            for y in range(2 * i, 2 * i + 2):
                for x in range(2 * j, 2 * j + 2):
                    again += sum(w * signal[k][m] for (k, m), w in weights_by_hand(x, y).items()) / 4
            squares += ((again - signal[i][j]) / 2.5) ** 2
    found = reference.signal_loss(image, raw, 1, (2.0, 2.0), torch.tensor([signal]))
    assert found.item() == pytest.approx(squares / 4, rel=1e-6)


def test_neighbours_outside_the_grid_are_masked_not_clamped():
    image = torch.rand(3, 8, 8, generator=torch.Generator().manual_seed(0))
    raw = torch.randn(4, 4, 4, generator=torch.Generator().manual_seed(1))
    w = reference.weights(image, raw, 2, (2.0, 2.0)).reshape(5, 5, 8, 8)
    assert w[:2, :, :2].abs().max() == 0  # nothing above the first row of cells
    assert w[:, :2, :, :2].abs().max() == 0
    assert w[3:, :, -2:].abs().max() == 0
    assert w[:, 3:, :, -2:].abs().max() == 0
    assert (w[2:, 2:, :2, :2] > 0).all()
    assert torch.allclose(w.sum(dim=(0, 1)), torch.ones(8, 8, dtype=torch.float64), atol=1e-12)
    # Clamped, a corner cell would count up to nine times; masked, a wide flat kernel gives each cell of the
    # corner's window one equal share.
    flat = raw_of([[(64.0, 64.0, 0.0, 1.0)] * 4] * 4)
    corner = reference.weights(torch.full((1, 8, 8), 0.5), flat, 2, (2.0, 2.0))[:, 0, 0]
    assert corner[corner > 0].tolist() == pytest.approx([1 / 9] * 9, abs=1e-3)


def test_cells_of_a_ratio_that_is_not_whole():
    assert reference.cell_of(5, 2, 2.5).tolist() == [0, 0, 1, 1, 1]
    assert reference.cell_of(7, 3, 7 / 3).tolist() == [0, 0, 1, 1, 1, 2, 2]
    assert reference.cell_of(3, 1, 64.0).tolist() == [0, 0, 0]


def test_gradients_of_the_objectives_equal_differences():
    image = torch.rand(2, 5, 6, generator=torch.Generator().manual_seed(3))
    raw = torch.randn(4, 2, 3, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    raw[:2] += 1.5  # inside the clamps
    signal = torch.randn(2, 2, 3, generator=torch.Generator().manual_seed(5))
    step = (2.5, 2.0)
    for loss in (
        lambda r: reference.rgb_loss(image, r, 1, step),
        lambda r: reference.signal_loss(image, r, 1, step, signal),
    ):
        assert torch.autograd.gradcheck(loss, (raw.clone().requires_grad_(True),), eps=1e-7, atol=1e-6)
