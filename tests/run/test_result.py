"""Questions to a finished run agree with the library: a pixel, its window, what is like it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from gsjbu.core import interpolation
from gsjbu.errors import ShapeError
from gsjbu.io.signals import understand
from gsjbu.run import pipeline
from gsjbu.run.result import Result
from gsjbu.samples import SAMPLES
from gsjbu.settings import Settings
from tests.at_once import at_once
from tests.oracle_cases import one_torch_thread

__all__ = ["one_torch_thread"]  # a fixture: it is used by being here

PIXELS = [(0, 0), (95, 70), (40, 33), (8, 7)]


def made(signal=None, **given) -> Result:
    scene = next(iter(SAMPLES.values()))
    image = scene.image[:, 100:342, 60:384]  # 242×324 → 72×96: partial cells below
    settings = Settings.parse({"resolution": 96, "iters": 8, "stride": 10, **given})
    return pipeline.run(image, settings, signal=signal, sample=scene, threads=1)


@pytest.fixture(scope="module")
def result() -> Result:
    return made()


@pytest.mark.parametrize(("x", "y"), PIXELS)
def test_a_pixel_answers_for_every_panel(result, x, y):
    values = result.pixel(x, y)
    assert set(values) == {p.name for p in result.panels}
    lr = result.kernel.lr_guide
    assert values["gsjbu_rgb"] == pytest.approx(result.kernel.render(lr)[:, y, x].tolist(), abs=1e-6)
    assert values["bilinear_rgb"] == pytest.approx(
        interpolation.bilinear(lr, result.kernel.grid)[:, y, x].tolist(), abs=1e-6
    )
    assert values["original"] == pytest.approx(result.kernel.guide[:, y, x].tolist())
    assert values["lr"] == pytest.approx(lr[:, y // 10, x // 10].tolist())
    assert values["sigma_x"] == pytest.approx([float(result.kernel.sigma_x[y // 10, x // 10])])
    error = np.abs(np.array(values["gsjbu_rgb"]) - values["original"]).mean()
    assert values["error_gsjbu"] == pytest.approx([error], abs=1e-6)


@pytest.mark.parametrize("corners", [(0, 0, 95, 70), (40, 33, 40, 33), (8, 7, 31, 12)])
def test_a_region_answers_for_every_panel(result, corners):
    x0, y0, x1, y1 = corners
    found = result.region(*corners)
    assert set(found) == {p.name for p in result.panels}
    g = result.kernel.grid
    (left, top), (right, bottom) = g.cell_of(x0, y0), g.cell_of(x1, y1)
    for panel in (p for p in result.panels if p.legend is None):
        whole = panel.values.shape[1:] == (g.height, g.width)
        part = (
            panel.values[:, y0 : y1 + 1, x0 : x1 + 1] if whole else panel.values[:, top : bottom + 1, left : right + 1]
        )
        part = part.double().numpy().reshape(len(part), -1)
        told = found[panel.name]
        assert told["pixels"] == part.shape[1]
        for name, wanted in (("mean", part.mean(1)), ("std", part.std(1)), ("low", part.min(1)), ("high", part.max(1))):
            np.testing.assert_allclose(told[name], wanted, atol=1e-9, err_msg=f"{panel.name}: {name}")


def test_a_region_leaves_gaps_out_and_tells_classes_by_their_shares():
    depth = np.linspace(1, 2, 70, dtype=np.float32).reshape(7, 10)
    depth[2:5, 3:6] = np.nan
    with_gaps = made(signal=understand(depth, kind="depth"))
    panel = next(p for p in with_gaps.panels if p.name == "signal_lr")
    told = with_gaps.region(0, 0, 95, 71)["signal_lr"]
    known = panel.values[panel.values.isfinite()].double()
    assert 0 < told["pixels"] == len(known) < panel.values.numel()
    assert told["mean"] == pytest.approx([known.mean().item()])
    labels = made(segmentation="labels")
    classes = next(p for p in labels.panels if p.name == "seg_gsjbu")
    told = labels.region(10, 20, 60, 50)["seg_gsjbu"]
    part = classes.values[0, 20:51, 10:61]
    assert dict(told["shares"]) == {int(c): pytest.approx((part == c).double().mean().item()) for c in part.unique()}
    assert [share for _, share in told["shares"]] == sorted((share for _, share in told["shares"]), reverse=True)


@pytest.mark.parametrize(("x", "y"), PIXELS)
def test_the_window_gives_back_the_pixel(result, x, y):
    window = result.window(x, y)
    weights = [entry["weight"] for entry in window]
    assert sum(weights) == pytest.approx(1, abs=1e-9)
    assert weights == sorted(weights, reverse=True)
    mixed = sum(entry["weight"] * np.array(entry["colour"]) for entry in window)
    assert mixed == pytest.approx(result.pixel(x, y)["gsjbu_rgb"], abs=2e-5)
    for entry in window:
        assert entry["cx"] == (entry["qx"] + 0.5) * 10
        assert entry["theta"] == float(result.kernel.theta[entry["qy"], entry["qx"]])
        assert 0 <= entry["spatial"] <= 1
        assert 0 <= entry["range"] <= 1


def cosine(high: torch.Tensor, x: int, y: int) -> torch.Tensor:
    unit = torch.nn.functional.normalize(high.double(), dim=0)
    return (unit * unit[:, y, x][:, None, None]).sum(0)


@pytest.mark.parametrize(("x", "y"), PIXELS)
def test_similarity_is_the_cosine_of_the_rendered_features(result, x, y):
    """Never made by the run itself: all features at full resolution, and their cosines one by one."""
    by_distance, by_kernel = result.similarity(x, y)
    assert result.features_lr is not None
    high = result.features_kernel.render(result.features_lr)
    assert (by_kernel - cosine(high, x, y)).abs().max() <= 2e-4
    high = interpolation.bilinear(result.features_lr, result.kernel.grid)
    assert (by_distance - cosine(high, x, y)).abs().max() <= 2e-4
    assert by_kernel[y, x] == pytest.approx(1, abs=1e-4)
    assert by_distance[y, x] == pytest.approx(1, abs=1e-4)


def test_to_several_pixels_is_to_the_likest(result):
    points = [(3, 4), (50, 30)]
    each = [result.similarity(*point) for point in points]
    for way, found in enumerate(result.alike([result.vectors(x, y) for x, y in points])):
        assert torch.equal(found, torch.maximum(each[0][way], each[1][way]))


def test_similarity_to_a_pixel_of_another_picture(result):
    """As the cosine of all features of the one to the pixel's of the other; refused where their kinds differ."""
    other = made(resolution=80)
    assert result.features_lr is not None and other.features_lr is not None
    x, y = 40, 33
    ways = ((interpolation.bilinear(r.features_lr, r.kernel.grid), r.features_kernel.render(r.features_lr))
            for r in (result, other))  # fmt: skip
    for found, high, foreign in zip(result.similarity_to(other.vectors(x, y)), *ways, strict=True):
        wanted = torch.nn.functional.cosine_similarity(high, foreign[:, y, x, None, None], dim=0)
        assert (found - wanted).abs().max() <= 2e-4
    fewer = tuple(v[:-1] for v in other.vectors(x, y))
    with pytest.raises(ShapeError, match="same backbone and stride") as refusal:
        result.similarity_to(fewer)
    assert refusal.value.code == "features_differ"


def test_clicks_at_once_get_the_answers_they_get_alone():
    fresh = made()
    alone = {(x, y): made().similarity(x, y) for x, y in PIXELS[:1]}
    together = dict(zip(PIXELS, at_once(lambda p: fresh.similarity(*p), PIXELS), strict=True))
    for p, maps in alone.items():
        assert torch.equal(together[p][1], maps[1])


def test_features_fitted_on_the_signal_are_compared_by_their_own_kernel():
    result = made(objective="signal", iters=4)
    assert not torch.equal(result.features_kernel.raw, result.kernel.raw)
    assert result.features_lr is not None
    high = result.features_kernel.render(result.features_lr)
    assert (result.similarity(40, 33)[1] - cosine(high, 40, 33)).abs().max() <= 2e-4


def test_without_features_there_is_nothing_to_compare():
    with pytest.raises(ShapeError, match="switch them on") as refusal:
        made(features=False).similarity(0, 0)
    assert refusal.value.code == "no_features"


@pytest.mark.parametrize(("x", "y"), [(-1, 0), (96, 0), (0, 72), (10**9, 0)])
@pytest.mark.parametrize("ask", ["pixel", "window", "similarity"])
def test_a_pixel_outside_is_refused(result, ask, x, y):
    with pytest.raises(ShapeError, match="outside the image"):
        getattr(result, ask)(x, y)


def test_sizes_and_the_signal(result):
    assert result.image == {
        "width": 96, "height": 72, "lr_width": 10, "lr_height": 8, "step_x": 10.0, "step_y": 10.0,
    }  # fmt: skip
    assert result.signal is None and result.signal_kernel is result.kernel
    signal = understand(np.ones((9, 12), np.float32), kind="depth")
    brought = pipeline.run(torch.rand(3, 72, 96), Settings(features=False, iters=1), signal=signal, threads=1)
    assert brought.signal is not None and torch.equal(brought.signal.values, signal.values)
    assert brought.signal_kernel.objective == "auto"
