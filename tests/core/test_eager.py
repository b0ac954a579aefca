"""torch.compile goes round what is numpy and compiled loops."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import torch

import gsjbu
from gsjbu.core.eager import eager
from gsjbu.core.precision import in_float32


@eager
def upside_down(x: torch.Tensor, by: float = 1.0) -> torch.Tensor:
    """By numpy, whose result torch.compile cannot know."""
    return torch.from_numpy(np.flipud(x.numpy()).copy()) * by


def test_a_device_that_has_no_autocast_is_not_asked_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """As torch 2.4 has none on mps, and raises."""

    def refuse(device: str, *_: object, **__: object) -> bool:
        if device == "mps":
            raise RuntimeError("unknown device type for autocast")
        return False

    monkeypatch.setattr(torch, "is_autocast_enabled", refuse)
    monkeypatch.setattr(torch, "autocast", refuse)
    monkeypatch.setattr(torch.amp, "is_autocast_available", lambda device: device != "mps")
    torch.testing.assert_close(upside_down(torch.ones(3, 4)), torch.ones(3, 4))
    with in_float32("mps"):
        pass


@pytest.mark.skipif(sys.platform == "win32", reason="torch.compile wants Linux or macOS")
def test_it_runs_as_it_is_within_compiled_code() -> None:
    x = torch.rand(3, 4)
    compiled = torch.compile(lambda x: upside_down(2 * x, by=3) + 1, backend="eager")
    torch.testing.assert_close(compiled(x), 6 * x.flip(0) + 1)
    torch.testing.assert_close(upside_down(x), x.flip(0))
    assert upside_down.__doc__ is not None


@pytest.mark.parametrize("how", ["fit", "grad", "file"])
def test_it_runs_on_the_cpu_whatever_the_callers_default_is(how, tmp_path) -> None:
    image, signal = torch.rand(3, 24, 32), torch.rand(20, 6, 8)
    kernel = gsjbu.fit(image, stride=4, iters=1)
    expected = kernel.render(signal)
    with torch.device("meta"):
        if how == "fit":
            torch.testing.assert_close(gsjbu.fit(image, stride=4, iters=1).render(signal), expected)
        elif how == "grad":
            assert torch.func.grad(lambda x: kernel.render(x).sum())(signal).device.type == "cpu"
        else:
            kernel.save(tmp_path / "kernel")
            torch.testing.assert_close(gsjbu.load(tmp_path / "kernel").render(signal), expected)
