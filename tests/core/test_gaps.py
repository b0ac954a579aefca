"""Cells without a value: filled from the nearest, and told from cells with one."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import gsjbu
from gsjbu.core.gaps import fill, is_filled, missing_nearby, nearest_known, without_stand_ins
from gsjbu.errors import ShapeError, SignalError


def holed(channels: int = 2) -> tuple[torch.Tensor, torch.Tensor]:
    """A signal whose gaps hold the mean of the rest, and where it is known."""
    draw = torch.Generator().manual_seed(0)
    down = torch.linspace(0, 1, 12)[:, None].expand(12, 20)
    signal = torch.stack([down**2 + 0.1 * k for k in range(channels)]) + 0.01 * torch.rand(
        channels, 12, 20, generator=draw
    )
    known = torch.rand(12, 20, generator=draw) > 0.6
    return torch.where(known, signal, signal[:, known].mean(dim=1)[:, None, None]), known


@pytest.mark.parametrize("channels", [1, 3])
def test_cells_that_hold_the_mean_of_the_others_are_found(channels) -> None:
    signal, known = holed(channels)
    assert torch.equal(without_stand_ins(signal), known)
    assert torch.equal(without_stand_ins(1000 * signal), known)


def test_a_value_near_the_mean_by_chance_hides_no_others() -> None:
    """As one of tens of thousands of cells always is."""
    signal, known = holed(2)
    row, col = known.nonzero()[5].tolist()
    others = known.clone()
    others[row, col] = False
    signal[:, row, col] = signal[:, others].mean(dim=1) + 3e-6
    signal[:, ~known] = signal[:, known].mean(dim=1, keepdim=True)
    assert (signal[:, row, col] != signal[:, ~known][:, 0]).all()
    assert torch.equal(without_stand_ins(signal), known)


def test_values_that_happen_to_be_the_mean_stay() -> None:
    ramp = torch.linspace(0, 1, 9).expand(1, 8, 9)  # its middle column is the mean
    edge = torch.tensor([0.0, 0.0, 0.5, 1.0, 1.0]).expand(1, 8, 5)
    for signal in (ramp, edge, torch.ones(2, 5, 5), torch.rand(1, 9, 9), torch.rand(1, 1, 1)):
        assert without_stand_ins(signal) is None


def test_gaps_are_filled_from_the_nearest_known_cell() -> None:
    signal = torch.tensor([[[1.0, 9.0, 9.0, 4.0]]])
    known = torch.tensor([[True, False, False, True]])
    assert fill(signal, known).tolist() == [[[1, 1, 4, 4]]]
    assert fill(signal, torch.ones(1, 4, dtype=torch.bool)) is signal


@pytest.mark.parametrize("rounded", [False, True])
def test_filled_gaps_are_told_by_a_channel_that_varies(rounded) -> None:
    patches = torch.rand(1, 12, 12, generator=torch.Generator().manual_seed(0))
    held = patches.repeat_interleave(2, 1).repeat_interleave(2, 2)
    held = (20 * held).round() if rounded else held
    constant = torch.full_like(held, 3.0)
    assert is_filled(torch.cat([constant, held])) is is_filled(torch.cat([held, constant])) is not rounded
    assert not is_filled(constant)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_what_was_rounded_to_half_precision_repeats_itself_and_is_not_filled(dtype) -> None:
    held = torch.rand(1, 12, 12, generator=torch.Generator().manual_seed(0)).repeat_interleave(2, 2)
    assert is_filled(held) and not is_filled(held.to(dtype).float())


def test_flat_regions_with_mixed_cells_between_are_no_filled_gaps() -> None:
    """Objects of one colour, as drawn: cells on their borders are means of two of them."""
    draw = torch.Generator().manual_seed(0)
    flat = torch.rand(1, 16, 16, generator=draw).repeat_interleave(4, 1).repeat_interleave(4, 2)
    mixed = torch.rand(1, 64, 64, generator=draw)
    mixed[:, (torch.arange(64) % 4 < 3)[:, None] & (torch.arange(64) % 4 < 3)] = 0
    assert not is_filled(torch.where(mixed > 0, mixed, flat))
    assert is_filled(flat)


def test_only_gaps_between_known_cells_count_as_missing_nearby() -> None:
    draw = torch.Generator().manual_seed(0)
    half = torch.ones(40, 60, dtype=torch.bool)
    half[:, :30] = False
    assert missing_nearby(torch.rand(40, 60, generator=draw) > 0.5) == pytest.approx(0.45, abs=0.03)
    assert missing_nearby(half) == pytest.approx(1 / 90, rel=1e-4)  # a third of the nine around each cell at the gap
    assert missing_nearby(torch.ones(1, 1, dtype=torch.bool)) == missing_nearby(~torch.ones(3, 4).bool()) == 0


def test_a_mask_may_be_of_numpy_and_must_be_of_the_grids_size() -> None:
    image, signal = torch.rand(3, 24, 32), torch.rand(1, 6, 8)
    known = torch.rand(6, 8, generator=torch.Generator().manual_seed(0)) > 0.2
    kernel = gsjbu.fit(image, stride=4, signal=signal, mask=known.numpy(), objective="auto", iters=1)
    assert torch.equal(kernel.render(signal, mask=known.numpy()), kernel.render(signal, mask=known))
    for ask in (
        lambda: kernel.render(signal, mask=known.numpy()[1:]),
        lambda: gsjbu.fit(image, stride=4, signal=signal, mask=known[1:], objective="auto"),
    ):
        with pytest.raises(ShapeError, match=r"mask is \[5, 8\]; it must be \[6, 8\]"):
            ask()
    with pytest.raises(ShapeError, match=r"\[0, 6, 8\]"):
        kernel.render(torch.zeros(0, 6, 8))


def test_a_pixel_whose_colour_is_that_of_gaps_still_has_its_own_cell() -> None:
    draw = torch.Generator().manual_seed(0)
    image = torch.rand(3, 48, 64, generator=draw)
    kernel = gsjbu.fit(image, 8, objective="rgb", iters=30, radius=1)
    known = torch.zeros(6, 8, dtype=torch.bool)
    known[:, 7] = True
    out = kernel.render(torch.rand(1, 6, 8, generator=draw), mask=known)
    assert not out[:, :, 56:].isnan().any() and out[:, :, :40].isnan().all()


def masked(*shape: int) -> tuple[np.ma.MaskedArray, np.ndarray]:
    """Numbers about 5 of which a few cells are masked and hold −9999, and where they are known."""
    known = np.ones((6, 8), bool)
    known[1:3, 2:4] = False
    values = 5 + np.random.default_rng(0).random((*shape, 6, 8))
    return np.ma.masked_array(np.where(known, values, -9999), np.broadcast_to(~known, values.shape)), known


@pytest.mark.parametrize("shape", [(1,), (3,), (2, 3)])
def test_what_a_masked_array_hides_is_not_rendered(shape: tuple[int, ...]) -> None:
    signal, known = masked(*shape)
    kernel = gsjbu.fit(torch.rand(3, 24, 32), stride=4, iters=1)
    high = kernel.render(signal)
    assert float(high.min()) > 4.9 and torch.equal(high, kernel.render(np.asarray(signal.data), mask=known))
    fewer = known.copy()
    fewer[5] = False
    assert torch.equal(kernel.render(signal, mask=fewer), kernel.render(signal.data, mask=fewer & known))


@pytest.mark.parametrize("objective", ["auto", "signal"])
@pytest.mark.parametrize("flat", [False, True])
def test_a_fit_on_a_masked_array_is_one_on_what_is_known(objective: str, flat: bool) -> None:
    image, (signal, known) = torch.rand(3, 24, 32), masked(1)
    options = {"lr_size": (6, 8), "iters": 2, "objective": objective}
    filled = nearest_known(signal.data, known)
    assert filled.min() > 4.9
    kernel = gsjbu.fit(image, signal=signal[0] if flat else signal, **options)
    other = gsjbu.fit(image, signal=filled, mask=known, **options)
    assert torch.equal(kernel.raw, other.raw) and kernel.losses == other.losses


def test_masked_arrays_without_an_answer_are_refused() -> None:
    image, (signal, known) = torch.rand(3, 24, 32), masked(2, 1)
    kernel = gsjbu.fit(image, stride=4, iters=1)
    other = np.ma.masked_array(signal.data, signal.mask.copy())
    other.mask[0, 0, 5, 5] = True
    with pytest.raises(ShapeError, match="masked in different cells; give them one by one"):
        kernel.render(other)
    nothing = np.ma.masked_all((1, 6, 8))
    assert bool(kernel.render(nothing).isnan().all())
    with pytest.raises(SignalError, match="every cell is masked"):
        gsjbu.fit(image, lr_size=(6, 8), objective="auto", signal=nothing)
    hidden = np.ma.masked_array(np.ones((6, 8), bool), ~known)  # of a mask, a masked cell has no value either
    assert torch.equal(kernel.render(signal.data[0], mask=hidden), kernel.render(signal.data[0], mask=known))
