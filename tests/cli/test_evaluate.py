"""``gsjbu evaluate``: one picture, a built-in scene, folders with a report; what cannot be measured is said."""

from __future__ import annotations

import csv
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gsjbu import cli
from gsjbu.io.pictures import shrink
from gsjbu.io.truths import downsampled
from gsjbu.run import pipeline
from gsjbu.samples import SAMPLES
from gsjbu.settings import Settings

FEW = ["--iters", "2", "--resolution", "64", "--quiet", "--json"]


def test_a_scene_and_its_own_truth_give_the_figures_of_a_run(capsys):
    assert cli.main(["evaluate", "scene:spheres", "--truth", "scene:labels", "--stride", "8", *FEW]) == 0
    told = json.loads(capsys.readouterr().out)
    scene = SAMPLES["spheres"]
    truth = scene.truth("labels")
    settings = Settings(iters=2, resolution=64, stride=8, features=False)
    result = pipeline.run_reduced(shrink(scene.image, 64), settings, signal=downsampled(truth, 8, 8), truth=truth)
    assert set(told["metrics"]) == {"bilinear", "gsjbu", "auto"}
    for method, figures in result.metrics["signal"].items():
        for name in ("miou", "accuracy", "boundary_miou", "agrees"):
            assert told["metrics"][method][name] == pytest.approx(figures[name], abs=1e-6)
    assert set(told["metrics"]["auto"]["classes"]) <= set(scene.label_names)
    assert "is closest to the truth" in told["truth"]


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> Path:
    top = tmp_path_factory.mktemp("evaluate")
    for name in ("photos", "signals", "truths"):
        (top / name).mkdir()
    for name, scene in list(SAMPLES.items())[:2]:
        picture = (shrink(scene.image, 64).permute(1, 2, 0).numpy() * 255).round().astype(np.uint8)
        Image.fromarray(picture).save(top / "photos" / f"{name}.png")
        labels = scene.labels.numpy().astype(np.uint8)
        np.save(top / "signals" / f"{name}.npy", labels[32::64, 32::64])
        Image.fromarray(labels).save(top / "truths" / f"{name}.png")
    return top


def test_folders_give_a_table_and_a_report(folders, tmp_path, capsys):
    (folders / "photos" / "broken.png").write_bytes(b"no picture")
    (folders / "signals" / "broken.npy").write_bytes(b"no array")
    (folders / "truths" / "broken.png").write_bytes(b"no truth")
    asked = [str(folders / name) for name in ("photos", "signals")]
    out = tmp_path / "report"
    given = ["evaluate", *asked, "--truth", str(folders / "truths"), "-o", str(out), *FEW]
    assert cli.main(given) == 1, "one could not be measured"
    told = json.loads(capsys.readouterr().out)
    assert [one["name"] for one in told["failed"]] == ["broken.png"]
    rows = list(csv.DictReader((out / "figures.csv").read_text(encoding="utf-8").splitlines()))
    assert len(rows) == 6
    first = told["pictures"][0]
    assert float(rows[0]["miou"]) == first["metrics"][rows[0]["method"]]["miou"]
    assert float(rows[0]["IoU class 0"]) == first["metrics"][rows[0]["method"]]["classes"]["class 0"]
    page = (out / "index.html").read_text(encoding="utf-8")
    assert "measured on 2 pictures" in page
    assert page.count("★") >= 4
    assert "broken.png" in page
    assert "<script" not in page


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["scene:spheres", "--truth", "scene:colour"], "is not known of"),
        (["scene:nothing", "--truth", "scene:depth"], "There is no scene"),
        (["scene:spheres", "--truth", "nowhere.npy"], "nowhere.npy"),
    ],
)
def test_what_cannot_be_measured_is_said(given, said, capsys):
    assert cli.main(["evaluate", *given, *FEW]) == 2
    assert said in json.loads(capsys.readouterr().out)["error"]


def test_a_folder_gives_a_list_however_many_pictures_have_a_truth_and_names_the_others(folders, tmp_path, capsys):
    (tmp_path / "spheres.png").write_bytes((folders / "truths" / "spheres.png").read_bytes())
    asked = ["evaluate", *(str(folders / name) for name in ("photos", "signals")), "--truth", str(tmp_path)]
    assert cli.main([*asked, *FEW]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [one["name"] for one in told["pictures"]] == ["spheres.png"] and "wires.png" in told["passed_over"]
    assert cli.main([*asked, *FEW[:-1]]) == 0
    assert "passed over, without signal and truth of the same name: " in capsys.readouterr().out
    (tmp_path / "spheres.png").write_bytes(b"no truth")
    assert cli.main([*asked, "-o", str(tmp_path / "report"), *FEW]) == 1, "one of one could not be measured"
    assert [one["name"] for one in json.loads(capsys.readouterr().out)["failed"]] == ["spheres.png"]


def test_folders_without_a_pair_are_refused(folders, tmp_path, capsys):
    assert cli.main(["evaluate", str(folders / "photos"), "--truth", str(tmp_path), *FEW]) == 2
    assert "same name" in json.loads(capsys.readouterr().out)["error"]


def test_one_of_several_arrays_is_named_for_all_files_of_folders(folders, tmp_path, capsys):
    for name in SAMPLES:
        if (folders / "signals" / f"{name}.npy").exists():
            low = np.load(folders / "signals" / f"{name}.npy")
            full = np.asarray(Image.open(folders / "truths" / f"{name}.png"))
            for kind, array in (("low", low), ("full", full)):
                (tmp_path / kind).mkdir(exist_ok=True)
                np.savez(tmp_path / kind / f"{name}.npz", classes=array, other=np.zeros_like(array))
    photos = str(folders / "photos")
    plain = ["evaluate", photos, str(folders / "signals"), "--truth", str(folders / "truths"), *FEW]
    several = ["evaluate", photos, str(tmp_path / "low"), "--truth", str(tmp_path / "full"), *FEW]
    cli.main(plain)
    right = json.loads(capsys.readouterr().out)["pictures"]
    assert cli.main([*several, "--entry", "classes", "--truth-entry", "classes"]) == 0
    found = json.loads(capsys.readouterr().out)["pictures"]
    assert [one["metrics"] for one in found] == [one["metrics"] for one in right] and len(found) == 2
    for given, lacking in (("--entry", "--truth-entry"), ("--truth-entry", "--entry")):
        assert cli.main([*several, given, "classes"]) == 1
        for one in json.loads(capsys.readouterr().out)["failed"]:
            assert "holds 2 arrays (classes, other)" in one["error"]
            assert one["error"].endswith(f" {lacking} names that of every file.")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["scene:spheres", "--truth", "scene:depth", "--truth-entry", "x"], "of one file it is --truth FILE:x"),
        (["a.png", "b.npz", "--truth", "c.npy", "--entry", "x"], "--entry is of all files in a folder; of one file it"),
        ([".", "--truth", ".", "--entry", "x"], "--entry has no part where the signal is made of the truth"),
    ],
)
def test_the_name_of_an_array_without_a_folder_of_files_is_refused(given, said, capsys):
    assert cli.main(["evaluate", *given, *FEW]) == 2
    assert said in capsys.readouterr().err


@pytest.mark.posix
def test_names_that_are_no_utf8_are_in_the_report(folders, tmp_path, capsys):
    odd = os.fsdecode(b"caf\xe9")
    for kind, ending in (("photos", "png"), ("signals", "npy"), ("truths", "png")):
        (tmp_path / kind).mkdir()
        shutil.copy(folders / kind / f"{next(iter(SAMPLES))}.{ending}", tmp_path / kind / f"{odd}.{ending}")
    asked = [str(tmp_path / kind) for kind in ("photos", "signals")]
    out = tmp_path / "report"
    assert cli.main(["evaluate", *asked, "--truth", str(tmp_path / "truths"), "-o", str(out), *FEW]) == 0
    assert json.loads(capsys.readouterr().out)["pictures"][0]["name"] == f"{odd}.png"
    assert "caf\\udce9.png" in (out / "figures.csv").read_text("utf-8")
    assert "caf\\udce9.png" in (out / "index.html").read_text("utf-8")


@pytest.mark.posix
def test_a_name_that_is_no_utf8_is_the_title_of_a_comparison(folders, tmp_path):
    odd = tmp_path / os.fsdecode(b"caf\xe9.png")
    shutil.copy(folders / "photos" / f"{next(iter(SAMPLES))}.png", odd)
    assert cli.main(["compare", str(odd), str(tmp_path / "out"), "--features", "off", *FEW]) == 0
    assert "caf\\udce9.png" in (tmp_path / "out" / "index.html").read_text("utf-8")


@pytest.mark.posix
def test_class_names_that_are_no_utf8_are_kept_in_a_png(folders, tmp_path):
    name = next(iter(SAMPLES))
    out = tmp_path / "full.png"
    names = tmp_path / "names.json"
    names.write_text(json.dumps({"0": os.fsdecode(b"caf\xe9")}))
    given = [str(folders / "photos" / f"{name}.png"), str(folders / "signals" / f"{name}.npy"), "-o", str(out)]
    assert cli.main(["upsample", *given, "--kind", "labels", "--names", str(names), "--quiet"]) == 0
    assert "caf\\udce9" in Image.open(out).text["gsjbu"]
