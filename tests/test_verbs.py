"""The verbs: a signal's gradient never changes what it is upsampled to."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import torch

import gsjbu
from gsjbu.errors import SignalError, SignalWarning
from tests.quarters import quarter

SCENE = quarter("spheres", "depth", 8)
SHARES = quarter("spheres", "labels", 16)
with_holes = SCENE.signal[0].clone()
with_holes[2:6, 3:7] = torch.nan

#: Signals as they are brought, and what is said of them.
BROUGHT = {
    "depth": (SCENE, SCENE.signal[0], {}),
    "depth with gaps": (SCENE, with_holes, {}),
    "depth with gaps that are filled": (SCENE, with_holes, {"fill": True}),
    "logits with a gap": (
        SHARES,
        torch.where(torch.arange(16) == 3, torch.nan, SHARES.signal.clamp_min(1e-4).log()),
        {"kind": "logits"},
    ),
    "shares": (SHARES, SHARES.signal, {}),
    "logits": (SHARES, SHARES.signal.clamp_min(1e-4).log(), {"kind": "logits"}),
    "[h, w, C]": (SHARES, SHARES.signal.permute(1, 2, 0), {}),
    "float64": (SCENE, SCENE.signal.double(), {}),
}


@pytest.mark.parametrize("name", BROUGHT)
def test_a_signal_that_asks_for_a_gradient_has_the_same_values(name):
    scene, signal, words = BROUGHT[name]
    asked = signal.clone().requires_grad_(True)
    plain, high = (gsjbu.upsample(scene.image, one, **words) for one in (signal, asked))
    torch.testing.assert_close(high, plain, atol=0, rtol=0, equal_nan=True)
    assert high.requires_grad and not plain.requires_grad
    high.nan_to_num().square().sum().backward()
    assert asked.grad is not None and asked.grad.isfinite().all() and asked.grad.abs().max() > 0


def test_the_gradient_is_that_of_mixing():
    scene, signal, _ = BROUGHT["depth"]
    asked, again = (signal.clone().requires_grad_(True) for _ in range(2))
    gsjbu.upsample(scene.image, asked)[40:60].sum().backward()
    kernel = gsjbu.fit(
        scene.image, objective="auto", signal=signal[None], kind="depth", lr_size=tuple(signal.shape)
    )
    kernel.render(again[None])[0, 40:60].sum().backward()
    torch.testing.assert_close(asked.grad, again.grad)


def test_class_numbers_have_no_gradient():
    numbers = SHARES.signal.argmax(dim=0).float()
    with pytest.raises(SignalError, match="no gradient: detach the signal"):
        gsjbu.upsample(SHARES.image, numbers.requires_grad_(True), kind="labels")
    assert gsjbu.upsample(
        SHARES.image, torch.zeros(4, 4, requires_grad=True)
    ).requires_grad  # a map to be learnt
    with torch.no_grad():
        assert set(gsjbu.upsample(SHARES.image, numbers).unique().tolist()) <= set(numbers.unique().tolist())


@pytest.mark.skipif(sys.platform == "win32", reason="torch.compile wants Linux or macOS")
def test_compiled_code_goes_round_the_verbs():
    scene, signal, _ = BROUGHT["depth"]

    def deeper(x: torch.Tensor) -> torch.Tensor:
        return gsjbu.upsample(scene.image, 2 * x, kind="depth") + 1

    torch.testing.assert_close(torch.compile(deeper, backend="eager")(signal), deeper(signal))


@pytest.mark.parametrize("verb", [gsjbu.upsample, gsjbu.refine])
def test_a_doubt_is_the_callers(verb):
    """Where Python shows a warning once a line, it is the line that called."""
    size = (64, 64) if verb is gsjbu.refine else (16, 16)
    image, doubtful = torch.rand(3, 64, 64), np.random.default_rng(0).integers(0, 6, size)
    with pytest.warns(SignalWarning) as caught:
        verb(image, doubtful)
    assert {one.filename for one in caught if one.category is SignalWarning} == {__file__}
