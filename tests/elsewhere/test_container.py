"""The container without a container: its files are parsed, and what it runs is run in a read-only tree."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from gsjbu.server.cli import config_of
from tests.elsewhere import namespaces
from tests.ports import free_port
from tests.server.conftest import ROOT


@pytest.fixture(scope="module")
def instructions() -> list[tuple[str, str]]:
    """The Dockerfile's instructions in order: (word, the rest)."""
    text = re.sub(r"^#.*\n", "", (ROOT / "Dockerfile").read_text("utf-8"), flags=re.MULTILINE)
    lines = filter(None, re.sub(r"\\\n\s*", " ", text).splitlines())
    return [tuple(line.split(" ", 1)) for line in lines]  # type: ignore[misc]


def rest(instructions: list[tuple[str, str]], word: str) -> list[str]:
    return [what for name, what in instructions if name == word]


def test_it_is_slim_runs_as_an_ordinary_user_and_is_stopped_kindly(instructions: list[tuple[str, str]]) -> None:
    assert rest(instructions, "FROM")[0].endswith("-slim")
    assert rest(instructions, "USER") == ["1000"]
    assert rest(instructions, "STOPSIGNAL") == ["SIGTERM"]
    assert len(rest(instructions, "HEALTHCHECK")) == 1
    words = [name for name, _ in instructions]
    assert words.index("USER") > max(n for n, name in enumerate(words) if name in ("RUN", "COPY"))


def test_what_it_copies_is_there_and_let_through(instructions: list[tuple[str, str]]) -> None:
    let_through = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    for what in rest(instructions, "COPY"):
        for source in what.split()[:-1]:
            assert (ROOT / source).exists() and f"!{source}" in let_through, source


def test_what_the_page_needs_is_locked(instructions: list[tuple[str, str]]) -> None:
    assert "--require-hashes --no-deps -r requirements.lock" in rest(instructions, "RUN")[0]
    done = subprocess.run([sys.executable, "scripts/lock.py", "--check"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_compose_and_the_space_say_what_the_dockerfile_says(instructions: list[tuple[str, str]]) -> None:
    compose = yaml.safe_load((ROOT / "deploy/compose.yaml").read_text("utf-8"))
    page, proxy = compose["services"]["page"], compose["services"]["proxy"]
    assert page["read_only"] and page["tmpfs"] == ["/tmp"] and page["cap_drop"] == ["ALL"]
    assert (ROOT / "deploy" / page["build"]).resolve() == ROOT
    assert proxy["volumes"][0].split(":")[0] == "./nginx.conf" and (ROOT / "deploy/nginx.conf").is_file()
    assert "proxy_pass http://page:8000;" in (ROOT / "deploy/nginx.conf").read_text("utf-8")
    command = (ROOT / "deploy/space/README.md").read_text("utf-8").split('"exec python app.py ')[1].split('"]')[0]
    space = config_of(command.replace("$PORT", "7860").replace("$SPACE_HOST", "a.hf.space").split(), {})
    assert "a.hf.space" in space.allowed_hosts and space.frame_ancestors == ("https://huggingface.co",)
    assert "PORT=8000" in rest(instructions, "ARG")
    head = yaml.safe_load((ROOT / "deploy/space/README.md").read_text("utf-8").split("---")[1])
    assert (head["sdk"], head["app_port"]) == ("docker", 7860)


@pytest.mark.soak
def test_its_command_serves_from_a_read_only_tree_is_healthy_and_ends_with_0(
    instructions: list[tuple[str, str]], tmp_path: Path
) -> None:
    namespaces.require()
    app, temporary = tmp_path / "app", tmp_path / "tmp"
    temporary.mkdir()
    for name in ("gsjbu", "templates", "static"):
        shutil.copytree(ROOT / name, app / name, ignore=shutil.ignore_patterns("__pycache__", "out"))
    shutil.copy(ROOT / "app.py", app)
    told = dict(pair.split("=", 1) for pair in rest(instructions, "ENV")[0].split())
    environment = {name: value.replace("/tmp", str(temporary), 1) for name, value in told.items()}
    environment["PORT"] = str(free_port())
    environment["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    process = subprocess.Popen(
        namespaces.command(namespaces.read_only(app), *json.loads(rest(instructions, "CMD")[0])),
        cwd=app, env={**os.environ, **environment}, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    check = json.loads(rest(instructions, "HEALTHCHECK")[0].split("CMD ")[1])
    end = time.monotonic() + 90
    while subprocess.run(check, env={**os.environ, **environment}, capture_output=True).returncode:
        assert process.poll() is None and time.monotonic() < end, process.communicate()[1]
        time.sleep(0.3)
    process.send_signal(signal.SIGTERM)
    said = process.communicate(timeout=60)[1]
    assert process.returncode == 0, said
    assert "Read-only" not in said
