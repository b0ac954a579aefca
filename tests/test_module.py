"""GSJBU stands where a peer's upsampler stands: in a network, in a training loop, in torch.hub."""

from __future__ import annotations

import sys
import warnings
from contextlib import contextmanager

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

import gsjbu
from gsjbu.errors import ImageError, SettingError, ShapeError, SignalError, SignalWarning
from gsjbu.module import GSJBU


@pytest.fixture
def pair():
    generator = torch.Generator().manual_seed(0)
    return torch.rand(2, 3, 33, 47, generator=generator), torch.randn(2, 5, 9, 12, generator=generator)


@pytest.mark.parametrize("objective", ["rgb", "signal", "auto"])
def test_a_batch_equals_one_by_one(pair, objective):
    image, signal = pair
    upsampler = GSJBU(iters=8, objective=objective)
    together = upsampler(image, signal)
    one_by_one = torch.cat([upsampler(image[i : i + 1], signal[i : i + 1]) for i in range(len(image))])
    assert together.shape == (2, 5, 33, 47)
    assert (together - one_by_one).abs().max() <= 1e-6
    direct = gsjbu.upsample(image[0], signal[0], objective=objective, iters=8)
    assert (together[0] - direct).abs().max() <= 1e-6


@pytest.mark.parametrize("objective", ["rgb", "signal", "auto"])
def test_gradcheck_for_the_signal(pair, objective):
    image, signal = pair
    upsampler = GSJBU(iters=3, objective=objective)
    kernels = upsampler.kernels(image[:1, :, :16, :20], signal[:1, :, :4, :5])
    tall = signal[:1, :2, :4, :5].double().requires_grad_(True)
    small = image[:1, :, :16, :20]
    assert torch.autograd.gradcheck(lambda x: upsampler(small, x, kernels=kernels), (tall,))


def test_the_differentiable_road_gives_the_same_values(pair):
    image, signal = pair
    upsampler = GSJBU(iters=5, objective="rgb")
    kernels = upsampler.kernels(image, signal)
    plain = upsampler(image, signal, kernels=kernels)
    traced = upsampler(image, signal.clone().requires_grad_(True), kernels=kernels)
    assert traced.requires_grad
    assert not plain.requires_grad
    # Values run to 3; between the two forms float32 leaves 1.0e-5 on noise at σr = 0.055, where fits start.
    assert (traced - plain).abs().max() <= 3e-5


def test_a_linear_head_on_frozen_features_learns_through_it():
    """A peer's upsampler replaced: two regions, told apart only by their features, labelled at full resolution."""
    generator = torch.Generator().manual_seed(1)
    labels = torch.zeros(1, 64, 64, dtype=torch.long)
    labels[:, :, 29:] = 1
    image = (0.2 + 0.6 * labels.float())[:, None].expand(-1, 3, -1, -1) + 0.02 * torch.rand(
        1, 3, 64, 64, generator=generator
    )
    backbone = nn.Conv2d(3, 8, 8, stride=8)
    for parameter in backbone.parameters():
        nn.init.normal_(parameter, generator=generator, std=0.1)
        parameter.requires_grad_(False)
    adapter, head = nn.Conv2d(8, 8, 1), nn.Conv2d(8, 2, 1)  # the adapter sits before the upsampler
    for parameter in [*adapter.parameters(), *head.parameters()]:
        nn.init.normal_(parameter, generator=generator, std=0.3)
    upsampler = GSJBU(iters=20, objective="rgb")
    features = backbone(image)
    kernels = upsampler.kernels(image, features)
    optimiser = torch.optim.Adam([*adapter.parameters(), *head.parameters()], lr=0.05)
    losses = []
    for _ in range(60):
        logits = head(upsampler(image, adapter(features), output_size=(64, 64), kernels=kernels))
        loss = nn.functional.cross_entropy(logits, labels)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.1 * losses[0]
    assert (logits.argmax(1) == labels).float().mean() > 0.99


@pytest.mark.parametrize("size", [(20, 30), (33, 47), (66, 94), 40])
def test_output_size(pair, size):
    image, signal = pair
    expected = (size, size) if isinstance(size, int) else size
    assert GSJBU(iters=1, objective="rgb")(image, signal, output_size=size).shape == (2, 5, *expected)


def test_normalised_images_are_brought_back(pair):
    image, signal = pair
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    normalised = (image - torch.tensor(mean)[:, None, None]) / torch.tensor(std)[:, None, None]
    same = GSJBU(iters=5, objective="rgb")(image, signal)
    # There and back costs a colour its last bit; on noise five steps from σr = 0.055 make 4e-4 of it.
    assert (GSJBU(iters=5, objective="rgb", mean=mean, std=std)(normalised, signal) - same).abs().max() < 2e-3


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_the_signals_dtype_comes_back(pair, dtype):
    image, signal = pair
    assert GSJBU(iters=1, objective="rgb")(image, signal.to(dtype)).dtype == dtype


@pytest.mark.parametrize(("scale", "offset"), [(500, 4.5e6), (100, 1000), (1e-20, 0)])
@pytest.mark.parametrize("objective", ["rgb", "auto"])
def test_a_large_offset_keeps_the_digits_of_float64(pair, scale, offset, objective):
    image, signal = pair
    upsampler, signal = GSJBU(iters=5, objective=objective), signal.double()
    high = upsampler(image, signal * scale + offset)
    expected = upsampler(image, signal)
    assert high.dtype == torch.float64
    assert ((high - offset) / scale - expected).abs().max() <= 1e-4 * (signal.max() - signal.min())


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("objective", ["rgb", "signal", "auto"])
def test_without_a_value_a_signal_is_refused_whatever_the_objective(pair, objective, dtype, value):
    image, signal = pair[0][:1], pair[1][:1].to(dtype)
    upsampler = GSJBU(iters=0, objective=objective)
    kernels = upsampler.kernels(image, signal)
    signal[0, 0, 3, 3] = value
    for asked in (signal, signal.clone().requires_grad_()):
        for given in (None, kernels):
            with pytest.raises(ShapeError, match=r"NaN or infinite values.*gsjbu\.upsample takes them for gaps"):
                upsampler(image, asked, kernels=given)


def test_kernels_stay_what_they_are_when_a_buffer_is_filled_anew(pair):
    image, signal = pair
    buffer, upsampler = image.clone(), GSJBU(iters=0)
    kernels = upsampler.kernels(buffer, signal)
    before = upsampler(image, signal, kernels=kernels)
    buffer.fill_(0.5)
    assert torch.equal(upsampler(buffer, signal, kernels=kernels), before)


def test_sizes_that_do_not_go_together_are_refused(pair):
    image, signal = pair
    upsampler = GSJBU(iters=1, objective="rgb")
    with pytest.raises(ShapeError, match="same B"):
        upsampler(image[:1], signal)
    with pytest.raises(ShapeError, match="same B"):
        upsampler(image[0], signal[0])
    with pytest.raises(ShapeError, match="larger than the image"):
        upsampler(image, signal, output_size=4)
    with pytest.raises(ShapeError, match="1 kernels and 2 signals"):
        upsampler(image, signal, kernels=upsampler.kernels(image[:1], signal[:1]))


@pytest.mark.parametrize("objective", ["rgb", "signal", "auto"])
@pytest.mark.parametrize("backend", ["attention", "fused"])
def test_the_callers_modes_change_nothing(pair, objective, backend):
    """A fit needs gradients and float32, whatever the network around it does; what is kept must serve both."""
    image, signal = pair
    upsampler = GSJBU(iters=3, objective=objective, backend=backend)
    plain = upsampler(image, signal)
    with torch.no_grad():
        assert torch.equal(upsampler(image, signal), plain)
    with torch.inference_mode():
        kernels = upsampler.kernels(image.clone(), signal.clone())
        assert torch.equal(upsampler(image, signal.clone(), kernels=kernels), plain)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(upsampler(image, signal), plain)
    asked = signal.clone().requires_grad_()
    upsampler(image, asked, kernels=kernels).sum().backward()
    assert asked.grad is not None and float(asked.grad.abs().sum()) > 0


@contextmanager
def default_dtype(dtype):
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(torch.float32)


MODES = {
    "autocast to bfloat16": lambda: torch.autocast("cpu", dtype=torch.bfloat16),
    "autocast to float16": lambda: torch.autocast("cpu", dtype=torch.float16),
    "default float64": lambda: default_dtype(torch.float64),
    "default bfloat16": lambda: default_dtype(torch.bfloat16),
}


@pytest.mark.parametrize("mode", MODES)
def test_precision_is_its_own_whatever_torch_is_set_to(pair, mode):
    image, features = pair[0], torch.randn(2, 20, 9, 12, generator=torch.manual_seed(1))
    depth, gappy = features[0, :1].clone(), features[0, :1].clone()
    gappy[:, 2:4, 3:6] = torch.nan
    labels = features[0, :3].argmax(dim=0).to(torch.uint8)

    def all_doors():
        yield GSJBU()(image, features)
        yield GSJBU(iters=2, mean=(0.5,) * 3, std=(0.2,) * 3)(image, features, (30, 40))
        for objective in ("rgb", "signal"):
            yield GSJBU(iters=2, objective=objective, backend="attention")(image, features)
        kernel = gsjbu.fit(image[0], lr_size=(9, 12), iters=2)
        yield from (kernel.sigma_x, kernel.render(features[0]))
        for signal in (features[0], depth, gappy, labels, features[0, :3].softmax(dim=0)):
            yield gsjbu.upsample(image[0], signal, iters=2)
        yield gsjbu.refine(image[0], labels.repeat_interleave(4, 0)[:33].repeat_interleave(4, 1)[:, :47], stride=4)

    plain = list(all_doors())
    with MODES[mode]():
        others = list(all_doors())
    for one, other in zip(plain, others, strict=True):
        torch.testing.assert_close(other, one, atol=1e-5, rtol=1e-5, equal_nan=True)


class OnDevice(Tensor):
    """As on a GPU without float64, mps: numpy does not read it, and with tensors of the CPU it does not mix."""

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        given, name = tree_leaves((args, kwargs)), func.__name__
        beside = [x for x in given if isinstance(x, Tensor) and not isinstance(x, OnDevice) and x.ndim]
        if name in ("numpy", "__array__", "double") or any(x is torch.float64 for x in given):
            raise TypeError(f"{name} of a tensor on mps")
        if beside and name != "__get__":
            raise RuntimeError(f"{name} of tensors on mps and on the CPU")
        out = super().__torch_function__(func, types, args, kwargs or {})
        home = name == "cpu" or (name == "to" and any(isinstance(x, str) and x == "cpu" for x in given))
        return out.as_subclass(Tensor) if home else out


def test_a_device_without_float64_is_left_before_values_are_looked_at(pair):
    image, features = pair
    depth, known = features[0, :1], features[0, 0] < 1
    far_image, far_features, far_depth, far_known = (x.as_subclass(OnDevice) for x in (image, features, depth, known))
    upsampler = GSJBU(iters=1)
    assert torch.equal(upsampler(far_image, far_features), upsampler(image, features))
    high = gsjbu.upsample(image[0], depth, iters=1)
    assert torch.equal(gsjbu.upsample(far_image[0], far_depth, iters=1), high)
    kernel = gsjbu.fit(image[0], lr_size=(9, 12), objective="auto", signal=depth, mask=known, iters=1)
    again = kernel.render(far_depth, mask=far_known, clip=True)
    assert torch.equal(again, kernel.render(depth, mask=known, clip=True))


def test_bytes_are_taken_as_a_fit_takes_them_and_whole_numbers_keep_their_mix(pair):
    image, signal = pair
    upsampler = GSJBU(iters=3, objective="rgb")
    levels = (image * 255).round().to(torch.uint8)
    assert torch.equal(upsampler(levels, signal), upsampler(levels.to(torch.float32) / 255, signal))
    constant = torch.full((2, 1, *signal.shape[-2:]), 7)
    mixed = upsampler(image, constant)
    assert mixed.dtype == torch.float32 and float((mixed - 7).abs().max()) < 1e-5
    with pytest.raises(ShapeError, match="complex"):
        upsampler(image, signal.to(torch.complex64))


def test_an_output_size_that_the_kernels_do_not_have_is_refused(pair):
    image, signal = pair
    upsampler = GSJBU(iters=1, objective="rgb")
    kernels = upsampler.kernels(image, signal, 40)
    assert upsampler(image, signal, output_size=40, kernels=kernels).shape[-2:] == (40, 40)
    with pytest.raises(ShapeError, match="fitted for"):
        upsampler(image, signal, output_size=41, kernels=kernels)
    for wrong in (0, (20,), "20", (20.5, 30)):
        with pytest.raises(ShapeError, match="output_size"):
            upsampler(image, signal, output_size=wrong)


def test_hub_entry_gives_the_module(root, pair):
    image, signal = pair
    upsampler = torch.hub.load(str(root), "gsjbu", source="local", iters=2, objective="rgb")
    assert type(upsampler).__name__ == "GSJBU"
    assert upsampler(image, signal).shape == (2, 5, 33, 47)


def test_it_has_no_weights_and_prints_its_options():
    upsampler = GSJBU(iters=7)
    assert list(upsampler.parameters()) == []
    assert "iters=7" in repr(upsampler)


def test_options_of_peers_are_ignored_with_one_warning():
    upsampler = GSJBU(iters=0, objective="rgb")
    image, signal = torch.rand(1, 3, 16, 16), torch.rand(1, 2, 4, 4)
    with pytest.warns(UserWarning, match="q_chunk_size"):
        one = upsampler(image, signal, q_chunk_size=128)
    with pytest.warns(UserWarning, match=r"here: outputsize\.$"):
        upsampler(image, signal, q_chunk_size=128, outputsize=8)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert torch.equal(upsampler(image, signal, q_chunk_size=128, outputsize=9), one)


def test_kernels_of_other_images_are_refused(pair):
    image, signal = pair
    upsampler = GSJBU(iters=0, objective="rgb")
    kernels = upsampler.kernels(image, signal)
    for other in (torch.rand(2, 3, 64, 64), image[..., :-1]):
        with pytest.raises(ShapeError, match=r"The images are .* fitted for \[33, 47\]"):
            upsampler(other, signal, kernels=kernels)
    with pytest.raises(ShapeError, match="2 kernels and 3 images"):
        upsampler(torch.rand(3, 3, 33, 47), signal, kernels=kernels)
    small = upsampler.kernels(image, signal, 20)
    with pytest.raises(ShapeError, match="give that as output_size"):
        upsampler(image, signal, kernels=small)
    assert upsampler(image, signal, 20, kernels=small).shape[-2:] == (20, 20)


@pytest.mark.parametrize("wrong", [[None, None], [1], "k", 3, {"a": 1}])
def test_what_is_no_kernel_is_named(pair, wrong):
    with pytest.raises(ShapeError, match=r"kernels= has a \w+; it takes what GSJBU\.kernels gave"):
        GSJBU(iters=0)(*pair, kernels=wrong)


def test_truths_are_no_numbers(pair):
    for size in (True, (True, 4), torch.tensor(True), np.array([True, True])):
        with pytest.raises(ShapeError, match="output_size"):
            GSJBU(iters=0)(torch.rand(1, 3, 8, 8), torch.rand(1, 6, 1, 1), size)
    for name in ("iters", "radius", "threads"):
        for truth in (True, torch.tensor(True), np.True_):
            with pytest.raises(SettingError, match=name):
                GSJBU(**{name: truth})


def test_what_a_setting_is_read_as_is_kept():
    as_words = GSJBU(iters="3", radius=torch.tensor(2), threads=np.int64(1), device=torch.device("cpu"))
    assert repr(as_words) == repr(GSJBU(iters=3, radius=2, threads=1, device="cpu"))
    assert not GSJBU(iters="0").options["iters"]


@pytest.mark.parametrize("given", [{}, {"kernels": []}, {"output_size": 40}])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_an_empty_batch_keeps_the_graph(given, dtype):
    image, signal = torch.rand(0, 3, 32, 40), torch.rand(0, 6, 8, 10, dtype=dtype, requires_grad=True)
    out = GSJBU(iters=2, objective="rgb")(image, signal, **given)
    assert (out.dtype, out.shape[:2]) == (dtype, (0, 6))
    out.sum().backward()
    assert signal.grad.shape == signal.shape


def test_images_beyond_their_range_are_told_of_once_as_the_function_tells_of_them():
    normalised, signal = torch.randn(2, 3, 24, 32) * 3, torch.rand(2, 5, 6, 8)
    upsampler = GSJBU(iters=0)
    with pytest.warns(SignalWarning, match="not 0 to 1: stretched to it") as warned:
        result = upsampler(normalised, signal)
    assert [str(one.filename) for one in warned] == [__file__]
    torch.testing.assert_close(result, upsampler((normalised - normalised.amin((1, 2, 3), keepdim=True))
                                                 / torch.from_numpy(np.ptp(normalised.numpy(), axis=(1, 2, 3)))
                                                 [:, None, None, None], signal))  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        upsampler(normalised * 2, signal)  # another range
        GSJBU(iters=0)(torch.rand(2, 3, 24, 32), signal)
    with pytest.warns(SignalWarning, match="levels of 8 bits"):
        upsampler(torch.rand(2, 3, 24, 32) * 255, signal)


def test_a_kernel_does_not_change_with_the_image_that_it_was_fitted_to():
    image, signal = torch.rand(1, 3, 24, 32), torch.rand(1, 5, 6, 8)
    (kernel,) = GSJBU(iters=0).kernels(image, signal)
    before = kernel.render(signal[0]).clone()
    image.zero_()
    assert torch.equal(kernel.render(signal[0]), before)


def test_grey_images_count_as_three_equal_channels_and_two_as_their_number(tmp_path):
    image, signal = torch.rand(1, 1, 24, 32), torch.rand(1, 5, 6, 8)
    for upsampler in (GSJBU(iters=0), GSJBU(iters=3, objective="rgb")):
        alone, right = (upsampler(image.expand(-1, count, -1, -1), signal) for count in (1, 3))
        assert torch.equal(alone, right)
        torch.testing.assert_close(upsampler(image.expand(-1, 2, -1, -1), signal), right, rtol=0, atol=1e-4)
    for count in (1, 2):
        images = image.expand(-1, count, -1, -1).contiguous()
        graph = torch.export.export(GSJBU(iters=0, objective="rgb").eval(), (images, signal)).module()
        right = GSJBU(iters=0, objective="rgb")(images, signal)
        torch.testing.assert_close(graph(images, signal), right, rtol=0, atol=1e-4)


def test_mean_and_std_are_as_many_as_the_channels():
    said = "one number for each of {} channels"
    with pytest.raises(ImageError, match=said.format(3)):
        GSJBU(mean=(0.5,) * 3, std=(0.2, 0.2))
    three = GSJBU(iters=0, mean=(0.5,) * 3, std=np.array([0.2] * 3))
    for channels in (1, 4):
        with pytest.raises(ImageError, match=said.format(channels)):
            three(torch.rand(1, channels, 24, 32), torch.rand(1, 5, 6, 8))
    for_all = GSJBU(iters=0, mean=(0.5,), std=(0.2,))
    assert for_all(torch.rand(1, 4, 24, 32) - 0.5, torch.rand(1, 5, 6, 8)).shape == (1, 5, 24, 32)


@pytest.mark.skipif(sys.platform == "win32", reason="torch.compile wants Linux or macOS")
def test_compiled_code_goes_round_it():
    """As a layer of a network that is compiled; and a kernel's render alone."""
    image = torch.rand(2, 3, 32, 40, generator=torch.Generator().manual_seed(0))
    features = torch.rand(2, 9, 8, 10, generator=torch.Generator().manual_seed(1))
    upsampler = GSJBU(iters=1, radius=1)

    def network(x: Tensor) -> Tensor:
        return upsampler(image, 2 * x).mean(dim=1) + 1

    torch.testing.assert_close(torch.compile(network, backend="eager")(features), network(features))
    kernel = upsampler.kernels(image, features)[0]
    compiled = torch.compile(kernel.render, backend="eager")
    torch.testing.assert_close(compiled(features[0]), kernel.render(features[0]))


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int64])
def test_levels_are_not_normalised(dtype):
    levels = torch.randint(0, 256, (1, 3, 24, 32), dtype=dtype)
    with pytest.raises(ImageError, match="leave mean= and std= out"):
        GSJBU(iters=0, mean=(0.5, 0.5, 0.5), std=(1, 1, 1))(levels, torch.rand(1, 2, 6, 8))


def test_whole_numbers_but_uint8_are_refused():
    with pytest.raises(ImageError, match="int64; they must be uint8"):
        GSJBU(iters=0)(torch.randint(0, 256, (1, 3, 24, 32)), torch.rand(1, 2, 6, 8))


@pytest.mark.parametrize("size", [None, (20, 30)])
def test_an_empty_batch_gives_an_empty_one(size):
    image, signal = torch.rand(0, 3, 24, 32), torch.rand(0, 5, 6, 8, dtype=torch.float64)
    out = GSJBU(iters=0)(image, signal, output_size=size)
    assert (out.shape, out.dtype) == ((0, 5, *(size or (24, 32))), torch.float64)


@pytest.mark.parametrize(
    ("image", "signal"), [((1, 3, 48, 64), (1, 0, 6, 8)), ((1, 0, 48, 64), (1, 4, 6, 8)), ((1, 3, 0, 64), (1, 4, 6, 8))]
)
@pytest.mark.parametrize("iters", [0, 10])
def test_no_axis_but_the_batch_may_be_empty(image, signal, iters):
    with pytest.raises(ShapeError, match="only a batch may be empty"):
        GSJBU(iters=iters)(torch.zeros(image), torch.zeros(signal))


@pytest.mark.parametrize(
    "wrong",
    [{"iters": -1}, {"radius": 0}, {"objective": "depth"}, {"device": "tpu"}, {"backend": "numpy"}, {"threads": 0}],
)
def test_wrong_settings_are_refused_when_it_is_made(wrong):
    with pytest.raises(SettingError, match=next(iter(wrong))):
        GSJBU(**wrong)


@pytest.mark.parametrize(
    "wrong", [{"mean": (0.5,) * 3}, {"std": (0.2,) * 3}, {"mean": 0.5, "std": 0.2}, {"mean": (0,), "std": (0,)}]
)
def test_mean_and_std_go_together(wrong):
    with pytest.raises(ImageError, match=r"go together|one number a channel|may be 0"):
        GSJBU(**wrong)
    with pytest.raises(ImageError, match=r"go together|one number a channel|may be 0"):
        gsjbu.fit(torch.rand(3, 48, 64), **wrong)


def test_arrays_are_told_where_to_go():
    image, signal = torch.rand(1, 3, 24, 32), torch.rand(1, 5, 6, 8)
    for given in ((image.numpy(), signal), (image, signal.numpy()), (None, signal)):
        for call in (GSJBU(iters=0), GSJBU(iters=0).kernels):
            with pytest.raises(ShapeError, match=r"GSJBU takes tensors, as modules do\. gsjbu\.upsample takes arrays"):
                call(*given)


def test_one_kernel_is_taken_for_a_batch_of_one(pair):
    image, signal = (x[:1] for x in pair)
    upsampler = GSJBU(iters=0)
    (kernel,) = upsampler.kernels(image, signal)
    torch.testing.assert_close(upsampler(image, signal, kernels=kernel), upsampler(image, signal, kernels=[kernel]))
    assert {kernel: 1}[kernel] == 1  # by identity
    with pytest.raises(ShapeError, match="1 kernels and 2 signals"):
        upsampler(*(x[:1].repeat(2, 1, 1, 1) for x in pair), kernels=kernel)


@pytest.mark.parametrize("size", [np.array([24, 16]), torch.tensor([24, 16]), [24, 16]])
def test_a_size_may_be_an_array(size):
    image, signal = torch.rand(1, 3, 32, 32), torch.rand(1, 5, 4, 4)
    upsampler = GSJBU(iters=0)
    assert upsampler(image, signal, size).shape == (1, 5, 24, 16)
    for one in (24, np.int64(24), torch.tensor(24)):
        assert upsampler(image, signal, one).shape == (1, 5, 24, 24)


def test_mean_and_std_are_among_the_options_that_print():
    assert "mean=(0.5, 0.5, 0.5), std=(0.2, 0.2, 0.2)" in repr(GSJBU(mean=[0.5] * 3, std=[0.2] * 3))
    assert "mean" not in repr(GSJBU())


@pytest.mark.parametrize(
    ("shape", "why"), [((1, 12, 16, 2), "their shapes differ too much"), ((1, 1, 16, 12), "it would fit turned by 90°")]
)
def test_cells_far_from_the_images_proportions_are_told_in_the_readers_words(shape, why):
    image = torch.rand(1, 3, 96, 128)
    with pytest.warns(SignalWarning, match=why) as caught:
        assert GSJBU(iters=0)(image, torch.rand(shape)).shape == (1, shape[1], 96, 128)
    told = str(caught[0].message)
    assert told.endswith("GSJBU takes a signal for [B, C, h, w].") and caught[0].filename == __file__
    with pytest.raises(SignalError) as refused:
        gsjbu.upsample(image[0], torch.rand(shape[1:]), layout="chw")
    assert refused.value.message.startswith(told.removesuffix(" GSJBU takes a signal for [B, C, h, w]."))


@pytest.mark.parametrize("size", [(12, 16), (16, 16), (13, 16), (12, 17)])
def test_cells_that_suit_the_image_are_not_told_of(size):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        GSJBU(iters=0)(torch.rand(1, 3, 96, 128), torch.rand(1, 2, *size))
