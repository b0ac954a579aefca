"""Refining what is as large as its image: the grid is found, kinds, units and gaps stay, borders find their edges."""

from __future__ import annotations

import copy
import json
import pickle

import numpy as np
import pytest
import torch
from PIL import Image

import gsjbu
from gsjbu import cli
from gsjbu.core.grid import Grid
from gsjbu.core.interpolation import bilinear, nearest
from gsjbu.errors import SettingError, ShapeError, SignalError
from gsjbu.io.resolution import resolved
from gsjbu.io.signals import understand

H, W = 96, 128
_y, _x = np.mgrid[:H, :W]
DISTANCE = np.hypot(_y - 46, 0.8 * (_x - 61)) - 27 - 3 * np.sin(np.arctan2(_y - 46, _x - 61) * 5)
INSIDE = DISTANCE < 0
NOISE = np.random.default_rng(0).normal(0, 6, (H, W, 3))
PHOTO = np.clip(np.where(INSIDE[..., None], [190, 120, 70], [70, 100, 130]) + NOISE, 0, 255).astype(np.uint8)
GRID = Grid.from_stride(H, W, 8)
SHARES = GRID.cell_means(torch.from_numpy(INSIDE[None].astype("f4")))
SOFT = bilinear(SHARES, GRID)[0].numpy()
FINE = Grid.from_stride(H, W, 4)
JAGGED = nearest(FINE.cell_means(torch.from_numpy(INSIDE[None].astype("f4"))).round(), FINE)[0].numpy() > 0
GROWN = DISTANCE - 5 < 0


def wrong(mask: np.ndarray) -> int:
    return int((np.asarray(mask, bool) != INSIDE).sum())


def test_a_soft_mask_is_brought_back_to_its_grid_and_follows_the_image():
    out = gsjbu.refine(PHOTO, SOFT)
    assert isinstance(out, np.ndarray) and (out.shape, out.dtype) == ((H, W), np.float32)
    assert (out.grid.rows, out.grid.cols) == (12, 16) and "12 rows × 16 columns" in out.notes[0]
    assert out.min() >= 0 and out.max() <= 1
    assert wrong(out >= 0.5) < 0.4 * wrong(SOFT >= 0.5)


@pytest.mark.parametrize("levels", [(0, 1, "bool"), (0, 255, "u1"), (0, 1, "f4"), (-1, 7, "i8")])
def test_a_jagged_mask_comes_back_as_the_mask_that_it_was(levels):
    low, high, dtype = levels
    out = gsjbu.refine(PHOTO, np.where(JAGGED, high, low).astype(dtype))
    assert out.dtype == np.dtype(dtype) and set(np.unique(out)) == {low, high} and out.grid.step_x == 4
    assert wrong(out == high) < 0.6 * wrong(JAGGED)


def test_a_grown_mask_shrinks_to_the_edges():
    out = gsjbu.refine(PHOTO, GROWN)
    assert "5 px inside" in out.notes[0] or "4 px inside" in out.notes[0]
    assert wrong(out) < 0.1 * wrong(GROWN)


def test_several_classes_and_their_gaps_stay():
    numbers = np.where(JAGGED, 15, np.where(_x < W // 2, 3, 4)).astype(np.uint8)
    numbers[:8] = 255
    out = gsjbu.refine(PHOTO, numbers)
    assert out.dtype == np.uint8 and set(np.unique(out)) == {3, 4, 15, 255}
    assert (out[:8] == 255).all() and not (out[8:] == 255).any()
    assert set(np.unique(gsjbu.refine(PHOTO, numbers, fill=True))) == {3, 4, 15}


@pytest.mark.parametrize("numbers", [JAGGED, INSIDE, np.where(JAGGED, 15, 3).astype("i4")])
def test_masked_pixels_of_a_class_map_have_no_class(numbers):
    hidden = np.broadcast_to(_y < 8, (H, W))
    out = gsjbu.refine(PHOTO, np.ma.masked_array(numbers, hidden))
    assert ((out == 255) == hidden).all() and set(np.unique(out[8:])) == set(np.unique(numbers[8:]))
    shares = np.stack([SOFT, 1 - SOFT])
    shares[:, :8] = np.nan
    hard = gsjbu.refine(PHOTO, shares, soft=False)
    assert ((hard == 255) == hidden).all() and set(np.unique(hard[8:])) == {0, 1}


def test_more_classes_than_have_a_channel_each_say_what_is_left_out():
    ids = (_y // 4 * 1000 + _x // 4).astype(np.int64)
    out = gsjbu.refine(PHOTO, ids, kind="labels")
    assert len(out.signal.codes) > 256 and set(np.unique(out)) <= set(out.signal.codes)
    assert "left out" not in out.notes[0], "blocks are of one class each"
    told = gsjbu.refine(PHOTO, ids, stride=6, kind="labels")
    assert "shares are left out, and counts and edges" in told.notes[0]
    with pytest.raises(SignalError, match="ask for the map of classes"):
        gsjbu.refine(PHOTO, ids, kind="labels", soft=True)


def test_depth_keeps_its_scale_and_its_gaps():
    low = torch.where(SHARES > 0.5, 2.0, 5.0) + 0.01 * torch.arange(16)
    depth = bilinear(low, GRID)[0].numpy()
    depth[40:50, 60:70] = np.nan
    out = gsjbu.refine(PHOTO, depth)
    assert out.signal.kind == "depth" and np.array_equal(np.isnan(out), np.isnan(depth))
    deep = (DISTANCE < -12) & ~np.isnan(depth)
    far = DISTANCE > 12
    for region in (deep, far):
        assert np.mean(out[region]) == pytest.approx(np.mean(depth[region]), abs=0.02)
        assert np.std(out[region]) == pytest.approx(np.std(depth[region]), abs=0.02)
    assert np.nanmin(out) >= np.nanmin(depth) - 1e-5 and np.nanmax(out) <= np.nanmax(depth) + 1e-5


@pytest.mark.parametrize("words", [{"mode": "bicubic"}, {"mode": "bilinear", "align_corners": True}])
@pytest.mark.parametrize("said", [{}, {"stride": 8}])
def test_samples_come_back_however_they_were_enlarged(said, words):
    low = torch.where(SHARES > 0.5, 2.0, 5.0) + 0.01 * torch.arange(16)
    usual = gsjbu.refine(PHOTO, bilinear(low, GRID)[0].numpy())
    out = gsjbu.refine(PHOTO, torch.nn.functional.interpolate(low[None], (H, W), **words)[0, 0].numpy(), **said)
    assert out.grid == usual.grid
    np.testing.assert_allclose(out, usual, atol=0.02)


@pytest.mark.parametrize("gap", [np.s_[:1, :1], np.s_[30:52, 20:60], np.s_[:20]])
@pytest.mark.parametrize("none", [np.nan, 0])
def test_pixels_without_a_value_leave_the_samples_of_the_others(none, gap):
    """One was enough for means over cells, which keep borders soft, and 0 in millimetres for a sharp border."""
    depth = bilinear(torch.where(SHARES > 0.5, 900.0, 3100.0) + 20 * torch.arange(16), GRID)[0].numpy()
    depth = depth if none else np.rint(depth).astype(np.uint16)
    whole = gsjbu.refine(PHOTO, depth)
    assert "bends" in whole.notes[0]
    depth[gap] = none
    out = gsjbu.refine(PHOTO, depth)
    there = ~np.isnan(depth) if none else depth > 0
    assert out.grid == whole.grid and out.notes[0] == whole.notes[0]
    off = np.abs(np.asarray(out, "f8") - whole)[there]
    assert off.mean() < 0.01 * np.asarray(whole).std() and np.median(off) < 5


def test_depth_in_millimetres_comes_back_in_millimetres():
    low = torch.where(SHARES > 0.5, 900.0, 3100.0)
    out = gsjbu.refine(PHOTO, np.rint(bilinear(low, GRID)[0].numpy()).astype(np.uint16))
    assert out.dtype == np.uint16 and out.min() >= 900 and out.max() <= 3100


def test_logits_become_probabilities_or_a_mask():
    logits = bilinear(20 * SHARES - 10 + 0.3 * torch.randn(SHARES.shape, generator=torch.manual_seed(0)), GRID)
    out = gsjbu.refine(PHOTO, logits[None].numpy())
    assert out.signal.kind == "logits" and out.min() >= 0 and out.max() <= 1
    mask = gsjbu.refine(PHOTO, logits[None].numpy(), soft=False)
    assert set(np.unique(mask)) == {0, 1} and wrong(np.squeeze(mask)) < wrong(logits[0].numpy() > 0)


def test_soft_on_request():
    out = gsjbu.refine(PHOTO, JAGGED, soft=True)
    assert (out.shape, out.dtype) == ((H, W), np.float32) and ((out > 0.1) & (out < 0.9)).sum() > 0
    assert set(np.unique(gsjbu.refine(PHOTO, np.rint(255 * SOFT).astype(np.uint8), soft=False))) == {0, 255}


@pytest.mark.parametrize("stride", [None, 8])
@pytest.mark.parametrize(
    ("level", "share"), [(False, 0), (True, 1), (np.uint8(0), 0), (np.uint8(255), 1), (np.float32(0), 0)]
)
def test_the_shares_of_an_empty_mask_are_0_and_of_a_full_one_1(level, share, stride):
    out = gsjbu.refine(PHOTO, np.full((H, W), level), stride, soft=True, iters=1)
    assert (out.shape, out.dtype) == ((H, W), np.float32) and (out == share).all()


def test_what_is_sharp_and_right_comes_back_as_it_is():
    out = gsjbu.refine(PHOTO, INSIDE)
    assert out.grid is None and np.array_equal(out, INSIDE) and "comes back as it is" in out.notes[0]
    shares = gsjbu.refine(PHOTO, INSIDE, soft=True)
    np.testing.assert_array_equal(shares, INSIDE.astype("f4"))


def test_a_stride_or_a_grid_overrules_what_was_found():
    out = gsjbu.refine(PHOTO, INSIDE, stride=8)
    assert out.grid == GRID and "as you said" in out.notes[0]
    assert gsjbu.refine(PHOTO, INSIDE, grid=(12, 16)).grid.cols == 16
    with pytest.raises(SettingError, match="one of them"):
        gsjbu.refine(PHOTO, INSIDE, stride=8, grid=(12, 16))


def test_a_tensor_gives_a_tensor_and_a_part_says_where_it_is_from():
    assert isinstance(gsjbu.refine(PHOTO, torch.from_numpy(SOFT)), torch.Tensor)
    out = gsjbu.refine(PHOTO, SOFT)
    for same in (out[:4], copy.copy(out), copy.deepcopy(out), pickle.loads(pickle.dumps(out))):
        assert same.grid == out.grid and same.notes == out.notes and out.notes
        assert same.signal.note == out.signal.note
        np.testing.assert_array_equal(same, out[: len(same)])


def test_what_is_smaller_than_the_image_is_for_upsample():
    with pytest.raises(SignalError, match="upsample"):
        gsjbu.refine(PHOTO, SHARES)


def test_rows_of_shares_are_a_map_where_a_kind_says_so():
    shares = np.random.default_rng(0).random((64, 64))
    shares /= shares.sum(axis=1, keepdims=True)
    with pytest.raises(SignalError, match="attention"):
        gsjbu.refine(PHOTO[:64, :64], shares)
    out = gsjbu.refine(PHOTO[:64, :64], shares, kind="heat_map", stride=4, iters=0)
    assert out.shape == (64, 64) and out.signal.kind == "heat_map"


def test_the_command_writes_what_the_library_gives(tmp_path, capsys):
    Image.fromarray(PHOTO).save(tmp_path / "photo.png")
    Image.fromarray(np.where(JAGGED, 255, 0).astype(np.uint8)).save(tmp_path / "mask.png")
    words = ["refine", str(tmp_path / "photo.png"), str(tmp_path / "mask.png"), "-o", str(tmp_path / "fine.png")]
    assert cli.main([*words, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["kind"] == "labels" and told["grid"]["step"] == [4.0, 4.0]
    fine = np.asarray(Image.open(tmp_path / "fine.png"))
    np.testing.assert_array_equal(fine, gsjbu.refine(PHOTO, np.where(JAGGED, 255, 0).astype(np.uint8)))
    assert resolved(fine[None], whole=True) is None
    assert cli.main([*words[:-1], str(tmp_path / "soft.npy"), "--soft", "on", "--quiet"]) == 0
    soft = np.load(tmp_path / "soft.npy")
    assert soft.dtype == np.float32 and soft.min() >= 0 and soft.max() <= 1


def _as_they_are() -> dict[str, np.ndarray]:
    """What is refined to itself."""
    crisp = np.zeros((H, W), np.uint8)
    crisp[20:71, 33:90] = 255
    return {
        "crisp": crisp,
        "nothing": np.zeros((H, W), np.uint8),
        "everything": np.full((H, W), 255, np.uint8),
        "one class": np.full((H, W), 7, np.int64),
        "noise": np.random.default_rng(0).random((H, W)),
        "channels": np.random.default_rng(0).normal(0, 50, (3, H, W)).astype("f4"),
    }


@pytest.mark.parametrize("name", _as_they_are())
def test_the_command_writes_and_tells_what_comes_back_as_it_is(name, tmp_path, capsys):
    came = _as_they_are()[name]
    np.save(tmp_path / "in.npy", came)
    Image.fromarray(np.full((H, W, 3), 90, np.uint8)).save(tmp_path / "photo.png")
    words = [str(tmp_path / name) for name in ("photo.png", "in.npy")]
    assert cli.main(["refine", *words, "-o", str(tmp_path / "out.npy"), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    np.testing.assert_allclose(np.load(tmp_path / "out.npy"), came, rtol=1e-6)
    assert facts["grid"] is None and facts["dtype"] == came.dtype.name
    assert facts["brought"]["shape"][1:] == [H, W]
    if facts["kind"] == "labels" and len(np.unique(came)) > 1:
        assert facts["codes"] == np.unique(came).tolist()


@pytest.mark.parametrize("ending", [".png", ".npy"])
def test_the_mask_of_what_was_soft_is_labels_when_it_is_read_again(ending, tmp_path, capsys):
    Image.fromarray(PHOTO).save(tmp_path / "photo.png")
    np.save(tmp_path / "soft.npy", np.stack([1 - SOFT, SOFT]))
    out = tmp_path / f"hard{ending}"
    words = ["refine", str(tmp_path / "photo.png"), str(tmp_path / "soft.npy"), "-o", str(out), "--soft", "off"]
    assert cli.main(words) == 0
    again = understand(out)
    assert again.kind == "labels" and again.codes == (0, 1)


def test_what_refine_does_not_know_is_refused_in_words():
    for wrong in ("off", "on", 1):
        with pytest.raises(SettingError, match=r"soft is .*; it must be True or False"):
            gsjbu.refine(PHOTO, JAGGED, soft=wrong)
    with pytest.raises(SettingError, match="refine has no option bogus; it has iters"):
        gsjbu.refine(PHOTO, JAGGED, bogus=1)
    with pytest.raises(ShapeError, match="grid is 5; it must be two whole numbers"):
        gsjbu.refine(PHOTO, JAGGED, grid=5)
    assert gsjbu.refine(PHOTO, JAGGED, soft=np.bool_(True)).dtype == np.float32


def test_what_a_result_is_reduced_to_is_a_number():
    mask = np.zeros((48, 64), bool)
    mask[8:24, 16:40] = True
    out = gsjbu.refine(np.random.default_rng(0).random((48, 64, 3)), mask, stride=8)
    for number in (out.max(), out.mean(), out.sum(), np.min(out), out.any(), np.median(out)):
        assert not isinstance(number, np.ndarray) and {number: 1}
    assert isinstance(out + 1, type(out)) and (out + 1).grid is out.grid and out.sum(axis=0).notes == out.notes


@pytest.mark.parametrize("dtype", ["u1", "u2", "i4"])
def test_enlarged_blocks_are_what_one_pixel_of_each_is(dtype):
    """Patches that enlarging made tell of no class: flat regions whose border cells are mixed."""
    regions = (_x > W // 2) + 2 * (_y > H // 2 + 0.15 * _x)
    distances = np.array([45, 75, 115, 155])[regions].reshape(12, 8, 16, 8).mean(axis=(1, 3))
    small = distances.astype(dtype)
    kind = understand(small, size=(H, W)).kind
    out = gsjbu.refine(PHOTO, small.repeat(8, 0).repeat(8, 1), iters=2)
    assert kind == out.signal.kind == "depth" and out.dtype == np.dtype(dtype)
    assert "kind" not in " ".join(out.signal.doubts)


def test_a_kind_or_names_that_somebody_says_stay():
    ramp = (45 + 10 * (np.arange(16) // 2) + np.zeros((12, 1))).astype(np.uint8).repeat(8, 0).repeat(8, 1)
    assert gsjbu.refine(PHOTO, ramp, kind="labels", iters=2).signal.kind == "labels"
    assert gsjbu.refine(PHOTO, ramp, iters=2).signal.kind == understand(ramp[4::8, 4::8]).kind
