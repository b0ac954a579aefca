"""The frozen Kernel: rendering into anything, gradients, the window of a pixel, files."""

from __future__ import annotations

import io
import json
import warnings
from dataclasses import FrozenInstanceError, replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from safetensors.torch import save_file

import gsjbu
from gsjbu.core import reference
from gsjbu.core.blend import Blend
from gsjbu.core.gaussians import Gaussians
from gsjbu.core.graph import Rendering
from gsjbu.core.grid import Grid
from gsjbu.core.refinement import stage
from gsjbu.core.refinement.recipe import Refinement
from gsjbu.errors import KernelFileError, SettingError, ShapeError, SignalError, SignalWarning
from tests.oracle_cases import one_torch_thread

__all__ = ["one_torch_thread"]  # a fixture: it is used by being here

BACKENDS = ("fused", "attention")


def random_kernel(
    height: int, width: int, grid: Grid, radius: int, backend: str, seed: int = 0, channels: int = 3
) -> gsjbu.Kernel:
    """A kernel of random Gaussians over a random guide: not a fitted one, so anything may come."""
    draw = torch.Generator().manual_seed(seed)
    guide = torch.rand(channels, height, width, generator=draw)
    raw = 2 * torch.randn(4, grid.rows, grid.cols, generator=draw)
    raw[:2] += 3
    return gsjbu.Kernel(Gaussians.over(guide, grid, radius, raw), backend=backend, threads=1)


def signal_for(kernel: gsjbu.Kernel, channels: int = 4, seed: int = 1) -> torch.Tensor:
    draw = torch.Generator().manual_seed(seed)
    return torch.randn(channels, kernel.grid.rows, kernel.grid.cols, generator=draw)


@pytest.fixture(params=BACKENDS)
def kernel(request) -> gsjbu.Kernel:
    return random_kernel(33, 47, Grid.from_stride(33, 47, 6), 2, request.param)


def test_a_kernel_is_shown_in_one_line_without_its_tensors(kernel):
    raw = kernel.raw
    seen = torch.ones(33, 47, dtype=torch.bool)
    gaussians = replace(kernel.gaussians, seen=seen)
    full = replace(kernel, gaussians=gaussians, blend=Blend(second=raw, second_share=0.5), losses=[0.123456] * 50)
    for shown in (repr(kernel), repr(full)):
        assert "\n" not in shown and "tensor(" not in shown and "0.123456" not in shown
        assert "height=33" in shown and "rows=6" in shown and "radius=2" in shown and "objective='rgb'" in shown


# --- properties that hold for any kernel -------------------------------------------------------------------------

SIZES = st.integers(1, 40)


@st.composite
def kernels(draw) -> gsjbu.Kernel:
    height, width = draw(SIZES), draw(SIZES)
    if draw(st.booleans()):
        grid = Grid.from_stride(height, width, draw(st.integers(1, 64)))
    else:
        grid = Grid.from_sizes(height, width, draw(st.integers(1, height)), draw(st.integers(1, width)))
    return random_kernel(
        height, width, grid, draw(st.integers(1, 8)), draw(st.sampled_from(BACKENDS)),
        draw(st.integers(0, 10_000)), draw(st.integers(1, 4)),
    )  # fmt: skip


FEW = settings(derandomize=True, max_examples=30, deadline=None, database=None)


@FEW
@given(kernels())
def test_weights_sum_to_one(kernel):
    ones = kernel.render(torch.ones(1, kernel.grid.rows, kernel.grid.cols))
    assert (ones - 1).abs().max() <= 1e-6
    window = kernel.weights_at(kernel.grid.width - 1, kernel.grid.height // 2)
    assert window.weights.sum() == pytest.approx(1, abs=1e-12)
    assert (window.weights >= 0).all()


@FEW
@given(kernels(), st.floats(-1e6, 1e6, width=32))
def test_a_constant_stays_constant(kernel, value):
    high = kernel.render(torch.full((3, kernel.grid.rows, kernel.grid.cols), value))
    assert (high - value).abs().max() <= 1e-6 * max(1, abs(value))


@FEW
@given(kernels())
def test_every_output_lies_in_the_range_of_its_window(kernel):
    """Pure mixing: nothing is synthesised, not even at the borders."""
    g, r = kernel.grid, kernel.radius
    signal = signal_for(kernel)
    high = kernel.render(signal)
    # the window's extremes, cell by cell; outside the grid nothing counts
    low = -torch.nn.functional.max_pool2d(-signal[None], 2 * r + 1, 1, r)[0]
    top = torch.nn.functional.max_pool2d(signal[None], 2 * r + 1, 1, r)[0]
    cell_y = torch.from_numpy(np.repeat(np.arange(g.rows), np.diff(g.row_starts)))
    cell_x = torch.from_numpy(np.repeat(np.arange(g.cols), np.diff(g.col_starts)))
    slack = 2e-6
    assert (high >= low[:, cell_y][:, :, cell_x] - slack).all()
    assert (high <= top[:, cell_y][:, :, cell_x] + slack).all()


@FEW
@given(kernels(), st.floats(-3, 3, width=32))
def test_rendering_is_linear_in_the_signal(kernel, factor):
    one, two = signal_for(kernel, seed=1), signal_for(kernel, seed=2)
    together = kernel.render(one + factor * two)
    apart = kernel.render(one) + factor * kernel.render(two)
    assert (together - apart).abs().max() <= 1e-5


@settings(derandomize=True, max_examples=12, deadline=None, database=None)
@given(
    st.integers(1, 6), st.integers(1, 6), st.integers(1, 9), st.integers(1, 9), st.sampled_from(BACKENDS),
    st.sampled_from([(1,), (2,), (1, 2)]),
)  # fmt: skip
def test_flipping_the_image_flips_the_result(rows, cols, step_y, step_x, backend, axes):
    """Whole cells only: a partial cell sits at the right, so a mirror image has another grid."""
    height, width = rows * step_y, cols * step_x
    guide = torch.rand(3, height, width, generator=torch.Generator().manual_seed(5))
    signal = torch.randn(2, rows, cols, generator=torch.Generator().manual_seed(6))

    def whole(turn) -> torch.Tensor:
        # from the fixed kernel: a fit's tiny gradients may have either sign, and Adam's first step is their sign
        kernel = gsjbu.fit(turn(guide), lr_size=(rows, cols), iters=0, backend=backend, threads=1)
        return turn(kernel.render(turn(signal)))

    assert (whole(lambda x: x) - whole(lambda x: x.flip(axes))).abs().max() <= 2e-6


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_fit_of_the_mirror_image_is_the_mirror_image(backend):
    y, x = torch.meshgrid(torch.arange(48.0), torch.arange(64.0), indexing="ij")
    guide = torch.stack([((x - 20) ** 2 + (y - 30) ** 2 < 200).float() * 0.5 + 0.002 * x, 0.01 * y, (0.3 * x).sin()])
    # Plain Adam looks at all pixels; the steps on logarithms begin with a lattice that has no mirror image.
    options = {"stride": 8, "iters": 10, "backend": backend, "optimiser": "adam"}
    straight, mirrored = gsjbu.fit(guide, **options), gsjbu.fit(guide.flip(2), **options)
    assert mirrored.losses == pytest.approx(straight.losses, rel=1e-3)
    lr = straight.lr_guide
    off = mirrored.render(lr.flip(2)).flip(2) - straight.render(lr)
    assert off.abs().mean() <= 1e-4


# --- rendering ---------------------------------------------------------------------------------------------------


def test_a_batch_is_its_items(kernel):
    batch = torch.stack([signal_for(kernel, seed=k) for k in range(3)])
    high = kernel.render(batch)
    assert high.shape == (3, 4, 33, 47)
    for one, item in zip(high, batch):
        assert (one - kernel.render(item)).abs().max() <= 1e-6


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int64, torch.bool, torch.float16, torch.bfloat16, torch.float64])
def test_signals_of_any_number_type(kernel, dtype):
    signal = (signal_for(kernel) * 3).abs().to(dtype)
    high = kernel.render(signal)
    assert high.dtype == torch.float32
    assert (high - kernel.render(signal.float())).abs().max() <= 1e-6


def test_a_numpy_signal_does_as_well(kernel):
    signal = signal_for(kernel)
    assert torch.equal(kernel.render(signal.numpy()), kernel.render(signal))


def test_a_signal_in_any_memory_order(kernel):
    signal = signal_for(kernel)
    shuffled = signal.permute(2, 0, 1).contiguous().permute(1, 2, 0)
    assert not shuffled.is_contiguous()
    assert torch.equal(kernel.render(shuffled), kernel.render(signal))


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16])
@pytest.mark.parametrize("batch", [False, True])
def test_out_is_filled_and_given_back(kernel, dtype, batch):
    signal = torch.stack([signal_for(kernel, seed=k) for k in range(2)]) if batch else signal_for(kernel)
    right = kernel.render(signal).numpy()
    out = np.full(right.shape, 99, dtype=dtype)
    given_back = kernel.render(signal, out=out)
    np.testing.assert_array_equal(out, right.astype(dtype))
    assert given_back.shape == right.shape
    np.testing.assert_allclose(given_back.numpy(), right, atol=2e-3 if dtype == np.float16 else 0)


OUTS = {
    "upside down": lambda size: np.empty(size, np.float32)[:, ::-1, ::-1],
    "longdouble": lambda size: np.empty(size, np.longdouble),
    "big-endian": lambda size: np.empty(size, ">f4"),
    "a field of records": lambda size: np.empty(size, [("tag", "u1"), ("value", "<f4")])["value"],
    "every second column": lambda size: np.empty((*size[:2], 2 * size[2]), np.float64)[..., ::2],
}


@pytest.mark.parametrize("name", OUTS)
def test_an_out_that_torch_has_no_word_for_is_filled_too(kernel, name):
    signal = signal_for(kernel)
    right = kernel.render(signal).numpy()
    out = OUTS[name](right.shape)
    given_back = kernel.render(signal, out=out)
    np.testing.assert_allclose(out.astype(np.float32), right, atol=1e-6)
    np.testing.assert_allclose(given_back.numpy(), right, atol=1e-6)


def test_out_of_a_batch_in_another_order_is_filled_too(kernel):
    """Its batch and channels cannot be joined into one axis without a copy; the copy must not be all that is filled."""
    signal = torch.stack([signal_for(kernel, seed=k) for k in range(2)])
    out = np.full((4, 2, 33, 47), 99, dtype=np.float32).transpose(1, 0, 2, 3)
    kernel.render(signal, out=out)
    np.testing.assert_array_equal(out, kernel.render(signal).numpy())


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_out_may_be_a_file(kernel, tmp_path, dtype):
    signal = signal_for(kernel)
    path = tmp_path / "high.npy"
    out = np.lib.format.open_memmap(path, mode="w+", dtype=dtype, shape=(4, 33, 47))
    kernel.render(signal, out=out)
    del out
    np.testing.assert_array_equal(np.load(path), kernel.render(signal).numpy().astype(dtype))


@pytest.mark.parametrize(
    ("shape", "sentence"),
    [
        ((4, 5, 8), r"The signal is \[4, 5, 8\]; it must be \[C, 6, 8\] or \[B, C, 6, 8\]"),
        ((6, 8), "it must be"),
        ((1, 1, 1, 6, 8), "it must be"),
        ((4, 8, 6), "it must be"),
    ],
)
def test_a_signal_of_another_size_is_refused(kernel, shape, sentence):
    with pytest.raises(ShapeError, match=sentence) as refusal:
        kernel.render(torch.zeros(shape))
    assert refusal.value.code == "shape_invalid"


@pytest.mark.parametrize(
    ("out", "sentence"),
    [
        (np.zeros((4, 33, 46), np.float32), r"out is \[4, 33, 46\]; it must be \[4, 33, 47\]"),
        (
            np.zeros((4, 33, 47), np.int32),
            r"out is of int32; it must be a writable array of floats, \[4, 33, 47\]",
        ),
        (np.broadcast_to(np.float32(0), (4, 33, 47)), "out is read-only; it must be a writable array"),
        ([0.0], "out is a list; it must be a writable array"),
        (torch.zeros(4, 33, 47), r"out is a tensor; give out.numpy\(\)"),
    ],
)
def test_an_out_that_cannot_hold_the_result_is_refused(kernel, out, sentence):
    with pytest.raises(ShapeError, match=sentence):
        kernel.render(signal_for(kernel), out=out)


def test_a_kernel_does_not_change(kernel):
    with pytest.raises(FrozenInstanceError):
        kernel.radius = 3


def test_the_gradient_to_the_signal_is_the_transposed_render(kernel):
    """Rendering is linear, V̂ = W·V, so dL/dV = Wᵀ·(dL/dV̂): held against one-pixel signals, entry by entry."""
    signal = signal_for(kernel, 1).requires_grad_(True)
    pull = torch.randn(1, 33, 47, generator=torch.Generator().manual_seed(9))
    (kernel.render(signal) * pull).sum().backward()
    assert signal.grad is not None
    for row, col in ((0, 0), (2, 3), (5, 7), (3, 0)):
        unit = torch.zeros(1, 6, 8)
        unit[0, row, col] = 1
        numerical = float((kernel.render(unit).double() * pull).sum())
        assert float(signal.grad[0, row, col]) == pytest.approx(numerical, rel=1e-4, abs=1e-4)


@pytest.mark.parametrize("device", ["cuda", "cuda:1", "mps:0"])
def test_a_kernel_from_a_gpu_renders_where_there_is_none(monkeypatch, tmp_path, device):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    here = random_kernel(20, 20, Grid.from_stride(20, 20, 4), 1, "attention")
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    replace(here, device=device).save(tmp_path / "kernel")
    there = gsjbu.load(tmp_path / "kernel")
    assert there.device == device
    assert torch.equal(there.render(signal_for(here)), here.render(signal_for(here)))


def test_no_graph_is_kept_where_nobody_asks(kernel):
    assert not kernel.render(signal_for(kernel)).requires_grad
    with torch.no_grad():
        assert not kernel.render(signal_for(kernel).requires_grad_(True)).requires_grad


# --- the window of a pixel ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("x", "y"), [(0, 0), (46, 32), (23, 17), (5, 30), (6, 6)])
def test_the_window_of_a_pixel_is_what_the_render_mixes(kernel, x, y):
    window = kernel.weights_at(x, y)
    signal = signal_for(kernel)
    by_window = signal[:, window.qy, window.qx].double() @ torch.from_numpy(window.weights)
    assert (kernel.render(signal)[:, y, x] - by_window).abs().max() <= 1e-4  # σr may sit at its clamp
    right = reference.weights(kernel.guide, kernel.raw, 2, (6.0, 6.0))[:, y, x]
    assert window.weights == pytest.approx(right[right > 0].numpy(), abs=1e-5) or (right > 0).sum() < window.qx.size
    product = window.spatial * window.range
    if product.sum() > 1e-30:  # the two factors are what the weights are made of
        assert product / product.sum() == pytest.approx(window.weights, abs=1e-9)


def test_the_window_lies_round_the_pixels_cell_and_inside_the_grid(kernel):
    window = kernel.weights_at(46, 0)  # the top right corner
    assert sorted(set(window.qx.tolist())) == [5, 6, 7]
    assert sorted(set(window.qy.tolist())) == [0, 1, 2]
    assert window.colours.shape == (9, 3)
    assert torch.equal(torch.from_numpy(window.colours[0]).float(), kernel.lr_guide[:, 0, 5])


@pytest.mark.parametrize(("x", "y"), [(-1, 0), (47, 0), (0, 33)])
def test_a_pixel_outside_has_no_window(kernel, x, y):
    with pytest.raises(ShapeError, match="outside the image"):
        kernel.weights_at(x, y)


# --- files -------------------------------------------------------------------------------------------------------


def test_a_kernel_is_saved_into_a_folder_that_is_not_there_yet(tmp_path):
    kernel = gsjbu.fit(torch.rand(3, 16, 16, generator=torch.Generator().manual_seed(0)), stride=8, iters=0)
    kernel.save(str(tmp_path / "new" / "er" / "kernel.safetensors"))
    assert torch.equal(gsjbu.load(tmp_path / "new" / "er" / "kernel.safetensors").raw, kernel.raw)


@pytest.mark.parametrize("size", [{"stride": 7}, {"lr_size": (5, 9)}])
def test_saved_and_loaded_it_is_the_same_kernel(tmp_path, size):
    guide = torch.rand(3, 31, 44, generator=torch.Generator().manual_seed(0))
    before = gsjbu.fit(guide, iters=3, radius=3, **size)
    before.save(tmp_path / "kernel.safetensors")
    after = gsjbu.load(tmp_path / "kernel.safetensors")
    assert torch.equal(before.raw, after.raw)
    assert torch.equal(before.guide, after.guide)
    for name in ("grid", "radius", "objective", "backend", "backend_reason", "device"):
        assert getattr(before, name) == getattr(after, name), name
    assert list(after.losses) == list(before.losses)
    signal = signal_for(before)
    assert torch.equal(before.render(signal), after.render(signal))


def test_a_fixed_kernel_has_no_losses_in_its_file_either(tmp_path):
    gsjbu.fit(torch.rand(1, 9, 9), stride=3, iters=0).save(tmp_path / "k")
    assert gsjbu.load(tmp_path / "k").losses == []


def notes(**changed) -> dict[str, str]:
    whole = {
        "format": "gsjbu-kernel-1", "step": [3.0, 3.0], "radius": 2, "objective": "rgb", "backend": "fused",
        "backend_reason": "", "device": "cpu",
    }  # fmt: skip
    return {"gsjbu": json.dumps({**whole, **changed})}


def tensors(**changed) -> dict[str, torch.Tensor]:
    whole = {
        "guide": torch.rand(3, 9, 9),
        "raw": torch.zeros(4, 3, 3),
        "losses": torch.zeros(0, dtype=torch.float64),
    }
    return {**whole, **changed}


def test_the_files_of_the_next_tests_are_right_but_for_one_thing(tmp_path):
    save_file(tensors(), tmp_path / "k", metadata=notes())
    assert gsjbu.load(tmp_path / "k").sigma_x.shape == (3, 3)


@pytest.mark.parametrize("content", [b"", b"not a kernel", b"\x80\x04\x95pickle", b"\xff" * 64, b"\x08" + b"\0" * 7])
def test_other_files_are_refused(tmp_path, content):
    path = tmp_path / "bad.safetensors"
    path.write_bytes(content)
    with pytest.raises(KernelFileError, match=r"bad\.safetensors") as refusal:
        gsjbu.load(path)
    assert refusal.value.code == "kernel_file_invalid"
    assert str(tmp_path) not in refusal.value.message  # a name, never a path


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    with pytest.raises(KernelFileError, match="There is no file nothing"):
        gsjbu.load(tmp_path / "nothing")
    with pytest.raises(KernelFileError):
        gsjbu.load(tmp_path)
    with pytest.raises(KernelFileError, match=r"^\. cannot be opened"):
        gsjbu.load(".")


@pytest.mark.parametrize(
    ("content", "metadata"),
    [
        (tensors(), None),
        (tensors(), {"gsjbu": "{"}),
        (tensors(), {"gsjbu": "[]"}),
        (tensors(), notes(format="gsjbu-kernel-99")),
        (tensors(), notes(radius="x")),
        (tensors(), notes(radius=-1)),
        (tensors(), notes(radius=400)),
        (tensors(), notes(step=[3.0])),
        (tensors(), notes(step=[0.0, 3.0])),
        (tensors(), notes(step=[1.0, 1.0])),
        (tensors(), notes(step=[float("inf"), 3.0])),
        (tensors(), notes(step=[float("nan"), 3.0])),
        (tensors(), {"gsjbu": "[" * 200_000}),
        (tensors(), notes(backend="nobody")),
        (tensors(), notes(device="moon")),
        (tensors(), notes(device="cuda:01")),
        ({"raw": torch.zeros(4, 3, 3)}, notes()),
        (tensors(raw=torch.zeros(3, 3, 3)), notes()),
        (tensors(raw=torch.zeros(4, 9)), notes()),
        (tensors(raw=torch.zeros(4, 30, 3)), notes()),
        (tensors(guide=torch.rand(9, 9)), notes()),
        (tensors(raw=torch.full((4, 3, 3), torch.nan)), notes()),
    ],
)
def test_a_safetensors_file_that_is_no_kernel_is_refused(tmp_path, content, metadata):
    save_file(content, tmp_path / "k.safetensors", metadata=metadata)
    with pytest.raises(KernelFileError, match=r"k\.safetensors"):
        gsjbu.load(tmp_path / "k.safetensors")


def test_a_changed_copy_is_another_kernel(kernel):
    """dataclasses.replace must not carry over what was worked out from the old values."""
    before = kernel.sigma_x.clone()
    other = replace(kernel, gaussians=kernel.gaussians.at(kernel.raw + 1))
    assert not torch.equal(other.sigma_x, before)
    assert torch.equal(kernel.sigma_x, before)


# --- a refinement ------------------------------------------------------------------------------------------------

REFINEMENT = Refinement(graph=0.5, counts=True, strengths=(9.0,), lines=0.7, tolerance=0.2)


@pytest.fixture(scope="module")
def refining() -> gsjbu.Kernel:
    guide = torch.rand(3, 31, 44, generator=torch.Generator().manual_seed(0))
    return replace(gsjbu.fit(guide, stride=7, iters=2, threads=1), refinement=REFINEMENT)


def shares_for(kernel: gsjbu.Kernel) -> torch.Tensor:
    draw = torch.randn(3, kernel.grid.rows, kernel.grid.cols, generator=torch.Generator().manual_seed(1))
    return torch.softmax(4 * draw, 0)


def test_a_refinement_follows_mixing(refining):
    shares = shares_for(refining)
    mixed = replace(refining, refinement=None).render(shares)
    wanted = stage.refined(mixed, shares, refining.guide, refining.grid, REFINEMENT)
    assert torch.equal(refining.render(shares), wanted) and not torch.equal(mixed, wanted)
    batch = torch.stack([shares, shares.flip(0)])
    got = refining.render(batch)
    assert torch.equal(got[0], wanted)
    torch.testing.assert_close(got[1], wanted.flip(0), atol=1e-4, rtol=0)
    out = np.zeros(wanted.shape, np.float64)
    refining.render(shares, out=out)
    np.testing.assert_array_equal(out, wanted.numpy())
    assert refining.is_joint and not refining.is_pure


def test_where_gradients_are_asked_for_there_is_only_mixing(refining):
    shares = shares_for(refining).requires_grad_()
    plain = replace(refining, refinement=None)
    torch.testing.assert_close(refining.render(shares).detach(), plain.render(shares).detach())
    (gradient,) = torch.autograd.grad(refining.render(shares).square().sum(), shares)
    (wanted,) = torch.autograd.grad(plain.render(shares).square().sum(), shares)
    assert torch.equal(gradient, wanted)
    with torch.no_grad():
        assert not torch.equal(refining.render(shares), plain.render(shares))


def test_a_signal_of_another_kind_is_only_mixed(refining):
    signal = signal_for(refining)
    assert torch.equal(refining.render(signal), replace(refining, refinement=None).render(signal))


def test_a_refinement_is_saved_and_older_files_have_none(refining, tmp_path):
    refining.save(tmp_path / "k")
    again = gsjbu.load(tmp_path / "k")
    assert again.refinement == REFINEMENT
    assert torch.equal(again.render(shares_for(refining)), refining.render(shares_for(refining)))
    save_file(tensors(), tmp_path / "old", metadata=notes())
    assert gsjbu.load(tmp_path / "old").refinement is None


@pytest.mark.parametrize("wrong", [{"graph": 3}, {"unknown": 1}, {}, [1], "graph"], ids=str)
def test_a_file_with_a_refinement_that_makes_no_sense_is_refused(tmp_path, wrong):
    said = {**REFINEMENT.as_dict(), **wrong} if wrong and isinstance(wrong, dict) else wrong
    save_file(tensors(), tmp_path / "k", metadata=notes(refinement=said))
    with pytest.raises(KernelFileError, match="cannot be read"):
        gsjbu.load(tmp_path / "k")


@pytest.mark.parametrize("offset", [(3, -2), (-4, 0)])
def test_an_offset_moves_all_that_is_told_of_a_pixel(offset, tmp_path):
    across, down = offset
    still = gsjbu.fit(torch.rand(3, 20, 26, generator=torch.Generator().manual_seed(0)), stride=5, iters=2)
    kernel = replace(still, offset=offset)
    signal = torch.rand(2, *still.raw.shape[1:], generator=torch.Generator().manual_seed(1))
    rows = (torch.arange(20) + down).clamp(0, 19)
    cols = (torch.arange(26) + across).clamp(0, 25)
    wanted = still.render(signal)[:, rows][:, :, cols]
    assert torch.equal(kernel.render(signal), wanted)
    out = np.zeros((2, 20, 26), np.float32)
    kernel.render(signal, out)
    assert np.array_equal(out, wanted.numpy())
    assert torch.equal(kernel.render(signal.expand(3, 2, -1, -1))[1], wanted)
    window = kernel.weights_at(1, 19)
    assert (window.x, window.y) == (1, 19)
    mixed = (window.weights * signal[:, window.qy, window.qx].numpy()).sum(axis=1)
    np.testing.assert_allclose(mixed, wanted[:, 19, 1], atol=1e-5)
    with pytest.raises(ShapeError):
        kernel.weights_at(26, 0)
    asked = signal.clone().requires_grad_(True)
    kernel.render(asked).sum().backward()
    assert asked.grad is not None
    torch.testing.assert_close(Rendering(kernel)(signal), wanted, atol=1e-5, rtol=0)
    kernel.save(tmp_path / "k")
    assert gsjbu.load(tmp_path / "k").offset == offset


def test_a_file_with_an_offset_that_makes_no_sense_is_refused(tmp_path):
    kernel = gsjbu.fit(torch.rand(3, 20, 26), stride=5, iters=1)
    for offset in ((26, 0), (0, -20), (1.5, 0), (1,)):
        replace(kernel, offset=offset).save(tmp_path / "k")
        with pytest.raises(KernelFileError):
            gsjbu.load(tmp_path / "k")


def test_a_complex_signal_is_refused():
    kernel = gsjbu.fit(torch.rand(3, 16, 16), stride=8, iters=0, radius=1)
    with pytest.raises(ShapeError, match="complex"):
        kernel.render(torch.zeros(1, 2, 2, dtype=torch.complex64))


@pytest.mark.parametrize("threads", [0, -1, 1.5, "2"])
def test_render_takes_whole_numbers_of_threads(threads):
    kernel = gsjbu.fit(torch.rand(3, 16, 16), stride=8, iters=0, radius=1)
    with pytest.raises(SettingError, match="a whole number from 1"):
        kernel.render(torch.zeros(1, 2, 2), threads=threads)


@pytest.mark.parametrize("wrong", [None, "a.npy", Image.fromarray(np.zeros((6, 8), np.uint8)), object()])
def test_what_is_no_array_is_not_rendered(wrong):
    kernel = gsjbu.fit(torch.rand(3, 48, 64), lr_size=(6, 8), iters=0)
    with pytest.raises(ShapeError, match=r"it must be an array or a tensor \[C, h, w\]"):
        kernel.render(wrong)


@pytest.mark.parametrize("pixel", [(1.5, 2), ("a", 2), (1, None)])
def test_a_pixel_has_whole_numbers(pixel):
    kernel = gsjbu.fit(torch.rand(3, 48, 64), lr_size=(6, 8), iters=0)
    with pytest.raises(ShapeError, match="x and y must be whole numbers"):
        kernel.weights_at(*pixel)
    assert kernel.weights_at(np.int64(3), np.uint8(2)).x == 3


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.uint8])
def test_a_render_is_float32_but_a_gradient_keeps_float64(dtype):
    kernel = gsjbu.fit(torch.rand(3, 48, 64), stride=8, iters=0)
    signal = torch.rand(4, 6, 8).to(dtype)
    assert kernel.render(signal).dtype == torch.float32
    if dtype.is_floating_point:
        followed = kernel.render(signal.requires_grad_())
        assert followed.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)
        followed.sum().backward()
        assert signal.grad.dtype == dtype


@pytest.mark.parametrize("dtype", [torch.float64, torch.int64])
def test_numbers_that_float32_has_no_digits_for_are_said(dtype):
    kernel = gsjbu.fit(torch.rand(3, 24, 32), stride=8, iters=0)
    ramp = torch.arange(12, dtype=torch.float64).reshape(1, 3, 4)
    with pytest.warns(SignalWarning, match="between 500000000 and 500000011.*take its mean off") as told:
        kernel.render((5e8 + ramp).to(dtype))
    assert told[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        kernel.render((5e8 + 1e6 * ramp).to(dtype))
        kernel.render(torch.full((1, 3, 4), 5e8, dtype=dtype))
        kernel.render((5e8 + ramp).float())  # has lost them already
        kernel.render((5e8 + ramp).requires_grad_())  # stays in float64


def test_numbers_beyond_float32_are_refused():
    kernel = gsjbu.fit(torch.rand(3, 24, 32), stride=8, iters=0)
    with pytest.raises(SignalError, match=r"1e\+39, beyond float32"):
        kernel.render(torch.full((1, 3, 4), 1e39, dtype=torch.float64))
    with_gap = torch.ones(1, 3, 4, dtype=torch.float64)
    with_gap[0, 0, 0] = torch.nan
    assert kernel.render(with_gap, mask=with_gap[0].isfinite()).isfinite().any()


def test_a_kernel_is_read_from_bytes_and_open_files(tmp_path):
    kernel = gsjbu.fit(torch.rand(3, 24, 32), stride=8, iters=1)
    kernel.save(tmp_path / "k")
    with (tmp_path / "k").open("rb") as file:
        for source in (kernel.to_bytes(), bytearray(kernel.to_bytes()), io.BytesIO(kernel.to_bytes()), file):
            again = gsjbu.load(source)
            assert torch.equal(again.raw, kernel.raw) and again.losses == kernel.losses
    for wrong, said in (
        (b"", "What was given cannot be read"), (io.BytesIO(b"12345678" * 9), "The open file cannot be read"),
        (io.StringIO("text"), "binary mode"), (7, "this is a int"), (kernel, "this is a Kernel"),
    ):  # fmt: skip
        with pytest.raises(KernelFileError, match=said):
            gsjbu.load(wrong)


@pytest.mark.parametrize("dtype", ["<f4", ">f4", "<f8", ">f8", "<f2"])
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("clip", [False, True])
def test_what_is_written_into_an_array_is_the_result(dtype, masked, clip):
    """Held in its range too, in another order of bytes, and where the guide is masked."""
    draw = np.random.default_rng(0)
    image, signal = draw.random((48, 64, 3)), (100 * draw.random((2, 6, 8)) > 50).astype(np.float32)
    cloud = np.zeros((48, 64)) if not masked else (np.arange(64) < 20) * np.ones((48, 1))
    kernel = gsjbu.fit(image, lr_size=(6, 8), iters=1, guide_mask=cloud)
    kernel = replace(kernel, blend=Blend(passes=3))
    assert not kernel.is_pure
    out = np.empty((2, 48, 64), dtype)
    high = kernel.render(signal, clip=clip)
    kernel.render(signal, out=out, clip=clip)
    np.testing.assert_allclose(out, high, atol=2e-3 if dtype == "<f2" else 1e-5)
    assert not clip or (float(high.max()) <= 1 and out.max() <= 1)


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
@pytest.mark.parametrize("wrong", [torch.nan, torch.inf, -torch.inf])
def test_numbers_that_are_none_are_refused_but_where_a_mask_leaves_them_out(wrong, dtype):
    grid = Grid.from_stride(24, 32, 8)
    kernel = random_kernel(24, 32, grid, 1, "fused")
    signal = torch.rand(2, 3, 4, dtype=dtype)
    signal[1, 1, 2] = wrong
    mask = torch.ones(3, 4, dtype=torch.bool)
    for given_ in (signal, signal[None], signal.clone().requires_grad_()):
        for words in ({}, {"mask": mask}):
            with pytest.raises(SignalError, match="NaN or infinite values"):
                kernel.render(given_, **words)
    mask[1, 2] = False
    assert torch.isfinite(kernel.render(signal, mask=mask)).all()
    large = torch.full((2, 3, 4), 1e38)  # their sum is beyond float32
    torch.testing.assert_close(kernel.render(large), torch.full((2, 24, 32), 1e38))
