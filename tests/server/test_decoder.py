"""Pictures decoded in a process of their own: the same numbers as in this one, and its crashes stay there."""

from __future__ import annotations

import os
import time

import numpy as np
import pytest
from PIL import Image

from gsjbu.errors import ImageError
from gsjbu.io.pictures import EXIF_ORIENTATION, decode_pixels, shrink
from gsjbu.server import decoder
from gsjbu.server.decoder import Decoder, Decoders, DecodeTimeout
from tests.server import hostile

needs_fork = pytest.mark.skipif(not decoder.CAN_FORK, reason="the helper process is for Linux")


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
def test_large_pictures_come_back_reduced_as_shrink_does_it(
    helper: Decoder, monkeypatch: pytest.MonkeyPatch
) -> None:
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


@needs_fork
def test_a_crash_of_the_decoder_is_a_refusal_and_the_next_picture_is_fine(
    helper: Decoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert helper.decode(hostile.good_png(), 512, whole=True).pixels is not None
    assert helper._helper is not None
    os.kill(helper._helper.pid, 9)
    helper._helper.wait()
    monkeypatch.setattr(
        helper, "_ready", lambda: helper._helper
    )  # as if it had died while it was being asked
    with pytest.raises(ImageError) as refused:
        helper.decode(hostile.good_png(), 512, whole=True)
    assert refused.value.code == "image_corrupt"
    monkeypatch.undo()
    assert helper.decode(hostile.good_png(), 512, whole=True).pixels is not None


@needs_fork
def test_a_picture_that_takes_too_long_is_given_up_in_time() -> None:
    slow = Decoder(40_000_000, 0.3)
    slow._ready()
    began = time.monotonic()
    with pytest.raises(DecodeTimeout):  # a new helper takes longer than that to start
        slow.decode(hostile.good_png(), 512, whole=True)
    assert time.monotonic() - began < 1.5
    assert slow._helper is None, "the helper that did not answer is gone"
    slow.close()


@needs_fork
def test_a_second_picture_does_not_wait_for_the_first() -> None:
    from concurrent.futures import ThreadPoolExecutor

    both = Decoders(2, 40_000_000, 20)
    big = hostile.saved(Image.new("RGB", (3900, 3900)), "PNG")
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(lambda d: both.decode(d, 512, True), [big, hostile.good_png()] * 2))
    assert [f.width for f in found] == [3900, 48, 3900, 48]
    both.close()


def test_without_fork_it_decodes_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoder, "CAN_FORK", False)
    here = Decoder(40_000_000, 10)
    here.start()
    assert here._helper is None
    assert here.decode(hostile.good_png(), 512, whole=True).width == 48
    here.close()
