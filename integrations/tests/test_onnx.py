"""ONNX files and torch.export against the library's own render, at odd sizes and ratios."""

from __future__ import annotations

import errno
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch

import gsjbu
from gsjbu.core.onnx_file import write_fixed
from gsjbu.errors import GsjbuError, SignalWarning
from gsjbu.module import fixed_kernel

DRAW = torch.Generator().manual_seed(0)


def picture(height: int, width: int, count: int = 1) -> torch.Tensor:
    small = torch.rand(count, 3, 7, 9, generator=DRAW)
    return torch.nn.functional.interpolate(small, size=(height, width), mode="bicubic").clamp(0, 1)


@pytest.mark.parametrize("objective", ["auto", "rgb"])
def test_the_fixed_kernel_takes_any_size(tmp_path, objective):
    file = tmp_path / "fixed.onnx"
    write_fixed(fixed_kernel(1, objective), file)
    session = onnxruntime.InferenceSession(file)
    module = gsjbu.GSJBU(iters=0, radius=1, objective=objective)
    for size, cells, channels in (
        ((67, 93), (9, 13), 16), ((64, 64), (4, 8), 5), ((50, 31), (7, 31), 7), ((33, 97), (1, 1), 6),
    ):  # fmt: skip
        image, signal = picture(*size, count=2), torch.randn(2, channels, *cells, generator=DRAW)
        began = time.perf_counter()
        ours = module(image, signal).numpy()
        middle = time.perf_counter()
        theirs = session.run(None, {"guide": image.numpy(), "signal": signal.numpy()})[0]
        print(f"{size} from {cells}: own {middle - began:.3f} s, onnxruntime {time.perf_counter() - middle:.3f} s")
        assert theirs.shape == ours.shape and np.abs(theirs - ours).max() <= 1e-5


def test_one_file_takes_guides_of_any_number_of_bands(tmp_path):
    write_fixed(fixed_kernel(1, "rgb"), tmp_path / "fixed.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "fixed.onnx")
    module = gsjbu.GSJBU(iters=0, radius=1, objective="rgb")
    for bands in (1, 3, 4, 6):
        guide, signal = torch.rand(1, bands, 45, 61, generator=DRAW), torch.randn(1, 5, 6, 9, generator=DRAW)
        made = session.run(None, {"guide": guide.numpy(), "signal": signal.numpy()})[0]
        assert np.abs(made - module(guide, signal).numpy()).max() <= 1e-5, bands


@pytest.mark.parametrize("objective", ["auto", "rgb"])
def test_torch_export(objective):
    image, signal = picture(45, 61), torch.randn(1, 12, 6, 9, generator=DRAW)
    module = gsjbu.GSJBU(iters=0, radius=1, objective=objective)
    carried = torch.export.export(module, (image, signal)).module()
    torch.testing.assert_close(carried(image, signal), module(image, signal), atol=1e-5, rtol=0)


@pytest.mark.parametrize("options", [{"iters": 3}, {"iters": 0, "objective": "signal"}, {"iters": 0, "few": True}])
def test_what_is_no_graph_is_refused_in_a_sentence(options):
    few = options.pop("few", False)
    signal = torch.rand(1, 2 if few else 8, 4, 4)
    with pytest.raises(Exception, match=r"can be exported|exported, 'auto'"):
        torch.export.export(gsjbu.GSJBU(**options), (torch.rand(1, 3, 16, 16), signal), strict=False)


@pytest.mark.parametrize(
    ("objective", "how"),
    [("rgb", {"stride": 8}), ("signal", {"lr_size": (6, 7)}), ("auto", {"lr_size": (6, 7)})],
)
def test_the_render_of_a_fitted_kernel(tmp_path, objective, how):
    image = picture(45, 61)[0]
    signal = None if objective == "rgb" else torch.rand(2, *how["lr_size"], generator=DRAW)
    kernel = gsjbu.fit(image, iters=3, radius=1, objective=objective, signal=signal, **how)
    mixing = replace(kernel, refinement=None)
    if kernel.refinement is None:
        kernel.to_onnx(tmp_path / "kernel.onnx")
    else:
        with pytest.warns(SignalWarning, match="left out"):
            kernel.to_onnx(tmp_path / "kernel.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "kernel.onnx")
    for channels in (1, 6):
        values = torch.randn(channels, kernel.grid.rows, kernel.grid.cols, generator=DRAW)
        made = session.run(None, {"signal": values.numpy()})[0]
        assert np.abs(made - mixing.render(values).numpy()).max() <= 1e-5 * float(values.abs().max()) * 2


def test_a_fitted_kernel_at_an_odd_size_and_what_it_costs(tmp_path):
    """From the fit to the runtime: 16 channels at a ratio that is whole on neither axis; times are printed."""
    image, values = picture(181, 243)[0], torch.randn(16, 13, 17, generator=DRAW)
    kernel = gsjbu.fit(image, iters=5, lr_size=(13, 17))
    kernel.to_onnx(tmp_path / "new" / "kernel.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "new" / "kernel.onnx")

    def timed(call):
        call()
        seconds = []
        for _ in range(5):
            began = time.perf_counter()
            made = call()
            seconds.append(time.perf_counter() - began)
        return made, sorted(seconds)[2]

    ours, own = timed(lambda: kernel.render(values).numpy())
    (theirs,), runtime = timed(lambda: session.run(None, {"signal": values.numpy()}))
    size = (tmp_path / "new" / "kernel.onnx").stat().st_size / 1e6
    print(f"16 channels, 13×17 to 181×243: own {own * 1e3:.1f} ms, onnxruntime {runtime * 1e3:.1f} ms, {size:.1f} MB")
    assert np.abs(theirs - ours).max() <= 1e-5


def test_the_command_writes_both(tmp_path):
    from gsjbu.cli import main

    gsjbu.fit(picture(24, 32)[0], stride=8, iters=1, radius=1).save(tmp_path / "kernel.safetensors")
    assert main(["export", str(tmp_path / "kernel.safetensors"), "-o", str(tmp_path / "kernel.onnx")]) == 0
    assert main(["export", "-o", str(tmp_path / "fixed.onnx"), "--radius", "1", "--objective", "rgb"]) == 0
    for name, inputs in (("kernel", ["signal"]), ("fixed", ["guide", "signal"])):
        session = onnxruntime.InferenceSession(tmp_path / f"{name}.onnx")
        assert [i.name for i in session.get_inputs()] == inputs


def test_without_the_extra_a_sentence(tmp_path, monkeypatch):
    from gsjbu.core import onnx_file

    monkeypatch.setattr(onnx_file, "lacking", lambda extra, what: f"{what}: gsjbu[{extra}].")
    with pytest.raises(GsjbuError) as caught:
        write_fixed(fixed_kernel(1), tmp_path / "x.onnx")
    assert "gsjbu[onnx]" in caught.value.message


def test_a_file_that_cannot_be_written_leaves_the_one_before(tmp_path, monkeypatch):
    def full(_program, part):
        Path(part).write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    path = tmp_path / "kernel.onnx"
    path.write_bytes(b"what was there")
    monkeypatch.setattr(torch.onnx.ONNXProgram, "save", full)
    with pytest.raises(OSError, match="No space left") as caught:
        gsjbu.fit(torch.rand(3, 16, 16), stride=4, iters=0).to_onnx(path)
    assert caught.value.filename == str(path)
    assert path.read_bytes() == b"what was there" and list(tmp_path.iterdir()) == [path]
