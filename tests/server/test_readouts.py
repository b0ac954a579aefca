"""Looking at a result takes memory too: it is held meanwhile, and refused where it is not there."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from gsjbu.server import readouts
from tests.server.conftest import Running, picture, start, upload, wait
from tests.server.test_jobs import until

MIB = 2**20


@pytest.mark.parametrize("path", ["similarity?x=1&y=1", "download"])
def test_without_room_a_read_out_is_refused_and_the_result_stays(
    serve: Callable[..., Running], path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve()
    client = server.client()
    job = start(client, upload(client))
    assert wait(client, job)["state"] == "done"
    with monkeypatch.context() as short:
        short.setattr("gsjbu.server.service.available_bytes", lambda: 64 * MIB)
        answer = client.get(f"/api/jobs/{job}/{path}")
        assert (answer.status_code, answer.json()["code"]) == (413, "memory_limit")
        assert client.get(f"/api/jobs/{job}/pixel?x=1&y=1").status_code == 200
    assert client.get(f"/api/jobs/{job}/{path}").status_code == 200
    until(lambda: server.service._held == 0, 5)


def test_what_is_held_is_not_there_for_a_job(
    serve: Callable[..., Running], monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve()
    client = server.client()
    image = upload(client, picture(400, 300))
    monkeypatch.setattr("gsjbu.server.service.available_bytes", lambda: 200 * MIB)
    release = server.service.hold(135 * MIB)
    assert wait(client, start(client, image))["error"]["code"] == "memory_limit"
    release()
    assert wait(client, start(client, image))["state"] == "done"


def test_more_channels_and_more_pixels_take_more(serve: Callable[..., Running]) -> None:
    server = serve()
    client = server.client()
    found = []
    for side in (64, 128):
        job = start(client, upload(client, picture(side, side)))
        assert wait(client, job)["state"] == "done"
        found.append(server.service.result(job))
    small, large = found
    for of in (readouts.of_similarity, readouts.of_zip):
        assert of(large) == 4 * of(small) > 0
    assert readouts.of_panel(large, "gsjbu_rgb") == 0, "it is there"
