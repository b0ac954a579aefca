"""Uploads that are too much of anything: refused or dropped, never read far past a limit, others served meanwhile."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from gsjbu.server.decoder import DecodeTimeout
from gsjbu.server.inputs import LARGE_BYTES
from gsjbu.server.limits import MIB, Limits
from gsjbu.server.uploads import Buffers, clean_name, form_bytes
from tests.at_once import at_once
from tests.server.conftest import ROOT, Running, picture, upload
from tests.server.test_jobs import until

BOUNDARY = "xyzzy"


def part(name: str, data: bytes, filename: str | None = None) -> bytes:
    head = f'Content-Disposition: form-data; name="{name}"' + (f'; filename="{filename}"' if filename else "")
    return f"--{BOUNDARY}\r\n{head}\r\n\r\n".encode() + data + b"\r\n"


def end() -> bytes:
    return f"--{BOUNDARY}--\r\n".encode()


def post(server: Running, body: bytes, path: str = "/api/run") -> httpx.Response:
    kind = f"multipart/form-data; boundary={BOUNDARY}"
    return server.client().post(path, content=body, headers={"Content-Type": kind})


def code_of(answer: httpx.Response) -> tuple[int, str]:
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    body = answer.json()
    assert body["status"] == answer.status_code
    assert len(body["detail"]) > 20
    return answer.status_code, body["code"]


def raw(server: Running, pieces: Iterator[bytes], most: int) -> tuple[bytes, int]:
    """Send ``pieces`` until the server answers or hangs up, or ``most`` bytes went out; the answer and the count."""
    sent = 0
    with server.connect() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 64 * 1024)
        s.settimeout(1.0)  # others share the cores
        with contextlib.suppress(TimeoutError, OSError):
            for piece in pieces:
                s.sendall(piece)
                sent += len(piece)
                if sent > most:
                    break
        s.settimeout(5)
        answer = b""
        with contextlib.suppress(OSError):
            while more := s.recv(65536):
                answer += more
    return answer, sent


def received(server: Running) -> float:
    """Bytes of bodies that the app has been given, from the log's own count."""
    return server.service.meters.registry.get_sample_value("gsjbu_request_bytes_total") or 0.0


HEAD = f"POST /api/images HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: multipart/form-data; boundary={BOUNDARY}\r\n"


def test_a_chunked_upload_without_a_length_stops_at_the_limit(serve: Callable[..., Running]) -> None:
    server = serve(image_bytes=2 * MIB)

    def endless() -> Iterator[bytes]:
        yield (HEAD + "Transfer-Encoding: chunked\r\n\r\n").encode()
        first = part("file", b"", "a.png")[:-2]
        yield b"%x\r\n%s\r\n" % (len(first), first)
        while True:
            yield b"10000\r\n" + bytes(0x10000) + b"\r\n"

    answer, _ = raw(server, endless(), 60 * MIB)
    assert b" 413 " in answer
    assert b'"upload_too_large"' in answer
    assert received(server) <= 3 * MIB


def test_an_upload_of_exactly_the_limit_passes_and_one_byte_more_does_not(serve: Callable[..., Running]) -> None:
    server = serve(image_bytes=10_000)
    exact = picture(10, 10) + bytes(10_000 - len(picture(10, 10)))
    assert server.client().post("/api/images", files={"file": exact}).status_code == 201
    answer = server.client().post("/api/images", files={"file": exact + b"!"})
    assert code_of(answer) == (413, "upload_too_large")


@pytest.mark.parametrize("declared", [10**6, 10**12])
def test_a_length_over_the_limit_is_refused_before_reading(serve: Callable[..., Running], declared: int) -> None:
    server = serve(image_bytes=50_000, json_bytes=1000, field_bytes=1000)
    answer, _ = raw(server, iter([f"{HEAD}Content-Length: {declared}\r\n\r\n".encode()]), 10)
    assert b" 413 " in answer
    assert received(server) == 0


def test_a_length_that_lies_low_cuts_the_form_and_a_length_that_lies_high_is_waited_for_in_vain(
    serve: Callable[..., Running],
) -> None:
    server = serve(idle_seconds=0.3)
    body = part("file", picture(), "a.png") + end()
    low, _ = raw(server, iter([f"{HEAD}Content-Length: 200\r\n\r\n".encode() + body]), 10**6)
    assert b" 422 " in low.split(b"\r\n")[0]
    high, _ = raw(server, iter([f"{HEAD}Content-Length: 9999\r\n\r\n".encode() + body]), 10**6)
    assert b" 408 " in high.split(b"\r\n")[0]
    assert upload(server.client())


def test_a_thousand_and_one_parts(plain: Running) -> None:
    server = plain
    fields = b"".join(part(f"f{n}", b"x") for n in range(1001))
    assert code_of(post(server, fields + end())) == (413, "too_many_fields")
    files = b"".join(part("file", b"x", "a.png").replace(b'"file"', b'"f%d"' % n) for n in range(1001))
    assert code_of(post(server, files + end()))[0] in (413, 422)


def test_a_text_field_of_two_mebibytes(plain: Running) -> None:
    server = plain
    assert code_of(post(server, part("stride", b"1" * 2 * MIB) + end())) == (413, "field_too_large")


def test_headers_by_the_ten_thousand(plain: Running) -> None:
    server = plain
    for count, size in ((10_000, 8), (101, 1), (3, 20_000)):
        lines = "".join(f"X-{n}: {'y' * size}\r\n" for n in range(count))
        answer, _ = raw(server, iter([f"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n{lines}\r\n".encode()]), 10**8)
        assert answer == b"" or answer.split(b" ")[1] in (b"400", b"431"), answer[:200]
    assert server.client().get("/healthz").status_code == 200


def test_part_headers_are_bounded(plain: Running) -> None:
    server = plain
    many = b"--xyzzy\r\n" + b"".join(b"X-%d: y\r\n" % n for n in range(1000)) + b"\r\n\r\n" + end()
    assert code_of(post(server, many)) == (422, "multipart_invalid")
    long = b"--xyzzy\r\nX: " + b"y" * 100_000 + b"\r\n\r\n" + end()
    assert code_of(post(server, long)) == (422, "multipart_invalid")


def test_slow_clients_are_dropped_and_others_are_served_meanwhile(serve: Callable[..., Running]) -> None:
    server = serve(header_seconds=0.6, idle_seconds=0.6, upload_seconds=1.2)
    closed: list[float] = []

    def drip(first: bytes) -> None:
        began = time.monotonic()
        with server.connect() as s:
            s.sendall(first)
            s.settimeout(0.1)
            while time.monotonic() - began < 8:
                try:
                    with contextlib.suppress(TimeoutError):
                        if not s.recv(4096):
                            break
                    s.sendall(b"a")
                except OSError:
                    break
        closed.append(time.monotonic() - began)

    firsts = [b"", b"GET / HTTP/1.1\r\nX-Slow: ", f"{HEAD}Content-Length: 5000\r\n\r\n--xyzzy\r\n".encode()]
    threads = [threading.Thread(target=drip, args=(first,)) for first in firsts * 20]
    for t in threads:
        t.start()
    times = []
    client = server.client()
    for _ in range(20):
        began = time.monotonic()
        assert client.get("/healthz").status_code == 200
        times.append(time.monotonic() - began)
    assert upload(client)
    for t in threads:
        t.join()
    assert len(closed) == 60
    assert max(closed) < 5
    assert sorted(times)[10] < 0.05


def test_a_client_that_does_not_read_its_answer_is_dropped(serve: Callable[..., Running]) -> None:
    server = serve(write_seconds=0.5)
    with server.connect() as s:
        s.sendall(b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n" * 400)
        connections = server.server.server_state.connections
        until(lambda: len(connections) == 1)
        until(lambda: len(connections) == 0, 10)
    assert server.client().get("/healthz").status_code == 200


def test_connections_over_the_count_are_closed_and_come_back_when_there_is_room(serve: Callable[..., Running]) -> None:
    server = serve(connections=10)
    with contextlib.ExitStack() as stack:
        held = [stack.enter_context(server.connect()) for _ in range(10)]
        time.sleep(0.1)
        with pytest.raises(httpx.TransportError):
            server.client().get("/healthz")
        assert len(held) == 10
    time.sleep(0.1)
    assert server.client().get("/healthz").status_code == 200


def _too_slow(*_asked: object) -> None:
    raise DecodeTimeout


def test_waiting_for_a_free_decoder_is_not_decode_time(
    serve: Callable[..., Running], monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve(decode_seconds=0.5)
    good = server.service.inputs.decoders.decode
    monkeypatch.setattr(server.service.inputs.decoders, "decode", lambda *a, **k: (time.sleep(0.2), good(*a, **k))[1])
    answers = at_once(lambda _: server.client().post("/api/images", files={"file": picture()}), range(10))
    assert [answer.status_code for answer in answers] == [201] * 10
    monkeypatch.setattr(server.service.inputs.decoders, "decode", _too_slow)
    assert code_of(server.client().post("/api/images", files={"file": picture()})) == (422, "decode_timeout")


def test_all_uploads_together_are_bounded(serve: Callable[..., Running]) -> None:
    server = serve(upload_buffer_bytes=100_000)
    answer = server.client().post("/api/images", files={"file": bytes(150_000)})
    assert code_of(answer) == (413, "upload_too_large"), "there is never room for it"
    assert server.service.buffers.used == 0
    assert upload(server.client())


@pytest.mark.parametrize(
    ("body", "kind", "code"),
    [
        (b"", "multipart/form-data; boundary=xyzzy", "multipart_invalid"),
        (b"garbage", "multipart/form-data; boundary=xyzzy", "multipart_invalid"),
        (part("file", b"x", "a.png"), "multipart/form-data; boundary=xyzzy", "multipart_invalid"),
        (b"--xyzzy\r\n\r\nx\r\n--xyzzy--\r\n", "multipart/form-data; boundary=xyzzy", "multipart_invalid"),
        (part("file", b"x") + end(), "multipart/form-data; boundary=xyzzy", "file_missing"),
        (part("other", b"x", "a") + end(), "multipart/form-data; boundary=xyzzy", "file_unexpected"),
        (part("file", b"x", "a") * 2 + end(), "multipart/form-data; boundary=xyzzy", "multipart_invalid"),
        (end(), "multipart/form-data; boundary=xyzzy", "file_missing"),
        (b"{}", "multipart/form-data", "content_type"),
        (b"{}", "multipart/form-data; boundary=" + "b" * 5000, "multipart_invalid"),
        (b"{}", "application/json", "content_type"),
        (b"{}", "", "content_type"),
        (part("sample", b"nothing") + end(), "multipart/form-data; boundary=xyzzy", "sample_unknown"),
        (part("stride", b"x") + part("sample", b"x") + end(), "multipart/form-data; boundary=xyzzy", "setting_invalid"),
        (part("stride", b"0") + end(), "multipart/form-data; boundary=xyzzy", "setting_out_of_bounds"),
        (part("settings", b"[1]") + end(), "multipart/form-data; boundary=xyzzy", "json_invalid"),
        (part("settings", b"[" * 60_000) + end(), "multipart/form-data; boundary=xyzzy", "json_invalid"),
        (part("nosuch", b"0") + end(), "multipart/form-data; boundary=xyzzy", "setting_unknown"),
        (part("return_files", b"maybe") + end(), "multipart/form-data; boundary=xyzzy", "request_invalid"),
    ],
)  # fmt: skip
def test_forms_that_are_wrong(plain: Running, body: bytes, kind: str, code: str) -> None:
    answer = plain.client().post("/api/run", content=body, headers={"Content-Type": kind})
    assert 400 <= answer.status_code < 500
    assert code_of(answer)[1] == code


PREAMBLES = [b"\r\n", b"This is a form of several parts.\r\n", b"--xyzzyx\r\nnot yet --xyzzy\r\n", b"x" * 4000 + b"\n"]


@pytest.mark.parametrize("before", PREAMBLES)
@pytest.mark.parametrize("step", [3, 100_000])
def test_a_form_may_have_a_preamble(plain: Running, before: bytes, step: int) -> None:
    form = part("file", picture(), "a.png") + end()
    body = before + form
    pieces = [body[n : n + step] for n in range(0, len(before) + 60, step)]
    pieces.append(body[sum(map(len, pieces)) :])
    kind = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
    answer = plain.client().post("/api/images", content=iter(pieces), headers=kind)
    assert answer.status_code == 201, answer.text
    told, right = answer.json(), post(plain, form, "/api/images").json()
    assert told | {"image_id": ""} == right | {"image_id": ""}


def test_a_preamble_without_end_is_none(plain: Running) -> None:
    def pieces() -> Iterator[bytes]:
        yield HEAD.encode() + b"Content-Length: 9000000\r\n\r\n"
        yield from [b"x" * 10_000] * 900

    answer, _ = raw(plain, pieces(), 9_000_000)
    assert b"multipart_invalid" in answer and received(plain) < 3_000_000


def test_compressed_and_oversized_json_bodies(serve: Callable[..., Running]) -> None:
    client = serve(json_bytes=1000).client()
    squeezed = client.post("/api/estimate", content=b"x", headers={"Content-Encoding": "gzip"})
    assert code_of(squeezed) == (415, "encoding_unsupported")
    large = json.dumps({"width": 1, "height": 1, "settings": {"x": "y" * 2000}}).encode()
    headers = {"Content-Type": "application/json"}
    assert code_of(client.post("/api/estimate", content=large, headers=headers)) == (413, "body_too_large")
    chunked = client.post("/api/estimate", content=iter([large[:600], large[600:]]), headers=headers)
    assert code_of(chunked) == (413, "body_too_large")
    deep = client.post("/api/estimate", content=b"[" * 900, headers=headers)
    assert 400 <= deep.status_code < 500
    for path in ("/api/estimate", "/api/jobs"):
        broken = client.post(path, content=b'{"a": ', headers=headers)
        assert code_of(broken) == (400, "json_invalid") and "setting" not in broken.json()
        assert broken.json()["detail"] == "The body is no JSON: it goes wrong at character 6."
        for body in (b"[]", b"null", b""):
            none = client.post(path, content=body, headers=headers)
            assert code_of(none) == (422, "request_invalid")
            assert none.json()["detail"] == "The body must be a JSON object, sent as application/json."


@pytest.mark.parametrize(
    ("given", "kept"),
    [("photo.jpg", "photo.jpg"), ("../../etc/passwd", "passwd"), ("C:\\a\\b.png", "b.png"), ("", "image"),
     ("a\r\nX: y\0.png", "aX: y.png"), ("x" * 500, "x" * 80)],
)  # fmt: skip
def test_names_are_only_ever_shown(given: str, kept: str) -> None:
    assert clean_name(given) == kept


@pytest.mark.parametrize(("limit", "names"), [("client_upload_bytes", "one one"), ("address_upload_bytes", "one two")])
def test_uploads_of_one_client_or_address_leave_room_for_others(
    serve: Callable[..., Running], limit: str, names: str
) -> None:
    server = serve(**{limit: 100_000})
    first, second = names.split()
    with server.connect() as dripping:
        head = HEAD.replace("\r\n", f"\r\nX-Client-Id: client-{first}\r\n", 1)
        dripping.sendall(f"{head}Content-Length: 90000\r\n\r\n".encode() + part("file", bytes(80_000), "a.png"))
        until(lambda: server.service.buffers.used >= 80_000)
        busy = server.client(second).post("/api/images", files={"file": picture(200, 100)})
        assert code_of(busy) == (429, "uploads_busy")
        assert busy.headers["retry-after"]
        if limit == "client_upload_bytes":
            assert server.client("other").post("/api/images", files={"file": picture()}).status_code == 201
    until(lambda: server.service.buffers.used == 0)


@pytest.mark.parametrize("limits", [Limits(), Limits().within(256 * MIB, ())])
def test_a_form_that_there_is_never_room_for_is_too_large(limits: Limits) -> None:
    most = form_bytes(limits, "/api/run")
    Buffers(limits).take(("address", "client"), most)
    assert most == min(limits.client_upload_bytes, limits.upload_buffer_bytes)
    assert form_bytes(limits, "/api/images") > min(limits.image_bytes, most - 1)


@pytest.mark.parametrize("file", ["deploy/nginx.conf", "docs/server.md"])
def test_nginx_lets_the_largest_form_through(file: str) -> None:
    (most,) = re.findall(r"client_max_body_size (\d+)m;", (ROOT / file).read_text("utf-8"))
    assert int(most) * MIB == form_bytes(Limits(), "/api/run")


@pytest.mark.parametrize("file", ["deploy/nginx.conf", "docs/server.md"])
def test_nginx_waits_a_tenth_longer_than_the_longest_job(file: str) -> None:
    (seconds,) = re.findall(r"proxy_read_timeout (\d+)s;", (ROOT / file).read_text("utf-8"))
    assert int(seconds) == 1.1 * Limits().job_seconds


def test_a_small_file_passes_large_ones_that_wait(
    serve: Callable[..., Running], monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve()
    small, large = picture(), picture(500, 400)
    assert len(large) > LARGE_BYTES
    good = server.service.inputs.decoders.decode
    pause = lambda data, *rest: (time.sleep(0.3 if len(data) > LARGE_BYTES else 0), good(data, *rest))[1]  # noqa: E731
    monkeypatch.setattr(server.service.inputs.decoders, "decode", lambda data, *a, **k: pause(data, *a, *k.values()))
    with ThreadPoolExecutor(6) as pool:
        posts = [pool.submit(server.client(f"l{n}").post, "/api/images", files={"file": large}) for n in range(6)]
        time.sleep(0.1)
        began = time.monotonic()
        assert server.client("small").post("/api/images", files={"file": small}).status_code == 201
        assert time.monotonic() - began < 1.0, "six large ones take 1.8 s"
        assert [p.result().status_code for p in posts] == [201] * 6
