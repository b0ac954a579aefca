"""Attention, from each token to each or one row of it a head, is refused with what of it is a map."""

from __future__ import annotations

import numpy as np
import pytest

from gsjbu.errors import SignalError
from gsjbu.io import layouts


def attention(*shape: int) -> np.ndarray:
    x = np.random.default_rng(0).random(shape).astype("f4")
    return x / x.sum(axis=-1, keepdims=True)


@pytest.mark.parametrize(
    ("shape", "size", "brought"),
    [
        ((1, 12, 197, 197), (224, 224), "x[0, :, 0, 1:].reshape(12, 14, 14)"),
        ((12, 196, 196), (224, 224), "x[:, 105].reshape(12, 14, 14)"),
        ((197, 197), (480, 640), "x[0, 1:].reshape(14, 14)"),
        ((1, 6, 201, 201), (224, 224), "x[0, :, 0, 5:].reshape(6, 14, 14)"),
        ((12, 532, 532), (304, 448), "x[:, 266].reshape(12, 19, 28)"),
    ],
)
def test_attention_is_refused_with_the_row_that_is_a_map(shape, size, brought):
    x = attention(*shape)
    with pytest.raises(SignalError, match="its rows sum to 1") as refusal:
        layouts.lay(x, size)
    assert f"bring {brought}" in refusal.value.message
    grid = eval(brought, {"x": x}).shape
    assert layouts.lay(eval(brought, {"x": x}), size).planes.shape[1:] == grid[-2:]
    fits = shape[-1] <= min(size)
    assert (f"layout='{shape[-1]}x{shape[-1]}'" in refusal.value.message) == fits
    if fits:
        assert layouts.lay(x, size, grid=shape[-2:]).planes.shape[1:] == shape[-2:]


def test_what_is_no_attention_is_not_refused_as_such():
    features = np.random.default_rng(0).standard_normal((12, 197, 197)).astype("f4")
    assert layouts.lay(features, (224, 224)).planes.shape == features.shape
    classes = attention(32, 64, 64)  # [h, w, C]
    assert layouts.lay(classes, (256, 512)).layout == "HWC"
    assert layouts.lay(attention(90, 90), (256, 256)).planes.shape == (1, 90, 90)  # no grid of tokens
    assert layouts.lay(attention(196, 196), (224, 224), one_channel=True).planes.shape == (1, 196, 196)


@pytest.mark.parametrize(
    ("shape", "size", "brought"),
    [
        ((12, 1536), (256, 384), "x.reshape(12, 32, 48)"),
        ((6, 1537), (256, 384), "x.reshape(6, 1537)[:, 1:].reshape(6, 32, 48)"),
        ((1, 12, 1541), (256, 384), "x.reshape(12, 1541)[:, 5:].reshape(12, 32, 48)"),
        ((12, 1, 1536), (256, 384), "x.reshape(12, 32, 48)"),
        ((1, 12, 1, 1537), (256, 384), "x.reshape(12, 1537)[:, 1:].reshape(12, 32, 48)"),
        ((1, 1, 1536), (256, 384), "x.reshape(1, 32, 48)"),
        ((16, 196), (224, 224), "x.reshape(16, 14, 14)"),
        ((8, 197), (480, 640), "x.reshape(8, 197)[:, 1:].reshape(8, 14, 14)"),
        ((144, 1536), (256, 384), "x.reshape(144, 32, 48)"),
        ((256, 1024), (256, 256), "x.reshape(256, 32, 32)"),
    ],
)
def test_one_attention_map_a_head_is_no_tokens(shape, size, brought):
    with pytest.raises(SignalError, match=r"looks like \[C, N\]") as refusal:
        layouts.lay(attention(*shape), size)
    assert f"bring {brought}" in refusal.value.message
    x = attention(*shape)
    as_map = eval(brought, {"x": x})
    assert layouts.lay(as_map, size).planes.shape == as_map.shape
