"""Looking at a result takes memory too: it is held meanwhile, and refused where it is not there."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from gsjbu.server import readouts
from gsjbu.server.problems import Problem
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


def test_what_is_held_is_not_there_for_a_job(serve: Callable[..., Running], monkeypatch: pytest.MonkeyPatch) -> None:
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


def test_two_read_outs_do_not_take_the_same_room(
    serve: Callable[..., Running], monkeypatch: pytest.MonkeyPatch
) -> None:
    service = serve().service

    def is_there(need: int, running: int) -> bool:
        left = 100 * MIB - service._held
        time.sleep(0.05)  # the other one looks meanwhile
        return need <= left

    monkeypatch.setattr(service, "_is_there", is_there)
    with ThreadPoolExecutor(2) as pool:
        both = [pool.submit(service.hold, 60 * MIB) for _ in range(2)]
        refused = [one.exception() for one in both if one.exception() is not None]
    assert len(refused) == 1 and isinstance(refused[0], Problem)
    for one in both:
        if one.exception() is None:
            one.result()()
    assert service._held == 0


def test_a_pixel_of_panels_that_are_not_made_takes_room_as_they_do(
    serve: Callable[..., Running], monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve()
    client = server.client()
    job = start(client, upload(client))
    assert wait(client, job)["state"] == "done"
    used: list[int] = []
    make = server.service.make

    async def watched(work: Callable[[], object], need: int = 0) -> object:
        used.append(need)
        return await make(work, need)

    monkeypatch.setattr(server.service, "make", watched)
    path = f"/api/jobs/{job}/pixel?x=1&y=1"
    assert client.get(path).status_code == 200 and used == []
    monkeypatch.setattr(readouts, "of_panel", lambda bundle, name: 7)
    assert client.get(path).status_code == 200 and used == [7]


def test_a_point_cloud_is_refused_as_one(serve: Callable[..., Running]) -> None:
    service = serve(download_bytes=10).service
    with pytest.raises(Problem, match="The point cloud would have") as refused:
        service.check_download(11, "point cloud")
    assert refused.value.code == "download_too_large"
