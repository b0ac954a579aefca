"""Panels: shared scales, what their colours mean, and PNG files that hold them."""

from __future__ import annotations

import io
import json
import math

import numpy as np
import pytest
import torch
from PIL import Image

from gsjbu.io import colours
from gsjbu.models.pca import pca3
from gsjbu.run import panels


def rand(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def everything() -> list[panels.Panel]:
    image, lr = rand(3, 40, 48), rand(3, 5, 6)
    basis = pca3(rand(9, 5, 6))
    labels = torch.arange(30).reshape(5, 6) % 4
    big = labels.repeat_interleave(8, 0).repeat_interleave(8, 1)
    params = [rand(5, 6, seed=s) + 1 for s in range(4)]
    return [
        *(panels.rgb(n, x) for n, x in zip(("original", "lr", "bilinear_rgb", "gsjbu_rgb"), (image, lr, image, image))),
        *panels.errors(image, image * 0.9, image * 0.5),
        *panels.features(basis, {"lr": lr, "bilinear": image, "gsjbu": image}),
        *panels.classes({"lr": labels, "bilinear": big, "gsjbu": big}, ["sky", "road", "tree", "car"]),
        *panels.kernel(*params),
    ]


def test_the_names_of_the_contract_in_order():
    expected = (
        "original lr bilinear_rgb gsjbu_rgb error_bilinear error_gsjbu features_lr features_bilinear features_gsjbu "
        "seg_lr seg_bilinear seg_gsjbu sigma_x sigma_y theta sigma_r anisotropy"
    )
    assert [panel.name for panel in everything()] == expected.split()


def test_every_panel_is_complete_and_can_be_sent():
    for panel in everything():
        assert panel.picture.dtype == np.uint8 and panel.picture.shape == (panel.height, panel.width, 3)
        assert panel.values.shape[1:] == (panel.height, panel.width) and panel.values.dtype == torch.float32
        assert panel.sentence.endswith(".") and panel.unit
        json.dumps(panel.as_dict(), allow_nan=False)


def test_png_files_hold_the_pictures():
    for panel in everything():
        np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(panel.png()))), panel.picture)


def test_error_maps_share_one_scale():
    image = torch.full((3, 30, 30), 0.5)
    weak, strong = panels.errors(image, image + 0.1, image + 0.4)
    assert weak.bar == strong.bar and weak.bar.high == pytest.approx(0.4, abs=1e-6)
    assert weak.picture.sum() < strong.picture.sum()
    np.testing.assert_allclose(weak.values.numpy(), 0.1, atol=1e-6)


def test_identical_pictures_have_black_error_maps():
    image = rand(3, 8, 8)
    for panel in panels.errors(image, image, image):
        assert (panel.picture == colours.table("inferno")[0]).all()


def test_sigmas_share_one_scale_and_theta_is_cyclic():
    theta = torch.linspace(-math.pi, 0, 12).reshape(3, 4)
    one = {p.name: p for p in panels.kernel(torch.full((3, 4), 2.0), torch.full((3, 4), 8.0), theta, rand(3, 4))}
    two = {p.name: p for p in panels.kernel(torch.full((3, 4), 2.0), rand(3, 4) + 1, theta + math.pi, rand(3, 4))}
    assert one["sigma_x"].bar == one["sigma_y"].bar and (one["sigma_x"].bar.low, one["sigma_x"].bar.high) == (2, 8)
    assert np.abs(one["theta"].picture.astype(int) - two["theta"].picture).max() <= 3
    assert "half a turn" in one["theta"].sentence and one["theta"].bar.map == "twilight"
    assert float(one["anisotropy"].values.min()) == 4


def test_features_of_one_kind_have_one_colour_in_all_panels():
    basis = pca3(rand(7, 6, 6))
    flat = basis.apply(rand(7, 6, 6))
    lr, hr = panels.features(basis, {"lr": flat, "gsjbu": flat.repeat_interleave(2, 1).repeat_interleave(2, 2)})
    np.testing.assert_array_equal(lr.picture, hr.picture[::2, ::2])


def test_legend_counts_what_is_shown():
    labels = np.array([[0, 2], [2, 2]])
    (panel,) = panels.classes({"lr": labels}, ["sky", "road", "tree"])
    assert [(e["name"], e["share"]) for e in panel.legend] == [("tree", 0.75), ("sky", 0.25)]
    assert panel.legend[0]["colour"] == colours.hexadecimal(panel.picture[1, 1])


def test_depth_panels_share_the_range_of_the_low_resolution_values():
    lr = torch.tensor([[[1.0, 3.0], [float("nan"), 5.0]]])
    made = panels.depth({"lr": lr, "gsjbu": torch.full((1, 4, 4), 3.0)}, "m")
    assert made[0].bar == made[1].bar and (made[0].bar.low, made[0].bar.high) == (1, 5)
    assert tuple(made[0].picture[1, 0]) == colours.NOTHING
    assert made[0].name == "signal_lr" and made[0].unit == "m"


def test_confidence_is_the_strongest_share():
    probs = torch.tensor([0.2, 0.6, 0.2])[:, None, None].expand(3, 2, 2)
    (panel,) = panels.confidence({"lr": probs * 7})
    np.testing.assert_allclose(panel.values.numpy(), 0.6, atol=1e-6)


def test_guides_that_are_not_rgb():
    assert panels.rgb("original", rand(1, 4, 4)).picture.shape == (4, 4, 3)
    assert panels.rgb("original", rand(5, 4, 4)).values.shape == (5, 4, 4)


def test_every_way_that_can_be_compared_has_words():
    labels = np.zeros((2, 2), int)
    ways = ("lr", "bilinear", "gsjbu", "bicubic", "fixed", "tto_rgb", "tto_signal")
    assert len(panels.classes(dict.fromkeys(ways, labels), ["sky"])) == len(ways)
    assert len(panels.depth(dict.fromkeys(ways, rand(1, 2, 2)))) == len(ways)


def test_classes_called_by_a_colour_keep_it():
    (panel,) = panels.classes({"lr": np.array([[0, 1]])}, ["#102030", "#ffeedd"], group="signal")
    np.testing.assert_array_equal(panel.picture[0], [[0x10, 0x20, 0x30], [0xFF, 0xEE, 0xDD]])
    assert {e["colour"] for e in panel.legend} == {"#102030", "#ffeedd"} and panel.name == "signal_lr"


def test_a_class_has_its_own_number_and_what_is_of_none_has_no_number():
    (panel,) = panels.classes({"lr": np.array([[0, -1], [1, 1]])}, ("a", "b"), "signal", codes=(-5, 2**24 + 1))
    np.testing.assert_array_equal(panel.values[0].numpy(), [[-5, np.nan], [2**24 + 1] * 2])
    assert [entry["index"] for entry in panel.legend] == [2**24 + 1, -5]
