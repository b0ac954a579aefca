"""Behind a proxy that serves the page under a path of its own host, and cuts that path off."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import urljoin

import httpx
import pytest

from tests.prefix import under_prefix
from tests.server.conftest import ROOT, Running

# What a file loads or leads to, by its kind.
LOADED = {
    "text/html": re.compile(r'(?:href|src)="([^"#]+)"'),
    "text/javascript": re.compile(r'^(?:import .*|\} )from "([^"]+)"', re.MULTILINE),
    "text/css": re.compile(r"url\([\"']?([^\"')]+)"),
}


@pytest.fixture(scope="module")
def address(plain: Running) -> Iterator[str]:
    with under_prefix(plain.url) as url:
        yield url


def test_whatever_the_pages_load_lies_under_the_prefix(address: str) -> None:
    todo, seen = [f"{address}/"], set()
    with httpx.Client() as client:
        while todo:
            url = todo.pop()
            assert url.startswith(f"{address}/")
            answer = client.get(url)
            assert answer.status_code == 200, url
            seen.add(url)
            loaded = LOADED.get(answer.headers["content-type"].split(";")[0])
            found = {urljoin(url, one) for one in loaded.findall(answer.text)} if loaded else set()
            todo += found - seen - set(todo)
    names = {url.removeprefix(address) for url in seen}
    assert {"/", "/static/css/base.css", "/static/js/api.js", "/docs", "/docs/style.css", "/openapi.json"} <= names
    assert len([name for name in names if name.endswith(".js")]) > 30


def test_the_page_asks_for_nothing_at_the_root_of_a_host() -> None:
    rooted = re.compile(r"""["'`(=]/(api|static|docs|healthz|metrics|openapi)\b(?!/out/"\))""")
    files = [*(ROOT / "static").rglob("*.js"), *(ROOT / "static").rglob("*.css"), ROOT / "templates/index.html"]
    assert len(files) > 40
    for file in files:
        assert rooted.search(file.read_text("utf-8")) is None, file
