"""Bodies in: counted as they stream, before anything looks at them.

``IntakeMiddleware`` stands before every route and bounds any body in bytes and in time, whatever Content-Length says;
once the server stops, it takes none.
``read_form`` reads one multipart form into memory and stops at the first byte over a file's, a field's or a
count's bound. Memory of all uploads under way together is bounded by ``Buffers``.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from python_multipart.exceptions import FormParserError, MultipartParseError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gsjbu.server.clients import client_of
from gsjbu.server.limits import KIB, MIB, Limits
from gsjbu.server.problems import Problem, stopping

# After a refusal the rest of a body is thrown away up to here, so that the answer is not lost in a reset.
DRAIN_BYTES = 512 * KIB
DRAIN_SECONDS = 1.0
#: The forms by address: each file's field, and the limit that its size has.
FORMS = {
    "/api/run": {"file": "image_bytes", "signal": "signal_bytes", "truth": "signal_bytes"},
    "/api/images": {"file": "image_bytes"},
    "/api/signals": {"file": "signal_bytes"},
    "/api/truths": {"file": "signal_bytes"},
}


class Buffers:
    """Bytes of uploads that are in memory now: of all requests together, of one address, of one client."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._of: Counter[tuple[str, ...]] = Counter()

    @property
    def used(self) -> int:
        """Bytes of all."""
        return self._of[()]

    def take(self, client: tuple[str, str], count: int) -> None:
        """Count ``count`` more bytes in, or refuse."""
        limits = self._limits
        if self._of[()] + count > limits.upload_buffer_bytes:
            raise _busy("Too many uploads at this moment")
        if self._of[client[:1]] + count > limits.address_upload_bytes:
            raise _busy("Too many uploads of your address at this moment")
        if self._of[client] + count > limits.client_upload_bytes:
            raise _busy("Too many of your uploads at this moment")
        for who in ((), client[:1], client):
            self._of[who] += count

    def give(self, client: tuple[str, str], count: int) -> None:
        """Count them out again."""
        for who in ((), client[:1], client):
            self._of[who] -= count
            if not self._of[who]:
                del self._of[who]


def _busy(what: str) -> Problem:
    return Problem("uploads_busy", f"{what}; please try again.", retry_after=2, close=True)


@dataclass
class File:
    """One file of a form, as it came."""

    name: str
    data: bytearray = field(default_factory=bytearray)


@dataclass
class Form:
    """Text fields and files by field name; a name that comes twice is refused."""

    fields: dict[str, str] = field(default_factory=dict)
    files: dict[str, File] = field(default_factory=dict)


def file_bytes(limits: Limits, path: str) -> dict[str, int]:
    """The file fields of the form at ``path``, and the largest size of each in bytes."""
    return {name: getattr(limits, limit) for name, limit in FORMS[path].items()}


def form_bytes(limits: Limits, path: str) -> int:
    """Most bytes that a form at ``path`` can rightly have, and that there is room for when nothing else comes."""
    files = sum(file_bytes(limits, path).values())
    room = min(limits.upload_buffer_bytes, limits.address_upload_bytes, limits.client_upload_bytes)
    return min(files + limits.form_fields * limits.field_bytes + 64 * KIB, room)


class IntakeMiddleware:
    """Counts and times every request body, and refuses them all once ``is_stopping``: what they bring would be lost."""

    def __init__(self, app: ASGIApp, limits: Limits, is_stopping: Callable[[], bool] = lambda: False) -> None:
        self.app = app
        self.limits = limits
        self.is_stopping = is_stopping

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        limit = form_bytes(self.limits, scope["path"]) if scope["path"] in FORMS else self.limits.json_bytes
        body = _Body(receive, limit, self.limits, dict(scope["headers"]), self.is_stopping)

        async def closing(message: Message) -> None:
            if message["type"] == "http.response.start" and not body.done:
                await body.drain()
                if not body.done:
                    MutableHeaders(scope=message)["Connection"] = "close"
            await send(message)

        refusal = body.refusal()
        if refusal is not None:
            scope["gsjbu.code"] = refusal.code
            await refusal.response()(scope, receive, closing)
            return
        await self.app(scope, body.receive, closing)


class _Body:
    """One request's body on its way in."""

    def __init__(
        self, receive: Receive, limit: int, limits: Limits, headers: dict[bytes, bytes], is_stopping: Callable[[], bool]
    ) -> None:
        self._receive, self.is_stopping = receive, is_stopping
        self.limit, self.limits = limit, limits
        self.encoding = headers.get(b"content-encoding", b"identity").lower()
        declared = headers.get(b"content-length", b"")
        self.declared = int(declared) if declared.isdigit() else None
        self.is_ambiguous = bool(declared) and b"transfer-encoding" in headers
        # Without either header there is no body (RFC 9112, section 6.3).
        self.done = not self.declared and b"transfer-encoding" not in headers
        self.count = 0
        self.deadline = time.monotonic() + limits.upload_seconds

    def refusal(self) -> Problem | None:
        """What the header alone is enough to refuse."""
        if self.is_ambiguous:  # a proxy may see another end of it (RFC 9112, section 6.1)
            detail = "The request has Content-Length and Transfer-Encoding; send one of them."
            return Problem("request_invalid", detail, close=True)
        if self.done:
            return None
        if self.is_stopping():
            return stopping()
        if self.encoding != b"identity":
            return Problem("encoding_unsupported", "Compressed request bodies are not accepted; send it plain.")
        if self.declared is not None and self.declared > self.limit:
            return self._too_large()
        return None

    def _too_large(self) -> Problem:
        if self.limit == self.limits.json_bytes:
            return Problem("body_too_large", f"The body is larger than {_size(self.limit)}; send less.", close=True)
        return Problem(
            "upload_too_large", f"The upload is larger than the {_size(self.limit)} this form may have.", close=True
        )

    async def receive(self) -> Message:
        """ASGI receive with a count and two clocks."""
        if self.done:
            return await self._receive()
        wait = min(self.limits.idle_seconds, self.deadline - time.monotonic())
        try:
            message = await asyncio.wait_for(self._receive(), max(0.0, wait))
        except TimeoutError:
            raise Problem("upload_timeout", "The body came too slowly; please send it again.", close=True) from None
        self._note(message)
        if self.is_stopping():
            raise stopping()
        if self.count > self.limit:
            raise self._too_large()
        return message

    def _note(self, message: Message) -> None:
        if message["type"] == "http.disconnect":
            self.done = True
        else:
            self.count += len(message.get("body", b""))
            self.done = not message.get("more_body", False)

    async def drain(self) -> None:
        """Throw away a little of what is left, so that a client which is nearly through can read the answer."""
        if self.declared is not None and self.declared - self.count > DRAIN_BYTES:
            return
        stop_at, started = self.count + DRAIN_BYTES, time.monotonic()
        try:
            while not self.done and self.count < stop_at:
                left = DRAIN_SECONDS - (time.monotonic() - started)
                self._note(await asyncio.wait_for(self._receive(), max(0.0, left)))
        except TimeoutError:
            return


@asynccontextmanager
async def read_form(request: Request, limits: Limits, buffers: Buffers) -> AsyncIterator[Form]:
    """The request's multipart form; its bytes count against ``buffers`` until the block is left."""
    kind, options = parse_options_header(request.headers.get("content-type", ""))
    boundary = options.get(b"boundary", b"")
    if kind != b"multipart/form-data" or not boundary:
        raise Problem("content_type", "Send a form as multipart/form-data, with the picture in the field 'file'.")
    client = client_of(request)
    reader = _FormReader(limits, file_bytes(limits, request.scope["path"]))
    taken = 0
    try:
        try:
            parser = MultipartParser(boundary, reader.callbacks(), max_header_count=16, max_header_size=4 * KIB)
            preamble = _Preamble(boundary)
            async for chunk in request.stream():
                buffers.take(client, len(chunk))
                taken += len(chunk)
                form = preamble.cut_off(chunk)
                for start in range(0, len(form), MIB // 4):
                    parser.write(form[start : start + MIB // 4])
            parser.write(preamble.held)
            parser.finalize()
        except (MultipartParseError, FormParserError) as error:
            raise Problem("multipart_invalid", "The multipart form is malformed; send it again.", close=True) from error
        if not reader.ended:
            raise Problem("multipart_invalid", "The multipart form ends too early; send it again.")
        yield reader.form
    finally:
        buffers.give(client, taken)


class _Preamble:
    """Leaves out what may stand before the first boundary (RFC 2046, 5.1.1), which the parser does not know; more than
    MOST bytes of it are left to the parser to refuse."""

    MOST = 4 * KIB

    def __init__(self, boundary: bytes) -> None:
        self._first = re.compile(rb"(?:\A|\n)(?=--" + re.escape(boundary) + rb"(?:--|[ \t]*\r?\n))")
        self._ended = False
        self.held = b""  # where the first boundary has not come yet

    def cut_off(self, chunk: bytes) -> bytes:
        """What of a form that goes on with ``chunk`` is the parser's."""
        if self._ended:
            return chunk
        self.held += chunk
        found = self._first.search(self.held)
        if found is None and len(self.held) <= self.MOST:
            return b""
        form, self.held, self._ended = self.held[found.end() if found else 0 :], b"", True
        return form


class _FormReader:
    """Callbacks of the multipart parser; raises at the first thing that is over a bound."""

    def __init__(self, limits: Limits, files: Mapping[str, int]) -> None:
        self.limits, self.allowed = limits, files
        self.form = Form()
        self.ended = False
        self._parts = 0
        self._header_name = self._header_value = b""
        self._disposition = b""
        self._name = ""
        self._data = bytearray()
        self._room = 0
        self._file: File | None = None

    def callbacks(self) -> Any:
        return {
            "on_part_begin": self._begin,
            "on_header_field": self._field,
            "on_header_value": self._value,
            "on_header_end": self._header,
            "on_headers_finished": self._headers,
            "on_part_data": self._part,
            "on_part_end": self._end,
            "on_end": self._finish,
        }

    def _begin(self) -> None:
        self._parts += 1
        if self._parts > self.limits.form_files + self.limits.form_fields:
            raise self._too_many_fields()
        self._disposition = b""
        self._file = None

    def _field(self, data: bytes, start: int, end: int) -> None:
        self._header_name += data[start:end]

    def _value(self, data: bytes, start: int, end: int) -> None:
        self._header_value += data[start:end]

    def _header(self) -> None:
        if self._header_name.lower() == b"content-disposition":
            self._disposition = self._header_value
        self._header_name = self._header_value = b""

    def _headers(self) -> None:
        _, options = parse_options_header(self._disposition)
        if b"name" not in options:
            raise Problem("multipart_invalid", "A part of the form has no name.", close=True)
        self._name = options[b"name"].decode("utf-8", "replace")[:100]
        if self._name in self.form.fields or self._name in self.form.files:
            raise Problem("multipart_invalid", f"The form has the field {self._name!r} twice.", close=True)
        if b"filename" in options:
            self._begin_file(options[b"filename"])
            return
        if self._name in self.allowed:
            raise Problem(
                "file_missing", f"The field {self._name!r} is text, not a file; attach the file itself.", close=True
            )
        if len(self.form.fields) >= self.limits.form_fields:
            raise self._too_many_fields()
        self._room, self._data = self.limits.field_bytes, bytearray()

    def _begin_file(self, raw_name: bytes) -> None:
        if len(self.form.files) >= self.limits.form_files:
            raise Problem("too_many_files", f"The form has more than {self.limits.form_files} files.", close=True)
        if self._name not in self.allowed:
            raise Problem(
                "file_unexpected",
                f"A file came in the field {self._name!r}; files belong in {', '.join(self.allowed)}.",
                close=True,
            )
        self._file = File(clean_name(_as_typed(raw_name)))
        self._room, self._data = self.allowed[self._name], self._file.data

    def _part(self, data: bytes, start: int, end: int) -> None:
        self._room -= end - start
        if self._room < 0:
            if self._file is None:
                most = _size(self.limits.field_bytes)
                raise Problem("field_too_large", f"The field {self._name!r} is larger than {most}.", close=True)
            most = _size(self.allowed[self._name])
            raise Problem("upload_too_large", f"The file is larger than {most}; send a smaller one.", close=True)
        self._data += data[start:end]

    def _end(self) -> None:
        if self._file is not None:
            self.form.files[self._name] = self._file
        else:
            self.form.fields[self._name] = self._data.decode("utf-8", "replace")

    def _finish(self) -> None:
        self.ended = True

    def _too_many_fields(self) -> Problem:
        return Problem("too_many_fields", f"The form has more than {self.limits.form_fields} fields.", close=True)


def _as_typed(raw_name: bytes) -> str:
    """A part's file name as it was before a browser wrote it into the form: three characters are escaped there
    (HTML, multipart/form-data encoding algorithm), others that look so are the name's own."""
    escaped = {b"%0A": b"\n", b"%0D": b"\r", b"%22": b'"'}
    return re.sub(rb"%0A|%0D|%22", lambda found: escaped[found[0]], raw_name).decode("utf-8", "replace")


def clean_name(name: str) -> str:
    """A file name to show, never to open: the last part, printable, at most 80 characters."""
    last = re.split(r"[/\\]", name)[-1]
    return "".join(c for c in last if c.isprintable())[:80] or "image"


def _size(count: int) -> str:
    for unit, name in ((MIB, "MiB"), (KIB, "KiB")):
        if count >= unit:
            return f"{count / unit:.4g} {name}"
    return f"{count} bytes"
