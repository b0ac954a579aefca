"""A film's own signals: each frame as `gsjbu upsample` has it, and what is told of it."""

from __future__ import annotations

import argparse
import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import gsjbu
from gsjbu import cli, samples, video
from gsjbu.cli import frame_signals, series
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
    assert [path.name for path in series.files(film / "depth")] == ["0.npy", "1.npy"]


def test_what_stands_in_for_a_backbone_that_was_named_is_said_once(capsys: pytest.CaptureFixture[str]) -> None:
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
            film / "ids" / f"{frame}.npy", np.arange(16 * 16).reshape(16, 16).repeat(2, 0).repeat(2, 1) + 50 * frame
        )
    shown = []
    for own in (256, 1000):
        monkeypatch.setattr("gsjbu.io.signals.OWN_CHANNEL", own)
        words = ("--signal", film / "ids", "--kind", "labels", "--iters", 1, "--frames", 2, "--values", film / str(own))
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
    asked = {"kind": "auto", "invalid": "auto", "layout": "auto", "fill": False, "names": None, "entry": None}
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
    first = source._brought((96, 128))
    assert first.kind == source.kind == kind and capsys.readouterr().err == ""
    colours = source.colours(first)
    assert shown[0] - 1e-3 <= float(colours.min()) <= float(colours.max()) <= shown[1] + 1e-3


def test_a_frame_that_alone_would_be_something_else_is_named_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    quantity, heat = (5 * Y + X).astype("f4"), np.exp(-9 * (X - 0.5) ** 2 - 9 * (Y - 0.3) ** 2).astype("f4")
    source = signals(tmp_path / "in", [quantity, heat, quantity])
    assert "taken for depth, as most are; alone would be: 1.npy heat map." in capsys.readouterr().err
    assert {source._brought((96, 128)).kind for _ in range(3)} == {"depth"}


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


def a_film(path: Path, shape: tuple[int, int], count: int = 2) -> list[np.ndarray]:
    """A film of pictures of ``shape`` (height, width); its frames as they are read."""
    with Writer(path, rate=10) as out:
        for number in range(count):
            image = samples.frame("spheres", 0.02 * number).image[:, : shape[0], : shape[1]]
            out.add(to_uint8(image))
    with Reader(path) as film:
        return [frame.numpy() for frame in film]


def depths(folder: Path, grid: tuple[int, int], names: list[str]) -> Path:
    """A folder of smooth depths on ``grid``, each of its own level."""
    folder.mkdir()
    rows, cols = np.mgrid[: grid[0], : grid[1]]
    for number, name in enumerate(names):
        np.save(folder / f"{name}.npy", (5 + number + rows / grid[0] + cols / grid[1]).astype("f4"))
    return folder


def told(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str]:
    status = cli.main(["video", *map(str, words)])
    said = capsys.readouterr()
    return status, said.out + said.err


FAST = "--iters", 1, "--check", 0


@pytest.mark.filterwarnings("ignore::gsjbu.errors.SignalWarning")
@pytest.mark.parametrize("grid", [(12, 16), (37, 49), (9, 13), (20, 20), (90, 120)])
def test_signals_of_any_grid_lie_over_the_whole_frame_as_those_of_upsample(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], grid: tuple[int, int]
) -> None:
    """90 rows are no multiple of 8, and 37 × 49 none of any stride."""
    (frame,) = a_film(tmp_path / "a.mkv", (90, 120), 1)
    own = depths(tmp_path / "own", grid, ["0"])
    words = tmp_path / "a.mkv", tmp_path / "b.mkv", "--signal", own, "--values", tmp_path / "v", *FAST
    assert told(capsys, *words)[0] == 0
    guide = video.as_it_is(torch.from_numpy(frame))
    right = gsjbu.upsample(guide, own / "0.npy", iters=1)
    assert np.array_equal(np.load(tmp_path / "v" / "000000.npy"), right.numpy())


def test_the_library_takes_the_grid_of_signals_as_the_command_does(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    frames = a_film(tmp_path / "a.mkv", (90, 120), 3)
    own = depths(tmp_path / "own", (37, 49), ["0", "1", "2"])
    words = "--signal", own, "--objective", "rgb", "--values", tmp_path / "v"
    assert told(capsys, tmp_path / "a.mkv", tmp_path / "b.mkv", *words, *FAST)[0] == 0
    kernels = video.kernels(map(torch.from_numpy, frames), first_iters=1, lr_size=(37, 49))
    for number, kernel in enumerate(kernels):
        right = kernel.render(torch.from_numpy(np.load(own / f"{number}.npy"))[None], clip=True)[0]
        np.testing.assert_allclose(np.load(tmp_path / "v" / f"{number:06d}.npy"), right.numpy(), rtol=1e-5)


def test_a_stride_that_is_given_lays_signals_on_its_cells_as_upsample_does_or_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (frame,) = a_film(tmp_path / "a.mkv", (90, 160), 1)
    Image.fromarray(to_uint8(torch.from_numpy(frame))).save(tmp_path / "a.png")
    own = depths(tmp_path / "own", (12, 20), ["0"])
    words = tmp_path / "a.mkv", tmp_path / "b.mkv", "--signal", own, *FAST
    status, said = told(capsys, *words, "--stride", 16)
    assert status == 2 and "At stride 16 an image of 90 rows × 160 columns has a grid of 6 rows × 10 columns" in said
    assert not (tmp_path / "b.mkv").exists()
    for stride in ((), ("--stride", 8)):
        assert told(capsys, *words, "--values", tmp_path / "v", *stride)[0] == 0
        right = tmp_path / "right.npy"
        alone = ["upsample", tmp_path / "a.png", own / "0.npy", "-o", right, "--iters", 1, *stride]
        assert cli.main([str(word) for word in alone]) == 0
        np.testing.assert_allclose(np.load(tmp_path / "v" / "000000.npy"), np.load(right), atol=1e-6)


def test_where_fits_give_the_picture_back_all_signals_have_one_grid(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    a_film(tmp_path / "a.mkv", (90, 120))
    own = depths(tmp_path / "own", (12, 16), ["0"])
    np.save(own / "1.npy", np.load(own / "0.npy")[:9, :12])
    words = tmp_path / "a.mkv", tmp_path / "b.mkv", "--signal", own, *FAST
    assert told(capsys, *words)[0] == 0  # each is fitted alone
    status, said = told(capsys, tmp_path / "a.mkv", tmp_path / "c.mkv", *words[2:], "--objective", "rgb")
    assert status == 2 and "1.npy is 9 rows × 12 columns, and the film's first signal is 12 rows × 16" in said


@pytest.mark.parametrize("ending", ["mkv", "mp4"])
def test_frames_are_counted_as_they_are_decoded(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], ending: str
) -> None:
    """Matroska's header has no count."""
    film = tmp_path / f"a.{ending}"
    a_film(film, (48, 64), 4)
    own = depths(tmp_path / "own", (6, 8), [str(number) for number in range(6)])
    words = film, tmp_path / "b.mkv", "--signal", own, *FAST
    status, said = told(capsys, *words)
    assert status == 0 and "has 6 signals and 4 are used; 4.npy and what follows is left" in said
    assert cli.main(["video", *map(str, words), "--json", "--quiet"]) == 0
    assert "4.npy and what follows is left" in json.loads(capsys.readouterr().out)["notes"][0]
    for name in ("3", "4", "5"):
        (own / f"{name}.npy").unlink()
    (tmp_path / "b.mkv").unlink()
    status, said = told(capsys, *words)
    assert status == 2 and "fewer signals than the film has frames: 3 and 4; --frames 3 takes" in said
    assert not (tmp_path / "b.mkv").exists()
    assert told(capsys, *words, "--frames", 3)[0] == 0


def test_of_a_film_that_was_cut_by_its_edit_list_the_frames_that_are_shown_count(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import av

    a_film(tmp_path / "long.mp4", (48, 64), 6)
    away = {"avoid_negative_ts": "disabled", "use_editlist": "1"}
    with av.open(str(tmp_path / "long.mp4")) as source, av.open(str(tmp_path / "a.mp4"), "w", options=away) as out:
        stream = out.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(source.streams.video[0]):
            if packet.dts is not None:
                before = round(0.2 / packet.time_base)
                packet.pts, packet.dts, packet.stream = packet.pts - before, packet.dts - before, stream
                out.mux(packet)
    with Reader(tmp_path / "a.mp4") as film:
        shown = len(list(film))
        assert (film.count, shown, film.decoded(), film.decoded(2)) == (6, 4, 4, 2)
    own = depths(tmp_path / "own", (6, 8), [str(number) for number in range(shown)])
    kept = tmp_path / "v"
    words = tmp_path / "a.mp4", tmp_path / "b.mkv", "--signal", own, *FAST, "--values", kept
    assert told(capsys, *words)[0] == 0
    np.save(kept / "000005.npy", np.zeros(3))  # within the header's count
    status, said = told(capsys, *words)
    assert status == 2 and "v holds 1 frame beyond the 4 of this film" in said


def test_one_of_several_arrays_is_named_for_all_files_of_a_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    a_film(tmp_path / "a.mkv", (48, 64))
    own = depths(tmp_path / "own", (6, 8), ["0", "1"])
    (tmp_path / "both").mkdir()
    for path in own.iterdir():
        depth = np.load(path)
        np.savez(tmp_path / "both" / f"{path.stem}.npz", depth=depth, sure=np.ones_like(depth))
    words = tmp_path / "a.mkv", tmp_path / "b.mkv", *FAST
    status, said = told(capsys, *words, "--signal", tmp_path / "both")
    assert status == 2 and "0.npz: The .npz holds 2 arrays (depth, sure)" in said
    assert said.rstrip().endswith("--entry names that of every file.")
    for name, more in (("alone", (own,)), ("both", (tmp_path / "both", "--entry", "depth"))):
        assert told(capsys, *words, "--signal", *more, "--values", tmp_path / f"v_{name}")[0] == 0
    kept = [np.load(tmp_path / name / "000001.npy") for name in ("v_alone", "v_both")]
    assert np.array_equal(*kept)
    status, said = told(capsys, *words, "--entry", "depth")
    assert status == 2 and "--entry has no part where the signal is rgb" in said


@pytest.mark.parametrize(
    ("quarters", "why"), [(3, "shown turned by 90° clockwise"), (0, "it is transposed"), (2, "it is transposed")]
)
def test_a_signal_that_lies_on_its_side_is_said_to_without_exif(tmp_path: Path, quarters: int, why: str) -> None:
    source = signals(tmp_path / "in", [5 * Y + X])  # 12 × 16
    source._film = argparse.Namespace(quarters=quarters)
    with pytest.raises(GsjbuError, match="it would fit turned by 90°") as refusal:
        source._brought((128, 96))
    assert why in str(refusal.value) and not re.search("EXIF|layout", str(refusal.value))
    if quarters == 3:
        turned = np.rot90(5 * Y + X, 3, (-2, -1))
        assert "np.rot90(signal, 3, (-2, -1))" in str(refusal.value)
        assert signals(tmp_path / "out", [turned])._brought((128, 96)).shape == (1, 16, 12)


def test_of_a_turned_film_it_is_said_which_way_signals_lie(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = signals(tmp_path / "in", [5 * Y + X, 5 * Y + X])
    source._film = argparse.Namespace(quarters=2)
    for _ in range(2):
        source._brought((96, 128))
    assert capsys.readouterr().err.count("The film is shown turned by 180°") == 1
