"""The attack list, each as a test: other sites, other names, other paths, other people's markup."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from platformdirs import user_cache_path

from gsjbu.server.cli import config_of
from gsjbu.server.config import Config
from gsjbu.server.serve import exposure
from tests.server.conftest import ROOT, Running, in_thread, picture, start, upload, wait
from tests.server.fake import FakeRun

SECRET = "the secret outside"


def test_every_kind_of_answer_carries_the_security_headers(plain: Running) -> None:
    client = plain.client()
    job_id = start(client, upload(client))
    wait(client, job_id)
    paths = ["/", "/docs", "/docs/style.css", "/openapi.json", "/healthz", "/metrics", "/api/settings", "/nothing",
             "/static/nothing", f"/api/jobs/{job_id}", f"/api/jobs/{job_id}/events",
             f"/api/jobs/{job_id}/panels/original.png", f"/api/jobs/{job_id}/download"]  # fmt: skip
    for path in paths:
        headers = client.get(path).headers
        csp = headers["content-security-policy"]
        assert "default-src 'none'" in csp
        assert "unsafe" not in csp
        assert "*" not in csp
        assert "frame-ancestors 'none'" in csp
        assert "http" not in csp
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["x-frame-options"] == "DENY"
        assert headers["cross-origin-resource-policy"] == "same-origin"
        assert not [h for h in headers if h.startswith("access-control-")], "no CORS"
        assert "server" not in headers


@pytest.mark.parametrize(
    ("host", "status"),
    [("127.0.0.1", 200), ("localhost", 200), ("LOCALHOST:8000", 200), ("[::1]:80", 200), ("localhost.", 200),
     ("10.1.2.3:8000", 200), ("192.168.0.7", 200), ("[fe80::1]:8000", 200), ("evil.example", 403),
     ("127.0.0.1.evil.example", 403), ("", 403), ("localhost@evil.example", 403), ("localhost:x", 403),
     ("localhost, evil.example", 403), ("0.0.0.0", 403), ("[::]:80", 403), ("10.1.2", 403), ("2130706433", 403),
     ("10.1.2.3@evil.example", 403), ("a.localhost", 403)],
)  # fmt: skip
def test_dns_rebinding(plain: Running, host: str, status: int) -> None:
    client = plain.client()
    for path in ("/", "/metrics", "/api/settings"):
        assert client.get(path, headers={"Host": host}).status_code == status
    assert client.post("/api/estimate", json={}, headers={"Host": host}).status_code == (403 if status == 403 else 422)


@pytest.mark.parametrize("host", ["10.1.2.3:8000", "page:8000", "pod-7.example.", "0.0.0.0", ""])
def test_a_probe_may_ask_for_the_health_by_any_name_and_for_nothing_else(plain: Running, host: str) -> None:
    client = plain.client(Host=host)
    assert [client.request(how, "/healthz").status_code for how in ("GET", "HEAD")] == [200, 200]
    assert client.post("/healthz").status_code == (405 if host == "10.1.2.3:8000" else 403)
    if host != "10.1.2.3:8000":
        assert client.get("/healthz/").json()["code"] == client.get("/metrics").json()["code"] == "host_not_allowed"


def test_no_host_at_all(plain: Running) -> None:
    for path, status in ((b"/", b" 403 "), (b"/healthz", b" 200 ")):
        with plain.connect() as s:
            s.sendall(b"GET " + path + b" HTTP/1.0\r\n\r\n")
            assert status in s.recv(65536)


@pytest.mark.parametrize(
    ("headers", "refused"),
    [
        ({}, False),
        ({"Origin": "http://evil.example"}, True),
        ({"Origin": "null"}, True),
        ({"Origin": "http://127.0.0.1:1"}, True),
        ({"Sec-Fetch-Site": "cross-site"}, True),
        ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}, True),
        ({"Origin": "http://[bad"}, True),
        ({"Sec-Fetch-Site": "same-origin"}, False),
        # A proxy has dropped the port of Host; the browser's own word, which no page can write, counts.
        ({"Origin": "http://127.0.0.1:1", "Sec-Fetch-Site": "same-origin"}, False),
        ({"Origin": "http://127.0.0.1:1", "Sec-Fetch-Site": "same-site"}, True),
    ],
)
def test_cross_site_post(plain: Running, headers: dict[str, str], refused: bool) -> None:
    server = plain
    for method, path in (
        ("POST", "/api/images"),
        ("POST", "/api/run"),
        ("POST", "/api/jobs"),
        ("DELETE", "/api/jobs/x"),
    ):
        answer = server.client().request(method, path, headers=headers)
        assert (answer.json()["code"] == "origin_not_allowed") == refused
        assert (answer.status_code == 403) == refused
    same = {"Origin": server.url}
    assert server.client().post("/api/images", files={"file": picture()}, headers=same).status_code == 201
    embedded = server.client().get(
        "/api/settings", headers={"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}
    )
    assert embedded.status_code == 403


@pytest.mark.posix
@pytest.mark.parametrize("prefix", ["/static/", "/static/out/", "/static/out/" + "0" * 32 + "/"])
@pytest.mark.parametrize(
    "path",
    ["../secret.txt", "..%2fsecret.txt", "%2e%2e/secret.txt", "..%5csecret.txt", "%2e%2e%2f%2e%2e%2fsecret.txt",
     "x%00.png", "%00", "link.png", "linked/secret.txt", "....//secret.txt", "%252e%252e/secret.txt", "a" * 5000,
     "/etc/passwd", "%2fetc%2fpasswd", "..;/secret.txt", "\\..\\secret.txt", "file:///etc/passwd"],
)  # fmt: skip
def test_static_cannot_be_escaped(hall: Running, prefix: str, path: str) -> None:
    with hall.connect() as s:  # a client library would tidy the path
        s.sendall(f"GET {prefix}{path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        answer = b""
        while more := s.recv(65536):
            answer += more
    assert answer.split(b" ")[1] in (b"404", b"400", b"431", b"405"), answer[:300]
    assert SECRET.encode() not in answer
    assert b"root:" not in answer


@pytest.fixture(scope="module")
def hall(tmp_path_factory: pytest.TempPathFactory):  # type: ignore[no-untyped-def]
    """A server whose static folder has a secret beside it and links that lead there."""
    home = tmp_path_factory.mktemp("hall")
    out = home / "static" / "out" / ("0" * 32)
    out.mkdir(parents=True)
    (home / "secret.txt").write_text(SECRET)
    (home / "static" / "secret.png").symlink_to(home / "secret.txt")
    (out / "link.png").symlink_to(home / "secret.txt")
    (out.parent / ("1" * 32)).symlink_to(home)
    (out.parent / "linked").symlink_to(home)
    (out / "good.png").write_bytes(picture())
    config = Config(port=0, warm_up=False, static_dir=home / "static", out_dir=home / "static" / "out")
    with in_thread(config) as running:
        yield running


@pytest.mark.posix
def test_a_good_file_is_served_and_linked_folders_are_not(hall: Running) -> None:
    client = hall.client()
    good = client.get(f"/static/out/{'0' * 32}/good.png")
    assert (good.status_code, good.headers["content-type"], good.content) == (200, "image/png", picture())
    for path in (f"/static/out/{'0' * 32}/link.png", f"/static/out/{'1' * 32}/secret.txt", "/static/secret.png"):
        assert client.get(path).status_code == 404


def test_no_answer_tells_a_path_or_a_traceback(serve: Callable[..., Running]) -> None:
    def fault(stage: str) -> None:
        raise OSError(2, "No such file", "/root/secret/place")

    client = serve(FakeRun(fault=fault)).client()
    answers = [
        client.post("/api/run", files={"file": picture()}),
        client.post("/api/run", files={"file": b"\x89PNG\r\n\x1a\nbroken"}),
        client.get("/api/jobs/%00"),
        client.get("/api/jobs/" + "x" * 3000),
        client.post("/api/jobs", json={"image_id": "../../etc/passwd"}),
        client.post("/api/jobs", json={"image_id": "x", "settings": {"backbone": "../../model.pth"}}),
        client.post("/api/jobs", json={"image_id": "x", "settings": {"backbone": "http://evil.example/m"}}),
        client.get("/api/samples/..%2f..%2fapp.png"),
    ]
    assert answers[0].status_code == 500
    assert answers[0].json()["code"] == "internal"
    for a in answers:
        assert a.headers["content-type"] == "application/problem+json"
        assert not re.search(r"Traceback|File \"|/root|site-packages|\.py", a.text), a.text
        assert str(ROOT) not in a.text
    assert [a.status_code for a in answers[1:]] == [422, 404, 422, 404, 422, 422, 404]


def test_markup_in_a_name_comes_back_as_data(plain: Running) -> None:
    client = plain.client()
    name = "<script>alert(1)</script>.png"
    answer = client.post("/api/images", files={"file": (name, picture())})
    assert answer.headers["content-type"] == "application/json"
    assert json.loads(answer.text)["name"] == "script>.png"
    page = client.get("/nothing<script>alert(1)</script>")
    assert page.headers["content-type"] == "application/problem+json"
    assert "<script>alert" not in page.text


def test_docs_and_page_ask_no_other_host(plain: Running) -> None:
    client = plain.client()
    for path in ("/docs", "/"):
        text = client.get(path).text
        assert not re.findall(r"""(?:src|href)\s*=\s*["']?(?:https?:)?//""", text)
        assert not re.findall(r"<script(?![^>]*\bsrc=)", text), "no inline script"
        assert not re.findall(r"<[^>]+\sstyle\s*=", text), "no inline style"
        assert not re.findall(r"<[^>]+\son\w+\s*=", text), "no inline handler"
    described = client.get("/openapi.json").json()
    docs = client.get("/docs").text
    assert all(path in docs for path in described["paths"])


@pytest.mark.parametrize("file", ["deploy/nginx.conf", "docs/server.md"])
def test_what_nginx_passes_on_is_accepted_at_any_port(plain: Running, file: str) -> None:
    (passed,) = re.findall(r"proxy_set_header Host (\S+);", (ROOT / file).read_text("utf-8"))
    host = {"$host": "localhost", "$http_host": "localhost:8080"}[passed]
    browser = {"Host": host, "Origin": "http://localhost:8080"}
    answer = plain.client().post("/api/images", files={"file": picture()}, headers=browser)
    assert answer.status_code == 201, answer.text


def test_named_sites_may_show_the_page_in_a_frame_and_no_others(tmp_path: Path) -> None:
    asked = config_of(["--frame-ancestor", "https://huggingface.co"], {}).frame_ancestors
    with in_thread(Config(port=0, warm_up=False, out_dir=tmp_path, frame_ancestors=asked)) as running:
        headers = running.client().get("/").headers
    assert "frame-ancestors https://huggingface.co" in headers["content-security-policy"]
    assert "x-frame-options" not in headers and "default-src 'none'" in headers["content-security-policy"]
    assert "SameSite=None; Secure; Partitioned" in headers["set-cookie"] and "HttpOnly" in headers["set-cookie"]


@pytest.mark.parametrize("text", ["*", "huggingface.co", "https://a.org/x", "https://*.a.org", "https://a.org; x", ""])
def test_a_frames_site_is_one_origin(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        config_of(["--frame-ancestor", text], {})
    assert "must be a site" in capsys.readouterr().err


def test_the_cookie_is_for_this_site_alone(plain: Running) -> None:
    cookie = plain.client().get("/").headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie


def test_binding_another_address_needs_an_option_and_warns() -> None:
    assert config_of([], {}).is_local
    open_to_all = config_of(["--host", "0.0.0.0"], {})
    assert not open_to_all.is_local
    assert "0.0.0.0" in exposure(open_to_all) and "--allowed-host" in exposure(open_to_all)
    assert "0.0.0.0" not in open_to_all.allowed_hosts
    named = config_of(["--host", "0.0.0.0", "--allowed-host", "lab.example"], {})
    assert "lab.example" in named.allowed_hosts and "--allowed-host" not in exposure(named)


def test_forwarded_headers_of_a_client_are_not_believed(serve: Callable[..., Running]) -> None:
    client = serve(FakeRun(seconds=1), client_jobs=1).client()
    image = upload(client)
    codes = [
        client.post("/api/jobs", json={"image_id": image}, headers={"X-Forwarded-For": f"10.0.0.{n}"}).status_code
        for n in range(3)
    ]
    assert codes == [202, 429, 429]


def test_requests_cannot_be_smuggled(plain: Running) -> None:
    server = plain
    with server.connect() as s:
        s.sendall(
            b"POST /api/estimate HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n"
            b"0\r\n\r\nGET /healthz HTTP/1.1\r\nHost: evil.example\r\n\r\n"
        )
        s.settimeout(2)
        answer = b""
        try:
            while more := s.recv(65536):
                answer += more
        except (TimeoutError, ConnectionResetError):
            pass
    assert b'\r\n\r\n{"status":"ok"' not in answer
    assert answer.startswith(b"HTTP/1.1 4") and answer.count(b"HTTP/1.1") == 1, "its end was said twice"


def test_the_log_cannot_be_forged() -> None:
    import logging

    from gsjbu.server.logs import JsonLines

    record = logging.makeLogRecord({"msg": "request", "path": '/a\n{"event":"forged"}', "levelname": "INFO"})
    line = JsonLines().format(record)
    assert "\n" not in line
    assert json.loads(line)["path"].startswith("/a\n")


def test_a_method_that_is_not_there(plain: Running) -> None:
    answer = httpx.request("TRACE", plain.url + "/healthz")
    assert answer.status_code == 405
    assert answer.json()["code"] == "method_not_allowed"
    assert answer.headers["allow"] == "GET"


def test_results_go_to_the_users_own_folder_or_where_the_option_says(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert Config().out_dir == user_cache_path("gsjbu") / "out"
    assert not Config().out_dir.is_relative_to(Config().static_dir), "an installed package may be read-only"
    assert config_of(["--out-dir", str(tmp_path)], {}).out_dir == tmp_path
    assert config_of([], {"GSJBU_OUT_DIR": str(tmp_path)}).out_dir == tmp_path
    (tmp_path / "file").touch()
    for wrong in ("file", "file/below/it"):
        with pytest.raises(SystemExit):
            config_of(["--out-dir", str(tmp_path / wrong)], {})
    assert "is no folder that can be written into" in capsys.readouterr().err
    assert config_of(["--out-dir", str(tmp_path / "to/be/made")], {}).out_dir == tmp_path / "to/be/made"


@contextlib.contextmanager
def chromium() -> Iterator[Any]:
    """A browser, or the test is skipped."""
    playwright = pytest.importorskip("playwright.sync_api")
    path = os.environ.get("GSJBU_CHROMIUM") or shutil.which("chromium")
    if path is None:
        pytest.skip("no Chromium on this machine")
    with playwright.sync_playwright() as p:
        browser = p.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


def test_a_browser_finds_no_error_in_the_docs_and_asks_nobody_else(plain: Running) -> None:
    with chromium() as browser:
        page = browser.new_page(viewport={"width": 320, "height": 640})
        said: list[str] = []
        asked: list[str] = []
        page.on("console", lambda m: said.append(m.text))
        page.on("request", lambda r: asked.append(r.url))
        page.goto(plain.url + "/docs")
        for summary in page.locator("summary").all():
            summary.click()
        assert page.locator("details[open]").count() > 10
        assert page.evaluate("document.documentElement.scrollWidth") <= 320
    assert said == []
    assert all(url.startswith(plain.url) for url in asked)


def test_in_the_frame_of_a_named_site_a_browser_computes_as_a_client_of_its_own(tmp_path: Path) -> None:
    from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
    from threading import Thread

    framed = ""

    class Other(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = f'<iframe src="{framed}"></iframe>'.encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *words: object) -> None:
            """Nobody reads it."""

    other = ThreadingHTTPServer(("127.0.0.1", 0), Other)
    Thread(target=other.serve_forever, daemon=True).start()
    site = f"http://localhost:{other.server_port}"
    config = Config(port=0, warm_up=False, out_dir=tmp_path, frame_ancestors=(site,))
    try:
        with in_thread(config) as running, chromium() as browser:
            framed = running.url
            page = browser.new_page()
            page.goto(site)
            frame = page.frame(url=f"{framed}/")
            assert frame is not None, "the frame was refused"
            with page.expect_request(f"{framed}/api/estimate") as asked:
                status = frame.evaluate("fetch('/api/estimate', {method: 'POST'}).then((answer) => answer.status)")
            assert status != 403 and "gsjbu_client=" in asked.value.all_headers()["cookie"]
            page.goto(site.replace("localhost", "127.0.0.1"))
            assert page.frame(url=f"{framed}/") is None, "another site may show the page"
    finally:
        other.shutdown()


@pytest.mark.parametrize("path", ["/", "/healthz", "/metrics", "/docs", "/openapi.json", "/static/icon.svg"])
def test_heads_are_answered_wherever_pages_are(plain: Running, path: str) -> None:
    client = plain.client()
    head, whole = client.head(path), client.get(path)
    assert head.status_code == whole.status_code == 200 and head.content == b""
    assert head.headers["content-type"] == whole.headers["content-type"]


@pytest.mark.parametrize(
    "body", [b"\xff\xfe{", b"[" * 30_000, b'{"width": ' + b"9" * 5000 + b"}", b"{", b"\x80"], ids=range(5)
)
@pytest.mark.parametrize("path", ["/api/jobs", "/api/estimate"])
def test_a_body_that_is_no_json_is_called_so(plain: Running, path: str, body: bytes) -> None:
    answer = plain.client().post(path, content=body, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (400, "json_invalid")
    assert answer.json()["detail"].startswith("The body is no JSON")


@pytest.mark.parametrize("name", ["x", "a" * 65, "with a space", ""])
def test_a_clients_name_has_one_rule_for_all_of_the_interface(plain: Running, name: str) -> None:
    client = plain.client()
    for method, path in (
        ("GET", "/api/settings"),
        ("POST", "/api/images"),
        ("POST", "/api/jobs"),
        ("POST", "/api/run"),
    ):
        answer = client.request(method, path, headers={"X-Client-Id": name})
        assert (answer.status_code, answer.json()["code"]) == (422, "request_invalid")
        assert answer.json()["detail"] == "X-Client-Id must be 8 to 64 letters, digits, - or _."
