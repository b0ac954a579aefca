"""The render as plain tensor operations gives what the backends give, and torch.export carries it away."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import pytest
import torch

import gsjbu
from gsjbu.core import onnx_file
from gsjbu.core.graph import Rendering
from gsjbu.errors import GsjbuError

DRAW = torch.Generator().manual_seed(3)
IMAGE = torch.nn.functional.interpolate(torch.rand(2, 3, 5, 6, generator=DRAW), size=(37, 45), mode="bilinear")

exports = pytest.mark.skipif(not hasattr(torch.compiler, "is_exporting"), reason="torch.export wants torch 2.7")


SIGNAL = torch.randn(2, 6, 5, 7, generator=DRAW)


@cache
def exported(objective, dtype):
    """A module, and the graph of it for signals of this dtype, exported with values of nobody's."""
    module = gsjbu.GSJBU(iters=0, radius=1, objective=objective)
    example = (9 * torch.randn(2, 6, 5, 7, generator=torch.Generator().manual_seed(5))).to(dtype)
    return module, torch.export.export(module, (IMAGE, example)).module()


@exports
@pytest.mark.parametrize("objective", ["auto", "rgb"])
def test_the_fixed_kernel_exported_is_the_module(objective):
    module, carried = exported(objective, torch.float32)
    torch.testing.assert_close(carried(IMAGE, SIGNAL), module(IMAGE, SIGNAL), atol=1e-5, rtol=0)


@exports
@pytest.mark.parametrize(
    "signal",
    [
        SIGNAL > 0, (2 * SIGNAL.abs()).to(torch.uint8), (9 * SIGNAL).to(torch.int64), SIGNAL.half(), SIGNAL.bfloat16(),
        4.5e6 + 500 * SIGNAL.double(), 1e-60 * SIGNAL.double(), torch.full_like(SIGNAL, 7),
    ],
    ids=["bool", "uint8", "int64", "float16", "bfloat16", "an offset", "tiny", "flat"],
)  # fmt: skip
def test_the_exported_graph_takes_every_dtype_as_the_module_does(signal):
    module, carried = exported("auto", signal.dtype)  # dtypes are dealt with before objectives differ
    out, right = carried(IMAGE, signal), module(IMAGE, signal)
    assert out.dtype == right.dtype
    rounding = 4 * torch.finfo(out.dtype).eps * float(right.abs().max())
    spread = float(signal.double().max() - signal.double().min())
    torch.testing.assert_close(out, right, atol=1e-6 * spread + rounding, rtol=0)


@exports
def test_a_complex_signal_is_not_exported():
    with pytest.raises(GsjbuError, match="complex"):
        torch.export.export(gsjbu.GSJBU(iters=0, objective="rgb"), (IMAGE, SIGNAL.to(torch.complex64)))


@exports
@pytest.mark.parametrize("inside", [False, True])
@pytest.mark.parametrize("objective", ["auto", "rgb"])
def test_autocast_does_not_reach_the_exported_graph(objective, inside):
    module, carried = exported(objective, torch.float32)
    if inside:
        with torch.autocast("cpu", torch.bfloat16):
            carried = torch.export.export(module, (IMAGE, SIGNAL)).module()
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(carried(IMAGE, SIGNAL), module(IMAGE, SIGNAL), atol=1e-5, rtol=0)


@exports
@pytest.mark.parametrize("bands", [1, 3, 4, 6])
def test_a_distance_over_many_bands_is_brought_to_one_over_three(bands):
    guide, signal = torch.rand(2, bands, 37, 45, generator=DRAW), torch.randn(2, 6, 5, 7, generator=DRAW)
    module = gsjbu.GSJBU(iters=0, radius=1, objective="rgb")
    carried = torch.export.export(module, (guide, signal)).module()
    torch.testing.assert_close(carried(guide, signal), module(guide, signal), atol=1e-5, rtol=0)


@pytest.mark.parametrize("how", [{"stride": 8}, {"objective": "auto", "lr_size": (5, 7)}])
def test_the_rendering_of_a_fitted_kernel(how):
    """Partial cells, and a mixture with back-projection."""
    about = torch.rand(2, 5, 7, generator=DRAW) if "lr_size" in how else None
    kernel = replace(gsjbu.fit(IMAGE[0], iters=2, radius=1, signal=about, **how), refinement=None)
    signal = torch.randn(3, kernel.grid.rows, kernel.grid.cols, generator=DRAW)
    torch.testing.assert_close(Rendering(kernel)(signal), kernel.render(signal), atol=2e-5, rtol=0)


@exports
def test_cells_wider_than_64_pixels_have_their_own_bound():
    image = torch.nn.functional.interpolate(IMAGE[:1], size=(180, 400), mode="bilinear")
    kernel = gsjbu.fit(image[0], lr_size=(2, 2), iters=0, radius=1, sigma=0.9)
    signal = torch.randn(2, 2, 2, generator=DRAW)
    torch.testing.assert_close(Rendering(kernel)(signal), kernel.render(signal), atol=2e-5, rtol=0)
    fixed = gsjbu.GSJBU(iters=0, radius=1, objective="rgb")
    carried = torch.export.export(fixed, (image, signal[None])).module()
    torch.testing.assert_close(carried(image, signal[None]), fixed(image, signal[None]), atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("options", "channels", "word"),
    [
        ({"iters": 3}, 8, "a fit is no graph"),
        ({"iters": 0, "objective": "signal"}, 8, "Only"),
        ({"iters": 0}, 2, "2 channels"),
    ],
)
def test_what_cannot_be_exported_is_told(monkeypatch, options, channels, word):
    monkeypatch.setattr(torch.compiler, "is_exporting", lambda: True, raising=False)
    with pytest.raises(GsjbuError, match=word):
        gsjbu.GSJBU(**options)(IMAGE, torch.rand(2, channels, 5, 7))


def test_without_the_extra_a_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr(onnx_file, "lacking", lambda extra, what: f"{what}: pip install 'gsjbu[{extra}]'.")
    kernel = gsjbu.fit(IMAGE[0], stride=8, iters=0, radius=1)
    with pytest.raises(GsjbuError, match="gsjbu\\[onnx\\]"):
        kernel.to_onnx(tmp_path / "kernel.onnx")
