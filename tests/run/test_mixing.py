"""What a pixel is made of is told of each way: what it mixes gives back what its panel shows."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from gsjbu.core.blend import Blend
from gsjbu.errors import GsjbuError
from gsjbu.io.signals import understand
from gsjbu.io.truths import downsampled
from gsjbu.run import mixing, pipeline
from gsjbu.run.result import Result
from gsjbu.samples import SAMPLES
from gsjbu.settings import Settings

SCENE = SAMPLES["spheres"]
IMAGE = torch.nn.functional.interpolate(SCENE.image[None], (96, 128), mode="area")[0]
PIXELS = [(0, 0), (70, 40), (53, 37), (127, 95)]
ALL = ["bilinear", "bicubic", "fixed", "gsjbu", "auto", "tto_rgb", "tto_signal"]
DEPTH = (2 + np.random.default_rng(0).random((12, 16))).astype(np.float32)


def ran(depth: np.ndarray, **settings: object) -> Result:
    chosen = Settings.parse({"iters": 3, "features": False, **settings})
    return pipeline.run(IMAGE, chosen, signal=understand(depth, kind="depth"))


@pytest.fixture(scope="module")
def whole() -> Result:
    return ran(DEPTH, methods="all")


@pytest.fixture(scope="module")
def gaps() -> Result:
    depth = DEPTH.copy()
    depth[4:6, 6:8] = np.nan
    return ran(depth, methods="all")


def mixed(result: Result, x: int, y: int, way: str) -> float | None:
    rows = result.window(x, y, "signal", way)
    if not rows:
        return None
    assert sum(row["weight"] for row in rows) == pytest.approx(1, abs=1e-6)
    assert [row["weight"] for row in rows] == sorted((row["weight"] for row in rows), reverse=True)
    assert result.signal is not None
    values = result.signal.real(result.signal.values.numpy())[0]
    return sum(row["weight"] * float(values[row["qy"], row["qx"]]) for row in rows)


def mixes_only(result: Result, way: str) -> bool:
    told = mixing.notes(result.mixer("signal", way))
    return all("sharpened" not in note and "After mixing" not in note for note in told)


@pytest.mark.parametrize("way", ALL)
def test_each_way_has_its_own_window(whole, gaps, way):
    for result in (whole, gaps):
        for x, y in PIXELS:
            told, shown = mixed(result, x, y, way), result.pixel(x, y)[f"signal_{way}"][0]
            if mixes_only(result, way):
                assert told == pytest.approx(shown, abs=2e-4), (x, y)


def test_cells_without_a_value_are_not_among_them(gaps):
    for way in ALL:
        rows = gaps.window(53, 37, "signal", way)
        taken = {(row["qx"], row["qy"]) for row in rows}
        if way != "bicubic":  # whose weights are of both signs
            assert not taken & {(x, y) for x in (6, 7) for y in (4, 5)}, way


def test_it_differs_from_way_to_way(whole):
    weights = {way: tuple(row["weight"] for row in whole.window(70, 40, "signal", way)) for way in ALL}
    assert weights["auto"] != weights["gsjbu"] != weights["bilinear"]


@pytest.mark.parametrize("way", ["bilinear", "bicubic"])
def test_an_interpolation_has_no_gaussians(whole, way):
    rows = whole.window(70, 40, "signal", way)
    assert len(rows) <= 16 and all(row["weight"] != 0 for row in rows)
    assert {rows[0][name] for name in ("spatial", "range", "sigma_x", "sigma_y", "theta", "sigma_r")} == {None}
    assert mixing.notes(whole.mixer("signal", way)) == [f"This is {way} interpolation: colours have no part in it."]


def test_what_else_happens_to_a_value_is_said(whole):
    truth = SCENE.truth("depth")
    told_of = downsampled(truth, 12, 16)
    made = pipeline.run(IMAGE, Settings.parse({"features": False}), signal=told_of).mixer("signal", "auto")
    assert made.blend is not None and made.refinement is not None
    told = mixing.notes(made)
    assert (mixing.GIVEN_BACK in told) == bool(made.blend.passes)
    assert mixing.OF_MIXTURE in told and made.refinement.sentence in told
    assert mixing.notes(whole.mixer("rgb", "gsjbu")) == []


def test_where_an_interpolation_has_all_of_it(whole):
    assert mixing.is_plain(mixing.interpolating("bilinear", whole.kernel))
    assert not mixing.is_plain(whole.kernel)
    assert not Blend(plain_share=0.6).is_plain


def test_a_way_that_was_not_taken_is_refused(whole):
    with pytest.raises(
        GsjbuError, match=r"did not upsample features by auto; what it did is rgb bilinear, "
    ) as refused:
        whole.window(1, 1, "features", "auto")
    assert refused.value.code == "not_available"
