"""Logits become probabilities; −∞ among them rules a class out and is no gap."""

from __future__ import annotations

import numpy as np
import pytest

from gsjbu.io import logits

DRAW = np.random.default_rng(0)


@pytest.mark.parametrize("channels", [1, 4])
def test_probabilities_are_the_softmax_or_the_sigmoid(channels):
    values = DRAW.normal(0, 4, (channels, 3, 5))
    odds = np.exp(values)
    expected = odds / (1 + odds) if channels == 1 else odds / odds.sum(axis=0)
    np.testing.assert_allclose(logits.to_probabilities(values), expected, atol=1e-6)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_a_class_that_is_ruled_out_has_probability_0_also_after_sums(dtype):
    values = DRAW.normal(0, 4, (3, 2, 2)).astype(dtype)
    values[1, 0, 0] = -np.inf
    values[:, 1, 1] = -np.inf  # all of them: a gap
    finite = logits.with_finite(values)
    assert finite.dtype == dtype and np.isfinite(finite[:, 0, 0]).all() and np.isneginf(finite[:, 1, 1]).all()
    assert np.isfinite(finite[1, 0, 0].astype(np.float32) * 8)
    shares = logits.to_probabilities(finite[:, :1, :1])[:, 0, 0]
    assert shares[1] == 0 and shares.sum() == pytest.approx(1)
    untouched = np.where(np.isfinite(values), values, 0)
    assert logits.with_finite(untouched) is untouched


def test_numbers_with_ruled_out_classes_are_guessed_to_be_logits():
    winner = np.arange(144).reshape(12, 12) // 40
    values = (8.0 * (np.arange(21)[:, None, None] == winner) + DRAW.normal(0, 0.5, (21, 12, 12))).astype(np.float32)
    assert logits.guess_ruled_out(values) is None
    values[2, :, :4] = -np.inf
    guess = logits.guess_ruled_out(values)
    assert guess is not None and guess.kind == "logits" and "rules classes out" in guess.reason
    with np.errstate(divide="ignore"):
        logs = np.log(np.array([[[0.25]], [[0.75]], [[0.0]]]))
    guess = logits.guess_ruled_out(logs)
    assert guess is not None and "logarithms of probabilities" in guess.reason
    assert logits.guess_ruled_out(values[2:3]) is None  # one channel: nothing is left of it
