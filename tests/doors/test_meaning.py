"""What comes out keeps its meaning, through every door: unit, class numbers, range and gaps of what went in."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from PIL import Image

import gsjbu
from gsjbu import batch, cli
from gsjbu.batch.work import BatchConfig, Worker
from gsjbu.errors import GsjbuError, SettingError, SignalError
from gsjbu.io import levels, restoring
from gsjbu.io.brought import Brought
from gsjbu.io.meaning import with_notes
from gsjbu.io.signals import understand
from tests.doors.conftest import COLS, REGION, ROWS, H, W, cells, zipped
from tests.doors.test_brought import MM, npy, picture

pytestmark = pytest.mark.usefixtures("quick_workers")
RNG = np.random.default_rng(1)
INSIDE = REGION == 2
SENSED = np.where(INSIDE[4::8, 4::8], 5.0, 0.8) + 0.001 * np.arange(ROWS)[:, None]
# Rows of 7×7 cells, counted row by row: neighbours differ by 1.
COUNTED = (np.arange(ROWS)[:, None] // 3 * 10 + np.arange(COLS) // 3 + 1).astype(np.int32)
STREET = 0.3 + 30 * (np.arange(ROWS)[::-1, None] / ROWS) ** 2 + 0.02 * np.arange(COLS)
SEEN = RNG.random((ROWS, COLS)) < 0.4


@dataclass
class Case:
    data: bytes
    ending: str
    check: Callable[[np.ndarray], None]


def lies_in(low: float, high: float, dtype: str) -> Callable[[np.ndarray], None]:
    def check(out: np.ndarray) -> None:
        assert out.shape == (H, W) and out.dtype == np.dtype(dtype)
        assert low - 1e-6 <= np.nanmin(out) and np.nanmax(out) <= high + 1e-6
        assert np.nanmean(np.abs(out.astype(float)[8:60, 8:90] - low)) < 0.5 * (high - low)

    return check


def has(codes: list[int], dtype: str) -> Callable[[np.ndarray], None]:
    def check(out: np.ndarray) -> None:
        assert out.shape == (H, W) and out.dtype == np.dtype(dtype) and set(np.unique(out)) <= set(codes)
        assert len(np.unique(out)) > len(codes) / 2

    return check


def is_the_street(out: np.ndarray) -> None:
    true = np.repeat(np.repeat(STREET, 8, 0), 8, 1)
    assert np.nanmedian(np.abs(out.astype(float) - true)) < 1.0  # metres; with 0 as a distance it is 8


CASES = {
    "millimetres, one value below 0 nowhere": Case(picture(MM), ".png", lies_in(900, 3100, "u2")),
    "samples of a sensor": Case(npy(SENSED.astype("f4")), ".npy", lies_in(0.8, 5.02, "f4")),
    "a grey mask of 0 and 255": Case(
        picture(np.where(INSIDE[4::8, 4::8], 255, 0).astype("u1")), ".png", has([0, 255], "u1")
    ),
    "a mask of 16 bits": Case(
        picture(np.where(INSIDE[4::8, 4::8], 65535, 0).astype("u2")), ".png", has([0, 65535], "u2")
    ),
    "seventy instances counted row by row": Case(npy(COUNTED), ".npy", has(np.unique(COUNTED).tolist(), "i4")),
    "class numbers with -1": Case(
        npy(np.where(INSIDE, -1, REGION)[4::8, 4::8].astype("i8")), ".npy", has([-1, 0, 1, 3], "i8")
    ),
    "a sparse laser, 0 where it saw nothing": Case(npy(np.where(SEEN, STREET, 0).astype("f4")), ".npy", is_the_street),
    "the same in 1/256 m": Case(
        picture(np.where(SEEN, 256 * STREET, 0).astype("u2")),
        ".png",
        lambda out: is_the_street(np.where(out == 0, np.nan, out / 256)),
    ),
    "1e10 where there is nothing": Case(npy(np.where(SEEN, SENSED, 1e10)), ".npy", lies_in(0.8, 5.02, "f8")),
}


@pytest.mark.parametrize("name", CASES)
def test_meaning_is_kept(name, gate, photo, tmp_path):
    signal = tmp_path / f"signal{CASES[name].ending}"
    signal.write_bytes(CASES[name].data)
    CASES[name].check(gate(photo, signal))


def test_a_guide_of_12_bits_in_16_is_followed_like_one_of_16(gate, photo, tmp_path):
    grey = np.asarray(Image.open(photo).convert("L")).astype(np.uint16)
    signal = tmp_path / "signal.npy"
    signal.write_bytes(npy(cells(np.where(INSIDE, 0.8, 5.0)).astype("f4")))
    for name, scale in (("dark.png", 16), ("full.png", 257)):
        (tmp_path / name).write_bytes(picture(grey * scale))
    dark = gate(tmp_path / "dark.png", signal)
    full = gsjbu.upsample(str(tmp_path / "full.png"), str(signal), iters=2).numpy()
    assert np.sqrt(np.mean((dark - np.where(INSIDE, 0.8, 5.0)) ** 2)) < 0.4
    assert np.sqrt(np.mean((dark - full) ** 2)) < 0.1


@pytest.fixture
def here(monkeypatch):
    """A batch in this process: another one takes seconds to start."""

    def run(items, folder, asked, workers, finished):
        for item in items:
            finished(Worker(folder, asked)(item))

    monkeypatch.setattr(batch.local, "run", run)


# ------------------------------------------------------------------- fractions as levels, told


def test_what_levels_mean_is_said_on_the_terminal_in_the_file_beside_it_and_in_json(photo, tmp_path, capsys):
    signal, out = tmp_path / "metres.npy", tmp_path / "full.png"
    signal.write_bytes(npy(SENSED))
    words = ["upsample", str(photo), str(signal), "-o", str(out), "--iters", "1", "--quiet"]
    assert cli.main(words) == 0
    assert "The value is 0.8" in capsys.readouterr().out
    assert cli.main([*words, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    beside = json.loads((tmp_path / "full.png.json").read_text())
    levels = np.asarray(Image.open(out)).astype(float)
    again = understand(out)
    assert again.kind == "depth" and "as it says itself" in again.note
    for said in (told, beside, json.loads(Image.open(out).text["gsjbu"])):
        values = said["offset"] + said["scale"] * levels
        np.testing.assert_allclose(values, again.brought.array, rtol=1e-6)
    assert SENSED.min() - 1e-6 <= values.min() and values.max() <= SENSED.max() + 1e-6


def test_a_batch_and_the_zip_say_it_too(photo, tmp_path, client, here):
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "a.png").write_bytes(photo.read_bytes())
    (folder / "a.npy").write_bytes(npy(SENSED))
    report = batch.run(str(folder), str(tmp_path / "out"), BatchConfig(form="png", iters=1), workers=1)
    (item,) = json.loads(report.manifest.read_text())["items"]
    with zipfile.ZipFile(io.BytesIO(zipped(photo, folder / "a.npy", client))) as archive:
        said = json.loads(archive.read("signal.json"))["png"]
        levels = np.asarray(Image.open(io.BytesIO(archive.read("signal_hr.png"))))
        values = np.load(io.BytesIO(archive.read("signal_hr.npy")))
    np.testing.assert_allclose(said["offset"] + said["scale"] * levels, values, atol=5 / 65535)
    levels = np.asarray(Image.open(tmp_path / "out" / "a.png"))
    values = item["offset"] + item["scale"] * levels
    assert values.min() >= 0.8 - 1e-3 and values.max() <= 5.02


# ------------------------------------------------------------------------------- classes, shares


def test_shares_of_a_folder_have_one_channel_for_each_of_its_classes(photo, tmp_path, here):
    folder, names = tmp_path / "in", ("ground", "road", "tree", "house")
    folder.mkdir()
    for name, codes in (("a", [0, 3]), ("b", [1, 3])):
        (folder / f"{name}.png").write_bytes(photo.read_bytes())
        (folder / f"{name}.npy").write_bytes(npy(np.array(codes)[INSIDE[4::8, 4::8].astype(int)]))
    asked = BatchConfig(iters=1, probabilities=True, names=names)
    report = batch.run(str(folder), str(tmp_path / "out"), asked, workers=1)
    for item, absent in zip(json.loads(report.manifest.read_text())["items"], (1, 0), strict=True):
        assert item["codes"] == [0, 1, 3] and item["names"] == ["ground", "road", "house"]
        shares = np.load(tmp_path / "out" / item["output"])
        assert list(shares.shape) == item["shape"] == [3, H, W] and shares.dtype == item["dtype"]
        np.testing.assert_allclose(shares.sum(0), 1, atol=1e-5)
        assert shares[absent].max() == 0
    again = batch.run(str(folder), str(tmp_path / "out"), asked, workers=1)
    assert (again.done, again.found) == (0, 2)


def test_shares_of_one_picture_say_their_codes_beside_them(photo, tmp_path):
    signal, out = tmp_path / "classes.npy", tmp_path / "shares.npy"
    signal.write_bytes(npy(np.array([4, 9])[INSIDE[4::8, 4::8].astype(int)]))
    words = ["upsample", str(photo), str(signal), "-o", str(out), "--iters", "1", "--quiet", "--probabilities"]
    assert cli.main(words) == 0
    again = understand(out, (H, W), max_values=1 << 24)
    assert again.kind == "probabilities" and again.codes == (4, 9) and again.names == ("class 4", "class 9")


# ----------------------------------------------------------------------------------------- films


def test_a_film_of_classes_that_come_and_go_keeps_their_numbers_and_colours(tmp_path, capsys):
    """Files named 8, 9, 10 are taken in this order; class 7 is there in the last frame only."""
    from gsjbu.io.films import Reader, Writer

    (tmp_path / "s").mkdir()
    inside = np.zeros((4, 6), bool)
    inside[1:3, 1:4] = True
    scene = np.repeat(np.repeat(inside, 8, 0), 8, 1)
    with Writer(tmp_path / "in.mp4", 10) as film:
        for name, code in (("8", 3), ("9", 0), ("10", 7)):
            film.add(np.where(scene[..., None], [200, 80, 60], [40, 90, 160]).astype(np.uint8))
            (tmp_path / "s" / f"{name}.npy").write_bytes(npy(np.where(inside, code, 0)))
    words = ["video", "in.mp4", "out.mp4", "--signal", "s", "--values", "v", "--stride", "8", "--iters", "2"]
    words = [str(tmp_path / word) if word in ("in.mp4", "out.mp4", "s", "v") else word for word in words]
    assert cli.main([*words, "--check", "0", "--quiet"]) == 0
    shown = [set(np.unique(np.load(tmp_path / "v" / f"{number:06d}.npy"))) for number in range(3)]
    assert shown == [{0, 3}, {0}, {0, 7}]
    with Reader(tmp_path / "out.mp4") as film:
        corners = [frame[:, 1, 1] for frame in film]
    assert max(float((corner - corners[0]).abs().max()) for corner in corners) < 0.05


def test_minus_infinity_rules_a_class_out_and_is_no_gap() -> None:
    draw = np.random.default_rng(0)
    image, logits = draw.random((48, 64, 3), np.float32), 3 * draw.standard_normal((4, 6, 8)).astype("f4")
    out = logits.copy()
    out[3] = -np.inf  # everywhere
    out[0, :3] = -np.inf  # and one more class in half of the image
    least = np.where(np.isneginf(out), np.finfo(np.float32).min, out)
    got = gsjbu.upsample(image, out, kind="logits", iters=1)
    assert torch.equal(got, gsjbu.upsample(image, least, kind="logits", iters=1))
    assert bool(torch.isfinite(got).all()) and float(got[3].max()) <= 1e-5
    out[:, 0, 0] = -np.inf  # no class is left: a gap
    assert not understand(out, kind="logits").mask[0, 0]
    with pytest.raises(SignalError, match="no value at all"):
        understand(np.full((3, 4, 4), -np.inf, np.float32), kind="logits")


def test_minus_infinity_beside_logits_tells_them() -> None:
    """Without a word on their kind; of a quantity it is a gap."""
    classes = np.repeat(np.repeat(np.arange(12).reshape(3, 4) % 5, 5, 0), 5, 1)
    logits = (6.0 * (classes == np.arange(5)[:, None, None]) - 2).astype("f4")
    logits[4, :, :10] = -np.inf
    found = understand(logits)
    assert found.kind == "logits" and bool(found.mask.all()) and not found.doubts
    assert torch.equal(found.values, understand(logits, kind="logits").values)
    with np.errstate(divide="ignore"):
        sure = np.log((classes == np.arange(5)[:, None, None]).astype("f4"))
    assert understand(sure).kind == "logits" and bool(understand(sure).mask.all())
    vectors = np.stack([np.linspace(-3, 2, 300).reshape(15, 20)] * 2).astype("f4")
    vectors[1, 3] = -np.inf
    found = understand(vectors)
    assert found.kind == "features" and not found.mask[3].any()
    nowhere = np.stack([np.full((4, 4), v, np.float32) for v in (-np.inf, 1, np.nan)])
    with pytest.raises(SignalError, match="no value in any cell"):
        understand(nowhere)


@pytest.mark.parametrize("name", ["stride", "lr_size", "mask"])
def test_upsample_refuses_what_the_signal_says_itself(name) -> None:
    with pytest.raises(SettingError, match=f"upsample takes no {name}"):
        gsjbu.upsample(np.zeros((32, 48, 3), np.uint8), np.ones((2, 4, 6), np.float32), **{name: (4, 6)})


@pytest.mark.parametrize(
    ("codes", "told"),
    [([2**63 + 5, 3], True), ([7, -3], True), ([1e299, 3], False), ([-1, 2**63 + 5], False), ([1, 2.5], False)],
)
def test_class_numbers_of_a_file_are_those_that_integers_hold(codes: list[float], told: bool) -> None:
    shares = np.random.default_rng(0).random((2, 6, 8), dtype=np.float32)
    notes = {"kind": "probabilities", "codes": codes, "names": ["a", "b"]}
    signal = understand(with_notes(Brought(shares / shares.sum(axis=0)), notes))
    assert signal.codes == (tuple(codes) if told else ())
    kernel = gsjbu.fit(np.zeros((24, 32, 3), np.uint8), lr_size=(6, 8), iters=0)
    best = restoring.class_map(signal, kernel, torch.zeros(24, 32, dtype=torch.int64))
    assert int(best[0, 0]) == (codes[0] if told else 0)
    if told:
        with pytest.raises(GsjbuError, match="class numbers run from"):
            levels.png(signal, restoring.restored(signal, kernel))
