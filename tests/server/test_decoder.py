"""Pictures decoded in a process of their own: the same numbers as in this one, and its crashes stay there."""

from __future__ import annotations

import gc
import io
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gsjbu.core import child
from gsjbu.errors import ImageError, SignalError
from gsjbu.io.pictures import EXIF_ORIENTATION, decode_pixels, shrink
from gsjbu.server import helper as helpers
from gsjbu.server import wire
from gsjbu.server.decoder import Decoder, Decoders, DecodeTimeout, HelperLost
from tests import zygote
from tests.npy import npy
from tests.server import hostile
from tests.server.conftest import ROOT, Running, picture, start, upload, wait

needs_fork = pytest.mark.skipif(not helpers.CAN_FORK, reason="children are forked on Linux only")


@pytest.fixture(scope="module")
def helper():  # type: ignore[no-untyped-def]
    made = Decoder(40_000_000, 10)
    yield made
    made.close()


@needs_fork
def test_small_pictures_come_back_whole(helper: Decoder) -> None:
    for data in (hostile.good_png(), hostile.good_jpeg(), hostile.files()["png_16bit.png"]):
        found = helper.decode(data, 512, whole=True)
        assert found.pixels is not None
        np.testing.assert_array_equal(found.pixels, decode_pixels(data))
        assert (found.height, found.width) == found.pixels.shape[:2]


@needs_fork
def test_children_do_not_go_through_what_their_helper_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    """A collection in a child would, and copies all of it: 0.14 s for each picture."""
    monkeypatch.setattr(os, "fdopen", lambda *_: io.BytesIO())  # whose server has gone
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    gc.unfreeze()
    helpers.main(forks=True)
    assert gc.get_freeze_count() > 10 * len(gc.get_objects())


@needs_fork
def test_large_pictures_come_back_reduced_as_shrink_does_it(helper: Decoder, monkeypatch: pytest.MonkeyPatch) -> None:
    data = hostile.saved(hostile.noise(2500, 1700), "JPEG")
    found = helper.decode(data, 512, whole=True)
    assert (found.width, found.height, found.pixels) == (2500, 1700, None)
    assert found.reduced is not None
    # To the bit: a fit follows the last bit of its picture, and the library is to give what the page gives.
    np.testing.assert_array_equal(found.reduced, shrink(decode_pixels(data), 512).numpy())


@needs_fork
def test_of_the_largest_only_the_size_is_told_until_a_run_needs_it(helper: Decoder) -> None:
    data = hostile.saved(Image.new("L", (4600, 3600), 9), "PNG")
    found = helper.decode(data, 512, whole=True)
    assert (found.width, found.height, found.pixels, found.reduced) == (4600, 3600, None, None)
    again = helper.decode(data, 64, whole=False)
    assert again.reduced is not None
    assert again.reduced.shape == (3, 50, 64)
    np.testing.assert_allclose(again.reduced, 9 / 255, atol=1e-6)


@needs_fork
def test_the_size_of_the_largest_is_told_as_it_is_to_be_seen(helper: Decoder) -> None:
    exif = Image.Exif()
    exif[EXIF_ORIENTATION] = 6  # lies on its side
    data = hostile.saved(Image.new("L", (4600, 3600), 9), "JPEG", exif=exif)
    found = helper.decode(data, 512, whole=True)
    assert (found.width, found.height, found.pixels, found.reduced) == (3600, 4600, None, None)
    again = helper.decode(data, 64, whole=False)
    assert again.reduced is not None
    assert (again.width, again.height) == (3600, 4600)
    assert again.reduced.shape == (3, 64, 50)


@needs_fork
def test_refusals_come_through_with_their_code(helper: Decoder) -> None:
    with pytest.raises(ImageError) as refused:
        helper.decode(b"not a picture", 512, whole=True)
    assert refused.value.code == "image_type"


def child_of(helper: Decoder) -> int:
    """The process that decodes now."""
    assert helper._helper is not None
    children = Path(f"/proc/{helper._helper.pid}/task/{helper._helper.pid}/children")
    end = time.monotonic() + 20
    while not children.read_text().split():
        assert time.monotonic() < end
    return int(children.read_text().split()[0])


@needs_fork
def test_a_helper_that_is_killed_is_replaced_and_the_picture_decoded(caplog: pytest.LogCaptureFixture) -> None:
    logging.getLogger("gsjbu.server").propagate = True
    one = Decoders(1, 40_000_000, 30)
    helper = one._all[0]._ready()
    os.kill(helper.pid, signal.SIGSTOP)  # it is asked and cannot answer
    with caplog.at_level(logging.ERROR, "gsjbu.server"), ThreadPoolExecutor(1) as pool:
        found = pool.submit(one.decode, hostile.good_png(), 512, True)
        time.sleep(0.05)
        os.kill(helper.pid, signal.SIGKILL)
        assert found.result().pixels is not None
    assert (one.lost, one.broken) == (1, False)
    assert "a decoding helper was lost" in caplog.text
    one.close()


@needs_fork
@pytest.mark.parametrize(("name", "error"), [("SIGKILL", HelperLost), ("SIGSEGV", ImageError)])
def test_a_child_that_crashes_is_its_pictures_fault_and_one_that_is_killed_is_not(
    helper: Decoder, name: str, error: type[Exception]
) -> None:
    slow = hostile.saved(Image.new("RGB", (3900, 3900)), "PNG")
    helper.start()
    raised: BaseException | None = None
    with ThreadPoolExecutor(1) as pool:
        for _ in range(5):  # on a busy machine the picture may be there before the signal is sent
            answer = pool.submit(helper.decode, slow, 512, True)
            with suppress(ProcessLookupError):
                os.kill(child_of(helper), getattr(signal, name))
            raised = answer.exception()
            if raised is not None:
                break
    assert isinstance(raised, error)
    assert getattr(raised, "code", "image_corrupt") == "image_corrupt"
    assert helper.decode(hostile.good_png(), 512, whole=True).pixels is not None


@needs_fork
def test_a_server_without_helpers_says_so_and_counts_them(
    serve: Callable[..., Running], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(child.spawn, "get_executable", zygote.python)
    server = serve(helper=True)
    client = server.client()
    image = upload(client)
    kept = zygote.python  # helpers that have loaded
    server.service.inputs.decoders._all[0]._kill()
    monkeypatch.setattr(child.spawn, "get_executable", lambda: "/bin/false")
    answer = client.post("/api/images", files={"file": picture()})
    assert (answer.status_code, answer.json()["code"]) == (503, "helper_lost")
    assert answer.headers["retry-after"]
    health = client.get("/healthz").json()
    assert (health["status"], health["helpers_lost"]) == ("degraded", 2)
    assert "gsjbu_helpers_lost 2.0" in client.get("/metrics").text
    assert wait(client, start(client, image))["state"] == "done", "kept pictures need no helper"
    monkeypatch.setattr(child.spawn, "get_executable", kept)
    upload(client)
    assert client.get("/healthz").json()["status"] == "ok"


@needs_fork
def test_a_limit_of_address_space_that_is_there_already_is_not_exceeded() -> None:
    program = """
import resource
resource.setrlimit(resource.RLIMIT_AS, (2500_000_000, 2500_000_000))
from gsjbu.server.decoder import Decoder
from tests.server import hostile
one = Decoder(40_000_000, 30)
print(one.decode(hostile.good_png(), 512, whole=True).width)
one.close()
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout.strip() == "48", done.stderr


@needs_fork
def test_a_picture_that_takes_too_long_is_given_up_in_time() -> None:
    slow = Decoder(40_000_000, 0.3)
    os.kill(slow._ready().pid, signal.SIGSTOP)  # it does not answer
    began = time.monotonic()
    with pytest.raises(DecodeTimeout):
        slow.decode(hostile.good_png(), 512, whole=True)
    assert time.monotonic() - began < 1.5
    assert slow._helper is None, "the helper that did not answer is gone"
    slow.close()


@needs_fork
def test_a_second_picture_does_not_wait_for_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child.spawn, "get_executable", zygote.python)
    both = Decoders(2, 40_000_000, 20)
    big = hostile.saved(Image.new("RGB", (3900, 3900)), "PNG")
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(lambda d: both.decode(d, 512, True), [big, hostile.good_png()] * 2))
    assert [f.width for f in found] == [3900, 48, 3900, 48]
    both.close()


@pytest.fixture(scope="module")
def unforked():  # type: ignore[no-untyped-def]
    """A helper as on Windows and macOS: it decodes by itself, and its memory is watched from outside."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(helpers, "CAN_FORK", False)
        made = Decoder(40_000_000, 20)
    yield made
    made.close()


def test_without_fork_a_helper_decodes_one_file_after_another(unforked: Decoder) -> None:
    for data in (hostile.good_png(), hostile.good_jpeg(), hostile.files()["png_16bit.png"]):
        found = unforked.decode(data, 512, whole=True)
        np.testing.assert_array_equal(found.pixels, decode_pixels(data))
    depth = npy(np.linspace(1.5, 9, 20, dtype=np.float32).reshape(4, 5))
    assert unforked.signal(depth, "depth.npy", 1000).values.shape == (1, 4, 5)
    with pytest.raises(ImageError) as refused:
        unforked.decode(b"not a picture", 512, whole=True)
    assert refused.value.code == "image_type"
    assert unforked._helper is not None
    assert unforked._helper.pid != os.getpid(), "in a process of its own all the same"


def test_with_little_memory_no_file_is_called_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    cut, asked = picture(300, 300)[:5000], {"max_pixels": 10**6, "resolution": 64, "whole": True}
    for room, code in ((2**30, "image_corrupt"), (2**20, "image_too_large")):
        monkeypatch.setattr(helpers, "room", lambda room=room: room)
        out = io.BytesIO()
        helpers._answer(bytearray(cut), {"what": "picture", **asked}, out)
        out.seek(0)
        assert wire.receive(out)[0]["code"] == code


def test_without_fork_a_file_that_takes_too_much_memory_ends_its_helper_alone(
    unforked: Decoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    unforked.decode(hostile.good_png(), 512, whole=True)
    stream = io.BytesIO()
    np.savez_compressed(stream, a=np.zeros((64, 512, 512), np.float32))
    monkeypatch.setattr(helpers, "room", lambda: 2**20)
    with pytest.raises(SignalError) as refused:
        unforked.signal(stream.getvalue(), "zeros.npz", 2**24)
    assert refused.value.code == "signal_too_large"
    monkeypatch.undo()
    assert unforked.decode(hostile.good_png(), 512, whole=True).width == 48


@pytest.mark.posix
@pytest.mark.parametrize(("name", "error"), [("SIGKILL", HelperLost), ("SIGSEGV", ImageError)])
def test_without_fork_a_helper_that_crashes_is_its_files_fault_and_one_that_is_killed_is_not(
    unforked: Decoder, name: str, error: type[Exception]
) -> None:
    helper = unforked._ready()
    os.kill(helper.pid, signal.SIGSTOP)  # it is asked, and ends before it can answer
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(unforked.decode, hostile.good_png(), 512, True)
        time.sleep(0.05)
        os.kill(helper.pid, getattr(signal, name))
        os.kill(helper.pid, signal.SIGCONT)
        with pytest.raises(error) as raised:
            answer.result()
    assert getattr(raised.value, "code", "image_corrupt") == "image_corrupt"
    assert unforked.decode(hostile.good_png(), 512, whole=True).width == 48


@pytest.mark.parametrize(
    ("status", "its"), [(0xC0000005, True), (1, False), (-9, False), (-11, True), (3, True), (None, False)]
)
def test_what_a_status_says_of_the_file(status: int | None, its: bool) -> None:
    """Windows tells an access violation by its status."""
    assert helpers.by_the_file(status) is its
