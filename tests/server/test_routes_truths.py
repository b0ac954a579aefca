"""Truths over HTTP: kept, measured against, reduced to signals; refused where there is no signal to go with."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image

from gsjbu.io.truths import downsampled
from gsjbu.run import pipeline
from gsjbu.samples import SAMPLES
from gsjbu.server.app import create_app
from gsjbu.server.config import Config
from gsjbu.settings import Settings
from tests.npy import npy

QUICK = {"features": False, "iters": 1, "resolution": 64}


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """The real pipeline behind the app."""
    folder: Path = tmp_path_factory.mktemp("truths")
    with TestClient(create_app(Config(out_dir=folder)), base_url="http://127.0.0.1") as client:
        yield client


def fields(**given: str) -> dict[str, tuple[None, str]]:
    """Text fields of a multipart form."""
    return {name: (None, text) for name, text in given.items()}


def plain(figures: dict) -> dict:
    """Figures without those of each class."""
    return {name: value for name, value in figures.items() if name != "classes"}


def finished(api: TestClient, body: dict) -> dict:
    job = api.post("/api/jobs", json=body).json()["job_id"]
    with api.stream("GET", f"/api/jobs/{job}/events") as events:
        for _ in events.iter_lines():
            pass
    return api.get(f"/api/jobs/{job}").json()["result"]


@pytest.mark.parametrize("what", ["depth", "labels"])
def test_a_scenes_own_truth_is_reduced_and_measured_against(api: TestClient, what: str) -> None:
    image = api.post("/api/images", files=fields(sample="spheres")).json()["image_id"]
    truth = api.post("/api/truths", files=fields(sample="spheres", what=what))
    assert truth.status_code == 201
    assert truth.json()["shape"] == [512, 512]
    truth_id = truth.json()["truth_id"]
    assert truth.json() | {"sample": "spheres", "what": what} == api.get(f"/api/truths/{truth_id}").json()
    signal = api.post(f"/api/truths/{truth_id}/signal", json={"rows": 8, "cols": 8})
    assert signal.status_code == 201
    assert signal.json()["shape"][1:] == [8, 8]
    assert signal.json()["kind"] == {"depth": "depth", "labels": "soft_labels"}[what]
    body = {"image_id": image, "settings": QUICK, "signal_id": signal.json()["signal_id"], "truth_id": truth_id}
    result = finished(api, {**body, "panels": "links"})
    scene = SAMPLES["spheres"]
    expected = pipeline.run(
        scene.image, Settings(**QUICK), signal=downsampled(scene.truth(what), 8, 8, what), truth=scene.truth(what)
    )
    for method, figures in expected.metrics["signal"].items():
        assert plain(result["metrics"]["signal"][method]) == pytest.approx(plain(figures), abs=1e-6)
    assert {"signal_truth", "signal_error_auto"} <= {panel["name"] for panel in result["panels"]}


def test_a_brought_truth_in_one_form(api: TestClient) -> None:
    depth = SAMPLES["spheres"].depth.numpy()
    files = {"signal": ("d.npy", npy(depth[32::64, 32::64])), "truth": ("t.npy", npy(depth))}
    given = {"sample": "spheres", **{name: str(value) for name, value in QUICK.items()}}
    answer = api.post("/api/run", data=given, files=files)
    assert answer.status_code == 200, answer.text
    assert set(answer.json()["metrics"]["signal"]["auto"]) == {"rmse", "mae", "delta1", "edge_rmse", "agrees"}
    assert "closest to the truth" in answer.json()["status"]["truth"]


def test_what_makes_no_sense_is_refused(api: TestClient) -> None:
    image = api.post("/api/images", files=fields(sample="spheres")).json()["image_id"]
    truth = api.post("/api/truths", files=fields(sample="spheres", what="depth")).json()["truth_id"]
    alone = api.post("/api/jobs", json={"image_id": image, "settings": QUICK, "truth_id": truth})
    assert (alone.status_code, alone.json()["setting"]) == (422, "truth")
    colour = api.post("/api/truths", files=fields(sample="spheres", what="colour"))
    assert (colour.status_code, colour.json()["code"]) == (422, "request_invalid")
    assert api.post("/api/truths", data={}, files={"x": ("x", b"x")}).status_code == 422
    unknown = api.post(f"/api/truths/{'0' * 32}/signal", json={"rows": 8, "cols": 8})
    assert unknown.json()["code"] == "not_found"


def test_a_truth_that_is_kept_is_told_again(api: TestClient) -> None:
    made = api.post("/api/truths", files={"file": ("full.npy", npy(np.ones((40, 30), np.float32)))}).json()
    assert (made["name"], made["shape"], made["sample"]) == ("full.npy", [40, 30], None)
    assert api.get(f"/api/truths/{made['truth_id']}").json() == made
    assert api.get(f"/api/truths/{'0' * 32}").status_code == 404


def test_a_run_in_one_request_is_measured_against_a_scenes_own_truth(api: TestClient) -> None:
    signal = {"signal": ("depth.npy", npy(np.random.default_rng(0).random((4, 4), np.float32)))}
    given = fields(sample="spheres", what="depth", kind="depth", features="false", iters="1", resolution="64")
    answer = api.post("/api/run", files=given | signal)
    assert answer.status_code == 200, answer.text
    assert "rmse" in answer.json()["metrics"]["signal"]["gsjbu"]

    both = api.post("/api/run", files=given | signal | {"truth": ("t.npy", npy(np.ones((64, 64), np.float32)))})
    photo = {"file": ("p.png", api.get("/api/samples/spheres.png?size=64").content)}
    nowhere = api.post("/api/run", files=fields(what="depth") | signal | photo)
    for refused in (both, nowhere):
        assert refused.status_code == 422
        assert refused.json()["setting"] == "what"


def test_one_of_a_files_arrays_is_named(api: TestClient) -> None:
    """As file.npz:NAME in the library; a refusal says which there are, and a run's form names the truth's own, too."""
    out = io.BytesIO()
    scene = SAMPLES["spheres"]
    np.savez(out, low=scene.depth.numpy()[8::16, 8::16], full=scene.depth.numpy())
    file = ("maps.npz", out.getvalue())
    refused = api.post("/api/signals", files={"file": file})
    advice = [{"word": "entry", "value": name, "sentence": ""} for name in ("low", "full")]
    assert refused.status_code == 422 and refused.json()["advice"] == advice
    signal = api.post("/api/signals", files={"file": file, **fields(entry="low")}).json()
    assert (signal["shape"], signal["name"], signal["entry"]) == ([1, 32, 32], "maps.npz", "low")
    assert api.get(f"/api/signals/{signal['signal_id']}").json()["entry"] == "low"
    truth = api.post("/api/truths", files={"file": file, **fields(entry="full")}).json()
    assert (truth["shape"], truth["entry"]) == ([512, 512], "full")
    assert api.get(f"/api/truths/{truth['truth_id']}").json()["entry"] == "full"
    wrong = api.post("/api/signals", files={"file": file, **fields(entry="none")}).json()
    assert wrong["code"] == "signal_missing" and "low, full" in wrong["detail"]
    form = {"signal": file, "truth": file, **fields(sample="spheres", entry="low", truth_entry="full")}
    settings = {name: str(value) for name, value in QUICK.items()}
    assert "rmse" in api.post("/api/run", files={**form, **fields(**settings)}).json()["metrics"]["signal"]["bilinear"]
    for name in ("entry", "truth_entry"):
        alone = api.post("/api/run", files=fields(sample="spheres", **{name: "low"}, **settings))
        assert alone.json()["setting"] == name


@pytest.mark.parametrize(
    ("values", "words", "advice"),
    [
        (np.random.default_rng(0).integers(0, 255, (32, 32, 3), np.uint8), {}, [("kind", "features")]),
        (np.full((4, 4), 7.5, np.float32), {"kind": "heat_map"}, [("kind", "depth"), ("kind", "logits")]),
    ],
)
def test_a_refused_signal_comes_with_what_would_have_it_taken(
    api: TestClient, values: np.ndarray, words: dict[str, str], advice: list[tuple[str, str]]
) -> None:
    """A word and its value, which this form takes, and the sentence of the refusal that says so."""
    if values.dtype == np.uint8:
        out = io.BytesIO()
        Image.fromarray(values).save(out, "PNG")
        file = ("x.png", out.getvalue())
    else:
        file = ("x.npy", npy(values))
    refused = api.post("/api/signals", files={"file": file, **fields(**words)}).json()
    assert [(one["word"], one["value"]) for one in refused["advice"]] == advice
    assert all(one["sentence"] and one["sentence"] in refused["detail"] for one in refused["advice"])
    word, value = advice[0]
    taken = api.post("/api/signals", files={"file": file, **fields(**{**words, word: value})})
    assert taken.status_code == 201 and taken.json()["kind"] == value
