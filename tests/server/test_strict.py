"""What a route does not know, and what is said twice, is refused by name instead of being ignored."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.server.conftest import Running, picture, upload

JSON = {"Content-Type": "application/json"}


def test_unknown_parameters_and_names_that_come_twice(serve: Callable[..., Running]) -> None:
    client = serve().client()
    image = upload(client)
    files = {"file": picture()}
    for method, address, setting in (
        ("POST", "/api/run?stride=4", "stride"),
        ("POST", "/api/images?kind=depth", "kind"),
        ("GET", "/api/settings?x=1", "x"),
        ("GET", f"/api/images/{image}?size=3", "size"),
        ("GET", "/api/samples/paper.png?size=64&format=webp", "format"),
    ):
        answer = client.request(method, address, files=files if method == "POST" else None)
        body = answer.json()
        assert (answer.status_code, body["code"], body["setting"]) == (422, "request_invalid", setting)
    assert body["detail"] == "The address has no parameter 'format'; it has size."
    assert client.get("/api/samples/paper.png?size=64").status_code == 200
    for address in ("/healthz?probe=1", "/?lang=zh"):
        assert client.get(address).status_code == 200
    twice = f'{{"image_id": "{image}", "settings": {{"stride": 8, "stride": 16}}}}'
    for answer in (
        client.post("/api/jobs", content=twice, headers=JSON),
        client.post("/api/run", files=files, data={"settings": '{"stride": 8, "stride": 16}'}),
    ):
        body = answer.json()
        assert (answer.status_code, body["code"], body["setting"]) == (400, "json_invalid", "stride")
    for address, setting in (
        ("/api/samples/paper.png?size=64&size=128", "size"),
        (f"/api/signals/{image}?image=a&resolution=64&image=b", "image"),
        (f"/api/jobs/{image}/pixel?x=1&y=2&x=1", "x"),
        (f"/api/jobs/{image}/similarity?x=1&y=2&format=u16&format=png", "format"),
    ):
        body = client.get(address).json()
        assert (body["code"], body["setting"]) == ("request_invalid", setting)
        assert "twice" in body["detail"]
    told = client.get(f"/api/jobs/{image}/pixel?x=1.5&y=2").json()["detail"]
    assert told == "x: must be a whole number, in digits."
    several = f"/api/jobs/{image}/similarity?x=1&y=2&also=3,4&also=5,6"
    assert client.get(several).json()["code"] == "not_found", "a list of pixels comes one by one"
    once = twice.replace('"stride": 8, ', "")
    assert client.post("/api/jobs", content=once, headers=JSON).status_code == 202


@pytest.mark.parametrize("beside", [{"stride": "16"}, {"stride": "8"}, {"iters": "3"}, {"stirde": "8"}])
def test_settings_come_in_one_field_or_in_fields_of_their_own(
    serve: Callable[..., Running], beside: dict[str, str]
) -> None:
    client = serve().client()
    files, together = {"file": picture()}, {"settings": '{"stride": 8}'}
    body = client.post("/api/run", files=files, data={**together, **beside}).json()
    assert (body["code"], body["setting"]) == ("request_invalid", *beside)
    for given in (together, {"stride": "8"}, {**together, "return_files": "false", "kind": "auto"}):
        answer = client.post("/api/run", files=files, data=given)
        assert answer.json()["settings"]["stride"] == 8


@pytest.mark.parametrize("address", ["/api/settings/", "/docs/", "/static"])
def test_no_address_leads_to_another_scheme(serve: Callable[..., Running], address: str) -> None:
    assert serve().client().get(address, follow_redirects=False).status_code == 404
