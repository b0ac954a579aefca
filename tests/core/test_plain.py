"""Tensors without numbers are refused in words; torch.func's transforms see a render, and what looks at values."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch._subclasses import FakeTensorMode

import gsjbu
from gsjbu import GSJBU, metrics
from gsjbu.core.plain import is_transformed, plain, write_into
from gsjbu.errors import GsjbuError, ShapeError

torch.manual_seed(0)
IMAGE, SIGNAL = torch.rand(1, 3, 48, 64), torch.rand(1, 4, 12, 16)
ARRAY = IMAGE[0].movedim(0, -1).numpy()


@pytest.fixture(params=["rgb", "signal", "auto"])
def module(request: pytest.FixtureRequest) -> GSJBU:
    return GSJBU(iters=2, objective=request.param)


UNREADABLE: dict[str, tuple[Any, str]] = {
    "meta": (lambda x: x.to("meta"), "holds no values"),
    "sparse": (lambda x: x.to_sparse(), r"is sparse; give it as \.to_dense\(\)"),
    "nested": (lambda x: torch.nested.nested_tensor([x]), r"is nested; give one of its parts"),
    "quantised": (
        lambda x: torch.quantize_per_tensor(x, 0.01, 0, torch.quint8),
        r"is quantised; give it as \.dequantize\(\)",
    ),
    "complex": (lambda x: x.to(torch.complex64), "is complex"),
    "masked": (lambda x: torch.masked.masked_tensor(x, x > 0.1), r"give x\.to_tensor\(torch\.nan\)"),
}


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("name", UNREADABLE)
def test_a_tensor_without_numbers_is_refused_at_every_door(name: str) -> None:
    of, sentence = UNREADABLE[name]
    upsampler = GSJBU(iters=0, objective="rgb")
    kernels = upsampler.kernels(IMAGE, SIGNAL)
    doors = [
        lambda: upsampler(of(IMAGE), SIGNAL),
        lambda: upsampler(IMAGE, of(SIGNAL)),
        lambda: upsampler(IMAGE, of(SIGNAL), kernels=kernels),
        lambda: kernels[0].render(of(SIGNAL[0])),
        lambda: gsjbu.fit(of(IMAGE[0]), iters=0),
        lambda: gsjbu.fit(IMAGE[0], signal=of(SIGNAL[0]), objective="signal", lr_size=(12, 16)),
        lambda: gsjbu.upsample(of(IMAGE[0]), SIGNAL[0]),
        lambda: gsjbu.upsample(IMAGE[0], of(SIGNAL[0])),
    ]
    for door in doors:
        with pytest.raises(GsjbuError, match=sentence):
            door()


def test_a_gradient_by_torch_func_is_that_of_backward(module: GSJBU) -> None:
    signal = SIGNAL.clone().requires_grad_()
    (module(IMAGE, signal) ** 2).sum().backward()
    found = torch.func.grad(lambda s: (module(IMAGE, s) ** 2).sum())(SIGNAL)
    torch.testing.assert_close(found, signal.grad)


def test_upsample_has_a_gradient_by_torch_func() -> None:
    signal = SIGNAL[0].clone().requires_grad_()
    gsjbu.upsample(IMAGE[0], signal, iters=1, kind="features").sum().backward()
    found = torch.func.grad(lambda s: gsjbu.upsample(IMAGE[0], s, iters=1, kind="features").sum())(SIGNAL[0])
    torch.testing.assert_close(found, signal.grad)


def test_rendering_is_linear_for_jvp_and_one_by_one_for_vmap(module: GSJBU) -> None:
    kernels = module.kernels(IMAGE, SIGNAL)

    def render(s: Tensor) -> Tensor:
        return module(IMAGE, s, kernels=kernels)

    signal = SIGNAL.clone().requires_grad_()
    primal, tangent = torch.func.jvp(render, (SIGNAL,), (SIGNAL,))
    torch.testing.assert_close(tangent, render(signal).detach())
    torch.testing.assert_close(primal, tangent)
    batch = torch.stack([SIGNAL, 2 * SIGNAL])
    torch.testing.assert_close(torch.func.vmap(render)(batch), torch.stack([primal, 2 * primal]))


def test_vmap_is_told_where_values_are_looked_at(module: GSJBU) -> None:
    batch = torch.stack([SIGNAL, SIGNAL])
    with pytest.raises(ShapeError, match=r"torch\.func\.vmap .* fit first and render within \(kernels="):
        torch.func.vmap(lambda s: module(IMAGE, s))(batch)
    kernel = GSJBU(iters=0).kernels(IMAGE, SIGNAL)[0]
    with pytest.raises(ShapeError, match="clip=True looks at the values"):
        torch.func.vmap(lambda s: kernel.render(s, clip=True))(batch[:, 0])


def test_other_renders_within_a_transform_are_as_they_are_without() -> None:
    kernel = GSJBU(iters=0).kernels(IMAGE, SIGNAL)[0]
    one = SIGNAL[0]
    alone = kernel.render(one)

    def within(x: Tensor) -> Tensor:
        torch.testing.assert_close(kernel.render(one), alone, rtol=0, atol=0)
        assert is_transformed(x) and not is_transformed(plain(x))
        return x.sum()

    torch.func.grad(within)(SIGNAL)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_trace_is_refused() -> None:
    upsampler = GSJBU(iters=0, objective="rgb")
    kernel = upsampler.kernels(IMAGE, SIGNAL)[0]
    for call, example in ((upsampler, (IMAGE, SIGNAL)), (lambda s: kernel.render(s), (SIGNAL[0],))):
        with pytest.raises(GsjbuError, match=r"torch\.export takes GSJBU\(iters=0\)"):
            torch.jit.trace(call, example)


def test_an_array_that_fake_tensors_hide_is_refused():
    with FakeTensorMode(), pytest.raises(GsjbuError, match="holds no values"):
        gsjbu.upsample(ARRAY, ARRAY[::4, ::4, 0])


def negated(x: torch.Tensor) -> torch.Tensor:
    """The same numbers, as a view that is negated when it is read."""
    view = torch.complex(torch.zeros_like(x), -x).conj().imag
    assert view.is_neg() and torch.equal(view, x)
    return view


DOORS = {
    "fit": lambda image, signal: gsjbu.fit(image, stride=8, iters=1, objective="auto", signal=signal).raw,
    "render": lambda image, signal: gsjbu.fit(image, stride=8, iters=0).render(signal),
    "render one": lambda image, signal: gsjbu.fit(image, stride=8, iters=0).render(signal[:1]),
    "upsample": lambda image, signal: gsjbu.upsample(image, signal, iters=1),
    "refine": lambda image, signal: gsjbu.refine(image, signal.repeat(1, 8, 8)),
    "GSJBU": lambda image, signal: gsjbu.GSJBU(iters=1)(image[None], signal[None]),
    "guide_mask": lambda image, signal: (
        gsjbu.fit(image, stride=8, iters=1, guide_mask=negated((image[0] > 0.5).float())).raw
    ),
    "rmse": lambda image, signal: torch.tensor(metrics.rmse(image, 1 - image)),
}


@pytest.mark.parametrize("door", DOORS)
def test_a_view_that_is_negated_when_read_is_as_good_as_a_copy(door):
    image, signal = torch.rand(3, 32, 48), torch.rand(5, 4, 6)
    made = DOORS[door](negated(image), negated(signal))
    assert torch.equal(made, DOORS[door](image, signal))


STORED = [torch.uint16, torch.uint32, torch.uint64, torch.float8_e4m3fn, torch.float8_e5m2]


@pytest.mark.parametrize("dtype", STORED)
@pytest.mark.parametrize("objective", ["rgb", "signal", "auto"])
def test_types_that_torch_only_stores_are_taken_at_every_door(dtype: torch.dtype, objective: str) -> None:
    given = (16 * SIGNAL).round().to(dtype)
    wide = given.to(torch.float32)
    options: dict[str, Any] = {"iters": 2, "objective": objective}
    ours, same = (GSJBU(**options)(IMAGE, x) for x in (given, wide))
    assert ours.dtype == (dtype if dtype.is_floating_point else torch.float32)
    assert torch.equal(ours.to(torch.float32), same.to(ours.dtype).to(torch.float32))
    one, other = (gsjbu.fit(IMAGE[0], lr_size=(12, 16), signal=x[0], **options) for x in (given, wide))
    assert torch.equal(one.raw, other.raw) and torch.equal(one.render(given[0]), other.render(wide[0]))
    assert metrics.rmse(given[0], wide[0]) == 0


@pytest.mark.parametrize("name", ["int4", "uint4", "bits8", "float4_e2m1fn_x2"])
def test_types_without_numbers_are_refused_at_every_door(name: str) -> None:
    dtype = getattr(torch, name, None)
    if dtype is None:
        pytest.skip(f"this torch has no {name}")
    kernel = gsjbu.fit(IMAGE[0], lr_size=(12, 16), iters=0)
    none = torch.empty(1, 4, 12, 16, dtype=dtype)
    for door in (
        lambda: GSJBU(iters=0)(IMAGE, none),
        lambda: kernel.render(none[0]),
        lambda: kernel.render(SIGNAL[0], mask=none[0, 0]),
        lambda: gsjbu.fit(IMAGE[0], signal=none[0], objective="auto", lr_size=(12, 16)),
        lambda: gsjbu.fit(torch.empty(3, 48, 64, dtype=dtype), iters=0),
        lambda: gsjbu.upsample(IMAGE[0], none[0]),
        lambda: metrics.rmse(none[0], none[0]),
    ):
        with pytest.raises(GsjbuError, match=f"is of {name}, which torch only stores"):
            door()


ORDERS = {
    "big-endian": lambda x: x.astype(x.dtype.newbyteorder(">")),
    "little-endian": lambda x: x.astype(x.dtype.newbyteorder("<")),
    "Fortran": np.asfortranarray,
    "backwards": lambda x: x[..., ::-1].copy()[..., ::-1],
    "every other": lambda x: np.repeat(x, 2, axis=-1)[..., ::2],
    "in a record": lambda x: np.rec.fromarrays([x, x], names="a,b").a,
}


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", "g", "i2", "u2", "i4", "u4", "i8", "u8", "u1", "?"])
def test_arrays_of_any_order_are_taken_by_render_and_fit(order: str, dtype: str) -> None:
    kernel = gsjbu.fit(IMAGE[0], lr_size=(12, 16), iters=1)
    plain_one = (3 * SIGNAL[0].numpy()).astype(dtype)
    given = ORDERS[order](plain_one)
    given.flags.writeable = False
    same = torch.from_numpy(plain_one.astype(np.float64) if dtype == "g" else plain_one)
    assert torch.equal(kernel.render(given), kernel.render(same))
    known = ORDERS[order]((np.arange(192).reshape(12, 16) > 5).astype(dtype))
    assert torch.equal(kernel.render(same, mask=known), kernel.render(same, mask=known.astype(bool)))
    one, other = (gsjbu.fit(IMAGE[0], lr_size=(12, 16), iters=1, objective="signal", signal=x) for x in (given, same))
    assert torch.equal(one.raw, other.raw)


def test_an_array_of_no_numbers_is_named_by_what_it_holds() -> None:
    kernel = gsjbu.fit(IMAGE[0], lr_size=(12, 16), iters=0)
    with pytest.raises(ShapeError, match="The signal is an array of object; it must hold real numbers"):
        kernel.render(np.full((4, 12, 16), None))
    with pytest.raises(ShapeError, match=r"mask is a str; it must be an array or a tensor \[12, 16\]\."):
        kernel.render(SIGNAL[0], mask="all")  # type: ignore[arg-type]


@pytest.mark.parametrize("dtype", ["<f2", ">f2", "<f4", ">f4", "<f8", np.longdouble])
@pytest.mark.parametrize("step", [1, -1, 2])
@pytest.mark.parametrize("last", [1e-9, 65519.0, 65520.0, torch.inf, torch.nan])
def test_values_are_written_into_any_floats_as_numpy_rounds_them(dtype: Any, step: int, last: float) -> None:
    values = torch.tensor([1.0, -0.0, 1 / 3, -65519.0, 6e-8, -2.9e-8, 2049.0, 2051.0, last])
    out = np.empty(len(values) * abs(step), dtype)[::step]
    right = values.numpy()
    too_large = np.dtype(dtype).itemsize == 2 and 65520 <= last < torch.inf
    with pytest.warns(RuntimeWarning, match="overflow") if too_large else nullcontext():
        write_into(out, values)
    with np.errstate(over="ignore"):
        np.testing.assert_array_equal(out, right.astype(dtype))
    assert np.array_equal(np.signbit(out), np.signbit(right))
