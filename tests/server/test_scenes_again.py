"""A built-in scene that somebody has had computed with the same settings: its result is given again, and says so."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from gsjbu.models.catalogue import FOLDER_VARIABLE
from gsjbu.run import pipeline
from gsjbu.samples import SAMPLES
from gsjbu.server.runs import SEEN
from tests.server.conftest import Running, picture, start, upload, wait

FAST = {"iters": 2, "resolution": 96, "stride": 8, "features": False}
SCENE, OTHER = list(SAMPLES)[:2]


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Settings of every run that was really computed."""
    made: list[Any] = []
    whole = pipeline.run_reduced

    def run_reduced(image: Any, settings: Any, **more: Any) -> Any:
        made.append(settings)
        return whole(image, settings, **more)

    monkeypatch.setattr(pipeline, "run_reduced", run_reduced)
    return made


def of(client: httpx.Client, scene: str, **settings: Any) -> tuple[str, dict[str, Any]]:
    """A scene's job and its result, for a client that has never had it."""
    image = client.post("/api/images", files={"sample": (None, scene)}).json()["image_id"]
    job = start(client, image, **{**FAST, **settings})
    body = wait(client, job)
    assert body["state"] == "done", body
    return job, body["result"]


def test_the_second_visitor_gets_what_the_first_had(server: Running, computed: list[Any]) -> None:
    first, second = server.client("first"), server.client("second")
    job, result = of(first, SCENE)
    server.service.store.get("result", job).result.status["files"] = "They could not be written."
    job_too, again = of(second, SCENE)
    assert "files" not in again["status"]
    assert len(computed) == 1
    assert job != job_too
    assert "run" not in result["status"] and again["status"]["run"] == SEEN
    assert again["timings_ms"].keys() == {"decode", "reduce", "png", "total"}, "it was not computed"
    for fact in ("metrics", "losses", "settings", "image"):
        assert again[fact] == result[fact]
    for panel in (p["name"] for p in result["panels"]):
        png = f"panels/{panel}.png"
        assert first.get(f"/api/jobs/{job}/{png}").content == second.get(f"/api/jobs/{job_too}/{png}").content
    ask = "pixel?x=50&y=40"
    assert first.get(f"/api/jobs/{job}/{ask}").json() == second.get(f"/api/jobs/{job_too}/{ask}").json()


@pytest.mark.parametrize("change", [{"stride": 16}, {"seed": 1}, {"segmentation": "labels"}])
def test_other_settings_are_computed(server: Running, computed: list[Any], change: dict[str, Any]) -> None:
    client = server.client()
    of(client, SCENE)
    computed.clear()
    _, result = of(client, SCENE, **change)
    assert len(computed) == 1 and "run" not in result["status"]


def test_another_scene_and_a_picture_of_ones_own_are_computed(server: Running, computed: list[Any]) -> None:
    client = server.client()
    of(client, SCENE)
    computed.clear()
    of(client, OTHER)
    for _ in range(2):
        wait(client, start(client, upload(client, picture(96, 80)), **FAST))
    assert len(computed) == 3


@pytest.mark.parametrize("level", [1, 2, 3])
def test_a_result_that_made_room_is_computed_again(server: Running, computed: list[Any], level: int) -> None:
    client = server.client()
    job, _ = of(client, SCENE)
    server.service.store.get("result", job).evict(level)
    computed.clear()
    _, result = of(client, SCENE)
    assert len(computed) == 1 and "run" not in result["status"]


def test_new_weights_are_not_answered_by_old_ones(
    server: Running, computed: list[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = server.client()
    of(client, SCENE)
    computed.clear()
    (tmp_path / "resnet18.safetensors").write_bytes(b"x")
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path))
    of(client, SCENE)
    assert len(computed) == 1


def test_a_run_that_makes_room_leaves_the_other_visitor_whole(serve: Callable[..., Running]) -> None:
    server = serve(real=True)
    client = server.client()
    job, _ = of(client, SCENE)
    job_too, _ = of(client, SCENE)
    server.service.store.get("result", job).evict(3)
    assert client.get(f"/api/jobs/{job}/pixel?x=50&y=40").status_code == 404
    assert client.get(f"/api/jobs/{job_too}/pixel?x=50&y=40").status_code == 200
