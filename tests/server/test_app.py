"""The whole way with the real computation: upload, run, and every question that may be asked of the result."""

from __future__ import annotations

import base64
import io
import json
import logging
import random
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import torch
from PIL import Image

import gsjbu
from gsjbu.io.pictures import decode, png_bytes
from gsjbu.run.later import Later
from gsjbu.run.pipeline import run
from gsjbu.samples import SAMPLES
from gsjbu.settings import Settings
from tests.at_once import at_once
from tests.npy import npy
from tests.server.conftest import Running, picture, start, upload, wait
from tests.server.test_jobs import until

PANELS = (
    "original lr bilinear_rgb gsjbu_rgb error_bilinear error_gsjbu features_lr features_bilinear features_gsjbu "
    "sigma_x sigma_y theta sigma_r anisotropy"
).split()
SCENE = next(iter(SAMPLES))
FAST = {"iters": 5, "resolution": 96, "stride": 8}


@pytest.fixture(scope="module")
def image(client: httpx.Client) -> str:
    return client.post("/api/images", files={"sample": (None, SCENE)}).json()["image_id"]


@pytest.fixture(scope="module")
def done(client: httpx.Client, image: str) -> dict[str, Any]:
    """One finished job of the built-in scene."""
    return wait(client, start(client, image, **FAST))


def size_of(png: str) -> tuple[int, int]:
    with Image.open(io.BytesIO(base64.b64decode(png))) as opened:
        opened.load()
        assert not opened.getexif()
        assert set(opened.info) <= {"gamma", "srgb"}, "outputs carry no metadata"
        return opened.size


def test_run_gives_everything(client: httpx.Client) -> None:
    answer = client.post("/api/run", files={"file": ("a.png", picture(120, 90))}, data={"iters": "3", "stride": "8"})
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert set(PANELS) <= {p["name"] for p in body["panels"]}
    assert body["image"]["width"], body["image"]["height"] == (120, 90)
    for panel in body["panels"]:
        assert size_of(panel["png"]) == (panel["width"], panel["height"])
        assert panel["title"]
        assert panel["sentence"]
    assert body["settings"]["iters"] == 3
    assert len(body["losses"]) == 3
    assert set(body["metrics"]["rgb"]) >= {"bilinear", "gsjbu", "fixed"}
    assert {"decode", "reduce", "png", "total", "fit"} <= set(body["timings_ms"])
    assert all(ms >= 0 for ms in body["timings_ms"].values())
    assert answer.headers["x-job-id"] == body["job_id"]
    assert client.get(f"/api/jobs/{body['job_id']}").json()["result"] == body


def test_a_photo_of_1024_by_768(client: httpx.Client) -> None:
    rows = np.linspace(0, 255, 768)[:, None] + 40 * np.sin(np.arange(1024) / 9)[None]
    pixels = np.repeat(np.clip(rows, 0, 255).astype(np.uint8)[:, :, None], 3, axis=2)
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "JPEG", quality=90)
    answer = client.post(
        "/api/run", files={"file": ("a.jpg", out.getvalue())}, data={"iters": "2", "resolution": "4096"}
    )
    body = answer.json()
    assert answer.status_code == 200, body
    assert (body["image"]["width"], body["image"]["height"]) == (1024, 768)
    assert set(PANELS) <= {p["name"] for p in body["panels"]}


@pytest.mark.parametrize(
    ("data", "fields", "status", "word"),
    [
        (b"", {}, 422, "empty"),
        (b"hello, I am not a picture", {}, 415, "JPEG, PNG, WebP or AVIF"),
        (picture()[:900], {}, 422, "damaged"),
        (picture(), {"stride": "0"}, 422, "from 2 to 64"),
        (picture(), {"radius": "x"}, 422, "from 1 to 8"),
        (picture(), {"iters": "1001"}, 422, "from 0 to 1000"),
        (picture(), {"device": "tpu"}, 422, "one of"),
        (picture(), {"kind": "depth"}, 422, "said of a signal, and none is sent"),
        (picture(), {"names": "voc"}, 422, "said of a signal, and none is sent"),
    ],
)
def test_refusals_say_what_would_be_right(
    client: httpx.Client, data: bytes, fields: dict[str, str], status: int, word: str
) -> None:
    answer = client.post("/api/run", files={"file": ("a.png", data)}, data=fields)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert word in answer.json()["detail"]
    assert answer.json()["detail"].endswith(".")
    for name in fields:
        assert answer.json()["setting"] == name


def test_a_device_that_is_not_here_is_refused_with_the_reason(client: httpx.Client) -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("this machine has CUDA")
    answer = client.post("/api/run", files={"file": picture()}, data={"device": "cuda"})
    assert answer.status_code == 422
    assert answer.json()["code"] == "device_unavailable"
    choices = {d["value"]: d for d in client.get("/api/settings").json()["devices"]}
    assert choices["cuda"]["available"] is False
    assert choices["cuda"]["reason"]


def test_the_read_out_is_the_panels_values(client: httpx.Client, done: dict[str, Any]) -> None:
    job = done["job_id"]
    result = run(SAMPLES[SCENE].image, Settings(**FAST), sample=SAMPLES[SCENE])
    chance = np.random.default_rng(0)
    width, height = done["result"]["image"]["width"], done["result"]["image"]["height"]
    for x, y in zip(chance.integers(0, width, 20).tolist(), chance.integers(0, height, 20).tolist(), strict=True):
        told = client.get(f"/api/jobs/{job}/pixel", params={"x": x, "y": y}).json()
        assert (told["x"], told["y"]) == (x, y)
        for name, values in result.pixel(x, y).items():
            np.testing.assert_allclose(told["values"][name], values, atol=1e-3)
    outside = client.get(f"/api/jobs/{job}/pixel", params={"x": width, "y": 0})
    assert (outside.status_code, outside.json()["code"], outside.json()["setting"]) == (404, "pixel_outside", "x")


def test_the_inspector_is_weights_at(client: httpx.Client, done: dict[str, Any]) -> None:
    kernel = run(SAMPLES[SCENE].image, Settings(**FAST), sample=SAMPLES[SCENE]).kernel
    told = client.get(f"/api/jobs/{done['job_id']}/kernel", params={"x": 41, "y": 30}).json()
    window = kernel.weights_at(41, 30)
    assert told["cell"] == [5, 3]
    assert sum(w["weight"] for w in told["window"]) == pytest.approx(1, abs=1e-6)
    mine = {(int(qx), int(qy)): w for qx, qy, w in zip(window.qx, window.qy, window.weights, strict=True)}
    assert len(told["window"]) == len(mine)
    for w in told["window"]:
        assert w["weight"] == pytest.approx(mine[w["qx"], w["qy"]], abs=1e-4)
    assert (told["group"], told["method"], told["notes"]) == ("rgb", "gsjbu", [])
    plain = client.get(f"/api/jobs/{done['job_id']}/kernel", params={"x": 41, "y": 30, "method": "bilinear"}).json()
    assert len(plain["window"]) <= 4 and plain["window"][0]["spatial"] is None
    assert plain["notes"] == ["This is bilinear interpolation: colours have no part in it."]
    other = {"group": "signal", "method": "auto"}
    for what, params in (("kernel", {"x": 41, "y": 30, **other}), ("kernels", other)):
        refused = client.get(f"/api/jobs/{done['job_id']}/{what}", params=params)
        assert (refused.status_code, refused.json()["code"]) == (404, "not_available")
    none = client.get(f"/api/jobs/{done['job_id']}/kernels", params={"method": "bilinear"}).json()
    assert none == {"cx": [], "cy": [], "sigma_x": [], "sigma_y": [], "theta": []}
    ellipses = client.get(f"/api/jobs/{done['job_id']}/kernels").json()
    assert {len(v) for v in ellipses.values()} == {kernel.sigma_x.numel()}
    np.testing.assert_allclose(ellipses["sigma_x"], kernel.sigma_x.flatten().numpy(), atol=1e-3)
    assert (ellipses["cx"][1], ellipses["cy"][0]) == (12.0, 4.0)


def test_similarity_is_the_librarys(client: httpx.Client, done: dict[str, Any]) -> None:
    result = run(SAMPLES[SCENE].image, Settings(**FAST), sample=SAMPLES[SCENE])
    x, y = 50, 20
    bilinear, mixed = result.similarity(x, y)
    url = f"/api/jobs/{done['job_id']}/similarity"
    exact = client.get(url, params={"x": x, "y": y, "format": "u16"})
    low, high = float(exact.headers["x-low"]), float(exact.headers["x-high"])
    told = np.frombuffer(exact.content, "<u2").reshape(2, *bilinear.shape) * ((high - low) / 65535) + low
    np.testing.assert_allclose(told[0], bilinear, atol=1e-3)
    np.testing.assert_allclose(told[1], mixed, atol=1e-3)
    assert told[:, y, x] == pytest.approx(1, abs=1e-3)
    shown = client.get(url, params={"x": x, "y": y}).json()
    assert size_of(shown["bilinear"]) == size_of(shown["gsjbu"]) == (bilinear.shape[1], bilinear.shape[0])


def test_similarity_to_several_pixels(client: httpx.Client, done: dict[str, Any]) -> None:
    url = f"/api/jobs/{done['job_id']}/similarity"
    told = client.get(url, params={"x": 50, "y": 20, "also": "3,4", "format": "u16"})
    low, high = float(told.headers["x-low"]), float(told.headers["x-high"])
    maps = np.frombuffer(told.content, "<u2").reshape(2, 96, 96) * ((high - low) / 65535) + low
    assert maps[:, 20, 50] == pytest.approx(1, abs=1e-3) == maps[:, 4, 3]
    assert client.get(url, params={"x": 50, "y": 20, "also": "3,4"}).json()["points"] == [[3, 4], [50, 20]]
    outside = client.get(url, params={"x": 50, "y": 20, "also": "96,4"})
    assert (outside.status_code, outside.json()["code"]) == (404, "pixel_outside")
    assert client.get(url, params={"x": 50, "y": 20, "also": "3;4"}).status_code == 422
    assert client.get(url, params={"x": 50, "y": 20, "also": ["3,4"] * 16}).status_code == 422


def test_similarity_to_pixels_of_another_job(server: Running, client: httpx.Client, done: dict[str, Any]) -> None:
    image = client.post("/api/images", files={"sample": (None, list(SAMPLES)[1])}).json()["image_id"]
    other = start(client, image, **FAST)
    wait(client, other)
    stored = server.service.store.get("result", other)
    url = f"/api/jobs/{done['job_id']}/similarity"
    ask = {"elsewhere": f"{other},50,20", "format": "u16"}
    told = client.get(f"{url}/elsewhere", params=ask)
    first, second = (run(scene.image, Settings(**FAST), sample=scene) for scene in list(SAMPLES.values())[:2])
    low, high = float(told.headers["x-low"]), float(told.headers["x-high"])
    maps = np.frombuffer(told.content, "<u2").reshape(2, 96, 96) * ((high - low) / 65535) + low
    for found, wanted in zip(maps, first.similarity_to(second.vectors(50, 20)), strict=True):
        np.testing.assert_allclose(found, wanted, atol=1e-3)
    both = client.get(url, params={"x": 3, "y": 4, "elsewhere": f"{other},50,20"}).json()
    assert (both["x"], both["y"], both["points"]) == (3, 4, [[3, 4]])
    stored.evict(3)
    assert client.get(f"{url}/elsewhere", params=ask).content == told.content, "it outlives the features it is of"
    for pixel, status, code in (
        (None, 422, "request_invalid"),
        (f"{'0' * 32},50,20", 404, "not_found"),
        (f"{other},96,20", 404, "pixel_outside"),
        (f"{other},51,20", 404, "expired"),
    ):
        refused = client.get(f"{url}/elsewhere", params={"elsewhere": pixel} if pixel else {})
        assert (refused.status_code, refused.json()["code"]) == (status, code), pixel


def test_a_region_is_between_two_pixels(client: httpx.Client, done: dict[str, Any]) -> None:
    url = f"/api/jobs/{done['job_id']}/region"
    told = client.get(url, params={"x0": 10, "y0": 20, "x1": 60, "y1": 50}).json()
    wanted = run(SAMPLES[SCENE].image, Settings(**FAST), sample=SAMPLES[SCENE]).region(10, 20, 60, 50)
    assert set(told["values"]) == set(wanted)
    for name, found in told["values"].items():
        assert found["pixels"] == wanted[name]["pixels"]
        if "mean" in wanted[name]:
            # A network's sums hang on its threads: 1.6e-6 was seen.
            assert found["mean"] == pytest.approx(wanted[name]["mean"], rel=1e-5)
        else:
            assert found["shares"] == wanted[name]["shares"]
    turned = client.get(url, params={"x0": 60, "y0": 50, "x1": 10, "y1": 20}).json()
    assert turned["values"] == told["values"]
    outside = client.get(url, params={"x0": 0, "y0": 0, "x1": 96, "y1": 1})
    assert (outside.status_code, outside.json()["code"]) == (404, "pixel_outside")


def test_a_panels_values_and_its_point_cloud(client: httpx.Client, done: dict[str, Any]) -> None:
    result = run(SAMPLES[SCENE].image, Settings(**FAST), sample=SAMPLES[SCENE])
    panels = {panel.name: panel for panel in result.panels}
    url = f"/api/jobs/{done['job_id']}/panels"
    told = client.get(f"{url}/error_gsjbu.f32")
    assert (told.headers["x-width"], told.headers["x-height"]) == ("96", "96")
    values = np.frombuffer(told.content, "<f4").reshape(96, 96)
    np.testing.assert_array_equal(values, panels["error_gsjbu"].values[0])
    head, body = client.get(f"{url}/error_gsjbu.ply").content.split(b"end_header\n", 1)
    assert b"element vertex 9216" in head
    points = np.frombuffer(body, [(c, "<f4") for c in "xyz"] + [(c, "u1") for c in "rgb"])
    np.testing.assert_array_equal(points["z"].reshape(96, 96), values)
    np.testing.assert_array_equal(points["g"].reshape(96, 96), panels["original"].picture[..., 1])
    for path, code in (("original.f32", "not_available"), ("sigma_x.ply", "not_available"), ("a.f32", "panel_unknown")):
        refused = client.get(f"{url}/{path}")
        assert (refused.status_code, refused.json()["code"]) == (404, code)


def test_without_features_there_is_no_similarity(client: httpx.Client, image: str) -> None:
    job = start(client, image, features=False, **FAST)
    assert "features_gsjbu" not in {p["name"] for p in wait(client, job)["result"]["panels"]}
    answer = client.get(f"/api/jobs/{job}/similarity?x=1&y=1")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_available")


def test_panels_by_link_are_the_same_pictures(client: httpx.Client, image: str, done: dict[str, Any]) -> None:
    job = client.post("/api/jobs", json={"image_id": image, "settings": FAST, "panels": "links"}).json()["job_id"]
    inline = {p["name"]: base64.b64decode(p["png"]) for p in done["result"]["panels"]}
    for panel in wait(client, job)["result"]["panels"]:
        assert "png" not in panel
        got = client.get(panel["url"])
        assert got.headers["content-type"] == "image/png"
        assert got.content == inline[panel["name"]]
    assert client.get(f"/api/jobs/{job}/panels/nosuch.png").json()["code"] == "panel_unknown"


def test_return_files_writes_files_and_gives_links(client: httpx.Client, server: Running) -> None:
    answer = client.post("/api/run", files={"file": picture()}, data={"iters": "1", "return_files": "true"}).json()
    for panel in answer["panels"]:
        assert panel["url"] == f"/static/out/{answer['job_id']}/{panel['name']}.png"
        got = client.get(panel["url"])
        assert got.status_code == 200
        assert decode(got.content).shape[1:] == (panel["height"], panel["width"])
    assert client.get(f"/api/jobs/{answer['job_id']}/panels/original.png").status_code == 200
    assert (server.service.out.folder / answer["job_id"]).is_dir()


def test_what_is_too_large_to_inline_becomes_files_by_itself(serve: Callable[..., Running]) -> None:
    client = serve(real=True, inline_bytes=2000).client()
    answer = client.post("/api/run", files={"file": picture()}, data={"iters": "1"}).json()
    assert all(p["url"].startswith("/static/out/") and "png" not in p for p in answer["panels"])


def test_the_zip_holds_what_is_needed_to_go_on(client: httpx.Client, done: dict[str, Any], tmp_path: Path) -> None:
    answer = client.get(f"/api/jobs/{done['job_id']}/download")
    assert "attachment" in answer.headers["content-disposition"]
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.testzip() is None
        names = set(archive.namelist())
        assert {f"panels/{p['name']}.png" for p in done["result"]["panels"]} <= names
        assert {"parameters.safetensors", "rgb_hr.npy", "metrics.json", "settings.json", "versions.json"} <= names
        archive.extract("parameters.safetensors", tmp_path)
        kernel = gsjbu.load(tmp_path / "parameters.safetensors")
        hr = np.load(io.BytesIO(archive.read("rgb_hr.npy")))
        np.testing.assert_allclose(kernel.render(kernel.lr_guide).numpy(), hr, atol=1e-4)
        assert json.loads(archive.read("settings.json"))["settings"]["iters"] == FAST["iters"]
        assert "torch" in json.loads(archive.read("versions.json"))


def test_a_brought_signal_is_upsampled_and_comes_in_the_zip(client: httpx.Client, image: str) -> None:
    depth = np.linspace(0, 5, 12 * 12, dtype=np.float32).reshape(12, 12)
    made = client.post("/api/signals", files={"file": ("depth.npy", npy(depth))})
    assert made.status_code == 201, made.text
    assert made.json()["shape"] == [1, 12, 12]
    wanted = {"image_id": image, "settings": FAST, "signal_id": made.json()["signal_id"]}
    body = wait(client, client.post("/api/jobs", json=wanted).json()["job_id"])
    assert body["state"] == "done", body
    assert {p["group"] for p in body["result"]["panels"]} >= {"signal"}
    archive = zipfile.ZipFile(io.BytesIO(client.get(f"/api/jobs/{body['job_id']}/download").content))
    hr = np.load(io.BytesIO(archive.read("signal_hr.npy")))
    assert hr.shape == (body["result"]["image"]["height"], body["result"]["image"]["width"])
    assert depth.min() - 1e-4 <= hr.min() <= hr.max() <= depth.max() + 1e-4
    with Image.open(io.BytesIO(archive.read("signal_hr.png"))) as picture:
        levels = np.asarray(picture)
    assert levels.dtype == np.uint16
    assert levels.shape == hr.shape
    span = hr.max() - hr.min()
    assert np.abs(levels / 65535 * span + hr.min() - hr).max() <= span / 65535


def test_cells_that_a_brought_signal_does_not_know_are_left_out_of_the_zip_s_mix(
    client: httpx.Client, image: str
) -> None:
    depth = np.full((12, 12), 2.0, np.float32)
    depth[3:5, 4:6] = np.nan
    made = client.post("/api/signals", files={"file": ("depth.npy", npy(depth))}).json()
    wanted = {"image_id": image, "settings": FAST, "signal_id": made["signal_id"]}
    body = wait(client, client.post("/api/jobs", json=wanted).json()["job_id"])
    archive = zipfile.ZipFile(io.BytesIO(client.get(f"/api/jobs/{body['job_id']}/download").content))
    hr = np.load(io.BytesIO(archive.read("signal_hr.npy")))
    assert np.abs(hr - 2).max() < 1e-5


def test_many_classes_come_in_the_zip_as_the_library_has_them(client: httpx.Client, image: str, tmp_path: Path) -> None:
    draw = np.random.default_rng(3)
    colours = draw.integers(0, 256, (60, 3)).astype(np.uint8)
    data = png_bytes(colours[draw.permutation(144).reshape(12, 12) % 60])
    made = client.post("/api/signals", files={"file": ("labels.png", data)}).json()
    settings = {**FAST, "objective": "rgb"}  # the kernel in the zip is the one that made the signal
    wanted = {"image_id": image, "settings": settings, "signal_id": made["signal_id"]}
    body = wait(client, client.post("/api/jobs", json=wanted).json()["job_id"])
    archive = zipfile.ZipFile(io.BytesIO(client.get(f"/api/jobs/{body['job_id']}/download").content))
    lr, hr = (np.load(io.BytesIO(archive.read(f"signal_{size}.npy"))) for size in ("lr", "hr"))
    codes = lr.astype(int) @ [1 << 16, 1 << 8, 1]
    numbers = np.unique(codes)
    assert len(numbers) > 50, "more than a block"
    path = tmp_path / "k.safetensors"
    path.write_bytes(archive.read("parameters.safetensors"))
    one_hot = torch.from_numpy(codes == numbers[:, None, None]).float()
    np.testing.assert_array_equal(numbers[gsjbu.load(path).render(one_hot).argmax(0).numpy()], hr)
    with Image.open(io.BytesIO(archive.read("signal_hr.png"))) as picture:
        shown = np.asarray(picture).astype(int) @ [1 << 16, 1 << 8, 1]
    np.testing.assert_array_equal(shown, hr)
    told = json.loads(archive.read("signal.json"))
    assert told["kind"] == "labels" and told["codes"] == numbers.tolist()


@pytest.mark.parametrize("name", ["x.npy", "x.npz", "x.png"])
def test_signals_that_are_none(client: httpx.Client, name: str) -> None:
    for data in (b"", b"\x93NUMPY\x01\x00\xff\xff", b"PK\x03\x04junk", b"\x89PNG\r\n\x1a\n", b"hello"):
        answer = client.post("/api/signals", files={"file": (name, data)})
        assert answer.status_code in (413, 415, 422), answer.text
        assert answer.json()["code"].startswith("signal_")


def test_a_signal_is_told_as_a_run_on_an_image_has_it(client: httpx.Client) -> None:
    image = client.post("/api/images", files={"file": picture(448, 304)}).json()["image_id"]
    tokens = npy(np.random.default_rng(0).standard_normal((1 + 28 * 19, 384), np.float32))
    made = client.post("/api/signals", files={"file": ("tokens.npy", tokens)}).json()
    url = f"/api/signals/{made['signal_id']}"
    assert client.get(url).json() == made and made["shape"] != [384, 19, 28]
    told = client.get(url, params={"image": image}).json()
    assert (told["kind"], told["shape"], told["layout"]) == ("features", [384, 19, 28], "tokens")
    assert client.get(url, params={"image": image, "resolution": 224}).status_code == 200
    other = client.post("/api/images", files={"file": picture(64, 448)}).json()["image_id"]
    assert client.get(url, params={"image": other}).json() == made, "the run says why it does not fit"
    assert client.get(url, params={"image": "0" * 32}).json()["code"] == "not_found"
    assert client.get(url, params={"image": image, "resolution": 1}).status_code == 422


def test_a_signal_says_what_was_said_of_it_and_what_it_was_made_of(client: httpx.Client) -> None:
    file = {"file": ("x.npy", npy(np.random.default_rng(0).integers(0, 3, (12, 12), np.uint8)))}
    plain = client.post("/api/signals", files=file).json()
    said = client.post("/api/signals", files=file, data={"kind": "depth", "invalid": "0"}).json()
    assert (plain["words"], said["words"]) == ({}, {"kind": "depth", "invalid": "0"})
    named = client.post("/api/signals", files=file, data={"names": "sky\nsea, far\nland"}).json()
    assert (named["names"], named["words"]) == (["sky", "sea, far", "land"], {"names": "sky\nsea, far\nland"})
    for names, first in (('["a", "b", "c"]', "a"), ("VOC", "background")):
        answer = client.patch(f"/api/signals/{plain['signal_id']}", json={"names": names}).json()
        assert answer["names"][0] == first
    for names, why in (("{no", "names holds no names"), ("nope", "there are 3 classes")):
        wrong = client.post("/api/signals", files=file, data={"names": names})
        assert wrong.json()["code"] == "signal_names" and why in wrong.json()["detail"]
    anew = client.patch(f"/api/signals/{plain['signal_id']}", json={"kind": "depth"}).json()
    assert client.get(f"/api/signals/{anew['signal_id']}").json()["words"] == {"kind": "depth"}
    truth = client.post("/api/truths", files={"sample": (None, SCENE), "what": (None, "depth")}).json()["truth_id"]
    made = client.post(f"/api/truths/{truth}/signal", json={"rows": 8, "cols": 8}).json()
    again = client.patch(f"/api/signals/{made['signal_id']}", json={"kind": "features"}).json()
    assert [one["made"] for one in (plain, anew, made, again)] == [False, False, True, True]
    assert (made["words"], again["words"]) == ({}, {"kind": "features"})


def test_a_signal_of_a_kind_that_is_read_elsewhere_is_refused_as_that(client: httpx.Client) -> None:
    answer = client.post("/api/signals", files={"file": ("depth.exr", b"\x76\x2f\x31\x01" + bytes(60))})
    assert (answer.status_code, answer.json()["code"]) == (415, "signal_type")
    told = answer.json()["detail"]
    assert "(EXR)" in told and "whatever its name" not in told and "or an EXR" not in told


def test_a_result_that_had_to_go_answers_expired(serve: Callable[..., Running]) -> None:
    server = serve(cache_bytes=100_000)
    client = server.client()
    first = start(client, upload(client))
    assert wait(client, first)["state"] == "done"
    wait(client, start(client, upload(client, picture(200, 200))))
    for address in (f"/api/jobs/{first}", f"/api/jobs/{first}/events"):
        answer = client.get(address)
        assert (answer.status_code, answer.json()["code"]) == (404, "expired")
    assert client.get(f"/api/jobs/{first}/pixel?x=0&y=0").json()["code"] == "expired"


def test_a_very_large_result_is_slimmed_until_it_fits(serve: Callable[..., Running]) -> None:
    data = {"iters": "0", "resolution": "256", "features": "false"}
    for cache, has_values in ((10_000_000, True), (1_000_000, False)):
        server = serve(real=True, cache_bytes=cache)
        client = server.client()
        job = client.post("/api/run", files={"file": picture(256, 256)}, data=data).json()["job_id"]
        told = client.get(f"/api/jobs/{job}/pixel?x=3&y=4")
        assert (told.status_code == 200) == has_values
        if has_values:
            expected = run(decode(picture(256, 256)), Settings(iters=0, resolution=256, features=False)).pixel(3, 4)
            np.testing.assert_allclose(told.json()["values"]["gsjbu_rgb"], expected["gsjbu_rgb"], atol=1e-3)
        else:
            assert told.json()["code"] == "expired"
        assert client.get(f"/api/jobs/{job}/panels/gsjbu_rgb.png").status_code == 200
        assert client.get(f"/api/jobs/{job}/download").status_code == 200


def test_many_results_at_once_keep_their_answers_though_not_their_details(serve: Callable[..., Running]) -> None:
    server = serve(real=True, cache_bytes=8_000_000)
    settings = {"iters": 0, "resolution": 128, "features": False, "stride": 8}
    client = server.client()
    image = upload(client, picture(128, 128))
    jobs = [start(client, image, **settings, seed=0)]
    for n in range(12):
        wait(client, jobs[-1])
        jobs.append(start(client, image, **settings, seed=n))
    bodies = [wait(client, job) for job in jobs]
    assert [b["state"] for b in bodies] == ["done"] * 13
    assert all(size_of(p["png"]) for b in bodies for p in b["result"]["panels"])
    first = client.get(f"/api/jobs/{jobs[0]}/pixel?x=1&y=1")
    assert (first.status_code, first.json()["code"]) == (404, "expired")
    assert client.get(f"/api/jobs/{jobs[0]}/panels/gsjbu_rgb.png").status_code == 200
    assert client.get(f"/api/jobs/{jobs[-1]}/pixel?x=1&y=1").status_code == 200
    assert server.service.store.bytes <= 8_000_000


def test_asking_a_job_that_is_not_done(serve: Callable[..., Running]) -> None:
    from tests.server.fake import FakeRun

    client = serve(FakeRun(seconds=3)).client()
    job = start(client, upload(client), iters=300)
    for path in ("pixel?x=0&y=0", "kernels", "panels/original.png", "download", "similarity?x=0&y=0"):
        answer = client.get(f"/api/jobs/{job}/{path}")
        assert (answer.status_code, answer.json()["code"]) == (409, "not_done")
    client.delete(f"/api/jobs/{job}")
    assert client.get(f"/api/jobs/{job}/kernels").json()["code"] == "job_failed"
    assert client.get("/api/jobs/" + "0" * 32).json()["code"] == "not_found"


def test_computing_never_blocks_the_event_loop(serve: Callable[..., Running]) -> None:
    server = serve(real=True, running_jobs=2)
    client = server.client()
    image = upload(client, png_bytes(np.random.default_rng(0).integers(0, 255, (700, 700, 3), np.uint8)))
    jobs = [start(server.client(f"number-{n}"), image, iters=400, resolution=700, radius=3) for n in range(2)]
    times = []
    until(lambda: server.service.jobs.running == 2)
    while len(times) < 60 and server.service.jobs.running:
        began = time.perf_counter()
        assert client.get("/healthz").status_code == 200
        times.append(time.perf_counter() - began)
        time.sleep(0.01)
    for job in jobs:
        client.delete(f"/api/jobs/{job}")
    assert len(times) >= 20
    assert sorted(times)[len(times) // 2] < 0.05


def test_a_long_real_job_stops_within_a_second(serve: Callable[..., Running]) -> None:
    server = serve(real=True)
    client = server.client()
    image = upload(client, png_bytes(np.random.default_rng(0).integers(0, 255, (900, 900, 3), np.uint8)))
    job = start(client, image, iters=1000, resolution=900, radius=4, methods="all")
    until(lambda: server.service.jobs.get(job).progress.get("step", 0) > 3, 20)
    began = time.monotonic()
    assert client.delete(f"/api/jobs/{job}").json()["state"] == "cancelled"
    until(lambda: server.service.jobs.running == 0, 1)
    assert time.monotonic() - began < 1


def test_a_slider_re_runs_only_what_it_touches(client: httpx.Client, image: str) -> None:
    wait(client, start(client, image, resolution=256, iters=1))
    again = wait(client, start(client, image, resolution=256, iters=2))["result"]["timings_ms"]
    fresh = client.post("/api/run", files={"sample": (None, SCENE)}, data={"resolution": "256", "iters": "3"}).json()
    assert again["backbone"] < fresh["timings_ms"]["backbone"]


def test_a_run_that_takes_longer_than_somebody_waits_is_not_started(
    client: httpx.Client, server: Running, image: str
) -> None:
    wanted = {"image_id": image, "settings": FAST}
    before = set(server.service.jobs._jobs)
    kept = client.post("/api/jobs", json={**wanted, "patience_s": 0})
    assert (kept.status_code, kept.json()["job_id"]) == (200, None)
    assert kept.json()["estimate"]["seconds"] > 0
    assert set(server.service.jobs._jobs) == before
    begun = client.post("/api/jobs", json={**wanted, "patience_s": 60})
    assert begun.status_code == 202
    assert begun.json()["estimate"] == kept.json()["estimate"]
    assert wait(client, begun.json()["job_id"])["state"] == "done"
    for refused in (-1, "5", True):
        assert client.post("/api/jobs", json={**wanted, "patience_s": refused}).status_code == 422, refused


def test_what_nobody_looked_at_goes_with_the_features(
    client: httpx.Client, server: Running, image: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Making room makes nothing first."""
    body = {"image_id": image, "settings": {**FAST, "seed": 3}, "panels": "links"}
    job = client.post("/api/jobs", json=body).json()["job_id"]
    wait(client, job)
    stored = server.service.store.get("result", job)
    monkeypatch.setattr(Later, "now", property(lambda self: pytest.fail("made to be thrown away")))
    stored.evict(3)
    monkeypatch.undo()
    assert client.get(f"/api/jobs/{job}/panels/bilinear_rgb.png").status_code == 200
    gone = client.get(f"/api/jobs/{job}/panels/segments_gsjbu.png")
    assert (gone.status_code, gone.json()["code"]) == (404, "expired")
    assert "run it again" in gone.json()["detail"]


def test_looking_ahead_ends_where_somebody_waits(server: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []
    jobs = server.service.jobs
    monkeypatch.setattr(type(jobs), "running", property(lambda self: len(made) >= 2))
    server.service._look_ahead((made.append(i) for i in range(9)), 0)
    assert made == [0, 1]


def test_settings_estimate_health_and_metrics(client: httpx.Client, done: dict[str, Any]) -> None:
    shown = client.get("/api/settings").json()
    assert [s["name"] for s in shown["settings"]] == list(Settings().as_dict())
    assert {s["name"] for s in shown["samples"]} == set(SAMPLES)
    bodies = client.get("/openapi.json").json()["paths"]["/api/run"]["post"]["requestBody"]["content"]
    described = bodies["multipart/form-data"]["schema"]["properties"]
    for one in shown["settings"]:
        offered = [choice["value"] for choice in one["choices"] or () if choice["available"]]
        assert described[one["name"]].get("enum", []) == offered
        assert described["settings"]["properties"][one["name"]] == described[one["name"]]
    thumb = client.get(shown["samples"][0]["thumb_url"])
    assert decode(thumb.content).shape == (3, 160, 160)
    slow = client.post("/api/estimate", json={"width": 4000, "height": 3000, "settings": {"resolution": 2048}}).json()
    quick = client.post("/api/estimate", json={"width": 400, "height": 300}).json()
    assert slow["seconds"] > quick["seconds"] > 0
    assert slow["bytes"] > quick["bytes"] > 0
    health = client.get("/healthz").json()
    assert health["status"] == "ok"
    assert isinstance(health["warm"], bool)
    text = client.get("/metrics").text
    for name in ("gsjbu_queue_length 0.0", "gsjbu_running_jobs", 'gsjbu_stage_seconds_count{stage="fit"}',
                 "gsjbu_cache_bytes", "process_resident_memory_bytes", 'gsjbu_jobs_total{outcome="done"}'):  # fmt: skip
        assert name in text
    client.get("/api/jobs/nosuch")
    assert 'gsjbu_refusals_total{code="not_found"}' in client.get("/metrics").text


def test_one_line_per_request_and_per_job(client: httpx.Client, image: str, caplog: pytest.LogCaptureFixture) -> None:
    logger = logging.getLogger("gsjbu.server")
    logger.propagate = True
    caplog.set_level(logging.INFO, "gsjbu.server")
    job = start(client, image, **FAST, seed=1)  # of FAST alone there is a result already
    wait(client, job)
    until(lambda: any(r.message == "job" for r in caplog.records))
    (line,) = [r for r in caplog.records if r.message == "job"]
    assert (line.id, line.outcome) == (job, "done")  # type: ignore[attr-defined]
    assert line.memory_mb > 0  # type: ignore[attr-defined]
    assert "fit" in line.stages_ms  # type: ignore[attr-defined]
    posts = [r for r in caplog.records if r.message == "request" and r.method == "POST"]  # type: ignore[attr-defined]
    assert len(posts) == 1
    assert (posts[0].route, posts[0].status) == ("/api/jobs", 202)  # type: ignore[attr-defined]


def test_parallel_clients_each_get_their_own_result(serve: Callable[..., Running]) -> None:
    server = serve(real=True)

    def one(width: int) -> int:
        answer = server.client(f"width-{width:04}").post(
            "/api/run", files={"file": picture(width, 40)}, data={"iters": "2", "stride": "8"}
        )
        return answer.json()["image"]["width"]

    assert at_once(one, range(40, 48)) == [*range(40, 48)]


def test_any_settings_within_bounds_run_on_a_picture_of_any_shape(client: httpx.Client) -> None:
    chance = random.Random(5)
    for _ in range(30):
        settings = {
            "stride": chance.randint(2, 64), "iters": chance.choice([0, 1, 3]), "radius": chance.randint(1, 8),
            "resolution": chance.choice([32, 33, 64, 127]), "objective": chance.choice(["rgb", "signal", "auto"]),
            "methods": chance.choice(["pair", "all"]), "features": chance.choice(["true", "false"]),
        }  # fmt: skip
        size = chance.choice([(1, 1), (1, 90), (90, 1), (17, 200), (200, 17), (64, 64), (131, 97)])
        data = {name: str(value) for name, value in settings.items()}
        answer = client.post("/api/run", files={"file": picture(*size)}, data=data)
        assert answer.status_code == 200, (size, settings, answer.text[:300])
