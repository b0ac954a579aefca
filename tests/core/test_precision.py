"""What the caller allows torch to leave out of a product is not left out of ours, and is as it was afterwards."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import torch

import gsjbu
from gsjbu.core.precision import in_float32, matmul
from gsjbu.errors import SettingError

ALLOWED = {
    "medium": lambda: torch.set_float32_matmul_precision("medium"),
    "high": lambda: torch.set_float32_matmul_precision("high"),
    "bf16 on the CPU": lambda: setattr(torch.backends.mkldnn.matmul, "fp32_precision", "bf16"),
    "bf16 everywhere": lambda: setattr(torch.backends, "fp32_precision", "bf16"),
    "tf32 on CUDA": lambda: setattr(torch.backends.cuda.matmul, "allow_tf32", True),
}
# torch before 2.9 has one word for all devices.
NEW = hasattr(torch.backends, "fp32_precision")
DOORS = (torch.backends.mkldnn.matmul, torch.backends.cuda.matmul, torch.backends) if NEW else ()


def state() -> tuple[object, ...]:
    """All that torch tells of it."""
    try:
        whole: object = torch.get_float32_matmul_precision()
    except RuntimeError:
        whole = None
    return whole, *(one.fp32_precision for one in DOORS)


@contextmanager
def fewer_digits(how: str) -> Iterator[tuple[object, ...]]:
    """As a caller may ask torch for them; what torch tells then."""
    if "bf16" in how and not NEW:
        pytest.skip("torch before 2.9")
    ALLOWED[how]()
    try:
        yield state()
    finally:
        torch.set_float32_matmul_precision("highest")
        for one in DOORS:
            one.fp32_precision = "none"


@pytest.fixture(scope="module")
def ways():
    """Of each name a result that must not differ."""
    torch.manual_seed(0)
    image, signal = torch.rand(3, 96, 128), torch.randn(16, 12, 16)
    depth = torch.linspace(1, 5, 12 * 16).reshape(1, 12, 16) ** 2
    fitted = {one: gsjbu.fit(image, signal=signal, objective=one, iters=3, lr_size=(12, 16)) for one in ("rgb", "auto")}
    measured = gsjbu.fit(image, signal=depth, objective="auto", kind="depth", iters=3, lr_size=(12, 16))
    by_hand = gsjbu.fit(image, lr_size=(12, 16), iters=3, backend="attention")
    pull = torch.randn(16, 96, 128)

    def gradient(kernel: gsjbu.Kernel, x: torch.Tensor = signal) -> torch.Tensor:
        leaf = x.clone().requires_grad_(True)
        (kernel.render(leaf) * pull[: len(x)]).sum().backward()
        assert leaf.grad is not None
        return leaf.grad

    def twice() -> torch.Tensor:
        leaf = signal.clone().requires_grad_(True)
        (first,) = torch.autograd.grad(fitted["rgb"].render(leaf).pow(3).mean(), leaf, create_graph=True)
        return torch.autograd.grad(first.pow(2).sum(), leaf)[0] * 1e4

    def module(given: torch.Tensor) -> torch.Tensor:
        return gsjbu.GSJBU(objective="rgb")(image[None], given[None], kernels=[fitted["rgb"]])[0]

    func = torch.func
    return {
        "render": lambda: by_hand.render(signal),
        "fit on rgb": lambda: gsjbu.fit(image, lr_size=(12, 16), backend="attention").raw,
        "fit on signal": lambda: gsjbu.fit(
            image, signal=signal, objective="signal", lr_size=(12, 16), iters=4, backend="attention"
        ).raw,
        "features by auto": lambda: gsjbu.upsample(image, signal, backend="attention"),
        "depth by auto": lambda: gsjbu.upsample(image, depth, backend="attention", kind="depth"),
        "in training": lambda: module(signal.clone().requires_grad_(True)).detach(),
        "gradient": lambda: gradient(fitted["rgb"]),
        "gradient of auto": lambda: gradient(fitted["auto"]),
        "gradient of means": lambda: gradient(measured, depth),
        "second gradient": twice,
        "vjp": lambda: func.vjp(fitted["auto"].render, signal)[1](pull)[0],
        "jvp": lambda: func.jvp(fitted["auto"].render, (signal,), (signal.flip(0),))[1],
        "vmap": lambda: func.vmap(fitted["rgb"].render)(torch.stack([signal, signal.flip(1)])),
        "gradients by vmap": lambda: func.vmap(func.grad(lambda x: fitted["rgb"].render(x).pow(2).mean()))(
            torch.stack([signal, signal.flip(1)])
        ) * 1e3,
    }  # fmt: skip


WAYS = (
    "render", "fit on rgb", "fit on signal", "features by auto", "depth by auto", "in training", "gradient",
    "gradient of auto", "gradient of means", "second gradient", "vjp", "jvp", "vmap", "gradients by vmap",
)  # fmt: skip


@pytest.mark.parametrize("how", ALLOWED)
@pytest.mark.parametrize("name", WAYS)
def test_the_result_is_as_without_it(name, how, ways) -> None:
    expected = ways[name]()
    with fewer_digits(how) as told:
        found = ways[name]()
        assert state() == told
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("how", ALLOWED)
def test_threads_within_at_the_same_time_leave_it_as_it_was(how) -> None:
    with fewer_digits(how) as told:
        within_in_two_other_threads()
        assert state() == told


def within_in_two_other_threads() -> None:
    """Two of them, and this one, which leaves first."""
    inside, leave = threading.Barrier(3), threading.Event()

    def stay() -> None:
        with in_float32("cpu"):
            inside.wait(10)
            leave.wait(10)

    other = [threading.Thread(target=stay) for _ in range(2)]
    for one in other:
        one.start()
    inside.wait(10)
    with in_float32("cpu"):
        pass
    assert torch.get_float32_matmul_precision() == "highest"  # the others are still at it
    leave.set()
    for one in other:
        one.join()


@pytest.mark.parametrize("how", ALLOWED)
def test_it_is_put_back_after_an_error(how) -> None:
    with fewer_digits(how) as told:
        with pytest.raises(SettingError):
            gsjbu.fit(torch.rand(3, 24, 32), stride=4, objective="neither")
        assert state() == told


def test_a_product_is_torchs_and_so_is_its_gradient() -> None:
    a = torch.rand(2, 3, 4, dtype=torch.float64, requires_grad=True)
    b = torch.rand(2, 4, 5, dtype=torch.float64, requires_grad=True)
    assert torch.equal(matmul(a, b), torch.matmul(a, b))
    assert torch.autograd.gradcheck(matmul, (a, b), check_forward_ad=True)
    assert torch.autograd.gradgradcheck(matmul, (a, b))
    assert torch.autograd.gradcheck(lambda b: matmul(a.detach(), b), b, check_forward_ad=True)
