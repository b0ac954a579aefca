"""What /openapi.json promises against what is sent: every answer of a run has all that its schema says, and no more."""

from __future__ import annotations

import copy
import io
from typing import Any

import httpx
import numpy as np
import pytest
from jsonschema import Draft202012Validator

from gsjbu.samples import SAMPLES
from tests.server.conftest import Running, picture, start, upload, wait

FAST = {"iters": 2, "resolution": 96, "stride": 8, "segmentation": "labels"}
PROBLEM = "application/problem+json"


@pytest.fixture(scope="module")
def api(client: httpx.Client) -> dict[str, Any]:
    """The description, in which objects have nothing but what is named."""
    described = copy.deepcopy(client.get("/openapi.json").json())
    for schema in described["components"]["schemas"].values():
        if "properties" in schema:
            schema.setdefault("additionalProperties", False)
    return described


def schema_of(api: dict[str, Any], path: str, method: str, status: int, kind: str) -> dict[str, Any]:
    schema = api["paths"][path][method]["responses"][str(status)]["content"][kind]["schema"]
    assert schema, "an empty schema says nothing"
    return {**schema, "components": api["components"]}


def check(api: dict[str, Any], path: str, answer: httpx.Response) -> Any:
    kind = answer.headers["content-type"]
    schema = schema_of(api, path, answer.request.method.lower(), answer.status_code, kind)
    wrong = [(list(e.absolute_path), e.message[-200:]) for e in Draft202012Validator(schema).iter_errors(answer.json())]
    assert not wrong
    return answer.json()


def test_every_answer_of_a_run_is_as_described(client: httpx.Client, api: dict[str, Any]) -> None:
    scene = next(iter(SAMPLES))
    made = client.post("/api/images", files={"sample": (None, scene)})
    image = check(api, "/api/images", made)["image_id"]
    depth = io.BytesIO()
    np.save(depth, np.where(np.arange(64) % 7, np.linspace(1, 5, 64), np.nan).reshape(8, 8))
    sent = client.post("/api/signals", files={"file": ("depth.npy", depth.getvalue())})
    signal = check(api, "/api/signals", sent)["signal_id"]
    wanted = {"image_id": image, "signal_id": signal, "settings": FAST}
    check(api, "/api/jobs", client.post("/api/jobs", json={**wanted, "patience_s": 0}))
    job = check(api, "/api/jobs", client.post("/api/jobs", json=wanted))["job_id"]
    check(api, "/api/jobs/{job_id}", client.get(f"/api/jobs/{job}"))
    wait(client, job, 120)
    done = check(api, "/api/jobs/{job_id}", client.get(f"/api/jobs/{job}"))
    assert {panel["group"] for panel in done["result"]["panels"]} >= {"rgb", "segmentation", "signal"}
    for name, asked in (
        ("pixel", {"x": 1, "y": 2}), ("region", {"x0": 0, "y0": 0, "x1": 9, "y1": 5}),
        ("kernel", {"x": 1, "y": 2}), ("kernels", {}), ("similarity", {"x": 1, "y": 2}),
    ):  # fmt: skip
        check(api, f"/api/jobs/{{job_id}}/{name}", client.get(f"/api/jobs/{job}/{name}", params=asked))
    check(api, "/api/settings", client.get("/api/settings"))
    slow = {"width": 4000, "height": 3000, "settings": {"resolution": 4000}}
    assert check(api, "/api/estimate", client.post("/api/estimate", json=slow))["advice"]
    files = {"sample": (None, scene), "iters": (None, "1"), "resolution": (None, "64")}
    check(api, "/api/run", client.post("/api/run", files=files))
    check(api, "/healthz", client.get("/healthz"))


def test_a_failed_jobs_state_is_as_described(client: httpx.Client, api: dict[str, Any]) -> None:
    job = start(client, upload(client, picture(400, 400)), iters=1000, resolution=400, stride=2, radius=8)
    check(api, "/api/jobs/{job_id}", client.delete(f"/api/jobs/{job}"))
    told = check(api, "/api/jobs/{job_id}", client.get(f"/api/jobs/{job}"))
    assert told["error"]["code"] == "cancelled"
    refused = check(api, "/api/jobs/{job_id}/pixel", client.get(f"/api/jobs/{job}/pixel?x=0&y=0"))
    assert "was cancelled" in refused["detail"]


def test_refusals_are_described_as_they_are_sent(client: httpx.Client, api: dict[str, Any]) -> None:
    for path, methods in api["paths"].items():
        for method, operation in methods.items():
            for status, answer in operation["responses"].items():
                if int(status) >= 400:
                    assert list(answer["content"]) == [PROBLEM], (path, method, status)
                    schema_of(api, path, method, int(status), PROBLEM)
    check(api, "/api/jobs/{job_id}", client.get(f"/api/jobs/{'0' * 32}"))
    packed = client.post("/api/jobs", content=b"x", headers={"Content-Encoding": "gzip"})
    assert packed.status_code == 415
    check(api, "/api/jobs", packed)


def test_headers_that_a_reader_needs_are_described(client: httpx.Client, api: dict[str, Any]) -> None:
    image = client.post("/api/images", files={"sample": (None, next(iter(SAMPLES)))}).json()["image_id"]
    job = start(client, image, **FAST)
    wait(client, job, 120)
    for path, asked in (("panels/{name}.f32", "panels/sigma_x.f32"), ("similarity", "similarity?x=1&y=2&format=u16")):
        answer = client.get(f"/api/jobs/{job}/{asked}")
        described = api["paths"][f"/api/jobs/{{job_id}}/{path}"]["get"]["responses"]["200"]["headers"]
        sent = {name for name in answer.headers if name in ("x-width", "x-height", "x-low", "x-high")}
        assert sent and sent == {name.lower() for name in described}


@pytest.mark.parametrize("number", ["1_0", "１０", "0x8", "8.5", ""])
def test_whole_numbers_are_digits(client: httpx.Client, number: str) -> None:
    answer = client.post("/api/run", files={"file": ("a.png", picture()), "iters": (None, number)})
    assert (answer.status_code, answer.json()["setting"]) == (422, "iters")
    job = start(client, upload(client), **FAST | {"segmentation": "off"})
    wait(client, job, 120)
    asked = client.get(f"/api/jobs/{job}/pixel", params={"x": number, "y": 1})
    assert (asked.status_code, asked.json()["setting"]) == (422, "x")


def test_settings_in_a_forms_json_are_read_as_those_of_a_json_body(client: httpx.Client) -> None:
    form = {"file": ("a.png", picture()), "settings": (None, '{"stride": "8"}')}
    answer = client.post("/api/run", files=form)
    assert (answer.status_code, answer.json()["setting"]) == (422, "stride")


def test_a_truth_is_a_file_or_a_scenes_own(client: httpx.Client) -> None:
    file = {"file": ("t.png", picture())}
    for name, said in (("sample", next(iter(SAMPLES))), ("what", "depth")):
        answer = client.post("/api/truths", files={**file, name: (None, said)})
        assert (answer.status_code, answer.json()["setting"]) == (422, name)


def test_a_files_name_is_as_it_was_before_the_browser_wrote_it_into_the_form(server: Running) -> None:
    body = (
        b'--b\r\nContent-Disposition: form-data; name="file"; filename="a%22b%20%41.png"\r\n\r\n' + picture()
        + b"\r\n--b--\r\n"
    )  # fmt: skip
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    made = server.client().post("/api/images", content=body, headers=headers)
    assert made.json()["name"] == 'a"b%20%41.png'


def test_static_files_promise_no_ranges(client: httpx.Client) -> None:
    assert client.get("/static/icon.svg").headers["accept-ranges"] == "none"
