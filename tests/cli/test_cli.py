"""The command line: what it writes, what it says, how it leaves."""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import time
import warnings

import numpy as np
import psutil
import pytest
import torch

import gsjbu
from gsjbu import cli
from gsjbu.errors import SignalWarning
from gsjbu.io.pictures import decode, png_bytes
from gsjbu.io.signals import understand
from gsjbu.settings import SETTINGS
from tests import zygote

pytestmark = pytest.mark.usefixtures("quick_workers")


@pytest.fixture
def files(tmp_path):
    """photo.png 64×48, features.npy [5, 6, 8], depth.npy [6, 8], words.txt."""
    y, x = np.mgrid[0:48, 0:64]
    picture = np.stack([x * 4, y * 5, (x // 20 + y // 20) % 2 * 200], axis=2).astype(np.uint8)
    (tmp_path / "photo.png").write_bytes(png_bytes(picture))
    random = np.random.default_rng(0)
    np.save(tmp_path / "features.npy", random.standard_normal((5, 6, 8), dtype=np.float32))
    np.save(tmp_path / "depth.npy", random.random((6, 8), dtype=np.float32))
    (tmp_path / "words.txt").write_text("no picture")
    return tmp_path


def run(capsys, *words) -> tuple[int, str, str]:
    """Exit status, standard output, standard error."""
    try:
        status = cli.main([str(word) for word in words])
    except SystemExit as leaving:
        status = leaving.code
    said = capsys.readouterr()
    return status, said.out, said.err


def test_what_is_written_again_says_nothing_of_what_was_there(files, capsys):
    np.save(files / "metres.npy", 100 + 9 * np.load(files / "depth.npy"))
    photo, out, said = files / "photo.png", files / "h.npy", files / "h.npy.json"

    def write(verb, *words):
        assert run(capsys, verb, photo, *words, "-o", out, "--iters", 1, "--quiet")[0] == 0

    write("upsample", files / "depth.npy", "--kind", "depth")  # between 0 and 1, as heat maps are
    assert json.loads(said.read_text())["kind"] == "depth"
    write("upsample", files / "metres.npy")
    assert not said.exists()
    write("upsample", files / "depth.npy", "--kind", "depth")
    np.save(files / "large.npy", np.load(files / "metres.npy").repeat(8, axis=0).repeat(8, axis=1))
    write("refine", files / "large.npy")
    assert not said.exists()


def test_upsample_writes_what_the_library_gives(files, capsys):
    status, out, _ = run(
        capsys, "upsample", files / "photo.png", files / "features.npy", "-o", files / "full.npy",
        "--iters", 4, "--objective", "rgb", "--json",
    )  # fmt: skip
    facts = json.loads(out)
    assert status == 0
    assert (facts["shape"], facts["dtype"], len(facts["losses"])) == ([5, 48, 64], "float32", 4)
    image, values = (decode((files / "photo.png").read_bytes()), torch.from_numpy(np.load(files / "features.npy")))
    expected = gsjbu.upsample(image, values, objective="rgb", iters=4)
    np.testing.assert_array_equal(np.load(files / "full.npy"), expected.numpy())


@pytest.mark.parametrize("name", ["full.npy", "full.safetensors", "full.zarr"])
def test_upsample_float16(files, capsys, name):
    words = ("upsample", files / "photo.png", files / "features.npy", "-o", files / name, "--iters", 1, "--float16")
    status, out, _ = run(capsys, *words, "--objective", "rgb")
    assert status == 0
    assert out.startswith(f"{files / name}: 5×48×64, fit ")
    assert (files / name).exists()


def test_upsample_to_a_picture_and_keep_the_kernel(files, capsys):
    words = ("upsample", files / "photo.png", files / "depth.npy", "-o", files / "depth.png")
    status, _, _ = run(capsys, *words, "--objective", "signal", "--iters", 5, "--kernel", files / "k.safetensors")
    assert status == 0
    assert decode((files / "depth.png").read_bytes()).shape == (3, 48, 64)
    assert gsjbu.load(files / "k.safetensors").sigma_x.shape == (6, 8)


def test_a_kept_kernel_renders_another_signal_as_the_library_does(files, capsys):
    kept = files / "k.safetensors"
    words = ("upsample", files / "photo.png", files / "features.npy", "-o", files / "f.npy")
    assert run(capsys, *words, "--iters", 2, "--objective", "rgb", "--kernel", kept)[0] == 0
    again = ("render", kept, files / "features.npy", "-o", files / "again.npy", "--json")
    status, out, _ = run(capsys, *again)
    assert (status, json.loads(out)["signal"], list(json.loads(out)["seconds"])) == (0, "features", ["render"])
    np.testing.assert_array_equal(np.load(files / "again.npy"), np.load(files / "f.npy"))
    np.save(files / "classes.npy", np.add.outer(np.arange(6) // 3 * 2, np.arange(8) // 4).astype(np.uint8))
    assert run(capsys, "render", kept, files / "classes.npy", "-o", files / "classes.png")[0] == 0
    fitted = gsjbu.upsample(files / "photo.png", files / "classes.npy", iters=2, objective="rgb")
    np.testing.assert_array_equal(understand(files / "classes.png", (48, 64)).values.argmax(0), fitted)
    np.save(files / "finer.npy", np.random.default_rng(0).random((12, 16), np.float32))
    status, _, err = run(capsys, "render", kept, files / "finer.npy", "-o", files / "no.npy")
    assert (status, "must be [C, 6, 8]" in err, (files / "no.npy").exists()) == (2, True, False)
    assert run(capsys, "render", files / "photo.png", files / "depth.npy", "-o", files / "no.npy")[0] == 2
    assert run(capsys, "render", kept, files / "depth.npy", "-o", kept)[0] == 2


def test_upsample_at_a_stride_that_fits(files, capsys):
    words = ("upsample", files / "photo.png", files / "features.npy", "-o", files / "f.npy", "--iters", 0)
    assert run(capsys, *words, "--stride", 8, "--objective", "rgb")[0] == 0
    status, _, err = run(capsys, *words, "--stride", 16)
    assert status == 2
    assert "grid of 3 rows × 4 columns" in err
    depth = ("--signal", files / "depth.npy", "--features", "off", "--iters", 0, "--quiet")
    assert run(capsys, "compare", files / "photo.png", files / "report", *depth, "--stride", 8)[0] == 0
    status, _, err = run(capsys, "compare", files / "photo.png", files / "other", *depth, "--stride", 16)
    assert (status, "grid of 3 rows × 4 columns" in err, (files / "other").exists()) == (2, True, False)
    truth = ("--truth", files / "truth.npy", "--iters", 0, "--quiet")
    np.save(files / "truth.npy", np.random.default_rng(1).random((48, 64), dtype=np.float32))
    words = ("evaluate", files / "photo.png", files / "depth.npy", *truth, "--stride")
    assert run(capsys, *words, 8)[0] == 0
    assert run(capsys, *words, 16)[0] == 2


LONG = 300 * "x"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["upsample", "none.png", "depth.npy", "-o", "x.npy"], "There is no none.png."),
        (["upsample", "words.txt", "depth.npy", "-o", "x.npy"], "not a JPEG, PNG, WebP or AVIF"),
        (["upsample", "photo.png", "photo.png", "-o", "x.gif"], "x.gif ends in .gif; use one of .npy"),
        (["upsample", "photo.png", "features.npy", "-o", "x.png"], "the signal has 5; write .npy instead"),
        (["upsample", "photo.png", "features.npy", "-o", "x.npy", "--iters", "2000"], "whole number from 0 to 1000"),
        (["upsample", "photo.png", "features.npy", "-o", "x.npy", "--radius", "x"], "whole number from 1 to 8"),
        (["upsample", "photo.png", "features.npy", "-o", "x.npy", "--nonsense"], "unrecognized arguments"),
        (["compare", "scene:nowhere", "out"], "the built-in scenes are"),
        (["batch", "nowhere", "out"], "There is no nowhere"),
        (["batch", "https://x.org/photos", "out"], "https://x.org/photos is no path: addresses are not fetched"),
        (["video", "http://x.org/a.mp4", "out.mp4"], "http://x.org/a.mp4 is no path"),
        (["upsample", "http://x.org/a.png", "depth.npy", "-o", "x.npy"], "http://x.org/a.png is no path"),
        (["upsample", "photo.png", "http://x.org/a.npy", "-o", "x.npy"], "http://x.org/a.npy is no path"),
        (["upsample", "photo.png", "depth.npy:x", "-o", "depth.npy"], "would take the place of an input"),
        (["compare", "https://x.org/a.png", "out"], "https://x.org/a.png is no path"),
        (["video", "nowhere.mp4", "out.mp4"], "There is no nowhere.mp4"),
        (["batch", "in", "out", "--workers", "0"], "'0' must be a whole number of at least 1"),
        (["video", "in.mp4", "out.mp4", "--frames", "-1"], "'-1' must be a whole number of at least 1"),
        (["bench", "--size", "big"], "'big' must be a whole number of at least 1"),
        (["serve", "--port", "99999"], "'99999' must be a whole number from 0 to 65535"),
        (["upsample", ".", "depth.npy", "-o", "x.npy"], ". is a folder; a file is needed."),
        (["upsample", "photo.png", "depth.npy", "-o", "z.npy", "--kernel", "./z.npy"], "place of another result"),
        (["upsample", "photo.png", "depth.npy", "-o", "z.npy", "--kernel", "k.npy"], "k.npy ends in .npy"),
        (["upsample", "photo.png", "depth.npy", "-o", "z.npy", "--kernel", "."], ". is a folder"),
        (["upsample", "photo.png", "depth.npy", "-o", "."], ". is a folder"),
        (["upsample", "photo.png", "depth.npy", "-o", "folder.png"], "folder.png is a folder"),
        (["upsample", "photo.png", "depth.npy", "-o", "file.zarr"], "file.zarr is a file, and the result is a"),
        (["refine", "photo.png", "depth.npy", "-o", "folder.png"], "folder.png is a folder"),
        (["raster", "photo.png", "depth.npy", "-o", "folder.png"], "folder.png is a folder"),
        (["export", "-o", "folder.png"], "folder.png is a folder"),
        (["export", "-o", "x.png"], "x.png ends in .png; the graph is a .onnx file."),
        (["export", "-o", "x"], "x ends in nothing; the graph is a .onnx file."),
        (["video", "photo.png", "folder.mp4"], "folder.mp4 is a folder"),
        (["video", "photo.png", "."], ". is a folder"),
        (["video", "photo.png", "x.mp4", "--values", "words.txt"], "words.txt is a file, and the results need a"),
        (["video", "photo.png", "x.mp4", "--signal", "folder.png", "--values", "folder.png"], "of the signals"),
        (["compare", "photo.png", "words.txt"], "words.txt is a file, and the results need a folder"),
        (["evaluate", "photo.png", "--truth", "depth.npy", "-o", "words.txt"], "words.txt is a file"),
        (["batch", "photo.png", "words.txt"], "words.txt is a file, and the results need a folder"),
        (["batch", "photo.png", "out", "--signals", "nope"], "There is no folder nope of signals"),
        (["batch", "photo.png", "out", "--guide-masks", "nope"], "There is no folder nope; the masks"),
        (["upsample", LONG, "depth.npy", "-o", "x.npy"], f"{LONG} cannot be read: File name too long."),
        (["upsample", "photo.png", LONG, "-o", "x.npy"], f"{LONG} cannot be read: File name too long."),
        (["evaluate", "photo.png", "--truth", LONG], f"{LONG} cannot be read: File name too long."),
        (["batch", LONG, "out"], f"There is no {LONG}"),
        (["upsample", "photo.png", "depth.npy", "-o", "x.png", "--float16"], "x.png is a picture, which is not"),
        (["refine", "photo.png", "depth.npy", "-o", "x.tif", "--float16"], "x.tif is a picture, which is not"),
        (["video", "photo.png", "x.mp4", "--float16"], "--float16 is that of --values"),
        (["batch", "photo.png", "out", "--to", "png", "--float16"], "float16 has no part in results of the form png"),
        (["batch", "photo.png", "out", "--kind", "nonsense"], "There is no kind of signal 'nonsense'"),
        (["batch", "photo.png", "out", "--invalid", "x"], "invalid is 'x'"),
        (["batch", "photo.png", "out", "--kind", "depth", "--probabilities"], "probabilities is of classes"),
        (["batch", "photo.png", "out", "--to", "png", "--probabilities"], "not the share of each class"),
        (["batch", "photo.png", "out", "--signals", "backbone", "--fill"], "--fill has no part where the backbone"),
        (["evaluate", "scene:spheres", "--truth", "scene:depth", "--kind", "labels"], "scene:depth is depth"),
        (["evaluate", "photo.png", "--truth", "depth.npy", "--invalid", "0"], "--invalid has no part where"),
        (["evaluate", "photo.png", "--truth", "depth.npy", "--layout", "banana"], "layout is 'banana'"),
        (["compare", "photo.png", "out", "--kind", "depth"], "--kind has no part where there is no --signal"),
        ([], "COMMAND"),
    ],
)
def test_refusals_are_sentences_and_status_2(files, capsys, monkeypatch, words, sentence):
    monkeypatch.chdir(files)
    for name in ("folder.png", "folder.mp4"):
        (files / name).mkdir()
    (files / "file.zarr").touch()
    before = sorted(p.name for p in files.iterdir())
    status, out, err = run(capsys, *words)
    assert (status, out) == (2, "")
    assert sentence in err
    assert "Traceback" not in err
    assert sorted(p.name for p in files.iterdir()) == before


def test_a_refusal_with_json_is_json(files, capsys):
    status, out, _ = run(capsys, "upsample", "none.png", "none.npy", "-o", "x.npy", "--json")
    assert status == 2
    assert json.loads(out) == {"error": "There is no none.png.", "code": "image_missing"}


def test_what_cannot_be_written_is_status_3(files, capsys):
    words = ("upsample", files / "photo.png", files / "features.npy", "-o", files / "photo.png/x.npy", "--iters", 0)
    status, _, err = run(capsys, *words, "--objective", "rgb")
    assert status == 3
    assert err.startswith("gsjbu: ")


def test_a_batch_that_cannot_write_is_status_3(files, capsys, monkeypatch):
    from gsjbu import batch

    def full(*_, **__):
        raise batch.WriteFailed("The results cannot be written: No space left on device.")

    monkeypatch.setattr(batch, "run", full)  # tests/batch fills a real one
    status, _, err = run(capsys, "batch", files / "photo.png", files / "out")
    assert status == 3
    assert "No space left on device" in err


@pytest.mark.posix
def test_the_kernel_may_be_read_by_others_and_gets_its_folder(files, capsys):
    words = ("upsample", files / "photo.png", files / "features.npy", "-o", files / "new/x.npy", "--iters", 0)
    before = os.umask(0o022)
    try:
        assert run(capsys, *words, "--kernel", files / "kernels/k.safetensors")[0] == 0
    finally:
        os.umask(before)
    assert (files / "kernels/k.safetensors").stat().st_mode & 0o777 == 0o644
    assert gsjbu.load(files / "kernels/k.safetensors").grid.cols == 8


def test_a_zarr_result_may_be_written_again(files, capsys):
    words = ("upsample", files / "photo.png", files / "features.npy", "-o", files / "x.zarr", "--iters", 0)
    assert [run(capsys, *words)[0] for _ in range(2)] == [0, 0]
    assert [p.name for p in files.iterdir() if p.name.startswith(".")] == []


def test_float16_that_would_lose_the_values_is_refused_of_one_and_of_many(files, capsys):
    np.save(files / "photo.npy", 30000 + np.load(files / "depth.npy"))
    words = ("upsample", files / "photo.png", files / "photo.npy", "-o", files / "x.npy", "--iters", 0, "--float16")
    status, _, err = run(capsys, *words)
    assert status == 2 and "without its offset" in err and not (files / "x.npy").exists()
    status, _, err = run(capsys, "batch", files / "photo.png", files / "out", "--iters", 0, "--float16")
    assert status == 1 and "without its offset" in err


def test_float16_that_would_overflow_is_refused(files, capsys):
    np.save(files / "depth.npy", 1e6 + np.load(files / "depth.npy"))
    words = ("upsample", files / "photo.png", files / "depth.npy", "-o", files / "x.npy", "--iters", 0)
    status, _, err = run(capsys, *words, "--float16", "--objective", "rgb")
    assert status == 2
    assert "float16 ends at 65504" in err
    assert not (files / "x.npy").exists()


@pytest.mark.posix
@pytest.mark.parametrize("to", ["/dev/full", "closed pipe"])
def test_a_standard_output_that_takes_nothing_is_status_3(files, root, to):
    python = sys.executable if to == "/dev/full" else zygote.python()
    words = [python, "-m", "gsjbu", "upsample", files / "photo.png", files / "depth.npy", "-o", files / "x.npy"]
    words = [*map(str, words), "--iters", "0", "--json"]
    if to == "closed pipe":
        read, write = os.pipe()
        os.close(read)
        out = os.fdopen(write, "wb")
    else:
        out = open(to, "wb")  # noqa: SIM115
    with out:
        done = subprocess.run(words, cwd=root, stdout=out, stderr=subprocess.PIPE, text=True, timeout=120)
    assert done.returncode == 3, done.stderr
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr


def test_a_film_is_never_lost(tmp_path, capsys):
    from gsjbu.io.films import Writer

    with Writer(tmp_path / "in.mp4", rate=10) as film:
        for number in range(3):
            film.add(np.full((32, 32, 3), 40 * number, np.uint8))
    before = (tmp_path / "in.mp4").read_bytes()
    (tmp_path / "out.mp4").write_bytes(b"an earlier film")
    status, _, err = run(capsys, "video", tmp_path / "in.mp4", tmp_path / "in.mp4")
    assert (status, "would take the place of an input" in err) == (2, True)
    assert run(capsys, "video", tmp_path / "in.mp4", tmp_path / "out.mp4", "--signal", tmp_path / "none")[0] == 2
    assert (tmp_path / "in.mp4").read_bytes() == before
    assert (tmp_path / "out.mp4").read_bytes() == b"an earlier film"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in.mp4", "out.mp4"]
    assert run(capsys, "video", tmp_path / "in.mp4", tmp_path / "new/out.mkv", "--iters", 0, "--check", 0)[0] == 0
    assert (tmp_path / "new/out.mkv").stat().st_size > 100


def test_interrupting_is_status_130(files, capsys, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(gsjbu, "fit", interrupted)
    words = ("upsample", files / "photo.png", files / "features.npy", "-o", files / "x.npy")
    assert run(capsys, *words)[0] == 130


def test_compare_leaves_no_panel_of_an_earlier_report(files, capsys):
    folder = files / "report"
    words = ("compare", files / "photo.png", folder, "--iters", 1, "--features", "off")
    assert run(capsys, *words, "--signal", files / "depth.npy")[0] == 0
    (folder / "mine.png").write_bytes(b"")
    assert {"signal_lr.png", "signal_gsjbu.png"} <= {path.name for path in folder.iterdir()}
    status, _, err = run(capsys, *words, "--stride", 8)
    listed = {panel["file"] for panel in json.loads((folder / "result.json").read_text())["panels"]}
    assert status == 0 and "of an earlier report removed: signal_" in err
    assert {path.name for path in folder.iterdir()} == {*listed, "mine.png", "index.html", "result.json"}


def test_compare_writes_panels_numbers_and_a_page_that_needs_nothing(files, capsys):
    folder = files / "report"
    words = ("compare", files / "photo.png", folder, "--stride", 8, "--iters", 10, "--features", "off")
    status, out, _ = run(capsys, *words)
    assert status == 0
    assert "PSNR" in out
    facts = json.loads((folder / "result.json").read_text())
    names = {panel["name"] for panel in facts["panels"]}
    assert {"original", "lr", "bilinear_rgb", "gsjbu_rgb", "error_bilinear", "error_gsjbu", "sigma_x"} <= names
    page = (folder / "index.html").read_text("utf-8")
    for panel in facts["panels"]:
        assert decode((folder / panel["file"]).read_bytes()).shape == (3, panel["height"], panel["width"])
        assert f'src="{panel["file"]}"' in page
    assert "<script" not in page
    assert "http" not in page
    assert facts["settings"]["stride"] == 8
    assert facts["metrics"]["rgb"]["gsjbu"]["psnr"] > facts["metrics"]["rgb"]["bilinear"]["psnr"]


def test_compare_of_a_built_in_scene_with_json(tmp_path, capsys):
    words = ("compare", "scene:wires", tmp_path / "r", "--iters", 2, "--resolution", 96, "--features", "off", "--json")
    status, out, _ = run(capsys, *words)
    assert status == 0
    assert json.loads(out)["image"]["width"] == 96


def test_the_report_escapes_names():
    from gsjbu.cli import report

    facts = {
        "image": {"width": 1, "height": 1, "lr_width": 1, "lr_height": 1}, "device": "cpu", "backend": "<b>",
        "backend_reason": "&", "status": {"features": "<i>"}, "metrics": {}, "panels": [], "settings": {},
    }  # fmt: skip
    page = report.page("<script>alert(1)</script>.png", facts)
    assert "<script" not in page
    assert "&lt;b&gt;" in page


def test_batch_reports_failures_with_status_1(files, capsys):
    folder = files / "in"
    folder.mkdir()
    (files / "photo.png").rename(folder / "a.png")
    (files / "features.npy").rename(folder / "a.npy")
    (folder / "b.png").write_bytes(b"nothing")
    words = ("batch", folder, files / "out", "--iters", 2, "--objective", "rgb", "--workers", 1)
    status, out, err = run(capsys, *words, "--json")
    facts = json.loads(out)
    assert status == 1
    assert (facts["done"], facts["failed"][0]["key"]) == (1, "b")
    assert "b: The file is not a JPEG" in err
    (folder / "b.png").unlink()
    status, out, _ = run(capsys, *words)
    assert status == 0
    assert out.startswith("0 done, 1 there already, 0 failed")


def test_what_stands_in_for_a_backbone_that_was_named_is_said(files, capsys):
    words = ("--backbone", "timm:nonsense", "--iters", 0, "--resolution", 32)
    status, _, err = run(capsys, "compare", files / "photo.png", files / "out", *words)
    assert status == 0
    assert err.startswith("Features: ") and "Shown instead: " in err


def test_a_batch_says_that_a_stride_is_the_backbones(files, capsys):
    np.save(files / "photo.npy", np.load(files / "depth.npy"))
    words = ("batch", files / "photo.png", files / "out", "--iters", 0)
    status, _, err = run(capsys, *words, "--stride", 16)
    assert (status, "--stride is that of --signals backbone" in err) == (0, True)
    assert "--stride" not in run(capsys, *words)[2]


def test_video_reports_speed_and_flicker(tmp_path, capsys):
    from gsjbu.io.films import Reader, Writer

    with Writer(tmp_path / "in.mp4", rate=10) as film:
        for number in range(4):
            y, x = np.mgrid[0:48, 0:64]
            film.add(np.stack([(x * 4 + number) % 256, y * 5, (x + y) * 2], axis=2).astype(np.uint8))
    words = ("video", tmp_path / "in.mp4", tmp_path / "out.mp4", "--stride", 8, "--iters", 10, "--beside", "bilinear")
    status, out, _ = run(capsys, *words, "--values", tmp_path / "v", "--float16", "--check", 3, "--json")
    facts = json.loads(out)
    assert status == 0
    assert (facts["frames"], facts["check"]["frames"], facts["objective"]) == (4, 3, "rgb")
    assert facts["frames_per_second"] > 0
    with Reader(tmp_path / "out.mp4") as film:
        assert [tuple(frame.shape) for frame in film] == [(3, 48, 128)] * 4
    values = np.load(tmp_path / "v" / "000003.npy")
    assert (values.shape, values.dtype) == ((3, 48, 64), np.float16)


def test_video_with_a_signal_per_frame_and_too_few_of_them(tmp_path, capsys):
    from gsjbu.io.films import Writer

    (tmp_path / "s").mkdir()
    with Writer(tmp_path / "in.mp4") as film:
        for number in range(3):
            film.add(np.full((32, 48, 3), 40 * number, np.uint8))
            np.save(tmp_path / "s" / f"{number}.npy", np.random.default_rng(number).random((4, 4, 6), np.float32))
    words = (
        "video",
        tmp_path / "in.mp4",
        tmp_path / "out.mp4",
        "--stride",
        8,
        "--iters",
        2,
        "--signal",
        tmp_path / "s",
    )
    assert run(capsys, *words)[0] == 0
    status, out, err = run(capsys, *words, "--frames", 1)
    assert status == 0 and "out.mp4: 1 frame, " in out and "3 signals and 1 is used" in err
    (tmp_path / "s" / "2.npy").unlink()
    status, _, err = run(capsys, *words)
    assert status == 2
    assert "fewer signals than the film has frames" in err


def test_bench_prints_times(capsys):
    words = ("bench", "--size", 64, "--channels", 4, "--repeats", 1, "--iters", 2, "--threads", 1)
    status, out, _ = run(capsys, *words, "--json")
    facts = json.loads(out)
    assert status == 0
    assert all(facts[name] > 0 for name in ("fit_ms", "render_ms", "bilinear_ms"))


@pytest.mark.parametrize("command", ["upsample", "compare", "batch", "video", "serve", "bench"])
def test_help_is_made_from_the_settings(command, capsys):
    status, out, _ = run(capsys, command, "--help")
    assert status == 0
    if command == "compare":
        flat = " ".join(out.split())
        for setting in SETTINGS.values():
            assert f"--{setting.name.replace('_', '-')}" in out
            assert setting.sentence in flat
        assert "timm:NAME, local:FOLDER" in flat and "auto|resnet18" not in out and "off|labels" not in out


def test_the_module_runs_as_a_program(root):
    done = subprocess.run([sys.executable, "-m", "gsjbu", "--version"], cwd=root, capture_output=True, text=True)
    assert done.stdout == f"gsjbu {gsjbu.__version__}\n"


@pytest.mark.posix
def test_an_output_never_takes_its_own_inputs_place(files, capsys):
    for output in ("depth.npy", "photo.png", "link.npy"):
        (files / "link.npy").unlink(missing_ok=True)
        (files / "link.npy").symlink_to(files / "depth.npy")
        before = [(files / name).read_bytes() for name in ("photo.png", "depth.npy")]
        status, _, err = run(capsys, "upsample", files / "photo.png", files / "depth.npy", "-o", files / output)
        assert status == 2 and "would take the place of an input" in err
        assert [(files / name).read_bytes() for name in ("photo.png", "depth.npy")] == before


@pytest.mark.parametrize("name", ["x.png", "x.npy", "x.safetensors"])
def test_a_result_that_cannot_be_written_leaves_the_one_before(files, capsys, monkeypatch, name):
    words = ("upsample", files / "photo.png", files / "depth.npy", "-o", files / name, "--iters", 0)
    assert run(capsys, *words)[0] == 0
    before, listed = (files / name).read_bytes(), sorted(files.iterdir())
    monkeypatch.setattr("os.replace", lambda *a: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    status, _, err = run(capsys, *words)
    assert (status, err) == (3, f"gsjbu: No space left on device ({files / name}).\n")
    assert (files / name).read_bytes() == before
    assert sorted(files.iterdir()) == listed, "nothing half-written is left"


@pytest.mark.posix
@pytest.mark.parametrize("how", [signal.SIGINT])
@pytest.mark.parametrize("seconds", [0.1, 0.6, 1.6])
def test_an_interrupt_at_the_start_is_a_sentence_and_a_status(files, root, how, seconds):
    # large enough that a thousand steps outlast every wait
    picture = np.random.default_rng(1).integers(0, 256, (1200, 1600, 3), dtype=np.uint8)
    (files / "photo.png").write_bytes(png_bytes(picture))
    words = [sys.executable, "-m", "gsjbu", "upsample", files / "photo.png", files / "depth.npy", "-o", files / "y.npy"]
    process = subprocess.Popen(
        [*map(str, words), "--iters", "1000", "--objective", "rgb"], cwd=root, stderr=subprocess.PIPE, text=True
    )
    worked = psutil.Process(process.pid).cpu_times
    while sum(worked()[:2]) < seconds:  # of its own work: beside other tests it may wait for a core
        time.sleep(0.01)
    process.send_signal(how)
    _, err = process.communicate(timeout=60)
    if process.returncode == -how:  # before a line of ours was run
        assert seconds == 0.1
        return
    assert process.returncode == 130, err
    assert "Traceback" not in err
    assert err.splitlines()[-1] == "gsjbu: Interrupted."


def test_closed_standard_streams_are_a_status(files, root):
    """Not a traceback, and no file of ours under the number of a closed stream."""
    words = "-m gsjbu upsample photo.png depth.npy -o z.npy --iters 0"
    env = {**os.environ, "PYTHONPATH": str(root)}
    quick = zygote.python()  # one fresh start is enough, where leaving could say something
    for python, closed, status in ((sys.executable, ">&-", 3), (quick, "<&-", 0), (quick, "2>&-", 0)):
        (files / "z.npy").unlink(missing_ok=True)
        done = subprocess.run(
            f"{python} {words} {closed}", shell=True, cwd=files, capture_output=True, text=True, env=env
        )
        assert done.returncode == status, (closed, done.stderr)
        assert "Traceback" not in done.stderr and "Exception ignored" not in done.stderr
        assert status == 0 or done.stderr == "gsjbu: Standard output is closed.\n"
        assert np.load(files / "z.npy").shape == (48, 64)


def test_a_model_of_this_machine_is_a_choice(monkeypatch, tmp_path):
    place = tmp_path / "mine"
    place.mkdir()
    (place / "config.json").write_text('{"model_type": "dinov2"}')
    monkeypatch.setenv("GSJBU_MODELS_DIR", str(tmp_path))
    asked = cli.parser().parse_args(["compare", "a.png", "out", "--backbone", "local:mine"])
    assert asked.backbone == "local:mine"


def test_a_warning_is_a_sentence_alone(files, capsys, monkeypatch):
    """The library's, with --quiet none; what is not the library's stays as Python says it."""

    def warn(_args):
        warnings.warn("The file is in doubt.", SignalWarning, stacklevel=1)
        warnings.warn("Of another library.", UserWarning, stacklevel=1)
        return 0

    monkeypatch.setattr(cli.export, "run", warn)
    for quiet, said in (((), "The file is in doubt.\n"), (("--quiet",), "")):
        with pytest.warns(UserWarning, match=r"^Of another library\.$"):
            status, _, told = run(capsys, "export", "-o", files / "k.onnx", *quiet)
        assert (status, told) == (0, said)


def arguments_of(command: argparse.ArgumentParser) -> list[tuple[str, list[str]]]:
    """Each argument of a command that takes a word: its name, and a command line in which that word is empty."""
    takes = [action for action in command._actions if action.nargs != 0]
    takes.sort(key=lambda action: bool(action.option_strings))
    needed = [action for action in takes if action.required]
    lines = []
    for empty in takes:
        words = []
        for action in [one for one in takes if one is empty or one in needed]:
            words += [*action.option_strings[-1:], "" if action is empty else "x"]
        lines.append((empty.option_strings[-1] if empty.option_strings else empty.dest, words))
    return lines


def test_no_argument_of_any_command_may_be_empty(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    commands = next(a for a in cli.parser()._actions if isinstance(a, argparse._SubParsersAction)).choices
    lines = [(name, *one) for name, command in commands.items() for one in arguments_of(command)]
    assert {("batch", "folder"), ("batch", "--signals"), ("video", "--values")} <= {line[:2] for line in lines}
    for name, argument, words in lines:
        status, _, said = run(capsys, name, *words)
        assert status == 2 and "error: argument " in said, (name, argument, said)
    assert run(capsys, "batch", ".", "")[2].endswith("set; name a file or a folder (. is the current folder)\n")
    assert not os.listdir()


@pytest.mark.posix
@pytest.mark.parametrize("stands_in", ["photo.png", "depth.npy"])
def test_a_dash_is_standard_input(files, root, stands_in):
    names = ["-" if name == stands_in else name for name in ("photo.png", "depth.npy")]
    command = [zygote.python(), "-m", "gsjbu", "upsample", *names, "-o", "out.npy", "--iters", "1"]
    done = subprocess.run(
        command, cwd=files, env=os.environ | {"PYTHONPATH": str(root)}, input=(files / stands_in).read_bytes(),
        capture_output=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert np.load(files / "out.npy").shape == (48, 64)


@pytest.mark.parametrize("command", cli.COMMANDS, ids=lambda module: module.__name__.rpartition(".")[2])
def test_a_value_may_begin_with_a_minus_and_a_digit(command):
    """In every option of every command that takes one word, whatever the word is then taken for."""
    top = cli.parser()
    name = command.__name__.rpartition(".")[2]
    (own,) = (action.choices[name] for action in top._actions if isinstance(action.choices, dict))
    for action in own._actions:
        if action.type is not None or action.nargs is not None or action.choices or not action.option_strings:
            continue
        for word in ("-9999,0", "-1,1", "-.5,2", "-1e-3,1", "-25,0;-1,1"):
            for option in action.option_strings:
                required = [a for a in own._actions if a.required and a is not action]
                words = [w for a in required for w in [*a.option_strings[-1:], "1"]]
                found = top.parse_args([name, *words, option, word])
                assert getattr(found, action.dest) in (word, [word])


def test_lists_below_zero_reach_the_library(files, capsys):
    np.save(files / "d.npy", np.where(np.arange(8) < 2, -9999.0, 5.0) + np.zeros((6, 1)))
    photo, out = files / "photo.png", files / "h.npy"
    words = ("--stretch", "-25,255", "--iters", 1, "--quiet")
    for invalid in ("-9999,-32768", "-9999,0"):
        status, _, said = run(capsys, "upsample", photo, files / "d.npy", "-o", out, "--invalid", invalid, *words)
        assert status == 0, said
        assert np.nanmin(np.load(out)) == 5
    status, _, said = run(capsys, "upsample", "--iters", 1, "-o", out, "--", photo, "-9.npy")
    assert status == 2 and "-9.npy" in said and "usage" not in said


def test_python_without_docstrings_has_the_same_commands():
    """``python -OO``: a container with PYTHONOPTIMIZE=2, say."""
    done = subprocess.run(
        [sys.executable, "-OO", "-m", "gsjbu", "--help"], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0 and "upsample" in done.stdout and not done.stderr
