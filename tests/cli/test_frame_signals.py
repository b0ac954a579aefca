"""A film's own signals: each frame as `gsjbu upsample` has it, and what is told of it."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import pytest

import gsjbu
from gsjbu import cli, samples, video
from gsjbu.cli import frame_signals
from gsjbu.core.grid import Grid
from gsjbu.errors import GsjbuError
from gsjbu.io.films import Reader, Writer
from gsjbu.io.pictures import to_uint8

STRIDE, FRAMES = 8, 2


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """film.mkv; depth/, the mean over each cell, of numbers beyond float16's range; their truths."""
    folder = tmp_path_factory.mktemp("film")
    (folder / "depth").mkdir()
    (folder / "truth").mkdir()
    with Writer(folder / "film.mkv", rate=10) as out:
        for number in range(FRAMES):
            scene = samples.frame("spheres", 0.02 * number)
            image, depth = scene.image[:, :256, :256], 1e5 * scene.depth.numpy().squeeze()[:256, :256]
            out.add(to_uint8(image))
            low = depth.reshape(32, STRIDE, 32, STRIDE).mean(axis=(1, 3))
            np.save(folder / "depth" / f"{number}.npy", low.astype("f4"))
            np.save(folder / "truth" / f"{number}.npy", depth)
    return folder


def run(capsys: pytest.CaptureFixture[str], film: Path, *words: object) -> tuple[int, str, str]:
    asked = ["video", film / "film.mkv", film / "out.mkv", "--stride", STRIDE, "--quiet", *words]
    status = cli.main([str(word) for word in asked])
    said = capsys.readouterr()
    return status, said.out, said.err


def test_what_a_system_leaves_beside_signals_is_none(film: Path) -> None:
    (film / "depth" / "._0.npy").write_bytes(b"of a system")
    assert [path.name for path in frame_signals._files(film / "depth")] == ["0.npy", "1.npy"]


def test_what_stands_in_for_a_backbone_that_was_named_is_said_once(
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = ["video", "a.mkv", "b.mkv", "--signal", "features", "--backbone", "timm:nonsense"]
    source = frame_signals.FrameSignals(cli.parser().parse_args(words), FRAMES)
    kernel = gsjbu.fit(np.zeros((32, 32, 3)), stride=STRIDE, iters=0)
    for _ in range(FRAMES):
        source.colours(source._of(kernel))
    assert capsys.readouterr().err.count("Shown instead: ") == 1


def test_a_signal_of_ones_own_is_upsampled_as_suits_it(film: Path, capsys: pytest.CaptureFixture[str]) -> None:
    own = "--signal", film / "depth"
    status, out, _ = run(capsys, film, *own, "--values", film / "suited", "--json")
    facts = json.loads(out)
    assert (status, facts["signal"], facts["objective"]) == (0, "depth", "auto")
    assert "psnr" not in facts and "check" not in facts, "no fit gave the picture back"
    assert run(capsys, film, *own, "--values", film / "rgb", "--objective", "rgb")[0] == 0
    off: dict[str, float] = {}
    for kind in ("suited", "rgb"):
        got, truth = np.load(film / kind / "000001.npy"), np.load(film / "truth" / "1.npy")
        assert got.dtype == np.float32
        off[kind] = float(np.sqrt(np.mean(np.square(got.squeeze() - truth))))
    assert off["suited"] < 0.75 * off["rgb"]
    with Reader(film / "film.mkv") as frames:
        guide = video.as_it_is(next(iter(frames)))
    alone = gsjbu.upsample(guide, np.load(film / "depth" / "0.npy"), kind="depth")
    assert np.load(film / "suited" / "000000.npy").squeeze() == pytest.approx(alone.numpy(), rel=1e-5)


def test_the_kind_and_the_objective_are_told(film: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = run(capsys, film, "--signal", film / "depth", "--iters", 1, "--frames", 1)
    assert status == 0 and "Each frame: objective auto. " in out and ": depth on 32 rows × 32 columns" in out
    assert "dB" not in out


def test_float16_that_loses_the_values_is_refused_only_if_asked_for(
    film: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = "--signal", film / "depth", "--iters", 1, "--frames", 1, "--values", film / "half"
    assert run(capsys, film, *words)[0] == 0
    status, _, err = run(capsys, film, *words, "--float16")
    assert status == 2 and "float16" in err


def test_the_picture_itself_is_given_back_by_rgb_only(film: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, _, err = run(capsys, film, "--objective", "auto")
    assert status == 2 and "--objective auto is for a signal of one's own" in err


def test_classes_of_many_frames_have_their_colours_though_they_share_channels(
    film: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (film / "ids").mkdir()
    for frame in range(2):
        np.save(
            film / "ids" / f"{frame}.npy",
            np.arange(16 * 16).reshape(16, 16).repeat(2, 0).repeat(2, 1) + 50 * frame,
        )
    shown = []
    for own in (256, 1000):
        monkeypatch.setattr("gsjbu.io.signals.OWN_CHANNEL", own)
        words = (
            "--signal",
            film / "ids",
            "--kind",
            "labels",
            "--iters",
            1,
            "--frames",
            2,
            "--values",
            film / str(own),
        )
        assert run(capsys, film, *words)[0] == 0
        with Reader(film / "out.mkv") as frames:
            shown.append(np.stack(list(frames)))
    for name in ("000000.npy", "000001.npy"):
        assert np.array_equal(np.load(film / "256" / name), np.load(film / "1000" / name))
    assert np.abs(shown[0].astype(float) - shown[1]).mean() < 20


def signals(folder: Path, frames: list[np.ndarray], **words: object) -> frame_signals.FrameSignals:
    """Of a film whose signals are ``frames`` [h, w]."""
    folder.mkdir(exist_ok=True)
    for number, frame in enumerate(frames):
        np.save(folder / f"{number}.npy", frame)
    asked = {
        "kind": "auto",
        "invalid": "auto",
        "layout": "auto",
        "fill": False,
        "names": None,
        "frames": None,
    }
    told = {"signal": str(folder), "objective": "suited", "stride": 8, "quiet": False}
    return frame_signals.FrameSignals(argparse.Namespace(**asked | told | words), len(frames))


Y, X = np.mgrid[:12, :16] / 16
DISC = 1 / (1 + np.exp(40 * (np.hypot(Y - 0.4, X - 0.5) - 0.25)))


@pytest.mark.parametrize(
    ("frame", "flat", "kind", "shown"),
    [
        (DISC.astype("f4"), 0, "probabilities", (0, 0)),  # an empty mask is black
        ((5 + 3 * X * Y).astype("f4"), 5, "depth", (0, 0)),
        ((12 * (X + Y)).round().astype("u1") * 9 + 20, 110, "depth", (0.5, 0.5)),
    ],
)
def test_a_flat_frame_is_what_the_others_are(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], frame: np.ndarray, flat: float, kind: str,
    shown: tuple[float, float],
) -> None:  # fmt: skip
    source = signals(tmp_path / "in", [np.full_like(frame, flat), frame, frame])
    assert source.range == pytest.approx((float(frame.min()), float(frame.max())), abs=1e-3)
    first = source._brought(Grid.from_sizes(96, 128, 12, 16))
    assert first.kind == source.kind == kind and capsys.readouterr().err == ""
    colours = source.colours(first)
    assert shown[0] - 1e-3 <= float(colours.min()) <= float(colours.max()) <= shown[1] + 1e-3


def test_a_frame_that_alone_would_be_something_else_is_named_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    quantity, heat = (5 * Y + X).astype("f4"), np.exp(-9 * (X - 0.5) ** 2 - 9 * (Y - 0.3) ** 2).astype("f4")
    source = signals(tmp_path / "in", [quantity, heat, quantity])
    assert "taken for depth, as most are; alone would be: 1.npy heat map." in capsys.readouterr().err
    grid = Grid.from_sizes(96, 128, 12, 16)
    assert {source._brought(grid).kind for _ in range(3)} == {"depth"}


@pytest.mark.parametrize("other", [(np.hypot(X, Y) < 0.5).astype("i8"), np.stack([X, Y, X + Y]).astype("f4")])
def test_frames_of_another_kind_are_refused_by_name(tmp_path: Path, other: np.ndarray) -> None:
    with pytest.raises(GsjbuError, match=r"0\.npy is depth \(1 channel, fractions\), 1\.npy is"):
        signals(tmp_path / "in", [5 * Y + X, other, 5 * Y + X])


def test_a_file_that_cannot_be_taken_is_named(tmp_path: Path) -> None:
    with pytest.raises(GsjbuError, match=r"^1\.npy: The signal holds no value"):
        signals(tmp_path / "in", [5 * Y + X, np.full((12, 16), np.nan)])


def test_values_of_a_longer_film_do_not_stay_beside_those_of_a_shorter_one(
    film: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = film / "longer"
    words = "--signal", film / "depth", "--iters", 1, "--values", kept
    assert run(capsys, film, *words)[0] == 0
    before = (kept / "000000.npy").read_bytes()
    status, _, said = run(capsys, film, *words, "--frames", 1, "--kind", "features")
    assert status == 2 and "longer holds 1 frame beyond the 1 of this film, from 000001.npy on" in said
    assert (kept / "000000.npy").read_bytes() == before
    assert run(capsys, film, *words)[0] == 0  # as many as before take their places


def test_values_of_a_longer_film_are_told_where_it_is_not_known_how_long_this_is(
    film: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = film / "unknown"
    kept.mkdir()
    np.save(kept / "000002.npy", np.zeros(3))
    monkeypatch.setattr("gsjbu.cli.video._check_values", lambda args, frames: None)
    status, out, _ = run(capsys, film, "--signal", film / "depth", "--iters", 1, "--values", kept, "--json")
    assert status == 0 and "1 frame beyond the 2 of this film" in json.loads(out)["notes"][-1]
