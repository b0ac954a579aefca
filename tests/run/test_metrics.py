"""Figures of merit, against hand-made cases and against their definitions written out slowly."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch
from PIL import Image

from gsjbu.errors import GsjbuError, ImageError, SettingError, ShapeError, SignalError
from gsjbu.run import metrics


def picture(seed: int = 0, height: int = 20, width: int = 23) -> torch.Tensor:
    return torch.rand(3, height, width, generator=torch.Generator().manual_seed(seed))


def slow_ssim(a: np.ndarray, b: np.ndarray) -> float:
    """Wang et al. (2004), formula 13, window by window."""
    offsets = np.arange(11) - 5
    window = np.exp(-(offsets[:, None] ** 2 + offsets[None] ** 2) / (2 * 1.5**2))
    window /= window.sum()
    scores = []
    for y in range(a.shape[0] - 10):
        for x in range(a.shape[1] - 10):
            p, q = a[y : y + 11, x : x + 11], b[y : y + 11, x : x + 11]
            mp, mq = (window * p).sum(), (window * q).sum()
            vp, vq = (window * (p - mp) ** 2).sum(), (window * (q - mq) ** 2).sum()
            cov = (window * (p - mp) * (q - mq)).sum()
            scores.append((2 * mp * mq + 1e-4) * (2 * cov + 9e-4) / ((mp**2 + mq**2 + 1e-4) * (vp + vq + 9e-4)))
    return float(np.mean(scores))


def test_psnr_and_l1_by_hand():
    a, b = torch.zeros(3, 4, 4), torch.full((3, 4, 4), 0.1)
    assert metrics.psnr(a, b) == pytest.approx(20, abs=1e-4)
    assert metrics.l1(a, b) == pytest.approx(0.1, abs=1e-6)
    assert metrics.psnr(a, a) == math.inf and metrics.l1(a, a) == 0


def test_ssim_follows_its_definition():
    a, b = picture(0), picture(0) * 0.7 + 0.3 * picture(1)
    expected = np.mean([slow_ssim(p.double().numpy(), q.double().numpy()) for p, q in zip(a, b)])
    assert metrics.ssim(a, b) == pytest.approx(expected, abs=1e-4)
    assert metrics.ssim(a, a) == pytest.approx(1, abs=1e-6)
    assert metrics.ssim(a, b) == pytest.approx(metrics.ssim(b, a), abs=1e-6)


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 40), (11, 11), (10, 300)])
def test_ssim_of_small_pictures(height, width):
    a = picture(2, height, width)
    assert metrics.ssim(a, a) == pytest.approx(1, abs=1e-5)
    assert metrics.ssim(a, picture(3, height, width)) < 0.95


def test_compare_can_be_sent_as_json():
    a = picture()
    assert metrics.compare(a, a)["psnr"] is None
    json.dumps(metrics.compare(a, a) | metrics.compare(a, picture(1)), allow_nan=False)


def test_miou_by_hand():
    truth = np.array([[0, 0, 1, 1], [0, 0, 1, 255]])
    labels = np.array([[0, 1, 1, 1], [0, 0, 1, 0]])
    # class 0: 3 of 4; class 1: 3 of 4; the ignored pixel counts for neither
    assert metrics.miou(labels, truth) == pytest.approx(0.75)
    assert metrics.miou(truth, truth) == 1
    np.testing.assert_array_equal(metrics.confusion(labels, truth, 2), [[3, 1], [0, 3]])


def test_what_is_none_of_the_classes_is_missed():
    for wrong in (7, -1):
        labels, truth = np.array([[0, wrong, 1]]), np.array([[0, 1, 255]])
        assert metrics.miou(labels, truth, 2) == 0.5
        np.testing.assert_array_equal(metrics.class_ious(labels[0, :2], truth[0, :2], 3), [1, 0, np.nan])


@pytest.mark.filterwarnings("error")
def test_of_nothing_known_there_is_no_figure():
    one = torch.rand(1, 2, 2)
    assert math.isnan(metrics.rmse(one, one, torch.zeros(2, 2).bool()))
    assert math.isnan(metrics.miou(np.zeros((2, 2)), np.full((2, 2), 255)))
    for figure, shape in (
        (metrics.psnr, (1, 0, 4)),
        (metrics.l1, (0, 4, 4)),
        (metrics.ssim, (1, 4, 0)),
        (metrics.rmse, (1, 0, 0)),
        (metrics.changed, (0, 4)),
    ):
        with pytest.raises(GsjbuError, match=r"not empty|image tensor must be"):
            figure(torch.zeros(shape), torch.zeros(shape))


def test_miou_leaves_absent_classes_out():
    assert metrics.miou(np.zeros((2, 2)), np.zeros((2, 2)), classes=50) == 1


def test_boundary_f_by_hand():
    truth = np.zeros((20, 20), int)
    truth[:, 10:] = 1
    near, far = np.roll(truth, 2, axis=1), np.zeros((20, 20), int)
    near[:, :2], far[:, 16:] = 0, 1
    assert metrics.boundary_f(truth, truth, 0) == 1
    assert metrics.boundary_f(near, truth, 2) == 1
    assert metrics.boundary_f(near, truth, 1) == 0
    assert metrics.boundary_f(far, truth, 2) == 0
    assert metrics.boundary_f(np.zeros((5, 5)), np.zeros((5, 5))) == 1
    assert metrics.boundary_f(np.zeros((20, 20)), truth) == 0


def test_half_of_a_boundary_found():
    truth = np.zeros((20, 20), int)
    truth[:, 10:] = 1
    half = truth.copy()
    half[10:] = 2  # its own boundary between rows 9 and 10, and below there is none
    precision, recall = 10 / 30, 10 / 20
    expected = 2 * precision * recall / (precision + recall)
    assert metrics.boundary_f(half, truth, 0) == pytest.approx(expected, abs=0.05)


def test_edge_alignment_prefers_boundaries_on_edges():
    image = torch.rand(3, 32, 32, generator=torch.Generator().manual_seed(0)) * 0.1
    image[:, :, 16:] += 0.8
    on, off = np.zeros((32, 32), int), np.zeros((32, 32), int)
    on[:, 16:], off[:, 8:] = 1, 1
    assert metrics.edge_alignment(on, image) > 5 > metrics.edge_alignment(off, image)
    assert metrics.edge_alignment(np.zeros((32, 32)), image) is None
    assert metrics.edge_alignment(on, torch.zeros(3, 32, 32)) is None


def test_changed_and_rmse():
    assert metrics.changed(np.array([[1, 2], [3, 4]]), np.array([[1, 2], [3, 0]])) == 0.25
    a, b = torch.zeros(1, 2, 2), torch.tensor([[[3.0, 3.0], [3.0, float("nan")]]])
    assert metrics.rmse(a, b) == pytest.approx(3)
    assert metrics.rmse(a, b + torch.tensor([[[1.0, 0], [0, 0]]]), torch.tensor([[1, 0], [0, 0]]).bool()) == 4


def test_dilation_is_a_disc():
    dot = np.zeros((7, 7), bool)
    dot[3, 3] = True
    assert metrics.dilate(dot, 2).sum() == 13
    assert metrics.dilate(np.ones((1, 3), bool), 2).all()


def test_histograms_count_every_value():
    p = [torch.rand(5, 6) * 3 + 1 for _ in range(4)]
    out = metrics.histograms(*p)
    assert list(out) == ["sigma_x", "sigma_y", "theta", "sigma_r"]
    for h in out.values():
        assert sum(h["counts"]) == 30 and len(h["edges"]) == len(h["counts"]) + 1 and h["unit"]
    assert out["sigma_x"]["edges"] == out["sigma_y"]["edges"]
    json.dumps(out)


def test_shapes_that_do_not_fit_are_refused():
    with pytest.raises(ShapeError):
        metrics.psnr(torch.zeros(3, 4, 4), torch.zeros(3, 4, 5))
    with pytest.raises(ShapeError):
        metrics.miou(np.zeros((3, 4)), np.zeros((4, 3)))


def test_numbers_that_float32_does_not_hold_are_compared_as_they_are():
    far = np.full((1, 4, 4), 5e6)
    assert metrics.rmse(far, far + 0.2) == pytest.approx(0.2, rel=1e-6)
    many = np.full((1, 4, 4), 2**31, np.int64)
    assert metrics.rmse(many, many + 1) == 1


def test_levels_arrays_and_tensors_give_one_figure():
    a, b = picture(0), picture(1)
    levels = [(255 * x).round().to(torch.uint8) for x in (a, b)]
    right = metrics.compare(levels[0] / 255, levels[1] / 255)
    assert metrics.compare(*levels) == pytest.approx(right)
    assert metrics.compare(levels[0].numpy(), levels[1].double().numpy() / 255) == pytest.approx(right)
    assert metrics.psnr(a.numpy(), b.numpy()) == metrics.psnr(a, b)
    with pytest.raises(ImageError, match="between 0 and 255"):
        metrics.psnr(torch.full((3, 4, 4), 255.0), torch.zeros(3, 4, 4))


@pytest.mark.parametrize("kind", [np.asarray, torch.from_numpy])
@pytest.mark.parametrize("shape", [(2, 2), (1, 2, 2)])
def test_a_mask_is_an_array_or_a_tensor_of_one_plane(kind, shape):
    a, b = np.zeros((3, 2, 2)), np.full((3, 2, 2), 2.0)
    mask = np.array([[1, 0], [0, 0]], np.uint8).reshape(shape)
    b[:, 0, 1] = 9
    assert metrics.rmse(a, b, kind(mask)) == 2
    with pytest.raises(ShapeError, match=r"mask is \[4\]"):
        metrics.rmse(a, b, kind(mask.ravel()))


def test_fractions_are_no_classes_and_nan_is_of_no_class():
    with pytest.raises(SignalError, match="fractions"):
        metrics.miou([[1.9]], [[1]])
    assert metrics.miou([[0.0, math.nan, 1.0]], [[0, 1, 255]], 2) == 0.5
    assert metrics.miou([[0.0, 1.0]], [[0.0, math.nan]]) == 1
    assert metrics.miou(torch.tensor([[1.0]], requires_grad=True), [[1]]) == 1


def test_where_the_truth_is_unknown_there_is_no_boundary():
    truth = np.zeros((20, 20), int)
    truth[:, 10:] = 1
    truth[5:8] = 255
    found = np.where(truth == 255, 0, truth)
    assert metrics.boundary_f(found, truth) == metrics.boundary_f(truth, truth) == 1
    assert metrics.boundary_f(found, np.where(truth == 255, -1, truth)) == 1
    assert metrics.boundary_f(found, truth, 0, ignore=None) < 1


@pytest.mark.parametrize("tolerance", [-1, 1.5, True, "2"])
def test_a_tolerance_is_whole_pixels(tolerance):
    with pytest.raises(SettingError, match="whole number of pixels"):
        metrics.boundary_f(np.eye(4, dtype=int), np.eye(4, dtype=int), tolerance)
    assert metrics.boundary_f(np.eye(4, dtype=int), np.eye(4, dtype=int), np.int64(1)) == 1


def test_edges_are_those_of_an_image_of_the_maps_size():
    image, labels = picture(0, 8, 9), torch.arange(72).reshape(8, 9) // 20
    assert metrics.edge_alignment(labels, image.numpy()) == metrics.edge_alignment(labels.numpy(), image)
    with pytest.raises(ShapeError, match=r"is \[8, 9\] and the image \[3, 8, 8\]"):
        metrics.edge_alignment(labels, image[:, :, 1:])


def test_pictures_are_read_as_images_are_in_any_layout():
    a, b = ((255 * picture(seed, 40, 52)).round().to(torch.uint8) for seed in (0, 1))
    b = (a // 2 + b // 2).to(torch.uint8)
    right = metrics.compare(a, b)
    last = [x.permute(1, 2, 0).numpy() for x in (a, b)]
    assert metrics.compare(*last) == pytest.approx(right)
    assert metrics.compare(*map(Image.fromarray, last)) == pytest.approx(right)
    assert metrics.compare(Image.fromarray(last[0]), b) == pytest.approx(right)
    assert metrics.compare(a[None], last[1][None]) == pytest.approx(right)
    grey = metrics.compare(a[:1], b[:1])
    assert metrics.compare(last[0][:, :, 0], b[0]) == pytest.approx(grey)
    assert metrics.compare(Image.fromarray(last[0][:, :, 0]), b[:1]) == pytest.approx(grey)
    for wrong in (np.zeros((2, 3, 40, 52)), np.zeros((40, 40, 40)), "no such file.png"):
        with pytest.raises(ImageError):
            metrics.ssim(wrong, wrong)
    narrow = a[:, :, :4]
    assert metrics.compare(narrow.numpy(), b[:, :, :4]) == pytest.approx(metrics.compare(narrow, b[:, :, :4]))
    labels = np.arange(40 * 52).reshape(40, 52) // 500
    assert metrics.edge_alignment(labels, last[0]) == pytest.approx(metrics.edge_alignment(labels, a))


def test_pixels_without_a_value_are_left_out_of_every_figure():
    a, b = picture(0, 30, 40), (picture(0, 30, 40) + picture(1, 30, 40)) / 2
    gappy = a.clone()
    gappy[1, :, :17] = math.nan  # of one channel
    whole = metrics.compare(a[:, :, 17:], b[:, :, 17:])
    assert metrics.compare(gappy, b) == pytest.approx(whole)
    assert metrics.compare(b, gappy) == pytest.approx(whole)
    hidden = np.ma.MaskedArray(a.numpy(), np.isnan(gappy.numpy()))
    assert metrics.compare(hidden, b) == pytest.approx(whole)
    nothing = torch.full_like(a, math.nan)
    assert metrics.compare(nothing, b) == {"psnr": None, "ssim": None, "l1": None}
    assert math.isnan(metrics.psnr(nothing, b)) and math.isnan(metrics.l1(nothing, b))


def test_a_gap_in_the_labels_is_no_class():
    truth = np.random.default_rng(0).integers(0, 5, (40, 50))
    labels = truth.copy()
    labels[:20] = 255
    for classes in (5, None, 256):
        assert metrics.miou(labels, truth, classes) == pytest.approx(metrics.miou(labels, truth, 5))
    assert metrics.miou(np.where(labels == 255, 9, labels), truth, ignore=9) == metrics.miou(labels, truth, 5)
    assert metrics.miou(np.array([[0, 7]]), np.array([[0, 1]])) == pytest.approx(1 / 3)  # a class none has
