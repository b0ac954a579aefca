"""Masks of a guide, through the library's verbs: what lies under one changes nothing, and is said."""

from __future__ import annotations

import json

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image

import gsjbu
from gsjbu import cli
from gsjbu.errors import ImageError, SignalWarning
from gsjbu.io.guides import to_guide

H, W = 64, 80
RNG = np.random.default_rng(0)
_y, _x = np.mgrid[:H, :W]
INSIDE = np.hypot(_y - 32, _x - 40) < 20
IMAGE = np.clip(np.where(INSIDE[..., None], 0.8, 0.2) + 0.03 * RNG.standard_normal((H, W, 3)), 0, 1)
DEPTH = np.where(INSIDE, 1.0, 5.0).reshape(8, 8, 10, 8).mean((1, 3))
CLOUD = np.zeros((H, W), bool)
CLOUD[10:30, 30:50] = True


def clouded(value: float) -> np.ndarray:
    return np.where(CLOUD[..., None], value, IMAGE)


@pytest.fixture(scope="module")
def right() -> np.ndarray:
    with pytest.warns(SignalWarning, match="7.81 % of the image's pixels are masked"):
        return gsjbu.upsample(clouded(1.0), DEPTH, kind="depth", iters=4, guide_mask=CLOUD).numpy()


MASKS = {
    "array of numbers": CLOUD.astype(np.uint8) * 255,
    "[1, H, W]": CLOUD[None],
    "tensor": torch.from_numpy(CLOUD),
    "picture": Image.fromarray(CLOUD.astype(np.uint8) * 255),
}


@pytest.mark.filterwarnings("ignore::gsjbu.errors.SignalWarning")
@pytest.mark.parametrize("value", [0.0, 0.55, np.nan, np.inf])
def test_what_lies_under_a_mask_changes_nothing(value, right):
    out = gsjbu.upsample(clouded(value), DEPTH, kind="depth", iters=4, guide_mask=CLOUD).numpy()
    np.testing.assert_array_equal(out, right)


@pytest.mark.filterwarnings("ignore::gsjbu.errors.SignalWarning")
@pytest.mark.parametrize("name", MASKS)
def test_every_form_of_a_mask_is_the_same(name, right):
    out = gsjbu.upsample(clouded(1.0), DEPTH, kind="depth", iters=4, guide_mask=MASKS[name])
    np.testing.assert_array_equal(out.numpy(), right)


@pytest.mark.filterwarnings("ignore::gsjbu.errors.SignalWarning")
def test_a_masked_array_brings_its_own(right):
    hidden = np.repeat(CLOUD[..., None], 3, axis=2)
    hidden[..., 1:] = False  # one band is enough
    image = np.ma.MaskedArray(clouded(1.0), hidden)
    np.testing.assert_array_equal(gsjbu.upsample(image, DEPTH, kind="depth", iters=4).numpy(), right)


@pytest.mark.filterwarnings("ignore::gsjbu.errors.SignalWarning")
def test_far_from_the_mask_all_is_as_it_was_and_below_it_better_than_with_the_cloud(right):
    plain, cloudy = (gsjbu.upsample(image, DEPTH, kind="depth", iters=4).numpy() for image in (IMAGE, clouded(1.0)))
    truth = np.where(INSIDE, 1.0, 5.0)
    far = np.ones((H, W), bool)
    far[:54, 6:74] = False  # the mask and two windows beside it
    assert np.abs(right - plain)[far].max() < 0.05
    assert np.square(right - truth).mean() < 0.8 * np.square(cloudy - truth).mean()


@pytest.mark.filterwarnings("ignore::gsjbu.errors.SignalWarning")
def test_refine_follows_no_edge_under_a_mask():
    jagged = DEPTH.repeat(8, axis=0).repeat(8, axis=1)
    outs = [gsjbu.refine(clouded(v), jagged, kind="depth", iters=2, guide_mask=CLOUD) for v in (0.5, np.nan)]
    np.testing.assert_array_equal(*outs)
    assert "masked" in outs[0].notes[0]


def test_the_command_line_takes_a_file(tmp_path, capsys):
    Image.fromarray(np.rint(255 * IMAGE).astype(np.uint8)).save(tmp_path / "photo.png")
    Image.fromarray(CLOUD.astype(np.uint8)).save(tmp_path / "clouds.png")
    np.save(tmp_path / "depth.npy", DEPTH)
    words = [str(tmp_path / name) for name in ("photo.png", "depth.npy", "clouds.png", "out.npy")]
    asked = ["upsample", *words[:2], "--guide-mask", words[2], "-o", words[3], "--iters", "2"]
    assert cli.main(asked) == 0
    assert "are masked" in capsys.readouterr().err
    mask, image = CLOUD, tmp_path / "photo.png"
    with pytest.warns(SignalWarning):
        right = gsjbu.upsample(str(image), DEPTH, iters=2, guide_mask=mask).numpy()
    np.testing.assert_array_equal(np.load(words[3]), right)


@pytest.mark.usefixtures("quick_workers")
def test_a_batch_takes_a_folder_of_masks_at_any_resolution(tmp_path):
    """What lies under the mask changes no byte; an image without one is reported, and the rest is done."""
    for folder in ("photos", "other", "masks"):
        (tmp_path / folder).mkdir()
    for name, value in (("photos", 1.0), ("other", 0.3)):
        for key in ("a", "b"):
            Image.fromarray(np.rint(255 * clouded(value)).astype(np.uint8)).save(tmp_path / name / f"{key}.png")
            np.save(tmp_path / name / f"{key}.npy", DEPTH)
    Image.fromarray(CLOUD).save(tmp_path / "masks" / "a.png")
    for resolution in ("80", "60"):
        outs = []
        for name in ("photos", "other"):
            out = tmp_path / f"{name}{resolution}"
            asked = ["--guide-masks", str(tmp_path / "masks"), "--stretch", "percentiles", "--resolution", resolution]
            words = ["batch", str(tmp_path / name), str(out), *asked, "--iters", "2", "--workers", "1", "--quiet"]
            assert cli.main(words) == 1
            outs.append(np.load(out / "a.npy"))
            manifest = json.loads((out / "manifest.json").read_text())
            assert [item["status"] for item in manifest["items"]] == ["done", "failed"]
            assert "has no mask" in manifest["items"][1]["error"]
        assert outs[0].shape == (int(resolution) * H // W, int(resolution))
        np.testing.assert_array_equal(*outs)


@pytest.mark.parametrize(
    ("mask", "said"),
    [(np.ones((H, W)), "nothing of the image"), (CLOUD[1:], "one number a pixel"), ("none.png", "no none.png")],
)
def test_what_is_no_mask_is_refused(mask, said):
    with pytest.raises(ImageError, match=said):
        to_guide(IMAGE, guide_mask=mask)


def test_nan_outside_the_mask_is_refused_still():
    image = IMAGE.copy()
    image[0, 0] = np.nan
    with pytest.raises(ImageError, match="guide_mask"):
        to_guide(image, guide_mask=CLOUD)


def test_no_mask_is_no_note(tmp_path):
    tifffile.imwrite(tmp_path / "six.tif", RNG.random((6, H, W)).astype("f4"))
    guide = to_guide(tmp_path / "six.tif", guide_mask=np.zeros((H, W)))
    assert guide.seen is None and not guide.notes and guide.pixels.shape[0] == 6


def test_a_batch_is_refused_at_the_start_for_a_stretch_that_would_be_refused_for_every_image(tmp_path, capsys):
    (tmp_path / "photos").mkdir()
    Image.fromarray(np.rint(255 * IMAGE).astype(np.uint8)).save(tmp_path / "photos" / "a.png")
    words = ["batch", str(tmp_path / "photos"), str(tmp_path / "out"), "--stretch", "3000,0"]
    assert cli.main(words) == 2
    assert "LOW below HIGH" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
